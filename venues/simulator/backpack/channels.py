"""The names of streams: what a subscription asks for."""

import re
from dataclasses import dataclass

from strategies.domain.ids import VenueSymbol

ORDER_UPDATES = "account.orderUpdate"
POSITION_UPDATES = "account.positionUpdate"
PRIVATE = frozenset({ORDER_UPDATES, POSITION_UPDATES})
PUBLIC = frozenset({"bookTicker", "depth", "markPrice", "trade"})
CADENCES_MS = {"200ms": 200, "600ms": 600, "1000ms": 1000}
"""How often an aggregated depth stream speaks. Plain `depth` speaks at every change."""

_PRIVATE_FORM = re.compile(r"(account\.[A-Za-z]+)(?:\.([A-Z0-9_]+))?")
_PUBLIC_FORM = re.compile(r"([A-Za-z]+)(?:\.([0-9]+ms))?\.([A-Z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Channel:
    """One stream. `kind` is also its name in the fault book."""

    name: str
    kind: str
    symbol: VenueSymbol | None
    """None: every market."""
    cadence_ms: int = 0

    @property
    def is_private(self) -> bool:
        """Say whether a subscription needs a signature."""
        return self.kind in PRIVATE

    def covers(self, symbol: VenueSymbol) -> bool:
        """Say whether events of this market belong to the stream."""
        return self.symbol in (None, symbol)


def parse_channel(name: str) -> Channel | None:
    """Return the stream of that name; None when the venue has no such stream."""
    private = _PRIVATE_FORM.fullmatch(name)
    if private is not None and private[1] in PRIVATE:
        return Channel(name, private[1], VenueSymbol(private[2]) if private[2] else None)
    public = _PUBLIC_FORM.fullmatch(name)
    if public is None or public[1] not in PUBLIC:
        return None
    kind, cadence, symbol = public[1], public[2], VenueSymbol(public[3])
    if cadence is None:
        return Channel(name, kind, symbol)
    if kind != "depth" or cadence not in CADENCES_MS:
        return None
    return Channel(name, kind, symbol, CADENCES_MS[cadence])
