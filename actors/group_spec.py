"""What a group actor is told when it starts, and what of it steers decisions. Plain values that may cross processes."""

from typing import Any

from pydantic import Field
from pydantic_core import to_jsonable_python

from actors.group_entries import DecidedBy
from actors.group_log import SNAPSHOT_EVERY
from strategies.domain.events import OperatorState
from strategies.domain.model import Value
from strategies.machine import GroupSpec
from strategies.risk import GATE


class GroupActorSpec(Value):
    """Everything a group actor needs to live."""

    group: GroupSpec
    strategy: str = Field(description="name in strategies.registry.STRATEGIES")
    params: dict[str, Any] = Field(description="the strategy's own model")
    limits: dict[str, Any] = Field(default={}, description="strategies.risk.Limits")
    journal: str = Field(description="journal URL")
    lock_dir: str = Field(description="folder for the lock that the group's process holds for life")
    operator_state: OperatorState = Field(
        default=OperatorState.RUN, description="counts at the first start, and whenever it changes"
    )
    stream: str | None = Field(
        default=None, description="journal stream, and name as a sender of messages; None = group/<group>"
    )
    needs_no_past: bool = Field(
        default=False,
        description="for a machine that looks before it acts: every life begins anew, with the facts that come from "
        "now on, so that neither a long history nor one that replays otherwise stands between it and what it does",
    )
    snapshot_every: int = Field(
        default=SNAPSHOT_EVERY,
        gt=0,
        description="journal records between two snapshots: a restart folds at most so many",
    )
    debug: bool = False

    @property
    def own_stream(self) -> str:
        """Return the journal stream."""
        return self.stream or f"group/{self.group.group}"


def decided_by(spec: GroupActorSpec) -> DecidedBy:
    """Return what of a spec steers decisions."""
    return DecidedBy(
        strategy=spec.strategy,
        # Through JSON, as a spec that came from another process has been: equal settings compare equal.
        params=to_jsonable_python(spec.params),
        limits=to_jsonable_python(spec.limits),
        legs=spec.group.legs,
        instrument_id=spec.group.instrument_id,
        operator_state=spec.operator_state,
        gate=GATE,
    )
