"""Each invariant can fail: a state that breaks it is found, by name."""

from decimal import Decimal

import pytest

from strategies.domain.commands import SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderRequest, OrderStatus, OrderType, Side
from strategies.domain.position import Position
from strategies.liquidation_hedge.invariants import step_violations, violations
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import LegState, LiveOrder, Phase, Purpose, SecondLeg, evolve
from strategies.machine import Outcome
from tests.strategies.liquidation_hedge.scene import INSTRUMENT, monitoring

D = Decimal
PARAMS = LiquidationHedgeParams()


@pytest.fixture(scope="module")
def watched():
    """Return a state in the watch: 0, -5, +5."""
    return monitoring().played().state


def live(order_id="o", signed="1", **changes):
    """Return an order in flight."""
    order = LiveOrder(
        order_id=order_id, purpose=Purpose.REBALANCE, signed=D(signed), reduce_only=False, sent_at=Timestamp(0)
    )
    return evolve(order, **changes)


def with_leg(state, name, **changes):
    """Return the state with a leg changed."""
    return evolve(state, legs={**state.legs, name: evolve(state.legs[name], **changes)})


def test_a_state_of_the_machine_breaks_nothing(watched):
    """The ground to stand on."""
    assert violations(watched, PARAMS) == ()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("always_awake", {"timers": {"cycle": 2**60}}),
        ("cycle_ends", {"timers": {"look": 2**60}}),
        ("idle_wakes", {"phase": Phase.IDLE}),
        ("timers_ahead", {"timers": {"look": 1, "cycle": 2**60}}),
        ("flatten_latched", {"flatten": True}),
        ("second_pending", {"phase": Phase.WAITING}),
        ("second_decided", {"second": SecondLeg.PENDING}),
        ("ended_stays_ended", {"outcome": Outcome.FINISHED}),
    ],
)
def test_a_group_that_breaks_a_promise_is_found(watched, name, changes):
    """Each promise about the whole group."""
    assert name in {violation.name for violation in violations(evolve(watched, **changes), PARAMS)}


@pytest.mark.parametrize(
    ("name", "leg", "changes"),
    [
        ("uncovered_is_timed", "lighter1", {"ledger": Position()}),
        ("one_order_per_need", "backpack", {"live": (live("a"), live("b"))}),
        ("only_exits_overlap", "backpack", {"live": (live("a"), live("b"))}),
        ("exits_bounded", "backpack", {"live": tuple(live(str(n), reduce_only=True) for n in range(4))}),
        ("entries_bounded", "backpack", {"made": {Purpose.ENTRY: 4}}),
        ("whole_lots", "backpack", {"live": (live(signed="0.005"),)}),
        ("never_overfilled", "backpack", {"live": (live(filled=D(2)),)}),
        ("exit_only_reduces", "backpack", {"live": (live(purpose=Purpose.EXIT),)}),
        ("live_is_live", "backpack", {"live": (live(status=OrderStatus.FILLED),)}),
    ],
)
def test_a_leg_that_breaks_a_promise_is_found(watched, name, leg, changes):
    """Each promise about one leg."""
    assert name in {violation.name for violation in violations(with_leg(watched, leg, **changes), PARAMS)}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("nothing_open_outside", {"live": (live(),)}),
        ("target_fits_phase", {"target": D(1)}),
        ("late_fill_is_closed", {"stray": D(1), "ledger": Position(quantity=D(1))}),
    ],
)
def test_a_leg_outside_a_cycle_that_breaks_a_promise_is_found(watched, name, changes):
    """Each promise about a leg of a group that is out."""
    out = evolve(watched, phase=Phase.ENDED, legs={"backpack": LegState(account="bp")})
    assert violations(out, PARAMS) == ()
    assert name in {violation.name for violation in violations(with_leg(out, "backpack", **changes), PARAMS)}


def sent(state, order, *, leg="backpack", **leg_changes):
    """Return what the step that sent `order` breaks."""
    after = with_leg(state, leg, live=(*state.legs[leg].live, order), **leg_changes)
    request = OrderRequest(
        order_id=order.order_id,
        instrument_id=INSTRUMENT,
        side=Side.of(order.signed),
        quantity=abs(order.signed),
        order_type=OrderType.MARKET,
        price=D(1),
        reduce_only=order.reduce_only,
    )
    command = SubmitOrder(account=state.legs[leg].account, order=request)
    return {violation.name for violation in step_violations(state, after, (command,))}


def test_an_order_for_what_is_missing_breaks_nothing(watched):
    """Two are missing, two are ordered."""
    assert sent(watched, live(signed="2"), target=D(2)) == set()


def test_an_order_that_breaks_a_promise_is_found(watched):
    """More than missing, the wrong way, beside another, under an old id, growing in REDUCE or in the exit."""
    assert sent(watched, live(signed="3"), target=D(2)) == {"never_more_than_missing"}
    assert sent(watched, live(signed="-2"), target=D(2)) == {"never_more_than_missing"}
    beside = with_leg(watched, "backpack", live=(live("other"),))
    assert sent(beside, live("again"), target=D(1)) == {"one_order_per_need"}
    known = with_leg(watched, "backpack", live=(live("old"),))
    assert "ids_are_new" in sent(known, live("old"), target=D(1))
    reducing = evolve(watched, operator_state=OperatorState.REDUCE)
    assert sent(reducing, live(), target=D(1)) == {"reduce_means_reduce"}
    exiting = evolve(watched, phase=Phase.EXITING)
    assert sent(exiting, live(), target=D(1)) == {"exit_only_reduces"}


def test_a_name_that_is_no_field_is_an_error(watched):
    """A typo in a change of state does not pass silently."""
    with pytest.raises(TypeError, match="phaze"):
        evolve(watched, phaze=Phase.IDLE)
