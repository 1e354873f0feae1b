"""What can be said of a group's limits without asking anybody: which of them its own parameters cannot live under."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from actors.group_spec import GroupActorSpec
from actors.operator.preflight.result import Check, Level, Result
from strategies.domain.ids import AccountId
from strategies.registry import STRATEGIES, params_of
from strategies.risk import LimitName, Limits, bounds_of

_FIRST_CYCLE = 2
"""Orders that one leg needs at the least: in, and out again. What gets out passes beyond the rate, and counts."""


def limits_fit(group: GroupActorSpec) -> Iterator[Result]:
    """Yield what a group's limits keep its own parameters from doing, and words that do nothing."""
    limits, where = Limits.model_validate(group.limits), f"groups.{group.group.group}.limits"
    params = params_of(group.strategy, group.params)
    numbers = {} if params is None else params.model_dump()
    found = [
        *_slippage(limits, numbers, where),
        *_rate(group, limits, where),
        *_naked(limits, numbers, where),
        *_losses(limits, where),
        *_cycle_loss(group, limits, where),
        *_idle_words(limits, where),
    ]
    yield from found
    if not any(each.level is Level.FAIL for each in found):
        set_ = ", ".join(f"{bound} = {bound.most:f} ({bound.word})" for bound in bounds_of(limits))
        yield Result(level=Level.OK, check=Check.LIMITS, where=where, said=f"in force: {set_}")


def _slippage(limits: Limits, numbers: dict[str, Any], where: str) -> Iterator[Result]:
    """Orders at the market are priced beyond the touch by the strategy's own slippage: a tighter limit denies them."""
    tightest = min(bound.most for bound in bounds_of(limits) if bound.name is LimitName.SLIPPAGE)
    for name, level, what in (
        ("max_slippage", Level.FAIL, "every order at the market is denied"),
        ("hedge_slippage_max", Level.WARN, "hedges that have widened so far are denied"),
    ):
        own = numbers.get(name)
        if isinstance(own, Decimal) and own > tightest:
            said = f"max_slippage = {tightest:f} is tighter than the strategy's own {name} = {own:f}: {what}"
            yield _result(level, f"{where}.max_slippage", said, f"write more than {own:f}, or a smaller {name}")


def _rate(group: GroupActorSpec, limits: Limits, where: str) -> Iterator[Result]:
    needed = _FIRST_CYCLE * len(group.group.legs)
    if limits.max_orders_per_minute < needed:
        said = (
            f"{limits.max_orders_per_minute} orders a minute; a cycle over {len(group.group.legs)} legs makes {needed}"
        )
        yield _result(Level.WARN, f"{where}.max_orders_per_minute", said, f"write {needed} or more")


def _naked(limits: Limits, numbers: dict[str, Any], where: str) -> Iterator[Result]:
    budget, bears = limits.max_naked_seconds_per_day, numbers.get("unhedged_max_s")
    if budget is not None and isinstance(bears, Decimal) and budget < bears:
        said = f"{budget:f} s uncovered in a whole day, and the strategy bears {bears:f} s at once (unhedged_max_s)"
        yield _result(Level.WARN, f"{where}.max_naked_seconds_per_day", said, "more, or a smaller unhedged_max_s")


def _losses(limits: Limits, where: str) -> Iterator[Result]:
    """A smaller loss that is reached first makes the larger one idle."""
    day, cycle, fall = limits.max_loss_usd_per_day, limits.max_cycle_loss_usd, limits.max_drawdown_usd
    if cycle is not None and day is not None and cycle > day:
        said = f"a cycle may lose {cycle:f} USD and a day {day:f}: the day's limit is reached first"
        yield _result(Level.WARN, f"{where}.max_cycle_loss_usd", said, "a day's loss of a cycle's or more")
    if fall is not None and day is not None and fall < day:
        said = f"the result may fall by {fall:f} USD and lose {day:f} in a day: the draw-down is reached first"
        yield _result(Level.WARN, f"{where}.max_drawdown_usd", said, "a draw-down of a day's loss or more")
    whole = limits.max_notional_usd
    for account, own in limits.accounts.items():
        most = own.max_notional_usd
        if most is not None and whole is not None and most > whole:
            said = f"more than the group's max_notional_usd = {whole:f}: it is never reached"
            yield _result(
                Level.WARN, f"{where}.accounts.{account}.max_notional_usd", said, "write less, or leave it out"
            )


def _cycle_loss(group: GroupActorSpec, limits: Limits, where: str) -> Iterator[Result]:
    chosen = STRATEGIES.get(group.strategy)
    if limits.max_cycle_loss_usd is not None and chosen is not None and not chosen.watches_cycle_loss:
        said = f"{group.strategy} does not watch it"
        yield _result(Level.FAIL, f"{where}.max_cycle_loss_usd", said, "write max_loss_usd_per_day instead")


def _idle_words(limits: Limits, where: str) -> Iterator[Result]:
    """A word for a limit that is not set does nothing, though somebody relies on it."""
    for name in LimitName:
        written = getattr(limits, f"at_{name}") is not Limits.model_fields[f"at_{name}"].default
        owners = (limits, *limits.accounts.values())
        if written and all(getattr(owner, f"max_{name}", None) is None for owner in owners):
            said = f"max_{name} is not set, so it is never reached"
            yield _result(Level.FAIL, f"{where}.at_{name}", said, f"write max_{name}, or leave it out")
    for account, own in limits.accounts.items():
        yield from _idle_account_words(account, own.model_dump(), where)


def _idle_account_words(account: AccountId, own: dict[str, Any], where: str) -> Iterator[Result]:
    for key, word in own.items():
        if key.startswith("at_") and word is not None and own[key.replace("at_", "max_", 1)] is None:
            said = f"{key.replace('at_', 'max_', 1)} of this account is not set, so it is never reached"
            remedy = "write it, or leave this out"
            yield _result(Level.FAIL, f"{where}.accounts.{account}.{key}", said, remedy)


def _result(level: Level, where: str, said: str, remedy: str) -> Result:
    return Result(level=level, check=Check.LIMITS, where=where, said=said, remedy=remedy)


def order_fits(group: GroupActorSpec, quantity: Decimal, price: Decimal) -> Result | None:
    """Say that an order of a size at a price would cost more beyond the mark than any may; None = it would not."""
    limits = Limits.model_validate(group.limits)
    params = params_of(group.strategy, group.params)
    slippage = None if params is None else params.model_dump().get("max_slippage")
    bounds = [bound for bound in bounds_of(limits) if bound.name is LimitName.SLIPPAGE_USD]
    if not bounds or not isinstance(slippage, Decimal):
        return None
    tightest, cost = min(bounds, key=lambda bound: bound.most), quantity * price * slippage
    if cost <= tightest.most:
        return None
    said = f"{quantity:f} at the market may cost {cost:.2f} USD beyond the mark, {tightest.most:f} are allowed"
    remedy = "write more, or trade a smaller quantity or with a smaller params.max_slippage"
    return _result(Level.FAIL, f"groups.{group.group.group}.limits.{tightest}", said, remedy)
