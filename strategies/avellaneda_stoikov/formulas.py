"""The formulas of M. Avellaneda and S. Stoikov, "High-frequency trading in a limit order book".

Quantitative Finance 8(3), 2008, pages 217-224: the reservation price is their equation (29), the sum of both optimal
distances their equation (30). Prices in USD; `inventory` in orders; `variance` in USD² a second; `gamma` per USD; `k`
per USD; `left_s` in seconds. In the paper's simulation the unit of time is the whole session.

The variance is estimated as an exponentially weighted mean of squared changes, as in RiskMetrics (J. P. Morgan,
Technical Document, 1996), weighted by elapsed time because looks do not come at equal intervals.
"""

from decimal import Decimal
from functools import lru_cache

_TWO = Decimal(2)


def reservation_price(mid: Decimal, inventory: Decimal, gamma: Decimal, variance: Decimal, left_s: Decimal) -> Decimal:
    """Return the price at which the maker is indifferent: r = s - q gamma sigma^2 (T - t)."""
    return mid - inventory * gamma * variance * left_s


def optimal_spread(gamma: Decimal, k: Decimal, variance: Decimal, left_s: Decimal) -> Decimal:
    """Return the distance between ask and bid: gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k)."""
    return gamma * variance * left_s + _fill_term(gamma, k)


def next_variance(variance: Decimal | None, change: Decimal, elapsed_s: Decimal, half_life_s: Decimal) -> Decimal:
    """Return the estimate after one more change of the mid price, USD² a second; `elapsed_s` is positive."""
    seen = change * change / elapsed_s
    if variance is None:
        return seen
    return variance + _weight(elapsed_s, half_life_s) * (seen - variance)


# Logarithms and powers of exact numbers cost a hundred times what a product costs, and their arguments hardly change.


@lru_cache(maxsize=64)
def _fill_term(gamma: Decimal, k: Decimal) -> Decimal:
    return _TWO / gamma * (1 + gamma / k).ln()


@lru_cache(maxsize=1024)
def _weight(elapsed_s: Decimal, half_life_s: Decimal) -> Decimal:
    return 1 - (-(_TWO.ln()) * elapsed_s / half_life_s).exp()
