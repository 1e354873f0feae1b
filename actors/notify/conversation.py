"""What the bot answers, and which words it passes on. Does no I/O: what it says goes into an outbox."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Protocol

import structlog

from actors.notify import wording
from actors.notify.confirmation import VALID_S, Confirmations
from actors.notify.heard import Person, Pressed, Said
from actors.notify.message import Button, Message
from actors.notify.operator_words import ALL, CONFIRMED, HELP, Ask, Misheard, Question, Steer, read
from actors.supervision.overview import Overview
from strategies.domain.commands import Severity
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId, Timestamp

REASON = "said in Telegram"
"""The reason that the journal keeps beside who said it."""
_LATE_S = 120
"""A word that steers and is older was meant for another market: Telegram keeps what is said to a bot for a day."""
_STRANGERS_KEPT = 100
"""Chats that are told once that they may not speak; beyond it nobody is told any more."""
_DO, _LEAVE = "do:", "no:"
_MS = 1000

_log = structlog.get_logger(__name__)


Explain = Callable[[GroupId, int | None], Awaitable[str]]
"""Tells why a cycle (None = the last) went as it did, in words; never raises for what a journal can be like."""


class Tell(Protocol):
    """Brings an operator's word to a group: the same way that every operator's word takes."""

    async def __call__(self, group: GroupId, state: OperatorState, by: str, reason: str) -> str:
        """Return what has become of it, in words; never raises for what a group or a supervisor can be like."""


class Conversation:
    """Hears what people say and press, answers, and passes words on."""

    def __init__(
        self,
        *,
        chats: Mapping[int, str],
        users: frozenset[int],
        look: Callable[[], Overview],
        tell: Tell,
        say: Callable[[int, Message], None],
        code: Callable[[], str],
        now: Callable[[], Timestamp],
        explain: Explain,
        begin: Callable[[Coroutine[object, object, None]], object],
    ) -> None:
        """Answer in `chats` through `say`; `users` may speak (empty = all); `code` draws what nobody can guess.

        `explain` reads a journal, which may take seconds: `begin` runs it while the next word is heard.
        """
        self._chats = chats
        self._users = users
        self._look = look
        self._tell = tell
        self._say = say
        self._code = code
        self._now = now
        self._explain = explain
        self._begin = begin
        self._confirmations = Confirmations()
        self._strangers: set[int] = set()
        self.refused = 0
        """How often somebody spoke who may not."""

    async def hear(self, said: Said, bot_name: str) -> None:
        """Take a message, whoever sent it."""
        person = said.person
        if not self._may_speak(person):
            if said.text.startswith("/"):
                self._introduce(person)
            return
        seen = self._look()
        heard = read(said.text, bot_name, tuple(seen.groups))
        match heard:
            case Misheard(text=why):
                self._answer(person, why)
            case Question(ask=Ask.EXPLAIN, group=str(group)):
                if heard.standing:
                    self._answer(person, wording.explained(group, seen.groups[group], seen.at))
                self._begin(self._explained(person, group, heard.cycle))
            case Question(ask=ask):
                self._answer(person, _answer_to(ask, seen))
            case Steer():
                await self._steer(person, heard, said.at, seen)
            case None:
                return

    async def press(self, pressed: Pressed) -> str:
        """Take a pressed button, whoever pressed it; return what is shown for a moment."""
        person = pressed.person
        if not self._may_speak(person):
            return "You may not command this bot."
        code = pressed.answer.removeprefix(_DO).removeprefix(_LEAVE)
        if pressed.answer.startswith(_LEAVE):
            return "Left as it is." if self._confirmations.withdraw(code, person) else "Nothing was waiting."
        word = self._confirmations.answer(code, person, self._now()) if pressed.answer.startswith(_DO) else None
        if word is None:
            self._answer(person, f"Nothing was done: confirm within {VALID_S} s, once, and yourself. Say it again.")
            return "Nothing was done."
        await self._pass_on(person, word)
        return "Passed on."

    def _may_speak(self, person: Person) -> bool:
        if person.chat in self._chats and (not self._users or person.user in self._users):
            return True
        self.refused += 1
        _log.warning("telegram_refused", chat=person.chat, user=person.user)
        return False

    def _introduce(self, person: Person) -> None:
        """Tell a stranger once how to be let in, so that a chat's number can be found at all."""
        if person.chat in self._strangers or len(self._strangers) >= _STRANGERS_KEPT:
            return
        self._strangers.add(person.chat)
        self._answer(
            person,
            f"This bot does not listen to you here: chat {person.chat}, user {person.user}. Whoever runs it can allow "
            "them in notifications.telegram.",
        )

    async def _steer(self, person: Person, word: Steer, sent_at: Timestamp, seen: Overview) -> None:
        age_s = (self._now() - sent_at) / _MS
        if age_s > _LATE_S:
            self._answer(person, f"That was said {wording.lasted(age_s)} ago: nothing was done. Say it again.")
            return
        if word.state not in CONFIRMED:
            await self._pass_on(person, word)
            return
        code = self._code()
        self._confirmations.ask(code, person, word, self._now())
        standing = "\n".join(wording.short(name, seen.groups[name], seen.at) for name in word.groups)
        question = f"{word.state} {_named(word, seen)}?\n{standing}\nConfirm within {VALID_S} s."
        self._answer(
            person,
            question,
            (Button(text=f"Yes, {word.state}", answer=_DO + code), Button(text="No", answer=_LEAVE + code)),
        )

    async def _pass_on(self, person: Person, word: Steer) -> None:
        lines = await asyncio.gather(*(self._told(person, word.state, name) for name in word.groups))
        self._answer(person, "\n".join(lines))

    async def _explained(self, person: Person, group: GroupId, cycle: int | None) -> None:
        self._answer(person, await self._explain(group, cycle))

    async def _told(self, person: Person, state: OperatorState, name: GroupId) -> str:
        _log.info("telegram_word", group=name, state=state, by=person.signature)
        return await self._tell(name, state, person.signature, REASON)

    def _answer(self, person: Person, text: str, buttons: tuple[Button, ...] = ()) -> None:
        message = Message(at=self._now(), severity=Severity.INFO, text=text, buttons=buttons, answer=True)
        self._say(person.chat, message)


def _answer_to(ask: Ask, seen: Overview) -> str:
    match ask:
        case Ask.STATUS:
            return wording.status(seen)
        case Ask.GROUPS:
            return wording.groups(seen)
        case _:
            return HELP


def _named(word: Steer, seen: Overview) -> str:
    if len(word.groups) == len(seen.groups) > 1:
        return f"{ALL} {len(word.groups)} groups"
    return ", ".join(word.groups)
