"""How a table is read: the first row that fits decides, and what it says reaches whoever reads it."""

from decimal import Decimal

import pytest

from strategies.domain.order import OrderStatus, Side
from venues.proof import Rule, verdict_of
from venues.venue import Certainty, OrderReport, Verdict

REPORT = OrderReport(
    instrument_id="ETH-PERP",
    client_order_id=7,
    venue_order_id="1",
    status=OrderStatus.CANCELED,
    side=Side.BUY,
    quantity=Decimal(1),
    filled=Decimal(0),
    at=0,
)
RULES = (
    Rule("dead", lambda seen: seen == "dead", Certainty.DEAD, "it is dead"),
    Rule("gone", lambda seen: seen == "gone", Certainty.DEAD, "it is nowhere", by_absence=True),
    Rule("done", lambda seen: seen == "done", Certainty.EXECUTED, "it is done"),
    Rule("rest", lambda _seen: True, Certainty.OPEN, "nobody knows"),
    Rule("never", lambda _seen: True, Certainty.DEAD, "the row before fits always"),
)


@pytest.mark.parametrize(
    ("seen", "detail", "verdict"),
    [
        ("dead", "", Verdict(certainty=Certainty.DEAD, proof="dead: it is dead", order=None)),
        ("dead", "margin", Verdict(certainty=Certainty.DEAD, proof="dead: it is dead (margin)", order=None)),
        ("gone", "", Verdict(certainty=Certainty.DEAD, proof="gone: it is nowhere", order=None, by_absence=True)),
        ("done", "margin", Verdict(certainty=Certainty.EXECUTED, proof="done: it is done", order=None)),
        ("else", "margin", Verdict(certainty=Certainty.OPEN, proof="rest: nobody knows", order=None)),
    ],
)
def test_the_first_row_that_fits_decides_and_names_itself(seen, detail, verdict):
    """With its reason; the venue's own reason is added to a death only. Absence is not assumed."""
    assert verdict_of(RULES, seen, detail=detail) == verdict


def test_the_venues_word_about_the_order_is_handed_on():
    """Whatever was decided."""
    assert verdict_of(RULES, "done", order=REPORT).order == REPORT
