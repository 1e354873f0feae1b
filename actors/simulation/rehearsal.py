"""One group of any strategy, played on virtual time: the real actors over two matching cores, an hour in a second.

For whoever writes a strategy: does it get in, does it get out, and does it survive the death of its process?
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, repeat
from random import Random
from typing import Any

from actors.account import AccountActor, AccountSpec
from actors.chance import Chance
from actors.group import GroupActor, GroupActorSpec
from actors.journal.memory import MemoryJournalStore
from actors.simulation.loop import VirtualLoop
from actors.simulation.market import COLLATERAL, ETH, Market
from actors.simulation.process import NoLock
from actors.simulation.quiet import quiet
from actors.simulation.scenario import VENUE_OF, draw_scenario
from actors.simulation.world import EPOCH_MS, TUNING
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, LegName, Timestamp
from strategies.domain.money import ZERO
from strategies.machine import GroupSpec, Outcome
from venues.simulator.exchange import Exchange
from venues.simulator.in_process import InProcessVenue

GROUP = GroupId("rehearsal")
_LATENCY_S = 0.02
_TAKER_DELAY_MS = 300
"""What Lighter makes takers wait on its standard tier."""
_WALK = 0.0002
"""Spread of the price's moves from second to second when none are given: about a percent in an hour."""
_MOVE_EVERY_S = 1.0
_ARM_POLL_S = 0.05
_POLL_S = 0.1
_MS = 1000


class RehearsalError(Exception):
    """There is no such stage: more legs at a venue than it has accounts here, or no such venue."""


@dataclass(frozen=True)
class Rehearsal:
    """How it went, by the exchanges' own word."""

    outcome: Outcome
    stopped: str
    """Why the group decides no more (a broken promise, an event it could not digest); empty = it does."""
    reason: str
    held: dict[LegName, Decimal]
    """What each leg holds at the end, base units, signed."""
    resting: int
    """Orders that still rest."""
    orders: int
    """Orders that reached a venue."""
    trades: int
    cycles: int
    profit_usd: Decimal
    """Change of all accounts' equity, fees included."""
    lasted_s: float
    """Virtual seconds."""
    story: tuple[str, ...]
    """The last steps in words."""

    @property
    def flat(self) -> bool:
        """Say whether nothing is held and nothing rests."""
        return not self.resting and all(quantity == ZERO for quantity in self.held.values())


def rehearse(
    strategy: str,
    legs: Mapping[str, str],
    params: Mapping[str, Any],
    *,
    limits: Mapping[str, Any] | None = None,
    seed: int = 0,
    moves: Iterable[Decimal] | None = None,
    deaths_at_s: Iterable[float] = (),
    says: Mapping[float, OperatorState] | None = None,
    within_s: float = 7200.0,
) -> Rehearsal:
    """Play one group until it has ended, decides no more, or `within_s` virtual seconds have passed.

    The market is ETH at 3000 USD; every account has 1000 USD. The same arguments give the same rehearsal.

    Args:
        strategy: a registered name.
        legs: leg → venue; there is one account at backpack, and there are two at lighter.
        params: the strategy's own, as in a settings file.
        limits: the group's, as in a settings file.
        seed: of the market.
        moves: what the price does each second, as fractions of itself; then it stands still. None = a seeded walk.
        deaths_at_s: when the group's process is killed; its successor starts half a second later.
        says: what the operator says, by the second it is said at.
        within_s: the longest it may take.

    Raises:
        RehearsalError: the legs do not fit the stage.
        ValueError: no such strategy, or parameters that do not fit it.
    """
    loop = VirtualLoop()  # type: ignore[abstract]  # asyncio names sockets and processes, too: there are none here
    stage = _Stage(loop, strategy, _cast(legs), params, limits or {}, seed)
    with quiet():
        prices = _walk(seed) if moves is None else moves
        return loop.run(stage.play(prices, sorted(deaths_at_s), sorted((says or {}).items()), within_s))


def _cast(legs: Mapping[str, str]) -> dict[LegName, AccountId]:
    free = {venue: [name for name, at in VENUE_OF.items() if at == venue] for venue in VENUE_OF.values()}
    found: dict[LegName, AccountId] = {}
    for leg, venue in legs.items():
        if not free.get(venue):
            raise RehearsalError(f"leg {leg}: no (further) account at {venue!r}; there are: {VENUE_OF}")
        found[LegName(leg)] = AccountId(free[venue].pop(0))
    return found


def _walk(seed: int) -> Iterator[Decimal]:
    dice = Random(f"rehearsal {seed}")  # noqa: S311 - seeded dice are the point of a simulation
    while True:
        yield Decimal(str(round(dice.gauss(0, _WALK), 6)))


class _Stage:
    """Two venues, their accounts, one group and whoever kills it."""

    def __init__(
        self,
        loop: VirtualLoop,
        strategy: str,
        legs: dict[LegName, AccountId],
        params: Mapping[str, Any],
        limits: Mapping[str, Any],
        seed: int,
    ) -> None:
        self._loop = loop
        self._legs = legs
        self._store = MemoryJournalStore()
        self._chance = Chance(Random(f"actors {seed}"))  # noqa: S311 - the same
        calm = replace(draw_scenario(seed), happenings=(), venue_latency_s=_LATENCY_S, taker_delay_ms=_TAKER_DELAY_MS)
        self._market = Market(calm, self._now, lambda _: None)
        self._accounts: dict[AccountId, AccountActor] = {}
        self._spec = GroupActorSpec(
            group=GroupSpec(group=GROUP, instrument_id=ETH, legs=legs),
            strategy=strategy,
            params=dict(params),
            limits=dict(limits),
            journal="memory:",
            lock_dir="",
        )

    def _now(self) -> Timestamp:
        return Timestamp(EPOCH_MS + int(self._loop.time() * _MS))

    async def play(
        self, moves: Iterable[Decimal], deaths: list[float], words: list[tuple[float, OperatorState]], within_s: float
    ) -> Rehearsal:
        for account in self._legs.values():
            await self._start_account(account)
        group = await self._start_group()
        price = iter(chain(moves, repeat(ZERO)))
        moved_at = self._loop.time()
        while self._loop.time() < within_s and not self._over(group):
            await asyncio.sleep(_POLL_S)
            if self._loop.time() - moved_at >= _MOVE_EVERY_S:
                moved_at = self._loop.time()
                self._market.move(next(price))
            if deaths and self._loop.time() >= deaths[0]:
                deaths.pop(0)
                group.abandon()
                group = await self._start_group()
            if words and self._loop.time() >= words[0][0]:
                await group.operate(words.pop(0)[1], "operator:rehearsal", "rehearsed")
        told = await self._tell(group)
        await group.stop()
        for actor in self._accounts.values():
            await actor.stop()
        return told

    def _over(self, group: GroupActor) -> bool:
        view = group.glance()
        return bool(group.stopped) or (view is not None and view.outcome is not Outcome.RUNNING)

    async def _start_account(self, account: AccountId) -> None:
        venue = InProcessVenue(self._market.floor_of(account), account, self._now)
        spec = AccountSpec(
            account=account,
            venue=VENUE_OF[account],
            venue_config={},
            account_config={},
            instruments=(ETH,),
            journal="memory:",
            lock_dir="",
            tuning=TUNING,
        )
        actor = AccountActor(
            spec,
            await self._store.claim(f"account/{account}", "rehearsal"),
            now=self._now,
            build=lambda *_: venue,
            stores=lambda _: self._store,
            make_lock=NoLock,
            chance=self._chance,
        )
        await actor.start()
        while not await actor.arm():  # noqa: ASYNC110 - as the supervisor does: asked until it has looked
            await asyncio.sleep(_ARM_POLL_S)
        self._accounts[account] = actor

    async def _start_group(self) -> GroupActor:
        group = GroupActor(
            self._spec,
            await self._store.claim(self._spec.own_stream, "rehearsal"),
            now=self._now,
            draw_random=self._chance.draw,
            stores=lambda _: self._store,
            make_lock=NoLock,
        )
        await group.start()
        for account, actor in self._accounts.items():
            group.connect(account, actor)
        return group

    async def _tell(self, group: GroupActor) -> Rehearsal:
        status = await group.status()
        rows = [row for account in self._accounts for row in self._exchange(account).orders(account, active=None)]
        equity = [self._exchange(account).margin(account).equity for account in self._accounts]
        return Rehearsal(
            outcome=status.view.outcome,
            stopped=status.stopped,
            reason=status.view.reason,
            held={leg: self._market.held(account) for leg, account in self._legs.items()},
            resting=sum(len(self._exchange(account).orders(account, active=True)) for account in self._accounts),
            orders=len(rows),
            trades=sum(len(self._exchange(account).trades(account)) for account in self._accounts),
            cycles=status.view.cycles_done,
            profit_usd=sum(equity, start=ZERO) - COLLATERAL * len(equity),
            lasted_s=self._loop.time(),
            story=status.recent,
        )

    def _exchange(self, account: AccountId) -> Exchange:
        return self._market.floor_of(account).exchange
