"""The mutation score of what decides: `make mutation`. The table goes into docs/mutation.md.

mutmut's operators change the functions of the strategies, cosmic-ray the proof tables of the venues: their rows are data of a
module, which mutmut leaves alone. `--only sizing risk` chooses areas and leaves the document as it is.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from difflib import unified_diff
from pathlib import Path

from tests.mutation.forks import JOBS, VERDICTS
from tests.mutation.modules import AREAS, LEFT_OUT, PROOF, ROOT, TESTS, Area
from tests.mutation.mutants import Mutant, copy_tree, environment, refused_by_mypy, write_mutants
from tests.mutation.tables import judge_tables

MUTANTS = ROOT / "mutants"
SURVIVORS = MUTANTS / "survivors.txt"
_SEED = 1
_COLUMNS = ("refused", "not drawn", "killed", "timeout", "survived")
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


@dataclass
class Figures:
    """Verdicts by module, and what survived, in words."""

    verdicts: dict[str, Counter[str]] = field(default_factory=dict)
    survivors: list[str] = field(default_factory=list)

    def count(self, module: str, verdict: str, words: str) -> None:
        """Count one mutant."""
        self.verdicts.setdefault(module, Counter())[verdict] += 1
        if verdict in ("survived", "timeout"):
            self.survivors.append(f"{verdict}: {words}")


def score(of: Counter[str]) -> float:
    """Return killed and timed out of all that ran, in percent; what was refused never ran."""
    caught = of["killed"] + of["timeout"]
    return 100 * caught / ran(of)


def ran(of: Counter[str]) -> int:
    """Return how many mutants were tested."""
    return of["killed"] + of["timeout"] + of["survived"]


def judge_functions(figures: Figures, areas: Sequence[Area], workers: int, sample: int | None) -> None:
    """Judge the mutants of the areas' functions; of each area no more than `sample` that mypy lets pass."""
    modules = [module for area in areas for module in area.modules]
    shutil.rmtree(MUTANTS, ignore_errors=True)
    MUTANTS.mkdir()
    copy_tree(MUTANTS)
    mutants = write_mutants(MUTANTS, modules)
    refused = refused_by_mypy(MUTANTS, mutants)
    drawn = [mutant for area in areas for mutant in _drawn(area, mutants, refused, sample)]
    jobs = {"workers": workers, "mutants": [asdict(mutant) for mutant in drawn]}
    (MUTANTS / JOBS).write_text(json.dumps(jobs), encoding="utf-8")
    options = [
        "-q",
        "-s",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.mutation.forks",
        *(f"--ignore-glob=*{n}" for n in LEFT_OUT),
    ]
    command = ["python", "-m", "pytest", *options, *(test for test in TESTS if (ROOT / test).exists())]
    subprocess.run(command, cwd=MUTANTS, env=environment(MUTANTS), check=True)  # noqa: S603
    verdicts = json.loads((MUTANTS / VERDICTS).read_text(encoding="utf-8"))
    for mutant in mutants:
        verdict = "refused" if mutant.name in refused else verdicts.get(mutant.name, "not drawn")
        figures.count(mutant.module, verdict, _difference(mutant) if verdict in ("survived", "timeout") else "")


def _drawn(area: Area, mutants: Sequence[Mutant], refused: Container[str], sample: int | None) -> list[Mutant]:
    """Draw the mutants of an area that are judged; the same each time."""
    found = [mutant for mutant in mutants if mutant.module in area.modules and mutant.name not in refused]
    if sample is None or sample >= len(found):
        return found
    return sorted(random.Random(_SEED).sample(found, sample), key=found.index)  # noqa: S311 - a draw, not a secret


def _difference(mutant: Mutant) -> str:
    """Return a mutant's lines that differ from the function it was made of."""
    lines = (MUTANTS / mutant.module).read_text(encoding="utf-8").splitlines()
    own = lines[mutant.first_line - 1 : mutant.last_line]
    name = mutant.name.rsplit(".", 1)[1]
    original = re.sub(r"__mutmut_\d+$", "__mutmut_orig", name)
    begin = next(number for number, line in enumerate(lines) if f"def {original}(" in line)
    theirs = lines[begin : begin + len(own) + 2]
    old, new = set(theirs), [line.strip() for line in own if line not in theirs and name not in line]
    gone = [line.strip() for line in theirs if line not in own and original not in line and line in old]
    return f"{mutant.name}\n    - {' / '.join(gone[:3])}\n    + {' / '.join(new[:3])}"


def judge_proofs(figures: Figures) -> None:
    """Judge every mutant of the proof tables."""
    for change, verdict in judge_tables():
        old = (ROOT / change.module).read_text(encoding="utf-8").splitlines()
        lines = [
            line for line in unified_diff(old, change.text.splitlines(), n=0) if not line.startswith(("---", "+++"))
        ]
        figures.count(change.module, verdict, f"{change.module} {change.operator}\n    " + "\n    ".join(lines))


def table(figures: Figures) -> Iterator[str]:
    """Write the figures as two Markdown tables: by area, then by module."""
    by_area = {area.name: Counter[str]() for area in AREAS}
    for area in AREAS:
        for module in area.modules:
            by_area[area.name].update(figures.verdicts.get(module, {}))
    found = {name: counts for name, counts in by_area.items() if ran(counts)}
    yield from _rows("area", {**found, "**all**": sum(found.values(), Counter())})
    yield ""
    yield from _rows("module", {f"`{module}`": counts for module, counts in figures.verdicts.items() if ran(counts)})


def _rows(head: str, rows: dict[str, Counter[str]]) -> Iterator[str]:
    yield f"| {head} | mutants | refused | not drawn | killed | timed out | survived | score |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, found in rows.items():
        counts = [sum(found.values()), *(found[each] for each in _COLUMNS)]
        yield f"| {name} | {' | '.join(map(str, counts))} | {score(found):.1f} % |"


def main() -> None:
    """Judge, print the table, write it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "mutation.md")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    parser.add_argument("--sample", type=int, help="judge no more mutants than so many of an area, drawn by a seed")
    parser.add_argument("--only", nargs="+", choices=[area.name for area in AREAS], help="areas; writes no document")
    arguments = parser.parse_args()
    chosen = [area for area in AREAS if arguments.only is None or area.name in arguments.only]
    figures = Figures()
    functions = [area for area in chosen if area is not PROOF]
    if functions:
        judge_functions(figures, functions, arguments.workers, arguments.sample)
    if PROOF in chosen:
        judge_proofs(figures)
    MUTANTS.mkdir(exist_ok=True)
    SURVIVORS.write_text("\n".join(figures.survivors) + "\n", encoding="utf-8")
    lines = "\n".join(table(figures))
    if arguments.only is None:
        before, rest = arguments.out.read_text(encoding="utf-8").split(BEGIN)
        arguments.out.write_text(f"{before}{BEGIN}\n\n{lines}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
    sys.stdout.write(f"{lines}\n\nwhat survived: {SURVIVORS.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
