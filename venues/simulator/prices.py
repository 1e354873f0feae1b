"""Where prices come from: a seeded walk, or a tape of minute bars; and how fast the market's own time runs.

Both sources are random-access: the price at a moment depends on the seed (or the file) and the moment alone.
"""

import csv
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from math import exp
from pathlib import Path
from random import Random
from typing import Protocol

from strategies.domain.ids import Timestamp
from strategies.domain.money import ZERO

MINUTE_MS = 60_000
SECOND_MS = 1000
_LEGS = 3
_LEG_MS = MINUTE_MS // _LEGS
"""A bar is three straight lines: open to one extreme, to the other, to close."""
_BLOCK_STEPS = 3600
"""A walk is drawn in blocks of this many seconds; a block's first value is kept, so any later moment is near."""
_PRICE_GRAIN = Decimal("0.000001")
_COLUMNS = ["timestamp", "open", "high", "low", "close", "volume"]


class PriceSource(Protocol):
    """Says what a market is worth at a moment."""

    def price_at(self, symbol: str, market_ms: int) -> Decimal:
        """Return the price in USD. Raises KeyError for a symbol the source does not know."""

    def turns(self, after_ms: int, until_ms: int) -> list[int]:
        """Return the moments in between, both ends excluded, that must be visited so that no high or low is missed."""


class TapeError(Exception):
    """The tape cannot be read; names file and line."""


class MarketClock:
    """Market time: starts at a given moment and runs `speed` times as fast as the wall clock."""

    def __init__(self, *, wall_start: Timestamp, market_start: Timestamp, speed: Decimal = Decimal(1)) -> None:
        """Tie a wall moment to a market moment.

        Raises:
            ValueError: the speed is not positive.
        """
        if speed <= ZERO:
            raise ValueError(f"speed must be positive, got {speed}")
        self.wall_start = wall_start
        self.market_start = market_start
        self.speed = speed

    def market_at(self, wall: Timestamp) -> Timestamp:
        """Return the market's time at a wall moment; never before its start."""
        return Timestamp(self.market_start + int(max(wall - self.wall_start, 0) * self.speed))


class Walk:
    """A seeded random walk for each symbol, one step a second, straight lines between steps."""

    def __init__(
        self, seed: int, start_prices: Mapping[str, Decimal], volatility: float, *, start_ms: Timestamp
    ) -> None:
        """Start every symbol at its price.

        Args:
            seed: of the steps.
            start_prices: USD, by symbol.
            volatility: standard deviation of the log price after one second (0.0001 is lively: about 3 % a day).
            start_ms: the market moment of the start prices; earlier moments have the start price.

        Raises:
            ValueError: a price is not positive, or the volatility is negative.
        """
        for symbol, price in start_prices.items():
            if price <= ZERO:
                raise ValueError(f"start price of {symbol} must be positive, got {price}")
        if volatility < 0:
            raise ValueError(f"volatility must not be negative, got {volatility}")
        self._seed = seed
        self._start_prices = dict(start_prices)
        self._volatility = volatility
        self._start_ms = start_ms
        self._block_starts: dict[str, list[float]] = {symbol: [0.0] for symbol in start_prices}
        self._block: dict[str, tuple[int, list[float]]] = {}

    def price_at(self, symbol: str, market_ms: int) -> Decimal:
        """Return the price in USD. Raises KeyError for a symbol without a start price."""
        start = self._start_prices[symbol]
        elapsed = max(market_ms - self._start_ms, 0)
        second, rest = divmod(elapsed, SECOND_MS)
        before, after = self._log_at(symbol, second), self._log_at(symbol, second + 1)
        log = before + (after - before) * rest / SECOND_MS
        return (start * Decimal(repr(exp(log)))).quantize(_PRICE_GRAIN, ROUND_HALF_EVEN)

    def turns(self, after_ms: int, until_ms: int) -> list[int]:  # noqa: ARG002 - the protocol's
        """Return none: a walk has no highs and lows of its own."""
        return []

    def _log_at(self, symbol: str, second: int) -> float:
        number, place = divmod(second, _BLOCK_STEPS)
        held = self._block.get(symbol)
        if held is None or held[0] != number:
            held = (number, self._draw_block(symbol, number))
            self._block[symbol] = held
        return held[1][place]

    def _draw_block(self, symbol: str, number: int) -> list[float]:
        starts = self._block_starts[symbol]
        while True:
            known = min(number, len(starts) - 1)
            draw = Random(f"{self._seed}:{symbol}:{known}")  # noqa: S311 - a market, not a secret
            values = [starts[known]]
            for _ in range(_BLOCK_STEPS):
                values.append(values[-1] + draw.gauss(0.0, self._volatility))
            if known + 1 == len(starts):
                starts.append(values[-1])
            if known == number:
                return values


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of a tape."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def path(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Return what the minute visits, at its start, at its thirds and at its end: low before high in an up bar."""
        if self.close >= self.open:
            return self.open, self.low, self.high, self.close
        return self.open, self.high, self.low, self.close


class Tape:
    """Minute bars from a CSV file (`timestamp,open,high,low,close,volume`), times in UTC, interpolated inside a bar."""

    def __init__(self, path: Path, symbol: str, tick: Decimal) -> None:
        """Read the whole file.

        Args:
            path: the file.
            symbol: what the bars are of.
            tick: prices are rounded to this.

        Raises:
            TapeError: the file cannot be read, or a row is bad.
        """
        self.symbol = symbol
        self._tick = tick
        self._bars = _read_bars(path)
        self._starts = [bar.start_ms for bar in self._bars]

    @property
    def start_ms(self) -> Timestamp:
        """Return the market moment of the first bar."""
        return Timestamp(self._starts[0])

    @property
    def end_ms(self) -> Timestamp:
        """Return the market moment at which the last bar ends; later, its close holds."""
        return Timestamp(self._starts[-1] + MINUTE_MS)

    def price_at(self, symbol: str, market_ms: int) -> Decimal:
        """Return the price in USD; in a gap of the file the last close holds. Raises KeyError for any other symbol."""
        if symbol != self.symbol:
            raise KeyError(symbol)
        place = max(bisect_right(self._starts, market_ms) - 1, 0)
        bar = self._bars[place]
        inside = min(max(market_ms - bar.start_ms, 0), MINUTE_MS)
        path = bar.path()
        leg = min(inside // _LEG_MS, _LEGS - 1)
        share = Decimal(inside - leg * _LEG_MS) / _LEG_MS
        return self._rounded(path[leg] + (path[leg + 1] - path[leg]) * share)

    def turns(self, after_ms: int, until_ms: int) -> list[int]:
        """Return where bars reach their open, low, high and close: every third of a minute, as far as the tape goes."""
        first = max(after_ms, self.start_ms - 1) // _LEG_MS + 1
        last = (min(until_ms, self.end_ms + 1) - 1) // _LEG_MS
        return [place * _LEG_MS for place in range(first, last + 1)]

    def walk(self, after_ms: int, until_ms: int) -> Iterator[tuple[Timestamp, Decimal]]:
        """Yield the same turns with the price at each, in order: much less work than to ask for each."""
        place = 0
        for moment in self.turns(after_ms, until_ms):
            while place + 1 < len(self._starts) and self._starts[place + 1] <= moment:
                place += 1
            bar = self._bars[place]
            leg, rest = divmod(moment - bar.start_ms, _LEG_MS)
            if rest or leg < 0:  # a bar that does not begin with a third of a minute
                yield Timestamp(moment), self.price_at(self.symbol, moment)
            else:
                yield Timestamp(moment), self._rounded(bar.path()[min(leg, _LEGS)])

    def _rounded(self, price: Decimal) -> Decimal:
        return (price / self._tick).to_integral_value(ROUND_HALF_EVEN) * self._tick


class Mixed:
    """A tape for its own symbol, another source for the rest."""

    def __init__(self, tape: Tape, others: PriceSource) -> None:
        """Ask the tape first."""
        self._tape = tape
        self._others = others

    def price_at(self, symbol: str, market_ms: int) -> Decimal:
        """Return the price in USD. Raises KeyError for a symbol neither knows."""
        source = self._tape if symbol == self._tape.symbol else self._others
        return source.price_at(symbol, market_ms)

    def turns(self, after_ms: int, until_ms: int) -> list[int]:
        """Return the turns of both."""
        return sorted({*self._tape.turns(after_ms, until_ms), *self._others.turns(after_ms, until_ms)})


def _read_bars(path: Path) -> list[Bar]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, None)
            if header != _COLUMNS:
                raise TapeError(f"{path}, line 1: expected the columns {','.join(_COLUMNS)}, found {header}")
            bars: list[Bar] = []
            for row in reader:
                bar = _read_bar(path, reader.line_num, row)
                if bars and bar.start_ms <= bars[-1].start_ms:
                    raise TapeError(
                        f"{path}, line {reader.line_num}: time does not come after the row before: {row[0]}"
                    )
                bars.append(bar)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TapeError(f"cannot read the tape {path}: {error}") from error
    if not bars:
        raise TapeError(f"{path}: no rows")
    return bars


def _read_bar(path: Path, line: int, row: list[str]) -> Bar:
    where = f"{path}, line {line}"
    if len(row) != len(_COLUMNS):
        raise TapeError(f"{where}: expected {len(_COLUMNS)} values, found {len(row)}")
    try:
        at = datetime.fromisoformat(row[0])
    except ValueError as error:
        raise TapeError(f"{where}: timestamp is not a time: {row[0]!r}") from error
    prices: list[Decimal] = []
    for name, text in zip(_COLUMNS[1:5], row[1:5], strict=True):
        try:
            price = Decimal(text)
        except InvalidOperation as error:
            raise TapeError(f"{where}: {name} is not a number: {text!r}") from error
        if not price.is_finite() or price <= ZERO:
            raise TapeError(f"{where}: {name} must be a positive number, found {text!r}")
        prices.append(price)
    opened, high, low, close = prices
    if high < max(opened, close, low) or low > min(opened, close):
        raise TapeError(f"{where}: high {high} and low {low} do not enclose open {opened} and close {close}")
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return Bar(int(at.timestamp()) * SECOND_MS, opened, high, low, close)
