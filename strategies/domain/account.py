"""What a venue says about an account, and one leg's whole look at a moment. Missing is None, never zero."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from strategies.domain.ids import AccountId, Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.quote import Quote


class Balance(Value):
    """Money and margin of an account, USD."""

    equity: Decimal = Field(description="collateral plus unrealised profit")
    available: Decimal = Field(description="what new positions may use as initial margin")
    leverage: Decimal | None = Field(
        gt=0, description="leverage in force for the instrument; None = the venue did not say"
    )
    maintenance_margin: Decimal = Field(
        ge=0, description="requirement of all positions; liquidation is near when equity gets here"
    )
    liquidating: bool = Field(description="the venue is liquidating this account now")
    at: Timestamp


class ReportedPosition(Value):
    """A position as the venue states it."""

    quantity: Decimal = Field(description="base units, signed")
    entry_price: Decimal = Field(ge=0, description="USD; 0 when flat")
    liquidation_price: Decimal | None = Field(default=None, description="USD; None = the venue did not say")
    unrealized: Decimal | None = Field(default=None, description="USD")
    funding: Decimal | None = Field(
        default=None,
        description="USD received while the position was held, negative = paid; None = the venue did not say",
    )
    at: Timestamp


class AccountMode(StrEnum):
    """What an account actor may do."""

    DISARMED = "DISARMED"
    """Started, not yet reconciled with its venue: writes nothing."""
    ARMED = "ARMED"
    """Reconciled: writes."""
    FROZEN = "FROZEN"
    """Somebody else trades here, or belief and venue differ: only exits are written."""
    STOPPED = "STOPPED"
    """Lost its epoch or was told to end: writes nothing, ever again."""


class LegObservation(Value):
    """All that an account actor knows about one leg when it was asked to look."""

    account: AccountId
    mode: AccountMode
    instrument: Instrument | None
    quote: Quote | None
    balance: Balance | None
    position: ReportedPosition | None = Field(
        description="the venue's statement, fetched for this look; None = no answer"
    )
    believed: Decimal = Field(description="base units, signed: what the account's fills add up to")
    in_flight: int = Field(ge=0, description="orders whose outcome is open")
    unknown: int = Field(ge=0, description="of those, orders whose outcome is in doubt")
    problems: tuple[str, ...] = Field(default=(), description="why something is missing, in words")

    @property
    def is_empty(self) -> bool:
        """Say whether nothing was learnt: the account could not be asked, and its mode is not known either."""
        return self.instrument is None and self.quote is None and self.balance is None and self.position is None

    @property
    def price(self) -> Decimal | None:
        """Return one price for all purposes, USD: the mark, else whatever is offered; None = no price was seen."""
        quote = self.quote
        return None if quote is None else quote.mark or quote.bid or quote.ask
