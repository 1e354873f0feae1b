"""Carry: long on one venue, short the same on another, for a time. What it earns is the difference in funding."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from pydantic import Field

from strategies.desk.params import DeskParams
from strategies.desk.policy import Leave, Plan
from strategies.desk.state import DeskState
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import Lane, Side
from strategies.machine import Violation
from strategies.strategy import on_desk
from strategies.working import Style, Wanted

LONG, SHORT = LegName("long"), LegName("short")


class CarryParams(DeskParams):
    """What a settings file may say, beside the numbers of every desk."""

    quantity: Decimal = Field(gt=0, description="size of each leg, base units")
    hold_s: Decimal = Field(default=Decimal(3600), gt=0, description="how long the pair stands, seconds")
    slippage: Decimal = Field(
        default=Decimal("0.001"), gt=0, lt=1, description="fraction an order may pay beyond the touch"
    )


class CarryMemory(Value):
    """What a cycle remembers; it is in the journal and survives every death."""

    until: Timestamp = Field(description="when both legs leave")


class Carry:
    """The decisions. Pure: no clock, no chance, no I/O; everything is in the turn."""

    name, code_version, memory_model = "carry", "carry/1", CarryMemory

    def __init__(self, params: CarryParams) -> None:
        self._params = params

    def begin(self, turn: Turn[CarryMemory]) -> CarryMemory | str:
        """Begin a cycle, or say why none can begin; every leg has just been seen: armed, flat, quoted."""
        return CarryMemory(until=turn.later(self._params.hold_s))

    def plan(self, turn: Turn[CarryMemory]) -> Plan:
        """Say which orders should stand now: from what is held, never from what was sent."""
        if turn.now >= turn.memory.until:
            return Plan(leave=Leave("time is up"))
        if not turn.may_grow and sum(leg.quantity for leg in turn.state.legs.values()) != ZERO:
            return Plan(leave=Leave("one leg stands alone, and the other may not grow"))
        wanted = {name: tuple(self._order(turn, name)) for name in (LONG, SHORT)}
        return Plan(wanted, wake_at=turn.memory.until, words="hold until time is up")

    def _order(self, turn: Turn[CarryMemory], name: LegName) -> Iterator[Wanted]:
        missing = self.targets(turn.state)[name] - turn.leg(name).quantity
        instrument, quote = turn.instrument(name), turn.fresh_quote(name)
        if missing == ZERO or instrument is None or quote is None or not turn.may_grow:
            return
        side, size = Side.of(missing), instrument.whole_lots(abs(missing))
        touch = quote.touch(side)
        if touch is not None and size >= instrument.smallest_taker_order(touch):
            worst = instrument.worst_price(side, touch, self._params.slippage)
            lane = Lane.ENTRY if name == LONG else Lane.HEDGE
            yield Wanted("enter", side, size, worst, Style.MARKET, lane=lane)

    def targets(self, state: DeskState[CarryMemory]) -> Mapping[LegName, Decimal]:
        """The short leg hedges what the long leg holds, so every partial fill is hedged at once."""
        return {LONG: self._params.quantity, SHORT: -state.legs[LONG].quantity}

    def inventory(self, _state: DeskState[CarryMemory]) -> Decimal:
        """A carry means to hold nothing uncovered."""
        return ZERO

    def violations(self, state: DeskState[CarryMemory]) -> Iterator[Violation]:
        """What must never be true, whatever happens: looked at after every step, and the group stops before it acts."""
        if state.legs[LONG].quantity < ZERO:
            yield Violation("long_is_long", f"the long leg holds {state.legs[LONG].quantity}")


CARRY = on_desk("carry", CarryParams, (LONG, SHORT), Carry)
