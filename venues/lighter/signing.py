"""Signed transactions from exact amounts: the border between `Decimal` and the venue's integers.

Every number is checked before the library sees it, because the library wraps a price above 32 bits without an error.
What comes back is read field by field, so a transaction that says something else than asked never leaves.
"""

import json
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from typing import NamedTuple

from strategies.domain.ids import ClientOrderId, Timestamp
from strategies.domain.order import OrderRequest, OrderType, Side, TimeInForce
from venues.errors import Rejected
from venues.lighter import native
from venues.lighter.native import NativeSigner, SignedTx, SignerError
from venues.secrets import Secret

TX_CREATE_ORDER = 14
TX_CANCEL_ORDER = 15
TX_CANCEL_ALL = 16
TX_UPDATE_LEVERAGE = 20

CLIENT_ID_BITS = 48
_MAX_UINT32 = 2**32 - 1
_MAX_UINT48 = 2**48 - 1
_MAX_NONCE = 2**47 - 1
_KEY_HEX_DIGITS = 80
_LIMIT, _MARKET, _STOP_LOSS = 0, 1, 2
_IOC, _GTT, _POST_ONLY = 0, 1, 2
_NO_EXPIRY = 0
_EXPIRE_IN_28_DAYS = -1
_CANCEL_NOW, _CANCEL_AT, _CANCEL_NEVER = 0, 1, 2
_NO_MARKET = 255
"""The market attribute's word for none: a scheduled cancel takes no market."""
_CROSS_MARGIN = 0
_STRICT_NONCE = 0
_WHOLE_MARGIN = Decimal(10_000)
"""An initial margin fraction of 1, in the venue's units: leverage 1."""
_ATTRIBUTE_MARKET = "5"
_MS_PER_S = 1000


class MarketScale(NamedTuple):
    """How one market's prices and sizes become integers."""

    market_index: int
    price_decimals: int
    size_decimals: int

    def price_units(self, price: Decimal) -> int:
        """Return `price` (USD) in ticks.

        Raises:
            Rejected: it is off the grid or does not fit 32 bits.
        """
        return _units(price, self.price_decimals, _MAX_UINT32, "price")

    def size_units(self, quantity: Decimal) -> int:
        """Return `quantity` (base units) in lots.

        Raises:
            Rejected: it is off the grid or does not fit 48 bits.
        """
        return _units(quantity, self.size_decimals, _MAX_UINT48, "quantity")


class SignedWrite(NamedTuple):
    """A signed transaction: what goes onto the wire, its hash, and when the venue stops executing it."""

    tx_type: int
    tx_info: str
    tx_hash: str
    expires_at: Timestamp


class Signer:
    """Signs for one account. Makes no connection; one call takes about one millisecond of processor time."""

    def __init__(self, account_index: int, chain_id: int) -> None:
        """Remember who signs; keys are added by `add_key`."""
        self._account = account_index
        self._chain = chain_id
        self._native: NativeSigner | None = None

    def add_key(self, index: int, secret: Secret) -> None:
        """Give the signer a private key (40 bytes, hex).

        Raises:
            SignerError: it is not such a key, or there is no signer for this machine.
        """
        text = secret.reveal().removeprefix("0x")
        try:
            well_formed = len(bytes.fromhex(text)) * 2 == _KEY_HEX_DIGITS
        except ValueError:
            well_formed = False
        if not well_formed:
            raise SignerError(f"{secret!r} does not hold a Lighter API key: {_KEY_HEX_DIGITS} hex digits are expected")
        self._native = native.load()
        self._native.create_client(text, self._chain, index, self._account)

    def order(
        self, scale: MarketScale, request: OrderRequest, client_order_id: ClientOrderId, *, key: int, nonce: int
    ) -> SignedWrite:
        """Sign an order.

        Raises:
            Rejected: it cannot be expressed on this venue, or the signer refused it.
        """
        kind, in_force, expiry = _style(request)
        expected = {
            "MarketIndex": scale.market_index,
            "ClientOrderIndex": _client_order_index(client_order_id),
            "BaseAmount": scale.size_units(request.quantity),
            "Price": scale.price_units(request.price),
            "IsAsk": int(request.side is Side.SELL),
            "Type": kind,
            "TimeInForce": in_force,
            "ReduceOnly": int(request.reduce_only),
            "TriggerPrice": 0 if request.trigger_price is None else scale.price_units(request.trigger_price),
        }
        if expiry == _NO_EXPIRY:
            expected["OrderExpiry"] = _NO_EXPIRY
        values = (*list(expected.values())[:9], expiry, 0, 0, 0, 0, 0, _STRICT_NONCE)
        return self._sign("SignCreateOrder", TX_CREATE_ORDER, values, expected, key=key, nonce=nonce)

    def cancel(self, scale: MarketScale, client_order_id: ClientOrderId, *, key: int, nonce: int) -> SignedWrite:
        """Sign the cancel of the order with this client id. Raises Rejected as `order`."""
        expected = {"MarketIndex": scale.market_index, "Index": _client_order_index(client_order_id)}
        values = (*expected.values(), _STRICT_NONCE)
        return self._sign("SignCancelOrder", TX_CANCEL_ORDER, values, expected, key=key, nonce=nonce)

    def cancel_all(self, scale: MarketScale, *, key: int, nonce: int) -> SignedWrite:
        """Sign a cancel of everything that rests in this market. Raises Rejected as `order`."""
        expected = {"TimeInForce": _CANCEL_NOW, "Time": 0}
        values = (*expected.values(), scale.market_index, _STRICT_NONCE)
        attributes = {_ATTRIBUTE_MARKET: scale.market_index}
        return self._sign(
            "SignCancelAllOrders", TX_CANCEL_ALL, values, expected, key=key, nonce=nonce, attributes=attributes
        )

    def switch(self, due_at: Timestamp | None, *, key: int, nonce: int) -> SignedWrite:
        """Sign the setting of the dead-man switch, or with None its taking back. Raises Rejected as `order`."""
        expected = {"TimeInForce": _CANCEL_NEVER if due_at is None else _CANCEL_AT, "Time": due_at or 0}
        values = (*expected.values(), _NO_MARKET, _STRICT_NONCE)
        return self._sign("SignCancelAllOrders", TX_CANCEL_ALL, values, expected, key=key, nonce=nonce)

    def leverage(self, scale: MarketScale, leverage: Decimal, *, key: int, nonce: int) -> SignedWrite:
        """Sign a change of leverage (cross margin). Rounded so that it is never higher than asked.

        Raises:
            Rejected: the leverage is below 1 or beyond what the venue can express.
        """
        fraction = int((_WHOLE_MARGIN / leverage).to_integral_value(rounding=ROUND_CEILING)) if leverage > 0 else 0
        if not 1 <= fraction <= _WHOLE_MARGIN:
            raise Rejected("leverage", f"{leverage} is outside 1 to {_WHOLE_MARGIN}")
        expected = {
            "MarketIndex": scale.market_index,
            "InitialMarginFraction": fraction,
            "MarginMode": _CROSS_MARGIN,
        }
        values = (*expected.values(), _STRICT_NONCE)
        return self._sign("SignUpdateLeverage", TX_UPDATE_LEVERAGE, values, expected, key=key, nonce=nonce)

    def auth_token(self, key: int, *, now: Timestamp, life_s: float) -> str:
        """Make a token for private reads that lives `life_s` seconds from `now`.

        Raises:
            SignerError: no key was added, or the signer refused.
        """
        return self._library().auth_token(int(now / _MS_PER_S + life_s), key, self._account)

    def _sign(
        self,
        function: str,
        tx_type: int,
        values: tuple[int, ...],
        expected: dict[str, int],
        *,
        key: int,
        nonce: int,
        attributes: dict[str, int] | None = None,
    ) -> SignedWrite:
        if not 0 <= nonce <= _MAX_NONCE:
            raise Rejected("nonce", f"{nonce} is outside 0 to {_MAX_NONCE}")
        try:
            signed = self._library().call(function, *values, nonce, key, self._account)
        except SignerError as error:
            raise Rejected("signer", str(error)) from error
        expected = expected | {"AccountIndex": self._account, "ApiKeyIndex": key, "Nonce": nonce}
        return SignedWrite(tx_type, signed.tx_info, signed.tx_hash, _read_back(signed, tx_type, expected, attributes))

    def _library(self) -> NativeSigner:
        if self._native is None:
            raise SignerError("no key was given to the signer")
        return self._native


def _read_back(
    signed: SignedTx, tx_type: int, expected: dict[str, int], attributes: dict[str, int] | None
) -> Timestamp:
    """Check that the signed text says what was asked; return when it expires."""
    body = json.loads(signed.tx_info)
    wrong = [name for name, value in expected.items() if body.get(name) != value]
    if signed.tx_type != tx_type or wrong or body.get("L2TxAttributes") != attributes:
        raise Rejected("signer", f"the signed transaction differs from what was asked: {wrong or 'type or attributes'}")
    expires_at = body.get("ExpiredAt")
    if not isinstance(expires_at, int) or expires_at <= 0:
        raise Rejected("signer", "the signed transaction has no expiry")
    return Timestamp(expires_at)


def _style(request: OrderRequest) -> tuple[int, int, int]:
    """Return type, time in force and expiry of an order in the venue's numbers."""
    if request.time_in_force is TimeInForce.FOK:
        raise Rejected("unsupported", "Lighter has no fill-or-kill orders")
    if request.trigger_price is not None:
        return _STOP_LOSS, _IOC, _EXPIRE_IN_28_DAYS
    kind = _MARKET if request.order_type is OrderType.MARKET else _LIMIT
    if request.time_in_force is TimeInForce.IOC:
        return kind, _IOC, _NO_EXPIRY
    return kind, _POST_ONLY if request.post_only else _GTT, _EXPIRE_IN_28_DAYS


def _client_order_index(client_order_id: ClientOrderId) -> int:
    if not 1 <= client_order_id <= _MAX_UINT48:
        raise Rejected("client-id", f"{client_order_id} is outside 1 to {_MAX_UINT48}")
    return client_order_id


def _units(value: Decimal, decimals: int, most: int, what: str) -> int:
    # A fraction, because Decimal arithmetic would round a value of more than 28 digits onto the grid.
    scaled = Fraction(value) * 10**decimals
    units = int(scaled)
    if scaled.denominator != 1:
        raise Rejected(f"{what}-grid", f"{what} {value} has more than {decimals} decimals")
    if not 1 <= units <= most:
        raise Rejected(f"{what}-range", f"{what} {value} is outside what the venue's integers hold")
    return units
