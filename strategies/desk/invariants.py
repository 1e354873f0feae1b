"""What must hold after every step of a desk, whatever happened. Pure checks: fuzzed, and asserted in the live shell."""

from collections.abc import Iterator, Sequence
from typing import Any

from strategies.desk.machine import ACT, LOOK
from strategies.desk.policy import Policy
from strategies.desk.state import DeskLeg, DeskState, Phase
from strategies.domain.account import AccountMode
from strategies.domain.commands import Command, SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import LegName
from strategies.domain.money import ZERO, is_multiple
from strategies.flatten.closing import PURPOSE
from strategies.machine import Outcome, Violation


def violations(state: DeskState[Any], policy: Policy[Any]) -> tuple[Violation, ...]:
    """Return every promise that a state breaks; a state that a step returned breaks none."""
    found = [*_group_violations(state)]
    for name, leg in state.legs.items():
        found.extend(_leg_violations(state, name, leg))
    if state.phase is Phase.WORKING and state.memory is not None:
        found.extend(policy.violations(state))
    return tuple(found)


def step_violations(before: DeskState[Any], after: DeskState[Any], commands: Sequence[Command]) -> Iterator[Violation]:
    """Yield every promise that one step's orders break."""
    stood = {order.order_id for leg in before.legs.values() for order in leg.working}
    for command in commands:
        if not isinstance(command, SubmitOrder):
            continue
        order = command.order
        if order.order_id in stood:
            yield Violation("ids_are_new", f"{order.order_id} was sent before")
        if after.phase is not Phase.WORKING and not (order.reduce_only and f":{PURPOSE}:" in order.order_id):
            yield Violation("only_exits_outside", f"{order.order_id} in {after.phase}")
        if after.operator_state in (OperatorState.REDUCE, OperatorState.FLATTEN) and not order.reduce_only:
            yield Violation("reduce_means_reduce", f"{order.order_id} may grow in {after.operator_state}")
        frozen = [name for name, leg in after.legs.items() if leg.mode is AccountMode.FROZEN]
        if frozen and not order.reduce_only:
            yield Violation("frozen_means_reduce", f"{order.order_id} may grow while {frozen} is frozen")


def _group_violations(state: DeskState[Any]) -> Iterator[Violation]:
    past = {timer: due for timer, due in state.timers.items() if due <= state.now}
    if past:
        yield Violation("timers_ahead", f"{past} at {state.now}")
    if state.phase in (Phase.PREPARING, Phase.WORKING) and LOOK not in state.timers:
        yield Violation("always_awake", f"{state.phase} with nothing to wake it")
    if state.phase is Phase.EXITING and not state.timers:
        yield Violation("always_awake", "EXITING with nothing to wake it")
    if state.phase is Phase.IDLE and state.operator_state is OperatorState.RUN and ACT not in state.timers:
        yield Violation("idle_wakes", "IDLE and RUN with no start to come")
    if state.flatten and state.phase is not Phase.EXITING:
        yield Violation("flatten_latched", f"FLATTEN stands, the phase is {state.phase}")
    if (state.phase is Phase.EXITING) != (state.way_out is not None):
        yield Violation("exit_has_a_way_out", f"{state.phase} with way out {state.way_out is not None}")
    if state.phase is Phase.WORKING and state.memory is None:
        yield Violation("working_remembers", "a cycle runs without a memory")
    if state.outcome is not Outcome.RUNNING and state.phase not in (Phase.ENDED, Phase.EXITING):
        yield Violation("ended_stays_ended", f"{state.outcome} in {state.phase}")


def _leg_violations(state: DeskState[Any], name: LegName, leg: DeskLeg) -> Iterator[Violation]:
    slots = [order.slot for order in leg.working]
    if len(set(slots)) != len(slots):
        yield Violation("one_order_a_slot", f"{name}: {slots}")
    outside = state.phase in (Phase.IDLE, Phase.PREPARING, Phase.ENDED)
    if outside and leg.working:
        yield Violation("nothing_open_outside", f"{name}: {[o.order_id for o in leg.working]} in {state.phase}")
    if outside and leg.stray != ZERO and leg.held not in (ZERO, leg.dust):
        yield Violation("late_fill_is_closed", f"{name} holds {leg.held} in {state.phase}")
    lot = None if leg.look is None or leg.look.instrument is None else leg.look.instrument.lot
    for order in leg.working:
        if lot is not None and not is_multiple(order.signed, lot):
            yield Violation("whole_lots", f"{name}: {order.signed} is not a multiple of {lot}")
        if order.filled > abs(order.signed):
            yield Violation("never_overfilled", f"{name}: {order.filled} of {order.signed}")
