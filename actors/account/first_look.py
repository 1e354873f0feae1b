"""A life's first look at its venue: reach it, however long it takes, and settle what the last life left open.

Nothing is sent before. Only reads go out from here, and they are tried until the venue answers.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from actors.account.ledger import Ledger
from actors.account.lookout import Lookout
from actors.account.spec import AccountSpec
from actors.account.standing import Standing
from actors.chance import Chance
from strategies.domain.ids import InstrumentId, Timestamp
from venues.errors import READ_ERRORS
from venues.venue import Now, Venue, WriteIdentity

_log = structlog.get_logger(__name__)

_MS = 1_000


class FirstLook:
    """What happens once in a life, in this order: `reach`, `look`, `confirm`."""

    def __init__(
        self,
        ledger: Ledger,
        venue: Venue,
        spec: AccountSpec,
        *,
        now: Now,
        chance: Chance,
        on_silence: Callable[[str], None],
    ) -> None:
        """Wire the parts; `on_silence` gets what is waited for whenever the venue did not answer."""
        self._ledger = ledger
        self._venue = venue
        self._spec = spec
        self._tuning = spec.tuning
        self._instrument_id: InstrumentId = spec.instruments[0]
        self._now = now
        self._chance = chance
        self._on_silence = on_silence

    async def reach(self) -> list[WriteIdentity]:
        """Open the venue and learn its nonces; return what is no order and was on its way when the last life ended."""
        ledger, venue = self._ledger, self._venue
        await self._insist("open", lambda: venue.open(self._spec.instruments))
        bits = venue.capabilities.client_id_bits
        first = 1 + self._chance.below(1 << (bits - 1))
        await ledger.commit(lambda book: book.decide_client_ids(first, bits, self._now()))
        venue.restore(ledger.book.pending_writes())
        await ledger.commit(lambda book: book.decide_nonces(venue.status().nonces, self._now()))
        return await self._settle_interrupted()

    async def look(self, lookout: Lookout) -> None:
        """Look at all that an account is: what was there before us, its fills, its orders, its position."""
        await self._insist("baseline", self._take_baseline)
        await self._insist("fills", lookout.history.catch_up)
        await self._insist("orders", lookout.strangers.look_at_orders)
        await self._insist("position", lookout.standing.look)

    async def confirm(self, standing: Standing) -> None:
        """Look again for as long as a second statement may still explain what differs."""
        book = self._ledger.book
        while standing.reconciled_at is None and book.settled(self._instrument_id) and not standing.differs:
            await asyncio.sleep(self._tuning.adjust_confirm_s)
            await self._insist("position", standing.look)
        if standing.reconciled_at is None:
            # An order in doubt explains what differs, or a person has to; exits must not wait for either.
            standing.reconciled_at = self._now()

    async def _insist(self, what: str, attempt: Callable[[], Awaitable[object]]) -> None:
        """Try until the venue answers; say what is wrong meanwhile."""
        wait = self._tuning.reconnect_first_s
        while True:
            try:
                await attempt()
            except READ_ERRORS as error:
                self._on_silence(f"{what}: {error.__class__.__name__}: {error}")
                _log.warning("venue_not_ready", account=self._spec.account, what=what, error=str(error))
                await asyncio.sleep(wait * (1 + self._chance.fraction() / 2))
                wait = min(2 * wait, self._tuning.reconnect_max_s)
            else:
                return

    async def _take_baseline(self) -> None:
        ledger, venue = self._ledger, self._venue
        if self._instrument_id in ledger.book.state.baselines:
            return
        overlap_ms = int(2 * self._tuning.fills_overlap_s * _MS)
        history = await venue.fills(self._instrument_id, Timestamp(self._now() - overlap_ms))
        position = await venue.position(self._instrument_id)
        await ledger.commit(
            lambda book: book.decide_baseline(
                self._instrument_id, position.quantity, position.entry_price, history, self._now()
            )
        )

    async def _settle_interrupted(self) -> list[WriteIdentity]:
        """Settle what is no order and was on its way when the last life ended: it is seen by its effects. Return it."""
        ledger = self._ledger
        others = ledger.book.state.others.items()
        interrupted = {key: other.identity for key, other in others if other.identity is not None}
        for key in interrupted:
            await ledger.commit(lambda book, key=key: book.decide_interrupted(key, self._now()))  # type: ignore[misc]
        return list(interrupted.values())
