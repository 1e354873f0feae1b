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
from actors.simulation.scenario import Happening, Trouble, draw_scenario
from strategies.domain.events import OperatorState

SEEDS = 200
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


def test_a_seed_has_one_outcome():
    """The same seed gives the same journals, byte for byte; another one gives others."""
    assert play(3).digest == play(3).digest != play(4).digest


def test_hashes_do_not_matter():
    """Another interpreter with other string hashes writes the same journals."""

    def digests(hash_seed: str) -> dict[str, str]:
        command = [sys.executable, "-m", "actors.simulation", "--digests", "--seeds", "4"]
        done = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    assert digests("1") == digests("2") == {str(seed): play(seed).digest.hex() for seed in range(4)}


@pytest.mark.parametrize("target", ["group", "bp", "l1", "l2"])
def test_a_death_at_every_step_of_a_cycle(target):
    """Killed at one moment after another of the same calm cycle, each process comes back and the end is the same."""
    calm = replace(draw_scenario(0), happenings=(), last_word=OperatorState.RUN, calm_at_s=6.0)
    whole = play_scenario(calm)
    assert whole.violations == [] and whole.cycles > 0
    for place in range(0, whole.steps, whole.steps // 12):
        death = Happening(at_s=0.0, trouble=Trouble.CRASH, target=target, action="", size=1.0, steps=place)
        played = play_scenario(replace(calm, happenings=(death,)))
        assert played.violations == [], f"killed at step {place}"


def test_a_guessed_end_is_caught(monkeypatch):
    """An account that calls a lost answer a rejection does not pass: the judge is awake."""
    monkeypatch.setattr(
        Book, "decide_doubt", lambda book, order_id, reason, at: book.decide_rejected(order_id, "lost", reason, at)
    )
    lost = tuple(
        Happening(at_s=0.0, trouble=Trouble.LOST_ANSWER, target=account, action="order", size=0.5, steps=0)
        for account in ("bp", "l1", "l2")
    )
    played = play_scenario(replace(draw_scenario(0), happenings=lost, last_word=OperatorState.RUN))
    assert any("said to be refused, executed" in violation for violation in played.violations)
