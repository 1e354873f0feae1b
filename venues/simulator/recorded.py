"""An exchange that tells of every call that changed it, so that the calls can be made again after a restart.

The exchange is a function of its seed and its calls: the calls are its log.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.position import FillCause
from venues.simulator.exchange import Exchange
from venues.simulator.model import (
    CrowdRules,
    EndReason,
    MarketRules,
    NewOrder,
    OrderRow,
    RefusedError,
    TradeRow,
    VenueRules,
)
from venues.simulator.state import ExchangeState

_STATE: TypeAdapter[ExchangeState] = TypeAdapter(ExchangeState)
_ORDER: TypeAdapter[NewOrder] = TypeAdapter(NewOrder)
_DECODERS: dict[str, Callable[[Any], Any]] = {
    "order": _ORDER.validate_python,
    "fill_limit": Decimal,
    "collateral": Decimal,
    "amount": Decimal,
    "leverage": Decimal,
    "factor": Decimal,
    "rate": Decimal,
    "fraction": Decimal,
    "reject": EndReason,
    "cause": FillCause,
}
_CALLS = frozenset(
    {
        "add_account",
        "deposit",
        "place",
        "cancel",
        "cancel_all",
        "schedule_cancel_all",
        "set_leverage",
        "set_depth",
        "set_funding_rate",
        "liquidate",
    }
)


class ReplayError(Exception):
    """A recorded call cannot be made again: the record is not of this exchange."""


def dump_state(state: ExchangeState) -> Any:
    """Return an exchange's state as JSON; amounts are strings."""
    return _STATE.dump_python(state, mode="json")


def load_state(state: Any) -> ExchangeState:
    """Read what `dump_state` returned.

    Raises:
        ReplayError: it is something else.
    """
    try:
        return _STATE.validate_python(state)
    except ValidationError as error:
        raise ReplayError(f"not the state of an exchange: {error.errors()[0]['loc']}") from error


class RecordedExchange(Exchange):
    """Records what requests and the control interface do. Prices and time are recorded by whoever moves them."""

    def __init__(
        self,
        rules: VenueRules,
        markets: Sequence[MarketRules],
        *,
        seed: int,
        record: Callable[[Mapping[str, Any]], None],
        crowd: CrowdRules | None = None,
        market_speed: Decimal = Decimal(1),
        state: ExchangeState | None = None,
    ) -> None:
        """Open the venue; `record` is told each call after it succeeded, before its caller goes on."""
        super().__init__(rules, markets, seed=seed, crowd=crowd, market_speed=market_speed, state=state)
        self._record = record

    def repeat(self, call: Mapping[str, Any]) -> None:
        """Make a recorded call again, without recording it.

        Raises:
            ReplayError: the call is unknown, or refused this time.
        """
        name = call.get("call")
        if name not in _CALLS:
            raise ReplayError(f"unknown call {name!r}")
        arguments = {key: _decode(key, value) for key, value in call["args"].items()}
        try:
            getattr(Exchange, name)(self, **arguments)
        except (RefusedError, TypeError, ValueError, KeyError) as error:
            raise ReplayError(f"{name} did not repeat: {error}") from error

    def add_account(self, account: str, collateral: Decimal, at: Timestamp) -> None:
        """Open an account and record it."""
        super().add_account(account, collateral, at)
        self._tell("add_account", account=account, collateral=collateral, at=self.state.at)

    def deposit(self, account: str, amount: Decimal, at: Timestamp) -> None:
        """Add collateral and record it."""
        super().deposit(account, amount, at)
        self._tell("deposit", account=account, amount=amount, at=self.state.at)

    def place(
        self,
        order: NewOrder,
        at: Timestamp,
        *,
        fill_limit: Decimal | None = None,
        reject: EndReason | None = None,
    ) -> OrderRow:
        """Take an order in and record it."""
        row = super().place(order, at, fill_limit=fill_limit, reject=reject)
        self._tell("place", order=asdict(order), at=self.state.at, fill_limit=fill_limit, reject=reject)
        return row

    def cancel(
        self,
        account: str,
        *,
        order_index: int | None = None,
        client_order_id: int | None = None,
        symbol: VenueSymbol | None = None,
        at: Timestamp,
    ) -> OrderRow:
        """Cancel an order and record it."""
        row = super().cancel(account, order_index=order_index, client_order_id=client_order_id, symbol=symbol, at=at)
        self._tell("cancel", account=account, order_index=row.order_index, at=self.state.at)
        return row

    def cancel_all(self, account: str, symbol: VenueSymbol | None, at: Timestamp) -> list[OrderRow]:
        """Cancel every order and record it."""
        rows = super().cancel_all(account, symbol, at)
        self._tell("cancel_all", account=account, symbol=symbol, at=self.state.at)
        return rows

    def schedule_cancel_all(self, account: str, due_at: Timestamp | None) -> None:
        """Set the dead-man switch and record it."""
        super().schedule_cancel_all(account, due_at)
        self._tell("schedule_cancel_all", account=account, due_at=due_at)

    def set_leverage(self, account: str, symbol: VenueSymbol | None, leverage: Decimal, at: Timestamp) -> None:
        """Set the leverage and record it."""
        super().set_leverage(account, symbol, leverage, at)
        self._tell("set_leverage", account=account, symbol=symbol, leverage=leverage, at=self.state.at)

    def set_depth(self, symbol: VenueSymbol, factor: Decimal, at: Timestamp) -> None:
        """Thin or thicken the crowd and record it."""
        super().set_depth(symbol, factor, at)
        self._tell("set_depth", symbol=symbol, factor=factor, at=self.state.at)

    def set_funding_rate(self, symbol: VenueSymbol, rate: Decimal) -> None:
        """Fix the funding rate and record it."""
        super().set_funding_rate(symbol, rate)
        self._tell("set_funding_rate", symbol=symbol, rate=rate)

    def liquidate(
        self, account: str, symbol: VenueSymbol, *, cause: FillCause, fraction: Decimal = Decimal(1), at: Timestamp
    ) -> list[TradeRow]:
        """Close a position by force and record it."""
        trades = super().liquidate(account, symbol, cause=cause, fraction=fraction, at=at)
        self._tell("liquidate", account=account, symbol=symbol, cause=cause, fraction=fraction, at=self.state.at)
        return trades

    def _tell(self, call: str, **args: object) -> None:
        self._record({"call": call, "args": args})


def _decode(key: str, value: object) -> object:
    decoder = _DECODERS.get(key)
    return value if decoder is None or value is None else decoder(value)
