"""Money and positions: the only place where either changes. What one side pays, another receives, exactly."""

from decimal import ROUND_HALF_UP, Decimal

from strategies.domain.ids import Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from venues.simulator.model import FundingPaid
from venues.simulator.state import CROWD, AccountState, ExchangeState, Held

CENT = Decimal("0.000001")
"""Fees and funding are whole millionths of a dollar, like the venues' USDC."""
COST_GRAIN = Decimal("0.000000000001")
"""The released share of a position's cost is rounded to this; the rest keeps the remainder, so nothing is lost."""


def account_of(state: ExchangeState, name: str) -> AccountState:
    """Return an account by name, the crowd's too."""
    return state.crowd if name == CROWD else state.accounts[name]


def fold(held: Held, signed: Decimal, price: Decimal) -> Decimal:
    """Put an execution into a position; return the profit it realises, USD."""
    before = held.quantity
    if before * signed >= ZERO:
        held.quantity += signed
        held.cost += signed * price
        return ZERO
    closed = -signed if abs(signed) <= abs(before) else before  # the part of the position that goes, with its sign
    released = held.cost if closed == before else (held.cost * closed / before).quantize(COST_GRAIN)
    realized = closed * price - released
    opened = signed + closed
    held.cost += opened * price - released
    held.quantity += signed
    held.realized += realized
    return realized


def execute(state: ExchangeState, name: str, symbol: VenueSymbol, signed: Decimal, price: Decimal) -> None:
    """Move one side of a trade into its account, without fees."""
    account = account_of(state, name)
    account.collateral += fold(account.position(symbol), signed, price)


def fee_of(notional: Decimal, rate: Decimal) -> Decimal:
    """Return the fee on a notional, USD."""
    return (notional * rate).quantize(CENT, ROUND_HALF_UP)


def charge_fee(state: ExchangeState, name: str, fee: Decimal) -> None:
    """Take a trading fee (negative: a rebate)."""
    account_of(state, name).collateral -= fee
    state.fees += fee


def charge_liquidation_fee(state: ExchangeState, name: str, fee: Decimal) -> None:
    """Take a liquidation fee for the insurance pot."""
    state.accounts[name].collateral -= fee
    state.insurance += fee


def cover_deficit(state: ExchangeState, account: AccountState) -> None:
    """Let the insurance pot pay what a bankrupt, flat account owes."""
    if account.collateral < ZERO and all(held.quantity == ZERO for held in account.held.values()):
        state.insurance += account.collateral
        account.collateral = ZERO


def deposit(state: ExchangeState, name: str, amount: Decimal) -> None:
    """Bring money in from outside (negative: take it out)."""
    account_of(state, name).collateral += amount
    state.deposited += amount


def pay_funding(
    state: ExchangeState, symbol: VenueSymbol, mark: Decimal, rate: Decimal, at: Timestamp
) -> list[FundingPaid]:
    """Let longs pay shorts (a negative rate: shorts pay longs). The crowd takes the other side exactly."""
    paid: list[FundingPaid] = []
    for account in state.accounts.values():
        held = account.held.get(symbol)
        if held is None or held.quantity == ZERO:
            continue
        amount = -(held.quantity * mark * rate).quantize(CENT, ROUND_HALF_UP)
        account.collateral += amount
        held.funding_paid -= amount
        state.crowd.collateral -= amount
        row = FundingPaid(account=account.name, symbol=symbol, amount=amount, rate=rate, at=at, position=held.quantity)
        account.funding.append(row)
        paid.append(row)
    return paid


def total_value(state: ExchangeState) -> Decimal:
    """Return all money there is, positions at mark: always equal to what was deposited."""
    accounts = [*state.accounts.values(), state.crowd]
    held = sum((h.unrealized(state.markets[symbol].mark) for a in accounts for symbol, h in a.held.items()), start=ZERO)
    return sum((a.collateral for a in accounts), start=ZERO) + held + state.fees + state.insurance
