"""The host process: becomes one actor once, answers every call with a value, and says why when it fails."""

import asyncio

import pytest

from actors.actor import ActorUnreachableError, Envelope, StaleSenderError
from actors.clock import wall_now
from actors.hosting.host import Host, build_actor
from actors.hosting.protocol import ActorKind, Assignment, HostPhase, Place, ReplyKind
from strategies.domain.ids import AccountId, Timestamp
from tests.actors.supervision.conftest import until
from tests.actors.supervision.local import SmallAccount, World

pytestmark = pytest.mark.looptime

ACCOUNT = Assignment(
    kind=ActorKind.ACCOUNT, name="l1", epoch=3, spec="{}", settings_hash="h", build="b", log_file="unused"
)
GROUP = ACCOUNT.model_copy(update={"kind": ActorKind.GROUP, "name": "g"})
FOREVER = Timestamp(2**60)


def host(world: World, build=None) -> Host:
    """Return a host of small actors."""
    return Host(world.find_account, build or world.build, lambda _: None)


async def lived(world: World, assignment: Assignment = ACCOUNT) -> Host:
    """Return a host whose actor is up."""
    made = host(world)
    await made.activate(assignment)
    await until(lambda: made.pulse().phase is not HostPhase.STARTING)
    return made


async def test_activating_twice_is_activating_once():
    """The same assignment again changes nothing; another one is refused with the name of who lives here."""
    world = World()
    made = await lived(world)
    assert (await made.activate(ACCOUNT)).kind is ReplyKind.OK
    refused = await made.activate(ACCOUNT.model_copy(update={"epoch": 4}))
    assert (refused.kind, refused.text) == (ReplyKind.NOT_READY, "this process is account/l1@3")
    assert world.started == ["account/l1@3"]
    await made.stop()


async def test_a_call_after_its_deadline_does_nothing():
    """The caller has given up: what it asked for must not happen later."""
    made = await lived(World())
    reply = await made.call("arm", "", Timestamp(wall_now() - 1))
    assert reply.kind is ReplyKind.EXPIRED
    assert made._account.mode == "DISARMED"
    await made.stop()


async def test_a_spare_answers_that_nobody_lives_there():
    """Calls to an idle process are refused, not lost."""
    reply = await host(World()).call("status", "", FOREVER)
    assert (reply.kind, reply.text) == (ReplyKind.NOT_READY, "no actor has started here yet")


async def test_a_start_that_raises_leaves_a_process_that_says_why():
    """A broken actor does not take its process down: the reason stays to be read."""
    world = World()
    world.broken = {"l1"}
    made = await lived(world)
    assert made.pulse().phase is HostPhase.FAILED
    assert made.pulse().failure == "RuntimeError: l1 cannot start"
    assert "l1 cannot start" in (await made.call("status", "", FOREVER)).text
    await made.stop()


async def test_a_spec_that_does_not_fit_is_named_without_its_content():
    """Validation errors name the field and never repeat the input."""
    made = host(World(), build_actor)
    await made.activate(ACCOUNT.model_copy(update={"spec": '{"account": "hunter2"}'}))
    await until(lambda: made.pulse().phase is HostPhase.FAILED)
    assert "venue: Field required" in made.pulse().failure
    assert "hunter2" not in made.pulse().failure
    await made.stop()


async def test_an_actor_that_cannot_go_on_fails_its_process():
    """The actor's own `ended` becomes the phase that the supervisor watches."""
    made = await lived(World())
    made._account.ended.set_result("overtaken by epoch 4")
    await until(lambda: made.pulse().phase is HostPhase.FAILED)
    assert made.pulse().failure == "overtaken by epoch 4"
    await made.stop()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StaleSenderError("group/g", 1, 2), ReplyKind.STALE_SENDER),
        (ActorUnreachableError("later"), ReplyKind.NOT_READY),
        (ZeroDivisionError("oops"), ReplyKind.FAILED),
    ],
)
async def test_errors_cross_as_values(error, kind):
    """Whatever an actor raises arrives as a kind and words."""

    class Raising(SmallAccount):
        async def submit(self, envelope):  # noqa: ARG002 - as the port has it
            raise error

    world = World()
    made = host(world, lambda assignment: Raising(assignment, world))
    await made.activate(ACCOUNT)
    await until(lambda: made.pulse().phase is HostPhase.UP)
    envelope = Envelope(sender="group/g", sender_epoch=1, messages=()).model_dump_json()
    assert (await made.call("submit", envelope, FOREVER)).kind is kind
    await made.stop()


async def test_an_unknown_method_is_a_value_too():
    """A caller of another version is told, not crashed."""
    made = await lived(World())
    assert (await made.call("dance", "", FOREVER)).kind is ReplyKind.FAILED
    await made.stop()


async def test_a_group_is_connected_before_it_starts_and_told_again_later():
    """The places of the assignment are known at the start; `connect` moves one."""
    world = World()
    account = await world.spawn()
    await account.host.activate(ACCOUNT)
    later = await world.spawn()
    made = await lived(world, GROUP.model_copy(update={"places": {AccountId("l1"): account.place}}))
    assert world.connected == [("g", "l1", account.place)]
    await made.call("connect", f'{{"account": "l1", "place": "{later.place}"}}', FOREVER)
    assert world.connected[-1] == ("g", "l1", Place("host/1"))
    await made.stop()
    for link in world.all:
        await link.destroy()


async def test_stopping_twice_stops_once_and_both_wait():
    """Stop is one act, whoever asks, and the caller's own end does not break it off."""
    world = World()
    made = await lived(world)
    await asyncio.gather(made.stop(), made.stop())
    assert world.stopped == ["account/l1@3"]
    assert made.pulse().phase is HostPhase.STOPPED


async def test_the_pulse_tells_how_long_the_loop_has_not_turned():
    """A loop that turns is young; the beat goes on while the actor lives."""
    made = await lived(World())
    await asyncio.sleep(10)
    assert made.pulse().loop_age_s <= 0.3
    await made.stop()
