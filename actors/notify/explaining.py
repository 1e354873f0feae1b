"""Reads why a cycle went as it did for whoever asks in a chat: in a thread, and one at a time."""

import asyncio

import structlog

from actors.explain.story import CycleUnknownError, Explainer
from actors.journal.protocol import JournalError
from actors.notify import chain
from strategies.domain.ids import GroupId

_log = structlog.get_logger(__name__)


class Explaining:
    """Answers with the chain of causes."""

    def __init__(self, explain: Explainer) -> None:
        """Read with `explain`."""
        self._explain = explain
        self._turn = asyncio.Lock()

    async def told(self, group: GroupId, cycle: int | None) -> str:
        """Return the answer in words; never raises for what a journal can be like."""
        if self._turn.locked():
            return "Another explanation is being read; ask again in a moment."
        async with self._turn:
            try:
                return chain.told(await asyncio.to_thread(self._explain, group, cycle))
            except CycleUnknownError as error:
                return str(error)
            except JournalError as error:
                _log.warning("explain_failed", group=group, error=str(error))
                return f"The journal cannot be read: {error}"
