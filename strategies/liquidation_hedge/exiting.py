"""The way out: all legs at once, until every venue has said that it is done. It slows down; it never gives up."""

from decimal import Decimal

from strategies.domain.commands import CancelAllOrders, Severity
from strategies.domain.events import OperatorState
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.money import ZERO
from strategies.liquidation_hedge.state import ExitReason, LegState, Phase, Purpose
from strategies.liquidation_hedge.turn import Turn
from strategies.machine import Outcome
from strategies.unwind import (
    Blind,
    Close,
    Dust,
    OpenLeg,
    UnwindMove,
    agrees,
    doubling,
    may_join,
    milliseconds,
    plan_unwind,
)

PARKING = frozenset({ExitReason.LOSS_LIMIT})
"""Exits after which a person has to look before anything is traded again."""

NO_START = frozenset(
    {
        ExitReason.ENTRY_FAILED,
        ExitReason.HEDGE_FAILED,
        ExitReason.ACCOUNT_FROZEN,
        ExitReason.UNEXPLAINED_POSITION,
    }
)
"""Exits that count as a start that came to nothing: the next one rests longer, and a row of them parks the group."""


def begin_exit(turn: Turn, reason: ExitReason, detail: str) -> None:
    """Turn every target to zero and name why."""
    ours = turn.state.phase is not Phase.ENDED
    turn.enter(
        Phase.EXITING,
        f"{reason}: {detail}",
        exit_reason=reason,
        exit_looks=0,
        exit_alert_at=turn.params.exit_alert_attempts,
        cycle_due_at=None,
        enter_due_at=None,
        draw_pending=False,
        unhedged_since=None,
        unexplained_since=None,
    )
    for name, leg in turn.state.legs.items():
        turn.put(name, target=ZERO, failures=0, not_before=turn.now, stray=ZERO, dust=ZERO, leverage_due_at=None)
        if any(not order.reduce_only for order in leg.live):
            command = CancelAllOrders(account=leg.account, instrument_id=turn.setting.instrument_id)
            turn.commands.append(command)
    severity = Severity.INFO if ours and reason in (ExitReason.TIMEOUT, ExitReason.OPERATOR) else Severity.WARNING
    turn.notify(severity, "exit", f"exit of cycle {turn.state.cycle}, {reason}: {detail}; holding {_holding(turn)}")
    turn.want_look()


def exit_all(turn: Turn) -> None:
    """Order what is missing to flat on every leg; end the cycle when all venues agree that nothing is left."""
    moves = _plan(turn)
    for name, move in moves.items():
        dust = move.quantity if isinstance(move, Dust) else ZERO
        if turn.leg(name).dust != dust:
            turn.put(name, dust=dust)
        if isinstance(move, Close) and _may_order(turn, name):
            signed = move.quantity * move.side.sign
            turn.submit(name, Purpose.EXIT, signed, move.worst_price, reduce_only=True)
    if all(_confirmed(turn, name, moves[name]) for name in turn.state.legs):
        _end_cycle(turn)
        return
    _keep_looking(turn, moves)


def _plan(turn: Turn) -> dict[LegName, UnwindMove]:
    legs = {
        name: OpenLeg(
            quantity=_to_close(turn, leg),
            instrument=turn.instrument(name),
            quote=turn.fresh_quote(name),
            last_price=leg.price,
            failures=leg.failures,
        )
        for name, leg in turn.state.legs.items()
    }
    return plan_unwind(legs, turn.params.rules)


def _to_close(turn: Turn, leg: LegState) -> Decimal:
    """Return what a leg holds for the purpose of closing it.

    While orders are in doubt, a statement of the venue that is newer than all of them, and than our fills, counts more
    than our fills: the order closes no more than that, because the venue itself cuts a reduce-only order.
    """
    moments = [leg.changed_at, *(order.sent_at for order in leg.live)]
    if leg.live and leg.reported is not None and _asked_after(turn, leg, max(moments)):
        return leg.reported.quantity
    return leg.quantity


def _asked_after(turn: Turn, leg: LegState, moment: Timestamp) -> bool:
    told = leg.look is not None and leg.look.position is not None
    return told and leg.asked_at is not None and leg.asked_at > moment and leg.asked_at >= turn.state.basis_at


def _may_order(turn: Turn, name: LegName) -> bool:
    """Say whether a leg may get an exit order now.

    The account's mode does not matter: what it cannot write yet, it keeps for a while.
    """
    leg = turn.leg(name)
    if turn.now < leg.not_before or turn.state.answered_at < turn.state.basis_at:
        return False  # resting after a failure; or just restarted: look first
    return may_join(leg.live, turn.now, turn.params)


def _settled(leg: LegState, move: UnwindMove) -> bool:
    return not leg.live and not isinstance(move, Close | Blind)


def _confirmed(turn: Turn, name: LegName, move: UnwindMove) -> bool:
    """Say whether a leg is flat, or dust, by our fills, by the account's fold and by its venue, with nothing open."""
    leg = turn.leg(name)
    fresh = turn.looked_since(name, max(leg.changed_at, turn.state.phase_since))
    return _settled(leg, move) and fresh and agrees(leg.look, leg.quantity)


def _keep_looking(turn: Turn, moves: dict[LegName, UnwindMove]) -> None:
    if turn.answered:
        turn.move(exit_looks=turn.state.exit_looks + 1)
        _alert(turn)
        surprises = [leg.surprise.at for leg in turn.state.legs.values() if leg.surprise is not None]
        due = turn.later(turn.params.rest_s(turn.state.exit_looks))
        if surprises:
            due = max(due, Timestamp(max(surprises) + milliseconds(turn.params.confirm_delay_s)))
        turn.move(look_due_at=due)
    all_settled = all(_settled(leg, moves[name]) for name, leg in turn.state.legs.items())
    changed_at = max(leg.changed_at for leg in turn.state.legs.values())
    if (all_settled and turn.state.asked_at < changed_at) or turn.state.look_due_at is None:
        turn.want_look()


def _alert(turn: Turn) -> None:
    if turn.state.exit_looks < turn.state.exit_alert_at:
        return
    turn.move(exit_alert_at=turn.state.exit_alert_at * 2)
    waits = [
        f"{name} holds {leg.quantity}, {len(leg.live)} open orders{_because(leg)}"
        for name, leg in turn.state.legs.items()
        if leg.live or leg.quantity != ZERO
    ]
    text = f"still not out after {turn.state.exit_looks} looks: {'; '.join(waits) or 'no venue confirms it'}"
    turn.notify(Severity.CRITICAL, "exit_stuck", text)


def _because(leg: LegState) -> str:
    return f" ({leg.failure})" if leg.failure else ""


def _holding(turn: Turn) -> str:
    return ", ".join(f"{name} {leg.quantity}" for name, leg in turn.state.legs.items())


def _end_cycle(turn: Turn) -> None:
    state = turn.state
    for name, leg in state.legs.items():
        if leg.dust != ZERO:
            value = abs(leg.dust) * (leg.price or ZERO)
            turn.notify(Severity.WARNING, "dust", f"{name} keeps {leg.dust} ({value:.4f} USD): too small to close")
    profits = ", ".join(f"{name} {leg.cycle_profit:+.4f}" for name, leg in state.legs.items())
    total = sum((leg.cycle_profit for leg in state.legs.values()), start=ZERO)
    turn.notify(
        Severity.INFO, "flat", f"out of cycle {state.cycle} ({state.exit_reason}): {total:+.4f} USD ({profits})"
    )
    timed_out = state.exit_reason is ExitReason.TIMEOUT and state.established
    if timed_out and turn.params.reverse_on_timeout:
        turn.move(direction=state.direction.reversed)
    turn.move(
        flatten=False,
        cycles_done=state.cycles_done + int(state.established),
        established=False,
        looking_since=None,
        look_due_at=None,
        second_quantity=None,
    )
    _next_phase(turn)


def _next_phase(turn: Turn) -> None:
    state, params = turn.state, turn.params
    why = f"out after {state.exit_reason}"
    if state.outcome is not Outcome.RUNNING:
        turn.enter(Phase.ENDED, why)
    elif state.exit_reason in PARKING:
        park(turn, state.reason)
    elif params.max_cycles and state.cycles_done >= params.max_cycles:
        turn.enter(Phase.ENDED, f"{state.cycles_done} cycles done, flat", outcome=Outcome.FINISHED)
        turn.notify(Severity.INFO, "finished", f"{state.cycles_done} cycles done, every leg confirmed flat")
    elif state.exit_reason in NO_START:
        start_failed(turn, state.reason)
    else:
        turn.enter(Phase.IDLE, why, start_due_at=turn.later(params.cycle_pause_s))
        if state.operator_state is OperatorState.FLATTEN:
            turn.notify(Severity.INFO, "out", "flat by the operator's word; stays out until RUN")


def start_failed(turn: Turn, reason: str) -> None:
    """Count a start that came to nothing; rest, or park the group for a person to look at."""
    failures = turn.state.start_failures + 1
    turn.move(start_failures=failures)
    if failures >= turn.params.start_failures_max:
        park(turn, f"{failures} starts in a row failed, the last: {reason}")
        return
    rest = doubling(turn.params.start_retry_s, failures - 1, turn.params.start_retry_max_s)
    turn.enter(Phase.IDLE, f"start failed: {reason}", start_due_at=turn.later(rest), look_due_at=None)
    turn.notify(
        Severity.WARNING, "start_failed", f"start {failures} of {turn.params.start_failures_max} failed: {reason}"
    )


def park(turn: Turn, reason: str) -> None:
    """Stop trading until a person says RUN."""
    turn.enter(Phase.ENDED, reason, outcome=Outcome.PARKED, look_due_at=None)
    turn.notify(Severity.CRITICAL, "parked", f"parked: {reason}; holding {_holding(turn)}")
