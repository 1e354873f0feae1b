"""What a person reads: the next step in every phase, the view's numbers, and how grave a message is."""

from decimal import Decimal

import pytest

from strategies.domain.commands import Notify
from strategies.domain.events import OperatorState
from strategies.domain.position import FillCause
from tests.strategies.liquidation_hedge.scene import (
    ALL,
    closed,
    denied,
    drawn,
    entering,
    filled,
    hedge,
    later,
    looked,
    monitoring,
    operator,
    rejected,
    second,
    started,
    timer,
    unknown,
    waiting,
)

D = Decimal


def running(**params):
    """Play to the look before an entry."""
    return hedge(**params) >> started() >> operator(OperatorState.RUN) << ALL


def entered(**params):
    """Play to the hedge order."""
    return (
        entering(**params) >> filled("backpack", "entry:1", "5", trade="b1") << "submit lighter1 hedge:1 SELL 5 @998.1"
    )


def balancing(**params):
    """Play to the order that takes the balancer back to zero."""
    return (
        second(**params)
        >> filled("lighter2", "entry:1", "5", trade="c1")
        << "submit backpack rebalance:1 SELL 5 @998.1 reduce-only"
        >> closed("lighter2", "entry:1", "5")
    )


def leaving(**params):
    """Play to the two orders of an exit."""
    return (
        monitoring(**params)
        >> later(1)
        >> operator(OperatorState.FLATTEN)
        << """submit lighter1 exit:1 BUY 5 @1003 reduce-only
              submit lighter2 exit:1 SELL 5 @997.1 reduce-only
              observe backpack lighter1 lighter2"""
    )


def left(**params):
    """Play to the end of a cycle."""
    return (
        leaving(**params)
        >> filled("lighter1", "exit:1", "5")
        >> closed("lighter1", "exit:1", "5")
        >> looked("0", "0", "5")
        >> filled("lighter2", "exit:1", "-5")
        >> closed("lighter2", "exit:1", "5")
        >> later("0.5")
        >> timer("look")
        << ALL
        >> looked()
    )


def next_of(play):
    """Return the next step in words."""
    play = play.played()
    return play.machine.view(play.state).next


def notes(play):
    """Return everything that the operator was told: how grave, about what, in which words."""
    return [(str(c.severity), c.topic, c.text) for c in play.played().commands if isinstance(c, Notify)]


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (lambda: hedge() >> started(), "RUN by the operator (now PAUSE)"),
        (running, "look at all legs, size the entry"),
        (entering, "enter 5 ETH-PERP on backpack"),
        (entered, "hedge 5 ETH-PERP on lighter1"),
        (waiting, "draw the wait"),
        (lambda: waiting() >> drawn("3"), "enter lighter2 at 08:00:03 UTC"),
        (
            lambda: waiting() >> drawn("3") >> later(3) >> timer("enter") << ALL,
            "look at lighter2, size its entry",
        ),
        (second, "enter 5 ETH-PERP on lighter2"),
        (balancing, "rebalance 5 ETH-PERP on backpack"),
        (lambda: monitoring(timeout_s=3600), "watch all legs; time-out at 09:00:00 UTC"),
        (leaving, "close 5 ETH-PERP on lighter1; close 5 ETH-PERP on lighter2"),
        (lambda: leaving() >> unknown("lighter1", "exit:1"), "proof of what became of triad:1:lighter1:exit:1"),
        (
            lambda: (
                leaving()
                >> filled("lighter1", "exit:1", "5")
                >> filled("lighter2", "exit:1", "-5")
                >> closed("lighter1", "exit:1", "5")
                >> closed("lighter2", "exit:1", "5")
            ),
            "every venue confirms flat",
        ),
        (left, "nothing"),
        (lambda: left(max_cycles=2, cycle_pause_s=60), "RUN by the operator (now FLATTEN)"),
        (
            lambda: left(max_cycles=2, cycle_pause_s=60) >> operator(OperatorState.RUN),
            "start cycle 2 at 08:01:04 UTC",
        ),
        (
            lambda: running(start_failures_max=1, look_attempts=1) >> looked(None, "0", "0"),
            "a person looks, then RUN",
        ),
    ],
)
def test_the_next_step_is_said_in_words(play, words):
    """In every phase: what it waits for, how much of it, where and until when."""
    assert next_of(play()) == words


def test_an_awaited_leverage_is_named_with_its_legs():
    """Of all legs that have another than is wanted."""
    play = (
        running(leverage=20, show=("leverage",))
        >> later("0.1")
        >> looked()
        << """leverage bp 20
              leverage l1 20
              leverage l2 20"""
    )
    assert next_of(play) == "leverage of backpack, lighter1, lighter2"


def test_the_view_shows_what_the_state_holds():
    """Numbers of the group and of each leg, while a hedge is on its way and the answer of an entry is lost."""
    play = (entered() >> unknown("lighter1", "hedge:1")).played()
    view = play.machine.view(play.state)
    assert (view.phase, view.cycle, view.cycles_done, view.operator_state) == ("ENTERING", 1, 0, OperatorState.RUN)
    assert (view.mark, view.lot, view.hedged, view.net) == (1000, D("0.01"), False, 5)
    balancer, first = view.legs["backpack"], view.legs["lighter1"]
    assert (balancer.account, balancer.target, balancer.believed, balancer.reported) == ("bp", 5, 5, 0)
    assert balancer.reported_at == play.state.legs["backpack"].reported_at
    assert (first.target, first.believed) == (-5, 0)
    assert (first.in_flight, first.unknown) == (("triad:1:lighter1:hedge:1",), ("triad:1:lighter1:hedge:1",))
    assert (balancer.in_flight, balancer.unknown) == (("triad:1:backpack:entry:1",), ())


def test_before_the_first_look_nothing_is_made_up():
    """No mark, no lot, no statement of a venue; and a group that holds nothing is covered."""
    play = (hedge() >> started()).played()
    view = play.machine.view(play.state)
    assert (view.mark, view.lot, view.hedged) == (None, None, True)
    assert (view.legs["lighter1"].reported, view.legs["lighter1"].dust_usd) == (None, 0)


def test_no_more_than_the_coarsest_lot_uncovered_is_hedged():
    """Lots of 0.01 and 0.001: 0.01 is rounding, 0.011 is not."""
    for filled_on_first, hedged in (("-4.99", True), ("-4.989", False)):
        play = (entered() >> filled("lighter1", "hedge:1", filled_on_first)).played()
        assert play.machine.view(play.state).hedged is hedged


def test_a_whole_cycle_is_told_as_it_goes():
    """What an operator reads of a quiet cycle; none of it calls for anybody."""
    assert notes(left()) == [
        ("INFO", "cycle_started", "triad: cycle 1 long_backpack: 5.0 ETH-PERP, bound by the margin of backpack"),
        ("INFO", "second_entered", "triad: lighter2 holds 5"),
        ("INFO", "exit", "triad: exit of cycle 1, operator: FLATTEN; holding backpack 0, lighter1 -5, lighter2 5"),
        (
            "INFO",
            "flat",
            "triad: out of cycle 1 (operator): +0.0000 USD (backpack +0.0000, lighter1 +0.0000, lighter2 +0.0000)",
        ),
        ("INFO", "finished", "triad: 1 cycles done, every leg confirmed flat"),
    ]


def test_an_exit_that_nobody_wished_is_a_warning():
    """A liquidation: which leg, and what the others hold."""
    play = monitoring() >> filled("lighter1", None, "5", cause=FillCause.LIQUIDATION)
    play.quiet = (*play.quiet, "submit", "observe")
    assert notes(play)[-1] == (
        "WARNING",
        "exit",
        "triad: exit of cycle 1, liquidated: lighter1 is back to 0; holding backpack 0, lighter1 0, lighter2 5",
    )


def test_going_out_by_the_operators_word_is_told():
    """With cycles left the group stays out, and says what it waits for."""
    assert notes(left(max_cycles=2))[-1] == ("INFO", "out", "triad: flat by the operator's word; stays out until RUN")


def test_a_start_that_failed_says_which_one_it_was():
    """The first of two; the second parks the group and calls a person."""
    play = running(start_failures_max=2, look_attempts=1, start_retry_s=1) >> looked(None, "0", "0")
    reason = "backpack did not state instrument and position"
    assert notes(play) == [("WARNING", "start_failed", f"triad: start 1 of 2 failed: {reason}")]
    again = play >> later(1) >> timer("act") << ALL >> looked(None, "0", "0")
    assert notes(again)[-1] == (
        "CRITICAL",
        "parked",
        f"triad: parked: 2 starts in a row failed, the last: {reason}; holding backpack 0, lighter1 0, lighter2 0",
    )


def test_a_third_leg_that_does_not_come_is_a_warning():
    """With the venue's own words."""
    play = second(entry_attempts=1) >> rejected("lighter2", "entry:1")
    assert notes(play)[-1] == (
        "WARNING",
        "second_skipped",
        "triad: going on with two legs: MARGIN: said the venue",
    )


def test_an_entry_that_the_account_denies_says_why_it_was_given_up():
    """Code and words of the denial."""
    play = entering(entry_attempts=1) >> denied("backpack", "entry:1")
    play.quiet = (*play.quiet, "observe")
    assert "1 orders on backpack, none filled: DISARMED: not reconciled" in notes(play)[-1][2]
