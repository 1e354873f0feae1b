"""The simple hedge over real actors and two matching cores: a maker's whole life, deaths and faults on the way."""

import asyncio
from decimal import Decimal

import pytest

from strategies.domain.events import OperatorState
from strategies.domain.ids import LegName
from strategies.machine import Outcome
from tests.actors.triad import START, Triad
from venues.simulator.faults import FaultKind


class Pair(Triad):
    """Lead on Backpack, follow on Lighter; the third account stays idle."""

    strategy = "simple_hedge"
    legs = {LegName("lead"): "bp", LegName("follow"): "l1"}
    quick = {
        "quantity": "0.5",
        "hold_s": "0.5",
        "entry": {"requote_interval_s": "0.1", "timeout_s": "20"},
        "poll_interval_s": "0.2",
        "cycle_pause_s": "0.1",
        "look_retry_s": "0.05",
        "confirm_delay_s": "0.3",
        "start_retry_s": "0.2",
        "order_retry_s": "0.1",
        "exit_delay_s": "0.05",
        "cancel_grace_s": "0.5",
    }

    @property
    def resting(self) -> int:
        """Return how many orders rest anywhere, by the exchanges' own word."""
        return sum(len(self.exchange(account).orders(account, active=True)) for account in ("bp", "l1"))

    def fall(self, steps: int = 1) -> None:
        """Let the market come to a bid."""
        self.set_price(START * (1 - Decimal("0.001") * steps))


@pytest.fixture
async def pair(tmp_path):
    """A pair that ends with the test."""
    pair = Pair(tmp_path)
    yield pair
    await pair.stop()


async def test_a_maker_entry_is_hedged_held_and_left(pair):
    """The bid rests, the market comes to it, the other venue hedges; time is up, both legs leave; nothing rests."""
    await pair.start()
    await pair.until(lambda: pair.resting == 1, "the entry to rest")
    pair.fall()
    await pair.until(lambda: pair.held("bp") == Decimal("0.5") == -pair.held("l1"), "the hedge")
    assert pair.exchange("bp").trades("bp", symbol="ETH_USDC_PERP")[0].maker_account == "bp"
    await pair.until_finished()
    assert pair.group._view().outcome is Outcome.FINISHED
    assert pair.resting == 0
    pair.check_truth()


async def test_killed_in_the_entry_the_successor_adopts_what_rests(pair):
    """Group and account die while the bid rests: one bid before, the same bid after, and it is hedged when it fills."""
    await pair.start()
    await pair.until(lambda: pair.resting == 1, "the entry to rest")
    before = [row.order_index for row in pair.exchange("bp").orders("bp", active=True)]
    await pair.kill_group()
    await pair.kill_account("bp")
    await pair.start_account("bp")
    await pair.start_group()
    await asyncio.sleep(0.4)
    assert [row.order_index for row in pair.exchange("bp").orders("bp", active=True)] == before
    pair.fall()
    await pair.until_finished()
    assert pair.group._view().outcome is Outcome.FINISHED
    pair.check_truth()


async def test_the_entry_follows_the_book_and_flatten_takes_it_back(pair):
    """The market rises away: the bid follows, one at a time. FLATTEN: nothing rests, nothing is held."""
    await pair.start()
    await pair.until(lambda: pair.resting == 1, "the entry to rest")
    first = pair.exchange("bp").orders("bp", active=True)[0].price
    pair.set_price(START * Decimal("1.002"))
    await pair.until(
        lambda: any(row.price > first for row in pair.exchange("bp").orders("bp", active=True)), "the bid to follow"
    )
    assert pair.resting == 1
    await pair.group.operate(OperatorState.FLATTEN, "operator:test", "enough")
    await pair.until(lambda: pair.phase == "ENDED", "out")
    assert pair.resting == 0
    pair.check_truth()


@pytest.mark.parametrize(
    ("account", "kind", "action"),
    [
        ("bp", FaultKind.LOSE_ANSWER, "order"),
        ("bp", FaultKind.LOSE_ANSWER, "cancel"),
        ("bp", FaultKind.PARTIAL_FILL, "order"),
        ("l1", FaultKind.LOSE_ANSWER, "order"),
        ("l1", FaultKind.REJECT_AFTER_ACCEPT, "order"),
    ],
)
async def test_one_fault_changes_nothing_of_the_end(pair, account, kind, action):
    """A lost answer, a partial fill, a refusal after the fact: every order wanted, none twice, flat at the end."""
    details = {"fraction": Decimal("0.4")} if kind is FaultKind.PARTIAL_FILL else {}
    pair.break_(account, kind, action, **details)
    await pair.start()
    await pair.until(lambda: pair.resting == 1 or pair.held("bp") > 0, "the entry")
    pair.set_price(START * Decimal("1.0005"))  # a cancel, too
    await asyncio.sleep(0.3)
    for step in range(1, 5):
        pair.fall(step)
        await asyncio.sleep(0.1)
    await pair.until_finished()
    assert pair.group._view().outcome is Outcome.FINISHED
    assert pair.resting == 0
    pair.check_truth()
