"""What a check has found: one line each, with the remedy."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from pydantic import Field

from strategies.domain.model import Value


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It can run so; a person should know."""
    FAIL = "FAIL"
    """It cannot run so, or would lose money."""


class Check(StrEnum):
    """What is looked at; stable words for scripts."""

    SETTINGS = "settings"
    SECRET = "secret"  # noqa: S105 - the name of a check
    OWNER = "owner"
    DISTINCT = "distinct"
    NOTIFICATIONS = "notifications"
    BUDGET = "budget"
    SELF_TRADE = "self-trade"
    LEVERAGE = "leverage"
    LIMITS = "limits"
    ONLINE = "online"
    KEY = "key"
    INSTRUMENT = "instrument"
    CLOCK = "clock"
    ACCOUNT = "account"
    SIZE = "size"


class Result(Value):
    """One finding."""

    level: Level
    check: Check
    where: str = Field(description="what it is about, as the settings file names it")
    said: str
    remedy: str = Field(default="", description="what to do; empty = nothing has to be done")

    def __str__(self) -> str:
        """Say it on one line."""
        text = f"{self.level:<4}  {self.check:<13}  {self.where}: {self.said}"
        return f"{text}; {self.remedy}" if self.remedy else text


class Report(Value):
    """Everything that was found."""

    source: str = Field(description="the settings file")
    online: bool
    ready: bool = Field(description="nothing failed")
    results: tuple[Result, ...]


def report(source: str, results: Iterable[Result], *, online: bool) -> Report:
    """Sum up: the worst first, otherwise in the order of looking."""
    ranked: Sequence[Result] = sorted(results, key=lambda each: -list(Level).index(each.level))
    ready = all(each.level is not Level.FAIL for each in ranked)
    return Report(source=source, online=online, ready=ready, results=tuple(ranked))
