"""Venues that a flatten gets out of: they hold the truth, cut reduce-only orders, and tell of it late or not at all."""

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

from strategies.domain.codec import commands_to_json
from strategies.domain.commands import CancelAllOrders, CancelTimer, Notify, Observe, SetTimer, SubmitOrder
from strategies.domain.events import (
    Event,
    Filled,
    Observed,
    OrderClosed,
    OrderOutcomeUnknown,
    OrderRejected,
    PositionAdjusted,
    TimerFired,
)
from strategies.domain.ids import LegName, OrderId, TimerName, Timestamp
from strategies.domain.order import Lane, OrderRequest
from strategies.domain.position import Fill, FillCause
from strategies.flatten.invariants import violations
from strategies.flatten.machine import Flatten
from strategies.flatten.state import FlattenParams, Phase
from strategies.replay import JournaledStep
from tests.playbook import NOON
from tests.strategies.liquidation_hedge import scene


@dataclass
class Venue:
    """One leg's venue and account."""

    leg: str
    held: Decimal
    believed: Decimal
    working: list[OrderRequest] = field(default_factory=list)
    facts: list[Event] = field(default_factory=list)
    asked: int = 0
    """Looks that have not been answered."""

    def in_flight(self) -> int:
        """Return the orders whose end the account does not know."""
        return len(self.working) + len({f.order_id for f in self.facts if isinstance(f, OrderClosed | OrderRejected)})


class World:
    """The machine, its venues, its clock and its journal."""

    def __init__(self, held: dict[str, Decimal], params: FlattenParams) -> None:
        self.params = params
        self.machine = Flatten(scene.spec(*held), params)
        self.venues = {leg: Venue(leg, quantity, quantity) for leg, quantity in held.items()}
        self.state = self.machine.start()
        self.now = NOON
        self.journal: list[JournaledStep] = []
        self.ids: set[OrderId] = set()
        self._trades = count(1)

    def step(self, event: Event) -> None:
        """Let the machine decide; hold its decision against what must hold; carry it out."""
        step = self.machine.step(self.state, event)
        self.state = self.machine.state_from_json(self.machine.state_to_json(step.state))
        assert self.state == step.state
        assert violations(self.state, self.params) == ()
        self.journal.append(
            JournaledStep(len(self.journal) + 1, event, commands_to_json(step.commands), self.machine.code_version)
        )
        for command in step.commands:
            self._carry_out(command)
        if self.state.phase is Phase.FLAT:
            self.check_flat()
        self.now = Timestamp(self.now + 1)

    def check_flat(self) -> None:
        """What is called flat is flat, with nothing open that could change it."""
        for venue in self.venues.values():
            assert venue.held == 0, f"{venue.leg} holds {venue.held}"
            assert not venue.working, f"{venue.leg} has {venue.working}"

    def execute(self, venue: Venue, share: Decimal) -> None:
        """Fill a share of the oldest order, cut to the position as a venue does; the order ends."""
        order = venue.working.pop(0)
        reducible = abs(venue.held) if venue.held * order.side.sign < 0 else Decimal(0)
        quantity = min(reducible, (order.quantity * share).quantize(Decimal("0.01")))
        account = scene.LEGS[venue.leg]
        if quantity == 0:
            self.refuse(venue, order)
            return
        venue.held += quantity * order.side.sign
        fill = Fill(
            trade_id=f"t{next(self._trades)}",
            instrument_id=order.instrument_id,
            side=order.side,
            quantity=quantity,
            price=Decimal(1000),
            fee=Decimal(0),
            at=self.now,
            cause=FillCause.ORDER,
            order_id=order.order_id,
        )
        status = "FILLED" if quantity == order.quantity else "CANCELED"
        venue.facts.append(Filled(at=self.now, account=account, fill=fill))
        venue.facts.append(
            OrderClosed(at=self.now, account=account, order_id=order.order_id, status=status, filled=quantity)
        )

    def refuse(self, venue: Venue, order: OrderRequest) -> None:
        """Refuse an order."""
        venue.facts.append(
            OrderRejected(
                at=self.now, account=scene.LEGS[venue.leg], order_id=order.order_id, code="NO", detail="said the venue"
            )
        )

    def doubt(self, venue: Venue) -> None:
        """Lose the answer to the newest order."""
        event = OrderOutcomeUnknown(
            at=self.now, account=scene.LEGS[venue.leg], order_id=venue.working[-1].order_id, reason="lost"
        )
        self.step(event)

    def force(self, venue: Venue, quantity: Decimal, cause: FillCause) -> None:
        """Move the position by somebody else's hand."""
        venue.held += quantity
        fill = Fill(
            trade_id=f"t{next(self._trades)}",
            instrument_id=scene.INSTRUMENT,
            side="BUY" if quantity > 0 else "SELL",
            quantity=abs(quantity),
            price=Decimal(1000),
            fee=Decimal(0),
            at=self.now,
            cause=cause,
            order_id=None,
        )
        venue.facts.append(Filled(at=self.now, account=scene.LEGS[venue.leg], fill=fill))

    def tell(self, venue: Venue) -> None:
        """Bring the oldest fact; the account has folded it."""
        fact = venue.facts.pop(0)
        if isinstance(fact, Filled):
            venue.believed += fact.fill.signed_quantity
        self.step(fact.model_copy(update={"at": self.now}))

    def answer(self, venue: Venue, *, silent: bool = False, wrong: Decimal | None = None) -> None:
        """Answer a look: with the truth, with nothing, or with a wrong number."""
        venue.asked -= 1
        held = venue.held if wrong is None else wrong
        look = scene.leg_look(venue.leg, None if silent else str(held), at=self.now)
        look = look.model_copy(update={"believed": venue.believed, "in_flight": venue.in_flight()})
        self.step(Observed(at=self.now, legs={LegName(venue.leg): look}))

    def adjust(self, venue: Venue) -> None:
        """Let the account follow its venue, as it does after two statements."""
        before, venue.believed = venue.believed, venue.held
        self.step(
            PositionAdjusted(
                at=self.now, account=scene.LEGS[venue.leg], before=before, after=venue.held, reason="two statements"
            )
        )

    def wait(self, seconds: float) -> None:
        """Let time pass; timers that come due on the way fire."""
        until = self.now + round(seconds * 1000)
        while due := [(at, name) for name, at in self.state.timers.items() if at <= until]:
            at, name = min(due)
            self.now = Timestamp(max(self.now, at))
            self.step(TimerFired(at=self.now, timer=TimerName(name)))
        self.now = Timestamp(max(self.now, until))

    def calm_down(self) -> None:
        """Everything works from now on: it must come to its end."""
        for _ in range(300):
            if self.state.phase is Phase.FLAT:
                return
            for venue in self.venues.values():
                while venue.working:
                    self.execute(venue, Decimal(1))
                while venue.facts:
                    self.tell(venue)
                if venue.believed != venue.held:
                    self.adjust(venue)
                while venue.asked > 0:
                    self.answer(venue)
            self.wait(1)
        raise AssertionError(f"not flat in five calm minutes: {self.machine.view(self.state).next}")

    def _carry_out(self, command: Any) -> None:
        match command:
            case SubmitOrder(order=order):
                assert order.reduce_only
                assert order.lane is Lane.EXIT
                assert order.order_id not in self.ids
                self.ids.add(order.order_id)
                next(v for v in self.venues.values() if scene.LEGS[v.leg] == command.account).working.append(order)
            case Observe(legs=legs):
                for leg in legs:
                    self.venues[leg].asked = 1
            case CancelAllOrders() | SetTimer() | CancelTimer() | Notify():
                pass
            case _:
                raise AssertionError(f"a flatten has no business with {command}")
