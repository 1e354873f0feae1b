"""From the decision to the first byte at the venue: one order at a time, loopback, nothing else going on."""

import asyncio
import time
from statistics import mean

from actors.actor import AccountPort, Envelope, Histogram
from actors.supervision.keeper import Keeper
from benchmarks.figures import MS, Row, p50_p99
from benchmarks.group import VolleyGroup, volley_group
from benchmarks.proxy import Proxy, proxy
from benchmarks.stage import BACKPACK, LIGHTER, Stage, account, scene
from strategies.domain.ids import AccountId

ORDERS = 250
"""Enough for a 99th percentile that three outliers make."""
_WARM_UP = 20
"""Orders before the first that counts: connections, caches, the account's first nonce."""
_REST_S = 0.01
"""Pause between two orders, so that what the one before left to do is done."""
_HOPS = 200
"""Empty calls that the Ray hop is measured by."""
_NS_PER_MS = 1_000_000
_APPENDS_BEFORE_FIRST_BYTE = 1
"""The account's own: the message taken and the write's identity share one."""
TARGET = "p50 ≤ 5 ms, p99 ≤ 15 ms"


async def run(on: Stage) -> list[Row]:
    """Measure both venues."""
    rows: list[Row] = []
    async with (
        scene(on, "latency") as plain,
        proxy(plain.addresses.lighter.url) as lighter,
        proxy(plain.addresses.backpack.url) as backpack,
    ):
        here = plain.at(lighter.url, backpack.url)
        for name, way in ((LIGHTER, lighter), (BACKPACK, backpack)):
            async with volley_group(here, name) as group, account(here, name, group.connect) as (keeper, _):
                rows += await _measure(name, group, keeper, way)
    return rows


async def _measure(name: AccountId, group: VolleyGroup, keeper: Keeper, way: Proxy) -> list[Row]:
    if keeper.link is None:
        raise RuntimeError("the account has just been armed, and is gone")
    port = keeper.link.account
    await _orders(group, way, _WARM_UP)
    hop_ms = await _hop_ms(port)
    group_before, account_before = (await group.status()).histograms, (await port.status()).histograms
    samples_ms = await _orders(group, way, ORDERS)
    group_after, account_after = (await group.status()).histograms, (await port.status()).histograms
    shares = {
        "journal of the group": _mean_ms(group_before, group_after, "journal_append"),
        "Ray hop, one way": hop_ms / 2,
        "journal of the account": _APPENDS_BEFORE_FIRST_BYTE
        * _mean_ms(account_before, account_after, "journal_append"),
        "nonce and signature": _mean_ms(account_before, account_after, "sign"),
    }
    whole_ms = mean(samples_ms)
    shares["the rest (wake-ups, JSON, socket)"] = whole_ms - sum(shares.values())
    venue = name.partition("-")[0]
    rows = [Row(f"{venue}: decision to first byte", p50_p99(samples_ms), TARGET)]
    rows += [Row(f"   {what}", f"{ms:.2f} ms", "", f"{ms / whole_ms:.0%} of the mean") for what, ms in shares.items()]
    return rows


async def _orders(group: VolleyGroup, way: Proxy, count: int) -> list[float]:
    samples_ms = []
    for _ in range(count):
        decided_ns = await group.fire(1)
        samples_ms.append((await way.next_order_ns() - decided_ns) / _NS_PER_MS)
        await group.filled(1)
        await asyncio.sleep(_REST_S)
    return samples_ms


async def _hop_ms(port: AccountPort) -> float:
    """Return the mean round trip of a call that takes nothing and therefore writes nothing."""
    empty = Envelope(sender="group/hop", sender_epoch=1, messages=())
    started = time.perf_counter()
    for _ in range(_HOPS):
        await port.submit(empty)
    return (time.perf_counter() - started) / _HOPS * MS


def _mean_ms(before: dict[str, Histogram], after: dict[str, Histogram], name: str) -> float:
    """Return the mean of what an actor's own histogram gained between two reports."""
    old, new = before[name], after[name]
    return (new.total - old.total) / (sum(new.counts) - sum(old.counts)) * MS
