"""What a group, and each of its accounts, may do at most, and what happens when it would do more."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId
from strategies.domain.model import Value

GATE = 2
"""Version of the gate's rules. Journaled with the settings, so that a step is replayed by the rules that judged it.

1 counted a bid against an ask, a partial fill twice, and denied reduce-only hedges by their rate.
"""
FIRST_GATE = 1


class Word(StrEnum):
    """What happens at a limit. Orders that only reduce pass whatever the word."""

    DENY = "deny"
    """What would pass the limit is denied; nothing else happens."""
    PAUSE = "pause"
    """And the group is told PAUSE: it finishes its cycle and begins no new one."""
    REDUCE = "reduce"
    """And the group is told REDUCE: nothing grows any more."""
    FLATTEN = "flatten"
    """And the group is told FLATTEN: out now."""

    @property
    def state(self) -> OperatorState:
        """Return what the group is told, which has the word's name; RUN = nothing."""
        return OperatorState.RUN if self is Word.DENY else OperatorState[self.name]


class LimitName(StrEnum):
    """A limit by the name of its setting: `max_` and this is how much, `at_` and this is what happens there."""

    unit: str
    """Unit of its number, for people."""

    def __new__(cls, setting: str, unit: str) -> Self:
        """Make a name with the unit of its number."""
        name = str.__new__(cls, setting)
        name._value_ = setting
        name.unit = unit
        return name

    NOTIONAL = "notional_usd", "USD"
    LEG_NOTIONAL = "leg_notional_usd", "USD"
    LEVERAGE = "leverage", "x"
    ORDER_RATE = "orders_per_minute", "orders a minute"
    SLIPPAGE = "slippage", "of the mark"
    SLIPPAGE_USD = "slippage_usd", "USD"
    LOSS = "loss_usd_per_day", "USD"
    DRAWDOWN = "drawdown_usd", "USD"
    NAKED = "naked_seconds_per_day", "s"
    NAKED_USD = "naked_usd_seconds_per_day", "USD s"


BUDGETS = frozenset({LimitName.LOSS, LimitName.DRAWDOWN, LimitName.NAKED, LimitName.NAKED_USD})
"""Limits on what has happened, not on an order: once used up they stay reached until they are released."""
OF_A_DAY = BUDGETS - {LimitName.DRAWDOWN}
"""Budgets that begin anew with each UTC day."""

GroupWord = Annotated[Word, Field(description="what happens there: deny, pause, reduce or flatten")]
"""What happens at a limit of the group."""
WordOfADay = Annotated[
    Word,
    Field(description="what happens there: deny, pause or reduce until the day is over, or flatten until RUN is said"),
]
"""What happens at a limit of the group that begins anew with each day."""
OwnWord = Annotated[Word | None, Field(description="deny, pause, reduce or flatten; absent = as the group")]
"""What happens at a limit of one account."""


class AccountLimits(Value):
    """What one account may do at most, beside its group's limits. An absent limit does not bind."""

    max_notional_usd: Decimal | None = Field(
        default=None, gt=0, description="|position| x mark of the account, open orders on their worst side, USD"
    )
    at_notional_usd: OwnWord = None
    max_leverage: Decimal | None = Field(
        default=None, gt=0, description="|position| x mark over the account's equity, open orders on their worst side"
    )
    at_leverage: OwnWord = None
    max_orders_per_minute: int | None = Field(
        default=None, gt=0, description="orders of the group on this account within any 60 s"
    )
    at_orders_per_minute: OwnWord = None
    max_slippage: Decimal | None = Field(
        default=None, gt=0, lt=1, description="fraction by which an order's worst price may lie beyond the mark"
    )
    at_slippage: OwnWord = None
    max_slippage_usd: Decimal | None = Field(
        default=None, gt=0, description="USD that one order may cost beyond the mark, filled whole at its worst price"
    )
    at_slippage_usd: OwnWord = None
    max_loss_usd_per_day: Decimal | None = Field(
        default=None, gt=0, description="USD that the account may lose in a UTC day, counted as the group's loss is"
    )
    at_loss_usd_per_day: OwnWord = None
    max_drawdown_usd: Decimal | None = Field(
        default=None, gt=0, description="USD that the account's result may fall below its highest"
    )
    at_drawdown_usd: OwnWord = None


class Limits(Value):
    """What a group may do at most, whatever its strategy decides. An absent limit does not bind."""

    max_notional_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="sum over all legs of |position| x mark, open orders on their worst side, USD; orders that would "
        "pass it are denied, and the sizing of entries stays within it",
    )
    at_notional_usd: GroupWord = Word.DENY
    max_leg_notional_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="|position| x mark of one leg, open orders on their worst side, USD; orders that would pass it are "
        "denied, sizing stays within it",
    )
    at_leg_notional_usd: GroupWord = Word.DENY
    max_leverage: Decimal | None = Field(
        default=None,
        gt=0,
        description="|position| x mark over the account's equity; orders that would pass it are denied, "
        "and no higher leverage is asked of a venue",
    )
    at_leverage: GroupWord = Word.DENY
    max_orders_per_minute: int = Field(
        default=120,
        gt=0,
        description="orders of the group within any 60 s; more are denied. A healthy cycle makes fewer than 20: "
        "this stops a loop, not a strategy",
    )
    at_orders_per_minute: GroupWord = Word.DENY
    max_slippage: Decimal = Field(
        default=Decimal("0.02"),
        gt=0,
        lt=1,
        description="fraction by which an order's worst price may lie beyond the mark; worse is denied",
    )
    at_slippage: GroupWord = Word.DENY
    max_slippage_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="USD that one order may cost beyond the mark, filled whole at its worst price; more is denied",
    )
    at_slippage_usd: GroupWord = Word.DENY
    max_loss_usd_per_day: Decimal | None = Field(
        default=None,
        gt=0,
        description="USD that the group may lose in a UTC day: fills, fees, funding and what is open at the mark, "
        "against the same at the day's begin",
    )
    at_loss_usd_per_day: WordOfADay = Word.FLATTEN
    max_drawdown_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="USD that the group's result may fall below its highest, since its first start or since RUN was "
        "said after the limit was reached",
    )
    at_drawdown_usd: Word = Field(
        default=Word.FLATTEN,
        description="what happens there, until RUN is said: deny, pause, reduce or flatten",
    )
    max_naked_seconds_per_day: Decimal | None = Field(
        default=None, gt=0, description="s in a UTC day that more than half a lot may be uncovered, all together"
    )
    at_naked_seconds_per_day: WordOfADay = Word.PAUSE
    max_naked_usd_seconds_per_day: Decimal | None = Field(
        default=None, gt=0, description="the same, each second weighed by the USD that are uncovered"
    )
    at_naked_usd_seconds_per_day: WordOfADay = Word.PAUSE
    max_cycle_loss_usd: Decimal | None = Field(
        default=None,
        gt=0,
        description="a cycle that has lost more than this (realised and unrealised, after fees) exits, and the "
        "group is parked for a person to look at; only liquidation_hedge watches it",
    )
    accounts: dict[AccountId, AccountLimits] = Field(
        default={}, description="further limits of single accounts of the group, by the account's name"
    )

    def leg_notional_usd(self) -> Decimal | None:
        """Return the notional that every leg may have, USD: the tightest of all; None = nothing binds."""
        return _tightest(self.max_leg_notional_usd, *(each.max_notional_usd for each in self.accounts.values()))

    def leverage_of(self, account: AccountId) -> Decimal | None:
        """Return the leverage that an account may have; None = nothing binds."""
        own = self.accounts.get(account)
        return _tightest(self.max_leverage, None if own is None else own.max_leverage)

    def leverage(self) -> Decimal | None:
        """Return the leverage that every account may have: the tightest of all; None = nothing binds."""
        return _tightest(self.max_leverage, *(each.max_leverage for each in self.accounts.values()))


class LimitsInForce(Limits):
    """Limits as a journal has them: with the version of the gate's rules that judged by them."""

    gate: int = Field(default=GATE, ge=FIRST_GATE, le=GATE, description="version of the gate's rules")


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit as it is written: how much, and what happens there."""

    name: LimitName
    account: AccountId | None
    """None = of the whole group, or of each of its accounts alike."""
    most: Decimal
    word: Word

    @property
    def key(self) -> str:
        """Return its place in the settings, below `limits`."""
        return _key(self.name, self.account)

    def __str__(self) -> str:
        """Name it as the settings do."""
        where = "" if self.account is None else f"accounts.{self.account}."
        return f"{where}max_{self.name}"


def bounds_of(limits: Limits) -> tuple[Bound, ...]:
    """Return every limit that is set: the group's, then those of its accounts."""
    return tuple(_bounds_of(limits))


def _bounds_of(limits: Limits) -> Iterator[Bound]:
    for name in LimitName:
        most = getattr(limits, f"max_{name}")
        if most is not None:
            yield Bound(name, None, Decimal(most), getattr(limits, f"at_{name}"))
    for account, own in limits.accounts.items():
        for name in LimitName:
            most = getattr(own, f"max_{name}", None)
            if most is not None:
                word = getattr(own, f"at_{name}") or getattr(limits, f"at_{name}")
                yield Bound(name, account, Decimal(most), word)


def _tightest(*found: Decimal | None) -> Decimal | None:
    return min((most for most in found if most is not None), default=None)


def _key(name: LimitName, account: AccountId | None) -> str:
    return name.value if account is None else f"{account}.{name.value}"
