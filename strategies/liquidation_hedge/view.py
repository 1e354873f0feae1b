"""The state for people: what the group does, why, and what comes next, in words."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from strategies.domain.events import OperatorState
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.money import ZERO
from strategies.liquidation_hedge.state import BALANCER, FIRST, IN_CYCLE, SECOND, HedgeState, LegState, Phase
from strategies.liquidation_hedge.turn import Setting, unexplained
from strategies.machine import GroupView, LegView, Outcome

_MS_PER_S = 1000


LegViews = dict[LegName, tuple[LegState, LegView]]
"""By leg, the last state that was described, and its description: both are values, and most steps change one leg."""


def view(setting: Setting, state: HedgeState, seen: LegViews) -> GroupView:
    """Describe the whole group; `seen` spares describing a leg again that has not changed."""
    lots = [leg.look.instrument.lot for leg in state.legs.values() if leg.look and leg.look.instrument]
    lot = max(lots) if lots else None
    return GroupView(
        phase=state.phase,
        phase_since=state.phase_since,
        next=next_step(setting, state),
        reason=state.reason,
        cycle=state.cycle,
        cycles_done=state.cycles_done,
        operator_state=state.operator_state,
        outcome=state.outcome,
        mark=_mark(state),
        lot=lot,
        hedged=abs(state.net) <= (lot or ZERO),
        legs={name: _leg_view(name, leg, seen) for name, leg in state.legs.items()},
    )


def _mark(state: HedgeState) -> Decimal | None:
    prices = [leg.price for leg in state.legs.values() if leg.price is not None]
    return prices[0] if prices else None


def _leg_view(name: LegName, leg: LegState, seen: LegViews) -> LegView:
    known = seen.get(name)
    if known is not None and known[0] is leg:
        return known[1]
    described = LegView(
        account=leg.account,
        target=leg.target,
        believed=leg.quantity,
        reported=None if leg.reported is None else leg.reported.quantity,
        reported_at=leg.reported_at,
        in_flight=tuple(order.order_id for order in leg.live),
        unknown=tuple(order.order_id for order in leg.live if order.unknown),
        dust_usd=abs(leg.dust) * (leg.price or ZERO),
        realized=leg.ledger.realized,
        fees=leg.ledger.fees,
    )
    seen[name] = (leg, described)
    return described


def next_step(setting: Setting, state: HedgeState) -> str:
    """Say what happens next."""
    in_doubt = [order.order_id for leg in state.legs.values() for order in leg.live if order.unknown]
    if in_doubt:
        return f"proof of what became of {', '.join(in_doubt)}"
    differences = [unexplained(name, leg) for name, leg in state.legs.items() if leg.surprise is not None]
    if differences and state.phase in IN_CYCLE:
        return f"a second look: {'; '.join(differences)}"
    return _WORDS[state.phase](setting, state)


def _next_when_idle(_setting: Setting, state: HedgeState) -> str:
    if state.operator_state is not OperatorState.RUN:
        return f"RUN by the operator (now {state.operator_state})"
    return f"start cycle {state.cycle + 1} at {_clock(state.start_due_at)}"


def _next_when_exiting(setting: Setting, state: HedgeState) -> str:
    words = [
        _order_words(setting, state, name, "close") for name, leg in state.legs.items() if leg.quantity != leg.dust
    ]
    return "; ".join(word for word in words if word) or "every venue confirms flat"


def _order_words(setting: Setting, state: HedgeState, name: LegName, verb: str) -> str:
    leg = state.legs[name]
    missing = leg.target - leg.quantity
    return f"{verb} {abs(missing).normalize():f} {setting.instrument_id} on {name}" if missing != ZERO else ""


def _next_when_preparing(_setting: Setting, state: HedgeState) -> str:
    pending = [name for name, leg in state.legs.items() if leg.leverage_due_at is not None]
    return f"leverage of {', '.join(pending)}" if pending else "look at all legs, size the entry"


def _next_when_entering(setting: Setting, state: HedgeState) -> str:
    words = _order_words(setting, state, FIRST, "hedge") or _order_words(setting, state, BALANCER, "enter")
    return words or "try the entry again"


def _next_when_waiting(_setting: Setting, state: HedgeState) -> str:
    return "draw the wait" if state.enter_due_at is None else f"enter {SECOND} at {_clock(state.enter_due_at)}"


def _next_when_second(setting: Setting, state: HedgeState) -> str:
    return _order_words(setting, state, SECOND, "enter") or f"look at {SECOND}, size its entry"


def _next_when_balancing(setting: Setting, state: HedgeState) -> str:
    return _order_words(setting, state, BALANCER, "rebalance") or "watch"


def _next_when_monitoring(_setting: Setting, state: HedgeState) -> str:
    due = state.cycle_due_at
    return "watch all legs" if due is None else f"watch all legs; time-out at {_clock(due)}"


def _next_when_ended(_setting: Setting, state: HedgeState) -> str:
    return "nothing" if state.outcome is Outcome.FINISHED else "a person looks, then RUN"


_WORDS: dict[Phase, Callable[[Setting, HedgeState], str]] = {
    Phase.IDLE: _next_when_idle,
    Phase.PREPARING: _next_when_preparing,
    Phase.ENTERING: _next_when_entering,
    Phase.WAITING: _next_when_waiting,
    Phase.SECOND: _next_when_second,
    Phase.BALANCING: _next_when_balancing,
    Phase.MONITORING: _next_when_monitoring,
    Phase.EXITING: _next_when_exiting,
    Phase.ENDED: _next_when_ended,
}


def _clock(moment: Timestamp) -> str:
    return datetime.fromtimestamp(moment / _MS_PER_S, UTC).strftime("%H:%M:%S UTC")
