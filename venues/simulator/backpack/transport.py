"""Ending a connection without an answer."""

import socket
import struct

from aiohttp import web

NO_LINGER = struct.pack("ii", 1, 0)
"""Socket option: closing sends RST at once."""


def drop(request: web.Request, *, reset: bool) -> None:
    """End the request's connection: with FIN, or with a reset. Whatever is answered afterwards goes nowhere."""
    transport = request.transport
    if transport is None:
        return
    if not reset:
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()
