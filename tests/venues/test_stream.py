"""A WebSocket that comes back, against a real server on loopback."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from websockets.asyncio.server import ServerConnection, serve

from venues.errors import Unreachable
from venues.stream import ChannelAges, Feed, ReconnectingStream, StreamOptions

PATIENCE_S = 10.0
QUICK = {"first_wait_s": 0.01, "longest_wait_s": 0.05, "check_s": 0.05, "close_timeout_s": 0.2}

Handler = Callable[[ServerConnection], Awaitable[None]]


class Listener:
    """Notes everything that a stream says, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.greetings: list[str] = []
        self.stream: ReconnectingStream | None = None

    async def on_open(self, epoch: int) -> None:
        self.log.append(f"open {epoch}")
        assert self.stream is not None
        for greeting in self.greetings:
            await self.stream.send(greeting, epoch=epoch)

    def on_frame(self, text: str, epoch: int) -> None:
        self.log.append(f"frame {epoch} {text}")
        if text == "break":
            raise RuntimeError("a defect of the listener")

    def on_close(self, epoch: int, reason: str) -> None:
        self.log.append(f"close {epoch} {reason}")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.005)

    async def heard(self, entry: str) -> None:
        """Wait for an entry that begins like this."""
        await self.until(lambda: any(line.startswith(entry) for line in self.log))


@asynccontextmanager
async def listening(
    handler: Handler, ages: ChannelAges | None = None, greetings: tuple[str, ...] = (), **options: float
) -> AsyncIterator[tuple[Listener, ReconnectingStream]]:
    """Run a server and a started stream that listens to it."""
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.2) as server:
        port = server.sockets[0].getsockname()[1]
        listener = Listener()
        listener.greetings = list(greetings)
        stream = listener.stream = ReconnectingStream(
            f"ws://127.0.0.1:{port}/",
            on_frame=listener.on_frame,
            on_open=listener.on_open,
            on_close=listener.on_close,
            ages=ages or ChannelAges({}),
            jitter=random.Random(1),
            options=StreamOptions(**{**QUICK, **options}),
        )
        stream.start()
        try:
            yield listener, stream
        finally:
            await stream.close()


async def greet(connection: ServerConnection) -> None:
    """Say hello, then echo."""
    await connection.send("hello")
    async for frame in connection:
        await connection.send(frame)


async def test_frames_are_handed_on_in_order():
    """Open comes first, then every frame, each with the connection's number."""
    async with listening(greet, greetings=("a", "b")) as (listener, stream):
        await listener.heard("frame 1 b")
        assert listener.log == ["open 1", "frame 1 hello", "frame 1 a", "frame 1 b"]
        assert (stream.is_open, stream.epoch, stream.reconnects) == (True, 1, 0)
    assert listener.log[-1] == "close 1 closed by us"
    assert not stream.is_open


async def test_a_lost_connection_is_told_once_and_opened_again():
    """When the server hangs up, the end is told once, with the reason, and subscriptions go out anew."""
    asked: list[str] = []

    async def hang_up_first(connection: ServerConnection) -> None:
        asked.append(str(await connection.recv()))
        if len(asked) > 1:
            await greet(connection)

    async with listening(hang_up_first, greetings=("subscribe",)) as (listener, stream):
        await listener.heard("frame 2 hello")
        assert listener.log[:3] == ["open 1", "close 1 closed by the venue (1000 )", "open 2"]
        assert asked == ["subscribe", "subscribe"]
        assert stream.reconnects == 1


async def test_a_silent_channel_ends_the_connection_although_pongs_come():
    """Liveness is content: a server that answers pings and says nothing on a bounded channel is left."""

    async def mute(connection: ServerConnection) -> None:
        async for _ in connection:
            pass

    ages = ChannelAges({"book": 0.2, "account": None})
    async with listening(mute, ages, ping_interval_s=0.05, ping_timeout_s=5.0) as (listener, _):
        await listener.heard("close 1 silent: book")
        await listener.heard("open 2")


async def test_send_without_a_connection_leaves_nothing():
    """Before a connection, and for one that is gone, send says that nothing left."""
    async with listening(greet) as (listener, stream):
        await listener.heard("frame 1 hello")
        with pytest.raises(Unreachable, match="connection 7 is gone"):
            await stream.send("x", epoch=7)
        stream.reconnect("a test wants it")
        with pytest.raises(Unreachable):
            await stream.send("x")
        await listener.heard("frame 2 hello")
        assert "close 1 a test wants it" in listener.log
        assert await stream.send("again") == 2
        await listener.heard("frame 2 again")


async def test_sends_leave_in_the_order_of_the_calls():
    """Many senders at once: frames arrive in the order in which send was called."""
    async with listening(greet) as (listener, stream):
        await stream.wait_open(PATIENCE_S)
        await asyncio.gather(*(stream.send(f"{number:03d}") for number in range(200)))
        await listener.heard("frame 1 199")
        assert [line[-3:] for line in listener.log if line[-3:].isdigit()] == [f"{number:03d}" for number in range(200)]


async def test_a_defect_in_a_callback_is_survived_aloud(caplog: pytest.LogCaptureFixture):
    """A callback that raises ends its connection with the reason; the stream goes on."""
    async with listening(greet) as (listener, stream):
        await stream.wait_open(PATIENCE_S)
        await stream.send("break")
        await listener.heard("close 1 callback failed: RuntimeError: a defect of the listener")
        await listener.heard("frame 2 hello")
    assert "a callback failed" in caplog.text


async def test_close_ends_even_when_the_server_is_deaf():
    """A server that never answers a close frame does not keep us."""
    done = asyncio.Event()

    async def deaf(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await done.wait()
        connection.transport.abort()

    async with listening(deaf) as (listener, stream):
        await listener.heard("open 1")
        async with asyncio.timeout(2):
            await stream.close()
        await stream.close()
        assert listener.log[-1] == "close 1 closed by us"
        done.set()


async def test_wait_open_says_what_went_wrong():
    """Nobody there: waiting for the stream ends with the reason."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        stream = _to_nowhere(taken.getsockname()[1])
        stream.start()
        with pytest.raises(Unreachable, match="not open after"):
            await stream.wait_open(0.2)
        await stream.close()


@pytest.mark.looptime
async def test_waits_grow_to_their_bound_and_vary():
    """Attempts come less and less often, never further apart than the bound, with a random part."""
    loop, attempts = asyncio.get_running_loop(), []

    class Counting(random.Random):
        def uniform(self, a: float, b: float) -> float:
            attempts.append(loop.time())
            return super().uniform(a, b)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        stream = _to_nowhere(taken.getsockname()[1], jitter=Counting(1), first_wait_s=0.1, longest_wait_s=8.0)
        stream.start()
        await asyncio.sleep(100)
        await stream.close()
    gaps = [after - before for before, after in pairwise(attempts)]
    assert gaps[0] <= 0.1
    assert max(gaps) <= 8.1
    assert min(gaps[8:]) >= 3.9
    assert len({round(gap, 3) for gap in gaps[8:]}) > 3


def _to_nowhere(port: int, jitter: random.Random | None = None, **options: float) -> ReconnectingStream:
    listener = Listener()
    return ReconnectingStream(
        f"ws://127.0.0.1:{port}/",
        on_frame=listener.on_frame,
        on_open=listener.on_open,
        on_close=listener.on_close,
        ages=ChannelAges({}),
        jitter=jitter or random.Random(1),
        options=StreamOptions(**{**QUICK, **options}),
    )


@pytest.mark.looptime
async def test_ages_count_content_only():
    """A channel's age grows from the start of the connection until content comes; only bounded ones become stale."""
    ages = ChannelAges({"book": 5.0, "account": None})
    assert ages.ages() == {"book": float("inf"), "account": float("inf")}
    ages.start()
    await asyncio.sleep(4)
    ages.heard("account")
    await asyncio.sleep(2)
    assert ages.ages() == {"book": pytest.approx(6), "account": pytest.approx(2)}
    assert ages.stale() == ["book"]
    ages.heard("book")
    assert ages.stale() == []


async def test_a_feed_keeps_the_newest_of_each_key_and_all_of_the_rest():
    """What replaces an unread item of its key takes its place; everything else keeps its order."""
    feed: Feed[str] = Feed(10, lambda dropped: f"{dropped} dropped")
    for item, key in (("fill 1", None), ("quote 1", "ETH"), ("fill 2", None), ("quote 2", "ETH")):
        assert feed.put(item, replaces=key)
    feed.close()
    assert [item async for item in feed.read()] == ["fill 1", "quote 2", "fill 2"]


async def test_a_feed_that_overflows_says_so():
    """A reader that is too slow is told how much it lost, and everything after that reaches it."""
    feed: Feed[str] = Feed(3, lambda dropped: f"{dropped} dropped")
    assert [feed.put(str(number)) for number in range(5)] == [True, True, True, False, True]
    feed.close()
    assert [item async for item in feed.read()] == ["4 dropped", "4"]


async def test_a_feed_wakes_its_reader():
    """A reader that waits gets the next item, and ends when the feed closes."""
    feed: Feed[int] = Feed(3, lambda dropped: -dropped)
    read: list[int] = []

    async def reader() -> None:
        async for item in feed.read():
            read.append(item)  # noqa: PERF401 - each must be there as soon as it is read

    reading = asyncio.ensure_future(reader())
    await asyncio.sleep(0)
    feed.put(1)
    await asyncio.sleep(0)
    feed.put(2)
    feed.close()
    await asyncio.wait_for(reading, PATIENCE_S)
    assert read == [1, 2]
