"""What every journal promises, on disk and in memory alike."""

import asyncio

import pytest

from actors.journal.protocol import JournalError, JournalStore, Snapshot, StaleEpochError
from tests.actors.journal.streams import STREAM, entries


async def test_records_come_back_in_order(store: JournalStore):
    """What was appended is read again, numbered from 1 without gaps."""
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    assert await journal.append(entries('{"a":1}', '{"b":2}')) == 2
    assert await journal.append(entries('{"ü":"\\u2028"}')) == 3
    records = await journal.read()
    assert [(record.seq, record.epoch, record.kind, record.body) for record in records] == [
        (1, 1, "step", '{"a":1}'),
        (2, 1, "step", '{"b":2}'),
        (3, 1, "step", '{"ü":"\\u2028"}'),
    ]
    assert [record.at for record in records] == [1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_000]


async def test_read_after(store: JournalStore):
    """Reading after a seq gives only what comes later, and nothing past the end."""
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    await journal.append(entries("1", "2", "3"))
    assert [record.seq for record in await journal.read(after=1)] == [2, 3]
    assert await journal.read(after=3) == []
    assert await journal.read(after=4) == []


async def test_an_empty_append_changes_nothing(store: JournalStore):
    """Appending nothing answers where the stream ends."""
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    assert await journal.append([]) == 0
    await journal.append(entries("1"))
    assert await journal.append([]) == 1
    assert len(await journal.read()) == 1


async def test_claims_raise_the_epoch(store: JournalStore):
    """Each claim raises the epoch by one and names the holder; before the first it is 0."""
    assert await store.owner(STREAM) == (0, "")
    assert await store.claim(STREAM, "first") == 1
    assert await store.claim(STREAM, "second") == 2
    assert await store.owner(STREAM) == (2, "second")


async def test_claims_at_once_get_different_epochs(store: JournalStore):
    """Two who claim at the same moment never get the same epoch."""
    epochs = await asyncio.gather(*(store.claim(STREAM, f"holder {n}") for n in range(5)))
    assert sorted(epochs) == [1, 2, 3, 4, 5]


async def test_an_overtaken_owner_writes_no_more(store: JournalStore):
    """After a claim, appends and snapshots under the older epoch are refused with both epochs named."""
    ghost = await store.open(STREAM, await store.claim(STREAM, "ghost"))
    await ghost.append(entries("1"))
    successor = await store.open(STREAM, await store.claim(STREAM, "successor"))
    with pytest.raises(StaleEpochError, match=r"epoch 1 was overtaken by epoch 2") as refused:
        await ghost.append(entries("2"))
    assert (refused.value.stream, refused.value.mine, refused.value.current) == (STREAM, 1, 2)
    with pytest.raises(StaleEpochError):
        await ghost.save_snapshot(Snapshot(seq=1, code_version="1", body="{}"))
    assert await successor.append(entries("2")) == 2
    assert [record.epoch for record in await successor.read()] == [1, 2]


@pytest.mark.parametrize("epoch", [1, 3])
async def test_open_needs_the_current_epoch(store: JournalStore, epoch: int):
    """A stream opens under its current epoch only."""
    await store.claim(STREAM, "first")
    await store.claim(STREAM, "second")
    with pytest.raises(StaleEpochError):
        await store.open(STREAM, epoch)


async def test_open_of_an_unclaimed_stream(store: JournalStore):
    """A stream that nobody claimed does not open."""
    with pytest.raises(StaleEpochError, match="overtaken by epoch 0"):
        await store.open(STREAM, 1)


async def test_a_stream_outlives_its_handle(store: JournalStore):
    """Closing and opening again finds everything, and the numbers go on."""
    epoch = await store.claim(STREAM, "me")
    first = await store.open(STREAM, epoch)
    await first.append(entries("1"))
    await first.close()
    await first.close()
    second = await store.open(STREAM, epoch)
    assert await second.append(entries("2")) == 2


async def test_a_closed_handle_says_so(store: JournalStore):
    """Writing or reading through a closed handle is an error, not silence."""
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    await journal.close()
    with pytest.raises(JournalError, match="is closed"):
        await journal.append(entries("1"))
    with pytest.raises(JournalError, match="is closed"):
        await journal.read()


async def test_the_latest_snapshot_counts(store: JournalStore):
    """There is no snapshot at first; then the latest one is returned."""
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    assert await journal.load_snapshot() is None
    await journal.append(entries("1", "2"))
    await journal.save_snapshot(Snapshot(seq=1, code_version="v1", body='{"n":1}'))
    latest = Snapshot(seq=2, code_version="v1", body='{"n":2}')
    await journal.save_snapshot(latest)
    assert await journal.load_snapshot() == latest


async def test_a_snapshot_of_the_future_is_refused(store: JournalStore):
    """A snapshot can only fold what has been written."""
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    with pytest.raises(ValueError, match="ends at 0"):
        await journal.save_snapshot(Snapshot(seq=1, code_version="v1", body="{}"))


async def test_streams_are_listed(store: JournalStore):
    """Every claimed stream is named, sorted; streams do not see each other's records."""
    assert await store.streams() == []
    for stream in ("group/triad-1", "account/l1", "group/triad-1/notes"):
        journal = await store.open(stream, await store.claim(stream, "me"))
        assert await journal.append(entries(f'"{stream}"')) == 1
    assert await store.streams() == ["account/l1", "group/triad-1", "group/triad-1/notes"]


async def test_appends_at_once_keep_their_order(store: JournalStore):
    """Appends that are started together are written in the order of the calls, each whole."""
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    ends = await asyncio.gather(*(journal.append(entries(f"{n}a", f"{n}b")) for n in range(20)))
    assert ends == list(range(2, 42, 2))
    assert [record.body for record in await journal.read()] == [f"{n}{part}" for n in range(20) for part in "ab"]
