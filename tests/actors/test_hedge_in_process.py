"""The liquidation hedge over real actors: whole cycles, faults at each leg, deaths; the exchange judges."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from strategies.domain.events import OperatorState
from strategies.liquidation_hedge.invariants import Violation
from strategies.machine import Outcome
from strategies.registry import STRATEGIES
from tests.actors.triad import START, VENUE_OF, Triad
from venues.simulator.faults import FaultKind

FAULTS = {
    "lost answer": (FaultKind.LOSE_ANSWER, "order", {}),
    "late fill": (FaultKind.DELAY_EVENTS, "stream:fills", {"delay_ms": 600}),
    "partial fill": (FaultKind.PARTIAL_FILL, "order", {"fraction": Decimal("0.4")}),
    "HTTP 500 on positions": (FaultKind.STATUS_BEFORE, "position", {"status": 500, "count": 3}),
    "answer after execution is 5xx": (FaultKind.STATUS_AFTER, "order", {}),
    "reset before execution": (FaultKind.RESET, "order", {}),
    "accepted, then ended by the engine": (FaultKind.REJECT_AFTER_ACCEPT, "order", {}),
    "stream silent": (FaultKind.FREEZE_CHANNEL, "stream:fills", {}),
}


@pytest.fixture
async def triad(tmp_path):
    """A triad that ends with the test."""
    triad = Triad(tmp_path)
    yield triad
    await triad.stop()


async def test_a_whole_cycle_ends_flat(triad):
    """Entry, hedge, wait, second leg, rebalance, monitoring, time-out, exit: flat by the exchanges' own word."""
    await triad.start()
    await triad.until(lambda: triad.phase == "MONITORING", "monitoring")
    assert triad.held("l1") < 0 < triad.held("l2")
    assert triad.held("bp") == -(triad.held("l1") + triad.held("l2"))
    await triad.until_finished()
    assert triad.group._view().outcome is Outcome.FINISHED
    triad.check_truth()


async def test_two_cycles_alternate_after_a_time_out(triad):
    """max_cycles repeats, reverse_on_timeout turns."""
    await triad.start(max_cycles=2)
    sides = []
    for cycle in (1, 2):
        await triad.until(
            lambda n=cycle: triad.phase == "MONITORING" and triad.group._view().cycle == n, f"cycle {cycle}"
        )
        sides.append(triad.held("l2") > 0)
    await triad.until_finished()
    assert sides == [True, False]
    triad.check_truth()


async def test_a_liquidation_ends_the_cycle_at_once(triad):
    """A move that liquidates the short leg: the other legs leave, the reason is named, everything is flat."""
    await triad.start(timeout_s="600")
    await triad.until(lambda: triad.phase == "MONITORING", "monitoring")
    triad.set_price(START * Decimal("1.011"))
    await triad.until_finished()
    assert any("liquidated" in text for text in await triad.said()), "\n".join(await triad.said())
    triad.check_truth()


async def test_flatten_is_obeyed_and_latched_over_a_restart(triad):
    """FLATTEN, then death of the group in mid-exit: the successor ends the exit without being told again."""
    await triad.start(timeout_s="600")
    await triad.until(lambda: triad.phase == "MONITORING", "monitoring")
    await triad.group.operate(OperatorState.FLATTEN, "operator:test", "enough")
    await triad.kill_group()
    await triad.start_group(timeout_s="600")
    await triad.until(lambda: all(triad.held(account) == 0 for account in VENUE_OF), "flat")
    await triad.until(lambda: triad.phase != "EXITING", "the confirmation")
    assert triad.group._view().operator_state is OperatorState.FLATTEN
    await asyncio.sleep(0.5)
    triad.check_truth()


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_one_fault_at_each_leg_changes_nothing_of_the_end(tmp_path, fault):
    """Whatever goes wrong once, at any leg, the end is the same: flat, every order wanted, none twice."""
    kind, action, details = FAULTS[fault]

    async def play(account: str) -> None:
        triad = Triad(tmp_path / account)
        try:
            triad.break_(account, kind, action, **details)
            await triad.start()
            await triad.until_finished()
            assert triad.group._view().outcome is Outcome.FINISHED
            triad.check_truth()
        finally:
            await triad.stop()

    await asyncio.gather(*map(play, VENUE_OF))


@pytest.mark.parametrize("phase", ["ENTERING", "WAITING", "MONITORING", "EXITING"])
async def test_a_death_in_any_phase_loses_nothing(tmp_path, phase):
    """Kill one process when the group enters a phase: the successor goes on, the end is the same."""

    async def play(victim: str) -> None:
        triad = Triad(tmp_path / victim)
        try:
            await triad.start()
            await triad.until(lambda: triad.phase == phase, phase)
            if victim == "group":
                await triad.kill_group()
                await triad.start_group()
            else:
                await triad.kill_account(victim)
                await triad.start_account(victim)
            await triad.until_finished()
            assert triad.group._view().outcome is Outcome.FINISHED
            triad.check_truth()
        finally:
            await triad.stop()

    await asyncio.gather(*map(play, [*VENUE_OF, "group"]))


async def test_a_state_that_breaks_a_promise_is_never_acted_upon(triad, monkeypatch):
    """The invariants that the fuzzer holds are asserted live: a step that breaks one is neither written nor done."""
    await triad.start(timeout_s="600")
    await triad.until(lambda: triad.phase == "MONITORING", "monitoring")
    strategy = STRATEGIES["liquidation_hedge"]
    monkeypatch.setitem(
        STRATEGIES, "liquidation_hedge", replace(strategy, violations=lambda *_: (Violation("naked", "made up"),))
    )
    await triad.until(lambda: triad.group.stopped != "", "the stop")
    before = triad.group._log.seq
    await triad.group.operate(OperatorState.FLATTEN, "operator:test", "")
    assert "naked: made up" in (await triad.group.status()).stopped
    assert triad.group._log.seq == before


async def test_changed_parameters_take_effect_without_losing_the_cycle(triad):
    """Another file while positions are open: the past is replayed by the old numbers, the future decided by the new."""
    await triad.start(timeout_s="2")
    await triad.until(lambda: triad.phase == "MONITORING", "monitoring")
    await triad.kill_group()
    await triad.start_group(timeout_s="1", max_cycles=2)
    assert triad.group.stopped == ""
    await triad.until(lambda: triad.group._view().cycle == 2, "the second cycle")
    await triad.kill_group()
    await triad.start_group(timeout_s="1", max_cycles=2)
    await triad.until_finished()
    assert triad.group._view().cycles_done == 2
    triad.check_truth()


async def test_the_word_in_the_file_counts_when_it_changes(tmp_path):
    """A group that was started paused runs once the file says so."""
    triad = Triad(tmp_path)
    try:
        await triad.start(state=OperatorState.PAUSE)
        await asyncio.sleep(0.3)
        assert triad.phase == "IDLE"
        await triad.kill_group()
        await triad.start_group(state=OperatorState.RUN)
        await triad.until_finished()
        triad.check_truth()
    finally:
        await triad.stop()
