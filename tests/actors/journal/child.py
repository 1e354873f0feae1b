"""Programs that the tests run as processes of their own: `python -m tests.actors.journal.child NAME URL …`."""

# ruff: noqa: T201 - what a child prints is its answer

import asyncio
import os
import resource
import sys

from actors.journal.protocol import Entry, JournalError
from actors.journal.store import open_store
from strategies.domain.ids import Timestamp

STREAM = "group/triad-1"
_NOBODY = 65534
_FILE_LIMIT_BYTES = 64 * 1024


def _entry(body: str) -> Entry:
    return Entry(kind="step", at=Timestamp(1), body=body)


async def write(url: str) -> None:
    """Claim and append without end, three records a time, and print each acknowledged seq."""
    store = open_store(url)
    journal = await store.open(STREAM, await store.claim(STREAM, f"process {os.getpid()}"))
    print("ready", flush=True)
    while True:
        seq = await journal.append([_entry(f'"{"x" * 200}"') for _ in range(3)])
        print(seq, flush=True)


async def append_under(url: str, epoch: str) -> None:
    """Print what one append under `epoch` says, after a line has come in."""
    store = open_store(url)
    journal = await store.open(STREAM, int(epoch))
    print("open", flush=True)
    sys.stdin.readline()
    try:
        print("written", await journal.append([_entry('"ghost"')]), flush=True)
    except JournalError as error:
        print(type(error).__name__, error, flush=True)
    await store.close()


async def claim(url: str) -> None:
    """Claim 25 times and print each epoch."""
    store = open_store(url)
    for _ in range(25):
        print(await store.claim(STREAM, "one of many"), flush=True)
    await store.close()


async def fill(url: str) -> None:
    """Write until the file may not grow any more, print the error, get space, and write again."""
    store = open_store(url)
    journal = await store.open(STREAM, await store.claim(STREAM, "me"))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_LIMIT_BYTES, hard))
    written = 0
    try:
        for _ in range(200):
            written = await journal.append([_entry(f'"{"x" * 2000}"') for _ in range(3)])
    except JournalError as error:
        print(type(error).__name__, error)
    print(written)
    print(len(await journal.read()))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(await journal.append([_entry('"after"')]))
    await store.close()


async def as_nobody(url: str) -> None:
    """Give up the rights of root, if there are any, and print what claim, owner and streams say."""
    if os.geteuid() == 0:
        os.setuid(_NOBODY)
    store = open_store(url)
    try:
        await store.claim(STREAM, "nobody")
    except JournalError as error:
        print(type(error).__name__, error)
    print(await store.owner(STREAM))
    await store.close()


if __name__ == "__main__":
    programs = {"write": write, "append_under": append_under, "claim": claim, "fill": fill, "as_nobody": as_nobody}
    asyncio.run(programs[sys.argv[1]](*sys.argv[2:]))
