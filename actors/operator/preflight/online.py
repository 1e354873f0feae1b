"""What only the venues can tell: keys, instruments, clocks, margins. Reads alone; nothing is sent that could trade."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from actors.account.spec import AccountSpec
from actors.group_spec import GroupActorSpec
from actors.operator.preflight.limits import order_fits
from actors.operator.preflight.offline import wanted_leverage
from actors.operator.preflight.result import Check, Level, Result
from strategies.domain.account import Balance
from strategies.domain.ids import AccountId, LegName
from strategies.domain.instrument import Instrument
from strategies.domain.money import ZERO
from strategies.domain.quote import Quote
from strategies.liquidation_hedge.sizing import LegNumbers, NoEntry, SizeRules, size_entry
from strategies.registry import params_of
from strategies.risk import Limits
from venues.errors import Malformed, RateLimited, Rejected, Unreachable, VenueError
from venues.registry import build_venue
from venues.venue import Now, Venue

_OPEN_S = 30.0
"""Longest wait for one venue to be opened."""
_READ_S = 10.0
"""Longest wait for one answer."""
_CLOCK_S = 3.0
"""How long a stream is waited for to tell the venue's time."""
_POLL_S = 0.1
_CLOCK_WARN_S = 1.0
"""A clock that is synchronised stays within some hundredths; a second says that it is not."""
_NO_INSTRUMENT = frozenset({"symbols", "market", "UNKNOWN_SYMBOL"})
"""Codes of refusals that are about the instrument, not about the key."""
_USABLE = Decimal("0.95")

T = TypeVar("T")


@dataclass
class AccountLook:
    """What was learnt of one account."""

    spec: AccountSpec
    results: list[Result] = field(default_factory=list)
    instrument: Instrument | None = None
    balance: Balance | None = None
    price: Decimal | None = None

    def add(self, level: Level, check: Check, said: str, remedy: str = "") -> None:
        """Note a finding about the account."""
        where = f"accounts.{self.spec.account}"
        self.results.append(Result(level=level, check=check, where=where, said=said, remedy=remedy))


async def online(accounts: Sequence[AccountSpec], groups: Sequence[GroupActorSpec], now: Now) -> list[Result]:
    """Ask every venue about every account at once, then judge each group's size. Never raises for a venue."""
    looks = await asyncio.gather(*(look_at(spec, now) for spec in accounts))
    found = [result for look in looks for result in look.results]
    by_account = {look.spec.account: look for look in looks}
    for group in groups:
        found.extend(_group(group, by_account))
    return found


async def look_at(spec: AccountSpec, now: Now) -> AccountLook:
    """Learn what there is to know of one account."""
    look = AccountLook(spec)
    venue = build_venue(spec.venue, spec.venue_config, spec.account_config, now)
    try:
        if await _opened(look, venue):
            await _read(look, venue)
    finally:
        await venue.close()
    return look


async def _opened(look: AccountLook, venue: Venue) -> bool:
    spec = look.spec
    try:
        async with asyncio.timeout(_OPEN_S):
            await venue.open(spec.instruments)
    except Rejected as error:
        if error.code in _NO_INSTRUMENT:
            look.add(Level.FAIL, Check.INSTRUMENT, str(error), f"correct [venues.{spec.venue}.symbols]")
        else:
            remedy = "is it the key of this account, and still registered there? Make a new one at the venue if not"
            look.add(Level.FAIL, Check.KEY, f"{spec.venue} refuses it ({error})", remedy)
        return False
    except (Unreachable, Malformed, RateLimited, TimeoutError) as error:
        why = str(error) or f"no answer within {_OPEN_S:g} s"
        look.add(Level.FAIL, Check.ONLINE, f"{spec.venue}: {why}", "check base_url and the network, then look again")
        return False
    look.add(Level.OK, Check.KEY, f"{spec.venue} takes it. {_RIGHTS[spec.venue]}")
    return True


_RIGHTS = {
    "lighter": "Every key of a Lighter account may do everything there",
    "backpack": "It may read; Backpack does not say whether it may trade before the first order",
}
"""What is known of a key's permissions."""


async def _read(look: AccountLook, venue: Venue) -> None:
    instrument_id = look.spec.instruments[0]
    instrument = look.instrument = venue.instrument(instrument_id)
    look.add(
        Level.OK,
        Check.INSTRUMENT,
        f"{instrument_id} is {instrument.symbol}: lot {instrument.lot:f}, tick {instrument.tick:f}, "
        f"leverage to {instrument.max_leverage.normalize():f}",
    )
    await _judge_clock(look, venue)
    look.balance = await _answer(look, "its balance", venue.balance(instrument_id))
    quote = await _answer(look, "a price", venue.quote(instrument_id))
    look.price = None if quote is None else _price(quote)
    position = await _answer(look, "its position", venue.position(instrument_id))
    orders = await _answer(look, "its open orders", venue.open_orders(instrument_id))
    if look.balance is not None:
        _judge_balance(look, look.balance)
    if position is not None and position.quantity != ZERO:
        said = f"holds {position.quantity:f} {instrument_id}"
        look.add(Level.WARN, Check.ACCOUNT, said, "close it, unless a supervisor of this deployment holds it")
    if orders:
        said = f"{len(orders)} order(s) rest there"
        look.add(Level.WARN, Check.ACCOUNT, said, "cancel them, unless a supervisor of this deployment rests them")


async def _answer(look: AccountLook, what: str, question: Awaitable[T]) -> T | None:
    """Return the answer, or None with a finding: a question that is not answered is none of the others' business."""
    try:
        async with asyncio.timeout(_READ_S):
            return await question
    except (VenueError, TimeoutError) as error:
        look.add(Level.FAIL, Check.ONLINE, f"did not tell {what} ({error or 'no answer'})", "look again")
        return None


async def _judge_clock(look: AccountLook, venue: Venue) -> None:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _CLOCK_S
    # The venue tells its time with its first frame; it has no event for that.
    while (offset := venue.status().clock_offset_s) is None and loop.time() < give_up_at:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    allowed = venue.capabilities.clock_skew_s
    if offset is None:
        look.add(Level.WARN, Check.CLOCK, f"{look.spec.venue} did not tell its time", "look again")
    elif abs(offset) > allowed:
        said = f"ours is {-offset:+.1f} s off the venue's, {allowed:g} s are allowed for"
        look.add(Level.FAIL, Check.CLOCK, said, "synchronise this machine's clock (timedatectl set-ntp true)")
    elif abs(offset) > _CLOCK_WARN_S:
        said = f"ours is {-offset:+.1f} s off the venue's"
        look.add(Level.WARN, Check.CLOCK, said, "synchronise this machine's clock (timedatectl set-ntp true)")
    else:
        look.add(Level.OK, Check.CLOCK, f"ours is {-offset:+.2f} s off the venue's")


def _judge_balance(look: AccountLook, balance: Balance) -> None:
    if balance.liquidating:
        look.add(Level.FAIL, Check.ACCOUNT, "is being liquidated", "look at it at the venue")
    elif balance.available <= ZERO:
        look.add(Level.FAIL, Check.ACCOUNT, f"has {balance.available:f} USD to trade with", "deposit collateral")
    else:
        look.add(Level.OK, Check.ACCOUNT, f"equity {balance.equity:.2f} USD, available {balance.available:.2f} USD")


def _price(quote: Quote) -> Decimal | None:
    sides = [each for each in (quote.bid, quote.ask) if each is not None]
    return sum(sides, start=ZERO) / len(sides) if sides else quote.mark


def _group(group: GroupActorSpec, looks: dict[AccountId, AccountLook]) -> Iterator[Result]:
    """Judge leverage and size of a group whose accounts could all be seen."""
    where = f"groups.{group.group.group}"
    wanted = wanted_leverage(group)
    numbers: dict[LegName, LegNumbers] = {}
    for leg, account in group.group.legs.items():
        look = looks[account]
        if look.instrument is None or look.balance is None or look.price is None:
            said = f"account {account} has not told enough to judge the size"
            yield Result(level=Level.FAIL, check=Check.SIZE, where=where, said=said, remedy="see above")
            return
        most = look.instrument.max_leverage
        asked = wanted or look.balance.leverage or most
        if wanted is None and look.balance.leverage is None:
            yield Result(
                level=Level.WARN,
                check=Check.LEVERAGE,
                where=f"accounts.{account}",
                said=f"the venue does not say which leverage is in force; {most.normalize():f} is assumed below",
                remedy="set it at the venue",
            )
        if wanted is not None and wanted > most:
            yield Result(
                level=Level.WARN,
                check=Check.LEVERAGE,
                where=f"{where}.legs.{leg}",
                said=f"params ask for {wanted:f}, the venue allows {most.normalize():f}: that is used",
                remedy=f"write leverage = {most.normalize():f} or less, so that the legs agree",
            )
        numbers[leg] = LegNumbers(look.instrument, look.price, look.balance.available, min(asked, most))
    yield _size(group, where, numbers)


def _size(group: GroupActorSpec, where: str, numbers: dict[LegName, LegNumbers]) -> Result:
    limits = Limits.model_validate(group.limits)
    params = params_of(group.strategy, group.params)
    chosen = {} if params is None else params.model_dump()
    leverage = max(each.leverage for each in numbers.values())
    allowed = limits.leverage()
    rules = SizeRules(
        leverage=leverage if allowed is None else min(leverage, allowed),
        usable_fraction=chosen.get("usable_fraction", _USABLE),
        max_leg_notional_usd=limits.leg_notional_usd(),
        max_notional_usd=limits.max_notional_usd,
    )
    sized = size_entry(numbers, rules)
    if isinstance(sized, NoEntry):
        remedy = "more collateral, more leverage, or higher limits"
        return Result(level=Level.FAIL, check=Check.SIZE, where=where, said=sized.reason, remedy=remedy)
    fixed = chosen.get("quantity")
    if isinstance(fixed, Decimal) and fixed > sized.quantity:
        said = f"params ask for {fixed:f}, the largest entry now is {sized.quantity:f}, bound by {sized.bound_by}"
        remedy = "a smaller quantity, more collateral, or more leverage"
        return Result(level=Level.FAIL, check=Check.SIZE, where=where, said=said, remedy=remedy)
    price = max(each.price for each in numbers.values())
    too_dear = order_fits(group, fixed if isinstance(fixed, Decimal) else sized.quantity, price)
    if too_dear is not None:
        return too_dear
    said = f"the largest entry now is {sized.quantity:f} {group.group.instrument_id}, bound by {sized.bound_by}"
    return Result(level=Level.OK, check=Check.SIZE, where=where, said=said)
