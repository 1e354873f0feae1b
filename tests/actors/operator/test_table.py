"""What a person reads: the live table and the plain lines."""

import io
from decimal import Decimal

import pytest
from rich.console import Console

from actors.actor import Liveness
from actors.hosting.protocol import ActorKind
from actors.operator.table import PhaseLines, Picture, duration, signed
from strategies.domain.ids import Timestamp
from tests.actors.scene import G, actor, group_row, scene
from tests.actors.supervision.local import group_status

WIDTHS = pytest.mark.parametrize("width", [60, 80, 160])


def drawn(seen, width: int) -> str:
    """Return the picture as text."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(Picture(seen, ("Metrics: http://x/metrics", "Ctrl-C ends.")))
    return console.file.getvalue()


@WIDTHS
def test_the_table_shows_what_matters(width):
    """Group, phase, signed legs, net, value, time in phase, what comes next, and where to look."""
    text = drawn(scene(), width)
    for part in (
        "g",
        "HEDGED",
        "long +1.5",
        "short -1.5",
        "+0.00",
        "1m00s",
        "wait",
        "http://x/metrics",
        "Ctrl-C ends.",
    ):
        assert part in text


@WIDTHS
def test_a_group_that_has_not_reported_shows_no_figures(width):
    """Unknown is not zero."""
    row = group_row(actor=actor(ActorKind.GROUP, G, liveness=Liveness.STARTING)).model_copy(update={"status": None})
    text = drawn(scene(groups={G: row}), width)
    assert "STARTING" in text
    assert not any(word in text for word in ("+0", "0s", "net 0"))


@WIDTHS
@pytest.mark.parametrize(("lot", "shown"), [(Decimal("0.1"), True), (Decimal(1), False)])
def test_only_what_an_order_could_cover_is_called_naked(width, lot, shown):
    """A remainder of a lot is rounding, there as on the dashboard: a table that cries at it is not read."""
    status = group_row().status
    view = status.view.model_copy(update={"inventory": Decimal(-1), "lot": lot})
    since = Timestamp(scene().at - 125_000)
    row = group_row(status=status.model_copy(update={"view": view, "naked_since": since}))
    assert ("2m05s" in drawn(scene(groups={G: row}), width)) is shown


@WIDTHS
def test_trouble_and_notices_are_shown(width):
    """What went wrong stands in the table and below it."""
    text = drawn(scene(groups={G: group_row(trouble="died too often")}, notices=("Group g is being parked.",)), width)
    assert "died too often" in text
    assert "Group g is being parked." in text


def test_plain_lines_say_each_change_once():
    """For a pipe: a line when something changes, and silence while nothing does."""
    lines = PhaseLines()
    assert "Group g: cycle 1, HEDGED, long +1.5, short -1.5, next: wait." in list(lines.news(scene()))
    assert list(lines.news(scene())) == []
    changed = scene(groups={G: group_row(status=group_status(G, 2, reason="liquidated"))}, notices=("Look.",))
    assert list(lines.news(changed)) == ["Look.", "Group g: cycle 1, IDLE (liquidated), long 0, short 0, next: wait."]


def test_a_dead_group_is_said_to_be_dead():
    """Its last report is not passed off as news."""
    row = group_row(actor=actor(ActorKind.GROUP, G, liveness=Liveness.DEAD))
    assert "its actor is DEAD" in " ".join(PhaseLines().news(scene(groups={G: row})))


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("1.500", "+1.5"), ("-0.0300", "-0.03"), ("0.000", "0"), ("-0", "0"), ("100", "+100"), ("1E+3", "+1000")],
)
def test_quantities_have_a_sign_and_no_needless_zeros(quantity, text):
    """Whole hundreds keep their zeros."""
    assert signed(Decimal(quantity)) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0s"), (59_999, "59s"), (61_000, "1m01s"), (3_660_000, "1h01m"), (-5, "0s")]
)
def test_durations_are_short(ms, text):
    """Seconds, minutes, hours; a clock that goes back shows zero."""
    assert duration(Timestamp(10_000_000 + ms), Timestamp(10_000_000)) == text
