"""What the gate counts, at its bounds: days, budgets, funding, fills, and what it takes back or shows."""

from decimal import Decimal

import pytest

from strategies.domain.account import ReportedPosition
from strategies.domain.commands import CancelOrder
from strategies.domain.events import Observed, PositionAdjusted, TimerFired
from strategies.domain.ids import Timestamp
from strategies.domain.position import Position
from strategies.machine import LimitView
from strategies.risk.gate import Exposure, judge
from strategies.risk.limits import Bound, LimitName, Word
from strategies.risk.memory import (
    DAY_MS,
    MINUTE_MS,
    GuardedState,
    Latch,
    LegBook,
    OpenOrder,
    Sent,
    Used,
    anew,
    end_of_day,
    remember,
    used_up,
)
from strategies.risk.reach import (
    has_levels,
    levels_reached,
    sent_last_minute,
    shown,
    take_back,
    wake_at,
)
from tests.strategies.liquidation_hedge.scene import leg_look
from tests.strategies.risk.toy import Toy, fill, order

D = Decimal
NOW = Timestamp(20_000 * DAY_MS + 5000)


def state(**changes):
    """Return a state at a moment, with nothing counted but `changes`."""
    return GuardedState(inner=None, now=NOW, **changes)


def bound(name, most, word=Word.REDUCE, account=None):
    """Return a limit."""
    return Bound(name, account, D(most), word)


def latch(name, word=Word.REDUCE, account=None, until=None, text="why"):
    """Return a limit that stands reached."""
    return Latch(name=name, account=account, word=word, most=D(5), since=NOW, until=until, text=text)


def passes(at):
    """Time passing."""
    return TimerFired(at=Timestamp(at), timer="t")


def test_a_day_ends_at_midnight():
    """UTC: the first millisecond of the next day."""
    assert end_of_day(NOW) == 20_001 * DAY_MS
    assert end_of_day(Timestamp(20_000 * DAY_MS)) == 20_001 * DAY_MS


def test_uncovered_time_counts_by_the_day():
    """A second uncovered with 7 USD; over midnight only what lies in the new day."""
    before = state(naked_usd=D(7), naked_ms=100, naked_usd_ms=D(200))
    after = remember(before, passes(NOW + 1000))
    assert (after.naked_ms, after.naked_usd_ms) == (1100, 7200)
    late = remember(before, passes(end_of_day(NOW) + 300))
    assert (late.naked_ms, late.naked_usd_ms) == (300, 2100)
    covered = remember(before.model_copy(update={"naked_usd": None}), passes(end_of_day(NOW) + 300))
    assert (covered.naked_ms, covered.naked_usd_ms) == (0, 0)


@pytest.mark.parametrize(
    ("name", "account", "after"),
    [
        (LimitName.NAKED, None, {"naked_ms": 0}),
        (LimitName.NAKED_USD, None, {"naked_usd_ms": D(0)}),
        (LimitName.LOSS, "a", {"used": {"a": Used(day_from=D(-3), highest=D(9)), "": Used(day_from=D(1))}}),
        (LimitName.LOSS, None, {"used": {"a": Used(day_from=D(5), highest=D(9)), "": Used(day_from=D(-3))}}),
        (LimitName.DRAWDOWN, "a", {"used": {"a": Used(day_from=D(5), highest=D(-3)), "": Used(day_from=D(1))}}),
        (LimitName.NOTIONAL, None, {}),
    ],
)
def test_a_released_budget_begins_from_here(name, account, after):
    """Its own, of its own account, and no other."""
    before = state(
        naked_ms=5,
        naked_usd_ms=D(6),
        legs={"a": LegBook(ledger=Position(realized=D(-3)))},
        used={"a": Used(day_from=D(5), highest=D(9)), "": Used(day_from=D(1))},
    )
    assert anew(before, latch(name, account=account)) == before.model_copy(update=after)


def test_what_is_no_budget_has_no_use():
    """A limit of one order."""
    with pytest.raises(ValueError, match="slippage is no budget"):
        used_up(state(), LimitName.SLIPPAGE, None)


def looked(before, funding, quantity="5"):
    """Return the leg after a look that states a funding."""
    position = ReportedPosition(quantity=D(quantity), entry_price=D(1000), funding=funding, at=NOW)
    look = leg_look("a", at=NOW, position=position)
    event = Observed(at=NOW, legs={"a": look})
    return remember(state(legs={"a": before}), event).legs["a"]


def test_funding_counts_from_look_to_look():
    """The first statement of a position is only where it begins; another position begins anew."""
    held = LegBook(ledger=Position(quantity=D(5), entry_price=D(1000)))
    first = looked(held, D(3))
    assert (first.funding, first.stated) == (0, 3)
    assert (looked(first, D(7)).funding, looked(first, D(7)).stated) == (4, 7)
    assert looked(first, D(3)) == first
    assert looked(first, None) == first
    assert looked(first, D(9), "-5").stated is None
    assert looked(held, D(9), "-5") == held


@pytest.mark.parametrize(("signed", "stated"), [("1", 3), ("-1", 3), ("-5", None), ("-6", None)])
def test_a_fill_ends_a_position_only_when_it_takes_it_to_nothing(signed, stated):
    """Then the funding of the next one begins anew."""
    held = LegBook(ledger=Position(quantity=D(5), entry_price=D(1000)), stated=D(3))
    after = remember(state(legs={"a": held}), fill(signed)(NOW))
    assert after.legs["a"].stated == stated


def test_trade_ids_are_remembered_up_to_a_bound():
    """The oldest is forgotten first."""
    full = LegBook(seen=tuple(map(str, range(256))))
    seen = remember(state(legs={"a": full}), fill("1")(NOW)).legs["a"].seen
    assert (len(seen), seen[0]) == (256, "1")


@pytest.mark.parametrize(("after", "mark", "held"), [("3", "1000", 3), ("5", "1000", 5), ("3", None, 5)])
def test_a_correction_is_reckoned_at_the_mark(after, mark, held):
    """Without any price it cannot be; without a difference nothing changes, and the funding begins anew with one."""
    entry = D(0) if mark is None else D(1000)
    book = LegBook(ledger=Position(quantity=D(5), entry_price=entry), stated=D(3))
    marks = {} if mark is None else {"a": D(mark)}
    event = PositionAdjusted(at=NOW, account="a", before=D(5), after=D(after), reason="told")
    leg = remember(state(legs={"a": book}, mark=marks), event).legs["a"]
    assert leg.ledger.quantity == held
    assert leg.stated == (None if held == 3 else 3)


@pytest.mark.parametrize(
    ("held", "buys", "sells", "worst"),
    [("1", "2", "0", 3), ("1", "0", "2", 1), ("1", "0", "5", 4), ("-1", "5", "1", 4)],
)
def test_the_worst_of_a_leg_has_each_side_filled_alone(held, buys, sells, worst):
    """A bid and an ask do not make room for each other."""
    found = Exposure({"a": D(held)}, {}, {}, {"a": D(buys)}, {"a": D(sells)})
    assert found.worst("a") == worst


@pytest.mark.parametrize(
    ("net", "signed", "buys", "sells", "covers"),
    [
        ("-5", "3", "0", "0", True),
        ("-5", "3", "0", "9", True),
        ("-5", "3", "9", "0", False),
        ("-5", "-3", "0", "0", False),
        ("5", "-3", "9", "0", True),
        ("5", "-3", "0", "9", False),
        ("5", "-10", "0", "0", False),
        ("5", "-9.9", "0", "0", True),
        ("0", "1", "0", "0", False),
    ],
)
def test_an_order_covers_when_it_leaves_less_uncovered(net, signed, buys, sells, covers):
    """With what is open on its own side, and only on that."""
    found = Exposure({}, {}, {}, {"a": D(buys)}, {"a": D(sells)}, net=D(net))
    assert found.covers("a", D(signed)) is covers


@pytest.mark.parametrize(
    ("name", "most"),
    [
        (LimitName.NOTIONAL, "999"),
        (LimitName.LEG_NOTIONAL, "999"),
        (LimitName.LEVERAGE, "9"),
        (LimitName.ORDER_RATE, "0"),
        (LimitName.SLIPPAGE, "0.0001"),
        (LimitName.SLIPPAGE_USD, "0.5"),
    ],
)
def test_a_denial_carries_its_limit(name, most):
    """What happens there depends on it."""
    limit = bound(name, most)
    found = Exposure({}, {"a": D(1000)}, {"a": D(100)})
    assert judge(order("o", "1", "1001"), found, (limit,)).bound == limit


def test_the_first_order_of_a_minute_is_the_first():
    """An account that has sent nothing has sent nothing."""
    limit = bound(LimitName.ORDER_RATE, "1", account="a")
    found = Exposure({}, {"a": D(1000)}, {"a": D(100)})
    assert not hasattr(judge(order("o", "1", "1001"), found, (limit,)), "code")


def test_a_minute_is_a_minute():
    """Of one account or of all, before a moment or before now."""
    sent = tuple(
        Sent(at=Timestamp(NOW - ms), account=account) for ms, account in ((60_000, "a"), (59_999, "b"), (1, "a"))
    )
    before = state(sent=sent)
    assert sent_last_minute(before, None) == 2
    assert sent_last_minute(before, "a") == 1
    assert sent_last_minute(before, None, Timestamp(NOW - 1)) == 3
    assert sent_last_minute(before, None, Timestamp(NOW + MINUTE_MS)) == 0


@pytest.mark.parametrize(
    ("name", "word", "watched"),
    [
        (LimitName.NOTIONAL, Word.REDUCE, True),
        (LimitName.NOTIONAL, Word.DENY, False),
        (LimitName.LOSS, Word.REDUCE, False),
        (LimitName.LOSS, Word.DENY, False),
    ],
)
def test_sizes_are_watched_where_more_than_a_denial_is_asked_for(name, word, watched):
    """Anything else is judged by orders or by budgets."""
    assert has_levels((bound(name, "1", word),)) is watched
    before = state(mark={"a": D(1000)})
    assert bool(list(levels_reached(before, (bound(name, "1", word),), {"a": D(1)}))) is watched


@pytest.mark.parametrize(
    ("name", "most", "reached"),
    [
        (LimitName.NOTIONAL, "3000", False),
        (LimitName.NOTIONAL, "2999", True),
        (LimitName.LEG_NOTIONAL, "2000", False),
        (LimitName.LEG_NOTIONAL, "1999", True),
        (LimitName.LEVERAGE, "20", False),
        (LimitName.LEVERAGE, "19.9", True),
    ],
)
def test_a_size_is_reached_beyond_its_bound(name, most, reached):
    """2000 USD on one account, 1000 on the other, 100 USD of equity each."""
    before = state(mark=dict.fromkeys("ab", D(1000)), equity=dict.fromkeys("ab", D(100)))
    held = {"a": D(-2), "b": D(1)}
    assert bool(list(levels_reached(before, (bound(name, most),), held))) is reached
    again = before.model_copy(update={"reached": (latch(name),)})
    assert not list(levels_reached(again, (bound(name, most),), held))


@pytest.mark.parametrize(
    ("mark", "equity", "used"),
    [
        ({}, {}, None),
        ({"a": D(1000)}, {}, None),
        ({"a": D(1000)}, {"a": D(0)}, None),
        ({"a": D(1000)}, {"a": D(100)}, 20),
    ],
)
def test_a_size_without_its_numbers_is_not_known(mark, equity, used):
    """What holds nothing needs none."""
    before = state(mark=mark, equity=equity)
    (view,) = shown(before, (bound(LimitName.LEVERAGE, "50"),), _view({"a": D(2), "b": D(0)}))
    assert view.used == used


def _view(held):
    """Return the view of a group that holds this."""
    toy = Toy()
    return toy.view(toy.start().model_copy(update={"held": held}))


def test_a_limit_is_shown_with_its_use_and_its_denials():
    """Of its own account; one that stands reached says since when, until when and why."""
    until = end_of_day(NOW)
    before = state(
        legs={"a": LegBook(ledger=Position(realized=D(-3))), "b": LegBook(ledger=Position(realized=D(1)))},
        reached=(latch(LimitName.LOSS, account="a", until=until),),
        denials={"a.loss_usd_per_day": 4},
        sent=(Sent(at=NOW, account="a"), Sent(at=NOW, account="b")),
    )
    limits = (
        bound(LimitName.LOSS, "5", account="a"),
        bound(LimitName.ORDER_RATE, "9", account="b"),
        bound(LimitName.SLIPPAGE, "1"),
    )
    loss, rate, slippage = shown(before, limits, _view({}))
    assert loss == LimitView(
        name="loss_usd_per_day",
        account="a",
        word="reduce",
        most=D(5),
        unit=LimitName.LOSS.unit,
        used=D(3),
        reached_at=NOW,
        until=until,
        text="why",
        denied=4,
    )
    assert (rate.used, rate.denied, rate.text, rate.reached_at) == (1, 0, "", None)
    assert slippage.used is None


def open_order(signed, account="a", *, rests=True):
    """Return an open order."""
    return OpenOrder(account=account, signed=D(signed), rests=rests)


@pytest.mark.parametrize(
    ("orders", "account", "canceled"),
    [
        ({"grow": open_order("1")}, None, ["grow"]),
        ({"market": open_order("1", rests=False), "grow": open_order("1")}, None, ["grow"]),
        ({"other": open_order("1", "b"), "grow": open_order("1")}, "a", ["grow"]),
        ({"other": open_order("1", "b"), "grow": open_order("1")}, None, ["other", "grow"]),
        ({"shrink": open_order("-3"), "grow": open_order("1")}, None, ["grow"]),
        ({"s1": open_order("-3"), "s2": open_order("-2"), "s3": open_order("-1")}, None, ["s3"]),
        ({"s1": open_order("-3"), "s2": open_order("-3"), "s3": open_order("-1")}, None, ["s2", "s3"]),
    ],
)
def test_what_may_enlarge_a_leg_is_taken_back(orders, account, canceled):
    """The leg holds +5: sales up to that stay, oldest first."""
    found = list(take_back(state(open_orders=orders), account, {"a": D(5)}))
    assert found == [CancelOrder(account=orders[each].account, order_id=each) for each in canceled]


@pytest.mark.parametrize(
    ("name", "most", "changes", "after_ms"),
    [
        (LimitName.NAKED, "2", {"naked_usd": D(7), "naked_ms": 500}, 1501),
        (LimitName.NAKED, "2", {"naked_usd": D(0), "naked_ms": 2500}, 1),
        (LimitName.NAKED_USD, "14", {"naked_usd": D(7), "naked_usd_ms": D(3500)}, 1501),
        (LimitName.NAKED_USD, "14", {"naked_usd": D(0)}, None),
        (LimitName.NAKED, "2", {}, None),
        (LimitName.NAKED, "2", {"naked_usd": D(7), "reached": (latch(LimitName.NAKED),)}, None),
        (LimitName.NAKED_USD, "2", {"naked_usd": D(7), "reached": (latch(LimitName.NAKED_USD),)}, None),
        (LimitName.NAKED, "2", {"reached": (latch(LimitName.LOSS, until=Timestamp(NOW + 77)),)}, 77),
    ],
)
def test_the_gate_wakes_when_time_alone_decides(name, most, changes, after_ms):
    """The first millisecond beyond a budget, or the end of what ends by itself."""
    due = wake_at(state(**changes), (bound(name, most),))
    assert due == (None if after_ms is None else NOW + after_ms)
