"""A way through to a simulator that notes when the first byte of an order arrives, as a process of its own.

`python -m benchmarks.proxy --target PORT` prints its own port, then one line (monotonic ns) for each order that passes.
The note is taken before anything else is done with the bytes, by another process than the one that sent them.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from benchmarks.stage import PATIENCE_S

_HOST = "127.0.0.1"
_HTTP_ORDER = b"POST /api/v1/order "
_WS_ORDER = b"jsonapi/sendtx"
_LOOK_BYTES = 64
"""So much of a frame is unmasked: its type stands at the front."""
_MASK_BIT, _LENGTH_BITS, _LENGTH_16, _LENGTH_64 = 0x80, 0x7F, 126, 127
_MASK_BYTES = 4


def is_order(chunk: bytes) -> bool:
    """Say whether a chunk from a client begins an order: Backpack's HTTP request or Lighter's WebSocket frame."""
    if chunk.startswith(_HTTP_ORDER):
        return True
    if len(chunk) < 2 or not chunk[1] & _MASK_BIT:  # noqa: PLR2004 - the two bytes that every frame begins with
        return False
    length = chunk[1] & _LENGTH_BITS
    begin = 2 + {_LENGTH_16: 2, _LENGTH_64: 8}.get(length, 0)
    mask, body = chunk[begin : begin + _MASK_BYTES], chunk[begin + _MASK_BYTES :][:_LOOK_BYTES]
    return _WS_ORDER in bytes(byte ^ mask[place % _MASK_BYTES] for place, byte in enumerate(body))


class _Far(asyncio.Protocol):
    """The side towards the simulator."""

    def __init__(self, near: asyncio.Transport) -> None:
        self._near = near

    def data_received(self, data: bytes) -> None:
        self._near.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._near.close()


class _Near(asyncio.Protocol):
    """The side towards the account."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._near: asyncio.Transport | None = None
        self._far: asyncio.Transport | None = None
        self._waiting = bytearray()
        self._dialing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._near = transport
            self._dialing = asyncio.get_running_loop().create_task(self._dial(transport))

    async def _dial(self, near: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._far, _ = await loop.create_connection(lambda: _Far(near), _HOST, self._target)
        except OSError:
            near.close()
            return
        self._far.write(bytes(self._waiting))

    def data_received(self, data: bytes) -> None:
        arrived_ns = time.monotonic_ns()
        if self._far is None:
            self._waiting += data
        else:
            self._far.write(data)
        if is_order(data):
            sys.stdout.write(f"{arrived_ns}\n")
            sys.stdout.flush()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._far is not None:
            self._far.close()


class Proxy:
    """The process, from outside."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        """Hold on to a process that listens; `proxy` starts one."""
        self.url = f"http://{_HOST}:{port}"
        self._process = process

    async def next_order_ns(self) -> int:
        """Wait for the next order that passes; return when its first byte came (monotonic ns)."""
        return await _number(self._process)


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """Have a proxy in front of the simulator at `url`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.proxy", "--target", str(urlsplit(url).port), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Proxy(process, await _number(process))
    finally:
        process.terminate()
        await process.wait()


async def _number(process: asyncio.subprocess.Process) -> int:
    if process.stdout is None:
        raise AssertionError("it was started with a pipe")
    async with asyncio.timeout(PATIENCE_S):
        return int(await process.stdout.readline())


async def _serve(target: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Near(target), _HOST, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Notes when orders arrive at a simulator.")
    parser.add_argument("--target", type=int, required=True, help="the simulator's port")
    asyncio.run(_serve(parser.parse_args().target))
