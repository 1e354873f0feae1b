"""Stream messages of Backpack, made from the exchange's events. Times are microseconds, decimals strings."""

from collections.abc import Sequence
from decimal import Decimal

from strategies.domain.money import ZERO
from strategies.domain.order import OrderType, Side
from venues.simulator.backpack.payloads import QUOTE, AsSent, break_even, effective_margin
from venues.simulator.backpack.words import SIDES, expiry_reason, micros, number, origin, status
from venues.simulator.model import (
    BookLevel,
    BookView,
    MarketState,
    OrderRow,
    OrderState,
    PositionRow,
    TradeRow,
)

Frame = dict[str, object]
Levels = dict[Decimal, Decimal]


def order_event(order: OrderRow, trade: TradeRow | None) -> str:
    """Return which event of `account.orderUpdate` this change is."""
    if trade is not None:
        return "orderFill"
    match order.state:
        case OrderState.PENDING | OrderState.OPEN | OrderState.FILLED:
            return "orderAccepted"
        case OrderState.CANCELED | OrderState.EXPIRED | OrderState.REJECTED:
            return "orderExpired" if expiry_reason(order) else "orderCancelled"


def order_update(event: str, order: OrderRow, sent: AsSent, trade: TradeRow | None, at_us: int) -> Frame:
    """Return the data of `account.orderUpdate`.

    `t` is null where no fill happened; the other fields of a fill, the client id and the price are absent where they
    do not apply.
    """
    frame: Frame = {
        "e": event,
        "E": at_us,
        "T": micros(order.updated_at),
        "s": order.symbol,
        "S": SIDES[order.side],
        "o": order.order_type.value,
        "f": sent.time_in_force,
        "q": number(order.quantity),
        "X": status(order),
        "i": str(order.order_index),
        "t": None,
        "z": number(order.filled),
        "Z": number(order.filled_quote),
        "V": sent.self_trade_prevention,
        "O": origin(order.cause),
        "y": order.post_only,
        "r": order.reduce_only,
    }
    if order.client_order_id is not None:
        frame["c"] = order.client_order_id
    if order.order_type is OrderType.LIMIT and order.price is not None:
        frame["p"] = number(order.price)
    if sent.quote_quantity is not None:
        frame["Q"] = sent.quote_quantity
    if event == "orderExpired":
        frame["R"] = expiry_reason(order, bounded_by_client=sent.slippage_tolerance)
    if trade is not None:
        is_maker = trade.taker_order_index != order.order_index
        frame |= {
            "t": trade.trade_id,
            "l": number(trade.quantity),
            "L": number(trade.price),
            "m": is_maker,
            "n": number(trade.maker_fee if is_maker else trade.taker_fee),
            "N": QUOTE,
        }
    return frame


def position_update(
    event: str | None, row: PositionRow, state: MarketState, *, position_id: int, exposure: Decimal, at_us: int
) -> Frame:
    """Return the data of `account.positionUpdate`; the snapshot after subscribing has no event."""
    rules = state.rules
    frame: Frame = {} if event is None else {"e": event}
    return frame | {
        "E": at_us,
        "T": at_us,
        "s": row.symbol,
        "q": number(row.quantity),
        "Q": number(abs(exposure)),
        "B": number(row.entry_price),
        "b": number(break_even(row, rules)),
        "M": number(state.mark),
        "n": number(abs(row.quantity) * state.mark),
        "f": number(effective_margin(rules, row.leverage)),
        "m": number(rules.maintenance_margin),
        "p": number(row.realized),
        "P": number(row.unrealized),
        "l": "0",
        "i": position_id,
    }


def book_ticker(book: BookView, at_us: int) -> Frame:
    """Return the data of `bookTicker`; an empty side is a quantity of zero at a price of zero."""
    ask, bid = _best(book.asks), _best(book.bids)
    return {
        "e": "bookTicker",
        "E": at_us,
        "T": micros(book.at),
        "s": book.symbol,
        "a": number(ask.price),
        "A": number(ask.quantity),
        "b": number(bid.price),
        "B": number(bid.quantity),
        "u": str(book.nonce),
    }


def _best(levels: Sequence[BookLevel]) -> BookLevel:
    return levels[0] if levels else BookLevel(ZERO, ZERO)


def levels_of(side: Sequence[BookLevel]) -> Levels:
    """Return one side of a book by price."""
    return {level.price: level.quantity for level in side}


def level_changes(before: Levels, after: Levels) -> list[list[str]]:
    """Return the levels that differ, with their absolute quantities; zero deletes."""
    gone = [[number(price), "0.00"] for price in before if price not in after]
    changed = [[number(price), number(quantity)] for price, quantity in after.items() if before.get(price) != quantity]
    return gone + changed


def depth_update(book: BookView, asks: list[list[str]], bids: list[list[str]], first_id: int, at_us: int) -> Frame:
    """Return the data of `depth`: everything since the message whose `u` was `first_id - 1`."""
    return {
        "e": "depth",
        "E": at_us,
        "T": micros(book.at),
        "s": book.symbol,
        "a": asks,
        "b": bids,
        "U": first_id,
        "u": book.nonce,
    }


def mark_price(state: MarketState, at_us: int) -> Frame:
    """Return the data of `markPrice`. `n` is in milliseconds, unlike the event's own times."""
    return {
        "e": "markPrice",
        "E": at_us,
        "T": at_us,
        "s": state.rules.symbol,
        "p": number(state.mark),
        "f": number(state.funding_rate),
        "i": number(state.index),
        "n": state.next_funding_at,
    }


def public_trade(trade: TradeRow, at_us: int) -> Frame:
    """Return the data of `trade`."""
    taker, maker = str(trade.taker_order_index), str(trade.maker_order_index)
    buyer_is_maker = trade.taker_side is Side.SELL
    return {
        "e": "trade",
        "E": at_us,
        "T": micros(trade.at),
        "s": trade.symbol,
        "p": number(trade.price),
        "q": number(trade.quantity),
        "b": maker if buyer_is_maker else taker,
        "a": taker if buyer_is_maker else maker,
        "t": trade.trade_id,
        "m": buyer_is_maker,
    }
