"""What a decision may stand on: either every number it needs, fresh, or what is lacking, in words."""

from collections.abc import Iterator
from decimal import Decimal

from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.ids import LegName
from strategies.domain.money import ZERO
from strategies.domain.order import Side
from strategies.liquidation_hedge.sizing import LegNumbers, SizeRules
from strategies.liquidation_hedge.state import FIRST
from strategies.liquidation_hedge.turn import Turn, unexplained


def side_of(turn: Turn, name: LegName) -> Side:
    """Return the side on which a leg enters in this direction."""
    side = turn.state.direction.side
    return side.opposite if name == FIRST else side


def lack(turn: Turn, name: LegName) -> str | None:
    """Say what keeps a leg from opening risk now; None = nothing does."""
    look = turn.leg(name).look
    if look is None:
        return f"{name} has not been seen"
    return next(_account_lacks(turn, name, look), None) or next(_market_lacks(turn, name, look), None)


def _account_lacks(turn: Turn, name: LegName, look: LegObservation) -> Iterator[str]:
    if turn.leg(name).mode is not AccountMode.ARMED:
        yield f"account of {name} is {turn.leg(name).mode}"
    if look.problems:
        yield f"{name}: {'; '.join(look.problems)}"
    if look.balance is None:
        yield f"{name} did not state its balance"
    elif look.balance.liquidating:
        yield f"{name} is being liquidated"
    elif look.balance.equity < turn.params.min_collateral_usd:
        yield f"{name} has {look.balance.equity} USD of equity, less than {turn.params.min_collateral_usd}"


def _market_lacks(turn: Turn, name: LegName, look: LegObservation) -> Iterator[str]:
    leg = turn.leg(name)
    if look.instrument is None or look.position is None:
        yield f"{name} did not state instrument and position"
    if leg.surprise is not None:
        yield unexplained(name, leg)
    if look.in_flight or leg.live:
        yield f"{name} has orders in flight"
    quote = turn.fresh_quote(name)
    if quote is None or quote.touch(side_of(turn, name)) is None:
        yield f"{name} has no fresh quote"


def not_flat(turn: Turn, name: LegName) -> str | None:
    """Say that a leg holds something it should not hold before a cycle; None = flat, or dust."""
    leg = turn.leg(name)
    instrument = turn.instrument(name)
    if leg.quantity in (ZERO, leg.dust):
        return None
    if instrument is not None and leg.price is not None and abs(leg.quantity) < instrument.smallest_order(leg.price):
        return None
    return f"{name} already holds {leg.quantity}"


def wanted_leverage(turn: Turn, name: LegName) -> Decimal:
    """Return the leverage a leg should have: the parameter, cut by the instrument and the group's limit."""
    wanted = turn.params.leverage
    instrument = turn.instrument(name)
    if instrument is not None:
        wanted = min(wanted, instrument.max_leverage)
    limit = turn.setting.limits.leverage_of(turn.leg(name).account)
    return wanted if limit is None else min(wanted, limit)


def numbers(turn: Turn, name: LegName) -> LegNumbers | str:
    """Return what sizing needs of a leg that lacks nothing, or what is unknown after all."""
    leg = turn.leg(name)
    quote, look = turn.fresh_quote(name), leg.look
    touch = None if quote is None else quote.touch(side_of(turn, name))
    if touch is None or look is None or look.instrument is None or look.balance is None:
        return f"{name} has no fresh numbers"
    if leg.leverage is None:
        return f"the leverage in force on {name} is not known"
    return LegNumbers(look.instrument, touch, look.balance.available, leg.leverage)


def all_numbers(turn: Turn) -> dict[LegName, LegNumbers] | str:
    """Return the numbers of every leg, or the first thing unknown."""
    found: dict[LegName, LegNumbers] = {}
    for name in turn.state.legs:
        of_leg = numbers(turn, name)
        if isinstance(of_leg, str):
            return of_leg
        found[name] = of_leg
    return found


def size_rules(turn: Turn) -> SizeRules:
    """Return the bounds on any size."""
    limits = turn.setting.limits
    most = limits.leverage()
    leverage = turn.params.leverage if most is None else min(turn.params.leverage, most)
    return SizeRules(
        leverage=leverage,
        usable_fraction=turn.params.usable_fraction,
        max_quantity=turn.params.max_quantity,
        max_leg_notional_usd=_share(limits.leg_notional_usd(), turn.params.limit_share),
        max_notional_usd=_share(limits.max_notional_usd, turn.params.limit_share),
        larger_than=turn.params.liquidation_tolerance,
        test_mode=turn.params.test_mode,
    )


def _share(limit: Decimal | None, share: Decimal) -> Decimal | None:
    return None if limit is None else limit * share
