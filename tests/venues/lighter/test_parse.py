"""Recorded payloads become our types; anything else is Malformed, never a default."""

from decimal import Decimal

import pytest

from strategies.domain.ids import InstrumentId, Timestamp, VenueSymbol
from strategies.domain.order import OrderStatus, Side
from strategies.domain.position import FillCause
from venues.errors import Malformed
from venues.lighter.parse import (
    ORDER_CAUSE,
    ORDER_STATUS,
    TRADE_CAUSE,
    parse_account,
    parse_book,
    parse_mark,
    parse_markets,
    parse_next_nonce,
    parse_orders,
    parse_positions,
    parse_touch,
    parse_trades,
    parse_tx,
)
from venues.lighter.proof import TxStatus
from venues.lighter.rest import event_error

ETH = InstrumentId("ETH-PERP")
MARKETS = {0: ETH}
AT = Timestamp(1_750_000_005_000)
ME = 65


def test_a_market_becomes_an_instrument(recorded):
    """Grid, minimums, margins (1e-4) and fees (percent) come out in our units."""
    market = parse_markets(recorded("order_book_details"), {ETH: VenueSymbol("ETH")})[ETH]
    assert market.instrument.tick == Decimal("0.01")
    assert market.instrument.lot == Decimal("0.0001")
    assert market.instrument.min_quantity == Decimal("0.0050")
    assert market.instrument.min_notional == Decimal(10)
    assert market.instrument.max_leverage == Decimal(50)
    assert market.instrument.maintenance_margin == Decimal("0.012")
    assert market.instrument.taker_fee == Decimal("0.00028")
    assert market.scale == (0, 2, 4)
    assert market.mark == Decimal("4000.05")


def test_a_market_that_is_not_listed_is_left_out(recorded):
    """The caller names what is missing."""
    assert parse_markets(recorded("order_book_details"), {ETH: VenueSymbol("DOGE")}) == {}


def test_an_order_row(recorded):
    """A row that rests partly filled, its time in milliseconds from the microseconds stated."""
    (order,) = parse_orders(recorded("account_orders_by_client_id")["orders"], MARKETS)
    assert order.client_order_id == 123
    assert order.venue_order_id == "281476000000123"
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert (order.side, order.quantity, order.filled) == (Side.BUY, Decimal("0.0100"), Decimal("0.0040"))
    assert (order.reason, order.cause, order.at) == ("", FillCause.ORDER, 1_750_000_001_123)


def test_an_order_row_without_microseconds_uses_its_seconds(recorded):
    """`updated_at` is in seconds."""
    row = recorded("account_orders_by_client_id")["orders"][0] | {"transaction_time": 0}
    assert parse_orders([row], MARKETS)[0].at == 1_750_000_001_000


@pytest.mark.parametrize("word", sorted(ORDER_STATUS))
def test_every_status_word_is_known(recorded, word):
    """Words of the end are terminal and kept as the reason; words of life are not."""
    row = recorded("account_orders_by_client_id")["orders"][0] | {"status": word}
    (order,) = parse_orders([row], MARKETS)
    ended = word.startswith("canceled") or word == "filled"
    assert order.status.is_terminal is ended
    assert order.reason == (word if word.startswith("canceled") else "")


def test_a_live_order_without_fills_is_accepted(recorded):
    """There is no word for partly filled; the filled amount says it."""
    row = recorded("account_orders_by_client_id")["orders"][0] | {"filled_base_amount": "0.0000"}
    assert parse_orders([row], MARKETS)[0].status is OrderStatus.ACCEPTED


@pytest.mark.parametrize(("word", "cause"), sorted(ORDER_CAUSE.items()))
def test_every_order_type_has_a_cause(recorded, word, cause):
    """Only the venue makes orders of type liquidation."""
    row = recorded("account_orders_by_client_id")["orders"][0] | {"type": word}
    assert parse_orders([row], MARKETS)[0].cause is cause


def test_an_order_without_client_id_is_not_ours(recorded):
    """0 stands for none."""
    row = recorded("account_orders_by_client_id")["orders"][0] | {"client_order_index": 0}
    assert parse_orders([row], MARKETS)[0].client_order_id is None


@pytest.mark.parametrize(
    "change",
    [
        {"status": "canceled-for-fun"},
        {"type": "iceberg"},
        {"filled_base_amount": ""},
        {"filled_base_amount": None},
        {"filled_base_amount": "-1"},
        {"filled_base_amount": "NaN"},
        {"is_ask": 0},
        {"order_index": "1"},
        {"client_order_index": True},
    ],
)
def test_an_order_row_that_says_something_else_is_malformed(recorded, change):
    """New words and wrong types are no answer."""
    row = recorded("account_orders_by_client_id")["orders"][0] | change
    with pytest.raises(Malformed):
        parse_orders([row], MARKETS)


@pytest.mark.parametrize(
    "name",
    [
        "order_index",
        "client_order_index",
        "market_index",
        "filled_base_amount",
        "initial_base_amount",
        "status",
        "is_ask",
    ],
)
def test_an_order_row_with_a_missing_field_is_malformed(recorded, name):
    """Missing is not zero."""
    row = recorded("account_orders_by_client_id")["orders"][0]
    del row[name]
    with pytest.raises(Malformed):
        parse_orders([row], MARKETS)


def test_rows_of_other_markets_are_left_out(recorded):
    """The account may trade more than we were told to."""
    assert parse_orders(recorded("account_orders_by_client_id")["orders"], {5: ETH}) == []
    assert parse_trades(recorded("trades")["trades"], ME, {5: ETH}) == []


def test_a_trade_of_ours(recorded):
    """Own side, own client id, maker by the book side, fee in parts per million of the notional."""
    fill = parse_trades(recorded("trades")["trades"], ME, MARKETS)[1]
    assert (fill.trade_id, fill.client_order_id, fill.venue_order_id) == ("987654321", 123, "281476000000123")
    assert (fill.side, fill.quantity, fill.price) == (Side.BUY, Decimal("0.0040"), Decimal("4000.00"))
    assert fill.is_maker
    assert fill.fee == Decimal(16) * 40 / 1_000_000
    assert (fill.cause, fill.at) == (FillCause.ORDER, 1_750_000_001_000)


def test_a_liquidation_of_ours(recorded):
    """The venue's order has no client id of ours, and pays the taker's fee."""
    fill = parse_trades(recorded("trades")["trades"], ME, MARKETS)[0]
    assert (fill.side, fill.client_order_id, fill.cause) == (Side.SELL, None, FillCause.LIQUIDATION)
    assert not fill.is_maker
    assert fill.fee == Decimal("0.16")


def test_a_liquidation_of_somebody_else_into_our_order_is_our_order(recorded):
    """The counterparty's trouble does not make our own order a liquidation."""
    row = recorded("trades")["trades"][1] | {"type": "liquidation"}
    assert parse_trades([row], ME, MARKETS)[0].cause is FillCause.ORDER


@pytest.mark.parametrize(("word", "cause"), sorted(TRADE_CAUSE.items()))
def test_every_trade_type_has_a_cause(recorded, word, cause):
    """The trade's type says why it happened when no order of ours did it."""
    row = recorded("trades")["trades"][0] | {"type": word}
    assert parse_trades([row], ME, MARKETS)[0].cause is cause


def test_fees_left_out_are_zero(recorded):
    """The venue leaves a fee of zero out."""
    row = recorded("trades")["trades"][1]
    del row["maker_fee"]
    assert parse_trades([row], ME, MARKETS)[0].fee == 0


def test_a_trade_with_oneself_is_two_fills(recorded):
    """Both sides count, under ids that differ."""
    row = recorded("trades")["trades"][1] | {"ask_account_id": ME}
    fills = parse_trades([row], ME, MARKETS)
    assert {fill.side for fill in fills} == {Side.BUY, Side.SELL}
    assert len({fill.trade_id for fill in fills}) == 2


@pytest.mark.parametrize(
    "change", [{"type": "gift"}, {"size": "0"}, {"price": "0"}, {"bid_account_id": 1}, {"usd_amount": 1.5}]
)
def test_a_trade_that_says_something_else_is_malformed(recorded, change):
    """A new word, an impossible amount, somebody else's trade, a float."""
    row = recorded("trades")["trades"][1] | change
    with pytest.raises(Malformed):
        parse_trades([row], ME, MARKETS)


def test_an_account(recorded):
    """Signed position, equity with unrealised profit, leverage from the percentage."""
    account = parse_account(recorded("account"), ME, AT)
    position = account.position(0, AT)
    balance = account.balance(0, AT)
    assert (position.quantity, position.entry_price) == (Decimal("-0.2500"), Decimal(4000))
    assert (position.liquidation_price, position.unrealized) == (Decimal(7500), Decimal("-12.5"))
    assert balance.equity == Decimal("987.5")
    assert balance.available == Decimal("912.5")
    assert balance.leverage == Decimal(20)
    assert balance.maintenance_margin == Decimal(12)
    assert not balance.liquidating


def test_funding_is_shown_and_spoils_nothing(recorded):
    """The venue counts what was paid; one that cannot be read leaves the position as it is."""
    body = recorded("account")
    for paid, received in (("1.5", Decimal("-1.5")), ("-2", Decimal(2)), ("", None), (None, None), ("x", None)):
        body["accounts"][0]["positions"][0]["total_funding_paid_out"] = paid
        position = parse_account(body, ME, AT).position(0, AT)
        assert (position.quantity, position.funding) == (Decimal("-0.2500"), received)


def test_a_market_without_a_row_is_flat_and_has_no_leverage(recorded):
    """A complete statement that does not name a market says flat; of leverage it says nothing."""
    account = parse_account(recorded("account"), ME, AT)
    assert account.position(9, AT).quantity == 0
    assert account.balance(9, AT).leverage is None


def test_equity_below_maintenance_is_being_liquidated(recorded):
    """The payload has no word for it."""
    body = recorded("account")
    body["accounts"][0]["collateral"] = "24.0"
    assert parse_account(body, ME, AT).balance(0, AT).liquidating


@pytest.mark.parametrize(
    "name", ["collateral", "available_balance", "positions", "cross_maintenance_margin_requirement"]
)
def test_an_account_with_a_missing_field_is_malformed(recorded, name):
    """A missing list of positions is not a flat account."""
    body = recorded("account")
    del body["accounts"][0][name]
    with pytest.raises(Malformed):
        parse_account(body, ME, AT)


@pytest.mark.parametrize("accounts", [[], None])
def test_an_account_that_is_not_there_is_malformed(accounts):
    """An empty answer is no statement."""
    with pytest.raises(Malformed):
        parse_account({"code": 200, "accounts": accounts}, ME, AT)


def test_positions_of_a_stream(recorded):
    """By market index, signed; a size of zero is flat whatever the sign says."""
    rows = recorded("ws_positions_snapshot")["positions"]
    assert parse_positions(rows, AT)[0].quantity == Decimal("-0.2500")
    rows["0"]["position"] = "0.0000"
    assert parse_positions(rows, AT)[0].quantity == 0


def test_a_position_without_a_sign_is_malformed(recorded):
    """A size that points nowhere is no answer."""
    rows = recorded("ws_positions_snapshot")["positions"]
    rows["0"]["sign"] = 0
    with pytest.raises(Malformed):
        parse_positions(rows, AT)


def test_the_next_nonce(recorded):
    """A number, or no answer."""
    assert parse_next_nonce(recorded("next_nonce")) == 8
    for body in ({"code": 200}, {"nonce": "8"}, {"nonce": -1}, {"nonce": True}):
        with pytest.raises(Malformed):
            parse_next_nonce(body)


def test_a_transaction(recorded):
    """Status by number, and the error out of the event's inner text."""
    body = recorded("tx")
    assert parse_tx(body, event_error(body)) == (TxStatus.EXECUTED, "")
    body["event_info"] = '{"ae":"{\\"code\\":21739}"}'
    assert parse_tx(body, event_error(body)).error == '{"code":21739}'
    with pytest.raises(Malformed):
        parse_tx(body | {"status": 9}, "")
    with pytest.raises(Malformed):
        event_error({"event_info": "not json"})


def test_a_book_and_a_mark(recorded):
    """Levels as numbers, continuity marks kept."""
    frame = parse_book(recorded("ws_book_snapshot"))
    assert frame.bids == [(Decimal("4000.00"), Decimal("2.0000"))]
    assert (frame.begin_nonce, frame.nonce) == (0, 9000)
    assert parse_mark(recorded("ws_market_stats")) == (0, Decimal("4000.05"))


def test_the_touch_of_an_empty_side_is_none():
    """A side without orders has no price."""
    assert parse_touch({"bids": [{"price": "1.5"}], "asks": []}) == (Decimal("1.5"), None)
    with pytest.raises(Malformed):
        parse_touch({"bids": []})
