"""The HTTP client against a raw socket server: what left, what did not, and nothing twice."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import aiohttp
import pytest

from venues.errors import Malformed, OutcomeUnknown, Unreachable
from venues.http import HttpClient, parse_json

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[["RawServer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """Speaks bytes, not HTTP: a test decides what each connection does."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request whole and count it; empty when the client has gone."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0
        )
        whole = head + await reader.readexactly(length)
        self.requests.append(whole)
        return whole

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let the test talk; close in the end."""
        self.connections += 1
        try:
            await self._talk(self, reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[RawServer]:
    """Serve on a free port while the block runs."""
    raw = RawServer(talk)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await raw.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def client(port: int, **options: object) -> AsyncIterator[HttpClient]:
    """A client with short patience."""
    settings = {"timeout_s": 5.0, "max_answer_bytes": 1_000, "connections": 4, **options}
    http = HttpClient(f"http://127.0.0.1:{port}/", **settings)  # type: ignore[arg-type]
    try:
        yield http
    finally:
        await http.close()


async def answer_all(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request with 200."""
    while await raw.request(reader):
        writer.write(OK)
        await writer.drain()


async def answer_once_then_hang_up(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keep the connection after the first answer, and close it when the second request has arrived."""
    await raw.request(reader)
    writer.write(OK)
    await writer.drain()
    await raw.request(reader)


async def never_answer(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request and say nothing."""
    del writer
    await raw.request(reader)
    await asyncio.Event().wait()


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "PUT"])
async def test_a_write_on_a_dying_connection_leaves_once(method: str):
    """When a kept-alive connection dies under a write, the write is in doubt and is not sent again."""
    async with raw_server(answer_once_then_hang_up) as raw, client(raw.port) as http:
        await http.write("POST", "/first", body="{}")
        with pytest.raises(OutcomeUnknown):
            await http.write(method, "/second", body='{"a":1}')
        assert [request.split()[1] for request in raw.requests] == [b"/first", b"/second"]
        assert raw.connections == 1


async def test_the_library_alone_would_have_sent_it_twice():
    """The library by itself repeats a DELETE in that case: this is what the client switches off."""
    async with raw_server(answer_once_then_hang_up) as raw, aiohttp.ClientSession() as session:
        async with session.post(f"http://127.0.0.1:{raw.port}/first", data=b"{}") as answer:
            await answer.read()
        async with session.delete(f"http://127.0.0.1:{raw.port}/second") as answer:
            await answer.read()
        assert [request.split()[1] for request in raw.requests].count(b"/second") == 2


async def test_a_read_on_a_dying_connection_is_unreachable():
    """A read that gets no answer says so, and is not repeated behind the caller's back either."""
    async with raw_server(answer_once_then_hang_up) as raw, client(raw.port) as http:
        await http.read("GET", "/first")
        with pytest.raises(Unreachable):
            await http.read("GET", "/second")
        assert len(raw.requests) == 2


async def test_a_refused_connection_means_nothing_left():
    """Where nobody listens, a write certainly did not happen."""
    async with raw_server(answer_all) as raw:
        port = raw.port
    async with client(port) as http:
        with pytest.raises(Unreachable):
            await http.write("POST", "/order", body="{}")
        with pytest.raises(Unreachable):
            await http.read("GET", "/order")


async def test_an_unknown_host_means_nothing_left():
    """A name that does not resolve: a write certainly did not happen."""
    http = HttpClient("http://nowhere.invalid", timeout_s=5.0, max_answer_bytes=10, connections=1)
    with pytest.raises(Unreachable):
        await http.write("POST", "/order", body="{}")
    await http.close()


async def test_a_failed_tls_handshake_means_nothing_left():
    """A peer that does not speak TLS never sees the request."""

    async def talk(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw.requests.append(await reader.read(100))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(talk) as raw:
        http = HttpClient(f"https://127.0.0.1:{raw.port}", timeout_s=5.0, max_answer_bytes=10, connections=1)
        with pytest.raises(Unreachable):
            await http.write("POST", "/order", body="SECRET-ORDER")
        await http.close()
        assert b"SECRET-ORDER" not in b"".join(raw.requests)


async def test_a_write_without_an_answer_is_in_doubt():
    """When the bytes have left and no answer comes in time, only the venue knows."""
    async with raw_server(never_answer) as raw, client(raw.port, timeout_s=0.3) as http:
        with pytest.raises(OutcomeUnknown):
            await http.write("POST", "/order", body="{}")
        assert len(raw.requests) == 1


async def test_a_write_that_found_no_free_connection_did_not_leave():
    """While all connections are busy a write waits; when its time is up it is certain that it did not leave."""
    async with (
        raw_server(never_answer) as raw,
        client(raw.port, timeout_s=1.0, connect_timeout_s=0.2, connections=1) as http,
    ):
        busy = asyncio.ensure_future(http.write("POST", "/first", body="{}"))
        async with asyncio.timeout(5):
            while not raw.requests:  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.01)
        with pytest.raises(Unreachable):
            await http.write("POST", "/second", body="{}")
        with pytest.raises(OutcomeUnknown):
            await busy
        assert [request.split()[1] for request in raw.requests] == [b"/first"]


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nConte",
        b"\x16\x03\x01 not http at all\r\n\r\n",
        b"",
    ],
)
async def test_half_an_answer_is_none(half: bytes):
    """An answer that breaks off, or is no HTTP, leaves a write in doubt and a read unanswered."""

    async def talk(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw.request(reader)
        writer.write(half)
        await writer.drain()

    async with raw_server(talk) as raw, client(raw.port) as http:
        with pytest.raises(OutcomeUnknown):
            await http.write("POST", "/order", body="{}")
        with pytest.raises(Unreachable):
            await http.read("GET", "/order")


async def test_an_answer_beyond_reason_is_refused():
    """An answer longer than the limit is not read to its end."""

    async def talk(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await raw.request(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2_000)
            await writer.drain()

    async with raw_server(talk) as raw, client(raw.port) as http:
        with pytest.raises(OutcomeUnknown, match="longer than 1000 bytes"):
            await http.write("POST", "/order", body="{}")
        with pytest.raises(Unreachable, match="longer than 1000 bytes"):
            await http.read("GET", "/book")


async def test_a_redirect_is_an_answer():
    """A redirect is handed back, not followed: signed requests go nowhere but to the configured host."""

    async def talk(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw.request(reader)
        writer.write(b"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw_server(talk) as raw, client(raw.port) as http:
        answer = await http.write("POST", "/order", body="{}")
        assert (answer.status, answer.ok, len(raw.requests)) == (307, False, 1)


async def test_the_wire_carries_what_was_asked():
    """Method, path, query, headers and body arrive as given; status, headers and text come back."""
    async with raw_server(answer_all) as raw, client(raw.port) as http:
        left: list[bool] = []
        answer = await http.write(
            "DELETE",
            "/api/order",
            query=[("b", "x y"), ("a", "1")],
            headers={"X-Timestamp": "17"},
            body='{"id":1}',
            on_leaving=lambda: left.append(True),
        )
        head, _, body = raw.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"DELETE /api/order?b=x+y&a=1 HTTP/1.1")
        assert b"X-Timestamp: 17" in head
        assert body == b'{"id":1}'
        assert (answer.status, answer.text, answer.headers["content-length"]) == (200, "ok", "2")
        assert left == [True]


async def test_connections_are_kept():
    """Requests one after the other share a connection."""
    async with raw_server(answer_all) as raw, client(raw.port) as http:
        for _ in range(3):
            await http.write("POST", "/order", body="{}")
        assert raw.connections == 1


async def test_debug_lines_hold_no_secret(caplog: pytest.LogCaptureFixture):
    """Wire detail shows names of secret headers and query fields, never their values."""
    caplog.set_level(logging.DEBUG)
    async with raw_server(answer_all) as raw, client(raw.port, secrets=frozenset({"X-Signature", "auth"})) as http:
        await http.read("GET", "/a", query=[("auth", "TOKEN-1")], headers={"x-signature": "SIG-1", "X-Window": "5000"})
    assert "5000" in caplog.text
    assert "x-signature" in caplog.text
    assert "TOKEN-1" not in caplog.text
    assert "SIG-1" not in caplog.text


async def test_a_closed_client_sends_nothing():
    """After close, a write is certainly not sent; closing again is fine."""
    async with raw_server(answer_all) as raw, client(raw.port) as http:
        await http.write("POST", "/order", body="{}")
        await http.close()
        await http.close()
        with pytest.raises(Unreachable, match="closed"):
            await http.write("POST", "/order", body="{}")
        assert len(raw.requests) == 1


def test_json_numbers_never_pass_through_a_float():
    """Numbers with a point become Decimal with every digit, whole numbers stay whole."""
    value = parse_json('{"a": 0.1000000000000000055, "b": 123456789012345678901, "c": 1e3}')
    assert value == {"a": Decimal("0.1000000000000000055"), "b": 123456789012345678901, "c": Decimal("1e3")}


@pytest.mark.parametrize("text", ["", "<html>", "{", '{"a": NaN}', "[Infinity]", "[" * 100_000])
def test_what_is_no_json_is_malformed(text: str):
    """Text that is no JSON is Malformed, whatever is wrong with it."""
    with pytest.raises(Malformed):
        parse_json(text)
