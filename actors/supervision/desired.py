"""What shall live, what lives, and the difference. Pure."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from actors.hosting.protocol import ActorKind, HostPhase, Place, Pulse
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId
from strategies.domain.model import Value


class Wish(Value):
    """One actor that shall live."""

    kind: ActorKind
    name: str
    spec: str = Field(description="JSON of the actor's own spec; references to secrets at most")
    settings_hash: str = Field(description="of everything the actor is told; another hash is another actor")

    @property
    def stream(self) -> str:
        """Return the actor's name among all: its journal stream."""
        return f"{self.kind}/{self.name}"

    @property
    def rivals(self) -> tuple[str, ...]:
        """Return the streams whose owners must not act beside this actor: they are fenced when it starts."""
        return ()


class AccountWish(Wish):
    """An account that shall live."""

    venue: str


class GroupWish(Wish):
    """A group that shall live, with what the settings want of it."""

    accounts: tuple[AccountId, ...]
    operator_state: OperatorState
    flatten_spec: str = Field(description="JSON of the spec of the group's way out")
    flatten_hash: str = Field(description="as `settings_hash`, of the way out")

    @property
    def group(self) -> GroupId:
        """Return the group's id."""
        return GroupId(self.name)

    @property
    def rivals(self) -> tuple[str, ...]:
        """Return the group's other stream: its strategy and its way out never run at once."""
        other = ActorKind.GROUP if self.kind is ActorKind.FLATTEN else ActorKind.FLATTEN
        return (f"{other}/{self.name}",)

    def way_out(self) -> "GroupWish":
        """Return the wish for an actor that gets the group out and does nothing else."""
        return self.model_copy(
            update={"kind": ActorKind.FLATTEN, "spec": self.flatten_spec, "settings_hash": self.flatten_hash}
        )


class Desired(Value):
    """All that shall live."""

    accounts: dict[AccountId, AccountWish]
    groups: dict[GroupId, GroupWish]

    def wishes(self) -> tuple[Wish, ...]:
        """Return every wish, accounts first."""
        return (*self.accounts.values(), *self.groups.values())


class Found(Value):
    """A process of this deployment that lives already."""

    place: Place
    pulse: Pulse | None = Field(description="None = it does not answer")


class Removal(Value):
    """A process that has no place in what shall live."""

    place: Place
    reason: str


class Plan(Value):
    """How to get from what lives to what shall live."""

    adopt: dict[str, Place] = Field(description="stream → the process that goes on as it is")
    remove: tuple[Removal, ...]
    start: tuple[str, ...] = Field(description="streams to start anew")


def plan(desired: Desired, found: Sequence[Found], epochs: Mapping[str, int], build: str) -> Plan:
    """Compare.

    Args:
        desired: what shall live.
        found: what lives.
        epochs: stream → the epoch that the journal knows as the current owner; absent = never claimed.
        build: the version of the code that runs now.
    """
    wishes = {wish.stream: wish for wish in desired.wishes()}
    adopt: dict[str, Place] = {}
    remove: list[Removal] = []
    for each in sorted(found, key=lambda one: one.place):
        reason = _unfit(each, wishes, epochs, build)
        stream = each.pulse.assignment.stream if each.pulse is not None and each.pulse.assignment is not None else ""
        if not reason and stream in adopt:
            reason = f"a second process of {stream}"
        if reason:
            remove.append(Removal(place=each.place, reason=reason))
        else:
            adopt[stream] = each.place
    return Plan(adopt=adopt, remove=tuple(remove), start=tuple(name for name in wishes if name not in adopt))


def _unfit(found: Found, wishes: Mapping[str, Wish], epochs: Mapping[str, int], build: str) -> str:
    """Say why a living process cannot go on; empty = it can."""
    pulse = found.pulse
    if pulse is None:
        return "does not answer"
    assignment = pulse.assignment
    if assignment is None:
        return "an idle process of an earlier supervisor"
    wish = wishes.get(assignment.stream)
    checks = (
        (wish is None, "not in the settings any more"),
        (wish is not None and wish.settings_hash != assignment.settings_hash, "its settings have changed"),
        (assignment.build != build, "it runs another version of the code"),
        (epochs.get(assignment.stream, 0) != assignment.epoch, "its epoch has been overtaken"),
        (pulse.phase not in {HostPhase.STARTING, HostPhase.UP}, f"it is {pulse.phase}"),
    )
    return next((reason for wrong, reason in checks if wrong), "")
