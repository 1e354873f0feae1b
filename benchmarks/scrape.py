"""What Prometheus waits for at a hundred groups: one GET of /metrics, from the real server, in the same process."""

import time
from decimal import Decimal
from pathlib import Path

import aiohttp

from actors.actor import AccountStatus, GroupStatus, Histogram, Liveness
from actors.hosting.protocol import ActorKind, Place
from actors.meter import BOUNDS_S
from actors.metrics import GROUP_HISTOGRAMS
from actors.metrics_venue import ACCOUNT_HISTOGRAMS
from actors.supervision.overview import AccountRow, ActorRow, GroupRow, Overview
from actors.web.board import RECENT
from actors.web.server import StatusServer
from benchmarks.figures import MS, Row, p50_p99
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, OrderId, Timestamp
from strategies.domain.order import Lane
from strategies.machine import GroupView, LegView, Outcome

GROUPS = 100
LEGS = ("backpack", "lighter1", "lighter2")
_SCRAPES = 30
_NOW = Timestamp(1_700_000_000_000)
_INSTRUMENT = InstrumentId("ETH-PERP")
_STEP = "12:30:01.500 l1 sold 1.25 at 3000.5 (triad-1:3:lighter1:hedge:2) -> buy 1.25 ETH-PERP on l2 at worst 3003.5"
"""A line of a card, of usual length."""
_BYTES_PER_MB = 1_000_000


async def run(_folder: Path) -> list[Row]:
    """Measure the whole answer, and the size of the page."""
    groups, accounts = group_statuses(), account_statuses()
    server = StatusServer("127.0.0.1", 0)
    server.bind()
    await server.serve(lambda: picture(groups, accounts, _NOW))
    samples_ms, cpu_ms, size = [], [], 0
    try:
        async with aiohttp.ClientSession(server.url) as session:
            for _ in range(_SCRAPES):
                started, used = time.perf_counter(), time.process_time()
                async with session.get("/metrics") as answer:
                    page = await answer.read()
                samples_ms.append((time.perf_counter() - started) * MS)
                cpu_ms.append((time.process_time() - used) * MS)
                size = len(page)
    finally:
        await server.close()
    lines = sum(not line.startswith(b"#") for line in page.splitlines())
    remark = f"{lines} samples, {size / _BYTES_PER_MB:.1f} MB; {len(accounts)} accounts, every histogram filled"
    return [
        Row(f"scrape at {GROUPS} groups", p50_p99(samples_ms), "< 200 ms", remark),
        Row("   of it CPU, reading the answer included", p50_p99(cpu_ms), "", "what it takes on a machine of its own"),
    ]


def group_statuses() -> dict[GroupId, GroupStatus]:
    """Return the reports of a hundred groups that hold positions."""
    return {GroupId(f"triad-{n}"): _group_status(n) for n in range(GROUPS)}


def account_statuses() -> dict[AccountId, AccountStatus]:
    """Return the reports of their accounts."""
    return {account: _account_status(account) for n in range(GROUPS) for account in _accounts(n)}


def _accounts(group: int) -> tuple[AccountId, ...]:
    return tuple(AccountId(f"{leg}-{group}") for leg in LEGS)


def picture(groups: dict[GroupId, GroupStatus], accounts: dict[AccountId, AccountStatus], at: Timestamp) -> Overview:
    """Take a picture as the supervisor does: every row is made anew, the reports are as they came."""
    return Overview(
        at=at,
        supervisor_epoch=1,
        beat_at=at,
        spares=1,
        groups={
            name: GroupRow(
                actor=_actor(ActorKind.GROUP, name, at),
                accounts=_accounts(number),
                status=status,
                parking="",
                trouble="",
                over=False,
            )
            for number, (name, status) in enumerate(groups.items())
        },
        accounts={
            name: AccountRow(actor=_actor(ActorKind.ACCOUNT, name, at), venue=status.venue, status=status)
            for name, status in accounts.items()
        },
        notices=(),
    )


def _actor(kind: ActorKind, name: str, at: Timestamp) -> ActorRow:
    return ActorRow(
        kind=kind,
        name=name,
        liveness=Liveness.ALIVE,
        epoch=3,
        pid=1,
        place=Place("host/1"),
        restarts=2,
        heard_at=at,
        last_death="",
        gave_up="",
    )


def _histogram() -> Histogram:
    return Histogram(bounds=BOUNDS_S, counts=tuple(range(len(BOUNDS_S) + 1)), total=12.5)


def _group_status(number: int) -> GroupStatus:
    legs = {
        LegName(leg): LegView(
            account=account, target=Decimal("1.25"), believed=Decimal("1.25"), reported=Decimal("1.25")
        )
        for leg, account in zip(LEGS, _accounts(number), strict=True)
    }
    view = GroupView(
        phase="MONITORING",
        phase_since=_NOW,
        next="watch all legs",
        cycle=3,
        cycles_done=2,
        operator_state=OperatorState.RUN,
        outcome=Outcome.RUNNING,
        mark=Decimal("3000.5"),
        lot=Decimal("0.0001"),
        hedged=True,
        legs=legs,
    )
    return GroupStatus(
        group=GroupId(f"triad-{number}"),
        epoch=3,
        pid=1,
        at=_NOW,
        started_at=_NOW,
        journal_seq=1000,
        view=view,
        naked_since=None,
        naked_seconds=12.5,
        naked_usd_seconds=1250.5,
        timers={},
        recent=(_STEP,) * RECENT,
        counters={"steps": 1000},
        histograms={each.key: _histogram() for each in GROUP_HISTOGRAMS},
        loop_lag_s=0.001,
        memory_bytes=70_000_000,
        cpu_s=12.5,
    )


def _account_status(name: AccountId) -> AccountStatus:
    return AccountStatus(
        account=name,
        venue="lighter",
        epoch=3,
        pid=1,
        mode=AccountMode.ARMED,
        reason="reconciled",
        at=_NOW,
        started_at=_NOW,
        instruments=(_INSTRUMENT,),
        believed={_INSTRUMENT: Decimal("1.25")},
        reported={_INSTRUMENT: Decimal("1.25")},
        reconciled_at=_NOW,
        in_flight=(OrderId("triad:1:leg:entry:1"),),
        unknown={},
        queue_length=dict.fromkeys(Lane, 0),
        stream_ages_s={"order_book": 0.5, "account": 1.5, "orders": 1.5, "trades": 2.5},
        clock_offset_s=0.002,
        budget_left=dict.fromkeys(Lane, 12.0),
        equity=Decimal("10000.25"),
        available=Decimal("5000.25"),
        maintenance_margin=Decimal("100.25"),
        liquidation_price=Decimal("2900.5"),
        balance_at=_NOW,
        liquidating=False,
        unrealized=Decimal("-12.25"),
        funding=Decimal("0.75"),
        realized=Decimal("103.5"),
        fees=Decimal("41.25"),
        counters={"fills": 120},
        histograms={each.key: _histogram() for each in ACCOUNT_HISTOGRAMS},
        loop_lag_s=0.001,
        memory_bytes=80_000_000,
        cpu_s=22.5,
    )
