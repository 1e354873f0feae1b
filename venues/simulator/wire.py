"""What the deployment and a wire server owe each other. One server speaks one venue's protocol over one `Exchange`.

A server is constructed by `deployment.py` as

    LighterServer(exchange, faults=…, now=…, pump=…, record=…, keys=[LighterKey…], tier="standard", verify=True)
    BackpackServer(exchange, faults=…, now=…, pump=…, record=…, keys=[BackpackKey…], verify=True)

A request that changes something: take the request's fault, change the exchange, `record` what the server itself must
remember (a nonce, a transaction), `await pump()` so that every stream hears of it, answer. What an answer tells is in
the state log before the answer leaves, because `record` and the exchange's own calls are written as they happen.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from strategies.domain.ids import Timestamp
from venues.simulator.model import ExchangeEvent

JsonObject = dict[str, Any]
"""What a server adds to the state file: JSON, opaque to the deployment."""
Now = Callable[[], Timestamp]
"""The venue's clock, wall milliseconds, skewed when a fault says so."""
Pump = Callable[[], Awaitable[None]]
"""Publish at once what the exchange has to say, on every server of the simulation."""
Record = Callable[[Mapping[str, Any]], None]
"""Write one change of the server's own state to the state log; comes back through `apply_change` after a restart."""


@dataclass(frozen=True, slots=True)
class LighterKey:
    """One API key of one Lighter account. `str(account_index)` is the account's name in the exchange."""

    account_index: int
    api_key_index: int
    public_key: str  # 80 hex digits, no 0x
    private_key: str = field(repr=False)  # 0x + 80 hex digits


@dataclass(frozen=True, slots=True)
class BackpackKey:
    """The API key of one Backpack account. `name` is the account's name in the exchange."""

    name: str
    api_key: str  # base64 of the Ed25519 public key
    secret: str = field(repr=False)  # base64 of the 32-byte seed


class WireServer(Protocol):
    """What both venue servers offer the deployment."""

    app: web.Application

    async def publish(self, events: Sequence[ExchangeEvent]) -> None:
        """Send the events of this server's exchange to every stream that follows them, in order."""

    async def stop(self) -> None:
        """Close streams, cancel and await the tasks this server started. May be called twice."""

    def dump_state(self) -> JsonObject:
        """Return everything the server must remember across a restart beside the exchange's own state."""

    def load_state(self, state: JsonObject) -> None:
        """Take over what `dump_state` returned in an earlier life, before the first request."""

    def apply_change(self, change: Mapping[str, Any]) -> None:
        """Do again what was told to `record` after the state given to `load_state`."""
