"""One picture of a small deployment, for everything that shows pictures."""

from decimal import Decimal

from actors.actor import Histogram, Liveness
from actors.hosting.protocol import ActorKind, Place
from actors.supervision.overview import AccountRow, ActorRow, GroupRow, Overview
from strategies.domain.ids import AccountId, GroupId, OrderId, Timestamp
from strategies.domain.order import Lane
from tests.actors.supervision.local import account_status, group_status

NOW = Timestamp(1_060_000)
"""A minute after everything in `local` happened."""
G, A, B = GroupId("g"), AccountId("a"), AccountId("b")


def actor(kind: ActorKind, name: str, **changes) -> ActorRow:
    """Return a living actor."""
    fields = {
        "kind": kind,
        "name": name,
        "liveness": Liveness.ALIVE,
        "epoch": 2,
        "pid": 7,
        "place": Place("host/x"),
        "restarts": 1,
        "heard_at": NOW,
        "last_death": "",
        "gave_up": "",
    }
    return ActorRow(**(fields | changes))


def group_row(held: str = "1.50", status=None, **changes) -> GroupRow:
    """Return a group that holds `held` on one leg and the opposite on the other."""
    fields = {
        "actor": actor(ActorKind.GROUP, G),
        "accounts": (A, B),
        "status": status or group_status(G, 2, held=Decimal(held)),
        "parking": "",
        "trouble": "",
        "over": False,
    }
    return GroupRow(**(fields | changes))


def scene(**changes) -> Overview:
    """Return one group over two accounts, the second of which has never reported."""
    status = account_status(
        A,
        2,
        unknown={OrderId("g:1:long:entry:1"): Timestamp(999_000)},
        queue_length={Lane.EXIT: 0, Lane.ENTRY: 3},
        stream_ages_s={"book": 0.5, "orders": 4.5},
        equity=Decimal("10000.25"),
        counters={"fills": 5},
        histograms={"sign": Histogram(bounds=(0.1, 1.0), counts=(2, 1, 1), total=9.5)},
    )
    fields = {
        "at": NOW,
        "supervisor_epoch": 4,
        "beat_at": NOW,
        "spares": 1,
        "groups": {G: group_row()},
        "accounts": {
            A: AccountRow(actor=actor(ActorKind.ACCOUNT, A), venue="lighter", status=status),
            B: AccountRow(
                actor=actor(ActorKind.ACCOUNT, B, liveness=Liveness.DEAD, heard_at=None), venue="backpack", status=None
            ),
        },
        "notices": (),
    }
    return Overview(**(fields | changes))
