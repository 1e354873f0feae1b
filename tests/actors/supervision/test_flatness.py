"""When a group may be called flat."""

from decimal import Decimal

import pytest

from actors.supervision.flatness import open_legs
from strategies.domain.ids import LegName, OrderId
from tests.actors.supervision.local import group_view, leg

ONE = OrderId("g:1:leg:entry:1")
ZERO = Decimal(0)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (leg(ZERO), ""),
        (leg(Decimal("0.5")), "holds 0.5"),
        (leg(ZERO, reported=None), "the venue has made no statement"),
        (leg(ZERO, reported=Decimal(-2)), "the venue reports -2"),
        (leg(ZERO, in_flight=(ONE,)), "1 order(s) in flight"),
        (leg(ZERO, in_flight=(ONE,), unknown=(ONE,)), "1 order(s) of unknown outcome"),
        (leg(Decimal("0.009")), ""),  # less than a lot
        (leg(Decimal("0.02"), dust_usd=Decimal(40)), ""),  # named as too small to close
    ],
)
def test_a_leg_is_flat_only_when_belief_and_venue_say_so(view, words):
    """Silence of the venue, orders in flight and orders in doubt are not flat."""
    legs = {LegName("l"): view}
    assert open_legs(group_view(ZERO, legs=legs)) == ((f"l: {words}",) if words else ())
