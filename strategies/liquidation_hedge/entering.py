"""Into the position: look, set leverage, size; the balancer enters, the first leg hedges, the second follows."""

from decimal import Decimal

from strategies.domain.account import AccountMode
from strategies.domain.commands import DrawRandom, SetLeverage, Severity
from strategies.domain.events import OperatorState
from strategies.domain.money import ZERO
from strategies.liquidation_hedge.basis import (
    all_numbers,
    lack,
    not_flat,
    numbers,
    side_of,
    size_rules,
    wanted_leverage,
)
from strategies.liquidation_hedge.exiting import begin_exit, start_failed
from strategies.liquidation_hedge.facts import wait_name
from strategies.liquidation_hedge.holding import balance, reduce_to_balance
from strategies.liquidation_hedge.sizing import NoEntry, Sized, size_entry, size_second, tradable
from strategies.liquidation_hedge.state import BALANCER, FIRST, SECOND, ExitReason, Phase, Purpose, SecondLeg
from strategies.liquidation_hedge.turn import Turn

LEVERAGE_ROUNDING = Decimal("0.01")
"""Relative difference below which two leverages are the same: venues keep margin fractions, 30x becomes 30.03x."""


def idle(turn: Turn) -> None:
    """Start a cycle when the operator lets us and the rest is over."""
    if turn.state.operator_state is OperatorState.RUN and turn.now >= turn.state.start_due_at:
        turn.enter(Phase.PREPARING, "looking at all legs")
        for name in turn.state.legs:
            turn.put(name, leverage_tries=0, leverage_due_at=None)
        turn.want_look()


def prepare(turn: Turn) -> None:
    """Go from a look at all legs to a sized entry, or give the start up with the reason."""
    if turn.state.operator_state is not OperatorState.RUN:
        turn.enter(Phase.IDLE, f"operator said {turn.state.operator_state}", look_due_at=None)
        return
    if _leverage_pending(turn):
        return
    if not all(turn.looked_since(name, turn.state.phase_since) for name in turn.state.legs):
        _count_empty_answer(turn, "not every leg was answered for")
        return
    reason = _not_ready(turn)
    if reason is not None:
        _not_now(turn, reason)
    elif not _set_leverage(turn):
        _size_and_begin(turn)


def _leverage_pending(turn: Turn) -> bool:
    for name, leg in turn.state.legs.items():
        if leg.leverage_due_at is not None and turn.now >= leg.leverage_due_at:
            turn.put(name, leverage_due_at=None, failure="no answer to the leverage request")
            turn.move(basis_at=turn.now)
    return any(leg.leverage_due_at is not None for leg in turn.state.legs.values())


def _not_ready(turn: Turn) -> str | None:
    for name in turn.state.legs:
        reason = lack(turn, name) or not_flat(turn, name)
        if reason is not None:
            return reason
    return None


def _not_now(turn: Turn, reason: str) -> None:
    """Wait for accounts that are still starting; count everything else."""
    starting = (None, AccountMode.DISARMED, AccountMode.STOPPED)
    if any(leg.mode in starting for leg in turn.state.legs.values()):
        turn.move(reason=f"waiting: {reason}")
        if turn.state.look_due_at is None:
            turn.move(look_due_at=turn.later(turn.params.poll_interval_s))
        return
    _count_empty_answer(turn, reason)


def _count_empty_answer(turn: Turn, reason: str) -> None:
    if turn.answered:
        turn.move(looks=turn.state.looks + 1, reason=reason)
        if turn.state.looks >= turn.params.look_attempts:
            start_failed(turn, reason)
            return
    turn.want_look()


def _set_leverage(turn: Turn) -> bool:
    """Ask for the leverage of every leg that has another; says whether an answer is awaited."""
    asked = False
    for name, leg in turn.state.legs.items():
        wanted = wanted_leverage(turn, name)
        known = leg.leverage
        if known is not None and abs(known - wanted) <= wanted * LEVERAGE_ROUNDING:
            continue
        if leg.leverage_tries >= turn.params.leverage_attempts:
            continue
        turn.put(
            name,
            leverage_tries=leg.leverage_tries + 1,
            leverage_due_at=turn.later(turn.params.leverage_timeout_s),
        )
        turn.commands.append(
            SetLeverage(account=leg.account, instrument_id=turn.setting.instrument_id, leverage=wanted)
        )
        asked = True
    return asked


def _size_and_begin(turn: Turn) -> None:
    found = all_numbers(turn)
    sized = NoEntry(found) if isinstance(found, str) else size_entry(found, size_rules(turn))
    if isinstance(sized, NoEntry):
        start_failed(turn, sized.reason)
        return
    for name, leg in turn.state.legs.items():
        turn.put(
            name,
            made={},
            failures=0,
            failure="",
            not_before=turn.now,
            own=ZERO,
            stray=ZERO,
            dust=ZERO,
            forced=None,
            reducing_fill=False,
            realized_before=leg.ledger.realized,
            fees_before=leg.ledger.fees,
        )
    cycle = turn.state.cycle + 1
    turn.enter(
        Phase.ENTERING,
        f"entering {sized.quantity}, bound by {sized.bound_by}",
        cycle=cycle,
        established=False,
        second=SecondLeg.PENDING if SECOND in turn.state.legs else SecondLeg.ABSENT,
        second_quantity=None,
        cycle_due_at=turn.later(turn.params.timeout_s),
    )
    turn.notify(
        Severity.INFO,
        "cycle_started",
        f"cycle {cycle} {turn.state.direction}: {sized.quantity} {turn.setting.instrument_id}, "
        f"bound by {sized.bound_by}",
    )
    _order_entry(turn, sized)


def _order_entry(turn: Turn, sized: Sized) -> None:
    signed = sized.quantity * side_of(turn, BALANCER).sign
    # Dust of an earlier cycle stays beneath the entry: the order itself keeps to every venue's lots and minimums.
    turn.put(BALANCER, target=turn.leg(BALANCER).quantity + signed)
    turn.trade(BALANCER, Purpose.ENTRY, signed, reduce_only=False)


def enter(turn: Turn) -> None:
    """Get the balancer in, and hedge on the first leg whatever filled, at once."""
    balancer, first = turn.leg(BALANCER), turn.leg(FIRST)
    if not turn.may_grow:
        reduce_to_balance(turn)
        if turn.state.phase is Phase.ENTERING and _nothing_left(turn):
            reason = ExitReason.ACCOUNT_FROZEN if turn.frozen_legs() else ExitReason.OPERATOR
            begin_exit(turn, reason, f"{turn.held_back()} before two legs stood")
        return
    entered = balancer.own != ZERO
    if not entered and not balancer.live:
        _retry_entry(turn)
        return
    covered = _hedge_first(turn)
    if turn.state.phase is Phase.EXITING or not covered or balancer.live or first.live:
        return
    if abs(turn.leg(FIRST).quantity) <= turn.params.liquidation_tolerance:
        begin_exit(turn, ExitReason.ENTRY_FAILED, f"{balancer.quantity} filled, too little to hedge on {FIRST}")
        return
    turn.move(established=True, start_failures=0)
    if turn.state.second is SecondLeg.PENDING:
        turn.enter(Phase.WAITING, f"{BALANCER} {balancer.quantity}, {FIRST} {first.quantity}")
    else:
        turn.enter(Phase.BALANCING, "no third leg")


def _nothing_left(turn: Turn) -> bool:
    tolerance = turn.params.liquidation_tolerance
    return all(not leg.live and abs(leg.quantity) <= tolerance for leg in turn.state.legs.values())


def _retry_entry(turn: Turn) -> None:
    """Size anew from a look that is younger than the failure, and enter again; or give the entry up."""
    leg = turn.leg(BALANCER)
    attempts = leg.made.get(Purpose.ENTRY, 0)
    if attempts >= turn.params.entry_attempts:
        begin_exit(turn, ExitReason.ENTRY_FAILED, f"{attempts} orders on {BALANCER}, none filled: {leg.failure}")
        return
    if turn.now < leg.not_before:
        return
    reason: str | None = "waiting for a look after the failure"
    if all(turn.looked_since(name, leg.changed_at) for name in turn.state.legs):
        reason = _not_ready(turn)
        found = all_numbers(turn) if reason is None else reason
        sized = NoEntry(found) if isinstance(found, str) else size_entry(found, size_rules(turn))
        if isinstance(sized, Sized):
            turn.move(looks=0)
            _order_entry(turn, sized)
            return
        reason = sized.reason
    if turn.answered:
        turn.move(looks=turn.state.looks + 1)
        if turn.state.looks >= turn.params.look_attempts:
            begin_exit(turn, ExitReason.ENTRY_FAILED, f"no basis to enter again: {reason}")
            return
    turn.want_look()


def _hedge_first(turn: Turn) -> bool:
    """Bring the first leg to the opposite of what the balancer holds; says whether no order is needed or possible."""
    target = -turn.leg(BALANCER).quantity
    leg = turn.put(FIRST, target=target)
    if leg.live:
        return False
    instrument = turn.instrument(FIRST)
    missing = target - leg.quantity
    if instrument is None or leg.price is None:
        turn.want_look()
        return False
    signed = tradable(missing, instrument, leg.price)
    if signed == ZERO:
        return True
    if leg.failures >= turn.params.hedge_attempts:
        begin_exit(turn, ExitReason.HEDGE_FAILED, f"{missing} missing on {FIRST}: {leg.failure}")
        return False
    if turn.now >= leg.not_before:
        turn.trade(FIRST, Purpose.HEDGE, signed, reduce_only=False)
    return False


def wait(turn: Turn) -> None:
    """Let the drawn time pass, balanced."""
    if turn.state.enter_due_at is None and not turn.state.draw_pending:
        params = turn.params
        turn.move(draw_pending=True)
        turn.commands.append(
            DrawRandom(name=wait_name(turn.state.cycle), low=params.wait_min_s, high=params.wait_max_s)
        )
    balance(turn)
    due = turn.state.enter_due_at
    if turn.state.phase is Phase.WAITING and due is not None and turn.now >= due:
        turn.enter(Phase.SECOND, f"entering {SECOND}", enter_due_at=None)
        turn.want_look()


def enter_second(turn: Turn) -> None:
    """Enter the third leg as far as it can; the balancer gives back whatever fills there."""
    balance(turn)
    leg = turn.leg(SECOND)
    if turn.state.phase is not Phase.SECOND or leg.live:
        return
    if not turn.may_grow:
        _second_done(turn, turn.held_back())
    elif turn.state.second_quantity is not None and _second_missing(turn) == ZERO:
        _second_done(turn, "")
    elif leg.made.get(Purpose.ENTRY, 0) >= turn.params.entry_attempts:
        _second_done(turn, leg.failure or "all attempts used")
    elif turn.now >= leg.not_before:
        _order_second(turn)


def _order_second(turn: Turn) -> None:
    leg = turn.leg(SECOND)
    reason: str | None = "no answer to the look"
    if turn.looked_since(SECOND, max(turn.state.phase_since, leg.changed_at)):
        reason = lack(turn, SECOND)
        if reason is None:
            _size_second(turn)
            return
    if turn.answered:
        turn.move(looks=turn.state.looks + 1)
        if turn.state.looks >= turn.params.look_attempts:
            _second_done(turn, reason or "no basis")
            return
    turn.want_look()


def _size_second(turn: Turn) -> None:
    found = numbers(turn, SECOND)
    if isinstance(found, str):
        _second_done(turn, found)
        return
    if turn.state.second_quantity is None:
        # What stands against the first leg; leaving the balancer at about zero when this one is in.
        wanted = min(abs(turn.leg(FIRST).quantity), abs(turn.leg(BALANCER).quantity))
        sized = size_second(wanted, found, size_rules(turn))
        if isinstance(sized, NoEntry):
            _second_done(turn, sized.reason)
            return
        turn.move(second_quantity=sized.quantity, looks=0)
    turn.put(SECOND, target=(turn.state.second_quantity or ZERO) * side_of(turn, SECOND).sign)
    missing = _second_missing(turn)
    if missing == ZERO:
        _second_done(turn, "")
    else:
        turn.trade(SECOND, Purpose.ENTRY, missing, reduce_only=False)


def _second_missing(turn: Turn) -> Decimal:
    """Return what can still be ordered towards the third leg's size; never against its own side."""
    leg, instrument = turn.leg(SECOND), turn.instrument(SECOND)
    sign = side_of(turn, SECOND).sign
    if instrument is None or leg.price is None:
        return ZERO
    missing = tradable((turn.state.second_quantity or ZERO) * sign - leg.quantity, instrument, leg.price)
    return missing if missing * sign > ZERO else ZERO


def _second_done(turn: Turn, reason: str) -> None:
    leg = turn.leg(SECOND)
    entered = abs(leg.quantity) > turn.params.liquidation_tolerance
    turn.put(SECOND, target=leg.quantity, failures=0)
    if entered:
        turn.notify(Severity.INFO, "second_entered", f"{SECOND} holds {leg.quantity}{f' ({reason})' if reason else ''}")
    else:
        turn.notify(Severity.WARNING, "second_skipped", f"going on with two legs: {reason}")
    turn.enter(
        Phase.BALANCING,
        f"{SECOND} entered" if entered else f"{SECOND} skipped: {reason}",
        second=SecondLeg.ENTERED if entered else SecondLeg.SKIPPED,
    )
