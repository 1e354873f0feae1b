"""Play seeds: `python -m actors.simulation --seeds 1000`, or one of them again: `--seed 17 --verbose`."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from time import perf_counter

from actors.simulation.cast import CASTS, LIMITED, LIQUIDATION_HEDGE
from actors.simulation.chunk import play_chunk, read_values_fast
from actors.simulation.play import play
from actors.simulation.quiet import quiet
from actors.simulation.report import Tally, failing, table
from actors.simulation.scenario import draw_scenario

_CHUNK = 50
"""Seeds a process is given at a time."""
_SHOWN = 5
"""Failing seeds that are shown in full."""
_OTHER_HASHES = 8
"""Seeds that are played again by an interpreter whose hashes are others."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what the command line asks for; return 0 when no promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m actors.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to play (default %(default)s)")
    parser.add_argument("--start", type=int, default=0, help="the first seed (default %(default)s)")
    parser.add_argument("--seed", type=int, help="play only this seed")
    parser.add_argument("--verbose", action="store_true", help="tell the whole story of --seed")
    parser.add_argument("--digests", action="store_true", help="print only the digest of each seed's journals, as JSON")
    parser.add_argument("--processes", type=int, default=2, help="processes to play in (default %(default)s)")
    parser.add_argument(
        "--strategy", choices=sorted(CASTS | LIMITED), default=LIQUIDATION_HEDGE, help="who plays (%(default)s)"
    )
    chosen = parser.parse_args(arguments)
    seeds = range(chosen.start, chosen.start + chosen.seeds)
    if chosen.seed is not None:
        return _one(chosen.seed, chosen.strategy, verbose=chosen.verbose)
    if chosen.digests:
        with quiet():
            print(json.dumps({seed: play(seed, chosen.strategy).digest.hex() for seed in seeds}))  # noqa: T201 - what was asked for
        return 0
    return _many(seeds, chosen.processes, chosen.strategy)


def _one(seed: int, strategy: str, *, verbose: bool) -> int:
    with quiet():
        played = play(seed, strategy)
    if verbose:
        print(draw_scenario(seed, strategy))  # noqa: T201 - a command's output
        print("\n".join(played.story))  # noqa: T201 - the same
    print(f"seed {seed}: {played.cycles} cycles, journals {played.digest.hex()}")  # noqa: T201 - the same
    for violation in played.violations:
        print(f"VIOLATION {violation}")  # noqa: T201 - the same
    return 1 if played.violations else 0


def _many(seeds: range, processes: int, strategy: str) -> int:
    started = perf_counter()
    tally = Tally()
    chunks = [seeds[first : first + _CHUNK] for first in range(0, len(seeds), _CHUNK)]
    # Played beside the first chunks: each is little, and at the end one core would wait for the other.
    others = [_with_other_hashes(seeds[:_OTHER_HASHES], strategy, hash_seed) for hash_seed in ("1", "2")]
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=read_values_fast) as pool:
        for part in pool.map(partial(play_chunk, strategy=strategy), chunks):
            tally.merge(part)
    if len({_digests(other) for other in others}) > 1:
        tally.failures.setdefault(seeds[0], []).append("the journals depend on PYTHONHASHSEED")
    print(table(tally, perf_counter() - started))  # noqa: T201 - a command's output
    for line in failing(tally, _SHOWN, strategy):
        print(line)  # noqa: T201 - the same
    return 1 if tally.failures else 0


def _with_other_hashes(seeds: Sequence[int], strategy: str, hash_seed: str) -> "subprocess.Popen[str]":
    """Begin to play some seeds in an interpreter whose strings hash to something else."""
    options = ["--strategy", strategy, "--digests", "--start", str(seeds[0]), "--seeds", str(len(seeds))]
    return subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-m", "actors.simulation", *options],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        text=True,
    )


def _digests(playing: "subprocess.Popen[str]") -> str:
    """Return what such an interpreter has printed. Raises CalledProcessError when it failed."""
    told, _ = playing.communicate()
    if playing.returncode:
        raise subprocess.CalledProcessError(playing.returncode, playing.args)
    return told


if __name__ == "__main__":
    sys.exit(main())
