"""A hundred market orders on one account through its queue, the venue 50 ms away, against lighter-sdk's own way.

Neither side's signatures are checked by the simulator: that would cost it 10 ms an order, on the two processors that
both sides are measured on.
"""

import asyncio
import time
from dataclasses import dataclass
from statistics import median

from actors.actor import AccountPort, Envelope
from actors.clock import wall_now
from actors.group_log import GroupLog
from actors.meter import Meter
from benchmarks.figures import MS, Row
from benchmarks.group import VolleyGroup, VolleyMachine, volley_event, volley_group, volley_spec
from benchmarks.peers import sdk_orders
from benchmarks.stage import LIGHTER, PATIENCE_S, Scene, Stage, account, scene
from conf.simulator import KEY_INDEX
from strategies.domain.events import OrderAccepted, OrderClosed
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
_FACTS_WAIT_S = 5.0
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Volley:
    """Seconds from the decision until the account has published the last answer, and the last order's end."""

    answered_s: float
    filled_s: float


async def run(on: Stage) -> list[Row]:
    """Measure both in the same run against the same venue."""
    async with scene(on, "throughput", latency_ms=ROUND_TRIP_MS, simulator_options=("--no-verify",)) as here:
        distance_ms = await _round_trip_ms(here.addresses.lighter.url)
        async with volley_group(here, LIGHTER) as group, account(here, LIGHTER, group.connect) as (keeper, _):
            if keeper.link is None:
                raise RuntimeError("the account has just been armed, and is gone")
            wholes = [await _through_group(group) for _ in range(ROUNDS)]
        async with account(here, LIGHTER, _nobody_to_tell) as (keeper, _):
            if keeper.link is None:
                raise RuntimeError("the account has just been armed, and is gone")
            volleys = await _volleys(here, keeper.link.account)
        sdk_s = sum(await _sdk(here))
    answered_s = median(volley.answered_s for volley in volleys)
    best_s = min(volley.answered_s for volley in volleys)
    ours, theirs = ORDERS / answered_s, ORDERS / sdk_s
    return [
        Row("venue round trip (median of a read)", f"{distance_ms:.1f} ms", f"{ROUND_TRIP_MS} ms"),
        Row(
            f"ours, decision to the {ORDERS}th answer",
            f"{ours:.0f} orders/s",
            "",
            f"{answered_s * MS:.0f} ms; best of {ROUNDS}: {best_s * MS:.0f} ms",
        ),
        Row(
            f"ours, decision to the {ORDERS}th fill",
            f"{ORDERS / median(volley.filled_s for volley in volleys):.0f} orders/s",
        ),
        Row(
            f"ours, until a group has decided upon the {ORDERS}th fill",
            f"{ORDERS / median(wholes):.0f} orders/s",
            "",
            f"{4 * ORDERS} facts, each a step with a sync of its own",
        ),
        Row("lighter-sdk, nonce from the API", f"{theirs:.2f} orders/s", "", f"{sdk_s * MS:.0f} ms"),
        Row("ours against theirs", f"{ours / theirs:.1f} times", "≥ 20 times"),
    ]


async def _volleys(here: Scene, port: AccountPort) -> list[Volley]:
    """Decide, journal and submit as a group does, and read the account's facts as they are published."""
    spec = volley_spec(LIGHTER, "queue")
    stream = f"group/{spec.group}"
    epoch = await here.store.claim(stream, "benchmark")
    log = GroupLog(await here.store.open(stream, epoch), Meter())
    machine = VolleyMachine(spec)
    state = machine.start()
    # All that has been said before is of no interest.
    cursor = 0
    while facts := (await port.facts(cursor, 0)).facts:
        cursor = facts[-1].seq
    volleys = []
    for count in (_WARM_UP, *[ORDERS] * ROUNDS):
        event = volley_event(count, wall_now())
        step = machine.step(state, event)
        state = step.state
        await log.write(event, step.commands, None, machine.code_version)
        envelope = Envelope(sender=stream, sender_epoch=epoch, messages=log.outbox(LIGHTER))
        log.taken(LIGHTER, (await port.submit(envelope)).taken)
        answered_ns, filled_ns, cursor = await _read(port, cursor, count)
        volleys.append(
            Volley((answered_ns - machine.decided_ns) / _NS_PER_S, (filled_ns - machine.decided_ns) / _NS_PER_S)
        )
        await asyncio.sleep(_REST_S)
    await log.close()
    return volleys[1:]


async def _read(port: AccountPort, cursor: int, count: int) -> tuple[int, int, int]:
    """Return when the last order was answered and when it ended (monotonic ns), and the new cursor."""
    answered = filled = answered_ns = 0
    async with asyncio.timeout(PATIENCE_S):
        while filled < count:
            for fact in (await port.facts(cursor, _FACTS_WAIT_S)).facts:
                cursor = fact.seq
                if isinstance(fact.event, OrderAccepted):
                    answered += 1
                    answered_ns = time.monotonic_ns()
                filled += isinstance(fact.event, OrderClosed)
    if answered != count:
        raise RuntimeError(f"{count} orders were sent and {answered} answered")
    return answered_ns, time.monotonic_ns(), cursor


async def _through_group(group: VolleyGroup) -> float:
    decided_ns = await group.fire(ORDERS)
    seconds = (await group.filled(ORDERS) - decided_ns) / _NS_PER_S
    await asyncio.sleep(_REST_S)
    return seconds


async def _nobody_to_tell(_keeper: object) -> None:
    return None


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
