"""What the supervisor itself can be told."""

from enum import StrEnum

from pydantic import Field

from actors.restart import RestartPolicy
from strategies.domain.model import Value
from venues.secrets import SecretRef


class OnInterrupt(StrEnum):
    """What Ctrl-C and SIGTERM do."""

    UNWIND = "unwind"
    """Flatten every group, wait until the venues confirm it, then end."""
    KEEP = "keep"
    """End and leave every position where it is."""


class SupervisorConfig(Value):
    """Section `[supervisor]`."""

    host: str = Field(
        default="127.0.0.1",
        description="address of everything served; loopback, because reading asks for no token",
    )
    port: int = Field(default=9464, ge=0, le=65535, description="port of the same; 0 = any free one (it is printed)")
    names: tuple[str, ...] = Field(
        default=(),
        description="host names that the pages are reached by besides localhost and IP addresses; another is refused",
    )
    token: SecretRef | None = Field(
        default=None,
        description="what opens everything that writes, env:NAME or file:PATH; absent = the supervisor makes one and "
        "keeps it in operator.token in state_dir, readable by its own user only",
    )
    tokens: dict[str, SecretRef] = Field(
        default={},
        description="further tokens, by the name that a group's journal signs their presses with; one a person",
    )
    on_interrupt: OnInterrupt = Field(
        default=OnInterrupt.KEEP,
        description="what Ctrl-C and SIGTERM do: `unwind` flattens every group first, `keep` leaves positions open "
        "and takes back resting orders that could open more: nobody would watch them",
    )
    unwind_timeout_s: float = Field(
        default=120.0,
        gt=0,
        description="longest wait for an unwind to be confirmed, seconds; what is still open then is named",
    )
    stop_timeout_s: float = Field(
        default=10.0,
        gt=0,
        description="longest wait for one actor to end in order before its process is killed, seconds",
    )
    spares: int = Field(
        default=1,
        ge=0,
        le=8,
        description="warm processes that wait for a dead actor's place; each costs about 60 MB and saves half a second",
    )
    accounts: RestartPolicy = Field(default=RestartPolicy(), description="when a dead account actor comes back")
    groups: RestartPolicy = Field(default=RestartPolicy(), description="when a dead group actor comes back")
