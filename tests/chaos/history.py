"""What the exchanges' own history shows after a run: every execution, and everything that should not be there."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from strategies.domain.order import Side
from strategies.domain.position import FillCause
from tests.end_to_end.deployment import LIGHTER, Deployment

ZERO = Decimal(0)


@dataclass(frozen=True)
class Execution:
    """A change of one account's position."""

    at: int
    account: str
    change: Decimal
    price: Decimal


@dataclass(frozen=True)
class Violation:
    """Something that must not be."""

    at: int
    """When it began, milliseconds; 0 = it is so at the end."""
    account: str
    kind: str
    """`double` or `unowned`."""
    words: str


@dataclass
class History:
    """One run, as the venues tell it."""

    executions: list[Execution] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    lots: dict[str, Decimal] = field(default_factory=dict)
    """Account → the lot of the market that it traded."""


@dataclass(frozen=True)
class Naked:
    """A time during which a group's legs did not add up to nothing."""

    start: int
    end: int
    usd_seconds: Decimal

    @property
    def seconds(self) -> float:
        """Return its length."""
        return (self.end - self.start) / 1000


async def read_history(deployment: Deployment) -> History:
    """Ask the venues' memory, and hold it against the accounts' journals. The deployment must have ended."""
    books = await deployment.journaled()
    history = History()
    async with deployment.venues() as simulation:
        for venue, exchange in simulation.venues.items():
            for account in exchange.accounts():
                name = LIGHTER[int(account)] if venue == "lighter" else account
                for trade in exchange.trades(account):
                    history.lots[name] = exchange.markets[trade.symbol].lot
                    history.executions += _changes(trade, account, name)
                history.violations += _judge(name, exchange, account, books[name])
    history.executions.sort(key=lambda execution: execution.at)
    return history


def naked_times(executions: Iterable[Execution], accounts: frozenset[str], lot: Decimal, until: int) -> list[Naked]:
    """Return every time in which |sum of the legs| was above half a lot, by the venues' own timestamps."""
    found: list[Naked] = []
    total, since, before, weight, price = ZERO, None, 0, ZERO, ZERO
    mine = [execution for execution in executions if execution.account in accounts]
    for index, execution in enumerate(mine):
        if since is not None:
            weight += abs(total) * price * (execution.at - before) / 1000
        total, price, before = total + execution.change, execution.price, execution.at
        if index + 1 < len(mine) and mine[index + 1].at == execution.at:
            continue  # several executions of one moment are one change
        naked = abs(total) > lot / 2
        if naked and since is None:
            since, weight = execution.at, ZERO
        elif not naked and since is not None:
            found.append(Naked(since, execution.at, weight))
            since = None
    if since is not None:
        weight += abs(total) * price * (until - before) / 1000
        found.append(Naked(since, until, weight))
    return [each for each in found if each.end > each.start]


def _changes(trade, account: str, name: str) -> Iterable[Execution]:
    sign = 1 if trade.taker_side is Side.BUY else -1
    if trade.taker_account == account:
        yield Execution(trade.at, name, sign * trade.quantity, trade.price)
    if trade.maker_account == account:
        yield Execution(trade.at, name, -sign * trade.quantity, trade.price)


def _judge(name: str, exchange, account: str, book) -> Iterable[Violation]:
    for row in exchange.positions(account):
        if row.quantity != 0:
            yield Violation(0, name, "unowned", f"holds {row.quantity} {row.symbol} at the end")
    wanted = {record.client_order_id: record for record in book.state.orders.values()}
    ours = [row for row in exchange.orders(account, active=None) if row.cause is FillCause.ORDER]
    times = Counter(row.client_order_id for row in ours)
    for row in ours:
        record = wanted.get(row.client_order_id)
        words = f"venue order {row.order_index}, client id {row.client_order_id}, filled {row.filled}"
        if record is None:
            yield Violation(row.created_at, name, "unowned", f"the journal does not know {words}")
            continue
        if times[row.client_order_id] > 1 or row.filled > record.request.quantity:
            yield Violation(row.created_at, name, "double", f"{record.request.order_id} came twice: {words}")
        if record.filled != row.filled:
            told = f"{record.request.order_id}: the journal says {record.filled}, {words}"
            yield Violation(row.created_at, name, "unowned", told)
    believed = {position.quantity for position in book.state.positions.values()} - {ZERO}
    if believed:
        yield Violation(0, name, "unowned", f"believes {believed} at the end")
