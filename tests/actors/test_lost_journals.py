"""One journal file of several is lost, or put back from an earlier day: nobody goes on as if nothing had happened."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.account import AccountActor
from actors.actor import Envelope, Message
from actors.group import GroupActor, GroupActorSpec
from actors.journal.store import open_store
from strategies.domain.commands import SubmitOrder
from tests.actors.account.conftest import order, until
from tests.actors.test_group import ME, GroupBench, finished
from tests.actors.toy import toy_spec


class Files(GroupBench):
    """A toy group and its account, whose journal files are lost and put back while nobody has them open."""

    def file(self, stream: str) -> Path:
        """Return where a stream's journal lies."""
        return self.folder / "journal" / f"{stream}.sqlite"

    def lose(self, stream: str) -> None:
        """Delete a journal."""
        for path in self.file(stream).parent.glob(f"{self.file(stream).name}*"):
            path.unlink()

    def keep(self, stream: str) -> None:
        """Take a copy of a journal."""
        assert not self.file(stream).with_suffix(".sqlite-wal").exists(), "somebody has it open"
        shutil.copy(self.file(stream), self.folder / "kept.sqlite")

    def put_back(self, stream: str) -> None:
        """Replace a journal by the copy."""
        self.lose(stream)
        shutil.copy(self.folder / "kept.sqlite", self.file(stream))

    async def first_life(self, goal: int) -> None:
        """Let group and account reach a goal, and end both."""
        account = await self.accounts.start()
        group = await self.start(account, goal=goal)
        await until(lambda: finished(group), "the goal")
        await self.accounts.kill(account)
        await self.kill(group)

    async def second_life(self, goal: int) -> GroupActor:
        """Start both again."""
        account = await self.accounts.start()
        return await self.start(account, goal=goal)

    async def way_out(self, account: AccountActor) -> GroupActor:
        """Start the group's way out."""
        store = open_store(f"sqlite:{self.folder}/journal")
        epoch = await store.claim("flatten/g", "test")
        await store.close()
        spec = GroupActorSpec(
            group=toy_spec(),
            strategy="flatten",
            params={},
            journal=f"sqlite:{self.folder}/journal",
            lock_dir=str(self.folder / "locks"),
            stream="flatten/g",
            needs_no_past=True,
        )
        group = GroupActor(spec, epoch)
        self.groups.append(group)
        await group.start()
        group.connect(ME, account)
        return group


@pytest.fixture
async def files(tmp_path) -> AsyncIterator[Files]:
    """A toy group and its account, ended with the test."""
    bench = Files(tmp_path)
    yield bench
    for group in bench.groups:
        await group.stop()
    for actor in bench.accounts.lives:
        await actor.stop()


async def test_journals_that_belong_together_go_on(files):
    """Both come back as they were: the next goal is reached with one order a lot."""
    await files.first_life(goal=2)
    group = await files.second_life(goal=2)
    await until(group._ways._facts_fit[ME].is_set, "the account")
    assert group.stopped == ""
    assert files.accounts.orders_at_venue() == 2


async def test_a_lost_journal_of_an_account_stops_its_group(files):
    """The account begins anew: nothing that it took before is sent to it again, and the file is named."""
    await files.first_life(goal=2)
    files.lose("account/l1")
    group = await files.second_life(goal=2)
    await until(lambda: group.stopped != "", "the stop")
    assert "journal of account l1" in group.stopped
    assert str(files.file("account/l1")) in group.stopped
    assert "lost and begun anew" in group.stopped
    assert (await group.status()).stopped_for_good
    assert files.accounts.orders_at_venue() == 2
    assert group._log.outbox(ME), "the old commands were about to be sent, which is the danger"


async def test_a_lost_journal_of_a_group_is_noticed_by_its_account(files):
    """The group begins anew, with numbers that the account has taken already: it stops instead of being ignored."""
    await files.first_life(goal=2)
    files.lose("group/g")
    group = await files.second_life(goal=3)
    await until(lambda: group.stopped != "", "the stop")
    assert "has taken 2 messages from another journal of this group" in group.stopped
    assert str(files.file("group/g")) in group.stopped
    assert files.accounts.orders_at_venue() == 2


async def test_an_account_put_back_from_an_earlier_day_is_not_given_its_orders_twice(files):
    """The copy knows one order of two: the second, long executed, is not sent again."""
    await files.first_life(goal=1)
    files.keep("account/l1")
    await files.first_life(goal=1)  # nothing to do: only facts are added
    files.put_back("account/l1")
    group = await files.second_life(goal=1)
    await until(lambda: group.stopped != "", "the stop")
    assert "put back from an earlier day" in group.stopped
    assert str(files.file("account/l1")) in group.stopped
    assert files.accounts.orders_at_venue() == 1


async def test_a_copy_that_has_grown_beyond_what_was_read_is_known_by_its_content(files):
    """Numbers alone would fit again: the fact at the cursor is another one than the group has read."""
    await files.first_life(goal=1)
    files.keep("account/l1")
    await files.first_life(goal=1)
    files.put_back("account/l1")
    for _ in range(4):
        await files.accounts.kill(await files.accounts.start())
    group = await files.second_life(goal=1)
    await until(lambda: group.stopped != "", "the stop")
    assert "is not the one that this group has read" in group.stopped
    assert files.accounts.orders_at_venue() == 1


async def test_a_group_put_back_from_an_earlier_day_knows_fewer_messages_than_were_taken(files):
    """Its next messages would bear numbers that the account has taken: they would be dropped as repetitions."""
    account = await files.accounts.start()
    group = await files.start(account, goal=1)
    await until(lambda: finished(group), "the goal")
    await files.kill(group)
    files.keep("group/g")
    message = Message(seq=2, command=SubmitOrder(account=ME, order=order(9)))
    known = group._log.identity
    await account.submit(Envelope(sender="group/g", sender_epoch=1, journal=known, messages=(message,)))
    await until(lambda: files.accounts.orders_at_venue() == 2, "the order that the copy knows nothing of")
    files.put_back("group/g")
    group = await files.start(account, goal=1)
    await until(lambda: group.stopped != "", "the stop")
    assert "has taken 2 messages from this group" in group.stopped
    assert "knows of 1: it was put back from an earlier day" in group.stopped
    assert str(files.file("group/g")) in group.stopped


async def test_a_journal_that_is_replaced_under_a_living_group_is_noticed_too(files):
    """The group lives on while its account's file is lost: with the successor it stops."""
    account = await files.accounts.start()
    group = await files.start(account, goal=1)
    await until(lambda: finished(group), "the goal")
    await files.accounts.kill(account)
    files.lose("account/l1")
    group.connect(ME, await files.accounts.start())
    await until(lambda: group.stopped != "", "the stop")
    assert "lost and begun anew" in group.stopped


async def test_nothing_is_taken_from_another_journal_of_the_same_sender(files):
    """The account itself refuses, whatever the sender makes of it, and says which journal it knows."""
    account = await files.accounts.start()
    await until(lambda: account.book.state.client_ids is not None, "the first look")
    first = Message(seq=1, command=SubmitOrder(account=ME, order=order(1)))
    second = Message(seq=2, command=SubmitOrder(account=ME, order=order(2)))
    await account.submit(Envelope(sender="group/x", sender_epoch=1, journal="a", messages=(first,)))
    answer = await account.submit(Envelope(sender="group/x", sender_epoch=1, journal="b", messages=(second,)))
    assert (answer.taken, answer.knows) == (1, "a")
    assert account.book.order(order(2).order_id) is None


@pytest.mark.parametrize("lost", ["account/l1", "flatten/g"])
async def test_the_way_out_needs_none_of_the_journals(files, lost):
    """Who begins every life anew is another sender each time: what it sends is taken, whichever file is gone."""
    await files.first_life(goal=1)
    account = await files.accounts.start()
    out = await files.way_out(account)
    await until(lambda: finished(out), "the way out")
    assert files.accounts.bought() == 0
    await files.accounts.kill(account)
    await files.kill(out)
    files.lose(lost)
    account = await files.accounts.start()
    out = await files.way_out(account)
    await until(lambda: finished(out), "the way out once more")
    assert out.stopped == ""
    assert account.book.receipt(out._ways._sender).taken == 1, "its first cancel, under the number 1"
