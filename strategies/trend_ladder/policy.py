"""The trend ladder's decisions: one entry at a time by a tracking limit, a take-profit for each rung that filled."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from pydantic import Field

from strategies.desk.policy import Leave, Plan
from strategies.desk.quoting import MAIN, Unchanged, ending_wake, holding, order_size, over
from strategies.desk.state import DeskState
from strategies.desk.turn import Executed, Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.money import ZERO, ceil_to, floor_to
from strategies.domain.order import Side
from strategies.domain.quote import Quote
from strategies.machine import Violation
from strategies.tracking import Pursuit, timed_out, times_out_at, top_price, track
from strategies.trend_ladder.params import LadderDirection, TrendLadderParams
from strategies.trend_ladder.trend import Trend
from strategies.unwind import milliseconds
from strategies.working import Style, Wanted


class Rung(Value):
    """One entry and what has left of it. Quantities in base units, without sign."""

    number: int
    side: Side
    filled: Decimal = ZERO
    price: Decimal = Field(default=ZERO, description="average entry, USD")
    closed: Decimal = ZERO
    early: Decimal = Field(default=ZERO, description="closed by the partial take-profit")

    @property
    def open(self) -> Decimal:
        """Return what is still held of it."""
        return self.filled - self.closed


class LadderMemory(Value):
    """What a ladder remembers."""

    began_at: Timestamp
    quantity: Decimal
    rungs: tuple[Rung, ...] = ()
    made: int = Field(default=0, description="rungs begun")
    entering: int | None = Field(default=None, description="number of the rung that is being entered")
    entry_at: Timestamp = Field(default=Timestamp(0), description="when that entry began")
    entry_price: Decimal | None = Field(default=None, description="where it began, USD")
    next_at: Timestamp = Field(default=Timestamp(0), description="no new rung before this")
    trend: Trend = Trend()

    @property
    def open_rungs(self) -> list[Rung]:
        """Return the rungs of which something is still held."""
        return [rung for rung in self.rungs if rung.open > ZERO]


class TrendLadder:
    """The policy. Implements `strategies.desk.policy.Policy`."""

    name = "trend_ladder"
    code_version = "trend_ladder/2"
    memory_model = LadderMemory

    def __init__(self, params: TrendLadderParams) -> None:
        """Take the numbers."""
        self._params = params
        self._exits_made: Unchanged[tuple[Wanted, ...]] = Unchanged()

    def begin(self, turn: Turn[LadderMemory]) -> LadderMemory | str:
        """See `Policy.begin`."""
        quantity = order_size(turn, self._params.quantity)
        return quantity if isinstance(quantity, str) else LadderMemory(began_at=turn.now, quantity=quantity)

    def plan(self, turn: Turn[LadderMemory]) -> Plan:
        """See `Policy.plan`."""
        for fill in turn.fills:
            self._fold(turn, fill)
        quote, instrument = turn.quote(MAIN), turn.instrument(MAIN)
        self._learn(turn, quote)
        leave = over(turn, self._params, turn.memory.began_at) or self._stopped(turn)
        if leave is not None:
            return Plan(leave=leave)
        if quote is None or instrument is None:
            return Plan(wake_at=ending_wake(self._params, turn.memory.began_at), words="a look")
        self._end_entry(turn, instrument)
        self._begin_entry(turn, quote, instrument)
        memory = turn.memory
        about = (memory.rungs, memory.entering, instrument, *holding(turn.leg(MAIN)))
        exits = self._exits_made.get(about, lambda: tuple(self._exits(turn, instrument)))
        wanted = (*self._entry(turn, quote, instrument), *exits)
        busy = memory.entering is not None
        look_s = self._params.entry.requote_interval_s if busy else None
        words = f"{len(memory.open_rungs)} of {self._params.max_orders} rungs" + (", entering" if busy else "")
        return Plan({MAIN: wanted}, look_s=look_s, wake_at=self._wake_at(turn), words=words)

    # --- what has happened ----------------------------------------------------------------------------------------

    def _fold(self, turn: Turn[LadderMemory], fill: Executed) -> None:
        """Book one fill to its rung: the slot of its order names it."""
        kind, number = fill.slot[:2], int(fill.slot[2:])
        rungs: list[Rung] = []
        quantity = abs(fill.signed)
        for rung in turn.memory.rungs:
            if rung.number != number:
                rungs.append(rung)
                continue
            changes: dict[str, Decimal] = {"closed": rung.closed + quantity}
            if kind == "in":
                filled = rung.filled + quantity
                cost = rung.price * rung.filled + fill.price * quantity
                changes = {"filled": filled, "price": cost / filled}
            elif kind == "pp":
                changes["early"] = rung.early + quantity
            rungs.append(rung.model_copy(update=changes))
        turn.remember(rungs=tuple(rungs))

    def _learn(self, turn: Turn[LadderMemory], quote: Quote | None) -> None:
        if self._params.direction is not LadderDirection.TREND or not turn.answered or quote is None:
            return
        if quote.mid is not None:
            trend, bar_ms = turn.memory.trend, milliseconds(self._params.bar_s)
            turn.remember(trend=trend.see(quote.mid, quote.at, bar_ms, self._params.period))

    def _stopped(self, turn: Turn[LadderMemory]) -> Leave | None:
        distance, leg = self._params.stop_distance, turn.leg(MAIN)
        held, entry = leg.quantity, leg.ledger.entry_price
        if distance is None or ZERO in (held, entry) or leg.price is None:
            return None
        loss = (entry - leg.price) / entry * (1 if held > ZERO else -1)
        return Leave(f"the price is {loss:.4%} beyond the average entry {entry:.4f}") if loss >= distance else None

    # --- entering -------------------------------------------------------------------------------------------------

    def _side(self, turn: Turn[LadderMemory]) -> Side | None:
        if self._params.direction is not LadderDirection.TREND:
            return Side.BUY if self._params.direction is LadderDirection.LONG else Side.SELL
        slope = turn.memory.trend.slope(self._params.period)
        if slope is None or abs(slope) < self._params.slope_min or slope == ZERO:
            return None
        return Side.of(slope)

    def _begin_entry(self, turn: Turn[LadderMemory], quote: Quote, instrument: Instrument) -> None:
        """Begin the next rung when there is room, it is time, and nothing is held the other way."""
        memory, side = turn.memory, self._side(turn)
        held = turn.leg(MAIN).quantity
        rungs = memory.open_rungs
        free = memory.entering is None and len(rungs) < self._params.max_orders and turn.now >= memory.next_at
        if side is None or not free or not turn.may_open or held * side.sign < ZERO:
            return
        number = memory.made + 1
        turn.remember(
            rungs=(*rungs, Rung(number=number, side=side)),
            made=number,
            entering=number,
            entry_at=turn.now,
            entry_price=top_price(side, quote, instrument, self._params.entry, None),
        )

    def _end_entry(self, turn: Turn[LadderMemory], instrument: Instrument) -> None:
        """Close the books of an entry: filled, out of time, or not wanted any more; never with an order still out."""
        memory = turn.memory
        rung = _find(memory, memory.entering)
        if rung is None or turn.leg(MAIN).in_slot(f"in{rung.number}") is not None:
            return
        whole = memory.quantity - rung.filled < instrument.lot
        late = timed_out(memory.entry_at, turn.now, self._params.entry)
        if not (whole or late or not turn.may_open):
            return
        rungs = tuple(each for each in memory.rungs if each is not rung or rung.filled > ZERO)
        filled_share = Decimal(len([each for each in rungs if each.open > ZERO])) / self._params.max_orders
        wait_s = self._params.wait_s + (self._params.wait_full_s - self._params.wait_s) * filled_share
        turn.remember(rungs=rungs, entering=None, next_at=turn.later(wait_s))

    def _entry(self, turn: Turn[LadderMemory], quote: Quote, instrument: Instrument) -> Iterator[Wanted]:
        memory = turn.memory
        rung = _find(memory, memory.entering)
        if rung is None or not turn.may_open or timed_out(memory.entry_at, turn.now, self._params.entry):
            return
        slot = f"in{rung.number}"
        missing = (memory.quantity - rung.filled) * rung.side.sign
        pursuit = Pursuit(slot, missing, memory.entry_at, memory.entry_price)
        order = track(pursuit, quote, instrument, self._params.entry, turn.leg(MAIN).in_slot(slot))
        if order is not None:
            yield order

    # --- leaving --------------------------------------------------------------------------------------------------

    def _exits(self, turn: Turn[LadderMemory], instrument: Instrument) -> Iterator[Wanted]:
        """Yield a take-profit for every rung, and one nearer for its early share; together never more than is held."""
        left = abs(turn.leg(MAIN).quantity)
        for rung in turn.memory.rungs:
            if rung.open <= ZERO or rung.number == turn.memory.entering:
                continue
            share = instrument.whole_lots(rung.filled * self._params.partial_share)
            early = min(max(share - rung.early, ZERO), rung.open)
            near = _exit_price(rung, self._params.take_profit * self._params.partial_at, instrument)
            far = _exit_price(rung, self._params.take_profit, instrument)
            smallest = instrument.smallest_order(near)
            if early < smallest or rung.open - early < smallest:
                early = ZERO if early < rung.open else early
            for slot, quantity, price in (
                (f"pp{rung.number}", early, near),
                (f"tp{rung.number}", rung.open - early, far),
            ):
                amount = min(instrument.whole_lots(quantity), left)
                left -= amount
                if amount > ZERO:
                    yield Wanted(slot, rung.side.opposite, amount, price, Style.LIMIT, reduce_only=True)

    def _wake_at(self, turn: Turn[LadderMemory]) -> Timestamp | None:
        memory, params = turn.memory, self._params
        moments = [ending_wake(params, memory.began_at), memory.next_at]
        if memory.entering is not None and params.entry.timeout_s > ZERO:
            moments.append(times_out_at(memory.entry_at, params.entry))
        ahead = [moment for moment in moments if moment is not None and moment > turn.now]
        return min(ahead) if ahead else None

    # --- for others -----------------------------------------------------------------------------------------------

    def inventory(self, state: DeskState[LadderMemory]) -> Decimal:
        """See `Policy.inventory`: the ladder means to hold its rungs."""
        return state.net

    def targets(self, state: DeskState[LadderMemory]) -> Mapping[LegName, Decimal]:
        """See `Policy.targets`."""
        return {MAIN: state.legs[MAIN].held}

    def violations(self, state: DeskState[LadderMemory]) -> Iterator[Violation]:
        """See `Policy.violations`: as many rungs as told, no rung beyond its size, exits never beyond what is held."""
        memory, leg = state.memory, state.legs[MAIN]
        if memory is None:
            return
        rungs = memory.open_rungs
        if len(rungs) > self._params.max_orders:
            yield Violation("ladder_is_bounded", f"{len(rungs)} rungs of {self._params.max_orders}")
        for rung in memory.rungs:
            if rung.filled > memory.quantity:
                yield Violation("rung_is_bounded", f"rung {rung.number}: {rung.filled} of {memory.quantity}")
        for order in leg.working:
            if not order.reduce_only and not order.slot.startswith("in"):
                yield Violation("exits_only_reduce", f"{order.order_id} may grow")


def _find(memory: LadderMemory, number: int | None) -> Rung | None:
    return next((rung for rung in memory.rungs if rung.number == number), None)


def _exit_price(rung: Rung, distance: Decimal, instrument: Instrument) -> Decimal:
    """Return a rung's exit on the tick grid, rounded away from its entry."""
    if rung.side is Side.BUY:
        return ceil_to(rung.price * (1 + distance), instrument.tick)
    return max(floor_to(rung.price * (1 - distance), instrument.tick), instrument.tick)
