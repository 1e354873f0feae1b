"""The two venues of a simulation: one price, two matching cores, every exposure watched as it happens."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

from actors.simulation.scenario import VENUE_OF, Scenario, Trouble
from strategies.domain.ids import InstrumentId, Timestamp, VenueSymbol
from strategies.domain.money import ZERO
from venues.simulator.exchange import Exchange
from venues.simulator.faults import Fault, FaultBook
from venues.simulator.floor import Floor
from venues.simulator.model import CrowdRules, MarketRules, SelfTrade, VenueRules
from venues.venue import Now, PositionReport, VenueEvent

ETH = InstrumentId("ETH-PERP")
SYMBOLS = {"lighter": VenueSymbol("ETH"), "backpack": VenueSymbol("ETH_USDC_PERP")}
START_PRICE = Decimal(3000)
COLLATERAL = Decimal(1000)
"""USD on each account: some 15 ETH of position at 50x."""
COARSEST_LOT = Decimal("0.001")
_HALF = Decimal("0.5")
_LOTS = {"lighter": Decimal("0.0001"), "backpack": COARSEST_LOT}
_CROWD = CrowdRules(levels=2, level_notional=Decimal(60_000))
"""Two levels are enough to be walked through, and quick to quote."""

Count = Callable[[str], None]


class CountingFaults(FaultBook):
    """Tells of every fault that struck."""

    def __init__(self, count: Count) -> None:
        """Tell `count`."""
        super().__init__()
        self._count = count
        self.names: dict[int, str] = {}
        """What a fault is counted as, by its id."""

    def _use(self, fault: Fault) -> None:
        self._count(self.names.get(fault.fault_id, fault.kind.value))
        super()._use(fault)


class Watched(Floor):
    """A floor that calls out whenever a position on it has changed."""

    watcher: Callable[[], None] = staticmethod(lambda: None)
    count: Count = staticmethod(lambda _: None)

    def __init__(
        self, exchange: Exchange, symbols: dict[InstrumentId, VenueSymbol], now: Now, *, latency_s: float = 0.0
    ) -> None:
        """See `Floor`."""
        super().__init__(exchange, symbols, now, latency_s=latency_s)
        self._losses: list[tuple[str, str]] = []
        self._moved = False
        """Whether a position has changed since the watcher was called."""

    def next_delay(self, account: str) -> float:
        """See `Floor.next_delay`."""
        delay_s = super().next_delay(account)
        if delay_s > 0:
            self.count(Trouble.LATE_ORDER)
        return delay_s

    def lose_event(self, account: str, channel: str) -> None:
        """Let the account's next event on a stream channel never come."""
        self._losses.append((account, channel))

    def calm_down(self) -> None:
        """Let no order be late and no event be lost any more."""
        self._delays.clear()
        self._losses.clear()

    def _tell(self, account: str, channel: str, event: VenueEvent) -> None:
        self._moved = self._moved or isinstance(event, PositionReport)
        if (account, channel) in self._losses:
            self._losses.remove((account, channel))
            self.count(Trouble.EVENT_LOST)
            return
        super()._tell(account, channel, event)

    def pump(self) -> None:
        """See `Floor.pump`."""
        super().pump()
        if self._moved:
            self._moved = False
            self.watcher()


class Market:
    """Both venues and the price they share."""

    def __init__(
        self,
        scenario: Scenario,
        truth: Callable[[], Timestamp],
        count: Count,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Open both floors and the three accounts; `truth` is the time without any skew, `pause` lets it pass."""
        self.price = START_PRICE
        self.naked_s = 0.0
        self.naked_usd_s = 0.0
        self.naked_intervals: list[float] = []
        self.largest: dict[str, Decimal] = dict.fromkeys(VENUE_OF, ZERO)
        """The largest position each account ever held, without its sign."""
        self.skew_ms: dict[str, int] = {}
        """How far a venue's clock is off."""
        self._truth = truth
        self._pause = pause
        self._net = ZERO
        self._changed_at = truth()
        self._naked_since: Timestamp | None = None
        self.faults = {venue: CountingFaults(count) for venue in SYMBOLS}
        self.floors = {venue: self._floor(venue, scenario) for venue in SYMBOLS}
        for account, venue in VENUE_OF.items():
            self.floors[venue].exchange.add_account(account, COLLATERAL, truth())
        for floor in self.floors.values():
            floor.watcher = self.watch
            floor.count = count

    def floor_of(self, account: str) -> Watched:
        """Return the floor an account trades on."""
        return self.floors[VENUE_OF[account]]

    def held(self, account: str) -> Decimal:
        """Return a position by the exchange's own word, base units."""
        venue = VENUE_OF[account]
        state = self.floors[venue].exchange.state.accounts[account]
        found = state.held.get(SYMBOLS[venue])  # `position` would make one: who watches must not move anything
        return ZERO if found is None else found.quantity

    def move(self, fraction: Decimal) -> None:
        """Move the price everywhere by a fraction of itself."""
        self.price *= 1 + fraction
        for venue, floor in self.floors.items():
            floor.exchange.set_price(SYMBOLS[venue], self.price, floor.now())
            floor.pump()

    def watch(self) -> None:
        """Take note of how much is uncovered now."""
        net = ZERO
        for account in VENUE_OF:
            held = self.held(account)
            net += held
            self.largest[account] = max(self.largest[account], abs(held))
        if net == self._net:
            return
        now = self._truth()
        naked = abs(self._net) > COARSEST_LOT * _HALF
        if naked:
            self.naked_usd_s += float(abs(self._net) * self.price) * (now - self._changed_at) / 1000
        self._net, self._changed_at = net, now
        is_naked = abs(net) > COARSEST_LOT * _HALF
        if is_naked and self._naked_since is None:
            self._naked_since = now
        elif not is_naked and self._naked_since is not None:
            interval_s = (now - self._naked_since) / 1000
            self.naked_intervals.append(interval_s)
            self.naked_s += interval_s
            self._naked_since = None

    def _floor(self, venue: str, scenario: Scenario) -> Watched:
        lighter = venue == "lighter"
        rules = VenueRules(
            venue=venue,
            client_id_bits=48 if lighter else 32,
            taker_delay_ms=scenario.taker_delay_ms if lighter else 0,
            maker_delay_ms=0,
            leverage_per_account=not lighter,
            minimums_bind_takers=not lighter,
            self_trade=SelfTrade.CANCEL_MAKER if lighter else SelfTrade.REJECT_TAKER,
            engine_ends_takers=lighter,
        )
        market = MarketRules(
            symbol=SYMBOLS[venue],
            market_index=0,
            tick=Decimal("0.01"),
            lot=_LOTS[venue],
            min_quantity=Decimal("0.005") if lighter else Decimal("0.001"),
            min_notional=Decimal(10) if lighter else ZERO,
            initial_margin_min=Decimal("0.02"),
            maintenance_margin=Decimal("0.012"),
            closeout_margin=Decimal("0.008"),
            taker_fee=ZERO if lighter else Decimal("0.0005"),
            maker_fee=ZERO,
            liquidation_fee=Decimal("0.01"),
            funding_interval_ms=3_600_000,
            price_band=Decimal("0.05"),
        )
        exchange = Exchange(rules, [market], seed=scenario.seed, crowd=_CROWD)
        exchange.set_price(SYMBOLS[venue], START_PRICE, self._truth())
        floor = Watched(
            exchange,
            {ETH: SYMBOLS[venue]},
            lambda: Timestamp(self._truth() + self.skew_ms.get(venue, 0)),
            latency_s=scenario.venue_latency_s,
        )
        floor.pause = self._pause
        floor.faults = self.faults[venue]
        return floor
