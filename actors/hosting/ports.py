"""The ports of `actors/actor.py` over a channel to another process."""

from typing import TypeVar

from actors.actor import (
    AccountStatus,
    ActorUnreachableError,
    Envelope,
    FactBatch,
    GroupStatus,
    Receipt,
    StaleSenderError,
)
from actors.hosting.host import Connected, FactsAsked, Operated
from actors.hosting.protocol import Channel, Place, ReplyKind
from strategies.domain.account import LegObservation
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, InstrumentId
from strategies.domain.model import Value

T = TypeVar("T", bound=Value)

SUBMIT_TIMEOUT_S = 5.0
"""A durable append takes milliseconds; five seconds without an answer is a dead process or a dying disk."""
OBSERVE_TIMEOUT_S = 8.0
"""An account gives its venue 4 s to answer a look; the rest is for a busy machine."""
STATUS_TIMEOUT_S = 2.0
"""A report touches no disk and no venue."""
FACTS_GRACE_S = 5.0
"""Added to a long-poll's own wait before it counts as unanswered."""
CONTROL_TIMEOUT_S = 10.0
"""Arming or an operator's word is journaled; a disk may take its time."""


async def _ask(channel: Channel, method: str, argument: str, timeout_s: float) -> str:
    reply = await channel.call(method, argument, timeout_s)
    if reply.kind is ReplyKind.OK:
        return reply.text
    if reply.kind is ReplyKind.STALE_SENDER:
        raise StaleSenderError(reply.text)
    raise ActorUnreachableError(f"{channel.place}: {method}: {reply.text}")


def _read(model: type[T], text: str, place: Place) -> T:
    try:
        return model.model_validate_json(text)
    except ValueError as error:
        # Another version of the code answers: as good as no answer, and safe to ask again.
        raise ActorUnreachableError(f"{place} answered with something that is not a {model.__name__}") from error


class RemoteAccountPort:
    """An account actor in another process."""

    def __init__(self, channel: Channel) -> None:
        """Speak through `channel`."""
        self._channel = channel

    async def submit(self, envelope: Envelope) -> Receipt:
        """See `AccountPort.submit`."""
        text = await _ask(self._channel, "submit", envelope.model_dump_json(), SUBMIT_TIMEOUT_S)
        return _read(Receipt, text, self._channel.place)

    async def facts(self, after: int, wait_s: float) -> FactBatch:
        """See `AccountPort.facts`."""
        argument = FactsAsked(after=after, wait_s=wait_s).model_dump_json()
        text = await _ask(self._channel, "facts", argument, wait_s + FACTS_GRACE_S)
        return _read(FactBatch, text, self._channel.place)

    async def observe(self, instrument_id: InstrumentId) -> LegObservation:
        """See `AccountPort.observe`."""
        text = await _ask(self._channel, "observe", instrument_id, OBSERVE_TIMEOUT_S)
        return _read(LegObservation, text, self._channel.place)

    async def status(self) -> AccountStatus:
        """See `AccountPort.status`."""
        return _read(AccountStatus, await _ask(self._channel, "status", "", STATUS_TIMEOUT_S), self._channel.place)

    async def arm(self) -> bool:
        """See `ManagedAccount.arm`."""
        return await _ask(self._channel, "arm", "", CONTROL_TIMEOUT_S) == "true"

    async def release(self, by: str) -> bool:
        """See `ManagedAccount.release`."""
        return await _ask(self._channel, "release", by, CONTROL_TIMEOUT_S) == "true"

    async def disarm(self, reason: str) -> None:
        """Let the account write no more."""
        await _ask(self._channel, "disarm", reason, CONTROL_TIMEOUT_S)


class RemoteGroupPort:
    """A group actor in another process."""

    def __init__(self, channel: Channel) -> None:
        """Speak through `channel`."""
        self._channel = channel

    async def operate(self, state: OperatorState, by: str, reason: str) -> None:
        """See `GroupPort.operate`."""
        argument = Operated(state=state, by=by, reason=reason).model_dump_json()
        await _ask(self._channel, "operate", argument, CONTROL_TIMEOUT_S)

    async def status(self) -> GroupStatus:
        """See `GroupPort.status`."""
        return _read(GroupStatus, await _ask(self._channel, "status", "", STATUS_TIMEOUT_S), self._channel.place)

    async def connect_to(self, account: AccountId, place: Place) -> None:
        """Tell the group where an account lives."""
        argument = Connected(account=account, place=place).model_dump_json()
        await _ask(self._channel, "connect", argument, CONTROL_TIMEOUT_S)
