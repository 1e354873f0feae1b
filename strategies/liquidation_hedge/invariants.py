"""What must hold after every step, whatever happened. Pure checks: used by the fuzzer, asserted in the live shell."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from strategies.domain.account import AccountMode
from strategies.domain.commands import Command, SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import LegName
from strategies.domain.money import ZERO, is_multiple
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import (
    BALANCER,
    IN_CYCLE,
    SECOND,
    HedgeState,
    LegState,
    LiveOrder,
    Phase,
    Purpose,
    SecondLeg,
)
from strategies.liquidation_hedge.turn import ACT, CYCLE, LOOK, SIZED_FROM, residual_limit
from strategies.machine import Outcome, Violation

_FLAT_PHASES = frozenset({Phase.IDLE, Phase.PREPARING, Phase.ENDED})
_LOOKING_PHASES = IN_CYCLE | {Phase.PREPARING, Phase.EXITING}


def violations(state: HedgeState, params: LiquidationHedgeParams) -> tuple[Violation, ...]:
    """Return every promise that a state breaks; a state that a step returned breaks none."""
    found = [*_group_violations(state, params)]
    for name, leg in state.legs.items():
        found.extend(_leg_violations(state, params, name, leg))
    return tuple(found)


def step_violations(before: HedgeState, after: HedgeState, commands: Sequence[Command]) -> tuple[Violation, ...]:
    """Return every promise that one step's orders break."""
    legs_of = {leg.account: name for name, leg in after.legs.items()}
    found: list[Violation] = []
    for command in commands:
        if isinstance(command, SubmitOrder):
            name = legs_of[command.account]
            order = next(o for o in after.legs[name].live if o.order_id == command.order.order_id)
            found.extend(_order_violations(before, after, name, order))
    return tuple(found)


def _group_violations(state: HedgeState, params: LiquidationHedgeParams) -> Iterator[Violation]:
    asked = any(leg.leverage_due_at is not None for leg in state.legs.values())
    if state.phase in _LOOKING_PHASES and (ACT if asked else LOOK) not in state.timers:
        yield Violation("always_awake", f"{state.phase} with nothing to wake it")
    if state.phase in IN_CYCLE:
        yield from _cycle_violations(state, params)
    if state.phase is Phase.IDLE and state.operator_state is OperatorState.RUN and ACT not in state.timers:
        yield Violation("idle_wakes", "IDLE and RUN with no start to come")
    past = {timer: due for timer, due in state.timers.items() if due <= state.now}
    if past:
        yield Violation("timers_ahead", f"{past} at {state.now}")
    if state.flatten and state.phase is not Phase.EXITING:
        yield Violation("flatten_latched", f"FLATTEN stands, the phase is {state.phase}")
    if state.phase in (Phase.WAITING, Phase.SECOND) and state.second is not SecondLeg.PENDING:
        yield Violation("second_pending", f"{state.phase} with the third leg {state.second}")
    if state.phase in (Phase.BALANCING, Phase.MONITORING) and state.second is SecondLeg.PENDING:
        yield Violation("second_decided", f"{state.phase} with the third leg still to come")
    if state.outcome is not Outcome.RUNNING and state.phase not in (Phase.ENDED, Phase.EXITING):
        yield Violation("ended_stays_ended", f"{state.outcome} in {state.phase}")


def _cycle_violations(state: HedgeState, params: LiquidationHedgeParams) -> Iterator[Violation]:
    """Return what is broken while positions are meant to be held: every wait there has an end."""
    if CYCLE not in state.timers:
        yield Violation("cycle_ends", f"{state.phase} without a time-out")
    if state.unhedged_since is None and abs(state.net) > residual_limit(state, params):
        yield Violation("uncovered_is_timed", f"{state.net} uncovered and nobody counts the time")
    if state.unexplained_since is None and any(leg.surprise is not None for leg in state.legs.values()):
        yield Violation("doubt_is_timed", "a leg is not explained and nobody counts the time")


def _leg_violations(
    state: HedgeState, params: LiquidationHedgeParams, name: LegName, leg: LegState
) -> Iterator[Violation]:
    if state.phase in _FLAT_PHASES and leg.live:
        yield Violation("nothing_open_outside", f"{name}: {[o.order_id for o in leg.live]} in {state.phase}")
    if (state.phase in _FLAT_PHASES or state.phase is Phase.EXITING) and leg.target != ZERO:
        yield Violation("target_fits_phase", f"{name}: target {leg.target} in {state.phase}")
    if state.phase in _FLAT_PHASES and leg.stray != ZERO and leg.quantity not in (ZERO, leg.dust):
        yield Violation("late_fill_is_closed", f"{name} holds {leg.quantity} in {state.phase}")
    if state.phase is not Phase.EXITING and len(leg.live) > 1:
        yield Violation("one_order_per_need", f"{name}: {[o.order_id for o in leg.live]}")
    if len(leg.live) > params.exit_overlap_max:
        yield Violation("exits_bounded", f"{name}: {len(leg.live)} open orders")
    if not all(order.reduce_only for order in leg.live[1:]):
        yield Violation("only_exits_overlap", f"{name}: {[o.order_id for o in leg.live]}")
    entries = leg.made.get(Purpose.ENTRY, 0)
    if name in (BALANCER, SECOND) and entries > params.entry_attempts:
        yield Violation("entries_bounded", f"{name}: {entries} entry orders")
    lot = leg.look.instrument.lot if leg.look is not None and leg.look.instrument is not None else None
    for order in leg.live:
        yield from _live_violations(name, order, lot)


def _live_violations(name: LegName, order: LiveOrder, lot: Decimal | None) -> Iterator[Violation]:
    if lot is not None and not is_multiple(order.signed, lot):
        yield Violation("whole_lots", f"{name}: {order.signed} is not a multiple of {lot}")
    if order.filled > abs(order.signed):
        yield Violation("never_overfilled", f"{name}: {order.filled} of {order.signed}")
    if order.purpose is Purpose.EXIT and not order.reduce_only:
        yield Violation("exit_only_reduces", f"{name}: {order.order_id}")
    if order.status.is_terminal:
        yield Violation("live_is_live", f"{name}: {order.order_id} is {order.status}")


def _order_violations(before: HedgeState, after: HedgeState, name: LegName, order: LiveOrder) -> Iterator[Violation]:
    leg = after.legs[name]
    known = {o.order_id for o in before.legs[name].live}
    beside = [o.order_id for o in leg.live if o.order_id != order.order_id]
    if order.order_id in known:
        yield Violation("ids_are_new", f"{order.order_id} was sent before")
    if beside and order.purpose is not Purpose.EXIT:
        yield Violation("one_order_per_need", f"{order.order_id} beside {beside}")
    doubtful = [each for each in SIZED_FROM[order.purpose] if each in after.legs and after.legs[each].surprise]
    if doubtful and not order.reduce_only:
        yield Violation("unexplained_waits", f"{order.order_id} is sized from {doubtful}, which nobody can explain")
    missing = leg.target - leg.quantity
    if not beside and (order.signed * missing <= ZERO or abs(order.signed) > abs(missing)):
        yield Violation("never_more_than_missing", f"{order.order_id}: {order.signed} where {missing} is missing")
    if after.operator_state in (OperatorState.REDUCE, OperatorState.FLATTEN) and not order.reduce_only:
        yield Violation("reduce_means_reduce", f"{order.order_id} may grow {name} in {after.operator_state}")
    frozen = [each for each, other in after.legs.items() if other.mode is AccountMode.FROZEN]
    if frozen and not order.reduce_only:
        yield Violation("frozen_means_reduce", f"{order.order_id} may grow {name} while {frozen} is frozen")
    if after.phase is Phase.EXITING and not order.reduce_only:
        yield Violation("exit_only_reduces", f"{order.order_id} may grow {name} while exiting")
