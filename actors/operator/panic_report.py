"""What a panic shows: a line for every change, and a table at the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.table import Table

from actors.clock import wall_now
from actors.group_spec import GroupActorSpec
from strategies.domain.ids import AccountId, GroupId, LegName, Timestamp
from strategies.domain.money import ZERO
from strategies.machine import GroupView, LegView

_MS = 1000
_UNSEEN = "not seen yet"
_UNKNOWN = "?"
"""Shown where no venue has said anything: no answer is not zero."""


@dataclass
class LegLine:
    """One leg, as last seen."""

    group: GroupId
    leg: LegName
    account: AccountId
    words: str = _UNSEEN
    before: Decimal | None = None
    """What the venue stated first, base units; None = nothing."""
    after: Decimal | None = None
    dust: Decimal = ZERO
    flat: bool = False
    seconds: float | None = None
    """From the panic's start to the confirmation."""

    @property
    def name(self) -> str:
        """Return the leg's name for people."""
        return f"{self.group} {self.leg} ({self.account})"


class LegWatch:
    """Notices what changes."""

    def __init__(self, groups: Sequence[GroupActorSpec]) -> None:
        """Begin with nothing seen."""
        self.legs = [
            LegLine(spec.group.group, leg, account) for spec in groups for leg, account in spec.group.legs.items()
        ]
        self._began_at = wall_now()

    def news(self, group: GroupId, view: GroupView) -> Iterator[str]:
        """Take note of what a group shows; yield a line for each leg that has changed."""
        for line in self.legs:
            if line.group != group:
                continue
            leg = view.legs[line.leg]
            words = _words(leg)
            if line.before is None and leg.reported is not None:
                line.before = leg.reported
            line.after = leg.reported
            line.flat = leg.flat_at is not None
            line.dust = leg.believed if leg.dust_usd else ZERO
            line.seconds = None if leg.flat_at is None else self._since_begin(leg.flat_at)
            if words != line.words:
                line.words = words
                yield f"{line.name}: {words}"

    def _since_begin(self, at: Timestamp) -> float:
        return max(0, at - self._began_at) / _MS


def table(legs: Sequence[LegLine]) -> Table:
    """Return the last picture: what each leg held, what it holds, and how long it took."""
    picture = Table(pad_edge=False)
    for heading in ("leg", "before", "after", "dust", "seconds"):
        picture.add_column(heading, justify="left" if heading == "leg" else "right", overflow="fold")
    for leg in legs:
        seconds = "NOT FLAT" if leg.seconds is None else f"{leg.seconds:.1f}"
        picture.add_row(leg.name, _number(leg.before), _number(leg.after), _number(leg.dust), seconds)
    return picture


def _number(value: Decimal | None) -> str:
    return _UNKNOWN if value is None else f"{value.normalize():f}"


def _words(leg: LegView) -> str:
    if leg.flat_at is not None:
        return f"flat, {_number(leg.believed)} of dust left" if leg.dust_usd else "flat"
    if leg.reported is None:
        held = f"believed to hold {_number(leg.believed)}, the venue has not spoken" if leg.believed else _UNSEEN
    else:
        held = f"holds {_number(leg.believed)}" if leg.believed else "waits for its venue to confirm flat"
    orders = f", {len(leg.in_flight)} order(s) under way" if leg.in_flight else ""
    doubt = f", {len(leg.unknown)} of them in doubt" if leg.unknown else ""
    return held + orders + doubt
