"""The request budget: never too much in any window, and the way out always free."""

import asyncio

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.domain.order import Lane
from venues.errors import RateLimited
from venues.rate_limit import EXIT_OVERDRAFT_S, EXIT_PACE_S, LaneBudget, named_wait_s

LIMIT = 20
WINDOW_S = 10.0
RESERVES = {Lane.EXIT: 4, Lane.HEDGE: 3, Lane.ENTRY: 2}
TIME_SLIP = 1e-6

Demand = list[tuple[float, Lane, int]]
demands = st.lists(
    st.tuples(st.floats(0, 40, allow_nan=False), st.sampled_from(list(Lane)), st.integers(1, 4)), max_size=60
)


def budget() -> LaneBudget:
    """Return the budget that these tests speak of."""
    return LaneBudget(LIMIT, WINDOW_S, reserves=RESERVES)


async def _run(demand: Demand) -> list[tuple[float, Lane, int, float]]:
    """Ask for everything at its time; return when each was granted and how long it waited."""
    lanes, granted = budget(), []
    loop = asyncio.get_running_loop()

    async def one(at: float, lane: Lane, weight: int) -> None:
        await asyncio.sleep(at)
        asked_at = loop.time()
        await lanes.acquire(lane, weight)
        granted.append((loop.time(), lane, weight, loop.time() - asked_at))

    await asyncio.gather(*(one(*each) for each in demand))
    return granted


def _in_virtual_time(demand: Demand) -> list[tuple[float, Lane, int, float]]:
    loop = looptime.new_event_loop(start=0)
    try:
        return loop.run_until_complete(_run(demand))
    finally:
        loop.close()


@settings(max_examples=60, deadline=None)
@given(demands)
def test_no_window_ever_holds_more_than_the_limit(demand: Demand):
    """Whatever is asked for, no window is granted more than the limit, and everything is granted in the end.

    Only an exit may overdraw, once in `EXIT_OVERDRAFT_S`.
    """
    granted = _in_virtual_time(demand)
    assert len(granted) == len(demand)
    for start, *_ in granted:
        inside = [(lane, weight) for at, lane, weight, _ in granted if start <= at < start + WINDOW_S - TIME_SLIP]
        overdrawn = (WINDOW_S / EXIT_OVERDRAFT_S + 1) * max(weight for _, weight in inside)
        assert sum(weight for _, weight in inside) <= LIMIT + overdrawn
        assert sum(weight for lane, weight in inside if lane is not Lane.EXIT) <= LIMIT - RESERVES[Lane.EXIT]


@settings(max_examples=60, deadline=None)
@given(demands)
def test_exits_within_their_reserve_never_wait(demand: Demand):
    """As long as exits alone stay within their reserve in a window, none of them waits, whatever else is asked."""
    exits, kept = 0, []
    for at, lane, weight in demand:
        if lane is Lane.EXIT:
            exits += weight
            if exits > RESERVES[Lane.EXIT]:
                continue
        kept.append((at, lane, weight))
    assert all(waited == 0 for _, lane, _, waited in _in_virtual_time(kept) if lane is Lane.EXIT)


@pytest.mark.parametrize(("lane", "most"), [(Lane.EXIT, 20), (Lane.HEDGE, 16), (Lane.ENTRY, 13), (Lane.READ, 11)])
async def test_a_lane_keeps_out_of_the_reserves_of_more_urgent_ones(lane: Lane, most: int):
    """Alone, a lane gets the limit less the reserves of all lanes before it."""
    lanes = budget()
    assert lanes.left()[lane] == most
    assert [lanes.try_acquire(lane) for _ in range(LIMIT + 1)].count(True) == most
    assert lanes.left()[lane] == 0


@pytest.mark.looptime
async def test_the_most_urgent_waiter_goes_first():
    """When the window frees, those who wait go by urgency, then by arrival."""
    lanes, order = LaneBudget(1, 1.0, reserves={}), []
    assert lanes.try_acquire(Lane.READ)

    async def one(lane: Lane) -> None:
        await lanes.acquire(lane)
        order.append(lane)

    asked = [Lane.READ, Lane.ENTRY, Lane.READ, Lane.EXIT, Lane.HEDGE]
    await asyncio.gather(*(one(lane) for lane in asked))
    assert order == [Lane.EXIT, Lane.HEDGE, Lane.ENTRY, Lane.READ, Lane.READ]


@pytest.mark.looptime
async def test_a_lighter_request_does_not_pass_a_more_urgent_one():
    """A heavy hedge that waits is not overtaken by a light read that would fit."""
    lanes = LaneBudget(4, 10.0, reserves={})
    lanes.try_acquire(Lane.READ, 2)
    heavy = asyncio.ensure_future(lanes.acquire(Lane.HEDGE, 3))
    await asyncio.sleep(1)
    assert not lanes.try_acquire(Lane.READ, 1)
    await heavy
    assert 10 <= asyncio.get_running_loop().time() < 10.1


@pytest.mark.looptime
async def test_a_penalty_stops_every_lane_but_exits_and_ends():
    """After a 429 nobody but exits sends until the wait is over, and a waiter goes on by itself."""
    lanes, loop = budget(), asyncio.get_running_loop()
    lanes.penalise(3)
    assert set(lanes.left().values()) == {0}
    assert not lanes.try_acquire(Lane.HEDGE)
    await lanes.acquire(Lane.HEDGE)
    assert 3 <= loop.time() < 3.1


@pytest.mark.looptime
async def test_exits_keep_a_pace_of_their_own_through_a_penalty():
    """An exit may try once a second however long the venue wants us gone: it is neither shut out nor let loose."""
    lanes, loop = budget(), asyncio.get_running_loop()
    lanes.penalise(60)
    times = []
    for _ in range(3):
        await lanes.acquire(Lane.EXIT)
        times.append(loop.time())
    assert times == [pytest.approx(moment, abs=0.1) for moment in (EXIT_PACE_S, 2 * EXIT_PACE_S, 3 * EXIT_PACE_S)]
    await asyncio.sleep(EXIT_PACE_S)
    assert lanes.left() == {Lane.EXIT: 1.0, Lane.HEDGE: 0.0, Lane.ENTRY: 0.0, Lane.READ: 0.0}


@pytest.mark.looptime
async def test_a_penalty_beyond_reason_is_cut():
    """A wait that no venue means seriously closes no lane for longer than a minute."""
    lanes, loop = budget(), asyncio.get_running_loop()
    lanes.penalise(86_400)
    await lanes.acquire(Lane.READ)
    assert loop.time() < 61


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("7", 7.0), ("86400", 60.0), ("9" * 5_000, 60.0), ("", 2.0), ("-5", 2.0), ("²", 2.0), ("Wed, 21 Oct 2026", 2.0)],
)
def test_a_wait_that_a_header_names_is_bounded(header: str, wait_s: float):
    """Whatever stands in Retry-After, the wait is a number between nothing and a minute."""
    assert named_wait_s(header, 2.0) == wait_s


@pytest.mark.looptime
async def test_a_write_that_finds_no_room_does_not_stand_before_an_exit():
    """Only an exit waits for its budget; every other write is told at once and takes nothing."""
    lanes, loop = budget(), asyncio.get_running_loop()
    lanes.try_acquire(Lane.EXIT, LIMIT)
    with pytest.raises(RateLimited):
        await lanes.acquire_write(Lane.ENTRY)
    assert loop.time() == 0
    await lanes.acquire_write(Lane.EXIT)
    assert EXIT_OVERDRAFT_S <= loop.time() < WINDOW_S


@pytest.mark.looptime
async def test_a_spent_budget_lets_an_exit_through_now_and_then():
    """What we have counted is not what the venue has: one exit in five seconds tries, and nobody else."""
    lanes, loop = LaneBudget(LIMIT, 60.0, reserves=RESERVES), asyncio.get_running_loop()
    lanes.try_acquire(Lane.EXIT, LIMIT)
    assert set(lanes.left().values()) == {0}
    times = []
    for _ in range(3):
        await lanes.acquire(Lane.EXIT)
        times.append(loop.time())
    assert times == [pytest.approx(moment, abs=0.1) for moment in (5, 10, 15)]
    with pytest.raises(RateLimited):
        await lanes.acquire_write(Lane.HEDGE)


@pytest.mark.looptime
async def test_a_waiter_that_gives_up_holds_nobody_up():
    """A cancelled waiter leaves its place, and those behind it go on."""
    lanes = LaneBudget(2, 5.0, reserves={})
    lanes.try_acquire(Lane.READ, 2)
    first = asyncio.ensure_future(lanes.acquire(Lane.EXIT, 2))
    second = asyncio.ensure_future(lanes.acquire(Lane.READ, 1))
    await asyncio.sleep(1)
    first.cancel()
    await second
    assert asyncio.get_running_loop().time() < 5.1


async def test_what_can_never_be_granted_is_refused_at_once():
    """More than a lane may ever have is an error of the caller, not a wait without end."""
    with pytest.raises(ValueError, match="READ can never send"):
        await budget().acquire(Lane.READ, 12)


def test_reserves_must_leave_something():
    """Reserves that leave the last lane nothing are a mistake in the settings."""
    with pytest.raises(ValueError, match="leave nothing"):
        LaneBudget(10, 1.0, reserves={Lane.EXIT: 5, Lane.HEDGE: 5})
