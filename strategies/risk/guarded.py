"""A machine behind the gate: its orders are judged, its losses counted, and what a limit says reaches it as a word."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Generic, TypeVar, assert_never, cast

from strategies.domain.commands import CancelTimer, Command, Notify, SetTimer, Severity, SubmitOrder
from strategies.domain.events import Event, OperatorState, OperatorStateSet, OrderDenied, Restarted, TimerFired
from strategies.domain.ids import AccountId, TimerName, Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.machine import GroupView, Held, LimitView, Machine, Step
from strategies.risk.first_gate import FirstExposure, first_check
from strategies.risk.gate import Exposure, judge
from strategies.risk.limits import BUDGETS, FIRST_GATE, GATE, LimitName, Limits, LimitsInForce, Word, bounds_of
from strategies.risk.memory import GuardedState, Latch, anew, approved, remember
from strategies.risk.reach import (
    budgets_reached,
    has_levels,
    is_reached,
    latch_of,
    levels_reached,
    sent_last_minute,
    severest,
    shown,
    take_back,
    uncovered_usd,
    wake_at,
)
from strategies.risk.verdict import Approved, Denied

S = TypeVar("S", bound=Value)

LIMIT_TIMER = TimerName("~limits")
"""The gate's own timer. No leg is called so, and no strategy's timer."""
DENIALS_PER_STEP_MAX = 16
"""Denials answered within one step. A machine that goes on asking after so many is cut off until its next event."""
_SEVERITIES = {
    Word.DENY: Severity.WARNING,
    Word.PAUSE: Severity.WARNING,
    Word.REDUCE: Severity.CRITICAL,
    Word.FLATTEN: Severity.CRITICAL,
}
_RELEASER = "operator"
"""How the names of those begin whose RUN releases what a limit holds: as it releases a parked group."""


class _Snapshot(Value):
    inner: str
    gate: GuardedState


class _Turn(Generic[S]):
    """One step's working copy."""

    __slots__ = ("at", "commands", "gate", "inner", "words")

    def __init__(self, gate: GuardedState, inner: S, at: Timestamp) -> None:
        self.gate = gate
        self.inner = inner
        self.at = at
        self.commands: list[Command] = []
        self.words: list[OperatorStateSet] = []
        """What limits have to tell the machine, after what it is being told now."""

    def put(self, **changes: Any) -> None:
        self.gate = self.gate.model_copy(update=changes)

    def notify(self, severity: Severity, topic: str, text: str) -> None:
        self.commands.append(Notify(severity=severity, topic=topic, text=text))


class Guarded(Generic[S]):
    """A machine whose orders pass the gate; a denied one comes back to it as `OrderDenied` within the same step.

    What a limit tells the machine (PAUSE, REDUCE, FLATTEN) comes to it within the step, too, as an operator's word
    does. None of it is journaled apart: a replay counts, denies and tells the same again.
    """

    def __init__(self, machine: Machine[S], limits: Limits) -> None:
        """Guard `machine` by `limits`."""
        self._machine = machine
        self._limits = limits
        self._first = isinstance(limits, LimitsInForce) and limits.gate == FIRST_GATE
        self._bounds = bounds_of(limits)
        self._levels = has_levels(self._bounds)
        self._budgets = tuple(bound for bound in self._bounds if bound.name in BUDGETS)
        self._naked = any(bound.name in (LimitName.NAKED, LimitName.NAKED_USD) for bound in self._bounds)

    @property
    def code_version(self) -> str:
        """Name the version of the guarded machine's decisions, and of what the gate remembers."""
        return f"{self._machine.code_version}+gate/{GATE}"

    def start(self) -> GuardedState:
        """Return the state before anything has happened."""
        return GuardedState(inner=self._machine.start())

    def step(self, state: GuardedState, event: Event) -> Step[GuardedState]:
        """Fold one event, every denial that follows from it, and every limit that it reaches or releases."""
        turn: _Turn[S] = _Turn(remember(state, event), cast("S", state.inner), event.at)
        if turn.gate.reached:
            self._end_of_day(turn)
        if self._budgets:
            for latch in budgets_reached(turn.gate, self._budgets):
                self._reach(turn, latch)
        told = self._told(turn, event)
        if told is not None:
            self._play(turn, told)
        if self._levels:
            for latch in levels_reached(turn.gate, self._bounds, self._machine.held(turn.inner).by_account):
                self._reach(turn, latch)
        self._speak(turn)
        while turn.words:
            self._play(turn, turn.words.pop(0))
        if self._naked or turn.gate.naked_usd is not None:
            turn.put(naked_usd=uncovered_usd(self._machine.view(turn.inner)) if self._naked else None)
        self._set_timer(turn)
        return Step(turn.gate.model_copy(update={"inner": turn.inner}), tuple(turn.commands))

    def view(self, state: GuardedState) -> GroupView:
        """Describe the guarded machine's state; the reason names the limits that stand reached."""
        view = self._machine.view(cast("S", state.inner))
        if not state.reached:
            return view
        reached = "; ".join(f"limit {latch.of} reached: {latch.text}" for latch in state.reached)
        return view.model_copy(update={"reason": f"{view.reason}; {reached}" if view.reason else reached})

    def held(self, state: GuardedState) -> Held:
        """Return what the guarded machine holds."""
        return self._machine.held(cast("S", state.inner))

    def limits(self, state: GuardedState) -> tuple[LimitView, ...]:
        """Describe the limits: how much, how much of it is used, and which stand reached."""
        return shown(state, self._bounds, self._machine.view(cast("S", state.inner)))

    def state_to_json(self, state: GuardedState) -> str:
        """Write gate and machine for a snapshot."""
        gate = state.model_copy(update={"inner": None})
        return _Snapshot(inner=self._machine.state_to_json(cast("S", state.inner)), gate=gate).model_dump_json()

    def state_from_json(self, text: str) -> GuardedState:
        """Read a snapshot.

        Raises:
            ValueError: the text is not a state of this version.
        """
        snapshot = _Snapshot.model_validate_json(text)
        return snapshot.gate.model_copy(update={"inner": self._machine.state_from_json(snapshot.inner)})

    # --- orders ---------------------------------------------------------------------------------------------------

    def _play(self, turn: _Turn[S], event: Event) -> None:
        """Let the machine decide; judge what it orders, and tell it what was denied until it is content."""
        waiting: list[Event] = [event]
        denials = 0
        while waiting:
            step = self._machine.step(turn.inner, waiting.pop(0))
            turn.inner = step.state
            for command in step.commands:
                if not isinstance(command, SubmitOrder):
                    turn.commands.append(command)
                    continue
                verdict = self._judge(turn, command)
                match verdict:
                    case Approved():
                        at = turn.at if self._first else turn.gate.now
                        turn.gate = approved(turn.gate, command.account, command.order, at)
                        turn.commands.append(verdict.command)
                    case Denied():
                        denials += 1
                        self._deny(turn, command, verdict)
                        waiting.append(_denied(command, verdict, turn.at))
                    case _:
                        assert_never(verdict)
            if denials > DENIALS_PER_STEP_MAX:
                break

    def _judge(self, turn: _Turn[S], command: SubmitOrder) -> Approved | Denied:
        gate, held = turn.gate, self._machine.held(turn.inner)
        if self._first:
            netted: dict[AccountId, Decimal] = {}
            for order in gate.open_orders.values():
                netted[order.account] = netted.get(order.account, ZERO) + order.signed
            recent = sent_last_minute(gate, None, turn.at)
            exposure = FirstExposure(held.by_account, netted, gate.mark, gate.equity, recent)
            return first_check(command, exposure, self._limits)
        buys: dict[AccountId, Decimal] = {}
        sells: dict[AccountId, Decimal] = {}
        for order in gate.open_orders.values():
            side = buys if order.signed > ZERO else sells
            side[order.account] = side.get(order.account, ZERO) + order.leaves
        exposure = Exposure(
            held=held.by_account,
            mark=gate.mark,
            equity=gate.equity,
            buys=buys,
            sells=sells,
            orders_last_minute=sent_last_minute(gate, None),
            account_orders_last_minute={account: sent_last_minute(gate, account) for account in held.by_account},
            net=held.net,
            reached=gate.reached,
        )
        return judge(command, exposure, self._bounds)

    def _deny(self, turn: _Turn[S], command: SubmitOrder, verdict: Denied) -> None:
        text = f"{command.order.order_id} denied: {verdict.code}, {verdict.detail}"
        turn.notify(Severity.WARNING, "order_denied", text)
        bound = verdict.bound
        if bound is None:
            return
        turn.put(denials={**turn.gate.denials, bound.key: turn.gate.denials.get(bound.key, 0) + 1})
        if bound.word is not Word.DENY and not is_reached(turn.gate, bound):
            self._reach(turn, latch_of(turn.gate, bound, verdict.detail))
            self._speak(turn)

    # --- limits ---------------------------------------------------------------------------------------------------

    def _reach(self, turn: _Turn[S], latch: Latch) -> None:
        """Take note of a limit that is reached now, say so, and take back what rests where nothing may grow."""
        turn.put(reached=(*turn.gate.reached, latch))
        ends = "until the UTC day is over, or RUN is said" if latch.until is not None else "until RUN is said"
        turn.notify(_SEVERITIES[latch.word], "limit", f"limit {latch.of} reached: {latch.text}; {latch.word}, {ends}")
        if latch.word is Word.DENY:
            turn.commands.extend(take_back(turn.gate, latch.account, self._machine.held(turn.inner).by_account))

    def _end_of_day(self, turn: _Turn[S]) -> None:
        over = [latch for latch in turn.gate.reached if latch.until is not None and latch.until <= turn.gate.now]
        if over:
            self._release(turn, over, "a new UTC day")

    def _release(self, turn: _Turn[S], over: Iterable[Latch], why: str) -> None:
        for latch in over:
            turn.notify(Severity.INFO, "limit", f"limit {latch.of} released: {why}")
        turn.put(reached=tuple(latch for latch in turn.gate.reached if latch not in over))

    def _told(self, turn: _Turn[S], event: Event) -> Event | None:
        """Return what the machine is told of an event; None = nothing, it is the gate's own."""
        if isinstance(event, TimerFired) and event.timer == LIMIT_TIMER:
            turn.put(timer=None)
            return None
        if isinstance(event, Restarted):
            turn.put(timer=None)  # as every machine does: what is still wanted is asked for again
        if not isinstance(event, OperatorStateSet):
            return event
        turn.put(told=event.state)
        if event.state is OperatorState.RUN and event.by.startswith(_RELEASER):
            for latch in turn.gate.reached:
                turn.gate = anew(turn.gate, latch)
            self._release(turn, turn.gate.reached, f"{event.by} said RUN")
        wanted = severest(turn.gate.told, turn.gate.reached)
        if wanted is not event.state:
            return None  # a limit says something graver, and has said it or will within this step
        turn.put(said=wanted)
        return event

    def _speak(self, turn: _Turn[S]) -> None:
        """Tell the machine what the limits, together with everybody else, have come to say."""
        gate = turn.gate
        wanted = severest(gate.told, gate.reached)
        if wanted is None or wanted is gate.said:
            return
        cause = next((latch for latch in reversed(gate.reached) if latch.word.state is wanted), None)
        by, reason = ("limits", "released") if cause is None else (f"limit {cause.of}", cause.text)
        turn.words.append(OperatorStateSet(at=turn.at, state=wanted, by=by, reason=reason))
        turn.put(said=wanted)

    def _set_timer(self, turn: _Turn[S]) -> None:
        wanted = wake_at(turn.gate, self._bounds)
        if wanted == turn.gate.timer:
            return
        turn.commands.append(
            CancelTimer(timer=LIMIT_TIMER) if wanted is None else SetTimer(timer=LIMIT_TIMER, due_at=wanted)
        )
        turn.put(timer=wanted)


def _denied(command: SubmitOrder, verdict: Denied, now: Timestamp) -> OrderDenied:
    return OrderDenied(
        at=now, account=command.account, order_id=command.order.order_id, code=verdict.code, detail=verdict.detail
    )
