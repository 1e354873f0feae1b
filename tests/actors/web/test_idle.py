"""Connections that ask for nothing do not take the files that the journal needs."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import aiohttp.web

from actors.web import idle
from actors.web.server import StatusServer
from tests.actors.scene import scene


@asynccontextmanager
async def served():
    """Serve a still picture."""
    server = StatusServer("127.0.0.1", 0)
    server.bind()
    await server.serve(scene)
    try:
        yield server
    finally:
        await server.close()


async def ended(reader) -> bool:
    """Say whether the other end closes within a second."""
    try:
        async with asyncio.timeout(1):
            return await reader.read(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


async def test_a_connection_without_a_request_is_closed_in_time():
    """Also one that has sent half a request; one that was just opened stays."""
    async with served() as server:
        silent, half, fresh = [await asyncio.open_connection("127.0.0.1", server._port) for _ in range(3)]
        half[1].write(b"GET /healthz HTTP/1.1\r\nHost: loc")
        await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time()
        connections = server._runner.server
        server._idle.sweep(connections, now)
        assert len(connections.connections) == 3
        fresh[1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in await fresh[0].read(500)
        server._idle.sweep(connections, now + idle._IDLE_S + 1)
        assert await ended(silent[0])
        assert await ended(half[0])
        for _, writer in (silent, half, fresh):
            writer.transport.abort()


async def test_many_idle_connections_go_at_once_and_who_is_answered_stays(monkeypatch):
    """A flood of open connections leaves room; an answer that is being written is not cut off."""
    monkeypatch.setattr(idle, "_MANY", 5)
    async with served() as server:
        held = asyncio.Event()

        async def slow(_request):
            await held.wait()
            return aiohttp.web.Response(text="late")

        server._runner.app.router._frozen = False
        server._runner.app.router.add_get("/slow", slow)
        flood = [await asyncio.open_connection("127.0.0.1", server._port) for _ in range(20)]
        async with aiohttp.ClientSession(server.url) as session:
            answer = asyncio.ensure_future(session.get("/slow"))
            async with asyncio.timeout(5):
                while not server._idle._busy:  # noqa: ASYNC110 - inside the server
                    await asyncio.sleep(0.01)
            server._idle.sweep(server._runner.server, asyncio.get_running_loop().time())
            assert all([await ended(reader) for reader, _ in flood])
            held.set()
            async with await answer as arrived:
                assert await arrived.text() == "late"
        for _, writer in flood:
            writer.transport.abort()


async def test_in_a_crowd_every_answer_ends_its_connection_and_says_so(monkeypatch):
    """Bots that report now and then hold nothing in between; who reads the header never writes into a closed one."""
    monkeypatch.setattr(idle, "_CROWDED", 2)
    async with served() as server, aiohttp.ClientSession(server.url) as session:

        async def kept() -> bool:
            async with session.get("/healthz") as answer:
                return answer.headers.get("Connection", "") != "close"

        assert await kept()
        crowd = [await asyncio.open_connection("127.0.0.1", server._port) for _ in range(3)]
        async with asyncio.timeout(5):
            while await kept():  # noqa: ASYNC110 - inside the server
                await asyncio.sleep(0.01)
        for _, writer in crowd:
            writer.transport.abort()
        async with asyncio.timeout(5):
            while not await kept():  # noqa: ASYNC110 - inside the server
                await asyncio.sleep(0.01)
