"""What the backtest leaves out changes nothing: with every move of the price told to the venue, the same figures."""

from decimal import Decimal

import pytest

from actors.backtest import market
from actors.backtest.calm import UNRULY, calm_of
from actors.backtest.run import play
from strategies.domain.ids import AccountId, Timestamp
from strategies.domain.order import OrderType, Side, TimeInForce
from tests.actors.backtest.test_backtest import spec_of, write_tape
from venues.simulator.catalog import BACKPACK, coin_of
from venues.simulator.model import NewOrder

MAIN = {"group": {"group": "one", "instrument_id": "BTC-PERP", "legs": {"main": "l1"}}, "venue_of": {"l1": "lighter"}}
TRIAD_LEGS = {"backpack": "bp", "lighter1": "l1", "lighter2": "l2"}
QUICK = {"max_cycles": 0, "poll_interval_s": "60"}
CASES = {
    "simple_hedge": {},
    "geometric_grid": MAIN | {"params": QUICK | {"quantity": "0.01", "range_fraction": "0.01", "levels": 21}},
    "trend_ladder": MAIN | {"params": QUICK | {"quantity": "0.01"}},
    "avellaneda_stoikov": MAIN | {"params": {"quantity": "0.01", "requote_interval_s": "30"}},
    "liquidation_hedge": {
        "group": {"group": "triad", "instrument_id": "BTC-PERP", "legs": TRIAD_LEGS},
        "venue_of": {"bp": "backpack", "l1": "lighter", "l2": "lighter"},
        "params": QUICK | {"leverage": 50, "timeout_s": "7200"},
        "collateral": 1000,
    },
}


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    """Return an hour and a half of a swinging market."""
    return write_tape(tmp_path_factory.mktemp("calm") / "bars.csv", 90)


@pytest.mark.parametrize("strategy", CASES)
def test_moves_that_nobody_notices_change_no_figure(tape, strategy, monkeypatch):
    """Fills, fees, funding, liquidations, sizes of the book: to the last digit as if nothing had been left out."""
    spec = spec_of(tape, **CASES[strategy], strategy=strategy)
    quick = play(spec)
    monkeypatch.setattr(market, "calm_of", lambda *_: UNRULY)
    assert play(spec) == quick
    assert quick.fills > 0
    assert strategy != "liquidation_hedge" or quick.liquidations > 0, "no leg came to its liquidation"


def a_venue(tape):
    """Return a Backpack with one account, its market moved once: so it knows its next funding."""
    venue = market.BacktestVenue(spec_of(tape), BACKPACK, coin_of("BTC"))
    venue.open_account(AccountId("bp"), Decimal(10_000), Timestamp(0))
    venue.move(Decimal(50_000), Timestamp(0))
    return venue


def rest(venue, side: Side, price: int):
    """Rest an order of a tenth."""
    order = NewOrder(
        "bp", venue.symbol, side, OrderType.LIMIT, TimeInForce.GTC, Decimal("0.1"), Decimal(price), post_only=True
    )
    venue.act().place(order, Timestamp(0))


def test_a_resting_order_bounds_the_calm(tape):
    """The price may go to the orders and no further: beyond, the crowd's other side could meet them."""
    venue = a_venue(tape)
    rest(venue, Side.BUY, 49_900)
    rest(venue, Side.SELL, 50_200)
    calm = calm_of(venue.exchange, venue.symbol)
    assert (calm.low, calm.high) == (49_900, 50_200)
    assert not venue.move(Decimal(49_900), Timestamp(1))
    assert venue.move(Decimal(49_890), Timestamp(2))
    assert [trade.price for trade in venue.exchange.trades("bp")] == [49_900]


def test_funding_ends_the_calm(tape):
    """At the hour the venue acts by itself, however still the price is."""
    venue = a_venue(tape)
    until = calm_of(venue.exchange, venue.symbol).until
    assert not venue.move(Decimal(50_001), Timestamp(until - 1))
    assert venue.move(Decimal(50_001), until)


def test_a_look_sees_the_price_that_glided(tape):
    """Bid and ask stand around the latest mark, as the book that is made afterwards has them."""
    venue = a_venue(tape)
    venue.move(Decimal(50_100), Timestamp(1))
    quote = venue.look(AccountId("bp"), Timestamp(1)).quote
    book = venue.act().book(venue.symbol, 1)
    assert (quote.bid, quote.ask, quote.mark) == (book.bids[0].price, book.asks[0].price, 50_100)
