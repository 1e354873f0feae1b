"""What every request handler works with: the exchange, the clock, the server's memory, and one parsed request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from strategies.domain.order import Side
from venues.simulator.backpack.auth import Fields
from venues.simulator.backpack.errors import ApiError, bad_parameter
from venues.simulator.backpack.memory import Memory
from venues.simulator.backpack.words import MICROSECONDS_PER_MS
from venues.simulator.exchange import Exchange
from venues.simulator.faults import FaultBook

VENUE = "backpack"
"""The name of this venue in faults."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulated venue behaves where Backpack's sources are silent, or where a test wants it otherwise."""

    requests_per_minute: int
    latency_ms: float
    """Added to every REST round trip: half before the venue acts, half before its answer."""
    ends_in_engine: bool
    """An order that lacks margin, or is reduce-only and would not reduce: False, an HTTP error, and nothing happened;
    True, an order that ends at once as `Expired` with the reason. The sources do not say which applies when."""
    ping_interval_s: float
    pong_timeout_s: float


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the server that handlers share."""

    exchange: Exchange
    faults: FaultBook
    clock: Callable[[], Timestamp]
    """The venue's own clock, skewed when a fault says so: for signatures and `/time`."""
    memory: Memory
    options: Options

    def at(self) -> Timestamp:
        """Return the true time, at which the exchange acts: a skewed clock must not move its orders."""
        return Timestamp(self.clock() - self.faults.skew_ms(VENUE))

    def at_us(self) -> int:
        """Return the true time in microseconds, for payloads."""
        return self.at() * MICROSECONDS_PER_MS

    def symbol(self, name: str) -> VenueSymbol:
        """Return a market's symbol.

        Raises:
            ApiError: there is no such market.
        """
        symbol = VenueSymbol(name)
        if symbol not in self.exchange.markets:
            raise ApiError(400, "INVALID_MARKET", f"Invalid market {name}")
        return symbol

    def exposure(self, account: str, symbol: VenueSymbol) -> Decimal:
        """Return the largest position, signed, that the account's open orders could make of the one it has."""
        held = self.exchange.position(account, symbol).quantity
        resting = {Side.BUY: ZERO, Side.SELL: ZERO}
        for order in self.exchange.orders(account, active=True, symbol=symbol):
            if not order.reduce_only:
                resting[order.side] += order.remaining
        longest, shortest = held + resting[Side.BUY], held - resting[Side.SELL]
        return longest if abs(longest) >= abs(shortest) else shortest


@dataclass(frozen=True, slots=True)
class Call:
    """One request: who asks, and what was sent."""

    account: str
    """Empty for a public call."""
    query: Mapping[str, str]
    body: object
    """The parsed JSON: an object, or the list of a batch. An empty object when nothing was sent."""

    def requests(self) -> Sequence[Fields]:
        """Return what the signature covers: the body's fields, order by order for a batch, or the query's."""
        if isinstance(self.body, list):
            return [list(item.items()) if isinstance(item, dict) else [] for item in self.body]
        if isinstance(self.body, dict) and self.body:
            return [list(self.body.items())]
        return [list(self.query.items())]

    def whole(self, name: str, default: int, highest: int | None = None) -> int:
        """Return a whole number from the query, at least zero.

        Raises:
            TextError: it is none, or above `highest`.
        """
        value = self.query.get(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit()):
            raise bad_parameter(name, f'"{value}" is not an unsigned number')
        number = int(value)
        if highest is not None and number > highest:
            raise bad_parameter(name, f"must be at most {highest}")
        return number

    def choice(self, name: str, known: frozenset[str]) -> str | None:
        """Return one of the known words from the query; None when absent.

        Raises:
            TextError: the word is not known.
        """
        value = self.query.get(name)
        if value is not None and value not in known:
            raise bad_parameter(name, f'unknown value "{value}"')
        return value

    def required(self, name: str) -> str:
        """Return a query parameter that must be there.

        Raises:
            TextError: it is not.
        """
        value = self.query.get(name)
        if value is None:
            raise bad_parameter(name, "it is missing")
        return value
