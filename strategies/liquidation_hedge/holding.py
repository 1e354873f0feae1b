"""While positions stand: the balancer carries what the others leave uncovered, and every leg is watched."""

from decimal import Decimal
from enum import Enum, auto

from strategies.domain.commands import Severity
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.money import ZERO
from strategies.domain.position import FillCause
from strategies.liquidation_hedge.exiting import begin_exit
from strategies.liquidation_hedge.sizing import tradable
from strategies.liquidation_hedge.state import BALANCER, IN_CYCLE, ExitReason, LegState, Phase, Purpose
from strategies.liquidation_hedge.turn import Turn, residual_limit
from strategies.unwind import milliseconds

_REASONS = {
    FillCause.LIQUIDATION: ExitReason.LIQUIDATED,
    FillCause.ADL: ExitReason.ADL,
    FillCause.SETTLEMENT: ExitReason.SETTLED,
    FillCause.FOREIGN: ExitReason.CLOSED_BY_OTHER,
    FillCause.ORDER: ExitReason.CLOSED_BY_OTHER,
}


class Balance(Enum):
    """Whether the balancer is where it should be."""

    DONE = auto()
    """Covered, but for what the venue takes no order for."""
    BUSY = auto()
    """An order works, or is about to."""
    EXITING = auto()
    """It could not be done; the exit has begun."""


def hold(turn: Turn) -> None:
    """Keep the group covered; say whether it is being balanced or watched."""
    result = balance(turn)
    if result is Balance.EXITING:
        return
    if result is Balance.BUSY and turn.state.phase is Phase.MONITORING:
        turn.enter(Phase.BALANCING, f"{BALANCER} to {turn.leg(BALANCER).target}")
    elif result is Balance.DONE and turn.state.phase is Phase.BALANCING:
        turn.enter(Phase.MONITORING, _covered(turn))


def _covered(turn: Turn) -> str:
    net = turn.state.net
    return "covered" if net == ZERO else f"covered but for {net}, too small to trade"


def balance(turn: Turn) -> Balance:
    """Bring the balancer to the opposite of what the other legs hold together."""
    if not turn.may_grow:
        return reduce_to_balance(turn)
    target = -sum((turn.leg(name).quantity for name in turn.others()), start=ZERO)
    leg = turn.leg(BALANCER)
    if leg.target != target:
        leg = turn.put(BALANCER, target=target)
    if leg.live:
        return Balance.BUSY
    missing = target - leg.quantity
    if abs(missing) <= turn.params.rebalance_tolerance:
        return Balance.DONE
    shrinks = abs(target) < abs(leg.quantity) and target * leg.quantity >= ZERO
    return _trade(turn, BALANCER, missing, reduce_only=shrinks)


def _trade(turn: Turn, name: LegName, missing: Decimal, *, reduce_only: bool) -> Balance:
    """Order what is missing on a leg if the venue takes it, with bounded attempts."""
    leg = turn.leg(name)
    instrument = turn.instrument(name)
    if instrument is None or leg.price is None:
        turn.want_look()
        return Balance.BUSY
    # Closing the whole of a leg is tried below the minimum, too: most venues exempt it. A refusal settles the question.
    closes_all = reduce_only and leg.quantity + missing == ZERO and leg.failures < turn.params.dust_attempts
    signed = tradable(missing, instrument, leg.price, minimum_binds=not closes_all)
    if signed == ZERO:
        return Balance.DONE
    if leg.failures >= turn.params.rebalance_attempts:
        begin_exit(turn, ExitReason.REBALANCE_FAILED, f"{missing} missing on {name}: {leg.failure}")
        return Balance.EXITING
    if turn.now >= leg.not_before:
        turn.trade(name, Purpose.REBALANCE, signed, reduce_only=reduce_only)
    return Balance.BUSY


def reduce_to_balance(turn: Turn) -> Balance:
    """Cover the group without making any leg bigger: take what is uncovered off the legs that have it."""
    if any(leg.live for leg in turn.state.legs.values()):
        return Balance.BUSY
    net = turn.state.net
    if abs(net) <= turn.params.rebalance_tolerance:
        return Balance.DONE
    for name in sorted(turn.state.legs, key=lambda n: (n != BALANCER, -abs(turn.leg(n).quantity), n)):
        leg = turn.leg(name)
        if leg.quantity * net <= ZERO:
            continue
        amount = min(abs(net), abs(leg.quantity))
        missing = -amount if net > ZERO else amount
        result = _trade(turn, name, missing, reduce_only=True)
        if result is not Balance.DONE:
            if result is Balance.BUSY:
                turn.put(name, target=leg.quantity + missing)
            return result
    return Balance.DONE


def interrupt(turn: Turn) -> None:
    """Start the exit if anything calls for it, the gravest cause first."""
    state = turn.state
    if state.phase is Phase.EXITING:
        return
    if state.flatten:
        begin_exit(turn, ExitReason.OPERATOR, "FLATTEN")
        return
    if state.phase not in IN_CYCLE:
        _close_strays(turn)
        return
    for name in state.legs:
        if _vanished(turn, name):
            reason = _why(turn.leg(name))
            begin_exit(turn, reason, f"{name} is back to {turn.leg(name).quantity}")
            return
    _watch_loss(turn)
    if turn.state.phase is not Phase.EXITING:
        _watch_clock(turn)


def _close_strays(turn: Turn) -> None:
    """Close what fills of ours opened after the group was out."""
    for name, leg in turn.state.legs.items():
        if leg.stray != ZERO and leg.quantity not in (ZERO, leg.dust):
            begin_exit(turn, ExitReason.LATE_FILL, f"a late fill left {name} with {leg.quantity}")
            return


def _vanished(turn: Turn, name: LegName) -> bool:
    """Say whether a leg is back to about zero though our orders put something there."""
    leg = turn.leg(name)
    tolerance = turn.params.liquidation_tolerance
    if abs(leg.quantity) > tolerance or abs(leg.own) <= tolerance:
        return False
    if name == BALANCER and turn.state.phase is not Phase.ENTERING:
        # At zero is where the balancer belongs once the others cover each other; its own orders may pass zero, too.
        wanted = sum((turn.leg(other).quantity for other in turn.others()), start=ZERO)
        return abs(wanted) > tolerance and not leg.live
    return True


def _why(leg: LegState) -> ExitReason:
    if leg.forced is not None:
        return _REASONS[leg.forced]
    return ExitReason.REDUCE_ONLY if leg.reducing_fill else ExitReason.LEG_VANISHED


def _watch_loss(turn: Turn) -> None:
    limit = turn.setting.limits.max_cycle_loss_usd
    if limit is None or not turn.answered:
        return
    profit = ZERO
    for leg in turn.state.legs.values():
        profit += leg.cycle_profit
        if leg.price is not None:
            profit += leg.ledger.unrealized(leg.price)
    if profit < -limit:
        begin_exit(turn, ExitReason.LOSS_LIMIT, f"the cycle has lost {-profit:.2f} USD, more than {limit}")


def _watch_clock(turn: Turn) -> None:
    state = turn.state
    if state.cycle_due_at is not None and turn.now >= state.cycle_due_at:
        begin_exit(turn, ExitReason.TIMEOUT, f"the cycle is {turn.params.timeout_s} s old")
        return
    doubt = state.unexplained_since
    if doubt is not None and turn.now - doubt >= milliseconds(turn.params.unexplained_max_s):
        words = turn.unexplained(state.legs)
        begin_exit(turn, ExitReason.UNEXPLAINED_POSITION, f"{words} for {turn.params.unexplained_max_s} s")
        return
    since = state.unhedged_since
    if since is not None and turn.now - since >= milliseconds(turn.params.unhedged_max_s):
        reason = ExitReason.HEDGE_FAILED if state.phase is Phase.ENTERING else ExitReason.REBALANCE_FAILED
        failures = [leg.failure for leg in state.legs.values()]
        why = "; ".join(filter(None, [turn.unexplained(state.legs), *failures]))
        begin_exit(turn, reason, f"{state.net} uncovered for {turn.params.unhedged_max_s} s; {why}")


def watch(turn: Turn) -> None:
    """Note since when the group is uncovered, or in doubt; keep looking at it while it holds something."""
    if turn.state.phase not in IN_CYCLE:
        if turn.state.unhedged_since is not None or turn.state.unexplained_since is not None:
            turn.move(unhedged_since=None, unexplained_since=None)
        return
    doubtful = any(leg.surprise is not None for leg in turn.state.legs.values())
    if doubtful is (turn.state.unexplained_since is None):
        turn.move(unexplained_since=turn.now if doubtful else None)
    uncovered = abs(turn.state.net) > residual_limit(turn.state, turn.params)
    if uncovered and turn.state.unhedged_since is None:
        turn.move(unhedged_since=turn.now)
    elif not uncovered and turn.state.unhedged_since is not None:
        turn.move(unhedged_since=None)
    _count_blind_answers(turn)
    _poll(turn)


def _poll(turn: Turn) -> None:
    """Have the next look come due: at the poll interval, or sooner where a surprise waits for its second look."""
    if turn.state.looking_since is not None:
        return
    due = turn.state.look_due_at or turn.later(turn.params.poll_interval_s)
    delay_ms = milliseconds(turn.params.confirm_delay_s)
    again = [leg.surprise.at + delay_ms for leg in turn.state.legs.values() if leg.surprise is not None]
    if again:
        # Never faster than any other look: an account that refuses at once would be asked without a pause.
        rested = Timestamp(turn.state.answered_at + milliseconds(turn.params.look_retry_s))
        due = min(due, max(Timestamp(max(again)), rested, turn.now))
    if due != turn.state.look_due_at:
        turn.move(look_due_at=due)


def _count_blind_answers(turn: Turn) -> None:
    """No answer is not zero: nothing is decided from it, but somebody should know."""
    if not turn.answered or turn.state.phase is not Phase.MONITORING:
        return
    blind = [name for name, leg in turn.state.legs.items() if leg.look is None or leg.look.position is None]
    looks = turn.state.looks + 1 if blind else 0
    turn.move(looks=looks)
    if looks == turn.params.look_attempts:
        turn.notify(Severity.WARNING, "blind", f"no answer about {', '.join(blind)} in {looks} looks; holding on")
