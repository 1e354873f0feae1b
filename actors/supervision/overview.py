"""Everything that is known at one moment, as one value: what the metrics, the pages and the table show."""

from collections.abc import Mapping

from pydantic import Field

from actors.actor import AccountStatus, GroupStatus, Liveness
from actors.hosting.protocol import ActorKind, Place
from actors.notify.channel import ChannelHealth
from actors.supervision.hostwatch import HostReport
from actors.supervision.keeper import Keeper
from actors.supervision.supervision import Supervision
from strategies.domain.account import AccountMode
from strategies.domain.ids import AccountId, GroupId, Timestamp
from strategies.domain.model import Value


class ActorRow(Value):
    """What the supervisor knows of one actor."""

    kind: ActorKind
    name: str
    liveness: Liveness
    epoch: int
    pid: int = Field(description="of the latest incarnation; 0 = none yet")
    place: Place | None
    restarts: int
    heard_at: Timestamp | None = Field(description="when it last reported; None = never")
    last_death: str
    gave_up: str = Field(description="why it will not be started again; empty = it will")


class AccountRow(Value):
    """One account."""

    actor: ActorRow
    venue: str
    status: AccountStatus | None = Field(
        description="its last report; of the incarnation before while a new one starts"
    )


class GroupRow(Value):
    """One group."""

    actor: ActorRow
    accounts: tuple[AccountId, ...]
    status: GroupStatus | None = Field(description="as for an account")
    parking: str = Field(description="why the supervisor flattens it for good; empty = it does not")
    trouble: str = Field(description="why it ended badly; empty = it has not")
    over: bool


class Overview(Value):
    """The whole."""

    at: Timestamp
    supervisor_epoch: int
    beat_at: Timestamp
    spares: int
    groups: dict[GroupId, GroupRow]
    accounts: dict[AccountId, AccountRow]
    notices: tuple[str, ...]
    noticed: int = Field(default=0, ge=0, description="how many notices there have been; the last of them are above")
    loop_lag_s: float = Field(default=0.0, description="worst lag of the supervisor's event loop lately, seconds")
    ray_up: bool = True
    ray_losses: int = 0
    host: HostReport | None = Field(default=None, description="the machine, as last looked at; None = not yet")
    channels: tuple[ChannelHealth, ...] = Field(default=(), description="how each channel of notifications stands")
    counters: dict[str, int] = Field(default={}, description="the supervisor's own counts, see actors/metrics.py")

    def not_ready(self) -> tuple[str, ...]:
        """Say, one sentence each, who does not live or may not act yet; empty = everything is ready."""
        actors = [row.actor for row in self.accounts.values()] + [row.actor for row in self.groups.values()]
        absent = tuple(
            f"{actor.kind}/{actor.name} is {actor.liveness}."
            for actor in actors
            if actor.liveness is not Liveness.ALIVE
        )
        unarmed = tuple(
            f"account/{name} is {row.status.mode}: {row.status.reason}."
            for name, row in self.accounts.items()
            if row.actor.liveness is Liveness.ALIVE
            and row.status is not None
            and row.status.mode is not AccountMode.ARMED
        )
        return absent + unarmed


def overview(supervision: Supervision, at: Timestamp, counters: Mapping[str, int] | None = None) -> Overview:
    """Take the picture; `counters` are what the supervisor's process has counted."""
    return Overview(
        at=at,
        supervisor_epoch=supervision.epoch,
        beat_at=supervision.beat_at,
        spares=len(supervision.spares),
        groups={
            name: GroupRow(
                actor=_actor(keeper),
                accounts=keeper.group_wish.accounts,
                status=keeper.status,
                parking=keeper.parking,
                trouble=keeper.trouble,
                over=keeper.over,
            )
            for name, keeper in supervision.groups.items()
        },
        accounts={
            name: AccountRow(actor=_actor(keeper), venue=keeper.venue, status=keeper.status)
            for name, keeper in supervision.accounts.items()
        },
        notices=tuple(supervision.notices),
        noticed=supervision.noticed,
        loop_lag_s=supervision.loop_lag_s,
        ray_up=supervision.ray_up,
        ray_losses=supervision.ray_losses,
        counters=dict(counters or {}),
    )


def _actor(keeper: Keeper) -> ActorRow:
    life = keeper.life
    return ActorRow(
        kind=keeper.wish.kind,
        name=keeper.wish.name,
        liveness=life.liveness,
        epoch=life.epoch,
        pid=life.pid,
        place=life.place,
        restarts=life.restarts,
        heard_at=life.heard_at,
        last_death=life.last_death,
        gave_up=life.gave_up,
    )
