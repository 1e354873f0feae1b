"""Words that wait to be confirmed: by the same person, in the same chat, once, and soon. Pure."""

from dataclasses import dataclass

from actors.notify.heard import Person
from actors.notify.operator_words import Steer
from strategies.domain.ids import Timestamp

VALID_S = 60
"""How long a confirmation can be given. What was asked a minute ago was asked of another market."""
_WAITING_LIMIT = 50
"""Words that wait at most; the oldest is forgotten first."""
_MS = 1000


@dataclass(frozen=True)
class _Asked:
    person: Person
    word: Steer
    at: Timestamp


class Confirmations:
    """Keeps what was asked until it is confirmed or forgotten."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._waiting: dict[str, _Asked] = {}

    def ask(self, code: str, person: Person, word: Steer, at: Timestamp) -> None:
        """Keep `word` under `code`, which nobody can guess."""
        self._waiting[code] = _Asked(person, word, at)
        while len(self._waiting) > _WAITING_LIMIT:
            del self._waiting[next(iter(self._waiting))]

    def answer(self, code: str, person: Person, at: Timestamp) -> Steer | None:
        """Return the word that `person` has now confirmed, or None: unknown, used, too late, or somebody else's."""
        asked = self._waiting.get(code)
        if asked is None or asked.person != person:
            return None
        del self._waiting[code]
        return asked.word if 0 <= at - asked.at <= VALID_S * _MS else None

    def withdraw(self, code: str, person: Person) -> bool:
        """Forget a word; False when there was none of this person."""
        asked = self._waiting.get(code)
        if asked is None or asked.person != person:
            return False
        del self._waiting[code]
        return True
