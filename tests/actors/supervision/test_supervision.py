"""The supervision as a whole, over hosts without processes: deaths, successors, escalation, adoption, the end."""

import asyncio
import json
from decimal import Decimal

import pytest

from actors.actor import Liveness
from actors.journal.protocol import JournalWriteError
from actors.restart import RestartPolicy
from actors.supervision import ending
from actors.supervision.keepers import Order
from actors.supervision.overview import overview
from actors.supervision.past import RELEASED
from actors.supervision.supervision import STREAM
from actors.supervision.takeover import panic_ended, panic_runs
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId
from strategies.machine import Outcome
from tests.actors.supervision.conftest import until
from tests.actors.supervision.local import desired, group_wish, loop_now

pytestmark = pytest.mark.looptime

G, A, B = GroupId("g"), AccountId("a"), AccountId("b")
ONE_GROUP = {"g": ("a", "b")}


def all_armed(supervision) -> bool:
    """Say whether everything lives and may act."""
    return not overview(supervision, loop_now()).not_ready()


async def test_everything_comes_up_armed_and_connected(bench):
    """Accounts are armed once they are ready; the group knows where they live; all under epoch 1."""
    bench.world.ready_after_s = 3.0
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        places = supervision.places()
        assert set(bench.world.connected) >= {("g", A, places[A]), ("g", B, places[B])}
        assert {keeper.life.epoch for keeper in supervision.accounts.values()} == {1}
    assert bench.world.stopped[0] == "group/g@1"
    assert {link.dead.is_set() for link in bench.world.all} == {True}


async def test_a_dead_account_gets_a_successor_and_its_group_is_told(bench):
    """Kill an account: a higher epoch, armed again, and the group reaches the new process; nobody else restarts."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        victim = bench.world.links["account/a@1"]
        victim.die()
        await until(lambda: "account/a@2" in bench.world.links and all_armed(supervision))
        assert supervision.accounts[A].life.epoch == 2
        assert ("g", A, supervision.places()[A]) in bench.world.connected
        assert victim.place in bench.world.buried
        assert supervision.groups[G].life.restarts == 0


async def test_a_dead_group_gets_a_successor_that_knows_its_accounts(bench):
    """Kill a group: its successor is connected to the living accounts."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.connected.clear()
        bench.world.links["group/g@1"].die()
        await until(lambda: "group/g@2" in bench.world.started and all_armed(supervision))
        assert {account for _, account, _ in bench.world.connected} == {A, B}


async def test_when_ray_is_lost_everybody_comes_back_and_nobody_is_blamed(bench):
    """Everything dies at once, as often as it likes: Ray is had anew, all are armed again, no group is parked."""
    async with bench.running(ONE_GROUP, accounts=RestartPolicy(max_restarts=0)) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.refusals = ["no memory", "no memory"]
        for epoch in (2, 3):
            bench.world.fall()
            await until(lambda: not all_armed(supervision))
            await until(lambda: all_armed(supervision))
            assert {keeper.life.epoch for keeper in supervision.accounts.values()} == {epoch}
        assert supervision.groups[G].life.epoch == 3
        assert not supervision.groups[G].parking
        assert [notice for notice in supervision.notices if "no memory" in notice] == ["Waiting for Ray: no memory"]
        assert sum("Ray is lost: killed by the test" in notice for notice in supervision.notices) == 2
        seen = overview(supervision, loop_now())
        assert (seen.ray_up, seen.ray_losses) == (True, 2)


async def test_after_ray_was_lost_the_exposed_group_comes_back_first_with_its_accounts(bench):
    """Group after group, each with its accounts: what holds something comes before what is flat."""
    async with bench.running({"g": ("a", "b"), "h": ("c", "d")}) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.held["h"] = Decimal(1)
        await until(lambda: supervision.groups[GroupId("h")].status.view.legs["long"].believed == 1)
        bench.world.started.clear()
        bench.world.refusals = ["not yet"]  # a Ray takes seconds to start: by then everybody waits for it
        bench.world.fall()
        await until(lambda: not all_armed(supervision))
        await until(lambda: all_armed(supervision))
        order = [name.split("@")[0] for name in bench.world.started]
        assert set(order[:2]) == {"account/c", "account/d"}
        assert order.index("group/h") < max(order.index("account/a"), order.index("account/b"))
        assert order[-1] == "group/g"


async def test_a_frozen_process_counts_as_dead(bench):
    """Three looks without an answer replace an actor that is there but deaf."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.links["account/a@1"].frozen = True
        await until(lambda: "account/a@2" in bench.world.links)
        assert supervision.accounts[A].life.last_death.startswith("silent")


async def test_no_successor_starts_beside_a_process_that_does_not_end(bench):
    """While the old process cannot be confirmed gone, nothing is started."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.undead = 3
        bench.world.links["account/a@1"].die()
        await until(lambda: bench.world.undead == 2)
        assert "account/a@2" not in bench.world.started
        await until(lambda: "account/a@2" in bench.world.started)
        assert bench.world.undead == 0


async def test_a_group_that_dies_too_often_is_flattened_and_parked(bench):
    """Too many deaths: FLATTEN by the supervisor, written down, and a notice; then the run ends in trouble."""
    bench.world.held["g"] = Decimal(2)
    policy = RestartPolicy(max_restarts=1)
    async with bench.running(ONE_GROUP, groups=policy) as supervision:
        await until(lambda: all_armed(supervision))
        for epoch in (1, 2):
            await until(lambda epoch=epoch: f"group/g@{epoch}" in bench.world.links)
            bench.world.links[f"group/g@{epoch}"].die()
        troubles = await ending.until_over(supervision)
        assert "flatten/g@1" in bench.world.started
        assert "group/g@3" not in bench.world.started
        assert [who for who, state, by, _ in bench.world.told if (state, by) == (OperatorState.FLATTEN, "supervisor")]
        assert len(troubles) == 1
        assert "Group g was parked: flattened and parked: group/g died 2 times" in troubles[0]
        assert any("flattened and parked" in notice for notice in supervision.notices)


async def test_an_account_that_cannot_start_parks_its_groups_and_no_other(bench):
    """A broken account takes down the groups that use it; the others go on."""
    bench.world.broken = {"a"}
    async with bench.running({"g": ("a", "b"), "h": ("c",)}, accounts=RestartPolicy(max_restarts=2)) as supervision:
        await until(lambda: bool(supervision.groups[G].trouble))
        assert "account/a died 3 times" in supervision.groups[G].trouble
        assert "a cannot start" in supervision.groups[G].trouble
        assert not supervision.groups[GroupId("h")].parking


async def test_an_account_goes_on_being_restarted_while_its_group_is_not_flat(bench):
    """The way out needs the account: it comes back at the slowest pace as long as a position is open."""
    bench.world.held["g"], bench.world.flattens = Decimal(1), False
    async with bench.running(ONE_GROUP, accounts=RestartPolicy(max_restarts=0)) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.links["account/a@1"].die()
        await until(lambda: "account/a@2" in bench.world.started)
        bench.world.links["account/a@2"].die()
        await until(lambda: "account/a@3" in bench.world.started)
        assert supervision.groups[G].parking
        assert not supervision.groups[G].over


async def test_a_group_that_dies_while_flattening_is_given_up_and_said_to_be_not_flat(bench):
    """After a bounded number of lives only for the way out, a person is called, with what is open."""
    bench.world.held["g"], bench.world.flattens = Decimal(1), False
    async with bench.running(ONE_GROUP, groups=RestartPolicy(max_restarts=0, within_s=10_000)) as supervision:
        life = supervision.groups[G].life
        while not life.gave_up:
            await until(lambda: life.liveness is Liveness.ALIVE or bool(life.gave_up), within_s=600)
            if not life.gave_up:
                bench.world.links[f"{supervision.groups[G].wish.stream}@{life.epoch}"].die()
                await until(lambda: life.liveness is not Liveness.ALIVE)
        assert "flatten/g@5" in bench.world.started
        assert "group/g@2" not in bench.world.started
        assert "NOT CONFIRMED FLAT: long: holds 1" in supervision.groups[G].trouble


async def test_a_group_that_decides_no_more_is_flattened_by_its_way_out(bench):
    """A poison event or divergence: its process ends, the way out closes what it held, the place is in the notice."""
    bench.world.held["g"], bench.world.poisoned["group/g"] = Decimal(1), "replay decides otherwise"
    async with bench.running(ONE_GROUP) as supervision:
        troubles = await ending.until_over(supervision)
        assert "flattened and parked: it decides no more, at journal seq 1 of group/g (replay decides" in troubles[0]
        assert "journal seq 1 of group/g" in supervision.notices[0]
        assert "flat by its venues' word and parked" in supervision.notices[-1]
        assert bench.world.held["g"] == 0
        assert bench.world.links["group/g@1"].dead.is_set()
        assert not bench.world.links["flatten/g@1"].dead.is_set()
        assert {a for _, a, place in bench.world.connected if place in supervision.places().values()} == {A, B}
        assert (await bench.store.owner("group/g"))[0] == 2, "the strategy's ghost is fenced"
    bench.world.started.clear()
    async with bench.running(ONE_GROUP) as supervision:
        assert "it decides no more" in (await ending.until_over(supervision))[0]
        assert bench.world.started[-1] == "flatten/g@2"
        assert not [started for started in bench.world.started if started.startswith("group/")]
    async with bench.running(ONE_GROUP, release=frozenset({G})) as supervision:
        await until(lambda: any(started.startswith("group/g@") for started in bench.world.started))


async def test_a_group_that_waits_for_its_disk_is_left_alone(bench):
    """A journal that refuses for a while is no reason to leave the market: the group goes on by itself."""
    bench.world.held["g"], bench.world.waiting["group/g"] = Decimal(1), "the journal cannot be written"
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        await asyncio.sleep(30)
        assert not supervision.groups[G].parking
        assert bench.world.held["g"] == 1


async def test_a_way_out_that_decides_no_more_is_named_with_what_is_open(bench):
    """When even the way out cannot go on, nobody pretends: a person is called with what is still held."""
    bench.world.held["g"], bench.world.flattens = Decimal(1), False
    bench.world.poisoned = {"group/g": "poison", "flatten/g": "poison, too"}
    async with bench.running(ONE_GROUP) as supervision:
        assert "(poison, too); NOT CONFIRMED FLAT: long: holds 1" in (await ending.until_over(supervision))[0]


async def panic_on(bench, *streams: str) -> None:
    """Claim what a panic claims, and kill the accounts as it does."""
    for stream in streams:
        await bench.store.claim(stream, panic_runs("anna@host"))
    for identity, link in list(bench.world.links.items()):
        if identity.startswith("account/") and identity.partition("@")[0] in streams:
            link.die()


async def test_what_a_panic_takes_over_is_not_fought_for(bench):
    """Accounts and group stay down, the group is parked, others go on; it is over when the panic says how."""
    bench.world.held["g"] = Decimal(3)
    async with bench.running({"g": ("a", "b"), "h": ("c",)}) as supervision:
        await until(lambda: all_armed(supervision))
        started = list(bench.world.started)
        await panic_on(bench, "group/g", "account/a", "account/b")
        group = supervision.groups[G]
        await until(lambda: bool(group.taken) and bench.world.links["group/g@1"].dead.is_set())
        await asyncio.sleep(60)
        assert bench.world.started == started
        assert [(await bench.store.owner(f"account/{name}"))[0] for name in ("a", "b")] == [2, 2]
        assert not group.over
        assert len([notice for notice in supervision.notices if "taken over by panic by anna@host" in notice]) == 1
        assert await ending.unwind(supervision, 30.0, asyncio.Event()) == (
            "Group g was taken over; panic by anna@host has not said how it ended.",
            "Group h is flat.",
        )
        await bench.store.claim("group/g", panic_ended("anna@host", "flat"))
        said = await ending.unwind(supervision, 30.0, asyncio.Event())
        assert said[0] == "Group g was taken over; panic ended, flat: anna@host.", "its word was not looked for"
        await until(lambda: group.over)
        assert "panic ended, flat: anna@host" in group.trouble
        assert not supervision.groups[GroupId("h")].parking


async def test_after_a_panic_the_next_supervisor_makes_sure_and_stays_out(bench):
    """What the panic took stays parked over a restart: the way out looks once more, the strategy does not start."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        await panic_on(bench, "group/g", "account/a", "account/b")
        await until(lambda: bool(supervision.groups[G].taken))
    bench.world.started.clear()
    async with bench.running(ONE_GROUP) as supervision:
        assert "taken over by panic by anna@host" in (await ending.until_over(supervision))[0]
        assert {started.partition("@")[0] for started in bench.world.started} == {"account/a", "account/b", "flatten/g"}


async def test_a_panic_without_a_supervisor_parks_the_group_at_the_next_start(bench):
    """Nobody was there to see it: the journal tells the next supervisor, until a person releases the group."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
    await panic_on(bench, "group/g", "account/a", "account/b")
    await bench.store.claim("group/g", panic_ended("anna@host", "flat"))
    async with bench.running(ONE_GROUP) as supervision:
        assert "panic ended, flat: anna@host" in (await ending.until_over(supervision))[0]
    bench.world.started.clear()
    async with bench.running(ONE_GROUP, release=frozenset({G})) as supervision:
        await until(lambda: all_armed(supervision))
        assert [started for started in bench.world.started if started.startswith("group/g@")]
        assert not supervision.groups[G].parking


async def test_finished_groups_end_the_run_without_trouble(bench):
    """Every group FINISHED is a good end."""
    bench.world.outcomes["g"] = Outcome.FINISHED
    async with bench.running(ONE_GROUP) as supervision:
        assert await ending.until_over(supervision) == ()


async def test_a_group_parked_by_its_strategy_is_trouble(bench):
    """PARKED by the machine itself is named, too."""
    bench.world.outcomes["g"] = Outcome.PARKED
    async with bench.running(ONE_GROUP) as supervision:
        assert (await ending.until_over(supervision))[0].startswith("Group g was parked")


async def test_unwind_flattens_and_confirms(bench):
    """An unwind tells every group to flatten and says that it is flat when it is."""
    bench.world.held["g"] = Decimal(3)
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        assert await ending.keep(supervision) == ("Group g keeps its positions: long: holds 3; short: holds -3.",)
        assert await ending.unwind(supervision, 30.0, asyncio.Event()) == ("Group g is flat.",)


async def test_keeping_takes_back_what_could_open_and_the_next_start_gives_the_word_back(bench):
    """Nothing rests with nobody watching; what the group holds stays, and its word comes back with the next start."""
    bench.world.held["g"], bench.world.opening["g"] = Decimal(3), ("g:1:long:bid:1",)
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        assert await ending.withdraw(supervision, 10.0, asyncio.Event()) == ()
        assert bench.world.opening == {}
        assert bench.world.held["g"] == 3
        assert [(state, by) for _, state, by, _ in bench.world.told] == [(OperatorState.REDUCE, ending.BY_INTERRUPT)]
    bench.world.told.clear()
    async with bench.running(ONE_GROUP):
        await until(lambda: bool(bench.world.told))
    assert [(state, by) for _, state, by, _ in bench.world.told] == [(OperatorState.RUN, "config")]


async def test_orders_that_do_not_go_are_named_when_positions_are_kept(bench):
    """A group that does not take its orders back in time is said to rest them: nobody is told that all is well."""
    bench.world.opening["g"], bench.world.flattens = ("g:1:long:bid:1",), False
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        before = asyncio.get_running_loop().time()
        (said,) = await ending.withdraw(supervision, 10.0, asyncio.Event())
        assert "1 order(s): g:1:long:bid:1" in said
        assert 10 <= asyncio.get_running_loop().time() - before < 12
        enough = asyncio.Event()
        enough.set()
        told = len(bench.world.told)
        assert await ending.withdraw(supervision, 10.0, enough) == (said,)
        assert len(bench.world.told) == told, "it only reduces already"


async def test_a_group_that_rests_nothing_is_not_spoken_to_when_positions_are_kept(bench):
    """A strategy without resting orders keeps its word: Ctrl-C costs it nothing."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        status = supervision.groups[G].status
        supervision.groups[G].status = status.model_copy(update={"strategy": "liquidation_hedge"})
        assert await ending.withdraw(supervision, 10.0, asyncio.Event()) == ()
    assert bench.world.told == []


async def test_a_second_interrupt_ends_the_unwind_at_once(bench):
    """Ctrl-C again: what is still open is kept, and named."""
    bench.world.held["g"], bench.world.flattens = Decimal(3), False
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        enough = asyncio.Event()
        enough.set()
        before = asyncio.get_running_loop().time()
        words = await ending.unwind(supervision, 60.0, enough)
        assert asyncio.get_running_loop().time() - before < 1
        assert words[0].startswith("Group g is NOT confirmed flat")


async def test_unwind_that_is_not_confirmed_says_so(bench):
    """A time-out never passes for flat."""
    bench.world.held["g"], bench.world.flattens = Decimal(3), False
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        words = await ending.unwind(supervision, 5.0, asyncio.Event())
        assert words == ("Group g is NOT confirmed flat: long: holds 3; short: holds -3.",)


async def test_after_an_unwind_the_next_start_goes_on_as_the_settings_say(bench):
    """An interrupt's FLATTEN does not outlive the next start; a parking does, until a person releases it."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        await ending.unwind(supervision, 30.0, asyncio.Event())
    bench.world.told.clear()
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: bool(bench.world.told))
        assert bench.world.told[0][:3] == ("g", OperatorState.RUN, "config")
    bench.world.told.clear()
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        assert bench.world.told == []


async def test_a_parked_group_stays_parked_until_it_is_released(bench):
    """A new supervisor does not restart what an earlier one has parked, unless it is told to."""
    policy = RestartPolicy(max_restarts=0)
    async with bench.running(ONE_GROUP, groups=policy) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.links["group/g@1"].die()
        await ending.until_over(supervision)
    async with bench.running(ONE_GROUP) as supervision:
        assert "died 1 times" in (await ending.until_over(supervision))[0]
    bench.world.told.clear()
    async with bench.running(ONE_GROUP, release=frozenset({G})) as supervision:
        await until(lambda: bool(bench.world.told))
        assert bench.world.told[0][:3] == ("g", OperatorState.RUN, "operator:anna@desk")
        assert not supervision.groups[G].parking
    records = await (await bench.store.open(STREAM, 3)).read()
    [released] = [json.loads(record.body) for record in records if record.kind == RELEASED]
    assert released == {"groups": ["g"], "accounts": ["a", "b"], "by": "anna@desk"}


async def test_a_returning_supervisor_adopts_what_lives_and_doubles_nothing(bench):
    """Killed supervisor, living actors: the next one takes them over as they are."""
    first = bench.supervision(ONE_GROUP)
    await first.start()
    await until(lambda: all_armed(first))
    await first.abandon()
    started = list(bench.world.started)
    async with bench.running(ONE_GROUP) as second:
        await until(lambda: all_armed(second))
        assert bench.world.started == started
        bench.world.links["account/b@1"].die()
        await until(lambda: "account/b@2" in bench.world.started and all_armed(second))


async def test_changed_settings_or_code_replace_only_what_they_touch(bench):
    """Another settings hash is another actor: the old one is ended, a successor is started, the rest is adopted."""
    first = bench.supervision(ONE_GROUP)
    await first.start()
    await until(lambda: all_armed(first))
    await first.abandon()
    changed = desired(ONE_GROUP)
    changed = changed.model_copy(update={"groups": {G: group_wish("g", "a", "b", settings_hash="new")}})
    async with bench.running(ONE_GROUP, wanted=changed) as second:
        await until(lambda: "group/g@2" in bench.world.started and all_armed(second))
        assert "group/g@1" in bench.world.stopped
        assert "account/a@2" not in bench.world.started


async def test_a_supervisor_that_was_overtaken_ends_and_leaves_the_actors_alone(bench):
    """Two supervisors never fight: the older one notices within seconds and touches nothing."""
    first = bench.supervision(ONE_GROUP)
    await first.start()
    await until(lambda: all_armed(first))
    await bench.store.claim(STREAM, "somebody else")
    assert "another supervisor has taken over: somebody else" in await first.failure()
    await first.abandon()
    assert bench.world.stopped == []


async def test_a_spare_takes_the_place_of_a_dead_actor_and_is_replaced(bench):
    """With a warm spare the successor needs no new process; the pool fills up again later."""
    async with bench.running(ONE_GROUP, spares=1) as supervision:
        await until(lambda: all_armed(supervision) and len(supervision.spares) == 1)
        spare = bench.world.all[-1]
        bench.world.links["account/a@1"].die()
        await until(lambda: "account/a@2" in bench.world.links)
        assert bench.world.links["account/a@2"] is spare
        await until(lambda: len(supervision.spares) == 1)


async def test_an_order_waits_for_a_group_that_is_down(bench):
    """What the operator says is brought as soon as somebody lives to hear it."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.links["group/g@1"].die()
        supervision.tell(G, Order(state=OperatorState.PAUSE, by="operator:me", reason="lunch"))
        await until(lambda: ("g", OperatorState.PAUSE, "operator:me", "lunch") in bench.world.told)


async def test_a_frozen_account_is_not_armed_again(bench):
    """FROZEN means that somebody else trades there: only a person ends it."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        actor = bench.world.freeze("a", "a fill that is not ours")
        await until(lambda: supervision.accounts[A].status.mode is AccountMode.FROZEN)
        await asyncio.sleep(10)
        assert actor.mode is AccountMode.FROZEN


async def test_the_groups_of_a_frozen_account_only_get_smaller_and_are_told_why(bench):
    """Once, and never over a graver word: REDUCE with what was seen; the notice says how it goes on."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision) and supervision.groups[G].status is not None)
        bench.world.freeze("a", "a fill that is not ours")
        await until(lambda: bool(bench.world.told))
        await asyncio.sleep(10)
        reason = "account a is frozen: a fill that is not ours"
        assert bench.world.told == [("g", OperatorState.REDUCE, "supervisor", reason)]
        [notice] = supervision.notices
        assert "a fill that is not ours" in notice
        assert "--release a" in notice
        supervision.tell(G, Order(state=OperatorState.FLATTEN, by="operator:me", reason="out"))
        await asyncio.sleep(10)
        assert bench.world.operator["g"] is OperatorState.FLATTEN


async def test_a_freeze_outlives_the_supervisor_until_the_account_is_released(bench):
    """A restart does not arm it; --release ACCOUNT does, signed, and its group goes on as the settings say."""
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision) and supervision.groups[G].status is not None)
        bench.world.freeze("a", "seen")
        await until(lambda: bool(bench.world.told))
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: supervision.accounts[A].status is not None)
        await asyncio.sleep(10)
        assert supervision.accounts[A].status.mode is AccountMode.FROZEN
        assert "seen" in supervision.notices[0]
    bench.world.told.clear()
    async with bench.running(ONE_GROUP, release=frozenset({"a"})) as supervision:
        await until(lambda: bool(bench.world.told) and all_armed(supervision))
        assert bench.world.released == [("a", "anna@desk")]
        await asyncio.sleep(10)
        assert bench.world.told == [("g", OperatorState.RUN, "release:anna@desk", "released: a")]
        assert supervision.accounts[A].status.mode is AccountMode.ARMED
    async with bench.running(ONE_GROUP):
        await asyncio.sleep(10)
    assert bench.world.released == [("a", "anna@desk")], "one word releases once"


async def test_releasing_a_group_releases_its_accounts(bench):
    """A person who says that the group may go on means all of it."""
    bench.world.frozen = {"a": "seen", "b": "seen, too"}
    async with bench.running(ONE_GROUP, release=frozenset({G})) as supervision:
        await until(lambda: all_armed(supervision))
        assert sorted(bench.world.released) == [("a", "anna@desk"), ("b", "anna@desk")]
        await asyncio.sleep(10)
        assert bench.world.operator["g"] is OperatorState.RUN


async def test_releasing_an_account_does_not_release_a_parked_group(bench):
    """Who looked at the account has not looked at why the group was parked."""
    async with bench.running(ONE_GROUP, groups=RestartPolicy(max_restarts=0)) as supervision:
        await until(lambda: all_armed(supervision))
        bench.world.links["group/g@1"].die()
        await ending.until_over(supervision)
    bench.world.told.clear()
    async with bench.running(ONE_GROUP, release=frozenset({"a"})) as supervision:
        await until(lambda: supervision.accounts[A].status is not None)
        await asyncio.sleep(10)
        assert OperatorState.RUN not in {told[1] for told in bench.world.told}
        assert supervision.groups[G].parking


async def test_a_journal_that_refuses_stops_the_start(bench):
    """Without its journal the supervisor starts nothing."""
    bench.store.refuse_writes(JournalWriteError("disk full"))
    with pytest.raises(JournalWriteError):
        await bench.supervision(ONE_GROUP).start()
    assert bench.world.all == []


async def test_a_full_disk_is_no_death_of_anybody_and_said_once(bench):
    """Accounts die while no epoch can be written: nobody escalates; with room again they come back."""
    async with bench.running(ONE_GROUP, accounts=RestartPolicy(max_restarts=2)) as supervision:
        await until(lambda: all_armed(supervision))
        bench.store.refuse_writes(JournalWriteError("disk full"))
        bench.world.links["account/a@1"].die()
        bench.world.links["account/b@1"].die()
        await asyncio.sleep(300)
        assert [len(keeper.life.deaths) for keeper in supervision.accounts.values()] == [1, 1]
        assert not supervision.groups[G].parking
        [said] = supervision.notices
        assert "disk full" in said
        bench.store.refuse_writes(None)
        await until(lambda: all_armed(supervision))
        await until(lambda: supervision.notices[1:] == ["The journal can be written again."])
        assert not supervision.groups[G].parking


async def test_an_actor_that_cannot_open_its_journal_is_not_blamed(bench):
    """The disk fills up between the claim and the start: it is tried again without counting deaths."""
    bench.world.full.add("a")
    async with bench.running(ONE_GROUP, accounts=RestartPolicy(max_restarts=2)) as supervision:
        await asyncio.sleep(200)
        assert supervision.accounts[A].life.deaths == []
        assert supervision.accounts[A].life.starts < 30, "tried with rising waits"
        bench.world.full.clear()
        await until(lambda: all_armed(supervision))


async def test_a_full_disk_does_not_stand_between_a_group_and_its_way_out(bench):
    """When the unwind cannot be written down, it is said, and every group is flattened all the same."""
    bench.world.held["g"] = Decimal(3)
    async with bench.running(ONE_GROUP) as supervision:
        await until(lambda: all_armed(supervision))
        bench.store.refuse_writes(JournalWriteError("disk full"))
        assert await ending.unwind(supervision, 30.0, asyncio.Event()) == ("Group g is flat.",)
        assert "disk full" in supervision.notices[0]
        bench.store.refuse_writes(None)
