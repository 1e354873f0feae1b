"""The gate between a decision and a venue: one order weighed against what is held, what is open and the limits.

The way out is always free: an order that only reduces, or that only shrinks its leg, is never denied.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from strategies.domain.commands import SubmitOrder
from strategies.domain.ids import AccountId
from strategies.domain.money import ZERO
from strategies.risk.limits import Bound, LimitName, Limits, Word, bounds_of
from strategies.risk.memory import Latch
from strategies.risk.verdict import Approved, Denied

_SEVERITY = {word: place for place, word in enumerate(Word)}
_CLOSED = frozenset({Word.DENY, Word.REDUCE, Word.FLATTEN})
"""Words under which a limit that has been reached lets nothing through that grows. Under PAUSE the cycle goes on."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the gate weighs an order against. Quantities in base units, signed; prices and money in USD."""

    held: Mapping[AccountId, Decimal]
    mark: Mapping[AccountId, Decimal]
    equity: Mapping[AccountId, Decimal]
    buys: Mapping[AccountId, Decimal] = field(default_factory=dict)
    """What open buys may still add to a leg, without those that only reduce."""
    sells: Mapping[AccountId, Decimal] = field(default_factory=dict)
    """The same of open sells, positive."""
    orders_last_minute: int = 0
    account_orders_last_minute: Mapping[AccountId, int] = field(default_factory=dict)
    net: Decimal = ZERO
    """What is uncovered, by the strategy's own word."""
    reached: tuple[Latch, ...] = ()
    """Limits that have been reached and not been released."""

    def after(self, account: AccountId, signed: Decimal) -> Decimal:
        """Return what the leg holds when `signed` and everything open on its side has filled, and nothing else has."""
        held = self.held.get(account, ZERO)
        if signed > ZERO:
            return held + self.buys.get(account, ZERO) + signed
        return held - self.sells.get(account, ZERO) + signed

    def worst(self, account: AccountId) -> Decimal:
        """Return the largest quantity that the leg may come to hold: a bid and an ask each on their own side."""
        held = self.held.get(account, ZERO)
        return max(abs(held + self.buys.get(account, ZERO)), abs(held - self.sells.get(account, ZERO)))

    def shrinks(self, account: AccountId, signed: Decimal) -> bool:
        """Say whether an order, with all that is open on its side, takes no more than the leg holds."""
        held = self.held.get(account, ZERO)
        return held * signed < ZERO and self.after(account, signed) * held >= ZERO

    def covers(self, account: AccountId, signed: Decimal) -> bool:
        """Say whether an order makes what is uncovered smaller, with all that is open on its side."""
        open_ = self.buys.get(account, ZERO) if signed > ZERO else -self.sells.get(account, ZERO)
        return self.net * signed < ZERO and abs(self.net + open_ + signed) < abs(self.net)


def check(command: SubmitOrder, exposure: Exposure, limits: Limits) -> Approved | Denied:
    """Judge one order."""
    return judge(command, exposure, bounds_of(limits))


def judge(command: SubmitOrder, exposure: Exposure, bounds: Iterable[Bound]) -> Approved | Denied:
    """Judge one order by these limits; of several that it would pass, name the one with the gravest word."""
    order, account = command.order, command.account
    if order.reduce_only or exposure.shrinks(account, order.signed_quantity):
        return Approved(command)
    if account not in exposure.mark:
        return Denied("NO_MARK", f"no price of {order.instrument_id} is known on {account}")
    found = [_reached(command, exposure)]
    found += [_MEASURES[bound.name](command, exposure, bound) for bound in bounds if bound.account in (None, account)]
    denials = [each for each in found if each is not None]
    return max(denials, key=_severity) if denials else Approved(command)


def _severity(denied: Denied) -> int:
    return -1 if denied.bound is None else _SEVERITY[denied.bound.word]


def _reached(command: SubmitOrder, exposure: Exposure) -> Denied | None:
    """Deny what grows while a limit stands reached; what covers what is open already passes."""
    account, signed = command.account, command.order.signed_quantity
    for latch in exposure.reached:
        if latch.word in _CLOSED and latch.account in (None, account) and not exposure.covers(account, signed):
            return Denied("LIMIT_REACHED", latch.text, latch.of)
    return None


def _notional(command: SubmitOrder, exposure: Exposure) -> Decimal:
    return abs(exposure.after(command.account, command.order.signed_quantity)) * exposure.mark[command.account]


def _check_leg_notional(command: SubmitOrder, exposure: Exposure, bound: Bound) -> Denied | None:
    notional = _notional(command, exposure)
    if notional <= bound.most:
        return None
    return Denied("LEG_NOTIONAL", f"{notional:.2f} USD on {command.account} > {bound.most} ({bound})", bound)


def _check_notional(command: SubmitOrder, exposure: Exposure, bound: Bound) -> Denied | None:
    if bound.account is not None:
        return _check_leg_notional(command, exposure, bound)
    account, mark = command.account, exposure.mark[command.account]
    others = exposure.held.keys() | exposure.buys.keys() | exposure.sells.keys()
    notional = max(_notional(command, exposure), exposure.worst(account) * mark)
    for other in others - {account}:
        notional += exposure.worst(other) * exposure.mark.get(other, mark)
    if notional <= bound.most:
        return None
    return Denied("GROUP_NOTIONAL", f"{notional:.2f} USD in the group > {bound.most} ({bound})", bound)


def _check_leverage(command: SubmitOrder, exposure: Exposure, bound: Bound) -> Denied | None:
    equity = exposure.equity.get(command.account)
    if equity is None or equity <= ZERO:
        return Denied("NO_EQUITY", f"equity of {command.account} is not known or gone: {equity}")
    leverage = _notional(command, exposure) / equity
    if leverage <= bound.most:
        return None
    return Denied("LEVERAGE", f"{leverage:.2f}x on {command.account} > {bound.most}x ({bound})", bound)


def _check_rate(command: SubmitOrder, exposure: Exposure, bound: Bound) -> Denied | None:
    sent = exposure.orders_last_minute
    if bound.account is not None:
        sent = exposure.account_orders_last_minute.get(command.account, 0)
    if sent < bound.most:
        return None
    return Denied("ORDER_RATE", f"{sent + 1} orders within 60 s > {bound.most} ({bound})", bound)


def _beyond(command: SubmitOrder, exposure: Exposure) -> Decimal:
    """Return how far an order's worst price lies beyond the mark, USD a base unit."""
    return (command.order.price - exposure.mark[command.account]) * command.order.side.sign


def _check_slippage(command: SubmitOrder, exposure: Exposure, bound: Bound) -> Denied | None:
    mark = exposure.mark[command.account]
    slippage = _beyond(command, exposure) / mark
    if slippage <= bound.most:
        return None
    text = f"price {command.order.price} is {slippage:.4%} beyond the mark {mark}, > {bound.most:.4%} ({bound})"
    return Denied("SLIPPAGE", text, bound)


def _check_slippage_usd(command: SubmitOrder, exposure: Exposure, bound: Bound) -> Denied | None:
    cost = _beyond(command, exposure) * command.order.quantity
    if cost <= bound.most:
        return None
    text = f"{command.order.quantity} up to {command.order.price} may cost {cost:.2f} USD beyond the mark"
    return Denied("SLIPPAGE_USD", f"{text}, > {bound.most} ({bound})", bound)


def _check_nothing(_command: SubmitOrder, _exposure: Exposure, _bound: Bound) -> Denied | None:
    """Budgets are not judged by an order: once reached, they are among `Exposure.reached`."""
    return None


_Measure = Callable[[SubmitOrder, Exposure, Bound], Denied | None]
_MEASURES: dict[LimitName, _Measure] = {
    LimitName.NOTIONAL: _check_notional,
    LimitName.LEG_NOTIONAL: _check_leg_notional,
    LimitName.LEVERAGE: _check_leverage,
    LimitName.ORDER_RATE: _check_rate,
    LimitName.SLIPPAGE: _check_slippage,
    LimitName.SLIPPAGE_USD: _check_slippage_usd,
    LimitName.LOSS: _check_nothing,
    LimitName.DRAWDOWN: _check_nothing,
    LimitName.NAKED: _check_nothing,
    LimitName.NAKED_USD: _check_nothing,
}
