"""Injected trouble on the HTTP side: an answer that is lost, late, refused or replaced."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

from venues.simulator.faults import Fault, FaultKind

_LINGER_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with zero seconds: closing sends RST."""
_MS = 1000


async def answer_under(
    fault: Fault | None, request: web.Request, execute: Callable[[], Awaitable[web.Response]]
) -> web.StreamResponse:
    """Execute a request and answer it the way `fault` says."""
    if fault is None:
        return await execute()
    match fault.kind:
        case FaultKind.REFUSE | FaultKind.RESET:
            return drop(request, reset=fault.kind is FaultKind.RESET)
        case FaultKind.STATUS_BEFORE:
            return _replaced(fault)
    response = await execute()
    match fault.kind:
        case FaultKind.STATUS_AFTER:
            return _replaced(fault)
        case FaultKind.LOSE_ANSWER:
            return drop(request)
        case FaultKind.DELAY_ANSWER:
            await asyncio.sleep(fault.delay_ms / _MS)
    return response


def drop(request: web.BaseRequest, *, reset: bool = False) -> web.Response:
    """Close the request's connection without an answer; the returned response goes nowhere."""
    transport = request.transport
    if transport is not None:
        if reset:
            sock: socket.socket = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        transport.abort()
    return web.Response()


def _replaced(fault: Fault) -> web.Response:
    body = fault.body or json.dumps({"code": fault.status, "message": "injected"})
    kind = "application/json" if _is_json(body) else "text/html"
    return web.Response(status=fault.status, text=body, content_type=kind)


def _is_json(body: str) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
