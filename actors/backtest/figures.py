"""What a backtest came to: money, turnover, risk, and the lines that the plots are drawn from."""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import blake2b

from pydantic import Field

from actors.backtest.market import BacktestVenue
from actors.backtest.spec import BacktestSpec
from actors.exposure import NakedClock
from strategies.domain.commands import Notify, Severity
from strategies.domain.ids import Timestamp
from strategies.domain.model import Value
from strategies.domain.money import ZERO
from strategies.domain.order import OrderRequest
from strategies.domain.position import Fill
from strategies.machine import GroupView

_SAID_MAX = 50
"""Warnings kept in words; the rest is counted."""
_MS_PER_DAY = 86_400_000


class Sample(Value):
    """One moment of the run, in USD."""

    at: Timestamp
    equity: Decimal
    price: Decimal


class Mark(Value):
    """One fill, for the plot of orders on price."""

    at: Timestamp
    price: Decimal
    signed: Decimal
    maker: bool


class Figures(Value):
    """The result of one backtest. Money in USD, durations in seconds."""

    group: str
    strategy: str
    seed: int
    began_at: Timestamp
    ended_at: Timestamp
    tape_ends_at: Timestamp = Field(description="where the tape, or the part of it to be played, ends")
    pnl: Decimal = Field(description="equity at the end less at the beginning: after fees and funding")
    fees: Decimal
    funding: Decimal = Field(description="received; negative = paid")
    turnover: Decimal
    max_drawdown: Decimal = Field(description="largest fall of equity from an earlier high, USD")
    max_inventory: Decimal = Field(description="largest sum of all legs after a fill, base units, without its sign")
    naked_s: float = Field(description="uncovered beyond what the strategy means to hold")
    naked_usd_s: float
    orders: int
    fills: int
    maker_fills: int
    fill_ratio: Decimal | None = Field(description="executed of what was ordered, by quantity; None = nothing ordered")
    cycles: int
    outcome: str
    reason: str
    open_at_end: dict[str, Decimal] = Field(description="legs that are not flat after the end, base units")
    liquidations: int
    warnings: int
    digest: str = Field(description="of every fill in order: the same seed gives the same one")
    said: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = Field(default=(), repr=False)
    marks: tuple[Mark, ...] = Field(default=(), repr=False)


class Tally:
    """Adds up while the backtest runs."""

    def __init__(self, spec: BacktestSpec, view: GroupView) -> None:
        """Begin with nothing."""
        self._spec = spec
        self._view = view
        self._naked = NakedClock()
        self._digest = blake2b(digest_size=16)
        self._samples: list[Sample] = []
        self._marks: list[Mark] = []
        self._said: list[str] = []
        self._fees = self._turnover = self._ordered = self._executed = ZERO
        self._peak: Decimal | None = None
        self._drawdown = self._held = self._inventory = ZERO
        self._orders = self._warnings = self._forced = 0

    def ordered(self, order: OrderRequest) -> None:
        """Count an order that leaves."""
        self._orders += 1
        self._ordered += order.quantity

    def filled(self, fill: Fill) -> None:
        """Count a fill."""
        self._fees += fill.fee
        self._turnover += fill.quantity * fill.price
        self._held += fill.signed_quantity
        self._inventory = max(self._inventory, abs(self._held))
        if fill.order_id is None:
            self._forced += 1
        else:
            self._executed += fill.quantity
        self._digest.update(f"{fill.at} {fill.side} {fill.quantity} {fill.price} {fill.fee}\n".encode())
        self._marks.append(Mark(at=fill.at, price=fill.price, signed=fill.signed_quantity, maker=fill.is_maker))

    def seen(self, at: Timestamp, view: GroupView) -> None:
        """Take note of what the group shows."""
        self._view = view
        self._naked.update(at, view)

    def said(self, at: Timestamp, note: Notify) -> None:
        """Keep warnings."""
        if note.severity is Severity.INFO:
            return
        self._warnings += 1
        if len(self._said) < _SAID_MAX:
            self._said.append(f"{at} {note.severity} {note.text}")

    def sample(self, at: Timestamp, equity: Decimal, price: Decimal) -> None:
        """Take a sample of the whole."""
        self._samples.append(Sample(at=at, equity=equity, price=price))
        self._peak = equity if self._peak is None else max(self._peak, equity)
        self._drawdown = max(self._drawdown, self._peak - equity)

    def figures(self, venues: Mapping[str, BacktestVenue], tape_ends_at: Timestamp) -> Figures:
        """Return the result. After the last sample."""
        spec, view, last = self._spec, self._view, self._samples[-1]
        start = spec.collateral * len(spec.venue_of)
        paid = (
            row.amount for account, venue in spec.venue_of.items() for row in venues[venue].exchange.funding(account)
        )
        ratio = None if self._ordered == ZERO else (self._executed / self._ordered).quantize(Decimal("0.0001"))
        return Figures(
            group=spec.group.group,
            strategy=spec.strategy,
            seed=spec.seed,
            began_at=self._samples[0].at,
            ended_at=last.at,
            tape_ends_at=tape_ends_at,
            pnl=last.equity - start,
            fees=self._fees,
            funding=sum(paid, start=ZERO),
            turnover=self._turnover,
            max_drawdown=self._drawdown,
            max_inventory=self._inventory,
            naked_s=self._naked.seconds(last.at),
            naked_usd_s=self._naked.usd_seconds(last.at),
            orders=self._orders,
            fills=len(self._marks),
            maker_fills=sum(mark.maker for mark in self._marks),
            fill_ratio=ratio,
            cycles=view.cycles_done,
            outcome=view.outcome,
            reason=view.reason,
            open_at_end={leg: each.believed for leg, each in view.legs.items() if each.believed != ZERO},
            liquidations=self._forced,
            warnings=self._warnings,
            digest=self._digest.hexdigest(),
            said=tuple(self._said),
            samples=tuple(self._samples),
            marks=tuple(self._marks),
        )


def days(figures: Figures) -> float:
    """Return how long the run was, days of market time."""
    return (figures.ended_at - figures.began_at) / _MS_PER_DAY
