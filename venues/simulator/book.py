"""A market's order book: the crowd's levels and the accounts' orders in one price-time order."""

from bisect import insort
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO, ceil_to, floor_to
from strategies.domain.order import Side
from venues.simulator.model import BookLevel, BookView, CrowdRules, MarketRules, OrderRow
from venues.simulator.state import BookSide, CrowdLevel, ExchangeState, MarketSlot

_SIZE_FLOOR = Decimal("0.5")
_SIZE_GRAIN = 1000
"""A level's size factor is `_SIZE_FLOOR` plus a seeded whole number of thousandths below one."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What an order would get now: how much, and for how much."""

    quantity: Decimal
    quote: Decimal
    beyond_bound: bool  # there is more in the book, at prices worse than the order allows


def crosses(side: Side, price: Decimal, bound: Decimal | None) -> bool:
    """Say whether an order of `side` bounded by `bound` may trade at `price`."""
    if bound is None:
        return True
    return price <= bound if side is Side.BUY else price >= bound


class BookKeeper:
    """Reads and changes books. Money is not its business."""

    def __init__(
        self, markets: dict[VenueSymbol, MarketRules], state: ExchangeState, crowd: CrowdRules, seed: int
    ) -> None:
        """Keep the books of this state."""
        self._markets = markets
        self._state = state
        self._crowd = crowd
        self._seed = seed
        self.replenish_ms = crowd.replenish_ms

    def best(self, slot: MarketSlot, side: Side) -> CrowdLevel | OrderRow | None:
        """Return who is first in line to trade with an order of `side`; None when nobody offers."""
        book = slot.book(side.opposite)
        level = book.crowd[0] if book.crowd else None
        row = self._state.orders[book.resting[0]] if book.resting else None
        if level is None or row is None:
            return row if level is None else level
        return level if _rank(book, level.price, level.sequence) < self._order_rank(book, row) else row

    def rest(self, slot: MarketSlot, row: OrderRow) -> None:
        """Put an order into the book, behind everything at its price."""
        slot.nonce += 1
        row.book_nonce = slot.nonce
        book = slot.book(row.side)
        insort(book.resting, row.order_index, key=lambda index: self._order_rank(book, self._state.orders[index]))

    def remove(self, slot: MarketSlot, row: OrderRow) -> None:
        """Take an order out of the book, if it is there."""
        book = slot.book(row.side)
        if row.order_index in book.resting:
            book.resting.remove(row.order_index)
            slot.nonce += 1

    def take_level(self, slot: MarketSlot, level: CrowdLevel, quantity: Decimal) -> None:
        """Take from the crowd."""
        level.quantity -= quantity
        slot.taken = True
        slot.nonce += 1
        if level.quantity == ZERO:
            for book in (slot.bids, slot.asks):
                book.crowd = [other for other in book.crowd if other is not level]

    def sweep(self, slot: MarketSlot, side: Side, quantity: Decimal, bound: Decimal | None, *, without: str) -> Sweep:
        """Say what an order of `side` would get at once, skipping the orders of the account `without`."""
        got = quote = ZERO
        for price, size in self._offers(slot.book(side.opposite), without):
            if got == quantity:
                break
            if not crosses(side, price, bound):
                return Sweep(got, quote, beyond_bound=True)
            part = min(size, quantity - got)
            got += part
            quote += part * price
        return Sweep(got, quote, beyond_bound=False)

    def ahead_of_own(self, slot: MarketSlot, side: Side, bound: Decimal | None, account: str) -> Decimal | None:
        """Return how much an order of `side` gets before it meets a resting order of its own account.

        None when it meets none within its bound.
        """
        book = slot.book(side.opposite)
        rows = [self._state.orders[index] for index in book.resting]
        own = next((row for row in rows if row.account == account), None)
        if own is None or own.price is None or not crosses(side, own.price, bound):
            return None
        first = self._order_rank(book, own)
        crowd = [level.quantity for level in book.crowd if _rank(book, level.price, level.sequence) < first]
        others = [row.remaining for row in rows if self._order_rank(book, row) < first]
        return sum((*crowd, *others), start=ZERO)

    def quantity_for(self, slot: MarketSlot, side: Side, notional: Decimal) -> Decimal:
        """Return how many whole lots `notional` USD buys or sells at the book now."""
        left = notional
        quantity = ZERO
        for price, size in self._offers(slot.book(side.opposite), ""):
            part = min(size, left / price)
            quantity += part
            left -= part * price
            if left <= ZERO:
                break
        return floor_to(quantity, self._markets[slot.symbol].lot)

    def quote(self, slot: MarketSlot) -> tuple[list[CrowdLevel], list[CrowdLevel]]:
        """Make the crowd's next bids and asks around the mark; the caller lets them trade, then rest."""
        rules = self._markets[slot.symbol]
        slot.quotes += 1
        draw = Random(f"{self._seed}:{slot.symbol}:{slot.quotes}")  # noqa: S311 - a market, not a secret
        half = self._half_spread(slot)
        step = max(floor_to(slot.mark * self._crowd.step, rules.tick), rules.tick)
        base = self._crowd.level_notional / slot.mark * slot.depth_factor
        bids: list[CrowdLevel] = []
        asks: list[CrowdLevel] = []
        for place in range(self._crowd.levels):
            for side, levels in ((-1, bids), (1, asks)):
                price = slot.mark + side * (half + place * step)
                factor = _SIZE_FLOOR + Decimal(draw.randrange(_SIZE_GRAIN)) / _SIZE_GRAIN
                if price > ZERO:
                    slot.nonce += 1
                    levels.append(CrowdLevel(price, max(floor_to(base * factor, rules.lot), rules.lot), slot.nonce))
        return bids, asks

    def pass_quote(self, slot: MarketSlot, at: Timestamp) -> None:
        """Count a quote without making its levels."""
        slot.quotes += 1
        slot.nonce += 2 * self._crowd.levels
        slot.quoted_at = at

    def take_back_quote(self, slot: MarketSlot) -> None:
        """Count one quote less: it is made now."""
        slot.quotes -= 1
        slot.nonce -= 2 * self._crowd.levels

    def unmade_touch(self, slot: MarketSlot) -> tuple[Decimal, Decimal]:
        """Return the best bid and ask of a book whose crowd has quoted and whose levels are not made yet."""
        half = self._half_spread(slot)
        bid, ask = slot.mark - half, slot.mark + half
        if slot.bids.resting:
            bid = max(bid, self._state.orders[slot.bids.resting[0]].price or bid)
        if slot.asks.resting:
            ask = min(ask, self._state.orders[slot.asks.resting[0]].price or ask)
        return bid, ask

    def _half_spread(self, slot: MarketSlot) -> Decimal:
        tick = self._markets[slot.symbol].tick
        return max(ceil_to(slot.mark * self._crowd.half_spread, tick), tick)

    def view(self, slot: MarketSlot, depth: int) -> BookView:
        """Return the best levels of both sides, accounts and crowd together."""
        return BookView(
            symbol=slot.symbol,
            bids=self._levels(slot.bids, depth),
            asks=self._levels(slot.asks, depth),
            nonce=slot.nonce,
            at=self._state.at,
        )

    def _levels(self, book: BookSide, depth: int) -> tuple[BookLevel, ...]:
        sizes: dict[Decimal, Decimal] = {}
        for price, size in self._offers(book, ""):
            if price not in sizes and len(sizes) == depth:
                break
            sizes[price] = sizes.get(price, ZERO) + size
        return tuple(BookLevel(price, size) for price, size in sizes.items())

    def _offers(self, book: BookSide, without: str) -> list[tuple[Decimal, Decimal]]:
        """Return price and size of everything on one side, in the order it would trade."""
        ranked = [(_rank(book, level.price, level.sequence), level.price, level.quantity) for level in book.crowd]
        for index in book.resting:
            row = self._state.orders[index]
            if row.account != without and row.price is not None:
                ranked.append((_rank(book, row.price, row.book_nonce), row.price, row.remaining))
        ranked.sort()
        return [(price, size) for _, price, size in ranked]

    def _order_rank(self, book: BookSide, row: OrderRow) -> tuple[Decimal, int]:
        if row.price is None:
            raise ValueError(f"order {row.order_index} without a price cannot rest")
        return _rank(book, row.price, row.book_nonce)


def _rank(book: BookSide, price: Decimal, sequence: int) -> tuple[Decimal, int]:
    """Return a key that sorts better prices first, and older entries first at one price."""
    return (-price if book.side is Side.BUY else price, sequence)
