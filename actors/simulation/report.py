"""Many seeds in one table: what was played, what struck, how long anybody was naked, and what was broken."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from actors.simulation.cast import LIQUIDATION_HEDGE
from actors.simulation.checker import REPLAY_EVERY
from actors.simulation.play import Played
from actors.simulation.scenario import Trouble

_PER_MINUTE = 60
_MS = 1000


@dataclass(slots=True)
class Tally:
    """What many seeds add up to."""

    seeds: int = 0
    twice: int = 0
    """Seeds that were played a second time, for the bytes of their journals."""
    replayed: int = 0
    """Seeds whose group journal was folded anew from its first record."""
    schedules: set[bytes] = field(default_factory=set)
    """Digests of the journals: two that differ are two courses of events."""
    cycles: int = 0
    virtual_s: float = 0.0
    steps: int = 0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    naked: list[float] = field(default_factory=list)
    """Naked seconds of each seed."""
    naked_usd_s: list[float] = field(default_factory=list)
    intervals: list[float] = field(default_factory=list)
    naked_under: dict[str, list[float]] = field(default_factory=dict)
    """Naked seconds of each seed in which a trouble struck, by trouble."""
    failures: dict[int, list[str]] = field(default_factory=dict)

    def add(self, played: Played) -> None:
        """Take one seed in."""
        self.seeds += 1
        self.replayed += played.seed % REPLAY_EVERY == 0
        self.schedules.add(played.digest)
        self.cycles += played.cycles
        self.virtual_s += played.virtual_s
        self.steps += played.steps
        self.faults.update(played.faults)
        self.naked.append(played.naked_s)
        self.naked_usd_s.append(played.naked_usd_s)
        self.intervals.extend(played.intervals)
        for trouble in played.faults or ["nothing"]:
            self.naked_under.setdefault(str(trouble), []).append(played.naked_s)
        if played.violations:
            self.failures[played.seed] = played.violations

    def merge(self, other: "Tally") -> None:
        """Take another tally in."""
        self.seeds += other.seeds
        self.twice += other.twice
        self.replayed += other.replayed
        self.schedules |= other.schedules
        self.cycles += other.cycles
        self.virtual_s += other.virtual_s
        self.steps += other.steps
        self.cpu_s += other.cpu_s
        self.faults.update(other.faults)
        self.naked.extend(other.naked)
        self.naked_usd_s.extend(other.naked_usd_s)
        self.intervals.extend(other.intervals)
        for trouble, seconds in other.naked_under.items():
            self.naked_under.setdefault(trouble, []).extend(seconds)
        self.failures.update(other.failures)

    @property
    def violations(self) -> int:
        """Return how many promises were broken, in all seeds."""
        return sum(len(each) for each in self.failures.values())


def table(tally: Tally, wall_s: float) -> str:
    """Return the whole report as text. `wall_s` is how long it took, seconds of a real clock."""
    lines = [
        f"seeds             {tally.seeds} ({tally.twice} of them twice: the same journal bytes)",
        f"schedules         {len(tally.schedules)} different courses of events",
        f"whole replays     {tally.replayed} (and one at every restart of a group)",
        f"seeds a second    {tally.seeds / wall_s:.1f} ({wall_s:.1f} s)",
        f"CPU a seed        {tally.cpu_s / (tally.seeds + tally.twice) * _MS:.0f} ms",
        f"virtual time      {tally.virtual_s:.0f} s in {tally.steps} steps",
        f"crashes           {tally.faults[Trouble.CRASH]}",
        f"cycles            {tally.cycles}, {tally.cycles / wall_s * _PER_MINUTE:.0f} a minute",
        f"faults            {sum(tally.faults.values())}",
        f"naked s a seed    {_spread(tally.naked)}",
        f"naked s at once   {_spread(tally.intervals)}",
        f"naked USD s       {_spread(tally.naked_usd_s, digits=0)}",
        "",
        f"{'fault':<28}{'struck':>8}{'seeds':>8}   naked seconds of those seeds",
    ]
    for trouble in sorted({*tally.naked_under, *Trouble}):
        seconds = tally.naked_under.get(trouble, [])
        lines.append(f"{trouble:<28}{tally.faults[trouble]:>8}{len(seconds):>8}   {_spread(seconds)}")
    lines.append("")
    lines.append(f"violations        {tally.violations}")
    return "\n".join(lines)


def failing(tally: Tally, most: int, strategy: str) -> Iterable[str]:
    """Yield what was broken in the first failing seeds, and the command that plays each again."""
    chosen = "" if strategy == LIQUIDATION_HEDGE else f" --strategy {strategy}"
    for seed, violations in sorted(tally.failures.items())[:most]:
        yield f"seed {seed}: {violations[0]}" + (f" (and {len(violations) - 1} more)" if len(violations) > 1 else "")
        yield f"  python -m actors.simulation{chosen} --seed {seed} --verbose"


def _spread(values: Sequence[float], digits: int = 2) -> str:
    if not values:
        return "none"
    ranked = sorted(values)
    middle, high = ranked[len(ranked) // 2], ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)]
    return f"p50 {middle:.{digits}f}  p99 {high:.{digits}f}  max {ranked[-1]:.{digits}f}"
