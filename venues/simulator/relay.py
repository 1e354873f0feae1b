"""Distance on loopback: everything arrives later, in order, and any amount may be on its way."""

import asyncio

_CHUNK_BYTES = 65_536
_QUEUE_CHUNKS = 1024
"""How much may be under way in one direction before reading stops."""

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class DelayRelay:
    """Listens on one port and passes everything on to another, each way `delay_s` later."""

    def __init__(self, host: str, target_port: int, delay_s: float) -> None:
        """Prepare; nothing listens yet."""
        self._host = host
        self._target_port = target_port
        self._delay_s = delay_s
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> int:
        """Listen; return the port (given 0, a free one).

        Raises:
            OSError: the port is in use.
        """
        self._server = await asyncio.start_server(self._serve, self._host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._target_port)
            try:
                await self._pass_both_ways((reader, writer), (far_reader, far_writer))
            finally:
                # One side is gone (or we stop): the other side must see it at once, as on a real line.
                far_writer.transport.abort()
        except OSError:
            pass  # nobody listens behind us: the caller sees its connection close
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pass_both_ways(self, near: _Stream, far: _Stream) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for (reader, _), (_, writer) in ((near, far), (far, near)):
                    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUE_CHUNKS)
                    group.create_task(self._read(reader, under_way))
                    group.create_task(self._write(writer, under_way))
        except* OSError:
            pass  # a reset on one side; the caller closes both

    async def _read(self, reader: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        chunk = b"?"
        while chunk:
            chunk = await reader.read(_CHUNK_BYTES)
            await under_way.put((asyncio.get_running_loop().time() + self._delay_s, chunk))

    async def _write(self, writer: asyncio.StreamWriter, under_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if not chunk:
                writer.close()
                return
            writer.write(chunk)
            await writer.drain()
