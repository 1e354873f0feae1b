"""Why an order of ours got no place or no fill, in a handful of words that every venue's own words fall under. Pure.

A leg that cannot reach its target is one alert; what to do about it depends on which of these the venue said.
"""

from enum import StrEnum
from functools import lru_cache

from strategies.domain.events import Event, OrderClosed, OrderDenied, OrderRejected
from strategies.domain.ids import AccountId

_NAMES_KEPT = 10_000
"""Names of counts, which are asked for with every scrape: those of a thousand accounts."""


class RefusalKind(StrEnum):
    """What the venue (or our own gate) held against the order."""

    MINIMUM = "minimum"
    """Smaller than the venue's smallest order, or not a whole number of its lots."""
    MARGIN = "margin"
    """Not enough margin for it."""
    VOLUME = "volume"
    """Nobody on the other side at an acceptable price."""
    PRICE = "price"
    """Its price is off the grid or too far from the market."""
    REDUCE_ONLY = "reduce_only"
    """It would not have made the position smaller."""
    POSITION = "position"
    """The venue's own limit of positions."""
    LIQUIDATING = "liquidating"
    """The venue is liquidating the account."""
    OURS = "ours"
    """Refused by our own limits or too old when its turn came; it never left."""
    OTHER = "other"
    """None of these; the log has the venue's words."""


_WORDS: tuple[tuple[RefusalKind, tuple[str, ...]], ...] = (
    # The more special word first: the refusal of a reduce-only order may speak of a position, too.
    (RefusalKind.VOLUME, ("liquidity", "immediateorcancel", "fillorkill")),
    (RefusalKind.LIQUIDATING, ("liquidat", "21112")),
    (RefusalKind.REDUCE_ONLY, ("reduce", "21732", "21738")),
    (RefusalKind.MARGIN, ("margin", "balance", "collateral", "21739")),
    (RefusalKind.MINIMUM, ("minimum", "invalid_quantity", "base amount", "quote amount", "21701", "21706")),
    (RefusalKind.PRICE, ("price", "slippage", "21702", "21734")),
    (RefusalKind.POSITION, ("position",)),
)
"""Words and codes of both venues (their NOTES.md), lower case; the first that is found counts."""


def kind_of(words: str) -> RefusalKind:
    """Return what a venue's code and words come to."""
    said = words.lower()
    return next((kind for kind, signs in _WORDS if any(sign in said for sign in signs)), RefusalKind.OTHER)


def refusal_in(event: Event) -> tuple[AccountId, RefusalKind] | None:
    """Return whose order got nothing and why; None = the event says nothing of the kind."""
    match event:
        case OrderDenied(account=account):
            return account, RefusalKind.OURS
        case OrderRejected(account=account, code=code, detail=detail):
            return account, kind_of(f"{code} {detail}")
        case OrderClosed(account=account, status="CANCELED" | "EXPIRED", reason=reason) if reason:
            # Canceled without a cause is our own cancel; an order with one was ended by the venue.
            kind = kind_of(reason)
            return None if kind is RefusalKind.OTHER else (account, kind)
    return None


@lru_cache(maxsize=_NAMES_KEPT)
def counter(account: AccountId, kind: RefusalKind) -> str:
    """Return the name of the count in a group's report."""
    return f"refused/{account}/{kind}"
