"""The settings file read again while its deployment runs: what of it can take effect now, and what cannot."""

from collections.abc import Callable, Mapping

from pydantic import BaseModel

from actors.supervision.change import Proposal
from conf.finding import SettingsError
from conf.load import missing_secrets, needs_live_flag
from conf.schema import Settings
from conf.wishes import desired

_FIXED = ("general", "supervisor", "notifications", "telemetry", "simulator")
"""Sections that the supervisor itself was started by."""


def proposal(
    running: Settings, read: Callable[[], Settings], urls: Mapping[str, str], *, live: bool, secrets_here: bool
) -> Proposal:
    """Hold a file against the settings that run. Never raises for what is in it.

    Args:
        running: what the supervisor was started with, simulated venues' addresses included.
        read: reads the file as it was read at the start. Raises SettingsError.
        urls: simulated venue → its address.
        live: the supervisor was started with --live.
        secrets_here: secrets must be found on this machine.
    """
    try:
        written = read()
    except SettingsError as error:
        return Proposal(desired=None, refused=tuple(str(finding) for finding in error.findings))
    refused = [*_fixed(running, written)]
    if needs_live_flag(written) and not live:
        refused.append(f"{written.source} names real venues, and the supervisor was started without --live.")
    elif written.simulated_venues() != running.simulated_venues() or _simulated(written) != _simulated(running):
        refused.append("The simulator was started for other accounts: that takes a new start.")
    if refused:
        return Proposal(desired=None, refused=tuple(refused))
    located = written.with_simulator_at(urls)
    missing = missing_secrets(located) if secrets_here else ()
    if missing:
        return Proposal(desired=None, refused=tuple(map(str, missing)))
    return Proposal(desired=desired(located))


def _fixed(running: Settings, written: Settings) -> list[str]:
    return [
        f"{written.source}: [{section}] has changed ({', '.join(what)}): that takes a new start of the supervisor."
        for section in _FIXED
        if (what := _differences(getattr(running, section), getattr(written, section)))
    ]


def _differences(before: BaseModel | None, after: BaseModel | None) -> list[str]:
    if before is None or after is None:
        return [] if before is after else ["the whole section"]
    old, new = before.model_dump(), after.model_dump()
    return [key for key in new if old.get(key) != new[key]]


def _simulated(settings: Settings) -> list[str]:
    return settings.simulator_arguments() if settings.simulated_venues() else []
