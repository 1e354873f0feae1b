"""The market maker's decisions: two post-only quotes around the reservation price, bounded by what is held."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from pydantic import Field

from strategies.avellaneda_stoikov.formulas import next_variance, optimal_spread, reservation_price
from strategies.avellaneda_stoikov.params import AvellanedaStoikovParams
from strategies.desk.policy import Plan
from strategies.desk.quoting import MAIN, Unchanged, ending_wake, holding, order_size, over
from strategies.desk.state import DeskState
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.money import ZERO, ceil_to, floor_to
from strategies.domain.order import Side
from strategies.domain.quote import Quote
from strategies.machine import Violation
from strategies.working import Style, Wanted

_MS = Decimal(1000)
_SLOTS = {Side.BUY: "bid", Side.SELL: "ask"}


class MakerMemory(Value):
    """What the market maker remembers."""

    began_at: Timestamp
    quantity: Decimal
    mid: Decimal | None = Field(default=None, description="of the last look, USD")
    mid_at: Timestamp | None = None
    variance: Decimal | None = Field(default=None, description="USD² a second")
    changes: int = Field(default=0, description="changes seen")
    recovering: bool = False


class AvellanedaStoikov:
    """The policy. Implements `strategies.desk.policy.Policy`."""

    name = "avellaneda_stoikov"
    code_version = "avellaneda_stoikov/2"
    memory_model = MakerMemory

    def __init__(self, params: AvellanedaStoikovParams) -> None:
        """Take the numbers."""
        self._params = params
        self._made: Unchanged[tuple[tuple[Wanted, ...], str]] = Unchanged()

    def begin(self, turn: Turn[MakerMemory]) -> MakerMemory | str:
        """See `Policy.begin`."""
        quantity = order_size(turn, self._params.quantity)
        return quantity if isinstance(quantity, str) else MakerMemory(began_at=turn.now, quantity=quantity)

    def plan(self, turn: Turn[MakerMemory]) -> Plan:
        """See `Policy.plan`."""
        quote, instrument, params = turn.quote(MAIN), turn.instrument(MAIN), self._params
        mid = None if quote is None else quote.mid
        if quote is not None and mid is not None:
            self._learn(turn, mid, quote.at)
        self._note_recovery(turn)
        memory = turn.memory
        leave = over(turn, params, memory.began_at)
        if leave is not None:
            return Plan(leave=leave)
        wake_at = ending_wake(params, memory.began_at)
        look_s = params.requote_interval_s
        if quote is None or mid is None or instrument is None:
            return Plan(look_s=look_s, wake_at=wake_at, words="a look")
        if memory.variance is None or memory.changes < params.warm_up_looks:
            return Plan({MAIN: ()}, look_s=look_s, wake_at=wake_at, words="learns the volatility")
        variance = memory.variance
        about = (
            quote,
            instrument,
            variance,
            memory.quantity,
            memory.recovering,
            turn.may_open,
            *holding(turn.leg(MAIN)),
        )
        wanted, words = self._made.get(about, lambda: self._wanted(turn, variance, quote, instrument))
        return Plan({MAIN: wanted}, look_s=look_s, wake_at=wake_at, words=words)

    def _wanted(
        self, turn: Turn[MakerMemory], variance: Decimal, quote: Quote, instrument: Instrument
    ) -> tuple[tuple[Wanted, ...], str]:
        """Return the quotes, and the same in words."""
        wanted = tuple(self._quotes(turn, variance, quote, instrument))
        return wanted, ", ".join(f"{each.side} at {each.price}" for each in wanted) or "nothing to quote"

    def _learn(self, turn: Turn[MakerMemory], mid: Decimal, at: Timestamp) -> None:
        """Fold one more look into the volatility: once, whatever else happens before the next."""
        memory = turn.memory
        if memory.mid is None or memory.mid_at is None:
            turn.remember(mid=mid, mid_at=at)
        elif at > memory.mid_at:
            elapsed_s = (at - memory.mid_at) / _MS
            half_life_s = self._params.volatility_half_life_s
            variance = next_variance(memory.variance, mid - memory.mid, elapsed_s, half_life_s)
            turn.remember(mid=mid, mid_at=at, variance=variance, changes=memory.changes + 1)

    def _note_recovery(self, turn: Turn[MakerMemory]) -> None:
        down_to, held = self._params.recovery_inventory, abs(turn.leg(MAIN).quantity)
        if down_to is None:
            return
        memory = turn.memory
        if not memory.recovering and held >= memory.quantity * self._params.max_inventory:
            turn.remember(recovering=True)
        elif memory.recovering and held <= memory.quantity * down_to:
            turn.remember(recovering=False)

    def _quotes(
        self, turn: Turn[MakerMemory], variance: Decimal, quote: Quote, instrument: Instrument
    ) -> Iterator[Wanted]:
        params, memory = self._params, turn.memory
        bid, ask = quote.bid, quote.ask
        if bid is None or ask is None:
            return
        mid, held = (bid + ask) / 2, turn.leg(MAIN).quantity
        reserve = reservation_price(mid, held / memory.quantity, params.gamma, variance, params.horizon_s)
        spread = optimal_spread(params.gamma, params.k, variance, params.horizon_s)
        half = min(max(spread, params.min_spread * mid), params.max_spread * mid) / 2
        for side in (Side.BUY, Side.SELL):
            reduces = held * side.sign < ZERO
            closing = not turn.may_open or memory.recovering
            if closing and not reduces:
                continue
            room = memory.quantity * params.max_inventory - held * side.sign
            quantity = min(memory.quantity, abs(held)) if closing else min(memory.quantity, room)
            best = bid if side is Side.BUY else ask
            price = _price(side, best if memory.recovering else reserve - half * side.sign, bid, ask, instrument)
            quantity = instrument.whole_lots(quantity)
            if quantity >= instrument.smallest_order(price):
                yield Wanted(
                    _SLOTS[side],
                    side,
                    quantity,
                    price,
                    Style.POST_ONLY,
                    reduce_only=closing,
                    tolerance=instrument.tick * (params.requote_ticks - 1),
                )

    def inventory(self, state: DeskState[MakerMemory]) -> Decimal:
        """See `Policy.inventory`: what is held is meant, within its bound."""
        return state.net

    def targets(self, _state: DeskState[MakerMemory]) -> Mapping[LegName, Decimal]:
        """See `Policy.targets`: it leans towards nothing."""
        return {MAIN: ZERO}

    def violations(self, state: DeskState[MakerMemory]) -> Iterator[Violation]:
        """See `Policy.violations`: no quote could take the inventory beyond its bound."""
        memory, leg = state.memory, state.legs[MAIN]
        if memory is None:
            return
        bound = memory.quantity * self._params.max_inventory
        for order in leg.working:
            after = abs(leg.quantity + order.leaves)
            if order.cancel_at is None and after > max(bound, abs(leg.quantity)):
                yield Violation("inventory_is_bounded", f"{order.order_id} could take {leg.quantity} to {after}")


def _price(side: Side, wanted: Decimal, bid: Decimal, ask: Decimal, instrument: Instrument) -> Decimal:
    """Return a price on the grid, away from the mid, that does not take."""
    tick = instrument.tick
    if side is Side.BUY:
        return max(min(floor_to(wanted, tick), ask - tick), tick)
    return max(ceil_to(wanted, tick), bid + tick)
