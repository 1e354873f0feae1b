"""Signatures, against vectors computed with another implementation from a throw-away key."""

import base64
import pickle
from decimal import Decimal

import pytest

from venues.backpack.signing import BadKeyError, Signer, as_text, plain, string_to_sign
from venues.secrets import Secret

SEED = base64.b64encode(bytes(range(32))).decode()
AT = 1750000000000
LIMIT_ORDER = {
    "timeInForce": "GTC",
    "symbol": "SOL_USDC_PERP",
    "side": "Bid",
    "quantity": "0.1",
    "price": "100.5",
    "postOnly": True,
    "orderType": "Limit",
    "clientId": 7,
}
BATCH = [
    {"symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": "1", "quantity": "1"},
    {"symbol": "SOL_USDC_PERP", "side": "Ask", "orderType": "Limit", "price": "2", "quantity": "1", "clientId": 3},
]
VECTORS = [
    (
        string_to_sign("orderExecute", [LIMIT_ORDER], AT, 5000),
        (
            "instruction=orderExecute&clientId=7&orderType=Limit&postOnly=true&price=100.5&quantity=0.1&side=Bid"
            "&symbol=SOL_USDC_PERP&timeInForce=GTC&timestamp=1750000000000&window=5000"
        ),
        "lzOEoD535Yaqb84I79Etz2GfcZbvIJYInw52IrIZouXK2sMU/T1qnL6ZS7K3y4ERo2bTATL9F/w+lqPZ+jn1AQ==",
    ),
    (
        string_to_sign("orderExecute", BATCH, AT, 5000),
        (
            "instruction=orderExecute&orderType=Limit&price=1&quantity=1&side=Bid&symbol=SOL_USDC_PERP"
            "&instruction=orderExecute&clientId=3&orderType=Limit&price=2&quantity=1&side=Ask&symbol=SOL_USDC_PERP"
            "&timestamp=1750000000000&window=5000"
        ),
        "xFVp5ye/72hS04O7WNiBdh60zsdirlCyLd/vb3/hGymkja17qskcOdaBHltO6S2VKJ7n/T4MYCTnBnukklm8DA==",
    ),
    (
        string_to_sign("orderCancel", [{"symbol": "SOL_USDC_PERP", "clientId": 7}], AT, 5000),
        "instruction=orderCancel&clientId=7&symbol=SOL_USDC_PERP&timestamp=1750000000000&window=5000",
        "FnniuAMsnxLcEAk1JTt1UKauq+TXhQur7cbk9/OakTWW3JhEoF6nb04EGuajg9NaJ2uq38lUbxkki8xJkpnTCg==",
    ),
    (
        string_to_sign("collateralQuery", [{}], AT, 5000),
        "instruction=collateralQuery&timestamp=1750000000000&window=5000",
        "uNE2qoy7M73DFBo1JnfD+5kVZMI6jpYa4EHvutc9OuB7mySJAsVcpvhfXRG5B//ZmwwzB1OwHkZ3HV5Fcya6CQ==",
    ),
    (
        string_to_sign("subscribe", [{}], AT, 5000),
        "instruction=subscribe&timestamp=1750000000000&window=5000",
        "+l7W9gsWo7wgxsSyafqWB1Q/506+FeIpLn7LZu6L9cxoWjT0jP5/krBY+fN3hLePKAYNW5RpHpy+suhu5B2/Dg==",
    ),
]


def signer(text: str = SEED) -> Signer:
    """Return a signer of the vectors' key."""
    return Signer(Secret("env:KEY", text))


@pytest.mark.parametrize(("made", "text", "signature"), VECTORS)
def test_strings_and_signatures_match_the_vectors(made: str, text: str, signature: str):
    """The string to sign is built from unsorted fields exactly as the venue builds it, and the signature agrees."""
    assert made == text
    assert signer().sign(text) == signature


def test_headers_carry_key_signature_time_and_window():
    """A REST request is marked with four headers, all of them text."""
    headers = signer().headers("orderExecute", LIMIT_ORDER, AT, 5000)
    assert headers == {
        "X-API-Key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "X-Signature": VECTORS[0][2],
        "X-Timestamp": "1750000000000",
        "X-Window": "5000",
    }
    assert signer().subscription(AT, 5000) == [headers["X-API-Key"], VECTORS[4][2], "1750000000000", "5000"]


def test_a_seed_followed_by_its_public_key_is_the_same_key():
    """Some tools export 64 bytes: the seed and the public key; a wrong second half is refused."""
    public = base64.b64decode(signer().api_key)
    assert signer(base64.b64encode(bytes(range(32)) + public).decode()).api_key == signer().api_key
    with pytest.raises(BadKeyError, match="second half"):
        signer(base64.b64encode(bytes(range(32)) + bytes(32)).decode())


@pytest.mark.parametrize("text", ["not base64 !", base64.b64encode(b"short").decode(), "0x" + "ab" * 32])
def test_a_bad_key_is_named_by_its_reference_only(text: str):
    """What is no key is refused without showing it."""
    with pytest.raises(BadKeyError) as raised:
        signer(text)
    assert "env:KEY" in str(raised.value)
    assert text not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_signer_shows_no_secret_and_does_not_travel():
    """Neither repr nor pickle let the seed out."""
    assert SEED not in repr(signer())
    assert repr(signer()) == "<Backpack key A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=>"
    with pytest.raises(TypeError):
        pickle.dumps(signer())


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E+3", "1000"), ("0.10", "0.1"), ("1E-7", "0.0000001"), ("100.500", "100.5"), ("-0", "0"), ("42", "42")],
)
def test_decimals_are_written_plainly(value: str, text: str):
    """No exponent and no idle zeros, whatever the Decimal looks like inside."""
    assert plain(Decimal(value)) == text


def test_scalars_are_signed_as_they_are_sent():
    """Booleans in lower case, numbers and text as they stand."""
    assert [as_text(value) for value in (True, False, 7, "Bid")] == ["true", "false", "7", "Bid"]
