"""Which way the market goes: the slope of an exponential moving average, measured in average true ranges.

True range and its smoothing are J. W. Wilder's ("New Concepts in Technical Trading Systems", 1978, chapter III); the
moving average weighs the newest close with 2 / (n + 1). Pure: bars are made of the prices that looks have seen.
"""

from decimal import Decimal

from pydantic import Field

from strategies.domain.ids import Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO


class Trend(Value):
    """The running bar and the averages over the bars before it. Prices in USD."""

    bar_at: Timestamp | None = Field(default=None, description="when the running bar began")
    high: Decimal = ZERO
    low: Decimal = ZERO
    close: Decimal = ZERO
    bars: int = Field(default=0, description="bars that are complete")
    ema: Decimal | None = None
    ema_before: Decimal | None = Field(default=None, description="one bar earlier")
    atr: Decimal | None = None

    def see(self, price: Decimal, at: Timestamp, bar_ms: int, period: int) -> "Trend":
        """Return the trend after one more price; a bar that is over is folded first."""
        begun = at - at % bar_ms
        if self.bar_at is None:
            return self.model_copy(update={"bar_at": begun, "high": price, "low": price, "close": price})
        if begun == self.bar_at:
            changes = {"high": max(self.high, price), "low": min(self.low, price), "close": price}
            return self.model_copy(update=changes)
        ended = self._end_bar(price, period)
        return ended.model_copy(update={"bar_at": begun, "high": price, "low": price, "close": price})

    def _end_bar(self, following: Decimal, period: int) -> "Trend":
        # A bar's range includes the gap to what follows: over a run of bars the same as with the gap before.
        span = max(self.high, following) - min(self.low, following)
        weight = Decimal(2) / (period + 1)
        ema = self.close if self.ema is None else self.ema + weight * (self.close - self.ema)
        atr = span if self.atr is None else self.atr + (span - self.atr) / period
        return self.model_copy(update={"ema": ema, "ema_before": self.ema, "atr": atr, "bars": self.bars + 1})

    def slope(self, period: int) -> Decimal | None:
        """Return the average's change over the last bar in average true ranges; None = too few bars to say."""
        if self.bars < period or self.ema is None or self.ema_before is None or not self.atr:
            return None
        return (self.ema - self.ema_before) / self.atr
