"""Some seeds in one process."""

import gc
from collections.abc import Sequence
from time import process_time

from pydantic import BaseModel

from actors.simulation.cast import LIQUIDATION_HEDGE
from actors.simulation.play import Played, play
from actors.simulation.quiet import quiet
from actors.simulation.report import Tally

_TWICE_EVERY = 33
"""Every so many seeds are played twice."""


def play_chunk(seeds: Sequence[int], strategy: str = LIQUIDATION_HEDGE) -> Tally:
    """Play some seeds, a few of them twice."""
    tally = Tally()
    started = process_time()
    gc.disable()  # the collector's pauses cost a tenth, and a seed's garbage is thrown away whole below
    with quiet():
        for seed in seeds:
            played = play(seed, strategy)
            if seed % _TWICE_EVERY == 0:
                tally.twice += 1
                _compare(played, play(seed, strategy))
            tally.add(played)
            gc.collect(1)
    gc.enable()
    tally.cpu_s = process_time() - started
    return tally


def read_values_fast() -> None:
    """Let this process read the fields of values as it reads those of any object.

    pydantic's base class looks for private and extra fields when a name is missing; for the sake of that hook every
    read of every field takes three times as long. No value here has such fields, so without the hook only the words of
    an `AttributeError` are others. For the worker processes of a simulation alone: they play nothing else.
    """
    if "__getattr__" in vars(BaseModel):
        del BaseModel.__getattr__  # type: ignore[attr-defined]


def _compare(first: Played, second: Played) -> None:
    if first.digest != second.digest:
        first.violations.append("played twice, the journals differ")
