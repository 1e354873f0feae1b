"""The grid's decisions, level-triggered: the position says which levels have traded, so nothing else is remembered.

With q base units an order, x = position / q is how many steps the grid has come down from its anchor. The step from n
to n + 1 is bought one level below where it is sold again: bought at level a - n - 1, sold at level a - n. A partial
fill is a fraction of a step, and both its rest and its way back follow from the same number.

The levels are geometric, p(i) = lower * (upper / lower) ** (i / (N - 1)): every step earns the same fraction.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from pydantic import Field

from strategies.desk.policy import Leave, Plan
from strategies.desk.quoting import MAIN, Unchanged, ending_wake, holding, over
from strategies.desk.state import DeskState
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.money import ZERO, floor_to
from strategies.domain.order import Side
from strategies.geometric_grid.params import GeometricGridParams, GridMode
from strategies.machine import Violation
from strategies.working import Style, Wanted

_HALF = Decimal("0.5")


class GridMemory(Value):
    """What a grid remembers: its prices, and where it began."""

    began_at: Timestamp
    levels: tuple[Decimal, ...] = Field(description="ascending, on the tick grid")
    anchor: int = Field(description="the level at which the position is zero")
    quantity: Decimal


def geometric_levels(lower: Decimal, upper: Decimal, count: int, tick: Decimal) -> tuple[Decimal, ...]:
    """Return `count` prices in equal ratios from `lower` to `upper`, on the tick grid, without repetition."""
    ratio = upper / lower
    prices = (lower * ratio ** (Decimal(place) / (count - 1)) for place in range(count))
    return tuple(sorted({max(floor_to(price + tick * _HALF, tick), tick) for price in prices}))


class GeometricGrid:
    """The policy. Implements `strategies.desk.policy.Policy`."""

    name = "geometric_grid"
    code_version = "geometric_grid/2"
    memory_model = GridMemory

    def __init__(self, params: GeometricGridParams) -> None:
        """Take the numbers."""
        self._params = params
        self._orders: Unchanged[tuple[tuple[Wanted, ...], str]] = Unchanged()

    def begin(self, turn: Turn[GridMemory]) -> GridMemory | str:
        """See `Policy.begin`: lay the levels, and anchor the grid at the one nearest to the price."""
        params, instrument, quote = self._params, turn.instrument(MAIN), turn.fresh_quote(MAIN)
        mid = None if quote is None else quote.mid
        if instrument is None or mid is None:
            return "an empty book"
        lower, upper = params.lower, params.upper
        if lower is None or upper is None:
            lower, upper = mid * (1 - (params.range_fraction or ZERO)), mid * (1 + (params.range_fraction or ZERO))
        levels = geometric_levels(lower, upper, params.levels, instrument.tick)
        quantity = instrument.whole_lots(params.quantity)
        if quantity < instrument.smallest_order(levels[0]):
            return f"{quantity} at {levels[0]} is less than the venue takes"
        if len(levels) < params.levels:
            return f"{params.levels} levels from {lower:.4f} to {upper:.4f} are closer than a tick of {instrument.tick}"
        if not levels[0] <= mid <= levels[-1]:
            return f"the price {mid} is outside the range {levels[0]} to {levels[-1]}"
        anchor = min(range(len(levels)), key=lambda place: abs(levels[place] - mid))
        return GridMemory(began_at=turn.now, levels=levels, anchor=anchor, quantity=quantity)

    def plan(self, turn: Turn[GridMemory]) -> Plan:
        """See `Policy.plan`."""
        memory = turn.memory
        leave = over(turn, self._params, memory.began_at) or self._outgrown(turn)
        if leave is not None:
            return Plan(leave=leave)
        instrument = turn.instrument(MAIN)
        wake_at = ending_wake(self._params, memory.began_at)
        if turn.quote(MAIN) is None or instrument is None:
            return Plan(wake_at=wake_at, words="a look")
        about = (memory, instrument, turn.may_open, *holding(turn.leg(MAIN)))
        wanted, words = self._orders.get(about, lambda: self._wanted(turn, instrument))
        return Plan({MAIN: wanted}, wake_at=wake_at, words=words)

    def _wanted(self, turn: Turn[GridMemory], instrument: Instrument) -> tuple[tuple[Wanted, ...], str]:
        """Return the orders of the grid, and the next of them in words."""
        wanted = (*self._buys(turn, instrument), *self._sells(turn, instrument))
        return (
            wanted,
            f"fills at {', '.join(f'{each.side} {each.price}' for each in wanted[:2])}" if wanted else "the price",
        )

    def _outgrown(self, turn: Turn[GridMemory]) -> Leave | None:
        beyond, quote = self._params.recentre_beyond, turn.quote(MAIN)
        if beyond is None or quote is None or not turn.may_open:
            return None
        mid = quote.mid
        if mid is None:
            return None
        levels = turn.memory.levels
        if levels[0] * (1 - beyond) <= mid <= levels[-1] * (1 + beyond):
            return None
        return Leave(f"recentre: the price {mid} left the range {levels[0]} to {levels[-1]}")

    def _buys(self, turn: Turn[GridMemory], instrument: Instrument) -> Iterator[Wanted]:
        memory = turn.memory
        steps = turn.leg(MAIN).quantity / memory.quantity
        top = self._params.mode is GridMode.SHORT
        for place in range(self._params.orders_per_side):
            target = steps.to_integral_value(ROUND_FLOOR) + 1 + place
            amount = (target - max(steps, target - 1)) * memory.quantity
            reduces = target <= ZERO
            if (top and target > ZERO) or not (reduces or turn.may_open):
                return
            yield from self._order(memory, instrument, Side.BUY, memory.anchor - int(target), amount, reduces=reduces)

    def _sells(self, turn: Turn[GridMemory], instrument: Instrument) -> Iterator[Wanted]:
        memory = turn.memory
        steps = turn.leg(MAIN).quantity / memory.quantity
        bottom = self._params.mode is GridMode.LONG
        for place in range(self._params.orders_per_side):
            target = steps.to_integral_value(ROUND_CEILING) - 1 - place
            amount = (min(steps, target + 1) - target) * memory.quantity
            reduces = target >= ZERO
            if (bottom and target < ZERO) or not (reduces or turn.may_open):
                return
            yield from self._order(memory, instrument, Side.SELL, memory.anchor - int(target), amount, reduces=reduces)

    def _order(
        self, memory: GridMemory, instrument: Instrument, side: Side, level: int, amount: Decimal, *, reduces: bool
    ) -> Iterator[Wanted]:
        """Yield the order of one step, if its level is in the grid and the venue takes so little."""
        if not 0 <= level < len(memory.levels):
            return
        price, quantity = memory.levels[level], instrument.whole_lots(amount)
        if quantity < instrument.smallest_order(price):
            return
        slot = f"{'b' if side is Side.BUY else 's'}{level}"
        yield Wanted(slot, side, quantity, price, Style.LIMIT, reduce_only=reduces)

    def inventory(self, state: DeskState[GridMemory]) -> Decimal:
        """See `Policy.inventory`: the grid means to hold what it has bought."""
        return state.net

    def targets(self, state: DeskState[GridMemory]) -> Mapping[LegName, Decimal]:
        """See `Policy.targets`."""
        return {MAIN: state.legs[MAIN].held}

    def violations(self, state: DeskState[GridMemory]) -> Iterator[Violation]:
        """See `Policy.violations`: never more than the grid has steps, and never on the forbidden side."""
        memory, leg = state.memory, state.legs[MAIN]
        if memory is None:
            return
        if abs(leg.quantity) > memory.quantity * len(memory.levels):
            yield Violation("grid_is_bounded", f"{leg.quantity} in {len(memory.levels)} levels of {memory.quantity}")
        for order in leg.working:
            side = Side.of(order.signed)
            if self._params.mode is GridMode.LONG and side is Side.SELL and not order.reduce_only:
                yield Violation("long_only", f"{order.order_id} could go short")
            if self._params.mode is GridMode.SHORT and side is Side.BUY and not order.reduce_only:
                yield Violation("short_only", f"{order.order_id} could go long")
