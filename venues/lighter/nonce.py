"""The nonces of one API key as a table of states: no clock, no I/O.

The venue executes nonce n of a key only right after n - 1, and each number once. So two writes that carry the same
number can never both land, and a number that never arrives holds up all later ones. From that follows the rule here:
as long as every answer is known, numbers are handed out in order without asking; any doubt stops the handing out until
what is on its way has been answered and the venue was asked again.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from strategies.domain.ids import Timestamp


class NonceState(StrEnum):
    """Where one handed-out nonce stands."""

    PREPARED = "PREPARED"
    """Signed with, not sent."""
    SENT = "SENT"
    """On its way; an answer or a time-out will come."""


class Resync(NamedTuple):
    """What became of the venue's statement of the next nonce."""

    believed: bool
    """False: it is behind what we know; ask again."""
    foreign: int
    """How many nonces it is beyond all that we may have used: somebody else signs with this key."""


class NonceUseError(Exception):
    """The caller did what the table does not have: a mistake in this program, never in the venue."""


class KeyNonces:
    """The nonces of one API key. Starts out not knowing; `resync` must come first."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._next: int | None = None
        self._floor = 0
        self._explained: int | None = None
        self._open: dict[int, NonceState] = {}
        self._doubtful: set[int] = set()
        self._lower_since: Timestamp | None = None
        self._lower_answer: int | None = None

    @property
    def in_sync(self) -> bool:
        """Say whether the next nonce is known without asking the venue."""
        return self._next is not None

    @property
    def next(self) -> int | None:
        """Return the nonce that `allocate` would hand out; None = the venue has to be asked first."""
        return self._next

    @property
    def drained(self) -> bool:
        """Say whether every nonce that was sent has been settled or is in doubt: no answer is awaited."""
        return NonceState.SENT not in self._open.values()

    @property
    def doubtful(self) -> frozenset[int]:
        """Return the nonces whose write may still land."""
        return frozenset(self._doubtful)

    @property
    def floor(self) -> int:
        """Return the lowest nonce that is not known to be used up."""
        return self._floor

    @property
    def explained(self) -> int | None:
        """Return the nonce below which every use is ours, or has been told; None = the venue has not been asked."""
        return self._explained

    def allocate(self) -> int:
        """Hand out the next nonce.

        Raises:
            NonceUseError: not in sync; `resync` first.
        """
        if self._next is None:
            raise NonceUseError("the next nonce is not known")
        nonce = self._next
        self._open[nonce] = NonceState.PREPARED
        self._next = nonce + 1
        return nonce

    def may_send(self, nonce: int) -> bool:
        """Say whether a prepared write can still land: nothing below it failed or was given back meanwhile."""
        return self._open.get(nonce) is NonceState.PREPARED and self._next is not None

    def sent(self, nonce: int) -> None:
        """Note that the write with this nonce leaves now."""
        self._move(nonce, NonceState.PREPARED)
        self._open[nonce] = NonceState.SENT

    def discard(self, nonce: int) -> None:
        """Note that a prepared write will not be sent: its nonce is free again."""
        self._move(nonce, NonceState.PREPARED)
        self._give_back(nonce)

    def consumed(self, nonce: int) -> None:
        """Note that the venue took the write: its nonce is used up."""
        self._move(nonce, NonceState.SENT)
        self._floor = max(self._floor, nonce + 1)
        self._explain(nonce)

    def refused(self, nonce: int) -> None:
        """Note that the venue refused the write for itself, or that it never left: its nonce is free again."""
        self._move(nonce, NonceState.SENT)
        self._give_back(nonce)

    def stale(self, nonce: int) -> None:
        """Note that the venue called this nonce wrong (21104): our count is wrong, whatever the reason."""
        self._move(nonce, NonceState.SENT)
        self._next = None

    def doubt(self, nonce: int) -> None:
        """Note that nobody knows what became of the write."""
        self._move(nonce, NonceState.SENT)
        self._doubtful.add(nonce)
        self._explain(nonce)
        self._next = None

    def restore(self, nonces: Iterable[int]) -> None:
        """Note writes of an earlier life whose outcome is open."""
        for nonce in nonces:
            self._doubtful.add(nonce)
            self._explain(nonce)
        self._next = None

    def forget_sync(self) -> None:
        """Ask the venue before the next allocation, whatever we believe."""
        self._next = None

    def resync(self, answer: int, *, at: Timestamp, lag_ms: float) -> Resync:
        """Take the venue's statement of the next nonce.

        A number below what we know to be used up is the look-up trailing behind; when it insists for `lag_ms`, the
        venue has dropped what it had taken, and believing it is safe: a number lands once, whichever write carries it.
        Writes prepared but not sent become void; the caller must not send them any more.

        Raises:
            NonceUseError: something is still on its way.
        """
        if not self.drained:
            raise NonceUseError(f"nonces {sorted(self._open)} have no answer yet")
        if answer < self._floor and not self._insists(answer, at, lag_ms):
            return Resync(believed=False, foreign=0)
        foreign = 0 if self._explained is None else max(0, answer - self._explained)
        if self._explained is None:
            # What came before this life is not known, so the first answer explains itself.
            self._explained = max([answer, *(nonce + 1 for nonce in self._doubtful)])
        self._explained = max(self._explained, answer)
        self._lower_since = self._lower_answer = None
        self._floor = self._next = answer
        self._open.clear()
        self._doubtful = {nonce for nonce in self._doubtful if nonce >= answer}
        return Resync(believed=True, foreign=foreign)

    def _insists(self, answer: int, at: Timestamp, lag_ms: float) -> bool:
        if answer != self._lower_answer or self._lower_since is None:
            self._lower_answer, self._lower_since = answer, at
        return at - self._lower_since >= lag_ms

    def _explain(self, nonce: int) -> None:
        if self._explained is not None:
            self._explained = max(self._explained, nonce + 1)

    def _move(self, nonce: int, expected: NonceState) -> None:
        state = self._open.get(nonce)
        if state is not expected:
            raise NonceUseError(f"nonce {nonce} is {state}, not {expected}")
        del self._open[nonce]

    def _give_back(self, nonce: int) -> None:
        """Hand `nonce` out again next, if nothing above it is out; else the rest cannot land and the venue is asked."""
        if self._next is not None and nonce == self._next - 1:
            self._next = nonce
        else:
            self._next = None
