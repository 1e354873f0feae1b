"""Plots as SVG text: a line over time, and marks on it. No script, no font, nothing fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

_WIDTH, _HEIGHT = 1100, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 10, 14, 24
_POINTS_MAX = 1500
"""More points than a screen has columns say nothing more."""
_TICKS = 5
_MS = 1000
_AROUND = 0.01
"""Share of a value that never changes which is shown above and below it: 1 is lost beside a very large one."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a moment (ms since 1970)."""

    at: int
    value: float


@dataclass(frozen=True, slots=True)
class Dot:
    """A mark on a plot. `kind` is its CSS class."""

    at: int
    value: float
    kind: str


def thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most so many points as a screen shows, lows and highs kept."""
    if len(points) <= _POINTS_MAX:
        return list(points)
    bucket = -(-len(points) // (_POINTS_MAX // 2))
    kept: list[Point] = []
    for first in range(0, len(points), bucket):
        part = points[first : first + bucket]
        low, high = min(part, key=lambda p: p.value), max(part, key=lambda p: p.value)
        kept.extend(sorted({low, high}, key=lambda p: p.at))
    return kept


def plot(title: str, points: Sequence[Point], dots: Sequence[Dot] = (), *, step: bool = False) -> str:
    """Return one plot. `step` draws a value that holds until the next one."""
    if not points:
        return f"<p>{escape(title)}: nothing to draw</p>"
    shown = thinned(points)
    values = [p.value for p in shown] + [d.value for d in dots]
    low, high = min(values), max(values)
    if low == high:
        around = max(1.0, abs(low) * _AROUND)
        low, high = low - around, high + around
    first, last = points[0].at, max(points[-1].at, points[0].at + 1)

    def x(at: int) -> float:
        return _LEFT + (at - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    path: list[str] = []
    for number, point in enumerate(shown):
        if number and step:
            path.append(f"H{x(point.at):.1f}")
        path.append(f"{'L' if number else 'M'}{x(point.at):.1f},{y(point.value):.1f}")
    marks = "".join(f'<circle class="{d.kind}" cx="{x(d.at):.1f}" cy="{y(d.value):.1f}" r="2"/>' for d in dots)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{_grid(low, high, first, last)}'
        f'<path class="line" d="{"".join(path)}"/>{marks}</svg></figure>'
    )


def _grid(low: float, high: float, first: int, last: int) -> str:
    parts: list[str] = []
    for number in range(_TICKS):
        share = number / (_TICKS - 1)
        y = _TOP + share * (_HEIGHT - _TOP - _BOTTOM)
        x = _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
        anchor = "start" if number == 0 else "end" if number == _TICKS - 1 else "middle"
        moment = datetime.fromtimestamp((first + share * (last - first)) / _MS, UTC)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{high - share * (high - low):,.6g}</text>'
        )
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{moment:%m-%d %H:%M}</text>')
    return "".join(parts)
