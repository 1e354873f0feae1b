"""The state for people: what each leg holds, and what it waits for, in words."""

from strategies.domain.money import ZERO
from strategies.flatten.state import FlattenLeg, FlattenState, Phase
from strategies.machine import GroupView, LegView, Outcome


def view(state: FlattenState) -> GroupView:
    """Describe the whole group."""
    lots = [leg.look.instrument.lot for leg in state.legs.values() if leg.look and leg.look.instrument]
    lot = max(lots) if lots else None
    net = sum((leg.quantity or ZERO for leg in state.legs.values()), start=ZERO)
    flat = state.phase is Phase.FLAT
    todo = [f"{name} {leg_words(leg)}" for name, leg in state.legs.items() if leg.flat_at is None]
    return GroupView(
        phase=state.phase,
        phase_since=state.phase_since,
        next="nothing" if flat else "; ".join(todo) or "every venue confirms flat",
        reason=state.reason,
        cycle=state.run,
        cycles_done=state.run if flat else max(0, state.run - 1),
        operator_state=state.operator_state,
        outcome=Outcome.FINISHED if flat else Outcome.RUNNING,
        mark=next((leg.price for leg in state.legs.values() if leg.price is not None), None),
        lot=lot,
        hedged=abs(net) <= (lot or ZERO),
        legs={name: _leg_view(leg) for name, leg in state.legs.items()},
    )


def _leg_view(leg: FlattenLeg) -> LegView:
    return LegView(
        account=leg.account,
        target=ZERO,
        believed=leg.quantity or ZERO,
        known=leg.quantity is not None,
        reported=None if leg.reported is None else leg.reported.quantity,
        reported_at=leg.reported_at,
        in_flight=tuple(order.order_id for order in leg.live),
        unknown=tuple(order.order_id for order in leg.live if order.unknown),
        dust_usd=abs(leg.dust) * (leg.price or ZERO),
        flat_at=leg.flat_at,
    )


def leg_words(leg: FlattenLeg) -> str:
    """Say in words where a leg stands that is not confirmed flat."""
    if leg.quantity is None:
        return "has not been seen"
    held = "the venue says flat" if leg.quantity == ZERO else f"holds {leg.quantity.normalize():f}"
    if leg.surprise_at is not None:
        held = f"the venue says flat, known was {leg.quantity.normalize():f}: asked again"
    others = 0 if leg.look is None else leg.look.in_flight
    orders = max(len(leg.live), others)
    return held + (f", {orders} open order(s)" if orders else "")
