"""From what was written to settings: every section through its own model, every mistake into the findings."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from conf.finding import Finding, Path, dotted, shown
from conf.schema import (
    SIMULATOR_URL,
    AccountSettings,
    GroupSettings,
    Settings,
    VenueSettings,
    venue_models,
)
from conf.shape import Misfit, field_description, misfits, unknown_key
from conf.sources import Written
from strategies.domain.ids import AccountId, GroupId
from strategies.domain.model import Value
from strategies.plugins import BROKEN
from strategies.registry import STRATEGIES
from venues.registry import VENUES

M = TypeVar("M", bound=BaseModel)

PLAIN_SECTIONS = ("general", "supervisor", "notifications", "telemetry", "simulator", "tuning")
_SECTIONS = ("live", *PLAIN_SECTIONS, "venues", "accounts", "groups")
_PLACEHOLDER_URL = "http://127.0.0.1"
"""Stands for the simulator's address until the simulator has told it."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""A name becomes part of files, order ids and metrics, so it is plain and at most 63 characters long."""


class Assembly:
    """Settings in the making. `settings` holds what is sound; `findings` says what is not."""

    def __init__(self, written: Written, directory: FilePath) -> None:
        """Assemble. Relative paths count from `directory` and become absolute: workers may run somewhere else."""
        self.findings: list[Finding] = list(written.findings)
        self.broken_params: set[GroupId] = set()
        self.broken_sections: set[str] = set()
        self._written = written
        self._directory = directory
        self.accounts_written = frozenset(self._table("accounts"))
        self.settings = self._assemble()

    def report(self, path: Path, problem: str, remedy: str, *, known: bool = True) -> None:
        """Add a finding about the value at `path`."""
        source = self._written.source_of(path)
        value = shown(path, self._written.value_at(path), known=known)
        self.findings.append(Finding(source, dotted(path), value, problem, remedy))

    def _assemble(self) -> Settings:
        parts: dict[str, Any] = {"source": self._written.file}
        for key in self._written.tree:
            if key not in _SECTIONS:
                self._misfit(unknown_key((key,), dict.fromkeys(_SECTIONS)))
        live = self._written.tree.get("live", False)
        if isinstance(live, bool):
            parts["live"] = live
        else:
            self.report(("live",), "must be true or false", "write live = true only if the venues are real")
        for name in PLAIN_SECTIONS:
            if name not in self._written.tree:
                continue
            section = self._plain_section(name)
            if section is None:
                self.broken_sections.add(name)
            else:
                parts[name] = section
        parts["accounts"] = self._accounts()
        parts["venues"] = self._venues({account.venue for account in parts["accounts"].values()})
        parts["groups"] = self._groups()
        return _absolute(Settings(**parts), self._directory)

    def _plain_section(self, name: str) -> BaseModel | None:
        raw = self._located(self._written.tree[name])
        if isinstance(raw, dict):
            return self._section(section_model(name), (name,), raw)
        self.report((name,), "must be a table", f"write [{name}] and its keys below it")
        return None

    def _venues(self, used: Iterable[str]) -> dict[str, VenueSettings]:
        found = {}
        for name, raw in self._tables("venues"):
            if name not in VENUES:
                self._misfit(unknown_key(("venues", name), dict.fromkeys(VENUES)))
                continue
            simulated = raw.get("base_url") == SIMULATOR_URL
            if simulated and "ws_url" in raw:
                self.report(
                    ("venues", name, "ws_url"), "the simulator's own address is used", "remove it beside base_url"
                )
            changed = {"base_url": _PLACEHOLDER_URL, "ws_url": ""} if simulated else {}
            config = self._section(venue_models(name)[0], ("venues", name), {**raw, **changed})
            if config is not None:
                found[name] = VenueSettings(simulated=simulated, config=config)
        written = self._table("venues")
        for name in used:
            if name not in written:  # its defaults are the real venue
                found[name] = VenueSettings(simulated=False, config=venue_models(name)[0]())
        return found

    def _accounts(self) -> dict[AccountId, AccountSettings]:
        found = {}
        for name, raw in self._tables("accounts"):
            path: Path = ("accounts", name)
            venue = raw.get("venue")
            self._check_name(path)
            if venue is None:
                self.report((*path, "venue"), "is missing", f"add it: one of {', '.join(VENUES)}")
            elif venue not in VENUES:
                remedy = unknown_key((str(venue),), dict.fromkeys(VENUES)).remedy
                self.report((*path, "venue"), "no such venue", remedy)
            else:
                own = {key: self._located(value) for key, value in raw.items() if key != "venue"}
                config = self._section(venue_models(venue)[1], path, own)
                if config is not None:
                    found[AccountId(name)] = AccountSettings(venue=venue, config=config)
        return found

    def _groups(self) -> dict[GroupId, GroupSettings]:
        found = {}
        for name, raw in self._tables("groups"):
            path: Path = ("groups", name)
            self._check_name(path)
            params = self._params(GroupId(name), raw)
            envelope = {key: value for key, value in raw.items() if key != "params"}
            group = self._section(GroupSettings, path, envelope, {"params": params})
            if group is not None:
                found[GroupId(name)] = group
        return found

    def _params(self, group: GroupId, raw: Mapping[str, Any]) -> Value:
        path: Path = ("groups", group, "params")
        strategy = STRATEGIES.get(str(raw.get("strategy")))
        written = raw.get("params", {})
        params: Value | None = None
        if strategy is None and "strategy" in raw:
            broken = BROKEN.get(str(raw["strategy"]), "")
            remedy = unknown_key((str(raw["strategy"]),), STRATEGIES).remedy
            remedy = "repair that package" if broken else remedy
            self.report(("groups", group, "strategy"), broken or "no such strategy", remedy)
        elif strategy is not None and not isinstance(written, dict):
            self.report(path, "must be a table", f"write [{dotted(path)}] and the parameters below it")
        elif strategy is not None:
            params = self._section(strategy.params_model, path, written)
        if params is None:
            self.broken_params.add(group)
        return params or Value()

    def _section(
        self, model: type[M], path: Path, raw: Mapping[str, Any], made: Mapping[str, Any] | None = None
    ) -> M | None:
        """Return `raw` and what is `made` already as a model, or None with every mistake reported once."""
        wrong = list(misfits(model, raw, path))
        for misfit in wrong:
            self._misfit(misfit)
        try:
            section = model.model_validate({**raw, **(made or {})})
        except ValidationError as error:
            self._invalid_parts(model, path, error, {misfit.path for misfit in wrong})
            return None
        return None if wrong else section

    def _invalid_parts(self, model: type[BaseModel], path: Path, error: ValidationError, told: set[Path]) -> None:
        """Report what pydantic found, each mistake once: what lies below or above one that is told follows from it."""
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        places = [(*path, *(part for part in each["loc"] if part != "[key]")) for each in errors]
        for place, each in zip(places, errors, strict=True):
            below = any(place[: len(one)] == one for one in told)
            above = any(one[: len(place)] == place and one != place for one in (*told, *places))
            if not below and not above:
                self._invalid(model, path, place[len(path) :], each["type"], each["msg"])

    def _invalid(self, model: type[BaseModel], path: Path, where: Path, kind: str, message: str) -> None:
        description = field_description(model, where)
        if kind == "missing":
            self.report((*path, *where), "is missing", f"add it: {description}")
            return
        problem = message.removeprefix("Value error, ").replace("Input should be", "must be")
        if problem[1:2].islower():  # not an acronym
            problem = problem[0].lower() + problem[1:]
        self.report((*path, *where), problem, description)

    def _misfit(self, misfit: Misfit) -> None:
        self.report(misfit.path, misfit.problem, misfit.remedy, known=misfit.known)

    def _check_name(self, path: Path) -> None:
        if not NAME.fullmatch(str(path[-1])):
            self.report(path, "not a name", "use up to 63 letters, digits, - and _, the first a letter or a digit")

    def _table(self, name: str) -> Mapping[str, Any]:
        found = self._written.tree.get(name, {})
        return found if isinstance(found, dict) else {}

    def _tables(self, name: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the named tables below a section; report what is none."""
        section = self._written.tree.get(name, {})
        if not isinstance(section, dict):
            self.report((name,), "must be a table", f"write [{name}.NAME] for each")
            return []
        found: list[tuple[str, Mapping[str, Any]]] = []
        for key, raw in section.items():
            if isinstance(raw, dict):
                found.append((key, raw))
            else:
                self.report((name, key), "must be a table", f"write [{name}.{key}]", known=False)
        return found

    def _located(self, value: Any) -> Any:
        """Make the files that secrets are read from absolute."""
        if isinstance(value, dict):
            return {key: self._located(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._located(each) for each in value]
        if isinstance(value, str) and value.startswith("file:") and not value.startswith(("file:~", "file:/")):
            return f"file:{self._directory / value.removeprefix('file:')}" if value != "file:" else value
        return value


def section_model(name: str) -> type[BaseModel]:
    """Return the model of a plain section of the settings."""
    annotation = Settings.model_fields[name].annotation
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))


def _absolute(settings: Settings, directory: FilePath) -> Settings:
    general = settings.general
    url = general.journal_url
    state_dir = directory / general.state_dir.expanduser()
    journal = directory / FilePath(url.removeprefix("sqlite:")).expanduser()
    changes: dict[str, Any] = {
        "general": general.model_copy(update={"state_dir": state_dir, "journal": f"sqlite:{journal}"})
    }
    if settings.simulator is not None:
        names = ("tape", "keys_dir", "state_file")
        files = {name: getattr(settings.simulator, name) for name in names}
        located = {name: directory / file.expanduser() for name, file in files.items() if file is not None}
        changes["simulator"] = settings.simulator.model_copy(update=located)
    return settings.model_copy(update=changes)
