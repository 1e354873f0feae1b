"""What `journal show` prints."""

import json
from pathlib import Path

import pytest

from actors.journal.protocol import JournalError
from actors.journal.show import show
from actors.journal.store import open_store
from actors.journal.verify import verify
from tests.actors.journal.streams import STREAM, entries, spoil, write_stream


async def test_lines_for_people(url: str):
    """Each record is one line with time, stream, seq, epoch, kind and body."""
    await write_stream(url, STREAM, '{"a":\n 1}')
    assert list(show(url)) == [
        '2023-11-14 22:13:20.000 +00:00 group/triad-1 #1 epoch 1 step {"a":  1}'.replace(" +", "+")
    ]


async def test_lines_for_programs(url: str):
    """Each record is one JSON object whose body is the journaled JSON, digit by digit."""
    await write_stream(url, STREAM, '{"price": 4000.50,\n"id": 12345678901234567890}', "not json")
    lines = list(show(url, STREAM, json_lines=True))
    assert '"body": {"price": 4000.50, "id": 12345678901234567890}' in lines[0]
    head = {"stream": STREAM, "epoch": 1, "kind": "step", "at": 1_700_000_000_000}
    assert json.loads(lines[1]) == head | {"seq": 2, "body": "not json"}


async def test_after_and_limit(url: str):
    """`after` skips, `limit` stops, in each stream."""
    await write_stream(url, "account/l1", "1", "2", "3")
    await write_stream(url, STREAM, "1", "2", "3")
    shown = [json.loads(line) for line in show(url, after=1, limit=1, json_lines=True)]
    assert [(line["stream"], line["seq"]) for line in shown] == [("account/l1", 2), (STREAM, 2)]
    assert list(show(url, limit=0)) == []


async def test_what_is_not_there(url: str):
    """An unknown stream, or no journal at all, is said in words with what there is."""
    with pytest.raises(JournalError, match="no journal in this directory"):
        list(show(url))
    assert ["no journal" in str(finding) for finding in verify(url)] == [True]
    await write_stream(url, STREAM, "1")
    with pytest.raises(JournalError, match=r"has no stream group/x; it has group/triad-1"):
        list(show(url, "group/x"))


async def test_whole_records_before_the_damage(url: str, file: Path):
    """What comes before the damage is shown, then the damage is raised."""
    await write_stream(url, STREAM, "1", "2", "3")
    spoil(file, "UPDATE record SET body = '9' WHERE seq = 3")
    lines = show(url)
    assert [next(lines)[-1], next(lines)[-1]] == ["1", "2"]
    with pytest.raises(JournalError, match="seq 3"):
        next(lines)


async def test_beside_a_writer(url: str):
    """Show and verify read while the owner writes, and see what it has written so far."""
    store = open_store(url)
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    for n in range(1500):  # more than the reader takes at once
        await journal.append(entries(str(n)))
    lines = show(url)
    next(lines)
    await journal.append(entries("late"))
    assert len(list(lines)) == 1500
    assert verify(url) == []
    await journal.append(entries("later"))
    await store.close()
    assert len(list(show(url))) == 1502
