"""What passes between the supervisor, a host process and other actors: JSON text and plain values, never a secret."""

from enum import StrEnum
from typing import NewType, Protocol

from pydantic import Field

from actors.actor import AccountPort, GroupPort
from strategies.domain.ids import AccountId
from strategies.domain.model import Value

Place = NewType("Place", str)
"""Where a host process is found; what Ray knows it by. Given to whoever must talk to the actor that lives there."""


class ActorKind(StrEnum):
    """What a host process can become."""

    ACCOUNT = "account"
    GROUP = "group"
    FLATTEN = "flatten"
    """A group's way out: a group actor like any other, with a strategy that closes and does nothing else."""


class HostPhase(StrEnum):
    """How far a host process has come."""

    IDLE = "IDLE"
    """A warm spare: everything imported, nobody's process yet."""
    STARTING = "STARTING"
    """Its actor's `start` runs; calls may already be answered."""
    UP = "UP"
    """`start` has returned."""
    FAILED = "FAILED"
    """The actor cannot go on: only a successor can help."""
    STOPPED = "STOPPED"
    """Told to end, and has."""


class Assignment(Value):
    """Who a host process is to be. Carries references to secrets at most."""

    kind: ActorKind
    name: str = Field(description="the account's or the group's name in the settings")
    epoch: int = Field(gt=0, description="claimed in the journal for this incarnation")
    spec: str = Field(description="JSON of the actor's own spec")
    places: dict[AccountId, Place] = Field(default={}, description="for a group: where its accounts live now")
    settings_hash: str = Field(description="of everything that the actor was told; another hash is another actor")
    build: str = Field(description="of the code that the supervisor runs")
    log_file: str = Field(description="where this actor's log lines go; the same for every incarnation")
    debug: bool = False

    @property
    def identity(self) -> str:
        """Return the incarnation's name: `account/l1@3`."""
        return f"{self.kind}/{self.name}@{self.epoch}"

    @property
    def stream(self) -> str:
        """Return the journal stream that the incarnation owns: `account/l1`."""
        return f"{self.kind}/{self.name}"


class Pulse(Value):
    """A host's sign of life. Given by its control thread, so that it comes while the actor's own loop is busy."""

    pid: int
    node: str = Field(description="host name of the machine")
    phase: HostPhase
    assignment: Assignment | None
    failure: str = Field(default="", description="why the phase is FAILED")
    blameless: bool = Field(default=False, description="it FAILED for want of a disk, which says nothing against it")
    loop_age_s: float = Field(ge=0, description="since the actor's own event loop last turned; large = blocked")


class ReplyKind(StrEnum):
    """How a call ended, as a value: an exception that crosses Ray may not arrive as itself."""

    OK = "ok"
    STALE_SENDER = "stale-sender"
    EXPIRED = "expired"
    """The caller had given up before the call began; nothing was done."""
    NOT_READY = "not-ready"
    """Nobody lives here yet, or somebody else does; nothing was done."""
    FAILED = "failed"
    """The actor raised. It may have done part; every call is safe to repeat."""


class HostsUnavailableError(Exception):
    """What carries the processes cannot be had. The text says what to do about it."""


class Reply(Value):
    """The answer to one call."""

    kind: ReplyKind
    text: str = Field(default="", description="JSON of the result, or what went wrong in words")


class Channel(Protocol):
    """One way to a host process."""

    @property
    def place(self) -> Place:
        """Return where the host is."""

    async def call(self, method: str, argument: str, timeout_s: float) -> Reply:
        """Ask the actor that lives there. `argument` is JSON or a plain word, as `actors.hosting.host` lists.

        Raises:
            ActorUnreachableError: no answer within `timeout_s`, or the process is gone. The call may have been done.
        """


class ManagedAccount(AccountPort, Protocol):
    """An account actor as its supervisor sees it."""

    async def arm(self) -> bool:
        """Let it write; False when it has not looked at its venue yet. Safe to repeat."""

    async def release(self, by: str) -> bool:
        """End a freeze on the word of `by`; False when it has not looked at its venue yet. Safe to repeat."""

    async def disarm(self, reason: str) -> None:
        """Let it write no more. Safe to repeat."""


class ManagedGroup(GroupPort, Protocol):
    """A group actor as its supervisor sees it."""

    async def connect_to(self, account: AccountId, place: Place) -> None:
        """Tell the group where an account of its lives from now on. Safe to repeat."""


class HostLink(Protocol):
    """One host process in the supervisor's hands. Every call may raise `ActorUnreachableError`."""

    @property
    def place(self) -> Place:
        """Return where the host is."""

    @property
    def fallen(self) -> bool:
        """Say whether what carries the process has broken down as a whole: its end is then no fault of its own."""

    @property
    def account(self) -> ManagedAccount:
        """Return the way to the account that lives there."""

    @property
    def group(self) -> ManagedGroup:
        """Return the way to the group that lives there."""

    async def activate(self, assignment: Assignment) -> Pulse:
        """Make the process somebody; returns once it has begun to start. The same assignment twice is one."""

    async def pulse(self) -> Pulse:
        """Ask for a sign of life."""

    async def ended(self) -> str:
        """Wait until the process, or the actor in it, has ended; return what is known of why. Never raises."""

    async def stop(self, timeout_s: float) -> bool:
        """Ask the actor to end in order; say whether it did within `timeout_s`. Never raises."""

    async def destroy(self) -> bool:
        """Kill the process and wait until it is gone; say whether that is certain. Never raises."""


class Hosts(Protocol):
    """Where host processes come from."""

    async def spawn(self, *, warm: bool = False) -> HostLink:
        """Start an idle process; a `warm` one has imported all that any actor may need, at the price of its memory.

        Raises:
            ActorUnreachableError: it did not come up.
        """

    async def ready(self) -> None:
        """Wait until processes can be started."""

    async def discover(self) -> list[HostLink]:
        """Find the processes of this deployment that live already."""

    async def lost(self) -> str:
        """Wait until what carries the processes has broken down as a whole; return what is known of why."""

    async def renew(self) -> None:
        """End what is left of it and have it anew. `spawn` waits meanwhile; every link made before is fallen.

        Raises:
            HostsUnavailableError: not this time; may be asked again.
        """
