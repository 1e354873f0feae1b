"""Signed transactions, checked by the independent verifier; amounts that do not fit are refused before signing."""

import json
import pickle
import socket
import subprocess
import sys
import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typed_lighter.core.signer import schnorr
from typed_lighter.core.signer.key import PythonSigner
from typed_lighter.core.signer.token import verify_auth_token

from strategies.domain.ids import ClientOrderId, InstrumentId, OrderId, Timestamp
from strategies.domain.order import OrderRequest, OrderType, Side, TimeInForce
from venues.errors import Rejected
from venues.lighter import native
from venues.lighter.native import SignerError, check_header
from venues.lighter.signing import MarketScale, Signer
from venues.secrets import Secret
from venues.simulator.lighter.transactions import parse_transaction

ETH = MarketScale(market_index=0, price_decimals=2, size_decimals=4)
KEY, NONCE, CHAIN, ACCOUNT = 4, 7, 304, 65


@pytest.fixture(scope="module")
def private_key() -> PythonSigner:
    """Make a throw-away key."""
    return PythonSigner.generate()


@pytest.fixture(scope="module")
def signer(private_key) -> Signer:
    """Return a signer that has the key."""
    made = Signer(ACCOUNT, CHAIN)
    made.add_key(KEY, Secret("env:TEST", private_key.key_pair().private_key))
    return made


def request(**fields) -> OrderRequest:
    """Make a request: by default a limit order to buy 0.01 at 4000."""
    return OrderRequest.model_validate(
        {
            "order_id": OrderId("g:1:l:entry:1"),
            "instrument_id": InstrumentId("ETH-PERP"),
            "side": Side.BUY,
            "quantity": Decimal("0.0100"),
            "order_type": OrderType.LIMIT,
            "price": Decimal("4000.00"),
            "time_in_force": TimeInForce.GTC,
        }
        | fields
    )


STYLES = {
    "limit": ({}, {"Type": 0, "TimeInForce": 1, "ReduceOnly": 0, "IsAsk": 0}),
    "post-only": ({"post_only": True, "side": Side.SELL}, {"Type": 0, "TimeInForce": 2, "IsAsk": 1}),
    "limit ioc": ({"time_in_force": TimeInForce.IOC}, {"Type": 0, "TimeInForce": 0, "OrderExpiry": 0}),
    "market": (
        {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC, "reduce_only": True},
        {"Type": 1, "TimeInForce": 0, "OrderExpiry": 0, "ReduceOnly": 1},
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_an_order_says_what_was_asked(signer, private_key, style):
    """Amounts as integers of the grid; hash and signature stand before the independent verifier."""
    fields, expected = STYLES[style]
    signed = signer.order(ETH, request(**fields), ClientOrderId(123), key=KEY, nonce=NONCE)
    body = json.loads(signed.tx_info)
    assert (
        body.items() >= ({"BaseAmount": 100, "Price": 400_000, "ClientOrderIndex": 123, "Nonce": 7} | expected).items()
    )
    assert body["L2TxAttributes"] is None
    wire = parse_transaction(signed.tx_type, signed.tx_info, CHAIN)
    assert wire.tx_hash == signed.tx_hash
    assert schnorr.verify(pk=private_key.public_key, msg_hash=wire.message_hash, sig=wire.signature)


def test_the_expiry_is_read_from_what_was_signed(signer):
    """Ten minutes from now, give or take: the library sets it, we read it."""
    before_ms = time.time_ns() // 1_000_000
    signed = signer.cancel(ETH, ClientOrderId(123), key=KEY, nonce=NONCE)
    assert signed.expires_at == json.loads(signed.tx_info)["ExpiredAt"]
    assert 590_000 < signed.expires_at - before_ms < 610_000


def test_cancels_and_leverage(signer):
    """Cancel by client id; cancel all of one market only; leverage as a margin fraction."""
    cancel = signer.cancel(ETH, ClientOrderId(123), key=KEY, nonce=NONCE)
    every = signer.cancel_all(ETH, key=KEY, nonce=NONCE)
    leverage = signer.leverage(ETH, Decimal(20), key=KEY, nonce=NONCE)
    assert (cancel.tx_type, json.loads(cancel.tx_info)["Index"]) == (15, 123)
    assert (every.tx_type, json.loads(every.tx_info)["L2TxAttributes"]) == (16, {"5": 0})
    assert (leverage.tx_type, json.loads(leverage.tx_info)["InitialMarginFraction"]) == (20, 500)
    assert all(parse_transaction(made.tx_type, made.tx_info, CHAIN).tx_hash == made.tx_hash for made in (cancel, every))


@given(leverage=st.decimals(min_value=1, max_value=10_000, places=3))
@settings(max_examples=30, deadline=None)
def test_leverage_is_never_higher_than_asked(signer, leverage):
    """The fraction is rounded up."""
    signed = signer.leverage(ETH, leverage, key=KEY, nonce=NONCE)
    assert Fraction(10_000, json.loads(signed.tx_info)["InitialMarginFraction"]) <= Fraction(leverage)


@pytest.mark.parametrize("leverage", [Decimal("0.5"), Decimal(0), Decimal(-3)])
def test_leverage_below_one_is_refused(signer, leverage):
    """Nothing that the venue cannot express is signed."""
    with pytest.raises(Rejected, match="leverage"):
        signer.leverage(ETH, leverage, key=KEY, nonce=NONCE)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"price": Decimal("4000.001")}, "price-grid"),
        ({"price": Decimal("4000.0000000000000000000000000001")}, "price-grid"),
        ({"quantity": Decimal("0.00001")}, "quantity-grid"),
        ({"price": Decimal("42949672.96")}, "price-range"),
        ({"price": Decimal("42949672.97")}, "price-range"),
        ({"quantity": Decimal(2**48) / 10_000}, "quantity-range"),
        ({"time_in_force": TimeInForce.FOK, "order_type": OrderType.MARKET}, "unsupported"),
    ],
)
def test_what_does_not_fit_is_refused_before_signing(signer, fields, code):
    """Off the grid by any amount, or beyond 32 or 48 bits, where the library would wrap in silence."""
    with pytest.raises(Rejected) as caught:
        signer.order(ETH, request(**fields), ClientOrderId(123), key=KEY, nonce=NONCE)
    assert caught.value.code == code
    assert not caught.value.stale_nonce


def test_the_largest_amounts_pass(signer):
    """The bounds themselves are inside."""
    signed = signer.order(
        ETH,
        request(price=Decimal("42949672.95"), quantity=Decimal(2**48 - 1) / 10_000),
        ClientOrderId(2**48 - 1),
        key=KEY,
        nonce=NONCE,
    )
    assert json.loads(signed.tx_info).items() >= {"Price": 2**32 - 1, "BaseAmount": 2**48 - 1}.items()


@pytest.mark.parametrize("client_order_id", [0, -1, 2**48])
def test_client_ids_beyond_48_bits_are_refused(signer, client_order_id):
    """0 would mean none, and a cancel of a larger number would mean another order."""
    with pytest.raises(Rejected, match="client-id"):
        signer.cancel(ETH, ClientOrderId(client_order_id), key=KEY, nonce=NONCE)


def test_a_negative_nonce_is_refused(signer):
    """The library would take it as a wish to ask the venue."""
    with pytest.raises(Rejected, match="nonce"):
        signer.cancel(ETH, ClientOrderId(1), key=KEY, nonce=-1)


def test_an_unknown_key_is_refused_with_the_librarys_words(signer):
    """A key that was never added cannot sign."""
    with pytest.raises(Rejected, match="signer"):
        signer.cancel(ETH, ClientOrderId(1), key=99, nonce=NONCE)


def test_an_auth_token_stands_before_the_verifier(signer, private_key):
    """Deadline in seconds, account and key in front of the signature."""
    token = signer.auth_token(KEY, now=Timestamp(1_750_000_000_000), life_s=600)
    assert token.startswith("1750000600:65:4:")
    assert verify_auth_token(token, private_key.public_key)


@pytest.mark.parametrize("text", ["", "zz", "ab" * 39, "zz" * 40])
def test_what_is_no_key_is_refused_and_not_shown(text):
    """The error names the reference only."""
    with pytest.raises(SignerError) as caught:
        Signer(ACCOUNT, CHAIN).add_key(KEY, Secret("env:L1_KEY", text))
    assert "env:L1_KEY" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_a_rejection_pickles():
    """Refusals cross processes."""
    error = pickle.loads(pickle.dumps(Rejected("21104", "invalid nonce", stale_nonce=True)))  # noqa: S301 - our own bytes
    assert error.stale_nonce


def test_signing_needs_no_network(signer, monkeypatch):
    """No Python socket is made; the Go side has no HTTP client, because it was given no address."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    signer.cancel(ETH, ClientOrderId(1), key=KEY, nonce=NONCE)
    with pytest.raises(SignerError, match="HTTPClient is nil"):
        native.load().call("SignCancelOrder", 0, 1, 0, -1, KEY, ACCOUNT)


def test_the_generated_client_is_not_imported():
    """Signing leaves the SDK's REST client out of the process: it costs a second and tens of megabytes."""
    code = (
        "import sys; from venues.lighter import venue, native; native.load(); "
        "print(any(name == 'lighter' or name.startswith('lighter.') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert done.stdout.strip() == "False"


def test_a_header_with_other_signatures_is_refused():
    """A library whose arguments moved must not be called."""
    lines = []
    for name, types in native._PROTOTYPES.items():
        arguments = ", ".join(f"{word.strip()} c" for word in types.split(",") if word.strip())
        lines.append(f"extern SignedTxResponse {name}({arguments});")
    header = "\n".join(lines)
    check_header(header)
    with pytest.raises(SignerError, match="SignCancelOrder"):
        check_header(header.replace("SignCancelOrder(long long int c,", "SignCancelOrder(int c,"))
    with pytest.raises(SignerError, match="Free"):
        check_header(header.replace("Free(void* c)", "Release(void* c)"))
