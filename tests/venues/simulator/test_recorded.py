"""The exchange that records its calls: the same calls give the same exchange."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from strategies.domain.ids import Timestamp
from strategies.domain.position import FillCause
from tests.venues.simulator.venue_rules import CROWD_RULES, ETH, START, buy, lighter_like, sell
from venues.simulator.model import EndReason, RefusedError
from venues.simulator.recorded import RecordedExchange, ReplayError, dump_state, load_state


def recorded(calls: list[Mapping[str, Any]]) -> RecordedExchange:
    """Return an exchange that writes its calls here, as JSON."""
    like = lighter_like(taker_delay_ms=300)
    exchange = RecordedExchange(
        like.rules,
        list(like.markets.values()),
        seed=1,
        crowd=CROWD_RULES,
        record=lambda call: calls.append(json.loads(json.dumps(call, default=str))),
    )
    for symbol, price in (("ETH", 3000), ("BTC", 60_000)):
        exchange.set_price(symbol, Decimal(price), START)
    exchange.advance(START)
    return exchange


def live_through(exchange: RecordedExchange) -> None:
    """Make every kind of call."""
    for account in ("a", "b"):
        exchange.add_account(account, Decimal(10_000), START)
    exchange.set_leverage("a", ETH, Decimal(10), START)
    exchange.set_funding_rate(ETH, Decimal("0.0001"))
    exchange.set_depth(ETH, Decimal(2), START)
    first = exchange.place(buy("1", "2990", client_id=1), START)
    exchange.place(buy("1"), START, fill_limit=Decimal("0.5"))
    exchange.place(sell("1", account="b"), START, reject=EndReason.LIQUIDITY)
    exchange.schedule_cancel_all("b", Timestamp(START + 9000))
    exchange.schedule_cancel_all("b", None)
    exchange.deposit("b", Decimal("12.5"), START)
    exchange.cancel("a", order_index=first.order_index, at=START)
    exchange.cancel_all("b", None, START)
    exchange.place(buy("0.1", client_id=2), Timestamp(START + 50))
    exchange.liquidate("a", ETH, cause=FillCause.ADL, fraction=Decimal(1), at=Timestamp(START + 60))


def test_repeating_the_calls_makes_the_same_exchange() -> None:
    """Every call survives JSON, and making them again leads to the same state to the last digit."""
    calls: list[Mapping[str, Any]] = []
    first = recorded(calls)
    live_through(first)
    assert {call["call"] for call in calls} == {
        *("add_account", "set_leverage", "set_funding_rate", "set_depth", "place", "schedule_cancel_all"),
        *("deposit", "cancel", "cancel_all", "liquidate"),
    }
    again: list[Mapping[str, Any]] = []
    second = recorded(again)
    for call in calls:
        second.repeat(call)
    assert again == []
    assert dump_state(second.state) == dump_state(first.state)


def test_a_snapshot_is_the_whole_state() -> None:
    """An exchange that goes on from a snapshot does the same as the one that never stopped."""
    first = recorded([])
    live_through(first)
    text = json.dumps(dump_state(first.state))
    second = RecordedExchange(
        first.rules,
        list(first.markets.values()),
        seed=1,
        crowd=CROWD_RULES,
        record=lambda _: None,
        state=load_state(json.loads(text)),
    )
    for exchange in (first, second):
        exchange.advance(Timestamp(START + 400))
        exchange.set_price(ETH, Decimal(2980), Timestamp(START + 500))
        exchange.advance(Timestamp(START + 5_000_000))
    assert dump_state(second.state) == dump_state(first.state)
    assert first.trades(None) == second.trades(None)


def test_what_was_refused_is_not_recorded() -> None:
    """A refused call did nothing, so there is nothing to repeat."""
    calls: list[Mapping[str, Any]] = []
    exchange = recorded(calls)
    exchange.add_account("a", Decimal(100), START)
    with pytest.raises(RefusedError):
        exchange.place(buy("0.00001"), START)
    with pytest.raises(RefusedError):
        exchange.set_leverage("a", ETH, Decimal(99), START)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "call",
    [
        {"call": "drain_events", "args": {}},
        {"call": "cancel", "args": {"account": "nobody", "order_index": 1, "at": START}},
        {"call": "deposit", "args": {"wrong": 1}},
    ],
)
def test_calls_of_another_exchange_do_not_repeat(call: Mapping[str, Any]) -> None:
    """An unknown call, a refused one and one with other arguments each stop the replay."""
    with pytest.raises(ReplayError):
        recorded([]).repeat(call)


def test_a_state_that_is_none_is_refused() -> None:
    """Something that is not an exchange's state says so."""
    with pytest.raises(ReplayError, match="not the state of an exchange"):
        load_state({"accounts": 5})
