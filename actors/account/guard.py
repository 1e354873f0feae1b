"""Keeps what this account leaves at its venue: the dead-man switch, a resting stop; and fences orders in doubt.

All of it goes through the book and the queue as everything else does: journaled before it is sent, found again after a
restart, its outcome proven, nothing twice. `docs/decisions/0013-the-account-keeps-its-own-protection.md` says why the
account decides it and not the group.
"""

import asyncio
from collections.abc import Callable

import structlog

from actors.account.entries import OwnKind, OwnWrite
from actors.account.ledger import Ledger
from actors.account.protection import Protection, Stop, is_passed, serves, wanted_stop
from actors.account.spec import AccountTuning
from actors.account.state import OrderRecord
from actors.meter import Meter
from strategies.domain.account import AccountMode
from strategies.domain.ids import InstrumentId, Timestamp
from strategies.domain.money import ZERO
from strategies.domain.order import Lane, OrderStatus
from strategies.domain.position import Position
from venues.errors import VenueError
from venues.venue import Now, Venue

_log = structlog.get_logger(__name__)

_MS = 1_000
_RENEW_AT = 1 / 3
"""Part of the switch's time after which it is set anew: two renewals may fail before it is due."""
_STOP_LIFE_MS = 20 * 86_400_000
"""A stop is put anew after this: the venue ends it after 28 days."""
_WRITING = frozenset({AccountMode.ARMED, AccountMode.FROZEN})


class Guard:
    """One account's own writes."""

    def __init__(
        self,
        ledger: Ledger,
        venue: Venue,
        instrument_id: InstrumentId,
        protection: Protection,
        tuning: AccountTuning,
        *,
        meter: Meter,
        now: Now,
        mode: Callable[[], AccountMode],
    ) -> None:
        """Wire the parts; does nothing yet."""
        self._ledger = ledger
        self._venue = venue
        self._instrument_id = instrument_id
        self._protection = protection
        self._tuning = tuning
        self._meter = meter
        self._now = now
        self._mode = mode
        self._quiet_since: float | None = None
        self._stop_due_at = float("-inf")
        self._switch_due_at = float("-inf")
        self.problem = ""
        """Why something that should stand at the venue does not; empty = it does, or nothing should."""

    @property
    def is_needed(self) -> bool:
        """Say whether there is anything to look after: something is wished for, or left from an earlier life."""
        book = self._ledger.book
        return self._protection.is_asked_for or bool(book.stops()) or book.state.switch_due_at is not None

    async def run(self) -> None:
        """Look after it for ever."""
        while True:
            if self._mode() in _WRITING:
                await self._tend_switch()
                await self._tend_stops()
            await asyncio.sleep(self._tuning.guard_every_s)

    async def fence(self, record: OrderRecord) -> None:
        """Send a harmless write under the nonce of an order in doubt, where the venue is trusted to take one of both.

        Not for a nonce that the account does not write with just now, and once at a time for each order.
        """
        if not self._venue.capabilities.nonce_fence or self._mode() not in _WRITING:
            return
        request = record.request
        own = OwnWrite(kind=OwnKind.FENCE, lane=request.lane, due_at=self._next_due_at(), order_id=request.order_id)
        entries = await self._ledger.commit(lambda book: book.decide_own_write(own, self._now()))
        if entries:
            self._meter.count("fences")

    async def stand_down(self) -> None:
        """Take back at the venue what nobody will look after: the switch, and a stop without a position.

        A stop under a position that is left open stays: that is what it is for. Waits at most `guard_farewell_s`.
        """
        try:
            async with asyncio.timeout(self._tuning.guard_farewell_s):
                while not await self._stood_down():  # noqa: ASYNC110 - many answers together, of many owners
                    await asyncio.sleep(_FAREWELL_POLL_S)
        except TimeoutError:
            _log.warning("left_at_the_venue", switch=self._ledger.book.state.switch_due_at, stops=self.words())

    def words(self) -> tuple[str, ...]:
        """Say what stands at the venue as far as it is known."""
        book = self._ledger.book
        said = [_stop_words(record) for record in book.stops()]
        if book.state.switch_due_at is None and self._protection.cancel_all_after_s is not None:
            said.append("the dead-man switch is not set yet")
        if book.state.switch_due_at is not None:
            left_s = (book.state.switch_due_at - self._now()) / _MS
            said.append(f"the venue cancels everything in {left_s:.0f} s unless it is renewed")
        return tuple([*said, self.problem] if self.problem else said)

    # --- the switch ---------------------------------------------------------------------------------------------

    def _next_due_at(self) -> Timestamp | None:
        after_s = self._protection.cancel_all_after_s
        return None if after_s is None else Timestamp(self._now() + int(after_s * _MS))

    async def _tend_switch(self) -> None:
        after_s, due_at = self._protection.cancel_all_after_s, self._ledger.book.state.switch_due_at
        loop_time = asyncio.get_running_loop().time()
        if loop_time < self._switch_due_at or self._under_way(OwnKind.SWITCH):
            return
        if after_s is None:
            wanted = due_at is None
        else:
            wanted = due_at is not None and (due_at - self._now()) / _MS > after_s * (1 - _RENEW_AT)
        if wanted:
            return
        self._switch_due_at = loop_time + self._tuning.guard_retry_s
        await self._set_switch(self._next_due_at())

    async def _set_switch(self, due_at: Timestamp | None) -> None:
        own = OwnWrite(kind=OwnKind.SWITCH, lane=Lane.EXIT, due_at=due_at)
        await self._ledger.commit(lambda book: book.decide_own_write(own, self._now()))

    def _under_way(self, kind: OwnKind) -> bool:
        others = self._ledger.book.state.others.values()
        return any(other.own is not None and other.own.kind is kind for other in others)

    # --- stops --------------------------------------------------------------------------------------------------

    async def _tend_stops(self) -> None:
        book = self._ledger.book
        if self._protection.stop_distance is None and not book.stops():
            return
        position = book.state.positions.get(self._instrument_id, Position())
        if position.quantity != ZERO and position.entry_price == ZERO and self._protection.stop_distance is not None:
            self.problem = "no stop is set or moved: the entry price is not known, the position was found, not bought"
            return
        wanted = wanted_stop(position, self._venue.instrument(self._instrument_id), self._protection)
        if wanted is None:
            self.problem = ""
            await self._cancel(book.stops())
            return
        good = next((record for record in book.stops() if self._is_good(record, wanted)), None)
        if good is None:
            await self._place(wanted)
        elif good.status is OrderStatus.ACCEPTED:
            # Only now the others go: for a moment two stand there, and together they close the position, no more.
            self.problem = ""
            await self._cancel([record for record in book.stops() if record is not good])

    def _is_good(self, record: OrderRecord, wanted: Stop) -> bool:
        signed_at = record.prepared.prepared_at if record.prepared is not None else self._now()
        young = self._now() - signed_at < _STOP_LIFE_MS
        canceling = any(o.cancel_order == record.request.order_id for o in self._ledger.book.state.others.values())
        return young and not canceling and serves(record.request, wanted, self._protection)

    async def _place(self, wanted: Stop) -> None:
        loop_time = asyncio.get_running_loop().time()
        if not self._is_quiet(loop_time) or loop_time < self._stop_due_at:
            return
        self._stop_due_at = loop_time + self._tuning.guard_retry_s
        try:
            mark = (await self._venue.quote(self._instrument_id)).mark
        except VenueError as error:
            self.problem = f"no stop: the price is not known ({error})"
            return
        if mark is None or is_passed(wanted, mark):
            self.problem = f"no stop: the mark price {mark} is not on the right side of {wanted.trigger_price}"
            return
        self.problem = f"no stop at {wanted.trigger_price} yet"
        self._meter.count("stops_placed")
        await self._ledger.commit(
            lambda book: book.decide_own_order(
                lambda order_id: wanted.request(order_id, self._instrument_id), self._now()
            )
        )

    def _is_quiet(self, loop_time: float) -> bool:
        """Say whether nothing has been under way for a while; a stop that is out already counts as something."""
        book = self._ledger.book
        if book.moving() or book.waiting() or any(record.doubt_since is not None for record in book.stops()):
            self._quiet_since = None
            return False
        if self._quiet_since is None:
            self._quiet_since = loop_time
        return loop_time - self._quiet_since >= self._tuning.guard_settle_s

    async def _cancel(self, records: list[OrderRecord]) -> None:
        for record in records:
            order_id = record.request.order_id
            await self._ledger.commit(lambda book, order_id=order_id: book.decide_own_cancel(order_id, self._now()))  # type: ignore[misc]

    async def _stood_down(self) -> bool:
        book = self._ledger.book
        flat = book.believed(self._instrument_id) == ZERO
        stops = book.stops() if flat else []
        if book.state.switch_due_at is not None and not self._under_way(OwnKind.SWITCH):
            await self._set_switch(None)
        await self._cancel(stops)
        return book.state.switch_due_at is None and not stops


_FAREWELL_POLL_S = 0.05
"""How often a clean end looks whether the venue has answered."""


def _stop_words(record: OrderRecord) -> str:
    request = record.request
    how = "in doubt" if record.doubt_since is not None else record.status.lower()
    return f"stop: {request.side} {request.quantity} at {request.trigger_price} ({how})"
