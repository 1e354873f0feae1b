"""The order line against a server that answers in every way a venue may: with and without ids, late, or not at all."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from venues.errors import OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.lighter.config import LighterVenueConfig
from venues.lighter.orders import SEND_TX, WebSocketLine

PATIENCE_S = 10.0
Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def line(handler: Handler, **fields) -> AsyncIterator[WebSocketLine]:
    """Open a line to a server that does what `handler` says."""
    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        config = LighterVenueConfig.model_validate(
            {"base_url": f"http://127.0.0.1:{port}", "ack_timeout_s": 1.0, "reconnect_first_s": 0.02} | fields
        )
        opened = WebSocketLine(config, random.Random(1), on_quota=lambda _left: None)
        await opened.start()
        try:
            yield opened
        finally:
            await opened.close()


async def transactions(peer: ServerConnection) -> AsyncIterator[dict]:
    """Yield the data of every transaction frame."""
    async for text in peer:
        frame = json.loads(text)
        if frame["type"] == SEND_TX:
            yield frame["data"]


async def send(opened: WebSocketLine, number: int) -> "asyncio.Future[None]":
    """Send a transaction whose content and hash are its number."""
    return await opened.send(14, json.dumps({"n": number}), f"hash{number}")


async def outcome(answer: "asyncio.Future[None]") -> object:
    """Return the error of an answer, or None."""
    async with asyncio.timeout(PATIENCE_S):
        (result,) = await asyncio.gather(answer, return_exceptions=True)
    return result


async def test_answers_find_their_transaction_by_its_id():
    """They may come in another order than the transactions left."""

    async def backwards(peer: ServerConnection) -> None:
        seen = []
        async for data in transactions(peer):
            seen.append(data)
            if len(seen) == 2:
                await peer.send(json.dumps({"error": {"code": 21739, "message": "margin"}, "id": seen[1]["id"]}))
                await peer.send(json.dumps({"code": 200, "id": seen[0]["id"], "tx_hash": "x", "type": SEND_TX}))

    async with line(backwards) as opened:
        first, second = await send(opened, 1), await send(opened, 2)
        assert await outcome(first) is None
        assert isinstance(await outcome(second), Rejected)


async def test_a_refusal_that_names_nobody_is_given_to_nobody():
    """Older servers name neither id nor hash in a refusal: with several under way, the refused one ends in doubt."""

    async def nameless(peer: ServerConnection) -> None:
        async for data in transactions(peer):
            number = data["tx_info"]["n"]
            refusal = {"error": {"code": 21104, "message": "invalid nonce"}}
            taken = {"code": 200, "tx_hash": f"hash{number}", "type": SEND_TX}
            await peer.send(json.dumps(refusal if number == 2 else taken))

    async with line(nameless) as opened:
        answers = [await send(opened, number) for number in (1, 2, 3)]
        results = [await outcome(answer) for answer in answers]
        assert [results[0], results[2]] == [None, None]
        assert isinstance(results[1], OutcomeUnknown)


async def test_a_late_answer_is_not_taken_for_the_next_one():
    """The first times out; its refusal arrives without an id while the second waits, and is still the first's."""

    async def late(peer: ServerConnection) -> None:
        seen = []
        async for data in transactions(peer):
            seen.append(data["tx_info"]["n"])
            if len(seen) == 2:
                await peer.send(json.dumps({"error": {"code": 21739, "message": "margin"}}))
                await peer.send(json.dumps({"code": 200, "tx_hash": "hash2", "type": SEND_TX}))

    async with line(late) as opened:
        assert isinstance(await outcome(await send(opened, 1)), OutcomeUnknown)
        assert await outcome(await send(opened, 2)) is None


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        ({"type": SEND_TX, "code": 21739, "message": "margin"}, Rejected),
        ({"type": "error", "code": 30010, "message": "in flight"}, RateLimited),
        ({"type": SEND_TX, "code": 29500, "message": "internal"}, OutcomeUnknown),
        ({"type": SEND_TX, "message": "?"}, OutcomeUnknown),
    ],
)
async def test_each_answer_means_what_its_number_says(frame, error):
    """A refusal, a throttle, the venue's own doubt, and no number at all."""

    async def answering(peer: ServerConnection) -> None:
        async for data in transactions(peer):
            await peer.send(json.dumps(frame | {"id": data["id"]}))

    async with line(answering) as opened:
        assert isinstance(await outcome(await send(opened, 1)), error)


@pytest.mark.parametrize("last_word", ["not json", "[]"])
async def test_an_unreadable_frame_leaves_everything_in_doubt(last_word):
    """What it answered cannot be known; the connection is made anew."""

    async def babbling(peer: ServerConnection) -> None:
        async for _ in transactions(peer):
            await peer.send(last_word)

    async with line(babbling, ack_timeout_s=5.0) as opened:
        assert isinstance(await outcome(await send(opened, 1)), OutcomeUnknown)


async def test_a_lost_connection_leaves_everything_in_doubt_and_comes_back():
    """Both are unknown at once; the next one goes out over the new connection."""
    lives = 0

    async def dying(peer: ServerConnection) -> None:
        nonlocal lives
        lives += 1
        async for data in transactions(peer):
            if lives == 1:
                peer.transport.abort()
                return
            await peer.send(json.dumps({"code": 200, "id": data["id"]}))

    async with line(dying, ack_timeout_s=5.0) as opened:
        assert isinstance(await outcome(await send(opened, 1)), OutcomeUnknown)
        async with asyncio.timeout(PATIENCE_S):
            while not opened._stream.is_open:  # noqa: ASYNC110 - it tells nobody, it is looked at
                await asyncio.sleep(0.01)
        assert await outcome(await send(opened, 2)) is None
        assert opened.reconnects == 1


async def test_a_shutdown_is_obeyed_after_the_last_answer():
    """What is on its way is waited for; what comes meanwhile does not leave, and says so."""
    answer_now = asyncio.Event()

    async def leaving(peer: ServerConnection) -> None:
        async for data in transactions(peer):
            await peer.send(json.dumps({"type": "shutdown", "close_in_ms": 1000}))
            await answer_now.wait()
            await peer.send(json.dumps({"code": 200, "id": data["id"]}))

    async with line(leaving, ack_timeout_s=5.0) as opened:
        first = await send(opened, 1)
        async with asyncio.timeout(PATIENCE_S):
            while not opened._leaving:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.01)
        assert isinstance(await outcome(await send(opened, 2)), Unreachable)
        answer_now.set()
        assert await outcome(first) is None
        async with asyncio.timeout(PATIENCE_S):
            while opened.reconnects == 0:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.01)


async def test_pings_go_both_ways():
    """The server's is answered, and ours are sent."""
    heard: set[str] = set()
    both = asyncio.Event()

    async def pinging(peer: ServerConnection) -> None:
        await peer.send('{"type":"ping"}')
        async for text in peer:
            heard.add(json.loads(text)["type"])
            if heard >= {"ping", "pong"}:
                both.set()

    async with line(pinging, ping_every_s=0.05), asyncio.timeout(PATIENCE_S):
        await both.wait()


async def test_a_line_without_a_server_is_unreachable():
    """Starting says so, and sending does."""
    config = LighterVenueConfig(base_url="http://127.0.0.1:9", connect_timeout_s=0.2)
    opened = WebSocketLine(config, random.Random(1), on_quota=lambda _left: None)
    with pytest.raises(Unreachable):
        await opened.start()
    assert isinstance(await outcome(await send(opened, 1)), Unreachable)
    await opened.close()
