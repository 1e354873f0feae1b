"""The settings of one deployment, as values. Sections that belong to one part are that part's own models."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from actors.account.protection import Protection
from actors.account.spec import AccountTuning
from actors.journal.location import JournalUrl
from actors.notify.settings import NotificationSettings
from actors.supervision.settings import SupervisorConfig
from actors.telemetry.settings import TelemetryConfig
from conf.simulator import SimulatorSettings
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName
from strategies.domain.model import Value
from strategies.risk import Limits
from venues.registry import VENUES

SIMULATOR_URL = "simulator"
"""Written as a venue's `base_url`: the simulator that this file starts, wherever it comes to listen."""


class Language(StrEnum):
    """The language of what people read."""

    EN = "en"
    ZH = "zh"


class GeneralSettings(Value):
    """Section `[general]`."""

    state_dir: Path = Field(
        default=Path("state"), description="folder of everything that must outlive a process; one a deployment"
    )
    journal: JournalUrl = Field(
        default="", description="journal URL, sqlite:DIRECTORY; absent = `journal` in state_dir"
    )
    debug: bool = Field(default=False, description="log what goes over the wire, with secrets redacted")
    language: Language = Field(default=Language.EN, description="language of what people read: en or zh")

    @property
    def journal_url(self) -> str:
        """Return the journal's URL."""
        return self.journal or f"sqlite:{self.state_dir / 'journal'}"


class WantedState(StrEnum):
    """What a group is told at its first start. Later the operator's last word counts."""

    RUN = "run"
    PAUSE = "pause"
    REDUCE = "reduce"
    FLATTEN = "flatten"

    @property
    def operator_state(self) -> OperatorState:
        """Return the same in the words of the core."""
        return OperatorState(self.value.upper())


class VenueSettings(Value):
    """Section `[venues.<name>]`."""

    simulated: bool = Field(description="the simulator that this file starts, not an address")
    config: SerializeAsAny[BaseModel] = Field(description="the venue's own model; its symbols are in it")

    @property
    def symbols(self) -> Mapping[InstrumentId, str]:
        """Return our instruments' names at the venue."""
        found: Mapping[InstrumentId, str] = self.config.model_dump().get("symbols", {})
        return found

    @property
    def urls(self) -> tuple[str, ...]:
        """Return the addresses that this venue is reached at; none when it is simulated."""
        if self.simulated:
            return ()
        found = self.config.model_dump()
        return tuple(found[key] for key in ("base_url", "ws_url") if found.get(key))

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the hosts of `urls`, without what else a URL may carry."""
        return tuple(dict.fromkeys(urlsplit(url).hostname or "" for url in self.urls))

    @property
    def is_real(self) -> bool:
        """Say whether an address is not of this machine, so that orders cost money."""
        return not all(is_loopback(url) for url in self.urls)


class AccountSettings(Value):
    """Section `[accounts.<name>]`."""

    venue: str = Field(description="which of [venues.*] the account is at")
    config: SerializeAsAny[BaseModel] = Field(description="the venue's own model; secrets are references")


class GroupSettings(Value):
    """Section `[groups.<name>]`."""

    strategy: str = Field(description="name of the strategy")
    instrument: InstrumentId = Field(description="what is traded; each leg's venue must have a symbol for it")
    state: WantedState = Field(
        default=WantedState.RUN, description="what the group is told at its first start: run, pause, reduce or flatten"
    )
    legs: dict[LegName, AccountId] = Field(description="which account plays which leg of the strategy")
    params: SerializeAsAny[Value] = Field(description="the strategy's own model")
    protection: dict[LegName, Protection] = Field(
        default={}, description="what a leg leaves at its venue for the time when nobody is there; by default nothing"
    )
    limits: Limits = Field(default=Limits(), description="what the group may do at most, whatever its strategy decides")


class Settings(BaseModel):
    """One deployment, checked whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="the file that it was read from")
    live: bool = Field(default=False, description="real venues may be named; trading also needs --live when starting")
    general: GeneralSettings = Field(default=GeneralSettings(), description="folders, journal, language")
    supervisor: SupervisorConfig = Field(default=SupervisorConfig(), description="what keeps everything alive")
    notifications: NotificationSettings = Field(
        default=NotificationSettings(), description="who is told what happens, and who may steer from there"
    )
    telemetry: TelemetryConfig = Field(default=TelemetryConfig(), description="heartbeats, of ours and of other bots")
    simulator: SimulatorSettings | None = Field(default=None, description="the venues that a paper deployment starts")
    tuning: AccountTuning = Field(default=AccountTuning(), description="waits and bounds of every account actor")
    venues: dict[str, VenueSettings] = Field(default={}, description="the venues, by name")
    accounts: dict[AccountId, AccountSettings] = Field(default={}, description="the accounts, by name")
    groups: dict[GroupId, GroupSettings] = Field(default={}, description="the hedge groups, by name")

    def used_accounts(self) -> dict[AccountId, GroupId]:
        """Return the accounts that play a leg, and in which group."""
        return {account: name for name, group in self.groups.items() for account in group.legs.values()}

    def protection_of(self, account: AccountId) -> Protection:
        """Return what an account leaves at its venue: what its leg asks for."""
        for group in self.groups.values():
            for leg, player in group.legs.items():
                if player == account:
                    return group.protection.get(leg, Protection())
        return Protection()

    def simulated_venues(self) -> list[str]:
        """Return the venues that the simulator of this file plays."""
        return sorted(name for name, venue in self.venues.items() if venue.simulated)

    def simulator_arguments(self) -> list[str]:
        """Return the command line of `python -m venues.simulator` that serves this file's simulated accounts.

        Raises:
            ValueError: no venue of this file is simulated.
        """
        simulated = self.simulated_venues()
        if not simulated:
            raise ValueError("no venue of these settings is simulated")
        lighter = [
            account.config.model_dump()["account_index"]
            for account in self.accounts.values()
            if account.venue == "lighter" and "lighter" in simulated
        ]
        backpack = [
            name for name, account in self.accounts.items() if account.venue == "backpack" and "backpack" in simulated
        ]
        return (self.simulator or SimulatorSettings()).arguments(lighter, backpack)

    def with_simulator_at(self, urls: Mapping[str, str]) -> "Settings":
        """Return the settings with the simulated venues' addresses filled in: venue → base URL.

        Raises:
            KeyError: a simulated venue has no address in `urls`.
        """
        venues = dict(self.venues)
        for name in self.simulated_venues():
            config = venues[name].config
            located = type(config).model_validate(config.model_dump() | {"base_url": urls[name], "ws_url": ""})
            venues[name] = venues[name].model_copy(update={"config": located})
        return self.model_copy(update={"venues": venues})


def venue_models(venue: str) -> tuple[type[BaseModel], type[BaseModel]]:
    """Return a venue's own models: of the venue, and of an account there. Imports its config and no more.

    Raises:
        KeyError: no such venue.
    """
    if venue not in VENUES:
        raise KeyError(venue)
    module = import_module(f"venues.{venue}.config")
    prefix = venue.capitalize()
    return getattr(module, f"{prefix}VenueConfig"), getattr(module, f"{prefix}AccountConfig")


def secret_references(config: BaseModel) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every reference to a secret in an account's config, with the path to it."""
    yield from _secrets_in((), config.model_dump())


def is_loopback(url: str) -> bool:
    """Say whether an address is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secrets_in(path: tuple[str | int, ...], value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _secrets_in((*path, key), each)
    elif isinstance(value, list | tuple):
        for position, each in enumerate(value):
            yield from _secrets_in((*path, position), each)
    elif path and path[-1] == "secret":
        yield path, str(value)
