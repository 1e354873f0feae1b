"""Before anything starts: do the journals belong together, and do they belong to these settings?

What is found here would be found by the actors, too; by then a group is out of the market. A person who starts a
deployment can still put the right file back.
"""

from collections.abc import Mapping

import structlog

from actors.account.ledger import fold
from actors.actor import FactBatch, NumberedFact, Receipt
from actors.group import GroupActorSpec, decided_by
from actors.group_log import GroupLog
from actors.hosting.protocol import ActorKind
from actors.journal.location import place_of
from actors.journal.protocol import JournalError, JournalStore
from actors.kinship import REMEDY, Tie, stranger_by_facts, stranger_by_receipt
from actors.meter import Meter
from actors.supervision.desired import Desired
from strategies.domain.ids import AccountId, GroupId

_log = structlog.get_logger(__name__)


class StrangersError(JournalError):
    """Journals, or journals and settings, do not belong together. The text names each file and what to do."""


async def check_belonging(store: JournalStore, desired: Desired, url: str, source: str) -> None:
    """Hold journals against each other and against the settings. A journal that cannot be read is left to its actor.

    Args:
        store: where the journals are.
        desired: what the settings want.
        url: the journal URL, to name files by.
        source: the settings file, to name.

    Raises:
        StrangersError: something does not fit; nothing was changed.
    """
    check = _Check(store, url, source)
    for name, wish in desired.groups.items():
        try:
            await check.group(name, GroupActorSpec.model_validate_json(wish.spec))
        except (JournalError, ValueError) as error:
            _log.warning("journal_not_checked", group=name, error=str(error))
    if check.problems:
        raise StrangersError("\n".join(check.problems))


class _Check:
    """One check; collects what is wrong, one sentence each."""

    def __init__(self, store: JournalStore, url: str, source: str) -> None:
        self.problems: list[str] = []
        self._store = store
        self._url = url
        self._source = source

    async def group(self, name: GroupId, spec: GroupActorSpec) -> None:
        stream = f"{ActorKind.GROUP}/{name}"
        # Accounts before and after the group: actors of an earlier supervisor may live on while this is read.
        before = {account: await self._account(account, stream) for account in spec.group.legs.values()}
        log = await self._group(stream)
        if log is None:
            self._begun_anew(name, stream, before)
            return
        changes = () if log.settings is None else log.settings.other_identity(decided_by(spec))
        if changes:
            self.problems.append(
                f"{self._source}: group {name} has changed ({'; '.join(changes)}), and its journal"
                f" ({self._place(stream)}) holds what it decided before. Legs, instrument and strategy belong to a"
                " group for life: put them back, or, once it is flat, give the changed group another name."
            )
            return
        for account, known in before.items():
            strange = await self._strange(log.tie(account, self._place), known, stream)
            if strange:
                self.problems.append(f"Group {name}: {strange}. {REMEDY}.")

    async def _strange(self, tie: Tie, known: "_Account | None", stream: str) -> str:
        if known is None:
            met = tie.peer or tie.sent or tie.cursor
            return f"the journal of account {tie.account} ({tie.account_file}) is gone" if met else ""
        by_receipt = stranger_by_receipt(tie, known.receipt)
        if by_receipt or not known.misfit(tie):
            return by_receipt
        later = await self._account(tie.account, stream)
        return known.misfit(tie) if later is None else later.misfit(tie)

    def _begun_anew(self, name: GroupId, stream: str, accounts: Mapping[AccountId, "_Account | None"]) -> None:
        for account, known in accounts.items():
            if known is not None and known.receipt.taken:
                self.problems.append(
                    f"Group {name}: its journal ({self._place(stream)}) is gone, and account {account} has taken"
                    f" {known.receipt.taken} messages from it. {REMEDY}."
                )
                return

    async def _group(self, stream: str) -> GroupLog | None:
        epoch, _ = await self._store.owner(stream)
        if not epoch:
            return None
        journal = await self._store.open(stream, epoch)
        log = GroupLog(journal, Meter())
        try:
            await log.recollect()
        finally:
            await log.close()
        return log

    async def _account(self, account: AccountId, sender: str) -> "_Account | None":
        stream = f"{ActorKind.ACCOUNT}/{account}"
        epoch, _ = await self._store.owner(stream)
        if not epoch:
            return None
        journal = await self._store.open(stream, epoch)
        try:
            book = (await fold(account, journal)).book
            receipt = book.receipt(sender).model_copy(update={"journal": journal.identity})
        finally:
            await journal.close()
        return _Account(receipt, book.state.facts, book.state.fact_seq)

    def _place(self, stream: str) -> str:
        return place_of(self._url, stream)


class _Account:
    """What an account's journal says to one group."""

    def __init__(self, receipt: Receipt, facts: list[NumberedFact], published: int) -> None:
        self.receipt = receipt
        self._facts = facts
        self._published = published

    def misfit(self, tie: Tie) -> str:
        """Hold its facts against what the group has read; one that is older than all at hand is not compared."""
        at = tuple(fact for fact in self._facts if fact.seq == tie.cursor)
        batch = FactBatch(facts=at, published=self._published, journal=self.receipt.journal)
        return stranger_by_facts(tie if at else tie.model_copy(update={"last_fact": None}), batch)
