"""Replaying a journal through a machine."""

from decimal import Decimal

from strategies.domain.codec import commands_to_json, event_to_json
from strategies.domain.commands import Command, DrawRandom, Notify, SetTimer, Severity
from strategies.domain.events import Event, OperatorState, RandomDrawn, Started, TimerFired
from strategies.domain.ids import GroupId, TimerName, Timestamp
from strategies.domain.model import Value
from strategies.machine import GroupView, Held, Outcome, Step
from strategies.replay import JournaledStep, replay


class Count(Value):
    """How many timers have fired."""

    fired: int = 0


class Counter:
    """Counts timers, and says so at every second one, in the words it was made with."""

    def __init__(self, word: str = "tick", code_version: str = "1") -> None:
        """Take the word."""
        self._word = word
        self.code_version = code_version

    def start(self) -> Count:
        """Return zero."""
        return Count()

    def step(self, state: Count, event: Event) -> Step[Count]:
        """Count timers; anything else asks for a draw."""
        if not isinstance(event, TimerFired):
            return Step(state, (DrawRandom(name="wait", low=Decimal("0.10"), high=Decimal(2)),))
        fired = state.fired + 1
        commands: tuple[Command, ...] = (SetTimer(timer=event.timer, due_at=Timestamp(event.at + 1)),)
        if fired % 2 == 0:
            commands += (Notify(severity=Severity.INFO, topic="count", text=f"{self._word} {fired}"),)
        return Step(Count(fired=fired), commands)

    def view(self, state: Count) -> GroupView:
        """Describe the count."""
        return GroupView(
            phase=f"counted {state.fired}",
            phase_since=Timestamp(0),
            next="the next timer",
            cycle=0,
            cycles_done=0,
            operator_state=OperatorState.RUN,
            outcome=Outcome.RUNNING,
            mark=None,
            hedged=True,
            legs={},
        )

    def held(self, state: Count) -> Held:
        """Hold nothing."""
        return self.view(state).held

    def state_to_json(self, state: Count) -> str:
        """Write the count."""
        return state.model_dump_json()

    def state_from_json(self, text: str) -> Count:
        """Read the count."""
        return Count.model_validate_json(text)


_EVENTS: tuple[Event, ...] = (
    Started(at=Timestamp(1), group=GroupId("g")),
    TimerFired(at=Timestamp(2), timer=TimerName("t")),
    RandomDrawn(at=Timestamp(3), name="wait", value=Decimal("1.50")),
    TimerFired(at=Timestamp(4), timer=TimerName("t")),
    TimerFired(at=Timestamp(5), timer=TimerName("t")),
)


def _journal(machine: Counter) -> list[JournaledStep]:
    state, steps = machine.start(), []
    for seq, event in enumerate(_EVENTS, start=1):
        step = machine.step(state, event)
        state = step.state
        steps.append(JournaledStep(seq, event, commands_to_json(step.commands), machine.code_version))
    return steps


def test_the_same_machine_decides_the_same():
    """A journal replayed by the machine that wrote it ends in the same state without divergence."""
    replayed = replay(Counter(), None, _journal(Counter()))
    assert (replayed.state, replayed.seq, replayed.divergence) == (Count(fired=3), 5, None)


def test_nothing_to_replay():
    """An empty journal leaves the start state, and a snapshot stays what it is."""
    assert replay(Counter(), None, []).state == Count()
    replayed = replay(Counter(), Count(fired=7), [])
    assert (replayed.state, replayed.seq) == (Count(fired=7), 0)


def test_folding_goes_on_from_a_snapshot():
    """State at a step plus the later steps ends where the whole journal ends."""
    steps = _journal(Counter())
    half = replay(Counter(), None, steps[:2])
    assert half.seq == 2
    assert replay(Counter(), half.state, steps[2:]).state == Count(fired=3)


def test_a_different_decision_stops_the_replay():
    """The first step that is decided otherwise is named, with the state before it."""
    replayed = replay(Counter("tock"), None, _journal(Counter("tick")))
    assert (replayed.state, replayed.seq) == (Count(fired=1), 3)
    assert replayed.divergence is not None
    assert replayed.divergence.seq == 4
    assert replayed.divergence.event_json == event_to_json(_EVENTS[3])


def test_a_divergence_reads_like_a_diff():
    """The text names step, versions and event, and marks what was decided and what would be."""
    divergence = replay(Counter("tock", "2"), None, _journal(Counter("tick", "1"))).divergence
    lines = str(divergence).splitlines()
    assert lines[0] == "step 4 would be decided otherwise (code version 1 then, 2 now)"
    assert lines[1] == f"event: {event_to_json(_EVENTS[3])}"
    assert [line.strip() for line in lines if line.startswith("-  ")] == ['-  "text": "tick 2"']
    assert [line.strip() for line in lines if line.startswith("+  ")] == ['+  "text": "tock 2"']


def test_another_version_that_decides_the_same_is_fine():
    """A new code version may go on with an old journal as long as it decides the same."""
    replayed = replay(Counter(code_version="2"), None, _journal(Counter(code_version="1")))
    assert (replayed.state, replayed.divergence) == (Count(fired=3), None)


def test_one_byte_is_a_difference():
    """Commands that mean the same in other bytes are a divergence, shown byte for byte."""
    steps = _journal(Counter())
    changed = steps[0].commands_json.replace('":"', '": "')
    assert changed != steps[0].commands_json
    divergence = replay(Counter(), None, [JournaledStep(1, steps[0].event, changed, "1")]).divergence
    text = str(divergence)
    assert f"-{changed}" in text
    assert f"+{steps[0].commands_json}" in text
    assert "the same code version 1" in text


def test_a_decimal_keeps_its_digits():
    """0.10 and 0.1 are different bytes: a value that changed its digits on the way is noticed."""
    steps = _journal(Counter())
    assert '"0.10"' in steps[0].commands_json
    changed = JournaledStep(1, steps[0].event, steps[0].commands_json.replace('"0.10"', '"0.1"'), "1")
    assert replay(Counter(), None, [changed]).divergence is not None


def test_missing_commands_are_a_divergence():
    """A journaled step without commands does not pass for one with commands; text that is no JSON is shown as it is."""
    event = _EVENTS[1]
    assert "recomputed" in str(replay(Counter(), None, [JournaledStep(1, event, "[]", "1")]).divergence)
    assert "-what?" in str(replay(Counter(), None, [JournaledStep(1, event, "what?", "1")]).divergence)
