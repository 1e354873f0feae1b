"""A changed settings file while everything runs: shown as a plan, checked whole, then applied."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from actors.journal.protocol import JournalError
from actors.supervision.change import Change, Proposal, change
from actors.supervision.desired import Desired
from actors.supervision.ending import open_now
from actors.supervision.supervision import Supervision
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId

_log = structlog.get_logger(__name__)

ReadSettings = Callable[[], Proposal]
"""Read the settings file again. Never raises for what is in it: that is the proposal's `refused`."""
CheckJournals = Callable[[Desired], Awaitable[None]]
"""Look whether the journals will bear these wishes. Raises JournalError when not."""


class Reload:
    """Brings a changed file into effect."""

    def __init__(self, supervision: Supervision, read: ReadSettings, check: CheckJournals) -> None:
        """Read with `read`; nothing happens before it is asked for."""
        self._supervision = supervision
        self._read = read
        self._check = check
        self._turn = asyncio.Lock()

    async def plan(self) -> Change:
        """Return what the file would change, with everything that stands against it."""
        return (await self._compare())[1]

    async def run(self, by: str) -> Change:
        """Apply what the file says, if nothing in it is refused; return what was, or would have been, changed."""
        async with self._turn:
            proposal, found = await self._compare()
            if proposal.desired is None or found.refused or found.nothing:
                return found
            try:
                await self._supervision.apply(proposal.desired, found, by)
            except JournalError as error:
                return found.model_copy(update={"refused": (f"It cannot be written down: {error}",)})
            for line in found.lines():
                self._supervision.notice(f"Settings read again by {by}: {line}")
            return found

    async def _compare(self) -> tuple[Proposal, Change]:
        proposal = await asyncio.to_thread(self._read)
        found = change(self._supervision.desired, proposal, self._still_open)
        if proposal.desired is None:
            return proposal, found
        touched = proposal.desired.model_copy(
            update={
                # Those that run have been held against their journals at the start, and stay who they are.
                "groups": {name: proposal.desired.groups[name] for name in found.added_groups},
                "accounts": {name: proposal.desired.accounts[name] for name in found.added_accounts},
            }
        )
        try:
            await self._check(touched)
        except JournalError as error:
            found = found.model_copy(update={"refused": (*found.refused, str(error))})
        return proposal, found

    def _still_open(self, group: GroupId) -> tuple[str, ...]:
        keeper = self._supervision.groups[group]
        if keeper.taken:
            return ()  # a panic has it, and says how it ended
        still = open_now(keeper)
        state = None if keeper.status is None else keeper.status.view.operator_state
        if not still and not keeper.over and state in {OperatorState.RUN, OperatorState.REDUCE}:
            return ("it may trade at any moment",)
        return still
