"""Out: the way out that every group has, run as a machine inside this one until every venue has confirmed flat.

It cancels whatever rests, looks, closes each leg by itself and never gives up; its orders have ids of their own.
"""

from typing import Any

from strategies.desk.state import Phase
from strategies.desk.turn import Turn
from strategies.domain.commands import CancelTimer, SetTimer, Severity
from strategies.domain.events import Event, Observed, OperatorState, Restarted, Started
from strategies.domain.ids import TimerName, Timestamp
from strategies.domain.money import ZERO
from strategies.flatten.machine import Flatten
from strategies.flatten.state import FlattenParams, FlattenState
from strategies.flatten.state import Phase as FlattenPhase
from strategies.machine import GroupSpec, Outcome
from strategies.unwind import UnwindParams, doubling, milliseconds


def way_out(spec: GroupSpec, params: UnwindParams) -> Flatten:
    """Return the machine of the exit, with the group's own numbers."""
    numbers = {name: getattr(params, name) for name in FlattenParams.model_fields}
    return Flatten(spec, FlattenParams.model_validate(numbers))


def begin_exit(
    turn: Turn[Any], machine: Flatten, reason: str, *, parking: bool = False, finishing: bool = False
) -> None:
    """Leave, and say why. `parking`: a person has to look before anything is traded again."""
    severity = Severity.WARNING if parking else Severity.INFO
    turn.enter(
        Phase.EXITING,
        reason,
        parking=parking,
        finishing=finishing,
        way_out_done_at=None,
        look_due_at=None,
        early_look=turn.state.looking_since is not None,
    )
    for name in turn.state.legs:
        turn.put(name, stray=ZERO, failures=0)
    turn.notify(severity, "exit", f"exit of cycle {turn.state.cycle}, {reason}; holding {holding(turn)}")
    _advance(turn, machine, machine.start(), Started(at=turn.now, group=turn.setting.group))


def pass_on(turn: Turn[Any], machine: Flatten, event: Event) -> None:
    """Let the way out see an event, but for the answer to a look that was asked for before it began."""
    state = turn.state.way_out
    if state is None or turn.state.phase is not Phase.EXITING:
        return
    if isinstance(event, Restarted):
        turn.move(early_look=False)
    if isinstance(event, Observed) and turn.state.early_look and event.legs.keys() == turn.state.legs.keys():
        turn.move(early_look=False)
        return
    _advance(turn, machine, state, event)


def _advance(turn: Turn[Any], machine: Flatten, state: FlattenState, event: Event) -> None:
    """Take a step of the way out. Its timers run as ours: they are named after the legs, ours are not."""
    step = machine.step(state, event)
    turn.move(way_out=step.state)
    turn.commands.extend(each for each in step.commands if not isinstance(each, SetTimer | CancelTimer))


def leave(turn: Turn[Any], machine: Flatten) -> None:
    """End the exit when the way out is over and our own facts say the same."""
    out = turn.state.way_out
    if out is None or out.phase is not FlattenPhase.FLAT:
        turn.move(way_out_done_at=None)
        return
    if turn.state.way_out_done_at is None:
        turn.move(way_out_done_at=turn.now)
    settled = all(
        not leg.working and not leg.orphans and leg.held == (out.legs[name].quantity or ZERO)
        for name, leg in turn.state.legs.items()
    )
    if settled:
        _end_cycle(turn, machine)
        return
    if turn.now >= settle_by(turn):
        # A fact is late. The venues say flat with nothing open: ask again rather than hang on what was said before.
        turn.move(way_out_done_at=None)
        _take_the_venues_word(turn, out)
        _advance(turn, machine, machine.start(), Started(at=turn.now, group=turn.setting.group))


def settle_by(turn: Turn[Any]) -> Timestamp:
    """Return until when our own facts may lag behind the venues' word."""
    done_at = turn.state.way_out_done_at
    return Timestamp((turn.now if done_at is None else done_at) + milliseconds(turn.params.look_timeout_s))


def _take_the_venues_word(turn: Turn[Any], out: FlattenState) -> None:
    for name, leg in turn.state.legs.items():
        held = out.legs[name].quantity or ZERO
        if leg.held != held:
            turn.notify(Severity.WARNING, "position_surprise", f"{name} holds {held}; our fills said {leg.held}")
            turn.put(name, offset=held - leg.ledger.quantity, owed=())
        turn.put(name, working=(), orphans=())


def _end_cycle(turn: Turn[Any], machine: Flatten) -> None:
    state, params = turn.state, turn.params
    out = state.way_out or machine.start()
    for name in state.legs:
        turn.put(name, dust=out.legs[name].dust, stray=ZERO)
    profits = ", ".join(f"{name} {leg.cycle_profit:+.4f}" for name, leg in state.legs.items())
    total = sum((leg.cycle_profit for leg in state.legs.values()), start=ZERO)
    turn.notify(Severity.INFO, "flat", f"out of cycle {state.cycle}: {total:+.4f} USD ({profits})")
    turn.move(
        flatten=False,
        way_out=None,
        way_out_done_at=None,
        counted=True,
        looking_since=None,
        look_due_at=None,
        cycles_done=state.cycles_done + int(not state.counted),
    )
    why = f"out: {state.reason}"
    if state.outcome is not Outcome.RUNNING:
        turn.enter(Phase.ENDED, why)
    elif state.parking:
        park(turn, state.reason)
    elif state.finishing or (params.max_cycles and turn.state.cycles_done >= params.max_cycles):
        text = f"{state.reason}; {turn.state.cycles_done} cycle(s) done, flat"
        turn.enter(Phase.ENDED, text, outcome=Outcome.FINISHED)
        turn.notify(Severity.INFO, "finished", f"{turn.state.cycles_done} cycles done, every leg confirmed flat")
    else:
        turn.enter(Phase.IDLE, why, start_due_at=turn.later(params.cycle_pause_s))
        if state.operator_state is OperatorState.FLATTEN:
            turn.notify(Severity.INFO, "out", "flat by the operator's word; stays out until RUN")


def start_failed(turn: Turn[Any], reason: str) -> None:
    """Count a start that came to nothing; rest, or park the group for a person to look at."""
    failures = turn.state.start_failures + 1
    turn.move(start_failures=failures, look_due_at=None)
    if failures >= turn.params.start_failures_max:
        park(turn, f"{failures} starts in a row failed, the last: {reason}")
        return
    rest = doubling(turn.params.start_retry_s, failures - 1, turn.params.start_retry_max_s)
    turn.enter(Phase.IDLE, f"start failed: {reason}", start_due_at=turn.later(rest))
    turn.notify(
        Severity.WARNING, "start_failed", f"start {failures} of {turn.params.start_failures_max} failed: {reason}"
    )


def park(turn: Turn[Any], reason: str) -> None:
    """Stop trading until a person says RUN."""
    turn.enter(Phase.ENDED, reason, outcome=Outcome.PARKED)
    turn.notify(Severity.CRITICAL, "parked", f"parked: {reason}; holding {holding(turn)}")


def holding(turn: Turn[Any]) -> str:
    """Say what the legs hold."""
    return ", ".join(f"{name} {leg.held.normalize():f}" for name, leg in turn.state.legs.items())


def set_timers(turn: Turn[Any], wanted: dict[TimerName, Timestamp]) -> None:
    """Bring the timers that run to what the state wants: level-set, so that a restart needs no special case."""
    running = turn.state.timers
    if wanted == running:
        return
    for timer, due_at in wanted.items():
        if running.get(timer) != due_at:
            turn.commands.append(SetTimer(timer=timer, due_at=due_at))
    turn.commands.extend(CancelTimer(timer=timer) for timer in running if timer not in wanted)
    turn.move(timers=wanted)
