"""One account actor in a process of its own: `python -m tests.actors.account.child FOLDER JOURNAL URL SECRET`.

It gives itself a small order three times a second, as a group would, and prints why it ended.
"""

# ruff: noqa: T201 - what a child prints is its answer

import asyncio
import sys
from pathlib import Path

from actors.account import AccountActor, AccountSpec
from actors.actor import Envelope, Message
from actors.journal.store import open_store
from strategies.domain.commands import SubmitOrder
from strategies.domain.ids import AccountId, InstrumentId
from tests.actors.account.conftest import order

ACCOUNT = AccountId("bp")
STREAM = f"account/{ACCOUNT}"
ETH = InstrumentId("ETH-PERP")


def spec(folder: Path, journal: str, url: str, secret: str) -> AccountSpec:
    """Return the account over the wire protocol of Backpack."""
    return AccountSpec(
        account=ACCOUNT,
        venue="backpack",
        venue_config={"base_url": url, "symbols": {"ETH-PERP": "ETH_USDC_PERP"}},
        account_config={"secret": f"file:{secret}"},
        instruments=(ETH,),
        journal=journal,
        lock_dir=str(folder / "locks"),
    )


def numbered(number: int) -> Envelope:
    """Return the message with one more order."""
    wanted = order(number, "0.01", price="3600")
    message = Message(seq=number, command=SubmitOrder(account=ACCOUNT, order=wanted))
    return Envelope(sender="group/g", sender_epoch=1, messages=(message,))


async def live(folder: str, journal: str, url: str, secret: str) -> None:
    """Trade until the actor ends."""
    store = open_store(journal)
    actor = AccountActor(spec(Path(folder), journal, url, secret), await store.claim(STREAM, "the child"))
    await actor.start()
    while not await actor.arm():  # noqa: ASYNC110 - as the supervisor does
        await asyncio.sleep(0.01)
    sent = 0
    while not actor.ended.done():
        sent += 1
        try:
            await actor.submit(numbered(sent))
        except Exception as error:  # noqa: BLE001 - whatever it is: the actor's own end says why
            print(type(error).__name__, flush=True)
        await asyncio.sleep(0.3)
    print(await actor.ended, flush=True)
    await actor.stop()
    await store.close()


if __name__ == "__main__":
    asyncio.run(live(*sys.argv[1:]))
