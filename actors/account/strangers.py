"""Signs that somebody else writes with this account's keys: orders that are not ours, nonces that we did not use."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from actors.account.ledger import Ledger
from actors.account.spec import AccountTuning
from strategies.domain.ids import InstrumentId
from venues.errors import READ_ERRORS
from venues.venue import Certainty, OrderReport, Venue, WriteIdentity

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    """A write that is no order, and of which nobody knows whether it ran."""

    write: WriteIdentity
    due_at: float
    wait_s: float


class Strangers:
    """Looks for them where no stream tells of them: while nobody listened."""

    def __init__(
        self,
        ledger: Ledger,
        venue: Venue,
        instrument_id: InstrumentId,
        tuning: AccountTuning,
        *,
        freeze: Callable[[str], None],
        on_order: Callable[[OrderReport], Awaitable[None]],
    ) -> None:
        """Wire the parts; `on_order` reads an order's report, whosever it is, and `freeze` stops entries."""
        self._ledger = ledger
        self._venue = venue
        self._instrument_id = instrument_id
        self._tuning = tuning
        self._freeze = freeze
        self._on_order = on_order
        self._watched: list[_Watched] = []

    @property
    def is_watching(self) -> bool:
        """Say whether a write has to be asked about."""
        return bool(self._watched)

    async def look_at_orders(self) -> None:
        """Read what rests on the account: what came while nobody listened shows there. Raises as a read does."""
        for report in await self._venue.open_orders(self._instrument_id):
            await self._on_order(report)

    def watch(self, write: WriteIdentity) -> None:
        """Ask about a write in doubt that is no order, until it is known whether its nonce is ours."""
        if write.nonce is not None:
            wait_s = self._tuning.look_backoff_s
            self._watched.append(_Watched(write, asyncio.get_running_loop().time() + wait_s, wait_s))

    async def look_at_writes(self) -> None:
        """Ask about those whose turn has come."""
        now = asyncio.get_running_loop().time()
        for each in [each for each in self._watched if each.due_at <= now]:
            each.wait_s = min(2 * each.wait_s, self._tuning.resting_look_s)
            each.due_at = now + each.wait_s
            try:
                verdict = await self._venue.investigate(each.write)
            except READ_ERRORS as error:
                _log.info("write_without_answer", kind=each.write.kind, error=str(error))
                continue
            if verdict.certainty is Certainty.OPEN:
                continue
            self._watched.remove(each)
            if verdict.nonce_taken:
                await self.look_at_nonce(each.write)

    async def look_at_nonce(self, write: WriteIdentity) -> None:
        """Find out who has used the nonce of a write that never ran: another write of ours, or somebody else."""
        if write.api_key_index is None or write.nonce is None:
            return
        signed = await self._ledger.signed_with(write.api_key_index, write.nonce)
        if any(each.tx_hash != write.tx_hash for each in signed):
            return
        of = f"order {write.order_id}" if write.order_id is not None else f"a {write.kind.lower().replace('_', ' ')}"
        self._freeze(
            f"key {write.api_key_index}: nonce {write.nonce} was used, not by us: {of} of ours was signed with it and "
            "never ran"
        )
