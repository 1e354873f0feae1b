"""The minimum-order diagnostic's decisions: one target after another, each to its proven end; then out."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from pydantic import Field

from strategies.desk.policy import Leave, Plan
from strategies.desk.state import DeskState
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO, ceil_to
from strategies.machine import Violation
from strategies.min_order.params import MinOrderParams, Target
from strategies.unwind import milliseconds
from strategies.working import Style, Wanted

IN_DOUBT = "in doubt: no proof of what became of it"


class Probe(Value):
    """One target and what has become of it. Quantities in base units."""

    target: Target
    quantity: Decimal | None = Field(default=None, description="what was ordered; None = not yet begun")
    made_before: int = Field(default=0, description="orders of the leg before this one")
    began_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    filled: Decimal = ZERO
    cost: Decimal = Field(default=ZERO, description="quantity times price of what filled, USD")
    words: str = Field(default="", description="how it ended")

    @property
    def verdict(self) -> str:
        """Return one word: filled, partial, refused or unknown."""
        if self.words == IN_DOUBT:
            return "unknown"
        if self.quantity is None or self.filled == ZERO:
            return "refused"
        return "filled" if self.filled == self.quantity else "partial"


class MinOrderMemory(Value):
    """What the diagnostic remembers: every target, in order."""

    probes: tuple[Probe, ...]


class MinOrder:
    """The policy. Implements `strategies.desk.policy.Policy`."""

    name = "min_order"
    code_version = "min_order/2"
    memory_model = MinOrderMemory

    def __init__(self, params: MinOrderParams) -> None:
        """Take the numbers."""
        self._params = params

    def begin(self, turn: Turn[MinOrderMemory]) -> MinOrderMemory | str:
        """See `Policy.begin`."""
        unknown = [target.leg for target in self._params.targets if target.leg not in turn.state.legs]
        if unknown:
            return f"the group has no leg {', '.join(unknown)}"
        return MinOrderMemory(probes=tuple(Probe(target=target) for target in self._params.targets))

    def plan(self, turn: Turn[MinOrderMemory]) -> Plan:
        """See `Policy.plan`."""
        for index, probe in enumerate(turn.memory.probes):
            if probe.ended_at is None:
                return self._advance(turn, index, probe)
        verdicts = [probe.verdict for probe in turn.memory.probes]
        return Plan(leave=Leave(f"all targets tried: {', '.join(verdicts)}", finishing=True))

    def _advance(self, turn: Turn[MinOrderMemory], index: int, probe: Probe) -> Plan:
        name, slot = probe.target.leg, f"probe{index + 1}"
        if probe.quantity is None:
            probe = self._sized(turn, probe)
        for fill in turn.fills:
            if fill.leg == name and fill.slot == slot:
                filled = probe.filled + abs(fill.signed)
                probe = probe.model_copy(update={"filled": filled, "cost": probe.cost + abs(fill.signed) * fill.price})
        leg = turn.leg(name)
        sent = probe.quantity is not None and leg.made > probe.made_before
        working = leg.in_slot(slot)
        late_at = Timestamp((probe.began_at or turn.now) + milliseconds(self._params.answer_timeout_s))
        if sent and working is None:
            words = "filled" if probe.filled == probe.quantity else leg.failure or "ended by the venue"
            probe = probe.model_copy(update={"ended_at": turn.now, "words": words})
        elif turn.now >= late_at:
            probe = probe.model_copy(update={"ended_at": turn.now, "words": IN_DOUBT if sent else "never sent"})
        probes = turn.memory.probes
        turn.remember(probes=(*probes[:index], probe, *probes[index + 1 :]))
        if probe.ended_at is not None:
            return self.plan(turn)
        wanted: dict[LegName, tuple[Wanted, ...]] = {}
        if not sent:
            wanted[name] = tuple(self._order(turn, probe, slot))
        return Plan(wanted, look_s=Decimal(1), wake_at=late_at, words=f"target {index + 1} on {name}")

    def _sized(self, turn: Turn[MinOrderMemory], probe: Probe) -> Probe:
        name = probe.target.leg
        quote, instrument, leg = turn.fresh_quote(name), turn.instrument(name), turn.leg(name)
        began_at = probe.began_at or turn.now
        touch = None if quote is None else quote.reference(probe.target.direction)
        if touch is None or instrument is None:
            turn.want_look()
            return probe.model_copy(update={"began_at": began_at})
        quantity = ceil_to(instrument.smallest_order(touch) * probe.target.size_multiplier, instrument.lot)
        return probe.model_copy(update={"quantity": quantity, "made_before": leg.made, "began_at": began_at})

    def _order(self, turn: Turn[MinOrderMemory], probe: Probe, slot: str) -> Iterator[Wanted]:
        name, target = probe.target.leg, probe.target
        quote, instrument = turn.quote(name), turn.instrument(name)
        reference = None if quote is None else quote.reference(target.direction)
        if reference is None or instrument is None or probe.quantity is None:
            return
        price = instrument.worst_price(target.direction, reference, self._params.max_slippage)
        yield Wanted(slot, target.direction, probe.quantity, price, Style.MARKET, target.reduce_only)

    def inventory(self, state: DeskState[MinOrderMemory]) -> Decimal:
        """See `Policy.inventory`: what a test order leaves is meant, for a moment."""
        return state.net

    def targets(self, state: DeskState[MinOrderMemory]) -> Mapping[LegName, Decimal]:
        """See `Policy.targets`: nothing is to be kept."""
        return dict.fromkeys(state.legs, ZERO)

    def violations(self, state: DeskState[MinOrderMemory]) -> Iterator[Violation]:
        """See `Policy.violations`: one order at a time."""
        working = [order.order_id for leg in state.legs.values() for order in leg.working]
        doubt = [p for p in (state.memory.probes if state.memory else ()) if p.words == IN_DOUBT]
        if len(working) > 1 + len(doubt):
            yield Violation("one_target_at_a_time", f"{working}")
