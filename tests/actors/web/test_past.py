"""The points behind the two small lines of a card."""

from decimal import Decimal

from actors.web.past import POINT_S, POINTS, History
from strategies.domain.ids import LegName, Timestamp
from tests.actors.scene import A, B, G, group_row, scene
from tests.actors.supervision.local import group_status, leg
from tests.actors.web.test_board import account_row


def picture(at, net="0", **changes):
    """Return a picture of a group with `net` uncovered at a moment."""
    legs = {LegName("long"): leg(Decimal(net)), LegName("short"): leg(Decimal(0), account=B)}
    row = group_row(status=group_status(G, 2, legs=legs))
    fields = {"at": Timestamp(at), "groups": {G: row}, "accounts": {A: account_row(A), B: account_row(B)}}
    return scene(**(fields | changes))


def points(history):
    """Return the group's points as plain values."""
    return [(point.at, point.net, point.equity) for point in history.whole().groups[G]]


def test_a_short_exposure_is_still_seen_in_its_point():
    """Of five seconds the largest uncovered quantity is kept, and the last equity."""
    history = History()
    for at, net in ((10_000, "0"), (11_000, "-3"), (12_000, "2"), (15_000, "0.5")):
        history.take(picture(at, net))
    assert points(history) == [(10_000, Decimal(-3), Decimal(2000)), (15_000, Decimal("0.5"), Decimal(2000))]
    assert [point.at for point in history.latest().groups[G]] == [15_000]


def test_what_was_not_known_is_a_gap():
    """A group that has not reported, and an account that has not said, are no zero."""
    history = History()
    silent = group_row().model_copy(update={"status": None})
    history.take(picture(10_000, groups={G: silent}, accounts={A: account_row(A)}))
    assert points(history) == [(10_000, None, None)]


def test_the_memory_is_bounded_and_forgets_groups_that_are_gone():
    """Half an hour a group, whatever the clock does."""
    history = History()
    for step in range(POINTS + 10):
        history.take(picture(step * POINT_S * 1000))
    assert len(points(history)) == POINTS
    history.take(picture(0))
    assert len(points(history)) == POINTS
    history.take(picture(10_000_000, groups={}))
    assert history.whole().groups == {}
