"""Venues by name. A venue's code is imported only where an account of it runs."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from venues.venue import Now, Venue

VENUES = ("backpack", "lighter")
"""Every venue there is: the folder's name is the venue's name."""


class UnknownVenueError(Exception):
    """No such venue."""


class _Client(Protocol):
    def __call__(self, config: object, account: object, *, now: Now) -> Venue: ...


def build_venue(venue: str, venue_config: Mapping[str, Any], account_config: Mapping[str, Any], now: Now) -> Venue:
    """Make the client of one account. No I/O happens here.

    Raises:
        UnknownVenueError: the name is not in `VENUES`.
        pydantic.ValidationError: a config does not fit the venue's model.
    """
    if venue not in VENUES:
        raise UnknownVenueError(f"unknown venue {venue!r}; there are: {', '.join(VENUES)}")
    config_module = import_module(f"venues.{venue}.config")
    prefix = venue.capitalize()
    config = getattr(config_module, f"{prefix}VenueConfig").model_validate(venue_config)
    account = getattr(config_module, f"{prefix}AccountConfig").model_validate(account_config)
    client = cast("_Client", getattr(import_module(f"venues.{venue}.venue"), f"{prefix}Venue"))
    return client(config, account, now=now)
