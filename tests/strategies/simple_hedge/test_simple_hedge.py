"""The simple hedge phase by phase: maker entry, hedge of every partial fill, holding, leaving."""

import pytest
from pydantic import ValidationError

from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.position import FillCause
from strategies.machine import Outcome
from strategies.simple_hedge.params import SimpleHedgeParams
from tests.strategies.desk.scene import begun, book, seen
from tests.strategies.liquidation_hedge.scene import (
    accepted,
    closed,
    filled,
    later,
    mode,
    operator,
    rejected,
    restarted,
    submitted,
    timer,
    unknown,
)
from tests.strategies.simple_hedge.scene import ALL, entering, hedge, holding


def test_every_partial_fill_is_hedged_at_once():
    """Two partial fills of the entry: each is sold on the other venue as it comes, and nothing twice."""
    assert (
        entering()
        >> filled("lead", "entry:1", "2")
        << "submit follow hedge:1 SELL 2 @998.1"
        >> filled("lead", "entry:1", "1.5")
        >> filled("follow", "hedge:1", "-2")
        >> closed("follow", "hedge:1", "2")
        << "submit follow hedge:2 SELL 1.5 @998.1"
        >> filled("follow", "hedge:2", "-1.5")
        >> closed("follow", "hedge:2", "1.5")
    )


def test_a_fill_that_is_told_twice_is_hedged_once():
    """The same trade id again changes nothing."""
    assert (
        entering()
        >> filled("lead", "entry:1", "2", trade="t")
        << "submit follow hedge:1 SELL 2 @998.1"
        >> filled("lead", "entry:1", "2", trade="t")
    )


def test_the_entry_follows_the_book_and_a_fill_races_the_cancel():
    """The bid moved up: cancel; 2 fill before it arrives and are hedged; only the missing 3 are asked for again."""
    moved = {"lead": book(bid="999.5"), "follow": book()}
    assert (
        entering()
        >> later(2)
        >> timer("look")
        << ALL
        >> seen(moved, lead="0", follow="0")
        << "cancel lead entry:1"
        >> filled("lead", "entry:1", "2")
        << "submit follow hedge:1 SELL 2 @998.1"
        >> closed("lead", "entry:1", "2")
        << "submit lead entry:2 BUY 3 @999.5"
    )


def test_a_cancel_without_effect_is_asked_for_again_and_nothing_is_placed_beside():
    """The venue keeps silent: after the grace the cancel goes again; the slot stays taken."""
    moved = {"lead": book(bid="999.5")}
    assert (
        entering()
        >> later(2)
        >> timer("look")
        << ALL
        >> seen(moved, lead="0", follow="0")
        << "cancel lead entry:1"
        >> later(2)
        >> timer("look")
        << ALL
        >> seen(moved, lead="0", follow="0")
        >> later("1.1")
        >> timer("act")
        << "cancel lead entry:1"
    )


def test_an_order_whose_answer_was_lost_keeps_its_slot():
    """Unknown is neither success nor failure: no second entry, and its fill is hedged when it shows."""
    assert (
        entering()
        >> unknown("lead", "entry:1")
        >> later(2)
        >> timer("look")
        << ALL
        >> seen(lead="0", follow="0")
        >> filled("lead", "entry:1", "5")
        << "submit follow hedge:1 SELL 5 @998.1"
    )


def test_after_a_restart_what_rests_is_adopted_and_not_doubled():
    """The process is new: it looks, finds its order where it was, and places nothing."""
    assert (
        entering()
        >> accepted("lead", "entry:1")
        >> restarted()
        << ALL
        >> seen(lead="0", follow="0")
        >> filled("lead", "entry:1", "5")
        << "submit follow hedge:1 SELL 5 @998.1"
    )


def test_an_order_of_a_life_whose_journal_was_lost_is_canceled_before_anything_begins():
    """The account tells of an order that this journal does not know: canceled by its id, and new ids come after it."""
    play = (
        hedge()
        >> submitted("lead", "entry:4", cycle=3)
        >> accepted("lead", "entry:4", cycle=3)
        >> operator(OperatorState.RUN)
        << "cancel lead entry:4\nobserve lead follow"
        >> later("0.1")
        >> closed("lead", "entry:4", "0", cycle=3)
        >> seen(lead="0", follow="0")
        << "submit lead entry:1 BUY 5 @999"
    ).played()
    assert play.state.cycle == 4


def test_what_the_maker_did_not_get_in_time_is_taken():
    """Time is up: the bid is withdrawn, and what is missing is bought from the book."""
    assert (
        entering(entry={"timeout_s": 10})
        >> later(10)
        >> timer("act")
        << "cancel lead entry:1\nobserve lead follow"
        >> closed("lead", "entry:1", "0")
        >> seen(lead="0", follow="0")
        << "submit lead entry:2 BUY 5 @1002"
    )


def test_what_the_maker_did_not_get_in_time_is_kept_out_when_told_so():
    """on_timeout = keep: the hedge stands with the 2 that filled."""
    play = (
        entering(entry={"timeout_s": 10}, on_timeout="keep")
        >> filled("lead", "entry:1", "2")
        << "submit follow hedge:1 SELL 2 @998.1"
        >> filled("follow", "hedge:1", "-2")
        >> closed("follow", "hedge:1", "2")
        >> later(10)
        >> timer("act")
        << "cancel lead entry:1\nobserve lead follow"
        >> closed("lead", "entry:1", "2")
        >> seen(lead="2", follow="-2")
    ).played()
    assert play.state.memory.entered_at is not None


def test_a_slice_bounds_what_stands_uncovered():
    """slice_quantity 2 of 5: the second slice comes when the first has filled and is hedged."""
    assert (
        begun(hedge(slice_quantity="2"), "lead", "follow")
        << "submit lead entry:1 BUY 2 @999"
        >> filled("lead", "entry:1", "2")
        << "submit follow hedge:1 SELL 2 @998.1"
        >> closed("lead", "entry:1", "2")
        << "submit lead entry:2 BUY 2 @999"
    )


def test_no_entry_stands_where_a_fill_could_not_be_hedged():
    """The follow account is disarmed: the entry is withdrawn until it is back."""
    assert (
        entering()
        >> mode("follow", AccountMode.DISARMED)
        << "cancel lead entry:1"
        >> closed("lead", "entry:1", "0")
        >> mode("follow", AccountMode.ARMED)
        << "submit lead entry:2 BUY 5 @999"
    )


def test_a_hedge_that_fails_widens_and_the_entry_waits_meanwhile():
    """A refused hedge: no more is entered, the next hedging order goes deeper."""
    assert (
        entering()
        >> filled("lead", "entry:1", "2")
        << "submit follow hedge:1 SELL 2 @998.1"
        >> rejected("follow", "hedge:1")
        << "cancel lead entry:1"
        >> later(1)
        >> timer("act")
        << "submit follow hedge:2 SELL 2 @997.1"
    )


def test_uncovered_for_too_long_leaves_and_parks():
    """Ten seconds without a hedge: out on both legs by the way out, then a person looks."""
    play = (
        entering()
        >> filled("lead", "entry:1", "5")
        << "submit follow hedge:1 SELL 5 @998.1"
        >> closed("lead", "entry:1", "5")
        >> later(10)
        >> timer("act")
        << "cancel-all lead\ncancel-all follow\nobserve lead\nobserve follow"
    ).played()
    assert play.state.parking
    assert "5 uncovered for 10 s" in play.state.reason


def test_the_hedge_leaves_when_its_time_is_up_and_the_group_has_finished():
    """An hour held: both legs close reduce-only, and both venues confirm."""
    out = (
        holding()
        >> later(3600)
        >> timer("act")
        << "cancel-all lead\ncancel-all follow\nobserve lead\nobserve follow"
        >> seen(lead="5")
        << "submit lead flatten:1 SELL 5 @997.1 reduce-only"
        >> seen(follow="-5")
        << "submit follow flatten:1 BUY 5 @1003 reduce-only"
    )
    at = out.played().state.way_out.run_at
    assert (
        out
        >> filled("lead", "flatten:1", "-5", cycle=at)
        >> closed("lead", "flatten:1", "5", cycle=at)
        >> filled("follow", "flatten:1", "5", cycle=at)
        >> closed("follow", "flatten:1", "5", cycle=at)
        >> later("0.5")
        >> timer("lead")
        << "observe lead\nobserve follow"
        >> seen(lead="0")
        >> seen(follow="0")
    )
    assert out.state.outcome is Outcome.FINISHED
    assert out.state.cycles_done == 1


def test_reduce_covers_by_giving_back_and_enters_no_more():
    """REDUCE with 2 uncovered: the entry is withdrawn, and the lead gives the 2 back reduce-only."""
    assert (
        entering()
        >> filled("lead", "entry:1", "2")
        << "submit follow hedge:1 SELL 2 @998.1"
        >> rejected("follow", "hedge:1")
        << "cancel lead entry:1"
        >> operator(OperatorState.REDUCE)
        << "submit lead trim:2 SELL 2 @998.1 reduce-only"
    )


def test_after_a_surplus_was_given_back_the_entry_begins_anew():
    """The failed hedge has nothing left to cover when RUN comes back: the entry goes on, it does not wait for ever."""
    assert (
        entering()
        >> filled("lead", "entry:1", "2")
        << "submit follow hedge:1 SELL 2 @998.1"
        >> rejected("follow", "hedge:1")
        << "cancel lead entry:1"
        >> operator(OperatorState.REDUCE)
        << "submit lead trim:2 SELL 2 @998.1 reduce-only"
        >> filled("lead", "trim:2", "-2")
        >> closed("lead", "trim:2", "2")
        >> operator(OperatorState.RUN)
        >> later(2)
        >> closed("lead", "entry:1", "2")
        << "submit lead entry:3 BUY 5 @999\nobserve lead follow"
    )


def test_pause_finishes_what_has_begun():
    """PAUSE in the entry: it goes on; no further cycle begins."""
    assert (
        entering()
        >> operator(OperatorState.PAUSE)
        >> filled("lead", "entry:1", "5")
        << "submit follow hedge:1 SELL 5 @998.1"
    )


def test_a_leg_that_its_venue_closes_ends_the_hedge_and_parks():
    """A liquidation on one leg: out of the other, and a person looks."""
    play = (
        holding()
        >> filled("follow", None, "5", cause=FillCause.LIQUIDATION)
        << "cancel-all lead\ncancel-all follow\nobserve lead\nobserve follow"
    ).played()
    assert play.state.parking
    assert "liquidation" in play.state.reason


def test_the_size_may_be_given_in_usd_and_keeps_to_both_venues_lots():
    """5000 USD at 999 are 5.005 on a lot of 0.001."""
    assert begun(hedge(notional_usd=5000), "lead", "follow") << "submit lead entry:1 BUY 5.005 @999"


@pytest.mark.parametrize(
    "wrong",
    [{}, {"quantity": 1, "notional_usd": 1}, {"quantity": 0}, {"quantity": 1, "lead": "BUY"}, {"quantity": "x"}],
)
def test_what_makes_no_sense_is_refused(wrong):
    """No size, two sizes, none, a typo, a word."""
    with pytest.raises(ValidationError):
        SimpleHedgeParams.model_validate(wrong)
