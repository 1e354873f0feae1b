"""Payloads of recorded shape become our types; what is not understood is Malformed, never a default."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from strategies.domain.order import OrderStatus, Side
from strategies.domain.position import FillCause
from venues.backpack import parse
from venues.errors import Malformed
from venues.http import parse_json

RECORDED = Path(__file__).parents[2] / "recorded" / "backpack"
ETH, SOL = "ETH-PERP", "SOL-PERP"


def recorded(name: str) -> Any:
    """Read a payload the way the client does."""
    return parse_json((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def changed(payload: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a payload with other values in some fields."""
    return {**payload, **fields}


def test_a_resting_order():
    """A limit order's answer: no client id, nothing filled, milliseconds."""
    report = parse.order(recorded("order_limit"), ETH)
    assert (report.status, report.side, report.quantity, report.filled) == (
        OrderStatus.ACCEPTED,
        Side.BUY,
        Decimal("0.001"),
        Decimal(0),
    )
    assert (report.client_order_id, report.venue_order_id, report.at) == (None, "8284671277", 1757621458290)


def test_a_market_order_is_terminal_in_its_answer():
    """A market order's answer tells its end and how much was executed."""
    report = parse.order(recorded("order_market_filled"), ETH)
    assert (report.status, report.filled, report.client_order_id) == (OrderStatus.FILLED, Decimal("0.001"), 7)


def test_a_history_row_keeps_the_venues_reason():
    """The history tells why an order ended; its naive time is UTC."""
    report = parse.order(recorded("history_order_expired"), ETH)
    assert (report.status, report.reason, report.filled) == (OrderStatus.EXPIRED, "ImmediateOrCancel", Decimal("0.4"))
    assert report.at == 1757621460123


@pytest.mark.parametrize(("word", "status"), parse.STATUSES.items())
def test_every_documented_status_is_known(word: str, status: OrderStatus):
    """The table is applied in answers and in streams alike."""
    assert parse.order(changed(recorded("order_limit"), status=word), ETH).status is status
    data = changed(recorded("stream_order_accepted")["data"], X=word)
    assert parse.order_update(data, SOL)[0].status is status


def test_an_unknown_reason_is_kept_as_text():
    """New words for why an order ended pass through; they decide nothing."""
    report = parse.order(changed(recorded("history_order_expired"), expiryReason="NewReason"), ETH)
    assert report.reason == "NewReason"


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "Frozen"},
        {"status": None},
        {"side": "Buy"},
        {"executedQuantity": None},
        {"executedQuantity": "-1"},
        {"executedQuantity": "NaN"},
        {"executedQuantity": "1,5"},
        {"executedQuantity": True},
        {"id": None},
        {"clientId": "x7"},
        {"clientId": -1},
        {"createdAt": "yesterday"},
        {"createdAt": None},
        {"quantity": "Infinity"},
    ],
)
def test_a_bad_order_is_malformed(fields: dict[str, Any]):
    """An unknown status, a missing or impossible amount, an unreadable id or time: no report."""
    with pytest.raises(Malformed):
        parse.order(changed(recorded("order_limit"), **fields), ETH)


def test_an_accepted_order_with_a_null_trade_is_no_fill():
    """A capture shows `t: null` and `Q` on an accepted limit order: neither disturbs."""
    report, fill = parse.order_update(recorded("stream_order_accepted")["data"], SOL)
    assert fill is None
    assert (report.status, report.side, report.quantity, report.cause, report.at) == (
        OrderStatus.ACCEPTED,
        Side.SELL,
        Decimal("20.03"),
        FillCause.ORDER,
        1748288615133,
    )


def test_a_fill_comes_out_of_an_order_update():
    """A partial fill: the order's state and the execution, with maker flag, fee and client id."""
    report, fill = parse.order_update(recorded("stream_order_fill")["data"], SOL)
    assert (report.status, report.filled) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.05"))
    assert fill is not None
    assert (fill.trade_id, fill.quantity, fill.price, fill.fee, fill.is_maker, fill.client_order_id) == (
        "1",
        Decimal("0.05"),
        Decimal("100.5"),
        Decimal("0.001"),
        True,
        7,
    )


def test_a_fee_in_the_base_asset_is_valued_at_the_fills_price():
    """A fee of 0.000001 ETH at 4299.16 is 0.00429916 USD."""
    _, fill = parse.order_update(recorded("stream_market_fill_fee_in_base")["data"], ETH)
    assert fill is not None
    assert fill.fee == Decimal("0.00429916")


def test_a_fee_that_cannot_be_valued_is_malformed():
    """A fee in a third asset has no price here; a fee of nothing needs none."""
    row = recorded("fill")
    with pytest.raises(Malformed, match="no price for BONK"):
        parse.fill(changed(row, feeSymbol="BONK"), SOL)
    assert parse.fill(changed(row, feeSymbol="BONK", fee="0"), SOL).fee == 0


def test_an_expired_update_names_its_reason():
    """A resting order that a liquidation took away says so; its client id may come as text."""
    report, fill = parse.order_update(recorded("stream_order_expired")["data"], SOL)
    assert fill is None
    assert (report.status, report.reason, report.client_order_id) == (OrderStatus.EXPIRED, "Liquidation", 9)


@pytest.mark.parametrize(("origin", "cause"), [*parse.ORIGINS.items(), ("SOMETHING_NEW", FillCause.FOREIGN)])
def test_the_origin_of_a_fill_is_its_cause(origin: str, cause: FillCause):
    """What the venue did is told apart from what we did; an unknown origin keeps the fill and calls it foreign."""
    report, fill = parse.order_update(changed(recorded("stream_order_fill")["data"], O=origin), SOL)
    assert fill is not None
    assert (report.cause, fill.cause) == (cause, cause)


@pytest.mark.parametrize(
    ("word", "cause"), [(None, FillCause.ORDER), *parse.SYSTEM_ORDERS.items(), ("New", FillCause.FOREIGN)]
)
def test_the_system_order_of_a_fill_is_its_cause(word: str | None, cause: FillCause):
    """The history tells liquidation, ADL and settlement apart."""
    assert parse.fill(changed(recorded("fill"), systemOrderType=word), SOL).cause is cause


def test_a_history_fill():
    """The fill history: client id as text, naive UTC time, whole trade id."""
    fill = parse.fill(recorded("fill"), SOL)
    assert (fill.client_order_id, fill.trade_id, fill.at, fill.is_maker) == (7, "2959284", 1767225600123, True)
    liquidation = parse.fill(recorded("fill_liquidation"), SOL)
    assert (liquidation.client_order_id, liquidation.cause, liquidation.at) == (
        None,
        FillCause.LIQUIDATION,
        1767226200000,
    )


@pytest.mark.parametrize(
    "fields", [{"l": "0"}, {"L": None}, {"n": None}, {"t": None}, {"m": None}, {"N": None}, {"T": "now"}, {"S": "Buy"}]
)
def test_a_fill_without_its_numbers_is_malformed(fields: dict[str, Any]):
    """A fill needs quantity, price, fee, trade id, time and side; none is guessed."""
    with pytest.raises(Malformed):
        parse.order_update(changed(recorded("stream_order_fill")["data"], **fields), SOL)


def test_a_position_row():
    """Quantity with sign, entry, unrealised; a liquidation price of 0 means that there is none."""
    position = parse.position(recorded("position")[0], 5)
    assert (position.quantity, position.entry_price, position.unrealized, position.liquidation_price, position.at) == (
        Decimal("0.002"),
        Decimal("4447.065"),
        Decimal("-0.0536571"),
        None,
        5,
    )


def test_funding_is_shown_and_spoils_nothing():
    """What was received on the position; a payload whose funding cannot be read is a position all the same."""
    row = recorded("position")[0]
    assert parse.position(changed(row, cumulativeFundingPayment="-0.25"), 5).funding == Decimal("-0.25")
    for garbage in (None, "", "x", [], "NaN"):
        position = parse.position(changed(row, cumulativeFundingPayment=garbage), 5)
        assert (position.quantity, position.funding) == (Decimal("0.002"), None)


@pytest.mark.parametrize("fields", [{"netQuantity": None}, {"netQuantity": ""}, {"entryPrice": None}])
def test_a_position_without_its_numbers_is_malformed(fields: dict[str, Any]):
    """A missing quantity is no zero."""
    with pytest.raises(Malformed):
        parse.position(changed(recorded("position")[0], **fields), 5)


def test_a_position_update_takes_entry_from_capital_b():
    """`B` is the entry and `q` the quantity; `b` (break-even) and `Q` (exposure) are not."""
    position = parse.position_update(recorded("stream_position")["data"])
    assert (position.quantity, position.entry_price, position.at) == (
        Decimal("0.0010"),
        Decimal("4236.36"),
        1754943862040,
    )


def test_a_position_snapshot_has_no_event_and_may_carry_numbers():
    """The first message after subscribing has no `e`; docs show numbers where captures show text."""
    data = changed(recorded("stream_position")["data"], q=Decimal("-0.5"), i="5411399049")
    del data["e"]
    assert parse.position_update(data).quantity == Decimal("-0.5")


def test_the_balance_is_read_from_three_answers():
    """Equity and what is available come as the venue says; the requirement is summed over positions."""
    balance = parse.balance(recorded("collateral"), recorded("account"), recorded("position"), 5)
    assert (balance.equity, balance.available, balance.leverage, balance.liquidating) == (
        Decimal(1000),
        Decimal(950),
        Decimal(10),
        False,
    )
    assert balance.maintenance_margin == Decimal("0.002") * Decimal("4420.23644794") * Decimal("0.0125")


@pytest.mark.parametrize("name", ["netEquity", "netEquityAvailable"])
def test_a_balance_without_money_is_malformed(name: str):
    """Missing equity is no zero."""
    with pytest.raises(Malformed):
        parse.balance(changed(recorded("collateral"), **{name: None}), recorded("account"), [], 5)


@pytest.mark.parametrize("fields", [{"leverageLimit": "0"}, {"liquidating": None}, {"liquidating": "false"}])
def test_account_settings_are_read_strictly(fields: dict[str, Any]):
    """A leverage of zero, or a flag that is neither true nor false, is no answer."""
    with pytest.raises(Malformed):
        parse.balance(recorded("collateral"), changed(recorded("account"), **fields), [], 5)


def test_a_market_is_an_instrument():
    """Grid and minimum from the filters, leverage and maintenance from the margin functions, fees from bps."""
    taker, maker = parse.futures_fees_bps(recorded("account"))
    instrument = parse.instrument(recorded("market"), ETH, taker_bps=taker, maker_bps=maker)
    assert (instrument.tick, instrument.lot, instrument.min_quantity, instrument.min_notional) == (
        Decimal("0.01"),
        Decimal("0.001"),
        Decimal("0.001"),
        Decimal(0),
    )
    assert (instrument.max_leverage, instrument.maintenance_margin) == (Decimal(50), Decimal("0.0125"))
    assert (instrument.taker_fee, instrument.maker_fee) == (Decimal("0.0005"), Decimal("0.0002"))


@pytest.mark.parametrize(
    "fields", [{"marketType": "SPOT"}, {"filters": {}}, {"imfFunction": None}, {"imfFunction": {"base": "0"}}]
)
def test_a_market_that_is_no_perpetual_or_incomplete_is_malformed(fields: dict[str, Any]):
    """Spot markets and missing grids are refused."""
    with pytest.raises(Malformed):
        parse.instrument(changed(recorded("market"), **fields), ETH, taker_bps=Decimal(5), maker_bps=Decimal(2))


def test_the_top_of_a_depth_answer_ignores_order_and_empty_levels():
    """Sides may be sorted either way, and a level of nothing is no level."""
    assert parse.depth_top(recorded("depth")) == (Decimal("4000.9"), Decimal("4001.2"))
    assert parse.depth_top(changed(recorded("depth"), asks=[])) == (Decimal("4000.9"), None)
    with pytest.raises(Malformed):
        parse.depth_top(changed(recorded("depth"), asks=[["1"]]))


def test_the_top_of_the_book_stream():
    """`b`/`a` are prices, `B`/`A` quantities; a side without quantity has no price."""
    data = recorded("stream_book_ticker")["data"]
    assert parse.book_top(data) == (Decimal("18.67"), Decimal("18.70"))
    assert parse.book_top(changed(data, a="0", A="0", u=111063070525358080)) == (Decimal("18.67"), None)


def test_mark_prices():
    """Mark from the stream and from the list of all; a market that is not listed has none."""
    assert parse.mark_of(recorded("stream_mark_price")["data"]) == Decimal("18.70")
    assert parse.mark_of_answer(recorded("mark_prices"), "ETH_USDC_PERP") == Decimal("4420.23644794")
    with pytest.raises(Malformed):
        parse.mark_of_answer(recorded("mark_prices"), "BTC_USDC_PERP")


@pytest.mark.parametrize("text", ["", "soon", "1.5", "{}"])
def test_a_server_time_is_digits(text: str):
    """The time is text of milliseconds; anything else is no time."""
    assert parse.server_time("1757621458290\n") == 1757621458290
    with pytest.raises(Malformed):
        parse.server_time(text)
