"""A changed settings file while everything runs: the plan, what it touches, and what is refused."""

import asyncio
import json

import pytest

from actors.actor import Liveness
from actors.journal.protocol import JournalError, JournalWriteError
from actors.supervision.change import Proposal, change, differences
from actors.supervision.overview import overview
from actors.supervision.past import RELOADED
from actors.supervision.reload import Reload
from actors.supervision.supervision import STREAM
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId
from tests.actors.supervision.conftest import until
from tests.actors.supervision.local import account_wish, desired, group_wish, loop_now

pytestmark = pytest.mark.looptime

G, H, N = GroupId("g"), GroupId("h"), GroupId("n")
TWO = {"g": ("a", "b"), "h": ("c",)}


def all_armed(supervision) -> bool:
    """Say whether everything lives and may act."""
    return not overview(supervision, loop_now()).not_ready()


async def agreed(_wanted) -> None:
    """Find nothing in the journals."""


class File:
    """A settings file, and the reload that reads it."""

    def __init__(self, supervision, check=agreed) -> None:
        self.says = Proposal(desired=desired(TWO))
        self.reload = Reload(supervision, lambda: self.says, check)

    def change(self, groups, **wishes) -> None:
        """Let the file name other groups, some of them with wishes of their own."""
        wanted = desired(groups)
        changed = {GroupId(name): wish for name, wish in wishes.items()}
        self.says = Proposal(desired=wanted.model_copy(update={"groups": {**wanted.groups, **changed}}))


async def test_an_unchanged_file_changes_nothing(bench):
    """Not even a record in the journal."""
    async with bench.running(TWO) as supervision:
        await until(lambda: all_armed(supervision))
        found = await File(supervision).reload.run("x")
        assert found.lines() == ("Nothing has changed.", "Untouched: g, h.") or found.nothing
        assert RELOADED not in [record.kind for record in bench.store.records(STREAM)]


async def test_a_changed_group_is_replaced_and_nobody_else_notices(bench):
    """One successor under the next epoch, no death counted, nobody else started again."""
    async with bench.running(TWO) as supervision:
        await until(lambda: all_armed(supervision))
        file = File(supervision)
        file.change(TWO, g=group_wish("g", "a", "b", settings_hash="new"))
        before = list(bench.world.started)
        plan = await file.reload.plan()
        assert (list(plan.changed_groups), plan.untouched) == ([G], (H,))
        assert bench.world.started == before
        assert (await file.reload.run("operator:anna")).refused == ()
        await until(lambda: "group/g@2" in bench.world.started and all_armed(supervision))
        assert bench.world.started[len(before) :] == ["group/g@2"]
        keeper = supervision.groups[G]
        assert (keeper.wish.settings_hash, keeper.life.deaths) == ("new", [])
        await asyncio.sleep(10)
        assert bench.world.started[len(before) :] == ["group/g@2"]
        (record,) = [each for each in bench.store.records(STREAM) if each.kind == RELOADED]
        assert json.loads(record.body)["by"] == "operator:anna"
        assert (await file.reload.plan()).nothing


async def test_a_group_is_added_with_its_accounts(bench):
    """It comes up like at a start; those that were there go on."""
    async with bench.running(TWO) as supervision:
        await until(lambda: all_armed(supervision))
        file = File(supervision)
        file.change({**TWO, "n": ("d",)})
        before = list(bench.world.started)
        await file.reload.run("x")
        await until(lambda: all_armed(supervision) and "group/n@1" in bench.world.started)
        assert sorted(bench.world.started[len(before) :]) == ["account/d@1", "group/n@1"]
        bench.world.links["account/d@1"].die()
        await until(lambda: "account/d@2" in bench.world.started)


async def test_a_group_that_is_out_of_the_market_can_be_removed(bench):
    """Group first, then its account; both in order."""
    async with bench.running(TWO) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.operator["h"] = OperatorState.PAUSE
        await until(lambda: supervision.groups[H].status.view.operator_state is OperatorState.PAUSE)
        file = File(supervision)
        file.change({"g": ("a", "b")})
        await file.reload.run("x")
        assert bench.world.stopped == ["group/h@1", "account/c@1"]
        assert (set(supervision.groups), set(supervision.accounts)) == ({G}, {AccountId("a"), AccountId("b")})
        await asyncio.sleep(5)
        assert all_armed(supervision)


@pytest.mark.parametrize(("state", "held", "why"), [("PAUSE", 3, "holds 3"), ("RUN", 0, "may trade at any moment")])
async def test_a_group_with_money_at_risk_is_not_removed(bench, state, held, why):
    """Nobody would look after what it holds; nothing else of the file is applied either."""
    async with bench.running(TWO) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.operator["h"], bench.world.held["h"] = OperatorState(state), held
        await asyncio.sleep(3)
        file = File(supervision)
        file.change({"g": ("a", "b")}, g=group_wish("g", "a", "b", settings_hash="new"))
        found = await file.reload.run("x")
        assert why in found.refused[0]
        assert supervision.groups[H].life.liveness is Liveness.ALIVE
        assert "group/g@2" not in bench.world.started


async def test_a_changed_account_is_replaced_under_its_living_group(bench):
    """Other keys, say: the group is told where the new process is, and goes on."""
    async with bench.running(TWO) as supervision:
        await until(lambda: all_armed(supervision))
        file = File(supervision)
        wanted = desired(TWO)
        accounts = {**wanted.accounts, AccountId("a"): account_wish("a", settings_hash="new")}
        file.says = Proposal(desired=wanted.model_copy(update={"accounts": accounts}))
        await file.reload.run("x")
        await until(lambda: "account/a@2" in bench.world.started and all_armed(supervision))
        assert ("g", AccountId("a"), supervision.places()[AccountId("a")]) in bench.world.connected
        assert "group/g@2" not in bench.world.started


async def test_a_parked_group_stays_parked_with_other_settings(bench):
    """They count once it is released."""
    async with bench.running(TWO) as supervision:
        await until(lambda: all_armed(supervision))
        keeper = supervision.groups[G]
        keeper.take_way_out("a person has to look")
        bench.world.links["group/g@1"].die()
        await until(lambda: bool(keeper.parked))
        file = File(supervision)
        file.change(TWO, g=group_wish("g", "a", "b", settings_hash="new"))
        await file.reload.run("x")
        await asyncio.sleep(5)
        assert keeper.parked
        assert keeper.group_wish.settings_hash == "new"
        assert "group/g@2" not in bench.world.started


async def test_a_change_while_the_group_is_starting_comes_into_effect_once(bench):
    """The successor of the process that was being started has the new settings; there is no third."""
    async with bench.running(TWO) as supervision:
        file = File(supervision)
        file.change(TWO, g=group_wish("g", "a", "b", settings_hash="new"))
        await file.reload.run("x")
        await until(lambda: all_armed(supervision) and supervision.groups[G].wish.settings_hash == "new")
        await asyncio.sleep(10)
        assert [each for each in bench.world.started if each.startswith("group/g@")] in (
            ["group/g@1"],
            ["group/g@1", "group/g@2"],
        )


async def test_what_the_journals_or_the_file_say_against_it_refuses_all_of_it(bench):
    """A journal that holds another group, a file that is no settings file, a disk that is full."""

    async def strangers(wanted) -> None:
        if N in wanted.groups:
            raise JournalError("group n has changed")

    async with bench.running(TWO) as supervision:
        await until(lambda: all_armed(supervision))
        file = File(supervision, strangers)
        before = list(bench.world.started)
        file.change({**TWO, "n": ("d",)})
        assert (await file.reload.run("x")).refused == ("group n has changed",)
        file.says = Proposal(desired=None, refused=("FILE: is not TOML",))
        assert (await file.reload.run("x")).lines() == ("! FILE: is not TOML",)
        bench.store.refuse_writes(JournalWriteError("disk full"))
        file.change(TWO, g=group_wish("g", "a", "b", settings_hash="new"))
        assert "disk full" in (await file.reload.run("x")).refused[0]
        bench.store.refuse_writes(None)
        assert bench.world.started == before
        assert supervision.desired == desired(TWO)


def spec(**parts) -> str:
    """Return a group's spec."""
    group = {"legs": parts.pop("legs", {"x": "a"}), "instrument_id": parts.pop("instrument", "ETH-PERP")}
    return json.dumps({"group": group, "strategy": parts.pop("strategy", "s"), "params": parts})


@pytest.mark.parametrize(
    ("parts", "named"),
    [({"legs": {"x": "b"}}, "legs"), ({"instrument": "BTC-PERP"}, "instrument_id"), ({"strategy": "t"}, "strategy")],
)
def test_a_group_never_becomes_another_group(parts, named):
    """Its journal holds what the one before decided: another one needs another name."""
    before = desired({"g": ("a",)})
    now = before.model_copy(update={"groups": {G: group_wish("g", "a").model_copy(update={"spec": spec()})}})
    other = group_wish("g", "a", settings_hash="new").model_copy(update={"spec": spec(**parts)})
    found = change(now, Proposal(desired=now.model_copy(update={"groups": {G: other}})), lambda _: ())
    assert f"has another {named}, and its journal" in found.refused[0]
    same = group_wish("g", "a", settings_hash="new").model_copy(update={"spec": spec(leverage=3)})
    found = change(now, Proposal(desired=now.model_copy(update={"groups": {G: same}})), lambda _: ())
    assert (found.refused, found.changed_groups) == ((), {G: ("params.leverage",)})


def test_an_account_never_becomes_another_account():
    """The orders in its journal are at the venue under the old number."""
    now = desired({"g": ("a",)})
    one, other = (
        account_wish("a", settings_hash=str(index)).model_copy(
            update={"spec": json.dumps({"account_config": {"account_index": index}})}
        )
        for index in (1, 2)
    )
    now = now.model_copy(update={"accounts": {AccountId("a"): one}})
    wanted = now.model_copy(update={"accounts": {AccountId("a"): other}})
    assert "Account a would be another account" in change(now, Proposal(desired=wanted), lambda _: ()).refused[0]


def test_differences_are_named_and_shown_nowhere():
    """A value may be a reference that somebody pasted a key into."""
    assert differences('{"a": {"b": 1, "c": 2}, "d": [1]}', '{"a": {"b": 1, "c": 3}, "e": 0, "d": [2]}') == (
        *("a.c", "d", "e"),
    )
