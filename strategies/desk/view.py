"""The state for people: where each leg stands, what it waits for, in words."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from strategies.desk.policy import Policy
from strategies.desk.state import DeskLeg, DeskState, Phase
from strategies.desk.turn import Setting
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.domain.money import ZERO
from strategies.flatten.machine import Flatten
from strategies.flatten.state import FlattenParams
from strategies.machine import GroupSpec, GroupView, LegView, Outcome

_MS_PER_S = 1000


def view(setting: Setting, policy: Policy[Any], state: DeskState[Any]) -> GroupView:
    """Describe the whole group."""
    lots = [leg.look.instrument.lot for leg in state.legs.values() if leg.look and leg.look.instrument]
    lot = max(lots) if lots else None
    targets = dict.fromkeys(state.legs, ZERO)
    if _works(state):
        targets |= dict(policy.targets(state))
    meant = inventory(policy, state)
    uncovered = state.net - meant
    return GroupView(
        phase=state.phase,
        phase_since=state.phase_since,
        next=_next(setting, state),
        reason=state.reason,
        cycle=state.cycle,
        cycles_done=state.cycles_done,
        operator_state=state.operator_state,
        outcome=state.outcome,
        mark=next((leg.price for leg in state.legs.values() if leg.price is not None), None),
        lot=lot,
        hedged=abs(uncovered) <= (lot or ZERO),
        inventory=meant,
        legs={name: _leg_view(leg, targets[name]) for name, leg in state.legs.items()},
    )


def inventory(policy: Policy[Any], state: DeskState[Any]) -> Decimal:
    """Return what is meant to be held uncovered, base units, signed: nothing outside of a running cycle."""
    return policy.inventory(state) if _works(state) else ZERO


def _works(state: DeskState[Any]) -> bool:
    return state.memory is not None and state.phase is Phase.WORKING


def _leg_view(leg: DeskLeg, target: Any) -> LegView:
    return LegView(
        account=leg.account,
        target=target,
        believed=leg.held,
        reported=None if leg.reported is None else leg.reported.quantity,
        reported_at=leg.reported_at,
        in_flight=(*(order.order_id for order in leg.working), *leg.orphans),
        opening=(*(order.order_id for order in leg.working if not order.reduce_only), *leg.orphans),
        unknown=tuple(order.order_id for order in leg.working if order.unknown),
        dust_usd=abs(leg.dust) * (leg.price or ZERO),
        realized=leg.ledger.realized,
        fees=leg.ledger.fees,
    )


def _next(setting: Setting, state: DeskState[Any]) -> str:
    """Say what happens next."""
    in_doubt = [order.order_id for leg in state.legs.values() for order in leg.working if order.unknown]
    if in_doubt:
        return f"proof of what became of {', '.join(in_doubt)}"
    if state.phase is Phase.EXITING and state.way_out is not None:
        spec = GroupSpec(group=setting.group, instrument_id=setting.instrument_id, legs=setting.accounts)
        return Flatten(spec, FlattenParams()).view(state.way_out).next
    if state.phase is Phase.IDLE:
        if state.operator_state is not OperatorState.RUN:
            return f"RUN by the operator (now {state.operator_state})"
        return f"start cycle {state.cycle + 1} at {_clock(state.start_due_at)}"
    words = {
        Phase.PREPARING: "look at all legs, then begin",
        Phase.ENDED: "nothing" if state.outcome is Outcome.FINISHED else "a person looks, then RUN",
    }
    return words.get(state.phase) or state.words or "watch"


def _clock(moment: Timestamp) -> str:
    return datetime.fromtimestamp(moment / _MS_PER_S, UTC).strftime("%H:%M:%S UTC")
