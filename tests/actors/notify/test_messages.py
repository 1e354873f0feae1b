"""From pictures to messages: each line of a playbook is a moment, what has changed, and what people are told."""

import re
from collections.abc import Sequence
from decimal import Decimal

import pytest

from actors.actor import Liveness, Note
from actors.hosting.protocol import ActorKind
from actors.notify import chain
from actors.notify.channel import ChannelHealth
from actors.notify.message import Message, joined
from actors.notify.settings import NotificationSettings
from actors.notify.throttle import Throttle
from actors.notify.watch import Event, events, remember, troubles
from actors.notify.wording import lasted, too_old
from actors.supervision.overview import AccountRow
from strategies.domain.account import AccountMode
from strategies.domain.commands import Severity
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId, OrderId, Timestamp
from strategies.machine import Outcome
from tests.actors.notify.conftest import short_cycle
from tests.actors.scene import A, G, actor, group_row, scene
from tests.actors.supervision.local import account_status, group_status

_S = 1000
BEGIN = Timestamp(2_000_000)


def account(mode: AccountMode = AccountMode.ARMED, **changes) -> dict:
    """Return the change of a picture in which account `a` is like this."""
    own = {name: changes.pop(name) for name in ("liveness", "restarts", "last_death", "gave_up") if name in changes}
    row = actor(ActorKind.ACCOUNT, A, **({"heard_at": None, "last_death": ""} | own))
    return {"accounts": {A: AccountRow(actor=row, venue="lighter", status=account_status(A, 2, mode, **changes))}}


def group(notes: Sequence[Note] = (), *, row: dict | None = None, naked_since=None, **view) -> dict:
    """Return the change of a picture in which group `g` is like this."""
    status = group_status(G, 2, **view).model_copy(update={"notes": tuple(notes), "naked_since": naked_since})
    return {"groups": {G: group_row(status=status, actor=actor(ActorKind.GROUP, G, heard_at=None), **(row or {}))}}


def note(number: int, topic: str, severity: Severity = Severity.WARNING, *, cycle: int = 1, at: int = BEGIN) -> Note:
    """Return what a strategy wanted told."""
    return Note(number=number, at=Timestamp(at), severity=severity, topic=topic, text=f"g: {topic}", cycle=cycle)


def told(*moments: tuple[float, dict], first: dict | None = None, **settings) -> list[str]:
    """Play moments (seconds after the begin, what is then to be seen); return the first lines of what is told."""
    chosen = NotificationSettings(**settings)
    throttle = Throttle(chosen.remind_every_s, chosen.recovered_after_s)
    quiet = account() | group()
    before = remember(scene(at=BEGIN, **(quiet | (first or {}))), BEGIN)
    lines = []
    for after_s, changes in moments:
        seen = scene(at=Timestamp(BEGIN + int(after_s * _S)), **(quiet | changes))
        messages = [throttle.event(event) for event in events(before, seen)]
        messages += throttle.look(seen.at, troubles(before, seen, chosen))
        before = remember(seen, BEGIN)
        lines += [f"{after_s:g}: {each.severity} {each.text.splitlines()[0]}" for each in messages if each is not None]
    return lines


FROZEN = account(AccountMode.FROZEN, reason="an order that is not ours")
OVERDUE = account(too_old={OrderId("g:1:long:entry:1"): "no row"})
DOUBT = account(unknown={OrderId("g:1:long:entry:1"): BEGIN})


def test_nothing_happens_nothing_is_told():
    """A quiet hour is quiet."""
    assert told(*((second, {}) for second in range(0, 3600, 60))) == []


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        (
            [(1, FROZEN), (2, FROZEN), (3, {}), (20, {}), (40, {})],
            [
                "1: CRITICAL Account a is FROZEN, only exits leave it: an order that is not ours.",
                "20: CRITICAL Recovered: account a is ARMED again (trouble for 2 s).",
            ],
        ),
        (
            [(30, DOUBT), (61, DOUBT), (62, DOUBT), (70, {}), (90, {})],
            [
                "61: CRITICAL Account a: 1 order(s) of unknown outcome, the oldest for 1 min 1 s: g:1:long:entry:1.",
                "90: CRITICAL Recovered: every order of account a has a proven outcome (trouble for 9 s).",
            ],
        ),
        (
            [(1, OVERDUE), (2, OVERDUE), (3, {}), (20, {})],
            [
                f"1: CRITICAL {too_old('a', {'g:1:long:entry:1': 'no row'})}",
                "20: CRITICAL Recovered: no order of account a waits for a person any more (trouble for 2 s).",
            ],
        ),
        (
            [(1, group(naked_since=BEGIN, held=Decimal(1))), (31, group(naked_since=BEGIN)), (32, {}), (60, {})],
            [
                "31: CRITICAL g is uncovered for 31 s: net 0 (+0.00 USD); IDLE, next: wait.",
                "60: CRITICAL Recovered: g is covered (trouble for 1 s).",
            ],
        ),
        (
            [(1, account(liveness=Liveness.DEAD, last_death="killed by 9")), (2, {}), (17, {})],
            [
                "1: WARNING account/a died (killed by 9); a successor takes its place.",
                "17: WARNING Recovered: account/a reports again (trouble for 1 s).",
            ],
        ),
        (
            [(1, account(restarts=2, last_death="killed by 9")), (2, account(restarts=2)), (17, account(restarts=2))],
            [
                "1: WARNING account/a died (killed by 9); its successor lives.",
                "17: WARNING Recovered: account/a reports again (trouble for 1 s).",
            ],
        ),
        (
            [(1, group(row={"parking": "x", "trouble": "flattened and parked: x", "over": True})), (2, {}), (17, {})],
            [
                "1: CRITICAL g is parked and trades no more: flattened and parked: x.",
                "17: CRITICAL Recovered: g is parked no more (trouble for 1 s).",
            ],
        ),
        ([(1, group(waits="disk full"))], ["1: CRITICAL g does not decide: disk full."]),
        (
            [(1, {"notices": ("one", "two"), "noticed": 2}), (2, {"notices": ("one", "two", "three"), "noticed": 3})],
            ["1: CRITICAL one", "1: CRITICAL two", "2: CRITICAL three"],
        ),
        (
            [(1, group(operator=OperatorState.FLATTEN)), (2, group(operator=OperatorState.FLATTEN))],
            ["1: INFO g is told FLATTEN: it closes every leg."],
        ),
        (
            [(1, group(outcome=Outcome.FINISHED, row={"over": True})), (2, group(row={"over": True}))],
            ["1: INFO g: finished, 0 cycle(s) done, every leg confirmed flat."],
        ),
        (
            [(1, group([note(1, "exit"), note(2, "parked")])), (2, group([note(2, "parked"), note(3, "dust")]))],
            ["1: WARNING g: exit", "2: WARNING g: dust"],
        ),
        ([(1, group([note(1, "exit", at=BEGIN - 1)]))], []),
    ],
)
def test_what_is_told_of_each_trouble(moments, expected):
    """Every kind of trouble once, its end once, and events as they happen."""
    assert told(*moments) == expected


def test_an_actor_that_never_lived_has_not_died():
    """At the start nobody has reported yet: that is no trouble."""
    assert told((1, account(liveness=Liveness.DEAD))) == []


def test_a_channel_that_fails_is_told_by_the_others():
    """Its error and what waits are named; its return is, too."""
    failing = ChannelHealth(
        name="mail", sent=0, failures=3, dropped=0, waiting=4, failing_since=BEGIN, last_error="refused"
    )
    assert told((1, {"channels": (failing,)}), (2, {}), (30, {})) == [
        "1: WARNING Notifications do not go out by mail: refused. 4 wait(s).",
        "30: WARNING Recovered: notifications go out by mail again (trouble for 1 s).",
    ]


def test_a_trouble_that_stays_is_told_again_each_hour():
    """Not each second, and not only once."""
    lines = told(*((minute * 60, FROZEN) for minute in range(131)))
    assert [line.partition(":")[0] for line in lines] == ["0", "3600", "7200"]


def test_a_trouble_that_comes_and_goes_is_told_first_and_at_the_tenth_time():
    """Flapping does not flood: it is recovered when it has stayed away."""
    moments = [(second, FROZEN if second % 2 == 0 else {}) for second in range(25)]
    assert [line.partition(":")[0] for line in told(*moments, (26, {}), (60, {}))] == ["0", "18", "60"]
    assert told(*moments, (26, {}), (60, {}))[-1].endswith("ARMED again (trouble for 26 s, 13 times).")


def test_a_trouble_that_becomes_worse_is_told_at_once():
    """From a death that a successor heals to one that nobody heals."""
    dead = account(liveness=Liveness.DEAD, last_death="killed")
    lost = account(liveness=Liveness.DEAD, last_death="killed", gave_up="it died too often")
    assert told((1, dead), (2, lost)) == [
        "1: WARNING account/a died (killed); a successor takes its place.",
        "2: CRITICAL account/a is not started again: it died too often.",
    ]


def test_the_same_news_again_and_again_is_counted():
    """The first, the tenth, and one an hour; in the next cycle a warning is news again."""
    throttle = Throttle(3600, 15)
    message = Message(at=BEGIN, severity=Severity.WARNING, text="denied")

    def sent(key: str, at_s: int) -> bool:
        at = Timestamp(BEGIN + at_s * _S)
        return throttle.event(Event(key, message.model_copy(update={"at": at}))) is not None

    assert [second for second in range(100) if sent("g/denied/1", second)] == [0, 9]
    assert sent("g/denied/2", 50)
    assert sent("g/denied/1", 3600)
    assert sent("", 3600)


def test_a_text_takes_as_many_messages_as_fit():
    """One too long is cut, buttons stand alone, order is kept."""
    messages = [Message(at=BEGIN, severity=Severity.INFO, text=letter * 10) for letter in "abc"]
    assert joined(messages, 30) == ("ℹ aaaaaaaaaa\n\nℹ bbbbbbbbbb", 2)  # noqa: RUF001 - the sign is meant
    assert joined([messages[0].model_copy(update={"text": "x" * 99})], 10) == ("ℹ xxxxxx …", 1)  # noqa: RUF001 - same


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_durations_are_short(seconds, text):
    """Two units are enough."""
    assert lasted(seconds) == text


def test_a_group_that_reports_for_the_first_time_tells_no_old_news():
    """An adopted group brings notes from before; only what was said since the notifier began is told."""
    nobody = {"groups": {GroupId("g"): group_row(status=None)}}
    old, new = note(1, "exit", at=BEGIN - 5), note(2, "dust", at=BEGIN + 5)
    assert told((1, group([old, new])), first=nobody) == ["1: WARNING g: dust"]


def test_a_long_chain_keeps_its_beginning_and_its_end():
    """What does not fit is left out of the middle and counted; the message never exceeds its room."""
    text = chain.told(short_cycle(1, causes=300))
    assert len(text) <= chain.ROOM
    assert "event 0\n" in text
    assert text.endswith("all roles: +4.00 USD after fees")
    shown = {int(number) for number in re.findall(r"event (\d+)", text)}
    assert 299 in shown
    assert f"… {300 - len(shown)} more: /cycle?group=g&n=1" in text
    assert len(chain.told(short_cycle(1, causes=300), room=400)) <= 400
    assert "more:" not in chain.told(short_cycle(1, causes=5))
