"""What lives against what shall live: the plan as a table."""

import pytest

from actors.hosting.protocol import ActorKind, Assignment, HostPhase, Place, Pulse
from actors.supervision.desired import Found, plan
from strategies.domain.ids import AccountId
from tests.actors.supervision.local import desired

WANTED = desired({"g": ("a", "b")})
EPOCHS = {"account/a": 3, "account/b": 1, "group/g": 2}


def found(place: str, stream: str = "account/a", epoch: int = 3, phase: HostPhase = HostPhase.UP, **changes) -> Found:
    """Return a living process."""
    kind, _, name = stream.partition("/")
    fields = {"kind": ActorKind(kind), "name": name, "epoch": epoch, "spec": "{}", "settings_hash": "h", "build": "b"}
    assignment = Assignment(**(fields | {"log_file": "x"} | changes))
    return Found(place=Place(place), pulse=Pulse(pid=1, node="n", phase=phase, assignment=assignment, loop_age_s=0))


def test_nothing_lives_so_everything_is_started_accounts_first():
    """An empty world starts everything, accounts before groups."""
    assert plan(WANTED, [], EPOCHS, "b").start == ("account/a", "account/b", "group/g")


def test_a_fitting_process_is_adopted_and_not_doubled():
    """Same settings, same code, current epoch: it goes on as it is."""
    todo = plan(WANTED, [found("p1"), found("p2", "group/g", 2)], EPOCHS, "b")
    assert todo.adopt == {"account/a": "p1", "group/g": "p2"}
    assert todo.start == ("account/b",)
    assert todo.remove == ()


@pytest.mark.parametrize(
    ("each", "why"),
    [
        (found("p", settings_hash="other"), "its settings have changed"),
        (found("p", build="older"), "it runs another version of the code"),
        (found("p", epoch=2), "its epoch has been overtaken"),
        (found("p", "account/z"), "not in the settings any more"),
        (found("p", phase=HostPhase.FAILED), "it is FAILED"),
        (Found(place=Place("p"), pulse=None), "does not answer"),
        (
            Found(place=Place("p"), pulse=Pulse(pid=1, node="n", phase=HostPhase.IDLE, assignment=None, loop_age_s=0)),
            "an idle process of an earlier supervisor",
        ),
    ],
)
def test_whatever_does_not_fit_is_removed_with_its_reason(each, why):
    """A process that cannot go on is removed, and its actor is started anew."""
    todo = plan(WANTED, [each], EPOCHS, "b")
    assert [removal.reason for removal in todo.remove] == [why]
    assert "account/a" in todo.start


def test_of_two_processes_of_one_actor_only_one_goes_on():
    """A doubled actor is cut down to one."""
    todo = plan(WANTED, [found("p1"), found("p2")], EPOCHS, "b")
    assert todo.adopt == {"account/a": "p1"}
    assert [removal.place for removal in todo.remove] == ["p2"]


def test_a_group_carries_its_accounts():
    """The wish names the accounts whose trouble is the group's."""
    assert WANTED.groups["g"].accounts == (AccountId("a"), AccountId("b"))
