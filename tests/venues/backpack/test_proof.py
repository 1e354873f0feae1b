"""The proof table, row by row."""

from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.order import OrderStatus, Side
from venues.backpack.proof import CANCEL_RULES, ORDER_RULES, CancelEvidence, OrderEvidence, judge_cancel, judge_order
from venues.venue import Certainty, OrderReport

EXPIRES_AT = 1_000_000
SKEW_MS = 3_000
PAST = EXPIRES_AT + SKEW_MS + 1
REPORT = OrderReport(
    instrument_id="ETH-PERP",
    client_order_id=7,
    venue_order_id="1",
    status=OrderStatus.CANCELED,
    side=Side.BUY,
    quantity=Decimal(1),
    filled=Decimal(0),
    at=EXPIRES_AT,
)

RESTING = REPORT.model_copy(update={"status": OrderStatus.ACCEPTED})


def seen(**fields: Any) -> OrderEvidence:
    """Return evidence: nothing anywhere, looked for after the window, unless said otherwise."""
    nothing = {"venue_time": PAST, "resting": None, "ended": None, "fills": 0, "searched_all": True}
    return OrderEvidence(expires_at=EXPIRES_AT, skew_ms=SKEW_MS, **{**nothing, **fields})


@pytest.mark.parametrize(
    ("evidence", "certainty", "order"),
    [
        (seen(resting=REPORT), Certainty.EXECUTED, REPORT),
        (seen(ended=REPORT), Certainty.EXECUTED, REPORT),
        (seen(fills=1), Certainty.EXECUTED, None),
        (seen(resting=REPORT, venue_time=None), Certainty.EXECUTED, REPORT),
        (seen(streamed=REPORT, venue_time=None), Certainty.EXECUTED, REPORT),
        (seen(streamed=REPORT, resting=RESTING), Certainty.EXECUTED, REPORT),
        (seen(streamed=RESTING, resting=None), Certainty.EXECUTED, RESTING),
        (seen(fills=2, venue_time=None, searched_all=False), Certainty.EXECUTED, None),
        (seen(), Certainty.DEAD, None),
        (seen(venue_time=None), Certainty.OPEN, None),
        (seen(venue_time=EXPIRES_AT), Certainty.OPEN, None),
        (seen(venue_time=EXPIRES_AT + SKEW_MS), Certainty.OPEN, None),
        (seen(searched_all=False), Certainty.OPEN, None),
    ],
)
def test_an_order_is_judged_by_what_was_seen(evidence: OrderEvidence, certainty: Certainty, order: OrderReport | None):
    """Anything seen proves execution; only absence everywhere, read after window and allowance, proves death."""
    verdict = judge_order(evidence)
    assert (verdict.certainty, verdict.order) == (certainty, order)
    assert verdict.proof


@pytest.mark.parametrize(
    ("resting", "venue_time", "certainty"),
    [
        (0, None, Certainty.EXECUTED),
        (0, PAST, Certainty.EXECUTED),
        (2, None, Certainty.OPEN),
        (2, EXPIRES_AT + SKEW_MS, Certainty.OPEN),
        (2, PAST, Certainty.DEAD),
    ],
)
def test_a_cancel_is_judged_by_its_aim(resting: int, venue_time: int | None, certainty: Certainty):
    """It is done when nothing rests, dead when something still rests after its window, open before."""
    evidence = CancelEvidence(expires_at=EXPIRES_AT, skew_ms=SKEW_MS, venue_time=venue_time, resting=resting)
    assert judge_cancel(evidence).certainty is certainty


def test_every_row_decides_some_case():
    """No row of the tables is dead: each is the first that fits for something that can be seen."""
    orders = (
        seen(ended=REPORT),
        seen(resting=REPORT),
        seen(fills=1),
        seen(streamed=REPORT),
        seen(venue_time=None),
        seen(searched_all=False),
        seen(),
    )
    assert [judge_order(each).proof.partition(":")[0] for each in orders] == [rule.name for rule in ORDER_RULES]
    cancels = (
        CancelEvidence(expires_at=EXPIRES_AT, skew_ms=SKEW_MS, venue_time=None, resting=0),
        CancelEvidence(expires_at=EXPIRES_AT, skew_ms=SKEW_MS, venue_time=PAST, resting=1),
        CancelEvidence(expires_at=EXPIRES_AT, skew_ms=SKEW_MS, venue_time=None, resting=1),
    )
    assert [judge_cancel(each).proof.partition(":")[0] for each in cancels] == [rule.name for rule in CANCEL_RULES]


def test_only_absence_rests_on_absence():
    """Whoever has an acknowledgement can set it against a death that rests on absence only."""
    assert [rule.name for rule in ORDER_RULES if rule.by_absence] == ["window-closed"]
