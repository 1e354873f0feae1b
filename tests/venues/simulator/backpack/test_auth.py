"""Signatures and clocks, without a server."""

import pytest

from strategies.domain.ids import Timestamp
from venues.simulator.backpack.auth import Authenticator, NumberText, as_signed, parse_body, signed_string
from venues.simulator.backpack.errors import ApiError, TextError

API_KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
SENT_AT = 1_750_000_000_000
LIMIT_ORDER = {
    "symbol": "SOL_USDC_PERP",
    "side": "Bid",
    "orderType": "Limit",
    "price": "100.5",
    "quantity": "0.1",
    "timeInForce": "GTC",
    "postOnly": True,
    "clientId": 7,
}
VECTORS = {
    "order": (
        "orderExecute",
        [LIMIT_ORDER],
        "lzOEoD535Yaqb84I79Etz2GfcZbvIJYInw52IrIZouXK2sMU/T1qnL6ZS7K3y4ERo2bTATL9F/w+lqPZ+jn1AQ==",
    ),
    "batch": (
        "orderExecute",
        [
            {"symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": "1", "quantity": "1"},
            {
                "symbol": "SOL_USDC_PERP",
                "side": "Ask",
                "orderType": "Limit",
                "price": "2",
                "quantity": "1",
                "clientId": 3,
            },
        ],
        "xFVp5ye/72hS04O7WNiBdh60zsdirlCyLd/vb3/hGymkja17qskcOdaBHltO6S2VKJ7n/T4MYCTnBnukklm8DA==",
    ),
    "cancel": (
        "orderCancel",
        [{"symbol": "SOL_USDC_PERP", "clientId": "7"}],
        "FnniuAMsnxLcEAk1JTt1UKauq+TXhQur7cbk9/OakTWW3JhEoF6nb04EGuajg9NaJ2uq38lUbxkki8xJkpnTCg==",
    ),
    "no fields": (
        "collateralQuery",
        [{}],
        "uNE2qoy7M73DFBo1JnfD+5kVZMI6jpYa4EHvutc9OuB7mySJAsVcpvhfXRG5B//ZmwwzB1OwHkZ3HV5Fcya6CQ==",
    ),
}


def authenticator(now: int = SENT_AT) -> Authenticator:
    """Return one that knows the vectors' key."""
    return Authenticator({"someone": API_KEY}, lambda: Timestamp(now))


def request_headers(signature: str, **changes: str) -> dict[str, str]:
    """Return the headers of a vector's request."""
    return {"X-API-Key": API_KEY, "X-Signature": signature, "X-Timestamp": str(SENT_AT), "X-Window": "5000"} | changes


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_vectors_verify(name):
    """Signatures made elsewhere by the venue's rules are accepted."""
    instruction, requests, signature = VECTORS[name]
    fields = [list(request.items()) for request in requests]
    assert authenticator().account_of(request_headers(signature), instruction, fields) == "someone"


def test_a_signed_subscription_verifies():
    """The four strings of a private subscription name the account."""
    signature = "+l7W9gsWo7wgxsSyafqWB1Q/506+FeIpLn7LZu6L9cxoWjT0jP5/krBY+fN3hLePKAYNW5RpHpy+suhu5B2/Dg=="
    assert authenticator().subscriber([API_KEY, signature, str(SENT_AT), "5000"]) == "someone"


@pytest.mark.parametrize("signature", [[], ["key"], [API_KEY, "sig", SENT_AT, 5000], "text"])
def test_a_subscription_signature_of_another_form_is_refused(signature):
    """Anything but four strings is a bad request."""
    with pytest.raises(ApiError) as caught:
        authenticator().subscriber(signature)
    assert (caught.value.status, caught.value.code) == (400, "INVALID_CLIENT_REQUEST")


def test_a_window_that_is_left_out_is_still_signed():
    """Without the header, the window is 5000 and part of the text."""
    instruction, requests, signature = VECTORS["cancel"]
    headers = request_headers(signature)
    del headers["X-Window"]
    assert authenticator().account_of(headers, instruction, [list(requests[0].items())]) == "someone"


GOOD = VECTORS["no fields"][2]
OTHER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BAD_CLOCK = (400, "INVALID_CLIENT_REQUEST")
BAD_SIGNATURE = (401, "INVALID_SIGNATURE")


@pytest.mark.parametrize(
    ("headers", "now", "status_and_code", "message"),
    [
        ({"X-API-Key": OTHER_KEY}, SENT_AT, BAD_SIGNATURE, "Invalid signature"),
        ({"X-API-Key": "not a key"}, SENT_AT, BAD_SIGNATURE, "Invalid signature"),
        ({"X-Signature": VECTORS["cancel"][2]}, SENT_AT, BAD_SIGNATURE, "Invalid signature"),
        ({"X-Signature": "not base64!"}, SENT_AT, BAD_SIGNATURE, "Invalid signature"),
        ({"X-Signature": "AAAA"}, SENT_AT, BAD_SIGNATURE, "Invalid signature"),
        ({"X-Window": "4999"}, SENT_AT, BAD_SIGNATURE, "Invalid signature"),
        ({"X-API-Key": ""}, SENT_AT, (401, "UNAUTHORIZED"), "Missing header X-API-Key"),
        ({"X-Signature": ""}, SENT_AT, (401, "UNAUTHORIZED"), "Missing header X-Signature"),
        ({"X-Timestamp": ""}, SENT_AT, (401, "UNAUTHORIZED"), "Missing header X-Timestamp"),
        ({"X-Timestamp": "soon"}, SENT_AT, BAD_CLOCK, "Invalid timestamp"),
        ({"X-Timestamp": "-1"}, SENT_AT, BAD_CLOCK, "Invalid timestamp"),
        ({"X-Window": "0"}, SENT_AT, BAD_CLOCK, "Invalid window: 1 to 60000 ms"),
        ({"X-Window": "60001"}, SENT_AT, BAD_CLOCK, "Invalid window: 1 to 60000 ms"),
        ({}, SENT_AT + 5001, BAD_CLOCK, "Request has expired"),
        ({}, SENT_AT - 1001, BAD_CLOCK, "Invalid timestamp"),
    ],
)
def test_what_does_not_prove_an_account_is_refused(headers, now, status_and_code, message):
    """Every way to fail has its status, code and words."""
    with pytest.raises(ApiError) as caught:
        authenticator(now).account_of(request_headers(GOOD, **headers), "collateralQuery", [[]])
    assert ((caught.value.status, caught.value.code), caught.value.message) == (status_and_code, message)


@pytest.mark.parametrize("now", [SENT_AT + 5000, SENT_AT - 1000])
def test_the_edges_of_the_window_are_inside(now):
    """A request is good until the last millisecond of its window, and a second ahead."""
    assert authenticator(now).account_of(request_headers(GOOD), "collateralQuery", [[]]) == "someone"


def test_a_key_that_is_no_key_is_refused_at_start():
    """A wrong key in the set-up is an error there, not at the first request."""
    with pytest.raises(ValueError, match="32"):
        Authenticator({"someone": "AAAA"}, lambda: Timestamp(0))


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), ("True", "true"), (7, "7"), ("7", "7"), (NumberText("1.50"), "1.50")],
)
def test_values_are_written_as_they_were_sent(value, text):
    """Bools in lower case, numbers and texts alike."""
    assert as_signed(value) == text


def test_fields_are_sorted_and_null_is_left_out():
    """The order in which fields were sent does not matter, and null was not sent."""
    text = signed_string("x", [[("b", "2"), ("a", 1), ("c", None)]], "5", "9")
    assert text == "instruction=x&a=1&b=2&timestamp=5&window=9"


def test_a_fraction_keeps_its_digits():
    """A number sent with a trailing zero is signed with it."""
    assert parse_body(b'{"price": 1.50}') == {"price": "1.50"}
    assert isinstance(parse_body(b"1.50"), NumberText)


def test_a_body_that_is_not_json_is_refused_in_plain_text():
    """The venue's parser answers before its API does."""
    with pytest.raises(TextError, match="parse request payload error"):
        parse_body(b"{")
