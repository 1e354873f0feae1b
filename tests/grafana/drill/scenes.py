"""Which trouble must raise which alerts."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from tests.grafana.drill.stage import CHANNEL, A, B, Stage
from tests.grafana.drill.troubles import (
    busy_journal,
    dead_streams,
    deaf_service,
    dying_group,
    forgetful_bot,
    full_disk,
    held_down,
    killed_raylet,
    limited,
    locked_journal,
    lost_fill,
    mute_venue,
    panic,
    refused_exit,
    skewed_clock,
    somebody_else,
    stopped_supervisor,
    too_many_requests,
    used_up,
    withdrawn_margin,
)

Begin = Callable[[Stage], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Scene:
    """A trouble, and the alerts that it must raise."""

    rules: tuple[str, ...]
    what: str
    begin: Begin
    labels: dict[str, str] = field(default_factory=dict)
    """What the alerts must name, besides the rule."""


GROUP_A, GROUP_B = {"group": A}, {"group": B}
SCENES = (
    Scene(("HedgeSupervisorAbsent",), "SIGSTOP of the supervisor", stopped_supervisor),
    Scene(
        ("HedgeNakedExposure", "HedgeNakedOften", "HedgeLegSkew", "HedgeTargetNotReached"),
        "a leg is liquidated while both venues refuse every order of the group (margin)",
        refused_exit,
        GROUP_A,
    ),
    Scene(
        ("HedgeOrderUnknown",),
        "a leg is liquidated; another leg's account gets 503 for everything and its streams are frozen",
        mute_venue,
        {"account": "l1b"},
    ),
    Scene(
        ("HedgeStreamStale",),
        "a venue closes its streams and takes no new connection",
        dead_streams,
        {"account": "l1b"},
    ),
    Scene(
        ("HedgePositionsDisagree",),
        "a leg is liquidated behind a frozen stream, and the history of fills answers 503",
        lost_fill,
        GROUP_A,
    ),
    Scene(
        ("HedgeHeartbeatGap", "HedgeRestartStorm"),
        "SIGSTOP of an account's process and of each successor",
        held_down,
        {"actor": "account/bp-1"},
    ),
    Scene(("HedgeExposureUnknown",), "the same", held_down, GROUP_A),
    Scene(
        ("HedgeMarginNearLiquidation",),
        "money leaves an account until nine tenths of the rest are needed",
        withdrawn_margin,
        {"account": "l1a"},
    ),
    Scene(
        ("HedgeLimitNear",),
        "money leaves an account until its leverage passes the limit, whose word is `deny`",
        used_up,
        GROUP_A | {"limit": "leverage"},
    ),
    Scene(
        ("HedgeLimitReached",),
        "the same where the word is `pause`; ended by `resume`",
        limited,
        GROUP_B | {"limit": "leverage"},
    ),
    Scene(("HedgeLaneExhausted",), "429 for everything an account asks", too_many_requests, {"account": "bp-1"}),
    Scene(("HedgeClockSkew",), "a venue's clock 2 s ahead", skewed_clock, {"venue": "lighter"}),
    Scene(
        ("HedgeJournalSlow",),
        "the group's journal held for 0.45 s in every 0.75 s",
        busy_journal,
        {"actor": f"group/{A}"},
    ),
    Scene(("HedgeJournalFailing",), "the group's journal held for good", locked_journal, {"actor": f"group/{A}"}),
    Scene(
        ("HedgeNotifierFailing",),
        "the service that carries the notifications answers 503, and a leg is liquidated",
        deaf_service,
        {"channel": CHANNEL},
    ),
    Scene(("HedgeDiskNearlyFull",), "a file that fills the journal's disk to 97 %", full_disk),
    Scene(
        ("HedgeForeignWriter",),
        "a trade that is not ours; ended by `--release`",
        somebody_else,
        {"account": "l2a"},
    ),
    Scene(
        ("HedgeFlattenNotConfirmed", "HedgeGroupParked"),
        "SIGKILL of the group's process until it is given up, its way out refused; ended by `--release`",
        dying_group,
        GROUP_B,
    ),
    Scene(("HedgeOwnerLost",), "`supervisor.py panic`; ended by `--release`", panic, GROUP_B),
    Scene(("HedgeBotsOffline",), "a bot that reports each second falls silent", forgetful_bot),
    Scene(("HedgeRayLost",), "SIGKILL of the raylet", killed_raylet),
)
