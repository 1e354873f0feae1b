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
    final_q_std: float


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
    return Result(flat_spread, fmean(profits), stdev(profits), stdev(finals))


def test_the_papers_table_for_a_risk_aversion_of_a_tenth():
    """Inventory: profit 65.0, dispersion 6.6 and 2.9 (final inventory). Symmetric: 68.4, 12.7 and 8.4. Spread 1.49."""
    ours, symmetric = simulate("0.1", symmetric=False), simulate("0.1", symmetric=True)
    assert ours.spread == pytest.approx(1.49, abs=0.01)
    assert ours.profit == pytest.approx(65.0, abs=2.0)
    assert ours.profit_std == pytest.approx(6.6, abs=0.8)
    assert ours.final_q_std == pytest.approx(2.9, abs=0.4)
    assert symmetric.profit == pytest.approx(68.4, abs=2.0)
    assert symmetric.profit_std == pytest.approx(12.7, abs=1.5)
    assert symmetric.final_q_std == pytest.approx(8.4, abs=0.6)


@pytest.mark.parametrize(("gamma", "spread"), [("0.01", 1.35), ("0.1", 1.49), ("0.5", 2.15)])
def test_the_inventory_strategy_gives_up_little_for_much_less_dispersion(gamma, spread):
    """For each risk aversion: less profit than symmetric quotes, and far less dispersion of profit and of inventory."""
    ours, symmetric = simulate(gamma, symmetric=False), simulate(gamma, symmetric=True)
    assert ours.spread == pytest.approx(spread, abs=0.01)
    assert ours.profit < symmetric.profit
    assert ours.profit_std < symmetric.profit_std * (0.8 if gamma == "0.01" else 0.6)
    assert ours.final_q_std < symmetric.final_q_std * 0.7


def test_more_aversion_means_less_dispersion_and_less_profit():
    """0.01, 0.1, 0.5: each step trades profit for a steadier inventory."""
    results = [simulate(gamma, symmetric=False) for gamma in ("0.01", "0.1", "0.5")]
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
