"""Limits over real actors and two matching cores: what is reached survives deaths, and what a word says is done."""

from decimal import Decimal

import pytest

from actors.group import GroupActor
from actors.group_entries import SETTINGS, DecidedBy
from strategies.domain.events import OperatorState
from strategies.registry import build_machine
from tests.actors.test_simple_hedge_in_process import Pair
from tests.actors.triad import START, Triad

D = Decimal


@pytest.fixture
async def pair(tmp_path):
    """A simple hedge that stands until it is told, and ends with the test."""
    pair = Pair(tmp_path)
    pair.quick = Pair.quick | {"hold_s": "0", "max_cycles": "0"}
    yield pair
    await pair.stop()


@pytest.fixture
async def triad(tmp_path):
    """A liquidation hedge that ends with the test."""
    triad = Triad(tmp_path)
    yield triad
    await triad.stop()


def limit(bench, name: str):
    """Return one limit as the group shows it."""
    return next(each for each in bench.group.limits() if each.name == name)


async def stand(pair) -> None:
    """Bring the pair to a standing hedge of half a lot of ETH."""
    await pair.start()
    await pair.until(lambda: pair.resting == 1, "the entry to rest")
    pair.fall()
    await pair.until(lambda: pair.held("bp") == D("0.5") == -pair.held("l1"), "the hedge")


async def test_a_days_loss_survives_deaths_and_flattens(pair):
    """One leg loses what the other wins, so the account's limit is the one that is reached.

    Lost before the death of the group's process and counted after it; a second death leaves it reached, the group stays
    out, and RUN by the operator lets it in again.
    """
    pair.limits = {"accounts": {"bp": {"max_loss_usd_per_day": "40"}}}
    await stand(pair)
    pair.set_price(START * D("0.985"))
    await pair.until(lambda: 15 < limit(pair, "loss_usd_per_day").used <= 40, "a loss within the limit")
    lost = limit(pair, "loss_usd_per_day").used
    await pair.kill_group()
    await pair.start_group()
    assert limit(pair, "loss_usd_per_day").used >= lost
    pair.set_price(START * D("0.96"))
    await pair.until(lambda: pair.held("bp") == 0 == pair.held("l1"), "both legs to be out")
    await pair.until(lambda: pair.phase == "IDLE", "the end of the exit")
    await pair.kill_group()
    await pair.start_group()
    view = pair.group.glance()
    assert view.operator_state is OperatorState.FLATTEN
    assert limit(pair, "loss_usd_per_day").reached_at is not None
    assert "limit accounts.bp.max_loss_usd_per_day reached" in view.reason
    told = [text for text in await pair.said() if text.startswith("limit ")]
    assert len(told) == 1
    await pair.group.operate(OperatorState.RUN, "operator:anna", "looked")
    await pair.until(lambda: pair.resting == 1, "the next entry")
    assert limit(pair, "loss_usd_per_day").used == 0


async def test_what_is_denied_never_reaches_a_venue_and_the_exit_does(triad):
    """Two orders a minute: the hedge of the second leg is denied, the group leaves, and every exit order passes."""
    triad.limits = {"max_orders_per_minute": 2, "at_orders_per_minute": "flatten"}
    await triad.start()
    await triad.until(lambda: limit(triad, "orders_per_minute").reached_at is not None, "the limit")
    await triad.until(lambda: triad.phase in ("IDLE", "ENDED"), "the exit")
    triad.check_truth()
    opening = [
        row
        for account in ("bp", "l1", "l2")
        for row in triad.exchange(account).orders(triad.name_at_venue(account), active=None)
        if not row.reduce_only
    ]
    assert len(opening) <= 2
    assert triad.group.glance().operator_state is OperatorState.FLATTEN


async def test_a_journal_of_the_first_gate_goes_on_under_the_next_one(triad, monkeypatch):
    """What the first rules judged is replayed by them; the next start notes the new ones, and goes on."""
    triad.limits = {"max_orders_per_minute": 3}

    def first(strategy, group, params, limits):
        return build_machine(strategy, group, params, {**limits, "gate": 1})

    with monkeypatch.context() as old:
        old.setattr("actors.group_spec.GATE", 1)
        old.setattr(GroupActor.__init__, "__kwdefaults__", GroupActor.__init__.__kwdefaults__ | {"build": first})
        await triad.start()
        await triad.until(lambda: any("ORDER_RATE" in str(note) for note in triad.group._report.notes), "a denial")
        await triad.until(lambda: triad.phase in ("IDLE", "ENDED"), "the exit")
        await triad.kill_group()
    assert any("reach the limit" in text for text in await _said(triad))
    await triad.start_group(state=OperatorState.PAUSE)
    assert triad.group.stopped == ""
    records = await triad.group._log._journal.read()
    settings = [DecidedBy.model_validate_json(record.body) for record in records if record.kind == SETTINGS]
    assert [each.gate for each in settings] == [1, 2]


async def _said(triad) -> list[str]:
    """Read what a group that is dead now has said."""
    await triad.start_group(state=OperatorState.PAUSE)
    said = await triad.said()
    await triad.kill_group()
    return said
