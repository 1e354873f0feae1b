"""The words that playbooks of the liquidation hedge are written in: one group, three legs, round numbers.

Bid 999, ask 1001, mark 1000; 100.1 USD on every account and 50x make an entry of 5.
"""

from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

from strategies.domain.account import AccountMode, Balance, LegObservation, ReportedPosition
from strategies.domain.events import (
    AccountModeChanged,
    Event,
    Filled,
    LeverageRefused,
    LeverageSet,
    Observed,
    OperatorState,
    OperatorStateSet,
    OrderAccepted,
    OrderClosed,
    OrderDenied,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
    PositionAdjusted,
    RandomDrawn,
    Restarted,
    Started,
    TimerFired,
)
from strategies.domain.ids import TimerName, Timestamp, derive_order_id
from strategies.domain.instrument import Instrument
from strategies.domain.order import Side
from strategies.domain.position import Fill, FillCause
from strategies.domain.quote import Quote
from strategies.liquidation_hedge.invariants import violations
from strategies.liquidation_hedge.machine import LiquidationHedge
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.machine import GroupSpec
from strategies.risk import Limits
from tests.playbook import QUIET, Later, Moment, Playbook

GROUP = "triad"
INSTRUMENT = "ETH-PERP"


class Accounts(dict[str, str]):
    """Which account plays which leg; a leg of another strategy is played by an account of its own name."""

    def __missing__(self, leg: str) -> str:
        return leg


LEGS = Accounts(backpack="bp", lighter1="l1", lighter2="l2")
PARAMS: dict[str, Any] = {"usable_fraction": "1"}
ALL = "observe backpack lighter1 lighter2"

_trades = count(1)


def instrument(leg: str = "lighter1", **changes: Any) -> Instrument:
    """Return a leg's instrument: lot 0.01 on Backpack, 0.001 on Lighter, minimum 0.1 on both."""
    numbers = {
        "instrument_id": INSTRUMENT,
        "symbol": "ETH",
        "tick": "0.1",
        "lot": "0.01" if leg == "backpack" else "0.001",
        "min_quantity": "0.1",
        "min_notional": "0",
        "max_leverage": "50",
        "maintenance_margin": "0.01",
        "taker_fee": "0",
        "maker_fee": "0",
    }
    return Instrument.model_validate(numbers | changes)


def spec(*legs: str) -> GroupSpec:
    """Return the group's names; without arguments all three legs."""
    names = legs or tuple(LEGS)
    return GroupSpec.model_validate(
        {"group": GROUP, "instrument_id": INSTRUMENT, "legs": {name: LEGS[name] for name in names}}
    )


def machine(legs: tuple[str, ...] = (), limits: Limits | None = None, **params: Any) -> LiquidationHedge:
    """Return a machine with the scene's parameters, changed by `params`."""
    return LiquidationHedge(spec(*legs), LiquidationHedgeParams.model_validate(PARAMS | params), limits or Limits())


def hedge(
    *, show: tuple[str, ...] = (), legs: tuple[str, ...] = (), limits: Limits | None = None, **params: Any
) -> Playbook:
    """Begin a playbook; every step is also held against the invariants. `show` names quiet commands to compare."""
    subject = machine(legs, limits, **params)
    hedge_params = LiquidationHedgeParams.model_validate(PARAMS | params)
    return Playbook(
        subject,
        quiet=tuple(word for word in QUIET if word not in show),
        check=lambda state, _commands: [f"{v.name}: {v.detail}" for v in violations(state, hedge_params)],
    )


# What happens.


def started() -> Moment:
    """The group's first moment."""
    return lambda at: Started(at=at, group=GROUP)


def restarted() -> Moment:
    """The group's process is new."""
    return lambda at: Restarted(at=at)


def operator(state: OperatorState, by: str = "operator:anna") -> Moment:
    """The operator speaks."""
    return lambda at: OperatorStateSet(at=at, state=state, by=by)


def timer(name: str) -> Moment:
    """A timer has come due."""
    return lambda at: TimerFired(at=at, timer=TimerName(name))


def drawn(seconds: str, cycle: int = 1) -> Moment:
    """The random wait is known."""
    return lambda at: RandomDrawn(at=at, name=f"wait:{cycle}", value=Decimal(seconds))


def later(seconds: str | float) -> Later:
    """Time passes."""
    return Later(seconds)


def leg_look(leg: str, holds: str | None = "0", *, at: Timestamp, **changes: Any) -> LegObservation:
    """Return one leg's look: armed, funded, quoted; `holds` is what the venue states, None = no answer."""
    look = LegObservation(
        account=LEGS[leg],
        mode=AccountMode.ARMED,
        instrument=instrument(leg),
        quote=Quote(bid=Decimal(999), ask=Decimal(1001), mark=Decimal(1000), at=at, mark_at=at),
        balance=balance(at=at),
        position=None if holds is None else ReportedPosition(quantity=Decimal(holds), entry_price=Decimal(0), at=at),
        believed=Decimal(holds or 0),
        in_flight=0,
        unknown=0,
    )
    return look.model_copy(update=changes)


def balance(*, at: int = 0, **changes: Any) -> Balance:
    """Return 100.1 USD at 50x."""
    whole = Balance(
        equity=Decimal("100.1"),
        available=Decimal("100.1"),
        leverage=Decimal(50),
        maintenance_margin=Decimal(0),
        liquidating=False,
        at=at,
    )
    return whole.model_copy(update=changes)


def looked(
    backpack: str | None = "0",
    lighter1: str | None = "0",
    lighter2: str | None = "0",
    *,
    but: dict[str, dict[str, Any] | Callable[[Timestamp], dict[str, Any]]] | None = None,
) -> Moment:
    """The answer to a look: what each venue states of its leg, and `but` what else differs there."""
    holds = {"backpack": backpack, "lighter1": lighter1, "lighter2": lighter2}

    def moment(at: Timestamp) -> Event:
        looks = {}
        for leg, held in holds.items():
            changes = (but or {}).get(leg, {})
            looks[leg] = leg_look(leg, held, at=at, **(changes(at) if callable(changes) else changes))
        return Observed(at=at, legs=looks)

    return moment


def order_id(leg: str, order: str, cycle: int = 1) -> str:
    """Return the id of `order`, written `purpose:attempt`."""
    purpose, attempt = order.split(":")
    return derive_order_id(GROUP, cycle, leg, purpose, int(attempt))


def filled(
    leg: str,
    order: str | None,
    signed: str,
    *,
    price: str = "1000",
    trade: str | None = None,
    cause: FillCause = FillCause.ORDER,
    cycle: int = 1,
) -> Moment:
    """An execution on a leg; `order` is None when it is not ours."""
    trade_id = trade or f"t{next(_trades)}"
    quantity = Decimal(signed)

    def moment(at: Timestamp) -> Event:
        fill = Fill(
            trade_id=trade_id,
            instrument_id=INSTRUMENT,
            side=Side.of(quantity),
            quantity=abs(quantity),
            price=Decimal(price),
            fee=Decimal(0),
            at=at,
            cause=cause,
            order_id=None if order is None else order_id(leg, order, cycle),
        )
        return Filled(at=at, account=LEGS[leg], fill=fill)

    return moment


def submitted(leg: str, order: str, cycle: int = 1) -> Moment:
    """The bytes are leaving."""
    return lambda at: OrderSubmitted(at=at, account=LEGS[leg], order_id=order_id(leg, order, cycle))


def accepted(leg: str, order: str, cycle: int = 1) -> Moment:
    """The venue has it."""
    return lambda at: OrderAccepted(at=at, account=LEGS[leg], order_id=order_id(leg, order, cycle))


def unknown(leg: str, order: str, cycle: int = 1) -> Moment:
    """Its answer was lost."""
    return lambda at: OrderOutcomeUnknown(
        at=at, account=LEGS[leg], order_id=order_id(leg, order, cycle), reason="time-out"
    )


def rejected(leg: str, order: str, code: str = "MARGIN", cycle: int = 1) -> Moment:
    """The venue refused it."""
    return lambda at: OrderRejected(
        at=at, account=LEGS[leg], order_id=order_id(leg, order, cycle), code=code, detail="said the venue"
    )


def denied(leg: str, order: str, cycle: int = 1) -> Moment:
    """We refused it ourselves."""
    return lambda at: OrderDenied(
        at=at, account=LEGS[leg], order_id=order_id(leg, order, cycle), code="DISARMED", detail="not reconciled"
    )


def closed(leg: str, order: str, total: str, cycle: int = 1) -> Moment:
    """It ended; `total` is its whole executed quantity, unsigned."""
    quantity = Decimal(total)
    return lambda at: OrderClosed(
        at=at,
        account=LEGS[leg],
        order_id=order_id(leg, order, cycle),
        status="FILLED" if quantity else "CANCELED",
        filled=quantity,
    )


def adjusted(leg: str, before: str, after: str) -> Moment:
    """The account follows its venue."""
    return lambda at: PositionAdjusted(
        at=at, account=LEGS[leg], before=Decimal(before), after=Decimal(after), reason="two statements agree"
    )


def mode(leg: str, to: AccountMode) -> Moment:
    """An account may do more, or less."""
    return lambda at: AccountModeChanged(at=at, account=LEGS[leg], mode=to, reason="test")


def leverage_set(leg: str, leverage: str) -> Moment:
    """The venue confirmed a leverage."""
    return lambda at: LeverageSet(at=at, account=LEGS[leg], leverage=Decimal(leverage))


def leverage_refused(leg: str) -> Moment:
    """The venue did not take it."""
    return lambda at: LeverageRefused(at=at, account=LEGS[leg], reason="no")


# Where playbooks begin.


def entering(**params: Any) -> Playbook:
    """Play to the entry order of 5 on Backpack."""
    return (
        hedge(**params)
        >> started()
        >> operator(OperatorState.RUN)
        << ALL
        >> later("0.1")
        >> looked()
        << "submit backpack entry:1 BUY 5 @1002"
    )


def waiting(**params: Any) -> Playbook:
    """Play to the wait: Backpack +5, Lighter 1 -5."""
    return (
        entering(**params)
        >> filled("backpack", "entry:1", "5", trade="b1")
        << "submit lighter1 hedge:1 SELL 5 @998.1"
        >> closed("backpack", "entry:1", "5")
        >> filled("lighter1", "hedge:1", "-5", trade="a1")
        >> closed("lighter1", "hedge:1", "5")
        << "draw wait:1 2..5"
    )


def second(**params: Any) -> Playbook:
    """Play to the entry order of 5 on Lighter 2."""
    return (
        waiting(**params)
        >> drawn("3")
        >> later("3")
        >> timer("enter")
        << ALL
        >> later("0.1")
        >> looked("5", "-5", "0")
        << "submit lighter2 entry:1 BUY 5 @1002"
    )


def monitoring(**params: Any) -> Playbook:
    """Play to the watch over three legs: 0, -5, +5."""
    return (
        second(**params)
        >> filled("lighter2", "entry:1", "5", trade="c1")
        << "submit backpack rebalance:1 SELL 5 @998.1 reduce-only"
        >> closed("lighter2", "entry:1", "5")
        >> filled("backpack", "rebalance:1", "-5", trade="b2")
        >> closed("backpack", "rebalance:1", "5")
    )
