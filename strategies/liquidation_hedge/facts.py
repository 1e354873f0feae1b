"""Folding events into the state: what is held, what is on its way, what the venue says. Nothing here decides."""

from decimal import Decimal

from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.commands import Severity
from strategies.domain.events import LeverageRefused, LeverageSet, PositionAdjusted, RandomDrawn
from strategies.domain.ids import AccountId, LegName, OrderId, Timestamp, purpose_of, read_order_id
from strategies.domain.money import ZERO
from strategies.domain.order import TRANSITIONS, OrderStatus
from strategies.domain.position import Fill, FillCause
from strategies.execution import fill_changes, find, overlap, owed_part, owing, replace, total_owed, untold, without
from strategies.facts import CycleFacts, OrderEvent, look_changes
from strategies.liquidation_hedge.state import IN_CYCLE, LiveOrder, Phase, Purpose, Surprise, evolve
from strategies.liquidation_hedge.turn import Turn
from strategies.unwind import milliseconds


class HedgeFacts(CycleFacts[Turn]):
    """What the liquidation hedge makes of events."""

    idle = Phase.IDLE
    over = Phase.ENDED

    def leg_of(self, turn: Turn, account: AccountId) -> LegName | None:
        """See `Facts.leg_of`."""
        return turn.setting.legs_of.get(account)

    def restarted(self, turn: Turn) -> None:
        """See `Facts.restarted`: timers and looks are gone, and no number from then is a basis now."""
        turn.move(
            timers={},
            looking_since=None,
            look_due_at=None,
            looks=0,
            basis_at=turn.now,
            draw_pending=False,
            exit_looks=0,
        )
        for name in turn.state.legs:
            turn.put(name, leverage_due_at=None, surprise=None)
        if turn.state.phase in IN_CYCLE or turn.state.phase in (Phase.PREPARING, Phase.EXITING):
            turn.move(answered_at=Timestamp(0))
            turn.want_look()

    def drawn(self, turn: Turn, event: RandomDrawn) -> None:
        """See `Facts.drawn`: how long to wait for the third leg."""
        wanted = turn.state.phase is Phase.WAITING and event.name == wait_name(turn.state.cycle)
        if wanted and turn.state.enter_due_at is None:
            turn.move(enter_due_at=turn.later(event.value), draw_pending=False)

    def look_timed_out(self, turn: Turn) -> None:
        """See `CycleFacts.look_timed_out`."""
        self.look_ended(turn)
        if turn.state.phase in IN_CYCLE:
            turn.want_look()

    def looked_at(self, turn: Turn, name: LegName, look: LegObservation) -> None:
        """See `Facts.looked_at`."""
        leg = turn.leg(name)
        turn.put(
            name,
            **look_changes(leg, look, turn.now),
            asked_at=turn.state.asked_at,
            mode=leg.mode if look.is_empty else look.mode,
            leverage=look.balance.leverage if look.balance is not None and look.balance.leverage else leg.leverage,
        )
        if look.position is not None:
            _compare(turn, name, look.position.quantity)

    def leverage_told(self, turn: Turn, name: LegName, event: LeverageSet | LeverageRefused) -> None:
        """See `Facts.leverage_told`: sizes come from a look that was asked for after the leverage was settled."""
        if isinstance(event, LeverageSet):
            turn.put(name, leverage=event.leverage, leverage_due_at=None)
        else:
            turn.put(name, leverage_due_at=None, failure=event.reason)
        if turn.state.phase is Phase.PREPARING:
            turn.move(basis_at=turn.now)

    def mode_changed(self, turn: Turn, name: LegName, mode: AccountMode) -> None:
        """See `Facts.mode_changed`."""
        turn.put(name, mode=mode)

    def order_fact(self, turn: Turn, name: LegName, event: OrderEvent) -> None:
        """See `Facts.order_fact`."""
        _notice_id(turn, name, event.order_id)
        super().order_fact(turn, name, event)

    def submitted(self, turn: Turn, name: LegName, order_id: OrderId) -> None:
        """See `Facts.submitted`."""
        _move_order(turn, name, order_id, OrderStatus.SUBMITTED)

    def accepted(self, turn: Turn, name: LegName, order_id: OrderId) -> None:
        """See `Facts.accepted`."""
        _move_order(turn, name, order_id, OrderStatus.ACCEPTED)

    def doubted(self, turn: Turn, name: LegName, order_id: OrderId) -> None:
        """See `Facts.doubted`."""
        leg = turn.leg(name)
        order = find(leg.live, order_id)
        if order is not None:
            turn.put(name, live=replace(leg.live, order, evolve(order, unknown=True)))

    def ended(self, turn: Turn, name: LegName, order_id: OrderId, filled: Decimal, reason: str) -> None:
        """See `Facts.ended`: what it executed beyond the fills seen so far is held, and owed to the ledger."""
        leg = turn.leg(name)
        order = find(leg.live, order_id)
        if order is None:
            return
        executed = max(filled, order.filled)
        missing = untold(order, executed)
        owed = owing(leg.owed, order_id, missing)
        turn.put(name, live=without(leg.live, order), owed=owed, changed_at=turn.now)
        if executed > ZERO:
            own = leg.own + missing
            turn.put(name, failures=0, failure="", not_before=turn.now, own=own, surprise=None)
            turn.move(exit_looks=0)
        else:
            failures = leg.failures + 1
            turn.put(name, failures=failures, failure=reason, not_before=_rest(turn, order, failures))

    def filled(self, turn: Turn, name: LegName, fill: Fill) -> None:
        """See `Facts.filled`: once, by its trade id, whenever it comes."""
        leg = turn.leg(name)
        if fill.trade_id in leg.seen:
            return
        signed = fill.signed_quantity
        order = find(leg.live, fill.order_id)
        owed = owed_part(leg.owed, fill.order_id, signed)
        explained = ZERO if order is not None else overlap(leg.unexplained, signed - owed)
        changes = fill_changes(leg, fill, owed)
        if explained != ZERO:
            changes |= {"offset": leg.offset - explained, "unexplained": leg.unexplained - explained}
        if order is not None:
            changes["live"] = replace(leg.live, order, _executed(order, fill))
        leg = turn.put(name, **changes, changed_at=turn.now, surprise=None)
        ours = fill.cause is FillCause.ORDER and _is_ours(turn, fill.order_id)
        if ours:
            outside = turn.state.phase not in IN_CYCLE and turn.state.phase is not Phase.EXITING
            turn.put(name, stray=leg.stray + signed if outside else leg.stray, reducing_fill=_reduces(order))
        if ours and _is_this_machines(fill.order_id):
            turn.put(name, own=leg.own + signed - owed)
        else:
            turn.put(name, forced=fill.cause)

    def adjusted(self, turn: Turn, name: LegName, event: PositionAdjusted) -> None:
        """See `Facts.adjusted`."""
        leg = turn.leg(name)
        turn.put(
            name,
            offset=event.after - leg.ledger.quantity,
            unexplained=ZERO,
            owed=(),
            surprise=None,
            changed_at=turn.now,
        )
        text = f"{name} holds {event.after}, not {leg.quantity}: {event.reason}"
        turn.notify(Severity.WARNING, "position_adjusted", text)


def wait_name(cycle: int) -> str:
    """Name the random number that a cycle draws."""
    return f"wait:{cycle}"


def _compare(turn: Turn, name: LegName, reported: Decimal) -> None:
    """Hold the venue's statement against what our fills add up to; believe a surprise when it is said twice.

    The first look may simply be older, or younger, than the fills that we know; so nothing is compared while anything
    is on its way, and the second look must come `confirm_delay_s` later.
    """
    leg = turn.leg(name)
    comparable = not leg.live and leg.look is not None and leg.look.in_flight == 0
    if not comparable or leg.asked_at is None or leg.asked_at < leg.changed_at:
        return
    if reported == leg.quantity:
        turn.put(name, surprise=None)
    elif leg.surprise is None or leg.surprise.quantity != reported:
        turn.put(name, surprise=Surprise(quantity=reported, at=turn.now))
    elif leg.asked_at - leg.surprise.at >= milliseconds(turn.params.confirm_delay_s):
        _believe(turn, name, reported)


def _believe(turn: Turn, name: LegName, reported: Decimal) -> None:
    leg = turn.leg(name)
    difference = reported - leg.quantity
    owed = total_owed(leg.owed)
    turn.put(
        name,
        offset=leg.offset + owed + difference,
        unexplained=leg.unexplained + owed + difference,
        owed=(),
        surprise=None,
        changed_at=turn.now,
    )
    turn.notify(
        Severity.WARNING,
        "position_surprise",
        f"{name} holds {reported} by two statements of its venue; our fills said {leg.quantity}",
    )


def _notice_id(turn: Turn, name: LegName, order_id: OrderId) -> None:
    """Never use an id again that an account knows from an earlier life of this group, whose journal was lost."""
    if turn.state.phase in IN_CYCLE or not _is_ours(turn, order_id):
        return
    said = read_order_id(order_id)
    if said is None or said.purpose not in set(Purpose):
        return
    if said.cycle > turn.state.cycle:
        turn.move(cycle=said.cycle)
        for leg in turn.state.legs:
            turn.put(leg, made={})
    purpose, made = Purpose(said.purpose), turn.leg(name).made
    if said.cycle == turn.state.cycle and said.attempt > made.get(purpose, 0):
        turn.put(name, made={**made, purpose: said.attempt})


def _move_order(turn: Turn, name: LegName, order_id: OrderId, status: OrderStatus) -> None:
    """Advance an order; a report that comes too late to be news (an ack after the fill) changes nothing."""
    leg = turn.leg(name)
    order = find(leg.live, order_id)
    if order is not None and status in TRANSITIONS[order.status]:
        turn.put(name, live=replace(leg.live, order, evolve(order, status=status, unknown=False)))


def _executed(order: LiveOrder, fill: Fill) -> LiveOrder:
    """Return an order after one of its fills."""
    filled = order.filled + fill.quantity
    return evolve(order, filled=filled, status=OrderStatus.PARTIALLY_FILLED, unknown=False)


def _rest(turn: Turn, order: LiveOrder, failures: int) -> Timestamp:
    params = turn.params
    if turn.state.phase is Phase.EXITING:
        return turn.later(params.rest_s(failures))
    delays = {"entry": params.entry_delay_s, "hedge": params.hedge_delay_s}
    return turn.later(delays.get(order.purpose, params.rebalance_delay_s))


def _is_ours(turn: Turn, order_id: OrderId | None) -> bool:
    return order_id is not None and order_id.startswith(f"{turn.setting.group}:")


def _is_this_machines(order_id: OrderId | None) -> bool:
    """Say whether an order of the group is this machine's: a way out signs with the group's name, too.

    What it closed has vanished, like what a stranger closed: otherwise the group would hold empty legs for hedged.
    """
    return order_id is not None and purpose_of(order_id) in set(Purpose)


def _reduces(order: LiveOrder | None) -> bool:
    return order is not None and order.reduce_only


fold = HedgeFacts().fold
"""Take note of one event."""
