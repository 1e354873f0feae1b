"""The judge must not be lenient: each lie about a venue is named."""

from decimal import Decimal

import pytest

from actors.simulation.checker import Truth, judge_facts, judge_hedges
from strategies.domain.account import AccountMode
from strategies.domain.events import (
    AccountModeChanged,
    Filled,
    OrderClosed,
    OrderDenied,
    OrderRejected,
    PositionAdjusted,
)
from strategies.domain.order import Lane, OrderRequest, OrderType, Side
from strategies.domain.position import Fill, FillCause

ONE = Decimal(1)
TRUTH = Truth(executed={"g:1": ONE, "g:2": Decimal(0)}, trades={"t1": ONE})


def _fill(trade_id="t1", cause=FillCause.ORDER, quantity=ONE):
    return Filled(
        at=1,
        account="a",
        fill=Fill(
            trade_id=trade_id,
            instrument_id="ETH",
            side=Side.BUY,
            quantity=quantity,
            price=ONE,
            fee=Decimal(0),
            at=1,
            cause=cause,
            order_id="g:1",
        ),
    )


def _closed(order_id="g:1", filled=ONE):
    return OrderClosed(at=1, account="a", order_id=order_id, status="FILLED", filled=filled)


def test_the_truth_passes():
    """What the venue did, told once, is no violation."""
    told = [_fill(), _closed(), OrderRejected(at=1, account="a", order_id="g:2", code="c", detail="")]
    assert list(judge_facts("a", told, TRUTH)) == []


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([], "fills differ"),
        ([_fill(), _fill()], "published twice"),
        ([_fill(cause=FillCause.FOREIGN)], "called foreign"),
        ([_fill(quantity=Decimal(2))], "fills differ"),
        ([_fill(), _closed(filled=Decimal(2))], "closed with 2, executed 1"),
        ([_fill(), OrderRejected(at=1, account="a", order_id="g:1", code="c", detail="")], "said to be refused"),
        ([_fill(), OrderDenied(at=1, account="a", order_id="g:1", code="c", detail="")], "said to be refused"),
        ([_fill(), PositionAdjusted(at=1, account="a", before=ONE, after=Decimal(0), reason="r")], "belief jumped"),
        ([_fill(), AccountModeChanged(at=1, account="a", mode=AccountMode.FROZEN, reason="r")], "frozen"),
    ],
)
def test_a_lie_is_named(told, found):
    """An end that was none, a fill that is missing or doubled, a belief that jumps: each is a violation."""
    assert found in "\n".join(judge_facts("a", told, TRUTH))


def _order(order_id, quantity):
    return OrderRequest(
        order_id=order_id,
        instrument_id="ETH",
        side=Side.BUY,
        quantity=Decimal(quantity),
        order_type=OrderType.MARKET,
        price=ONE,
        lane=Lane.HEDGE,
    )


@pytest.mark.parametrize(("hedged", "broken"), [("4", 0), ("4.005", 0), ("10", 1)])
def test_a_hedge_of_what_was_only_wished_is_named(hedged, broken):
    """Of 10 wished, 4 filled: a hedge of 4 and dust is right, one of 10 is not. Other cycles do not count."""
    wanted = [
        _order("g:1:backpack:entry:1", 10),
        _order("g:2:backpack:entry:1", 10),
        _order("g:1:lighter1:hedge:1", hedged),
    ]
    executed = {"g:1:backpack:entry:1": Decimal(4), "g:2:backpack:entry:1": Decimal(10)}
    assert len(list(judge_hedges(wanted, executed))) == broken
