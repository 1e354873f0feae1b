"""The smoke test: every step of every leg, in order; a failed step ends its leg."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from pydantic import ValidationError

from strategies.desk.machine import Desk
from strategies.machine import Outcome
from strategies.smoke_test.params import SmokeTestParams
from strategies.smoke_test.policy import SmokeTest
from tests.strategies.desk.any_order import DeskAnyOrder, economical
from tests.strategies.desk.scene import DeskBook, begun, book, desk, seen
from tests.strategies.desk.world import DeskWorld
from tests.strategies.liquidation_hedge.scene import accepted, closed, filled, later, rejected, spec, timer


def smoke(**params) -> DeskBook:
    """Begin a playbook over one leg, up to the first look's answer."""
    return begun(desk(SmokeTest, SmokeTestParams.model_validate(params), "main"), "main")


def looked(play: DeskBook, holds: str = "0", **changes) -> DeskBook:
    """Let the next look come, and its answer."""
    return play >> later("1.1") >> timer("look") << "observe main" >> seen({"main": changes}, main=holds)


def resting(**params) -> DeskBook:
    """Play to the far limit: everything could be read, and the book got newer."""
    play = looked(looked(looked(looked(smoke(**params)))))
    return looked(play) << "submit main far:1 BUY 0.1 @979.1"


def results(play: DeskBook) -> list[tuple[str, bool]]:
    """Return what each step of the leg came to."""
    return [(result.step.value, result.ok) for result in play.played().state.memory.runs["main"].results]


def test_reading_comes_before_anything_is_ordered():
    """Connect, instrument, account, and a book whose content gets newer; then the far limit."""
    play = resting()
    assert results(play) == [("connect", True), ("instrument", True), ("account", True), ("book", True)]


def test_a_silent_book_fails_the_leg_and_nothing_is_ordered():
    """The content never gets newer: the step fails in its time, and the group leaves."""
    frozen = {"quote": None}

    def old(at):
        frozen["quote"] = frozen["quote"] or book()(at)["quote"]
        return {"quote": frozen["quote"]}

    play = smoke(max_quote_age_s=100)
    for _ in range(4):
        play = play >> later("1.1") >> timer("look") << "observe main" >> seen({"main": old}, main="0")
    play = play >> later(40) >> timer("act") << "cancel-all main\nobserve main"
    assert results(play)[-1] == ("book", False)
    assert "failed on main" in play.state.reason


def test_a_limit_that_the_venue_refuses_fails_the_leg():
    """The venue's words are kept."""
    play = resting() >> rejected("main", "far:1", code="MARGIN") << "cancel-all main\nobserve main"
    assert results(play)[-1] == ("rest a far limit", False)
    assert "MARGIN" in play.state.memory.runs["main"].results[-1].detail


def test_rest_see_cancel():
    """It rests, a read counts it, it is canceled with nothing filled."""
    play = looked(resting() >> accepted("main", "far:1"), in_flight=1)
    play = looked(play) << "cancel main far:1" >> closed("main", "far:1", "0")
    assert [name for name, ok in results(play)[4:] if ok] == ["rest a far limit", "see it in a read", "cancel it"]


def test_without_trading_it_ends_flat_after_the_cancel():
    """Trade = false: no market order, no tracking limit; finished."""
    play = looked(resting(trade=False) >> accepted("main", "far:1"), in_flight=1)
    play = looked(play) << "cancel main far:1" >> closed("main", "far:1", "0")
    play = looked(play) << "cancel-all main\nobserve main"
    play = play >> seen(main="0")
    assert all(ok for _, ok in results(play))
    assert play.state.outcome is Outcome.FINISHED


def test_bought_read_sold_read_tracked_in_and_out():
    """Each stream is held against a read; the tracking limit follows in and out."""
    play = looked(resting() >> accepted("main", "far:1"), in_flight=1)
    play = looked(play) << "cancel main far:1" >> closed("main", "far:1", "0")
    play = looked(play) << "submit main market-buy:2 BUY 0.1 @1006"
    play = play >> filled("main", "market-buy:2", "0.1") >> closed("main", "market-buy:2", "0.1")
    play = looked(play, "0.1")
    play = looked(play, "0.1") << "submit main market-sell:3 SELL 0.1 @994.1 reduce-only"
    play = play >> filled("main", "market-sell:3", "-0.1") >> closed("main", "market-sell:3", "0.1")
    play = looked(play)
    play = looked(play) << "submit main track-buy:4 BUY 0.1 @999"
    play = play >> filled("main", "track-buy:4", "0.1") >> closed("main", "track-buy:4", "0.1")
    play = looked(play, "0.1") << "submit main track-sell:5 SELL 0.1 @1001 reduce-only"
    play = play >> filled("main", "track-sell:5", "-0.1") >> closed("main", "track-sell:5", "0.1")
    play = looked(play) << "cancel-all main\nobserve main"
    assert all(ok for _, ok in results(play))
    assert len(results(play)) == 14


@pytest.mark.parametrize("wrong", [{"far": 1}, {"step_timeout_s": 0}, {"steps": 3}])
def test_what_makes_no_sense_is_refused(wrong):
    """Bounds, and a typo."""
    with pytest.raises(ValidationError):
        SmokeTestParams.model_validate(wrong)


class AnyOrder(DeskAnyOrder):
    @initialize(trade=st.booleans())
    def begin(self, *, trade: bool) -> None:
        """Start a group over two accounts."""
        params = SmokeTestParams(trade=trade)
        self.world = DeskWorld(Desk(spec("a", "b"), params, SmokeTest(params)), SmokeTest(params))
        self.world.start()

    def money(self) -> None:
        """No leg ever holds more than one minimal order made of it, and one that filled by surprise."""
        for venue in self.world.venues.values():
            bought = [order.filled for order in venue.orders.values() if order.request.side == "BUY"]
            assert abs(venue.position) <= 2 * max(bought, default=0), venue


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = economical()
