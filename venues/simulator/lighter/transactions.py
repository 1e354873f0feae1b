"""Lighter transactions: the signed JSON of a client, read, checked and hashed.

Structure, ranges and hash are judged by typed-lighter's port of the official signer, so that what the official
signer can make is accepted and its hash is ours. Only the types that trading needs are known here.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from typed_lighter.core.exc import BadRequest
from typed_lighter.core.signer import schnorr
from typed_lighter.core.signer.txs import account as account_txs
from typed_lighter.core.signer.txs import base as tx_base
from typed_lighter.core.signer.txs import orders as order_txs

from venues.simulator.lighter.errors import ApiRefusal, Code

SIGNATURE_BYTES = 80
NO_MARKET = 255
"""The market number that means "none" or "all"."""
FIRST_ORDER_INDEX = 2**48
"""Indexes from here on are the venue's order numbers; below are client order indexes."""


class TxType(IntEnum):
    """The transaction types this simulator executes."""

    CREATE_ORDER = 14
    CANCEL_ORDER = 15
    CANCEL_ALL = 16
    UPDATE_LEVERAGE = 20


class OrderKind(IntEnum):
    """`Type` of an order transaction."""

    LIMIT = 0
    MARKET = 1
    STOP_LOSS = 2
    STOP_LOSS_LIMIT = 3
    TAKE_PROFIT = 4
    TAKE_PROFIT_LIMIT = 5
    TWAP = 6


class WireTimeInForce(IntEnum):
    """`TimeInForce` of an order transaction."""

    IOC = 0
    GTT = 1
    POST_ONLY = 2


class CancelAllMode(IntEnum):
    """`TimeInForce` of a cancel-all transaction."""

    NOW = 0
    SCHEDULED = 1
    ABORT = 2


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Type 14. Amounts are integers on the market's grid, times epoch milliseconds."""

    market_index: int
    client_order_index: int
    base_amount: int
    price: int
    is_ask: bool
    kind: OrderKind
    time_in_force: WireTimeInForce
    reduce_only: bool
    trigger_price: int
    order_expiry: int


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Type 15. `index` is a client order index below 2^48, an order index above."""

    market_index: int
    index: int


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Type 16. `market_index` limits an immediate one to a market (attribute 5)."""

    mode: CancelAllMode
    time: int
    market_index: int | None


@dataclass(frozen=True, slots=True)
class UpdateLeverage:
    """Type 20. `fraction` is the initial margin fraction in 1e-4: 500 = 5 % = 20x."""

    market_index: int
    fraction: int
    margin_mode: int


Body = CreateOrder | CancelOrder | CancelAll | UpdateLeverage


@dataclass(frozen=True, slots=True)
class Transaction:
    """One signed transaction, checked in form. The signature is not verified yet."""

    tx_type: TxType
    account_index: int
    api_key_index: int
    nonce: int
    expired_at: int
    skip_nonce: bool
    body: Body
    info: str
    message_hash: bytes
    signature: bytes

    @property
    def tx_hash(self) -> str:
        """Return the hash as the venue shows it: 80 hex digits."""
        return self.message_hash.hex()

    def is_signed_by(self, public_key: bytes) -> bool:
        """Verify the signature: about 10 ms of pure Python."""
        return bool(schnorr.verify(pk=public_key, msg_hash=self.message_hash, sig=self.signature))


def parse_transaction(tx_type: int, info: str | Mapping[str, Any], chain_id: int) -> Transaction:
    """Read one transaction from the wire.

    Args:
        tx_type: the number that came beside it.
        info: the signed JSON, as text (HTTP) or as an object (WebSocket).
        chain_id: hashed into the transaction; a client on another chain fails verification.

    Raises:
        ApiRefusal: an unsupported type, or a field that is missing, of the wrong type or out of range.
    """
    try:
        kind = TxType(tx_type)
    except ValueError:
        raise ApiRefusal(Code.UNSUPPORTED_TX_TYPE, str(tx_type)) from None
    fields, text = _fields(info)
    try:
        wire = _WIRE[kind](fields, _common(fields))
        wire.validate()
        signature = _signature(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ApiRefusal(Code.INVALID_TX_INFO, f"{type(error).__name__} {error}") from None
    except BadRequest as error:
        message = str(error.args[0]) if error.args else ""
        raise ApiRefusal(_code_of(message), message) from None
    return Transaction(
        tx_type=kind,
        account_index=wire.account_index,
        api_key_index=wire.api_key_index,
        nonce=wire.nonce,
        expired_at=wire.expired_at,
        skip_nonce=wire.attributes.skip_nonce == 1,
        body=_BODIES[kind](wire),
        info=text,
        message_hash=wire.hash(chain_id),
        signature=signature,
    )


def _fields(info: str | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if not isinstance(info, str):
        return info, json.dumps(info, separators=(",", ":"))
    try:
        fields = json.loads(info)
    except ValueError:
        raise ApiRefusal(Code.INVALID_TX_INFO, "not JSON") from None
    if not isinstance(fields, dict):
        raise ApiRefusal(Code.INVALID_TX_INFO, "not an object")
    return fields, info


def _common(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "account_index": fields["AccountIndex"],
        "api_key_index": fields["ApiKeyIndex"],
        "expired_at": fields["ExpiredAt"],
        "nonce": fields["Nonce"],
        "attributes": _attributes(fields.get("L2TxAttributes")),
    }


_ATTRIBUTE_NAMES = {
    "1": "integrator_account_index",
    "2": "integrator_taker_fee",
    "3": "integrator_maker_fee",
    "4": "skip_nonce",
    "5": "cancel_all_market_index",
    "6": "self_trade_behavior_mode",
    "7": "self_trade_equality_mode",
    "8": "order_version",
}


def _attributes(raw: object) -> Any:
    """Read `L2TxAttributes`: absent (old signers), null, or a map of type number to value."""
    if raw is None:
        return tx_base.NO_ATTRIBUTES
    if not isinstance(raw, Mapping):
        raise TypeError("L2TxAttributes")
    return tx_base.Attributes(**{_ATTRIBUTE_NAMES[number]: value for number, value in raw.items()})


def _signature(fields: Mapping[str, Any]) -> bytes:
    try:
        signature = base64.b64decode(fields["Sig"], validate=True)
    except binascii.Error:
        raise ApiRefusal(Code.INVALID_SIGNATURE, "not base64") from None
    if len(signature) != SIGNATURE_BYTES:
        raise ApiRefusal(Code.INVALID_SIGNATURE, f"{len(signature)} bytes")
    return signature


def _wire_create(fields: Mapping[str, Any], common: dict[str, Any]) -> Any:
    order = order_txs.OrderInfo(
        market_index=fields["MarketIndex"],
        client_order_index=fields["ClientOrderIndex"],
        base_amount=fields["BaseAmount"],
        price=fields["Price"],
        is_ask=fields["IsAsk"],
        type=fields["Type"],
        time_in_force=fields["TimeInForce"],
        reduce_only=fields["ReduceOnly"],
        trigger_price=fields["TriggerPrice"],
        order_expiry=fields["OrderExpiry"],
    )
    return order_txs.CreateOrder(order=order, **common)


def _wire_cancel(fields: Mapping[str, Any], common: dict[str, Any]) -> Any:
    return order_txs.CancelOrder(market_index=fields["MarketIndex"], index=fields["Index"], **common)


def _wire_cancel_all(fields: Mapping[str, Any], common: dict[str, Any]) -> Any:
    return order_txs.CancelAllOrders(time_in_force=fields["TimeInForce"], time=fields["Time"], **common)


def _wire_leverage(fields: Mapping[str, Any], common: dict[str, Any]) -> Any:
    return account_txs.UpdateLeverage(
        market_index=fields["MarketIndex"],
        initial_margin_fraction=fields["InitialMarginFraction"],
        margin_mode=fields["MarginMode"],
        **common,
    )


_WIRE: dict[TxType, Callable[[Mapping[str, Any], dict[str, Any]], Any]] = {
    TxType.CREATE_ORDER: _wire_create,
    TxType.CANCEL_ORDER: _wire_cancel,
    TxType.CANCEL_ALL: _wire_cancel_all,
    TxType.UPDATE_LEVERAGE: _wire_leverage,
}


def _create_body(wire: Any) -> Body:
    order = wire.order
    return CreateOrder(
        market_index=order.market_index,
        client_order_index=order.client_order_index,
        base_amount=order.base_amount,
        price=order.price,
        is_ask=order.is_ask == 1,
        kind=OrderKind(order.type),
        time_in_force=WireTimeInForce(order.time_in_force),
        reduce_only=order.reduce_only == 1,
        trigger_price=order.trigger_price,
        order_expiry=order.order_expiry,
    )


def _cancel_all_body(wire: Any) -> Body:
    market = wire.attributes.cancel_all_market_index
    return CancelAll(
        mode=CancelAllMode(wire.time_in_force),
        time=wire.time,
        market_index=None if market in (None, NO_MARKET) else market,
    )


_BODIES: dict[TxType, Callable[[Any], Body]] = {
    TxType.CREATE_ORDER: _create_body,
    TxType.CANCEL_ORDER: lambda wire: CancelOrder(market_index=wire.market_index, index=wire.index),
    TxType.CANCEL_ALL: _cancel_all_body,
    TxType.UPDATE_LEVERAGE: lambda wire: UpdateLeverage(
        market_index=wire.market_index, fraction=wire.initial_margin_fraction, margin_mode=wire.margin_mode
    ),
}

_CODES: tuple[tuple[str, Code], ...] = (
    ("AccountIndex", Code.INVALID_ACCOUNT_INDEX),
    ("ApiKeyIndex", Code.INVALID_API_KEY_INDEX),
    ("AccountNonce", Code.INVALID_NONCE),
    ("MarketIndex", Code.INVALID_MARKET_INDEX),
    ("ClientOrderIndex", Code.INVALID_CLIENT_ORDER_INDEX),
    ("BaseAmount", Code.INVALID_BASE_AMOUNT),
    ("OrderPrice", Code.INVALID_PRICE),
    ("Price", Code.INVALID_PRICE),
    ("IsAsk", Code.INVALID_IS_ASK),
    ("OrderType", Code.INVALID_ORDER_TYPE),
    ("Type", Code.INVALID_ORDER_TYPE),
    ("OrderTimeInForce", Code.INVALID_TIME_IN_FORCE),
    ("TimeInForce", Code.INVALID_TIME_IN_FORCE),
    ("ReduceOnly", Code.INVALID_REDUCE_ONLY),
    ("TriggerPrice", Code.INVALID_TRIGGER_PRICE),
    ("OrderExpiry", Code.INVALID_EXPIRY),
    ("OrderIndex", Code.INVALID_ORDER_INDEX),
    ("CancelAllTimeInForce", Code.CANCEL_ALL_TIME_IN_FORCE),
    ("CancelAllTime", Code.CANCEL_ALL_TIME),
    ("InitialMarginFraction", Code.INVALID_MARGIN_FRACTION),
)
"""The first word of the signer's complaint says which field it is about."""


def _code_of(complaint: str) -> Code:
    return next((code for word, code in _CODES if complaint.startswith(f"{word} ")), Code.INVALID_TX_INFO)
