"""What must hold after every step of a flatten, whatever happened. Pure checks."""

from collections.abc import Iterator

from strategies.domain.ids import LegName, TimerName
from strategies.domain.money import ZERO, is_multiple
from strategies.flatten.state import FlattenLeg, FlattenParams, FlattenState, Phase
from strategies.machine import Violation


def violations(state: FlattenState, params: FlattenParams) -> tuple[Violation, ...]:
    """Return every promise that a state breaks; a state that a step returned breaks none."""
    found = [*_group_violations(state)]
    for name, leg in state.legs.items():
        found.extend(_leg_violations(name, leg, params))
    return tuple(found)


def _group_violations(state: FlattenState) -> Iterator[Violation]:
    past = {timer: due for timer, due in state.timers.items() if due <= state.now}
    if past:
        yield Violation("timers_ahead", f"{past} at {state.now}")
    open_legs = [name for name, leg in state.legs.items() if leg.flat_at is None]
    if state.phase is Phase.CLOSING:
        for name in open_legs:
            if TimerName(name) not in state.timers:
                yield Violation("always_awake", f"{name} is open with nothing to wake it")
    if state.phase is Phase.CLOSING and not open_legs:
        yield Violation("flat_ends", "every leg is confirmed and the run goes on")
    if state.phase is Phase.FLAT and open_legs:
        yield Violation("flat_is_flat", f"over with {open_legs} not confirmed")


def _leg_violations(name: LegName, leg: FlattenLeg, params: FlattenParams) -> Iterator[Violation]:
    if len(leg.live) > params.exit_overlap_max:
        yield Violation("exits_bounded", f"{name}: {len(leg.live)} open orders")
    if leg.flat_at is not None and (leg.live or leg.quantity not in (ZERO, leg.dust)):
        yield Violation("confirmed_is_flat", f"{name} holds {leg.quantity} with {len(leg.live)} open orders")
    lot = None if leg.look is None or leg.look.instrument is None else leg.look.instrument.lot
    for order in leg.live:
        if lot is not None and not is_multiple(order.signed, lot):
            yield Violation("whole_lots", f"{name}: {order.signed} is not a multiple of {lot}")
        if order.filled > abs(order.signed):
            yield Violation("never_overfilled", f"{name}: {order.filled} of {order.signed}")
