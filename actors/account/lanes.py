"""Who waits to leave: lanes by urgency, in each the keys of writes by their place of arrival.

A write keeps its place until it has been answered: one that comes back goes in front of what came after it.
"""

import heapq
from collections.abc import Callable, Iterable

from strategies.domain.order import Lane

LANES = (Lane.EXIT, Lane.HEDGE, Lane.ENTRY)
"""Lanes of writes, most urgent first."""


class Lanes:
    """The lanes of one account. Knows keys only; what they stand for is in the book."""

    def __init__(self, is_order: Callable[[str], bool]) -> None:
        """Nobody waits; `is_order` says whether a key is an order's."""
        self._is_order = is_order
        self._queues: dict[Lane, list[tuple[int, str]]] = {lane: [] for lane in LANES}
        self._places: dict[str, int] = {}
        self._taken_out: set[str] = set()
        """Out of the queues, and not yet seen as signed by the book: must not be queued a second time."""
        self._arrivals = 0

    @property
    def are_empty(self) -> bool:
        """Say whether nobody waits in any lane."""
        return not any(self._queues.values())

    def lengths(self) -> dict[Lane, int]:
        """Return how many writes wait in each lane."""
        return {lane: len(queue) for lane, queue in self._queues.items()}

    def first(self, lane: Lane) -> str | None:
        """Return who goes next in a lane; None = nobody waits there."""
        queue = self._queues[lane]
        return queue[0][1] if queue else None

    def is_taken_out(self, key: str) -> bool:
        """Say whether a write is on its way from a lane to its signature."""
        return key in self._taken_out

    def put(self, key: str, lane: Lane) -> None:
        """Let a write wait at its place of arrival; costs nothing when it waits there already."""
        self._taken_out.discard(key)
        place = self._places.get(key)
        if place is None:
            self._arrivals += 1
            place = self._places[key] = self._arrivals
        if (place, key) not in self._queues[lane]:
            heapq.heappush(self._queues[lane], (place, key))

    def take(self, lane: Lane, most: int) -> list[str]:
        """Take out what goes next: several orders, or one other write. A cancel must see whether its order has left.

        Raises:
            IndexError: nobody waits in this lane.
        """
        queue = self._queues[lane]
        keys = [heapq.heappop(queue)[1]]
        while queue and len(keys) < most and self._is_order(keys[0]) and self._is_order(queue[0][1]):
            keys.append(heapq.heappop(queue)[1])
        self._taken_out.update(keys)
        return keys

    def let_go(self, keys: Iterable[str]) -> None:
        """Hear that writes which were taken out are signed by the book's word, have ended, or wait again."""
        self._taken_out.difference_update(keys)

    def answered(self, key: str) -> None:
        """Give up a write's place, unless it waits again."""
        if not any(key == queued for queue in self._queues.values() for _, queued in queue):
            self._places.pop(key, None)
