"""Distance on loopback: order, delay, closing."""

import asyncio
import contextlib

from venues.simulator.relay import DelayRelay

DELAY_S = 0.05


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back until the other side ends."""
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_bytes_arrive_later_in_order_and_side_by_side() -> None:
    """A round trip takes twice the delay, and ten at once take no longer than one."""
    target = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = DelayRelay("127.0.0.1", target.sockets[0].getsockname()[1], DELAY_S)
    port = await relay.start(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    sent = b"".join(b"%d\n" % number for number in range(10))
    for number in range(10):
        writer.write(b"%d\n" % number)
        await asyncio.sleep(0)
    assert await reader.readexactly(len(sent)) == sent
    took = loop.time() - begun
    assert 2 * DELAY_S <= took < 10 * DELAY_S
    writer.close()
    await writer.wait_closed()
    await relay.stop()
    target.close()
    await target.wait_closed()


async def test_a_target_that_is_gone_closes_the_connection() -> None:
    """When nobody listens behind the relay the caller's connection ends."""
    probe = await asyncio.start_server(echo, "127.0.0.1", 0)
    gone = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    relay = DelayRelay("127.0.0.1", gone, DELAY_S)
    reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start(0))
    async with asyncio.timeout(5):
        assert await reader.read(1) == b""
    writer.close()
    await relay.stop()


async def test_stopping_ends_open_connections() -> None:
    """A stopped relay leaves no connection and no task behind."""
    target = await asyncio.start_server(echo, "127.0.0.1", 0)
    relay = DelayRelay("127.0.0.1", target.sockets[0].getsockname()[1], DELAY_S)
    reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start(0))
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    await relay.stop()
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):  # an aborted connection may show as a reset
            assert await reader.read(1) == b""
    writer.close()
    target.close()
    await target.wait_closed()
    assert asyncio.all_tasks() == {asyncio.current_task()}
