"""One backtest: the machine that trades in earnest, virtual time, the tape's prices. One seed, one outcome.

What lies between machine and matching core here is a delay and nothing else: no process, no journal, no fault. Those
are what `actors.simulation` plays; this plays months.
"""

import heapq
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from actors.backtest.figures import Figures, Tally
from actors.backtest.market import BacktestVenue, open_venues
from actors.backtest.spec import BacktestSpec
from strategies.domain.commands import (
    CancelAllOrders,
    CancelOrder,
    CancelTimer,
    Command,
    DrawRandom,
    Notify,
    Observe,
    SetLeverage,
    SetTimer,
    SubmitOrder,
)
from strategies.domain.events import (
    Event,
    Filled,
    LeverageRefused,
    LeverageSet,
    Observed,
    OperatorState,
    OperatorStateSet,
    RandomDrawn,
    Started,
    TimerFired,
)
from strategies.domain.ids import AccountId, LegName, OrderId, TimerName, Timestamp
from strategies.machine import Outcome
from strategies.registry import build_machine
from venues.simulator.board import read_tape
from venues.simulator.model import RefusedError
from venues.simulator.prices import MINUTE_MS, Tape

_OUT_MS = 10 * MINUTE_MS
"""How long after the tape's end the group may take to get flat, at the last price."""
_GRAIN = 10**9
"""Grains of a random number between two bounds."""
_MACHINE, _VENUE = 0, 1
"""At one moment machines hear first."""

Act = Callable[[], None]


class BacktestError(Exception):
    """The machine could not go on; names the event."""


class Backtest:
    """One group, its venues, and the clock between them."""

    def __init__(self, spec: BacktestSpec) -> None:
        """Read the tape and open the venues.

        Raises:
            TapeError: the tape cannot be read, or a row is bad.
            ValueError: strategy, parameters, legs or coin do not fit.
        """
        self._spec = spec
        self._tape = _tape(spec.tape, spec.coin)
        self._end = self._tape.end_ms
        if spec.rows is not None:
            self._end = min(self._end, Timestamp(self._tape.start_ms + spec.rows * MINUTE_MS))
        self._now = self._tape.start_ms
        self._machine = build_machine(spec.strategy, spec.group, spec.params, spec.limits)
        self._venues = open_venues(spec, self._tape.price_at(spec.coin, self._now), self._now)
        self._leg_of: dict[AccountId, LegName] = {account: leg for leg, account in spec.group.legs.items()}
        self._state: Any = self._machine.start()
        self._dice = Random(f"backtest {spec.seed}")  # noqa: S311 - seeded dice are the point
        self._agenda: list[tuple[int, int, int, Act]] = []
        self._places = count()
        self._timers: dict[TimerName, Timestamp] = {}
        self.tally = Tally(spec, self._machine.view(self._state))

    def run(self) -> Figures:
        """Play the tape, get flat, and return what came of it.

        Raises:
            BacktestError: the machine could not go on.
        """
        group = self._spec.group.group
        self._later(0, _MACHINE, lambda: self._step(Started(at=self._now, group=group)))
        self._later(0, _MACHINE, lambda: self._operate(OperatorState.RUN))
        for moment, price in self._tape.walk(self._now - 1, self._end):
            self._until(moment)
            self._move_market(price)
            if moment % MINUTE_MS == 0:
                self._sample()
            if self._over():
                break
        self._get_flat()
        self._sample()
        self.tally.seen(self._now, self._machine.view(self._state))
        return self.tally.figures(self._venues, self._end)

    def _over(self) -> bool:
        return not self._agenda and self._machine.view(self._state).outcome is not Outcome.RUNNING

    def _get_flat(self) -> None:
        if self._machine.view(self._state).outcome is Outcome.RUNNING:
            self._operate(OperatorState.FLATTEN)
        give_up_at = self._now + _OUT_MS
        while self._agenda and self._agenda[0][0] <= give_up_at:
            self._until(Timestamp(self._agenda[0][0]))
            for venue in self._venues.values():
                venue.act().advance(self._now)
            self._hear()

    # --- time -----------------------------------------------------------------------------------------------------

    def _later(self, delay_ms: int, rank: int, act: Act) -> None:
        heapq.heappush(self._agenda, (self._now + delay_ms, rank, next(self._places), act))

    def _until(self, moment: Timestamp) -> None:
        """Let everything happen that is due up to `moment`."""
        agenda = self._agenda
        while agenda and agenda[0][0] <= moment:
            at, _, _, act = heapq.heappop(agenda)
            self._now = Timestamp(max(self._now, at))
            act()
        self._now = moment

    def _move_market(self, price: Decimal) -> None:
        stirred = [venue.move(price, self._now) for venue in self._venues.values()]
        if any(stirred):
            self._hear()

    def _hear(self) -> None:
        """Let the accounts tell what has happened, one way later."""
        told_at = self._told_at
        for venue in self._venues.values():
            for fact in venue.happened(told_at):
                self._later(self._spec.latency_ms, _MACHINE, partial(self._told, fact))

    def _told(self, fact: Event) -> None:
        if isinstance(fact, Filled):
            self.tally.filled(fact.fill)
        self._step(fact)

    @property
    def _told_at(self) -> Timestamp:
        """Return when the machine hears of what happens now."""
        return Timestamp(self._now + self._spec.latency_ms)

    def _sample(self) -> None:
        venue_of = self._spec.venue_of
        equity = sum((self._venues[venue].equity(account) for account, venue in venue_of.items()), start=Decimal(0))
        self.tally.sample(self._now, equity, next(iter(self._venues.values())).price)

    # --- the machine ----------------------------------------------------------------------------------------------

    def _step(self, event: Event) -> None:
        try:
            step = self._machine.step(self._state, event)
        except Exception as error:  # a strategy, also a stranger's, may fail of anything: where is what counts
            raise BacktestError(f"{type(error).__name__}: {error}; at {event.model_dump_json()}") from error
        self._state = step.state
        for command in step.commands:
            self._do(command)
        # A view costs as much as a step, and what is uncovered changes with fills and with words to the operator only.
        if isinstance(event, Filled) or any(isinstance(command, Notify) for command in step.commands):
            self.tally.seen(self._now, self._machine.view(self._state))

    def _operate(self, word: OperatorState) -> None:
        self._step(OperatorStateSet(at=self._now, state=word, by="backtest"))

    def _do(self, command: Command) -> None:
        latency = self._spec.latency_ms
        match command:
            case Observe(legs=legs):
                self._later(2 * latency, _MACHINE, lambda: self._observe(legs))
            case SetTimer(timer=timer, due_at=due_at):
                self._timers[timer] = due_at
                self._later(max(due_at - self._now, 0), _MACHINE, lambda: self._fire(timer, due_at))
            case SubmitOrder(account=account, order=order):
                self.tally.ordered(order)
                self._later(latency, _VENUE, lambda: self._place(command))
            case CancelOrder(account=account, order_id=order_id):
                self._later(latency, _VENUE, lambda: self._cancel(account, order_id))
            case CancelAllOrders(account=account):
                self._later(latency, _VENUE, lambda: self._cancel_all(account))
            case SetLeverage():
                self._later(latency, _VENUE, lambda: self._set_leverage(command))
            case CancelTimer(timer=timer):
                self._timers.pop(timer, None)
            case DrawRandom(name=name, low=low, high=high):
                value = low + (high - low) * self._dice.randrange(_GRAIN + 1) / _GRAIN
                self._later(0, _MACHINE, lambda: self._step(RandomDrawn(at=self._now, name=name, value=value)))
            case Notify():
                self.tally.said(self._now, command)

    def _fire(self, timer: TimerName, due_at: Timestamp) -> None:
        if self._timers.get(timer) == due_at:
            del self._timers[timer]
            self._step(TimerFired(at=self._now, timer=timer))

    def _observe(self, legs: tuple[LegName, ...]) -> None:
        accounts = self._spec.group.legs
        looks = {leg: self._venue_of(accounts[leg]).look(accounts[leg], self._now) for leg in legs}
        self._step(Observed(at=self._now, legs=looks))

    # --- the venues -----------------------------------------------------------------------------------------------

    def _venue_of(self, account: AccountId) -> BacktestVenue:
        return self._venues[self._spec.venue_of[account]]

    def _cancel(self, account: AccountId, order_id: OrderId) -> None:
        venue = self._venue_of(account)
        venue.cancel(account, order_id, self._now)
        self._wake(venue)
        self._hear()

    def _place(self, command: SubmitOrder) -> None:
        venue = self._venue_of(command.account)
        refusal = venue.place(command.account, command.order, self._now, told_at=self._told_at)
        if refusal is not None:
            self._later(self._spec.latency_ms, _MACHINE, lambda: self._told(refusal))
        self._wake(venue)
        self._hear()

    def _cancel_all(self, account: AccountId) -> None:
        venue = self._venue_of(account)
        venue.act().cancel_all(account, venue.symbol, self._now)
        self._wake(venue)
        self._hear()

    def _set_leverage(self, command: SetLeverage) -> None:
        venue, account = self._venue_of(command.account), command.account
        answer: Event = LeverageSet(at=self._told_at, account=account, leverage=command.leverage)
        try:
            venue.act().set_leverage(account, venue.symbol, command.leverage, self._now)
        except RefusedError as error:
            answer = LeverageRefused(at=self._told_at, account=account, reason=str(error))
        self._later(self._spec.latency_ms, _MACHINE, lambda: self._told(answer))

    def _wake(self, venue: BacktestVenue) -> None:
        """Come back when the venue's own delay of an order or a cancel is over."""
        for waiting in venue.exchange.state.delayed:
            self._later(max(waiting.due_at - self._now, 0), _VENUE, lambda: self._run_delayed(venue))

    def _run_delayed(self, venue: BacktestVenue) -> None:
        venue.act().advance(self._now)
        self._hear()


@lru_cache(maxsize=2)
def _tape(path: Path, coin: str) -> Tape:
    """Read a tape once for all the groups that a process plays on it."""
    return read_tape(path, coin)


def play(spec: BacktestSpec) -> Figures:
    """Play one backtest. Raises as `Backtest` does."""
    return Backtest(spec).run()
