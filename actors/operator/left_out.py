"""Accounts that a panic does not reach because its settings do not name them, though their journals say they hold.

A leg that was dropped from the file is nobody's leg any more: no way out closes it, and nothing else would say so.
"""

from collections.abc import Collection
from typing import NamedTuple

from actors.account.ledger import fold
from actors.account.memory import Memory
from actors.hosting.protocol import ActorKind
from actors.journal.protocol import JournalError, JournalStore
from strategies.domain.ids import AccountId, GroupId

_ACCOUNT = f"{ActorKind.ACCOUNT}/"


class LeftOut(NamedTuple):
    """One account that is not reached."""

    account: AccountId
    groups: frozenset[str]
    """Who has ever traded on it, by its journal."""
    words: str

    def __str__(self) -> str:
        """Return what is wrong and what to do about it."""
        by = f" for {', '.join(sorted(self.groups))}" if self.groups else ""
        return (
            f"account {self.account} is NOT CLOSED: {self.words}{by}, and these settings do not name it as a leg. "
            "Put it back and press again, or close it at its venue"
        )


async def left_out(
    store: JournalStore, covered: Collection[AccountId], only: Collection[GroupId] | None
) -> list[LeftOut]:
    """Return every account with a journal that is not `covered` and not flat by it.

    Args:
        store: where the journals are.
        covered: accounts that are closed.
        only: accounts that never traded for one of these groups do not matter; None = all matter.

    Raises:
        JournalError: the journals cannot be listed.
    """
    found = []
    for stream in await store.streams():
        account = AccountId(stream.removeprefix(_ACCOUNT))
        if not stream.startswith(_ACCOUNT) or account in covered:
            continue
        try:
            memory = await _memory(store, stream, account)
        except (JournalError, ValueError) as error:
            found.append(LeftOut(account, frozenset(), f"its journal cannot be read ({error})"))
            continue
        groups = frozenset(sender.partition("/")[2] for sender in memory.state.senders)
        words = _holdings(memory)
        if words and (only is None or not groups.isdisjoint(only)):
            found.append(LeftOut(account, groups, words))
    return found


async def _memory(store: JournalStore, stream: str, account: AccountId) -> Memory:
    epoch, _ = await store.owner(stream)
    journal = await store.open(stream, epoch)
    try:
        return (await fold(account, journal)).book
    finally:
        await journal.close()


def _holdings(memory: Memory) -> str:
    held = [
        f"{position.quantity.normalize():f} {instrument}"
        for instrument, position in memory.state.positions.items()
        if position.quantity
    ]
    under_way = len(memory.in_flight())
    orders = [f"{under_way} order(s) under way"] if under_way else []
    return f"its journal holds {', '.join([*held, *orders])}" if held or orders else ""
