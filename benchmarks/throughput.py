"""A hundred market orders on one account through its queue, the venue 50 ms away, against lighter-sdk's own way."""

import asyncio
import time
from statistics import median

from benchmarks.figures import MS, Row
from benchmarks.group import VolleyGroup, volley_group
from benchmarks.peers import sdk_orders
from benchmarks.stage import LIGHTER, PATIENCE_S, Scene, Stage, account, scene
from conf.simulator import KEY_INDEX
from venues.http import HttpClient

ORDERS = 100
ROUNDS = 5
"""Volleys of ours; the median counts. One takes half a second."""
ROUND_TRIP_MS = 50
_SDK_ACCOUNT = 2
"""The second Lighter account: ours is not disturbed by foreign orders."""
_WARM_UP = 10
_LOOKS = 20
_ANSWER_BYTES = 1_000_000
_REST_S = 0.5
"""Pause between volleys, so that the venue has nothing left to say of the one before."""
_NS_PER_S = 1_000_000_000


async def run(on: Stage) -> list[Row]:
    """Measure both in the same run against the same venue. Neither side's signatures are checked: that costs the
    simulator 10 ms of CPU an order, which no real venue takes from our machine.
    """
    async with scene(on, "throughput", latency_ms=ROUND_TRIP_MS, simulator_options=("--no-verify",)) as here:
        distance_ms = await _round_trip_ms(here.addresses.lighter.url)
        async with volley_group(here, LIGHTER) as group, account(here, LIGHTER, group.connect):
            await _volley(group, _WARM_UP)
            volleys = [await _volley(group, ORDERS) for _ in range(ROUNDS)]
        sdk_s = sum(await _sdk(here))
    answered_s = median(answered for answered, _ in volleys)
    filled_s = median(filled for _, filled in volleys)
    ours, theirs = ORDERS / answered_s, ORDERS / sdk_s
    best = ORDERS / min(answered for answered, _ in volleys)
    return [
        Row("venue round trip (median of a read)", f"{distance_ms:.1f} ms", f"{ROUND_TRIP_MS} ms"),
        Row(
            f"ours, decision to the {ORDERS}th answer",
            f"{ours:.0f} orders/s",
            "",
            f"{answered_s * MS:.0f} ms; best of {ROUNDS}: {best:.0f}/s",
        ),
        Row(f"ours, decision to the {ORDERS}th fill known", f"{ORDERS / filled_s:.0f} orders/s"),
        Row("lighter-sdk, nonce from the API", f"{theirs:.2f} orders/s", "", f"{sdk_s * MS:.0f} ms"),
        Row("ours against theirs", f"{ours / theirs:.1f} times", "≥ 20 times"),
    ]


async def _volley(group: VolleyGroup, orders: int) -> tuple[float, float]:
    """Return seconds from the decision to the last answer, and to the last order's end, as the group learns them."""
    decided_ns = await group.fire(orders)
    filled_ns = await group.filled(orders)
    await asyncio.sleep(_REST_S)
    return (max(group.machine.accepted_ns) - decided_ns) / _NS_PER_S, (filled_ns - decided_ns) / _NS_PER_S


async def _sdk(here: Scene) -> list[float]:
    key_file = here.settings.general.state_dir / "keys" / f"lighter-{_SDK_ACCOUNT}.key"
    return await sdk_orders(here.addresses.lighter.url, key_file, _SDK_ACCOUNT, ORDERS)


async def _round_trip_ms(url: str) -> float:
    http = HttpClient(url, timeout_s=PATIENCE_S, max_answer_bytes=_ANSWER_BYTES, connections=1)
    query = [("account_index", str(_SDK_ACCOUNT)), ("api_key_index", str(KEY_INDEX))]
    took = []
    try:
        for _ in range(_LOOKS):
            started = time.perf_counter()
            await http.read("GET", "/api/v1/nextNonce", query=query)
            took.append((time.perf_counter() - started) * MS)
    finally:
        await http.close()
    return median(took)
