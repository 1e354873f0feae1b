"""The order of questions decides what an answer proves."""

from collections.abc import Mapping, Sequence
from typing import Any

from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp
from strategies.domain.order import Lane
from venues.errors import Unreachable
from venues.lighter.channels import OrderFold, TradeFold
from venues.lighter.config import LighterVenueConfig
from venues.lighter.inquiry import Inquiry
from venues.venue import Certainty, WriteIdentity, WriteKind

NOW = Timestamp(1_750_000_000_000)
ETH = InstrumentId("ETH-PERP")
WRITE = WriteIdentity(
    kind=WriteKind.ORDER,
    instrument_id=ETH,
    client_order_id=ClientOrderId(123),
    api_key_index=4,
    nonce=7,
    tx_hash="d86c",
    prepared_at=NOW,
    expires_at=Timestamp(NOW + 600_000),
)


class RacingVenue:
    """Runs the transaction right after the first question, whichever it is; look-ups by client id are down."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self._asked = 0

    def _ran(self) -> bool:
        self._asked += 1
        return self._asked > 1

    async def next_nonce(self, _key: int, _lane: Lane) -> Mapping[str, Any]:
        """Tell 7 before it ran, 8 after."""
        return {"nonce": 8 if self._ran() else 7}

    async def tx(self, _tx_hash: str) -> Mapping[str, Any] | None:
        """Know it only after it ran."""
        return {"status": 2, "event_info": ""} if self._ran() else None

    async def orders_by_client_id(self, _key: int, _ids: Sequence[ClientOrderId]) -> Mapping[str, Any]:
        """Be down."""
        raise Unreachable("down")

    async def trades(self, _key: int, _market: int, _cursor: str | None) -> Mapping[str, Any]:
        """Be down, too."""
        raise Unreachable("down")


class SilentStream:
    """A stream that has shown nothing."""

    orders = OrderFold()
    trades = TradeFold()
    clock_offset_least_s = 0.0


async def test_a_transaction_that_runs_between_two_questions_is_not_called_dead():
    """Asked after the nonce, the hash is known; asked before it, an executed order would be declared dead."""
    config = LighterVenueConfig(lookup_lag_s=1e-9)
    inquiry = Inquiry(
        config, RacingVenue(), SilentStream(), 65, 4, {0: ETH}, taken_by=lambda _key, _nonce: None, now=lambda: NOW
    )
    assert (await inquiry.investigate(WRITE)).certainty is not Certainty.DEAD
    assert (await inquiry.investigate(WRITE)).certainty is Certainty.EXECUTED


class SlowVenue:
    """Knows nothing of the write, is past its nonce, and takes its time to say so."""

    def __init__(self, answer_s: float) -> None:
        """Start at no time."""
        self.now_ms = int(NOW)
        self._answer_s = answer_s

    async def next_nonce(self, _key: int, _lane: Lane) -> Mapping[str, Any]:
        """Be past it."""
        return {"nonce": 8}

    async def tx(self, _tx_hash: str) -> None:
        """Not know it when asked; the answer is long on its way."""
        self.now_ms += int(self._answer_s * 1_000)

    async def orders_by_client_id(self, _key: int, _ids: Sequence[ClientOrderId]) -> Mapping[str, Any]:
        """Not know it."""
        return {"orders": []}

    async def trades(self, _key: int, _market: int, _cursor: str | None) -> Mapping[str, Any]:
        """Know of none."""
        return {"trades": []}


def slow_inquiry(venue: SlowVenue) -> Inquiry:
    """Return an inquiry on that venue's clock."""
    return Inquiry(
        LighterVenueConfig(lookup_lag_s=15.0),
        venue,
        SilentStream(),
        65,
        4,
        {0: ETH},
        taken_by=lambda _key, _nonce: None,
        now=lambda: Timestamp(venue.now_ms),
    )


async def test_a_slow_answer_does_not_prove_what_a_late_question_would():
    """Look-ups may trail by 15 s: one asked 10 s after the nonce was seen used, answered at 20 s, proves no death."""
    venue = SlowVenue(answer_s=10.0)
    inquiry = slow_inquiry(venue)
    assert (await inquiry.investigate(WRITE)).certainty is Certainty.OPEN
    assert (await inquiry.investigate(WRITE)).certainty is Certainty.OPEN
    assert (await inquiry.investigate(WRITE)).certainty is Certainty.DEAD


async def test_what_was_unknown_before_the_expiry_is_not_dead_when_the_answer_comes_after_it():
    """The question left while the venue would still have run the write: only the next one can prove its death."""
    venue = SlowVenue(answer_s=700.0)
    venue.next_nonce = next_is_seven  # type: ignore[method-assign]
    inquiry = slow_inquiry(venue)
    assert (await inquiry.investigate(WRITE)).certainty is Certainty.OPEN
    assert (await inquiry.investigate(WRITE)).certainty is Certainty.DEAD


async def next_is_seven(_key: int, _lane: Lane) -> Mapping[str, Any]:
    """Not be past it."""
    return {"nonce": 7}
