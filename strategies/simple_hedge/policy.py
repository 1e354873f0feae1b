"""The simple hedge's decisions, level-triggered: from what both legs hold it follows what each is missing."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from pydantic import Field

from strategies.desk.policy import Leave, Plan
from strategies.desk.state import DeskState
from strategies.desk.turn import Turn
from strategies.domain.account import AccountMode
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.money import ZERO, floor_to, is_multiple
from strategies.domain.order import Lane, Side
from strategies.machine import Violation
from strategies.simple_hedge.params import OnTimeout, SimpleHedgeParams
from strategies.tracking import Pursuit, timed_out, times_out_at, top_price, track
from strategies.unwind import milliseconds
from strategies.working import Style, Wanted

LEAD = LegName("lead")
"""The leg that enters as a maker."""
FOLLOW = LegName("follow")
"""The leg that takes the other side of whatever the lead filled."""
ENTRY = "entry"
HEDGE = "hedge"
TRIM = "trim"


class HedgeMemory(Value):
    """What a cycle of the simple hedge remembers."""

    target: Decimal = Field(description="where the lead leg should get, base units, signed")
    began_at: Timestamp
    first_price: Decimal = Field(description="where the lead order first belonged, USD")
    entered_at: Timestamp | None = Field(default=None, description="when the entry was over")
    unhedged_since: Timestamp | None = None


class SimpleHedge:
    """The policy. Implements `strategies.desk.policy.Policy`."""

    name = "simple_hedge"
    code_version = "simple_hedge/2"
    memory_model = HedgeMemory

    def __init__(self, params: SimpleHedgeParams) -> None:
        """Take the numbers."""
        self._params = params

    # --- beginning ------------------------------------------------------------------------------------------------

    def begin(self, turn: Turn[HedgeMemory]) -> HedgeMemory | str:
        """See `Policy.begin`: size the hedge so that both venues take it."""
        lead, follow = turn.instrument(LEAD), turn.instrument(FOLLOW)
        quote, other = turn.fresh_quote(LEAD), turn.fresh_quote(FOLLOW)
        if lead is None or follow is None or quote is None or other is None:
            return "no fresh quote of both legs"
        side = self._params.lead_side
        price = top_price(side, quote, lead, self._params.entry, None)
        if price is None or other.touch(side.opposite) is None:
            return "an empty book"
        quantity = self._quantity(price, lead, follow)
        smallest = max(lead.smallest_order(price), follow.smallest_taker_order(price))
        if quantity < smallest:
            return f"{quantity} is less than the smallest order that both venues take, {smallest}"
        return HedgeMemory(target=quantity * side.sign, began_at=turn.now, first_price=price)

    def _quantity(self, price: Decimal, lead: Instrument, follow: Instrument) -> Decimal:
        wanted = self._params.quantity
        if wanted is None:
            wanted = (self._params.notional_usd or ZERO) / price
        coarse, fine = max(lead.lot, follow.lot), min(lead.lot, follow.lot)
        return floor_to(wanted, coarse if is_multiple(coarse, fine) else coarse * fine)

    # --- deciding -------------------------------------------------------------------------------------------------

    def plan(self, turn: Turn[HedgeMemory]) -> Plan:
        """See `Policy.plan`."""
        self._time_uncovered(turn)
        self._see_entered(turn)
        memory, params = turn.memory, self._params
        since = memory.unhedged_since
        if since is not None and turn.now - since >= milliseconds(params.unhedged_max_s):
            failure = turn.leg(FOLLOW).failure or "no order filled"
            text = f"{_net(turn.state)} uncovered for {params.unhedged_max_s} s: {failure}"
            return Plan(leave=Leave(text, parking=True))
        if memory.entered_at is not None:
            if turn.leg(LEAD).quantity == ZERO and turn.leg(FOLLOW).quantity == ZERO:
                return Plan(leave=Leave("nothing filled"))
            if params.hold_s > ZERO and turn.now >= memory.entered_at + milliseconds(params.hold_s):
                return Plan(leave=Leave(f"held for {params.hold_s} s"))
        wanted: dict[LegName, tuple[Wanted, ...]] = {}
        if turn.quote(LEAD) is not None:
            wanted[LEAD] = tuple(self._lead(turn))
        if turn.quote(FOLLOW) is not None:
            wanted[FOLLOW] = tuple(self._follow(turn))
        return Plan(wanted, look_s=self._look_s(turn), wake_at=self._wake_at(turn), words=self._words(turn))

    def _time_uncovered(self, turn: Turn[HedgeMemory]) -> None:
        uncovered = abs(_net(turn.state)) > _residual(turn.state)
        since = turn.memory.unhedged_since
        if uncovered != (since is not None):
            turn.remember(unhedged_since=turn.now if uncovered else None)

    def _see_entered(self, turn: Turn[HedgeMemory]) -> None:
        """Note the moment at which nothing more will be entered; it stays."""
        memory, lead = turn.memory, turn.leg(LEAD)
        instrument = turn.instrument(LEAD)
        if memory.entered_at is not None or lead.working or instrument is None:
            return
        late = timed_out(memory.began_at, turn.now, self._params.entry)
        kept = late and self._params.on_timeout is OnTimeout.KEEP
        whole = abs(memory.target - lead.quantity) < instrument.smallest_taker_order(lead.price or memory.first_price)
        if whole or kept or not turn.may_grow:
            turn.remember(entered_at=turn.now)

    def _lead(self, turn: Turn[HedgeMemory]) -> Iterator[Wanted]:
        """Yield the entry order, while it may stand; and what takes a surplus off again when nothing may grow."""
        memory, params, leg = turn.memory, self._params, turn.leg(LEAD)
        quote, instrument = turn.quote(LEAD), turn.instrument(LEAD)
        if quote is None or instrument is None:
            return
        if not turn.may_grow:
            yield from self._trim(turn, LEAD)
            return
        if memory.entered_at is not None or not self._hedgeable(turn):
            return
        missing = memory.target - leg.quantity
        if missing * memory.target <= ZERO:
            return
        if params.slice_quantity is not None:
            missing = min(abs(missing), max(params.slice_quantity, instrument.smallest_order(memory.first_price)))
            missing = missing.copy_sign(memory.target)
        if timed_out(memory.began_at, turn.now, params.entry):
            if params.on_timeout is OnTimeout.TAKE:
                yield from self._take(turn, LEAD, missing, ENTRY, Lane.ENTRY)
            return
        pursuit = Pursuit(ENTRY, missing, memory.began_at, memory.first_price)
        order = track(pursuit, quote, instrument, params.entry, leg.in_slot(ENTRY))
        if order is not None:
            yield order

    def _hedgeable(self, turn: Turn[HedgeMemory]) -> bool:
        """Say whether a fill of the lead could be hedged now: no entry stands where it could not.

        A hedge that has failed forbids it until it succeeds. When there is nothing left for it to cover, because the
        lead has given back what it had, only the next fill can show whether the follow leg takes orders again: the
        rest after the failure is enough then.
        """
        follow = turn.leg(FOLLOW)
        quote = turn.quote(FOLLOW)
        touch = None if quote is None else quote.touch(self._params.lead_side.opposite)
        if follow.mode is not AccountMode.ARMED or touch is None:
            return False
        covered = turn.memory.unhedged_since is None
        return follow.failures == 0 or (covered and not follow.working and turn.now >= follow.not_before)

    def _follow(self, turn: Turn[HedgeMemory]) -> Iterator[Wanted]:
        if not turn.may_grow:
            yield from self._trim(turn, FOLLOW)
            return
        yield from self._take(turn, FOLLOW, -_net(turn.state), HEDGE, Lane.HEDGE)

    def _trim(self, turn: Turn[HedgeMemory], name: LegName) -> Iterator[Wanted]:
        """Cover without making a leg bigger: the leg that holds the surplus gives it back."""
        net, held = _net(turn.state), turn.leg(name).quantity
        if net * held > ZERO and not turn.leg(_other(name)).working:
            surplus = min(abs(net), abs(held)).copy_sign(held)
            yield from self._take(turn, name, -surplus, TRIM, Lane.HEDGE, reduce_only=True)

    def _take(
        self,
        turn: Turn[HedgeMemory],
        name: LegName,
        signed: Decimal,
        slot: str,
        lane: Lane,
        *,
        reduce_only: bool = False,
    ) -> Iterator[Wanted]:
        quote, instrument, leg = turn.quote(name), turn.instrument(name), turn.leg(name)
        if quote is None or instrument is None or signed == ZERO:
            return
        side = Side.of(signed)
        touch = quote.touch(side)
        quantity = instrument.whole_lots(abs(signed))
        if touch is None or quantity < instrument.smallest_taker_order(touch):
            return
        slippage = min(self._params.max_slippage * (1 + leg.failures), self._params.hedge_slippage_max)
        price = instrument.worst_price(side, touch, slippage)
        yield Wanted(slot, side, quantity, price, Style.MARKET, reduce_only=reduce_only, lane=lane)

    def _look_s(self, turn: Turn[HedgeMemory]) -> Decimal | None:
        memory = turn.memory
        busy = memory.entered_at is None or memory.unhedged_since is not None
        return self._params.entry.requote_interval_s if busy else None

    def _wake_at(self, turn: Turn[HedgeMemory]) -> Timestamp | None:
        memory, params = turn.memory, self._params
        moments: list[Timestamp] = []
        if memory.entered_at is None and params.entry.timeout_s > ZERO:
            moments.append(times_out_at(memory.began_at, params.entry))
        if memory.entered_at is not None and params.hold_s > ZERO:
            moments.append(Timestamp(memory.entered_at + milliseconds(params.hold_s)))
        if memory.unhedged_since is not None:
            moments.append(Timestamp(memory.unhedged_since + milliseconds(params.unhedged_max_s)))
        ahead = [moment for moment in moments if moment > turn.now]
        return min(ahead) if ahead else None

    def _words(self, turn: Turn[HedgeMemory]) -> str:
        memory = turn.memory
        missing = memory.target - turn.leg(LEAD).quantity
        if memory.unhedged_since is not None:
            return f"hedge {abs(_net(turn.state)).normalize():f} on {FOLLOW}"
        if memory.entered_at is None:
            return f"fill {abs(missing).normalize():f} on {LEAD}"
        return "hold"

    # --- for others -----------------------------------------------------------------------------------------------

    def inventory(self, _state: DeskState[HedgeMemory]) -> Decimal:
        """See `Policy.inventory`: a hedge means to hold nothing uncovered."""
        return ZERO

    def targets(self, state: DeskState[HedgeMemory]) -> Mapping[LegName, Decimal]:
        """See `Policy.targets`."""
        memory = state.memory
        target = ZERO if memory is None else memory.target
        return {LEAD: target, FOLLOW: -state.legs[LEAD].quantity}

    def violations(self, state: DeskState[HedgeMemory]) -> Iterator[Violation]:
        """See `Policy.violations`."""
        memory = state.memory
        if memory is None:
            return
        if abs(_net(state)) > _residual(state) and memory.unhedged_since is None:
            yield Violation("uncovered_is_timed", f"{_net(state)} uncovered and nobody counts the time")


def _other(name: LegName) -> LegName:
    return FOLLOW if name == LEAD else LEAD


def _net(state: DeskState[HedgeMemory]) -> Decimal:
    """Return what this cycle has left uncovered."""
    return sum((leg.quantity for leg in state.legs.values()), start=ZERO)


def _residual(state: DeskState[HedgeMemory]) -> Decimal:
    """Return what may stay uncovered because no venue takes so small an order, base units."""
    limit = ZERO
    for leg in state.legs.values():
        if leg.look is not None and leg.look.instrument is not None and leg.price is not None:
            limit = max(limit, leg.look.instrument.smallest_taker_order(leg.price))
    return limit
