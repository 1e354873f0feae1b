"""Storms under limits that are tight enough to fire, and a judge of limits that is awake."""

from decimal import Decimal

import pytest

from actors.group_entries import StepBody
from actors.simulation.cast import LIMITED
from actors.simulation.limits import draw_limits
from actors.simulation.limits_judge import judge_counting, judge_limits
from actors.simulation.market import ETH, Market
from actors.simulation.play import play
from actors.simulation.scenario import draw_scenario
from strategies.domain.commands import Notify, Severity
from strategies.domain.events import Filled, TimerFired
from strategies.domain.ids import OrderId, Timestamp, TradeId
from strategies.domain.order import Lane, Side
from strategies.domain.position import Fill, FillCause
from strategies.machine import GroupSpec
from strategies.registry import build_machine
from strategies.risk import GuardedState
from strategies.risk.memory import LegBook
from tests.strategies.risk.toy import order

SOME = {"max_orders_per_minute": 2}


@pytest.mark.parametrize("seed", [3, 15, 27, 36])
def test_a_storm_under_limits_breaks_no_promise(seed):
    """The hedge's own: limits are kept, what gets out passes, and the venue's money is what is counted."""
    assert play(seed, "liquidation_hedge+limits").violations == []


@pytest.mark.parametrize("strategy", sorted(set(LIMITED) - {"liquidation_hedge+limits"}))
def test_other_strategies_keep_their_limits(strategy):
    """One storm each; `python -m actors.simulation --strategy NAME+limits` plays many more."""
    assert play(7, strategy).violations == []


def test_every_seed_draws_limits_that_a_group_takes():
    """The same ones each time, and valid ones."""
    spec = GroupSpec.model_validate({"group": "sim", "instrument_id": ETH, "legs": {"main": "bp"}})
    cast = LIMITED["geometric_grid+limits"]
    for seed in range(30):
        assert draw_limits(seed) == draw_limits(seed)
        build_machine(cast.strategy, spec, cast.params, draw_limits(seed))


def step(at_s, *commands):
    """Return one journaled step."""
    return StepBody(event=TimerFired(at=1000 * at_s, timer="t"), commands=commands, source=None, code_version="1")


def told(text, topic="limit"):
    """Return a notification."""
    return Notify(severity=Severity.WARNING, topic=topic, text=text)


REACHED = told("limit max_loss_usd_per_day reached: 6 USD lost today > 5; deny, until RUN is said")
RELEASED = told("limit max_loss_usd_per_day released: a new UTC day")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step(1, REACHED), step(2, order("late", "1"))], "late enters while ['max_loss_usd_per_day'] are reached"),
        ([step(n, order(f"o{n}", "1")) for n in range(3)], "o2 is order 3 within a minute, 2 are allowed"),
        ([step(1, told("sim:1:backpack:exit:1 denied: NO_MARK, none", "order_denied"))], "an exit was denied"),
    ],
)
def test_what_a_limit_forbids_is_caught(steps, words):
    """An entry under a limit that is reached, one order too many, an exit that was denied."""
    assert any(words in found for found in judge_limits(SOME, steps))


def bought(trade_id, signed):
    """Return a step in which an account has bought (or sold) by an order that opened it."""
    fill = Fill(
        trade_id=TradeId(trade_id), instrument_id=ETH, side=Side.of(Decimal(signed)), quantity=abs(Decimal(signed)),
        price=Decimal(3000), fee=Decimal(0), at=Timestamp(1000), cause=FillCause.ORDER, order_id=OrderId("opens"),
    )  # fmt: skip
    event = Filled(at=Timestamp(1000), account=order("x", "1").account, fill=fill)
    return StepBody(event=event, commands=(), source=None, code_version="1")


@pytest.mark.parametrize(("size", "caught"), [("-2", False), ("-2.1", True), ("2", True)])
def test_what_gives_back_no_more_than_is_held_passes_the_rate(size, caught):
    """Three bought, one of that asked back already: 2 more may go beyond the rate, 2.1 would turn the leg round."""
    steps = [step(1, order("opens", "3")), bought("t", "3"), step(2, order("back", "-1")), step(3, order("last", size))]
    assert any("last is order 3" in found for found in judge_limits(SOME, steps)) is caught


def test_what_a_limit_allows_is_not_complained_of():
    """An exit, a hedge, an entry after the release, under PAUSE, and on an account that is not the limit's."""
    pause = told("limit max_drawdown_usd reached: 6 USD below > 5; pause, until RUN is said")
    other = told("limit accounts.b.max_loss_usd_per_day reached: 6 USD lost today > 5; deny, until RUN is said")
    steps = [
        step(1, REACHED),
        step(2, order("out", "-1", reduce_only=True)),
        step(3, order("hedge", "-1", lane=Lane.HEDGE)),
        step(4, RELEASED),
        step(70, pause, other),
        step(71, order("in", "1")),
    ]
    assert list(judge_limits(SOME, steps)) == []


def test_a_result_that_is_not_the_venues_is_caught():
    """The gate counts nothing made, and the venue says 5 USD are gone."""
    market = Market(draw_scenario(0), lambda: 0, lambda _: None)
    state = GuardedState(inner=None, legs={"bp": LegBook()})
    assert list(judge_counting(state, market, ["bp"])) == []
    lost = LegBook().model_copy(update={"funding": -5})
    wrong = state.model_copy(update={"legs": {"bp": lost}})
    assert "counts a result of -5.0000, by the venue it is 0.0000" in next(judge_counting(wrong, market, ["bp"]))
