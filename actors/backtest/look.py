"""What an account of a backtest sees of itself and the market when it is asked to look."""

from decimal import Decimal

from strategies.domain.account import AccountMode, Balance, LegObservation, ReportedPosition
from strategies.domain.ids import AccountId, Timestamp, VenueSymbol
from strategies.domain.instrument import Instrument
from strategies.domain.money import ZERO
from strategies.domain.quote import Quote
from venues.simulator.exchange import Exchange

_NEVER = Timestamp(0)


class Looker:
    """One account's eyes. Looks are copies of a first one that was validated whole: a month has many."""

    def __init__(self, account: AccountId, instrument: Instrument, symbol: VenueSymbol) -> None:
        """Open them."""
        self._account = account
        self._symbol = symbol
        self._quote = Quote(bid=None, ask=None, mark=None, at=_NEVER, mark_at=_NEVER)
        self._balance = Balance(
            equity=ZERO, available=ZERO, leverage=None, maintenance_margin=ZERO, liquidating=False, at=_NEVER
        )
        self._position = ReportedPosition(
            quantity=ZERO, entry_price=ZERO, liquidation_price=None, unrealized=ZERO, at=_NEVER
        )
        self._whole = LegObservation(
            account=account,
            mode=AccountMode.ARMED,
            instrument=instrument,
            quote=self._quote,
            balance=self._balance,
            position=self._position,
            believed=ZERO,
            in_flight=0,
            unknown=0,
        )

    def look(self, exchange: Exchange, mark: Decimal, at: Timestamp) -> LegObservation:
        """Return all that the account would see now."""
        bid, ask = exchange.touch(self._symbol)
        margin, row = exchange.margin(self._account), exchange.position(self._account, self._symbol)
        balance = {
            "equity": margin.equity,
            "available": margin.available,
            "leverage": row.leverage,
            "maintenance_margin": margin.maintenance_requirement,
            "liquidating": margin.liquidating,
            "at": at,
        }
        position = {
            "quantity": row.quantity,
            "entry_price": row.entry_price,
            "liquidation_price": row.liquidation_price,
            "unrealized": row.unrealized,
            "at": at,
        }
        quote = {"bid": bid, "ask": ask, "mark": mark, "at": at, "mark_at": at}
        return self._whole.model_copy(
            update={
                "quote": self._quote.model_copy(update=quote),
                "balance": self._balance.model_copy(update=balance),
                "position": self._position.model_copy(update=position),
                "believed": row.quantity,
                "in_flight": len(exchange.state.accounts[self._account].active),
            }
        )
