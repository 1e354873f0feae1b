"""A cycle's chain of causes as one message: what happened, what was decided because of it, where that led. Pure."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from actors.explain.fold import leg_names
from actors.explain.story import Cause, Cycle
from actors.notify.wording import lasted, usd
from actors.words import clock_of
from strategies.domain.ids import Timestamp

ROOM = 3500
"""Characters: a message of Telegram has 4096, and an answer must not be cut where it says how it ended."""
_FIRST = 3
"""Causes that are shown in any case from the beginning: why the cycle was begun. The rest of the room is the end's."""
_WORDS = 200
"""Characters of one sentence."""
_SECOND_OF_DAY = 8
"""Characters of a time of day without its fractions."""
_MS = 1000


def told(cycle: Cycle, room: int = ROOM) -> str:
    """Return the message, no longer than `room`: what does not fit is left out of the middle, and counted."""
    head, foot = _head(cycle), "\n".join(_foot(cycle))
    own = f"{cycle.group}:{cycle.cycle}:"  # before each order's name, and said above
    blocks = [_block(cause).replace(own, "") for cause in cycle.causes]
    left = room - len(head) - len(foot) - len(_gap(len(blocks), cycle)) - len("\n\n")
    return "\n".join(filter(None, (head, *_fitting(blocks, left, cycle), foot)))[:room]


def _head(cycle: Cycle) -> str:
    which = f"{cycle.group}, cycle {cycle.cycle} of {cycle.cycles}" if cycle.cycle else f"{cycle.group} before cycle 1"
    if cycle.began_at is None:
        return f"{which}: {cycle.outcome}"
    if cycle.ended_at is None:
        return f"{which}, since {_clock(cycle.began_at)} UTC: {cycle.outcome}"
    took = lasted((cycle.ended_at - cycle.began_at) / _MS)
    return f"{which}, {_clock(cycle.began_at)} to {_clock(cycle.ended_at)} UTC ({took}): {cycle.outcome}"


def _block(cause: Cause) -> str:
    lines = [f"{_clock(cause.at)} {_cut(cause.what)}"]
    lines += [f"  → {_cut(words)}" for words in cause.decided]
    if cause.left or cause.why:
        lines.append(f"  ⇒ {cause.phase}" + (f": {_cut(cause.why)}" if cause.why else ""))
    if cause.net is not None:
        lines.append(f"  net {cause.net:+f}" if cause.net else "  net 0")
    return "\n".join(lines)


def _fitting(blocks: Sequence[str], room: int, cycle: Cycle) -> Iterator[str]:
    """Yield the first blocks, and as many of the last as fit."""
    if sum(len(block) + 1 for block in blocks) <= room:
        yield from blocks
        return
    first = list(blocks[:_FIRST])
    while first and sum(len(block) + 1 for block in first) > room // 2:
        first.pop()
    room -= sum(len(block) + 1 for block in first)
    last: list[str] = []
    for block in reversed(blocks[len(first) :]):
        room -= len(block) + 1
        if room < 0:
            break
        last.insert(0, block)
    yield from first
    yield _gap(len(blocks) - len(first) - len(last), cycle)
    yield from last


def _gap(causes: int, cycle: Cycle) -> str:
    return f"… {causes} more: /cycle?group={cycle.group}&n={cycle.cycle} on the dashboard has all of them"


def _foot(cycle: Cycle) -> Iterator[str]:
    total = Decimal(0)
    for name in leg_names(cycle):
        leg = cycle.legs[name]
        total += leg.realized - leg.fees
        yield f"{name} ({leg.account}): {usd(leg.realized - leg.fees)} after fees, holds {leg.held:f}"
    if cycle.legs:
        yield f"all roles: {usd(total)} after fees"
    doubts = sum(bool(order.doubts) for order in cycle.orders)
    if doubts:
        yield f"{doubts} of {len(cycle.orders)} orders were in doubt for a while; each has its proof on the dashboard."
    yield from map(_cut, cycle.problems)


def _cut(words: str) -> str:
    return words if len(words) <= _WORDS else words[: _WORDS - 2] + " …"


def _clock(at: Timestamp) -> str:
    return clock_of(at)[:_SECOND_OF_DAY]
