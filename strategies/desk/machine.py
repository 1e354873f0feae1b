"""The desk as a machine: fold the event, see what calls for the exit, ask the policy, bring about what it wants.

Level-triggered: nothing here remembers how it got here. A fill that comes late, a cancel that comes too late, and an
order from before a restart are ordinary cases: what is wanted is held against what stands.
"""

from collections.abc import Callable
from typing import Generic

from strategies.desk.basis import interruptions, lacks
from strategies.desk.facts import fold
from strategies.desk.keeping import keep, moments, withdraw
from strategies.desk.leaving import begin_exit, leave, pass_on, set_timers, settle_by, start_failed, way_out
from strategies.desk.params import DeskParams
from strategies.desk.policy import Policy
from strategies.desk.state import DeskLeg, DeskState, M, Phase
from strategies.desk.turn import Setting, Turn
from strategies.desk.view import inventory, view
from strategies.domain.account import AccountMode
from strategies.domain.commands import Severity
from strategies.domain.events import Event, OrderAccepted, OrderSubmitted, TimerFired
from strategies.domain.ids import LegName, TimerName, Timestamp
from strategies.domain.money import ZERO
from strategies.machine import GroupSpec, GroupView, Held, Step
from strategies.unwind import milliseconds

LOOK = TimerName("look")
ACT = TimerName("act")
_PHASES_PER_STEP_MAX = len(Phase)
"""One step passes each phase at most once."""
_STARTING = (None, AccountMode.DISARMED, AccountMode.STOPPED)


class Desk(Generic[M]):
    """One group's machine, moved by a policy."""

    def __init__(
        self, spec: GroupSpec, params: DeskParams, policy: Policy[M], *, heeds_acceptance: bool = True
    ) -> None:
        """Take the group's names, its numbers, and what decides.

        `heeds_acceptance`: whether the policy's plan depends on an order's having been accepted, beside its standing.

        Raises:
            ValueError: there is no leg, two legs share an account, or a leg has a name that the desk needs itself.
        """
        legs_of = {account: name for name, account in spec.legs.items()}
        if not spec.legs or len(legs_of) != len(spec.legs):
            raise ValueError(f"each leg needs its own account, and there must be one, got {spec.legs}")
        if {LOOK, ACT} & set(spec.legs):
            raise ValueError(f"a leg cannot be called {LOOK} or {ACT}")
        self._setting = Setting(spec.group, spec.instrument_id, dict(spec.legs), legs_of, params)
        self._policy = policy
        self._heeds_acceptance = heeds_acceptance
        self._state_model: type[DeskState[M]] = DeskState[policy.memory_model]  # type: ignore[name-defined]
        self._way_out = way_out(spec, params)
        self._decisions: dict[Phase, Callable[[Turn[M]], None]] = {
            Phase.IDLE: self._idle,
            Phase.PREPARING: self._prepare,
            Phase.WORKING: self._work,
            Phase.EXITING: self._leave,
            Phase.ENDED: self._stay,
        }

    @property
    def code_version(self) -> str:
        """Name the version of the decisions."""
        return self._policy.code_version

    def start(self) -> DeskState[M]:
        """Return the state before anything has happened."""
        legs = {name: DeskLeg(account=account) for name, account in self._setting.accounts.items()}
        return self._state_model(legs=legs)

    def step(self, state: DeskState[M], event: Event) -> Step[DeskState[M]]:
        """Fold one event and say what to do."""
        turn: Turn[M] = Turn(self._setting, state, event.at)
        fold(turn, event)
        if state.phase is Phase.WORKING and not turn.answered and self._is_routine(turn, state, event):
            turn.look_now_if_due()
            set_timers(turn, turn.state.timers | self._look_timer(turn))
            return Step(turn.state, tuple(turn.commands))
        pass_on(turn, self._way_out, event)
        self._interrupt(turn)
        for _ in range(_PHASES_PER_STEP_MAX):
            before = turn.state.phase
            self._decisions[before](turn)
            if turn.state.phase is before:
                break
        turn.look_now_if_due()
        set_timers(turn, self._timers(turn))
        return Step(turn.state, tuple(turn.commands))

    def _is_routine(self, turn: Turn[M], before: DeskState[M], event: Event) -> bool:
        """Say whether an event changes nothing that decisions of a running cycle are made from.

        A look that is due is only asked for: its answer is decided upon, and what else comes due has its own timer.
        """
        match event:
            case TimerFired(timer=timer):
                return timer == LOOK
            case OrderSubmitted() | OrderAccepted():
                name = turn.setting.legs_of.get(event.account)
                if name is None or (self._heeds_acceptance and isinstance(event, OrderAccepted)):
                    return False
                return any(order.order_id == event.order_id for order in before.legs[name].working)
            case _:
                return False

    def view(self, state: DeskState[M]) -> GroupView:
        """Describe the state for people and metrics."""
        return view(self._setting, self._policy, state)

    def held(self, state: DeskState[M]) -> Held:
        """Return what each account holds, and what of it is uncovered."""
        return Held({leg.account: leg.held for leg in state.legs.values()}, state.net - inventory(self._policy, state))

    def state_to_json(self, state: DeskState[M]) -> str:
        """Write the state for a snapshot."""
        return state.model_dump_json()

    def state_from_json(self, text: str) -> DeskState[M]:
        """Read a snapshot.

        Raises:
            ValueError: the text is not a state of this version.
        """
        return self._state_model.model_validate_json(text)

    # --- what calls for the exit ----------------------------------------------------------------------------------

    def _interrupt(self, turn: Turn[M]) -> None:
        found = next(interruptions(turn), None)
        if found is not None:
            begin_exit(turn, self._way_out, found.reason, parking=found.parking)

    # --- what the phase is missing --------------------------------------------------------------------------------

    def _idle(self, turn: Turn[M]) -> None:
        """Start a cycle when the operator lets us and the rest is over."""
        if turn.told_to_run and turn.now >= turn.state.start_due_at:
            turn.enter(Phase.PREPARING, "looking at all legs")
            turn.want_look()

    def _prepare(self, turn: Turn[M]) -> None:
        """Go from a look at all legs to a running cycle, or give the start up with the reason."""
        if not turn.told_to_run:
            turn.enter(Phase.IDLE, f"operator said {turn.state.operator_state}", look_due_at=None)
            return
        seen = all(turn.sighted(name) and self._since_phase(turn, name) for name in turn.state.legs)
        reason = "not every leg was answered for" if not seen else next(lacks(turn), None)
        if reason is None:
            begun = self._begin(turn)
            if begun is None:
                return
            reason = begun
        self._cancel_what_rests(turn)
        if any(leg.mode in _STARTING for leg in turn.state.legs.values()):
            turn.move(reason=f"waiting: {reason}")
            turn.look_by(turn.later(turn.params.poll_interval_s))
            return
        if turn.answered:
            turn.move(looks=turn.state.looks + 1, reason=reason)
            turn.answered = False
            if turn.state.looks >= turn.params.look_attempts:
                start_failed(turn, reason)
                return
        turn.want_look()

    def _cancel_what_rests(self, turn: Turn[M]) -> None:
        """Take back what an earlier life of this group left at a venue."""
        for name in turn.state.legs:
            keep(turn, name, ())

    def _since_phase(self, turn: Turn[M], name: LegName) -> bool:
        asked_at = turn.leg(name).asked_at
        return asked_at is not None and asked_at >= turn.state.phase_since

    def _begin(self, turn: Turn[M]) -> str | None:
        memory = self._policy.begin(turn)
        if isinstance(memory, str):
            return memory
        cycle = turn.state.cycle + 1
        for name, leg in turn.state.legs.items():
            turn.put(
                name,
                made=0,
                failures=0,
                failure="",
                not_before=turn.now,
                stray=ZERO,
                dust=ZERO,
                base=leg.held,
                realized_before=leg.ledger.realized,
                fees_before=leg.ledger.fees,
            )
        turn.enter(Phase.WORKING, "begun", cycle=cycle, memory=memory, counted=False, start_failures=0)
        turn.notify(Severity.INFO, "cycle_started", f"cycle {cycle} of {self._policy.name} has begun")
        return None

    def _work(self, turn: Turn[M]) -> None:
        """Ask the policy what should stand, and bring it about."""
        plan = self._policy.plan(turn)
        turn.move(words=plan.words, wake_at=plan.wake_at)
        if plan.leave is not None:
            leave_ = plan.leave
            begin_exit(turn, self._way_out, leave_.reason, parking=leave_.parking, finishing=leave_.finishing)
            return
        for name in turn.state.legs:
            if name in plan.wanted:
                keep(turn, name, plan.wanted[name])
            elif turn.now >= self._blind_at(turn, name):
                withdraw(turn, name, opening_only=True)
        if turn.state.looking_since is None:
            every_s = turn.params.poll_interval_s if plan.look_s is None else plan.look_s
            turn.look_by(Timestamp(turn.state.answered_at + milliseconds(every_s)))

    def _blind_at(self, turn: Turn[M], name: LegName) -> Timestamp:
        since = max(turn.leg(name).sighted_at, turn.state.phase_since)
        return Timestamp(since + milliseconds(turn.params.blind_max_s))

    def _leave(self, turn: Turn[M]) -> None:
        leave(turn, self._way_out)

    def _stay(self, turn: Turn[M]) -> None:
        """Take back what should not rest when the group has ended; only a late fill or the operator moves it."""
        self._cancel_what_rests(turn)

    # --- time -----------------------------------------------------------------------------------------------------

    def _timers(self, turn: Turn[M]) -> dict[TimerName, Timestamp]:
        state = turn.state
        wanted: dict[TimerName, Timestamp] = {}
        if state.way_out is not None:
            # One that came due with this very event has not fired yet: it does next.
            soonest = Timestamp(turn.now + 1)
            wanted |= {timer: max(due, soonest) for timer, due in state.way_out.timers.items()}
        wanted |= self._look_timer(turn)
        act = [moment for moment in self._moments(turn) if moment > turn.now]
        if act:
            wanted[ACT] = min(act)
        return wanted

    def _look_timer(self, turn: Turn[M]) -> dict[TimerName, Timestamp]:
        since, due_at = turn.state.looking_since, turn.state.look_due_at
        if since is not None:
            return {LOOK: Timestamp(since + milliseconds(turn.params.look_timeout_s))}
        return {} if due_at is None else {LOOK: due_at}

    def _moments(self, turn: Turn[M]) -> list[Timestamp]:
        state = turn.state
        if state.phase is Phase.IDLE:
            return [state.start_due_at] if turn.told_to_run else []
        if state.phase is Phase.EXITING:
            return [] if state.way_out_done_at is None else [settle_by(turn)]
        found = [moment for leg in state.legs.values() for moment in moments(turn, leg)]
        if state.phase is Phase.WORKING:
            found.extend(self._blind_at(turn, name) for name in state.legs if turn.quote(name) is None)
            if state.wake_at is not None:
                found.append(state.wake_at)
        return found
