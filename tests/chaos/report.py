"""The figures of a matrix, as a table."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.cells import MOMENTS, Cell, from_dict

_CLEAN = "no fault (clean cycles)"


@dataclass(frozen=True)
class Row:
    """One cell, judged."""

    cell: Cell
    recovered: bool
    recovery_s: float
    doubles: int
    unowned: int
    naked_s: float
    naked_usd_s: float
    said: str

    def plain(self) -> dict[str, Any]:
        """Return plain values."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "cell"}
        return {"victim": self.cell.victim.value, "blow": self.cell.blow.value, "moment": self.cell.moment} | fields


def row(plain: dict[str, Any]) -> Row:
    """Read what `Row.plain` gave."""
    fields = {name: value for name, value in plain.items() if name not in {"victim", "blow", "moment"}}
    return Row(cell=from_dict(plain), **fields)


def share(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of all do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def table(rows: Iterable[Row], clean: Sequence[tuple[float, float]]) -> str:
    """Return the summary by class of fault. `clean`: (seconds, USD·seconds) of each naked time without any fault."""
    classes: dict[str, list[Row]] = defaultdict(list)
    everything = list(rows)
    for each in everything:
        classes[each.cell.fault].append(each)
    lines = [
        (
            "| fault | cells | recovered | double fills | unowned positions | naked s p50 / p99 / max | "
            "naked USD·s p50 / max | recovery s p50 / max |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(name, classes[name]) for name in sorted(classes)]
    lines.append(_line("**all**", everything))
    seconds, dollars = [s for s, _ in clean], [d for _, d in clean]
    lines.append(
        f"| {_CLEAN} | {len(clean)} times | - | - | - | {_three(seconds)} | "
        f"{share(dollars, 0.5):,.0f} / {max(dollars, default=0):,.0f} | - |"
    )
    return "\n".join(lines)


def coverage(rows: Iterable[Row]) -> str:
    """Return which moments were struck how often, by class: `.` = not struck, `n` = n cells, `n!` = one of them bad."""
    counts: dict[tuple[str, str], list[Row]] = defaultdict(list)
    faults = set()
    for each in rows:
        counts[each.cell.moment, each.cell.fault].append(each)
        faults.add(each.cell.fault)
    names = sorted(faults)
    lines = [f"| moment | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for moment in MOMENTS:
        cells = [_mark(counts[moment.name, name]) for name in names]
        lines.append(f"| {moment.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def bad(each: Row) -> bool:
    """Say whether a cell shows something that must not be."""
    return not each.recovered or each.doubles > 0 or each.unowned > 0 or bool(each.said)


def _mark(rows: Sequence[Row]) -> str:
    if not rows:
        return "."
    return f"{len(rows)}!" if any(bad(each) for each in rows) else str(len(rows))


def _line(name: str, rows: Sequence[Row]) -> str:
    recovery = [each.recovery_s for each in rows if each.recovered]
    dollars = [each.naked_usd_s for each in rows]
    return (
        f"| {name} | {len(rows)} | {sum(each.recovered for each in rows)} | {sum(each.doubles for each in rows)} | "
        f"{sum(each.unowned for each in rows)} | {_three([each.naked_s for each in rows])} | "
        f"{share(dollars, 0.5):,.0f} / {max(dollars, default=0):,.0f} | "
        f"{share(recovery, 0.5):.2f} / {max(recovery, default=0):.2f} |"
    )


def _three(values: Sequence[float]) -> str:
    return f"{share(values, 0.5):.2f} / {share(values, 0.99):.2f} / {max(values, default=0):.2f}"
