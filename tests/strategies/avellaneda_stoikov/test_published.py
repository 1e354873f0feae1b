"""The formulas against the simulation in section 3.3 of the 2008 paper, with its numbers and as many paths.

The mid starts at 100 and moves by plus or minus sigma * sqrt(dt) at each of 200 steps; sigma = 2, k = 1.5, A = 140. An
order that rests at a distance d from it fills at a step with probability A * exp(-k * d) * dt. The symmetric strategy
quotes the same spread around the mid, whatever it holds.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from random import Random
from statistics import fmean, stdev

import pytest

from strategies.avellaneda_stoikov.formulas import next_variance, optimal_spread, reservation_price

SIGMA, STEPS, K, A, PATHS = 2.0, 200, 1.5, 140.0, 1000
DT = 1.0 / STEPS


@dataclass(frozen=True)
class Result:
    """What a thousand paths came to."""

    spread: float
    profit: float
    profit_std: float
    final_q: float
    final_q_std: float


PUBLISHED = {
    ("0.1", False): Result(1.49, 65.0, 6.6, 0.08, 2.9),
    ("0.1", True): Result(1.49, 68.4, 12.7, 0.26, 8.4),
    ("0.01", False): Result(1.35, 68.6, 8.7, 0.12, 5.1),
    ("0.01", True): Result(1.35, 68.8, 12.8, 0.09, 8.7),
    ("1", False): Result(3.02, 31.4, 5.0, 0.02, 1.7),
    ("1", True): Result(3.02, 44.0, 11.0, 0.00, 5.1),
}
"""Tables 1 to 3, by risk aversion and whether the strategy is the symmetric one."""


@cache
def simulate(gamma: str, *, symmetric: bool) -> Result:
    """Play a thousand paths with one seed: both strategies see the same markets."""
    risk, variance = Decimal(gamma), Decimal(4)
    left = [Decimal(1) - Decimal(n) / STEPS for n in range(STEPS)]
    spreads = [float(optimal_spread(risk, Decimal("1.5"), variance, each)) for each in left]
    # The shift is linear in the inventory: this is one order's worth of it, at each step.
    lean = [float(reservation_price(Decimal(0), Decimal(1), risk, variance, each)) for each in left]
    flat_spread = fmean(spreads)
    dice = Random(2008)
    profits, finals = [], []
    for _ in range(PATHS):
        mid, cash, held = 100.0, 0.0, 0
        for n in range(STEPS):
            half = (flat_spread if symmetric else spreads[n]) / 2
            shift = 0.0 if symmetric else held * lean[n]
            below, above = half - shift, half + shift
            if dice.random() < A * math.exp(-K * below) * DT:
                held, cash = held + 1, cash - (mid - below)
            if dice.random() < A * math.exp(-K * above) * DT:
                held, cash = held - 1, cash + (mid + above)
            mid += SIGMA * math.sqrt(DT) * (1 if dice.random() < 0.5 else -1)
        profits.append(cash + held * mid)
        finals.append(held)
    return Result(flat_spread, fmean(profits), stdev(profits), fmean(finals), stdev(finals))


@pytest.mark.parametrize(("gamma", "symmetric"), PUBLISHED)
def test_the_papers_tables(gamma, symmetric):
    """Every row of tables 1 to 3: spread, profit, its dispersion, final inventory and its dispersion."""
    ours, paper = simulate(gamma, symmetric=symmetric), PUBLISHED[gamma, symmetric]
    assert ours.spread == pytest.approx(paper.spread, abs=0.015)
    assert ours.profit == pytest.approx(paper.profit, abs=1.0)
    assert ours.profit_std == pytest.approx(paper.profit_std, abs=1.5 if symmetric else 0.6)
    assert ours.final_q == pytest.approx(paper.final_q, abs=1.0 if symmetric else 0.5)
    assert ours.final_q_std == pytest.approx(paper.final_q_std, abs=0.4 if symmetric else 0.3)


@pytest.mark.parametrize("gamma", ["0.01", "0.1", "0.5", "1"])
def test_the_inventory_strategy_gives_up_little_for_much_less_dispersion(gamma):
    """For each risk aversion: less profit than symmetric quotes, and far less dispersion of profit and of inventory."""
    ours, symmetric = simulate(gamma, symmetric=False), simulate(gamma, symmetric=True)
    assert ours.profit < symmetric.profit
    assert ours.profit_std < symmetric.profit_std * (0.8 if gamma == "0.01" else 0.6)
    assert ours.final_q_std < symmetric.final_q_std * 0.7


def test_more_aversion_means_less_dispersion_and_less_profit():
    """0.01, 0.1, 0.5, 1: each step trades profit for a steadier inventory."""
    results = [simulate(gamma, symmetric=False) for gamma in ("0.01", "0.1", "0.5", "1")]
    assert [r.final_q_std for r in results] == sorted((r.final_q_std for r in results), reverse=True)
    assert [r.profit for r in results] == sorted((r.profit for r in results), reverse=True)


def test_the_variance_estimate_finds_the_truth_and_forgets_with_its_half_life():
    """A walk of known variance is found; after one half-life of silence half of it is left."""
    dice, variance = Random(1), None
    for _ in range(4_000):
        change = Decimal(dice.gauss(0, 3 * math.sqrt(2)))
        variance = next_variance(variance, change, Decimal(2), Decimal(600))
    assert float(variance) == pytest.approx(9.0, rel=0.25)
    silent = next_variance(Decimal(8), Decimal(0), Decimal(60), Decimal(60))
    assert float(silent) == pytest.approx(4.0)
