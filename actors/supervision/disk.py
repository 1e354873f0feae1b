"""A disk that takes no writes: who waits for it, said once for all of them."""

from collections.abc import Callable


class DiskWatch:
    """Knows which actors cannot be started because their journal cannot be written."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Tell the operator through `say`."""
        self._say = say
        self._waiting: set[str] = set()

    def refuses(self, stream: str, error: str) -> None:
        """Note that a stream's owner waits. The first one is told."""
        if not self._waiting:
            self._say(
                f"The journal cannot be written ({error}). No actor is started until it can; those that live wait, too."
            )
        self._waiting.add(stream)

    def works(self, stream: str) -> None:
        """Note that a stream was written. When nobody waits any more, that is told."""
        if stream in self._waiting:
            self._waiting.discard(stream)
            if not self._waiting:
                self._say("The journal can be written again.")
