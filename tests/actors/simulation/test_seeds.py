"""The whole group under storms: nothing is broken, everything ends, and one seed has one outcome."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from actors.account.book import Book
from actors.simulation.play import play, play_scenario
from actors.simulation.quiet import quiet
from actors.simulation.scenario import VENUE_OF, Happening, Trouble, draw_scenario
from strategies.domain.events import OperatorState
from venues.simulator.in_process import InProcessVenue
from venues.venue import Capabilities

SEEDS = 150
CHUNK = 25


@pytest.fixture(autouse=True)
def _quiet():
    with quiet():
        yield


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_storms_break_nothing(first):
    """Deaths, lost answers, torn journals, liquidations: no promise is broken, and every group comes to its end."""
    broken = {seed: played.violations for seed in range(first, first + CHUNK) if (played := play(seed)).violations}
    assert not broken, "\n".join(
        f"python -m actors.simulation --seed {seed} --verbose: {why}" for seed, why in broken.items()
    )


def test_a_liquidation_in_a_thin_book_ends():
    """Seed 3997: the book is thin when an account is liquidated. The venue goes on by itself; the group gets out."""
    assert play(3997).violations == []


def test_a_seed_has_one_outcome():
    """The same seed gives the same journals, byte for byte; another one gives others."""
    assert play(3).digest == play(3).digest != play(4).digest


def test_hashes_do_not_matter():
    """Another interpreter with other string hashes writes the same journals."""

    def digests(hash_seed: str) -> dict[str, str]:
        command = [sys.executable, "-m", "actors.simulation", "--digests", "--seeds", "4"]
        done = subprocess.run(  # noqa: S603 - this very program
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    assert digests("1") == digests("2") == {str(seed): play(seed).digest.hex() for seed in range(4)}


@pytest.mark.parametrize("target", ["group", "bp", "l1", "l2"])
def test_a_death_at_every_step_of_a_cycle(target):
    """Killed at one moment after another of the same calm cycle, each process comes back and the end is the same."""
    calm = replace(draw_scenario(0), happenings=(), last_word=OperatorState.RUN, calm_at_s=6.0)
    whole = play_scenario(calm)
    assert whole.violations == []
    assert whole.cycles > 0
    for place in range(0, whole.steps, whole.steps // 8):
        death = Happening(at_s=0.0, trouble=Trouble.CRASH, target=target, action="", size=1.0, steps=place)
        played = play_scenario(replace(calm, happenings=(death,)))
        assert played.violations == [], f"killed at step {place}"


def _order_troubles(trouble: Trouble, size: float) -> tuple[Happening, ...]:
    return tuple(Happening(at_s=0.0, trouble=trouble, target=a, action="order", size=size, steps=0) for a in VENUE_OF)


def test_an_answer_called_a_rejection_is_caught(monkeypatch):
    """An account that calls a lost answer a rejection does not pass: the judge is awake."""
    monkeypatch.setattr(
        Book, "decide_doubt", lambda book, order_id, reason, at: book.decide_rejected(order_id, "lost", reason, at)
    )
    lost = _order_troubles(Trouble.LOST_ANSWER, 0.5)
    played = play_scenario(replace(draw_scenario(0), happenings=lost, last_word=OperatorState.RUN))
    assert any("said to be refused, executed" in violation for violation in played.violations)


@pytest.mark.parametrize("size", [0.3, 0.65, 0.72, 0.9])
def test_an_order_that_arrives_late_is_never_called_dead_too_early(size):
    """Orders that arrive seconds late, inside their window or after it: proof waits until the window has closed."""
    late = _order_troubles(Trouble.LATE_ORDER, size)
    played = play_scenario(replace(draw_scenario(0), happenings=late, last_word=OperatorState.RUN, calm_at_s=9.0))
    assert played.violations == []
    assert played.faults[Trouble.LATE_ORDER] > 0


def test_a_death_called_too_early_is_caught(monkeypatch):
    """An account that calls an unknown order dead while its window is open does not pass."""
    monkeypatch.setattr(InProcessVenue, "capabilities", property(_without_patience))
    late = _order_troubles(Trouble.LATE_ORDER, 0.65)
    played = play_scenario(replace(draw_scenario(0), happenings=late, last_word=OperatorState.RUN, calm_at_s=9.0))
    assert any("said to be refused, executed" in violation for violation in played.violations)


def _without_patience(venue: InProcessVenue) -> Capabilities:
    return PATIENT(venue).model_copy(update={"clock_skew_s": -5.0})


PATIENT = InProcessVenue.capabilities.fget
