"""What every part of the Lighter server shares: the exchange, and the server's own books beside it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from strategies.domain.ids import Timestamp, VenueSymbol
from venues.simulator.exchange import Exchange
from venues.simulator.faults import FaultBook
from venues.simulator.lighter.clock import VenueClock
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.limits import RateLimiter, Tier
from venues.simulator.lighter.market_payloads import Tally
from venues.simulator.lighter.markets import Markets
from venues.simulator.lighter.nonces import KeyBook
from venues.simulator.lighter.payloads import AccountView
from venues.simulator.lighter.submission import Submitter
from venues.simulator.lighter.tokens import TokenGate
from venues.simulator.lighter.txlog import TxLog
from venues.simulator.model import ExchangeEvent, FundingPaid, Traded
from venues.simulator.wire import Pump


@dataclass(slots=True)
class Backend:
    """One Lighter, without its sockets."""

    exchange: Exchange
    faults: FaultBook
    keys: KeyBook
    markets: Markets
    log: TxLog
    gate: TokenGate
    limiter: RateLimiter
    submitter: Submitter
    clock: VenueClock
    pump: Pump
    tier: Tier
    chain_id: int
    tallies: dict[VenueSymbol, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def now(self) -> Timestamp:
        """Return the time that this venue shows: skewed when a fault says so."""
        return self.clock.shown()

    def account(self, index: int) -> AccountView:
        """Return a view of one account.

        Raises:
            ApiRefusal: there is none with this number.
        """
        name = str(index)
        if name not in self.exchange.accounts():
            raise ApiRefusal(Code.ACCOUNT_NOT_FOUND, name)
        return AccountView(self.exchange, self.markets, self.log, name)

    def count(self, events: Iterable[ExchangeEvent]) -> None:
        """Keep the day's statistics and the quotas that trading earns."""
        for event in events:
            if isinstance(event, Traded):
                trade = event.trade
                self.tallies[trade.symbol].add(trade)
                for name in {trade.taker_account, trade.maker_account}:
                    if name.isdigit():
                        self.submitter.earn_quota(int(name), trade.price * trade.quantity)
            elif isinstance(event, FundingPaid):
                tally = self.tallies[event.symbol]
                tally.funding_rate, tally.funding_at = event.rate, event.at
