"""The account actor: one venue account with its keys, nonces, client ids, queue, streams and memory.

Its constructor does nothing. `start` takes the host lock and the journal, folds them, and begins to look for the venue;
the account stays DISARMED until it has looked at the venue and the supervisor arms it.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, TypeVar

import structlog

from actors.account.book import Book
from actors.account.certainty import CertaintyClock
from actors.account.entries import EntryKind
from actors.account.first_look import FirstLook
from actors.account.guard import Guard
from actors.account.ledger import Ledger
from actors.account.lookout import Lookout
from actors.account.spec import AccountSpec
from actors.account.submission import Submission
from actors.actor import AccountStatus, Envelope, FactBatch, Receipt
from actors.chance import SYSTEM, Chance
from actors.clock import wall_now
from actors.hostlock import HostLock, LockMaker
from actors.journal.protocol import Entry, Journal, JournalError, StaleEpochError, StoreOpener
from actors.journal.store import open_store
from actors.loop_lag import LoopLag
from actors.meter import Meter
from actors.process_use import cpu_s, memory_bytes
from actors.tasks import Tasks
from strategies.domain.account import AccountMode, Balance, LegObservation, ReportedPosition
from strategies.domain.ids import InstrumentId, Timestamp
from strategies.domain.order import Lane
from strategies.domain.quote import Quote
from venues.errors import VenueError
from venues.registry import build_venue
from venues.venue import Now, Venue, VenueStatus

_log = structlog.get_logger(__name__)

_LOCK_WAIT_S = 15.0
"""How long a successor waits for its predecessor's process to be gone."""
_QUEUED = frozenset({EntryKind.TAKEN, EntryKind.OWN})
"""Entries after which a write may wait to be sent."""
_NOTHING_HEARD = VenueStatus(stream_ages_s={}, clock_offset_s=None, budget_left={})

T = TypeVar("T")

VenueBuilder = Callable[[str, dict[str, Any], dict[str, Any], Now], Venue]


class AccountActor:
    """Implements `actors.actor.AccountPort`."""

    def __init__(
        self,
        spec: AccountSpec,
        epoch: int,
        *,
        now: Now = wall_now,
        build: VenueBuilder = build_venue,
        stores: StoreOpener = open_store,
        make_lock: LockMaker = HostLock,
        chance: Chance = SYSTEM,
    ) -> None:
        """Remember the parts; no I/O, nothing that can fail."""
        self._spec = spec
        self._epoch = epoch
        self._now = now
        self._build = build
        self._stores = stores
        self._chance = chance
        self._instrument_id: InstrumentId = spec.instruments[0]
        self._mode = AccountMode.DISARMED
        self._reason = "starting"
        self._freezing = ""
        """What has been seen and is being written down."""
        self._meter = Meter()
        self._tasks = Tasks(f"account/{spec.account}", self._on_failure)
        self._certainty = CertaintyClock(self._meter)
        self._lock = make_lock(spec.lock_dir, f"account-{spec.account}")
        self._journal: Journal | None = None
        self._ledger: Ledger | None = None
        self._venue: Venue | None = None
        self._submission: Submission | None = None
        self._lookout: Lookout | None = None
        self._guard: Guard | None = None
        self._balance: Balance | None = None
        self._ready = False
        self._started_at = Timestamp(0)
        self._lag = LoopLag()
        self.ended: asyncio.Future[str] | None = None
        """Ends with a reason when the actor cannot go on; its process must then end, too."""

    @property
    def mode(self) -> AccountMode:
        """Return what the account may do now."""
        return self._mode

    @property
    def book(self) -> Book:
        """Return the account's memory, to be read only. Raises RuntimeError before the start."""
        return self._need_ledger().book

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take lock and journal, fold, and start looking for the venue in the background.

        Raises:
            LockHeldError: another process of this account is alive.
            JournalError: the journal is damaged, newer than this code, or owned by a later epoch.
        """
        self._started_at = self._now()
        self.ended = asyncio.get_running_loop().create_future()
        await self._lock.acquire(_LOCK_WAIT_S)
        store = self._stores(self._spec.journal)
        self._journal = await store.open(f"account/{self._spec.account}", self._epoch)
        tuning = self._spec.tuning
        self._ledger = Ledger(
            Book(self._spec.account),
            self._journal,
            self._meter,
            tasks=self._tasks,
            feed_in_memory=tuning.feed_in_memory,
            snapshot_every=tuning.snapshot_every,
        )
        self._ledger.on_durable = self._on_durable
        self._ledger.on_broken = lambda error: self._on_failure("ledger", error)
        folded = await self._ledger.load()
        self._certainty.resume(self._ledger.book.in_flight())
        _log.info("account_folded", account=self._spec.account, epoch=self._epoch, records=folded)
        self._venue = self._build(self._spec.venue, self._spec.venue_config, self._spec.account_config, self._now)
        await self._ledger.commit(lambda book: book.decide_mode(AccountMode.DISARMED, "starting", self._now()))
        self._tasks.start("come-up", self._come_up())
        self._tasks.start("lag", self._lag.measure())

    async def arm(self) -> bool:
        """Allow writes; nothing but exits when a freeze has not been released. False = not looked yet; ask later."""
        if self._freeze_held:
            return await self._allow(AccountMode.FROZEN, self._freeze_held)
        return await self._allow(AccountMode.ARMED, "reconciled with the venue")

    async def release(self, by: str) -> bool:
        """End a freeze on a person's word: `by` has looked. False when the account has not looked at its venue yet."""
        if not self._freeze_held:
            return True
        if not self._ready or self._mode is AccountMode.STOPPED:
            return False
        self._freezing = ""
        if self._lookout is not None:
            await self._lookout.old.settle(by)
            self._lookout.standing.looked_by_person()
        return await self._allow(AccountMode.ARMED, f"released by {by}")

    async def arm_exits(self, reason: str) -> bool:
        """Allow exits and nothing else: what waits here from before never opens anything. False as for `arm`."""
        return await self._allow(AccountMode.FROZEN, self._freeze_held or reason)

    @property
    def _freeze_held(self) -> str:
        """Return what this account was frozen for and nobody has released; empty = it is free."""
        return self._freezing or self._need_ledger().book.state.frozen

    async def _allow(self, mode: AccountMode, reason: str) -> bool:
        if not self._ready or self._mode is AccountMode.STOPPED:
            return False
        if self._mode is not mode:
            await self._set_mode(mode, reason)
        return True

    async def disarm(self, reason: str) -> None:
        """Forbid writes until armed again."""
        if self._mode is not AccountMode.STOPPED:
            await self._set_mode(AccountMode.DISARMED, reason)

    async def stop(self) -> None:
        """End: no write leaves after this returns. May be called twice."""
        if self._guard is not None and self._mode in {AccountMode.ARMED, AccountMode.FROZEN}:
            with suppress(JournalError):  # overtaken: a successor looks after it
                await self._guard.stand_down()
        self._mode = AccountMode.STOPPED
        await self._tasks.close()
        if self._venue is not None:
            await self._venue.close()
        if self._journal is not None:
            await self._journal.close()
        self._lock.release()

    def abandon(self) -> None:
        """Die as a killed process does: nothing is finished, nothing is written, nobody is told."""
        self._mode = AccountMode.STOPPED
        self._tasks.cancel()
        self._lock.release()

    # --- port ---------------------------------------------------------------------------------------------------

    async def submit(self, envelope: Envelope) -> Receipt:
        """See `AccountPort.submit`."""
        ledger = self._need_ledger()
        if ledger.book.state.client_ids is None:
            return Receipt(
                taken=0, journal=ledger.identity
            )  # not come up for the first time yet: the sender keeps its messages
        before = Receipt(taken=0)

        def decide(book: Book) -> list[Entry]:
            nonlocal before
            before = book.receipt(envelope.sender)
            return book.decide_take(envelope, self._now())

        taken = await ledger.commit(decide)
        # Counted from what was decided: by now the book may hold more, which is not durable yet.
        knows = envelope.journal if taken else before.knows
        return Receipt(taken=before.taken + len(taken), journal=ledger.identity, knows=knows)

    async def facts(self, after: int, wait_s: float) -> FactBatch:
        """See `AccountPort.facts`."""
        return await self._need_ledger().facts(after, wait_s)

    async def observe(self, instrument_id: InstrumentId) -> LegObservation:
        """See `AccountPort.observe`."""
        venue, lookout, ledger = self._venue, self._lookout, self._need_ledger()
        problems: list[str] = []
        position: ReportedPosition | None = None
        balance: Balance | None = None
        quote: Quote | None = None
        instrument = None
        if venue is None or lookout is None:
            problems.append(f"no contact with the venue yet: {self._reason}")
        else:
            instrument = venue.instrument(instrument_id)
            bound = self._spec.tuning.observe_timeout_s
            room = venue.status().budget_left.get(Lane.READ, 1.0) >= 1.0
            balance_bound = bound if room else self._spec.tuning.observe_balance_s
            answers = await asyncio.gather(
                _within(bound, lookout.standing.state),
                _within(balance_bound, lambda: venue.balance(instrument_id)),
                _within(bound, lambda: venue.quote(instrument_id)),
                return_exceptions=True,
            )
            found: list[Any] = []
            for what, answer in zip(("position", "balance", "quote"), answers, strict=True):
                if isinstance(answer, VenueError | TimeoutError):
                    problems.append(f"{what}: {answer.__class__.__name__} {answer}".strip())
                    found.append(None)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    found.append(answer)
            position, balance, quote = found
            self._balance = balance or self._balance
        in_flight = ledger.book.moving()
        return LegObservation(
            account=self._spec.account,
            mode=self._mode,
            instrument=instrument,
            quote=quote,
            balance=balance,
            position=position,
            believed=ledger.book.believed(instrument_id),
            in_flight=len(in_flight),
            unknown=sum(record.doubt_since is not None for record in in_flight),
            problems=tuple(problems),
        )

    async def status(self) -> AccountStatus:
        """See `AccountPort.status`."""
        ledger = self._need_ledger()
        book, lookout = ledger.book, self._lookout
        wire = self._venue.status() if self._venue is not None and lookout is not None else _NOTHING_HEARD
        in_flight = book.moving()
        reported = lookout.standing.details if lookout is not None else None
        held = book.state.positions.get(self._instrument_id)
        balance = self._balance
        counters = dict(self._meter.counters)
        counters["reconnects"] = wire.reconnects
        return AccountStatus(
            account=self._spec.account,
            venue=self._spec.venue,
            epoch=self._epoch,
            pid=os.getpid(),
            mode=self._mode,
            reason=ledger.problem or (lookout.standing.differs if lookout is not None else "") or self._reason,
            at=self._now(),
            started_at=self._started_at,
            instruments=self._spec.instruments,
            believed={self._instrument_id: book.believed(self._instrument_id)},
            reported={self._instrument_id: reported.quantity} if reported is not None else {},
            reconciled_at=lookout.standing.reconciled_at if lookout is not None and self._ready else None,
            in_flight=tuple(record.request.order_id for record in in_flight),
            unknown={r.request.order_id: r.doubt_since for r in in_flight if r.doubt_since is not None},
            protection=self._guard.words() if self._guard is not None else (),
            too_old=dict(lookout.old.named) if lookout is not None else {},
            queue_length=self._submission.lengths() if self._submission is not None else {},
            stream_ages_s=wire.stream_ages_s,
            deaf=wire.deaf,
            clock_offset_s=wire.clock_offset_s,
            budget_left=wire.budget_left,
            equity=balance.equity if balance is not None else None,
            available=balance.available if balance is not None else None,
            maintenance_margin=balance.maintenance_margin if balance is not None else None,
            liquidation_price=reported.liquidation_price if reported is not None else None,
            balance_at=balance.at if balance is not None else None,
            liquidating=balance.liquidating if balance is not None else None,
            unrealized=_of_held(reported, lambda position: position.unrealized),
            funding=_of_held(reported, lambda position: position.funding),
            realized=held.realized if held is not None else None,
            fees=held.fees if held is not None else None,
            counters=counters,
            histograms=self._meter.histograms(),
            loop_lag_s=self._lag.seconds,
            fact_seq=ledger.published,
            memory_bytes=memory_bytes(),
            cpu_s=cpu_s(),
        )

    # --- coming up ----------------------------------------------------------------------------------------------

    async def _come_up(self) -> None:
        """Reach the venue, however long it takes, and look at it before anything is sent."""
        ledger, venue = self._need_ledger(), self._venue
        if venue is None:
            raise AssertionError("start() builds the venue before it starts this task")
        first = FirstLook(
            ledger, venue, self._spec, now=self._now, chance=self._chance, on_silence=self._waits_for_venue
        )
        interrupted = await first.reach()
        tuning = self._spec.tuning
        guard = Guard(
            ledger,
            venue,
            self._instrument_id,
            self._spec.protection,
            tuning,
            meter=self._meter,
            now=self._now,
            mode=lambda: self._mode,
        )
        lookout = Lookout(
            ledger,
            venue,
            self._instrument_id,
            tuning,
            meter=self._meter,
            now=self._now,
            freeze=self._freeze,
            fence=guard.fence,
        )
        for write in interrupted:
            lookout.strangers.watch(write)
        await first.look(lookout)
        self._submission = Submission(
            ledger,
            venue,
            self._instrument_id,
            tuning,
            tasks=self._tasks,
            meter=self._meter,
            now=self._now,
            mode=lambda: self._mode,
            on_answer=lookout.on_answer,
            on_unknown=lookout.on_unknown,
            held=lambda: lookout.standing.differs,
        )
        self._lookout = lookout
        self._tasks.start("listen", lookout.listen())
        self._tasks.start("resolve", lookout.resolve())
        self._tasks.start("reconcile", lookout.reconcile())
        self._tasks.start("submission", self._submission.run())
        self._tasks.start("departures", self._submission.depart())
        ledger.alongside = self._submission.sign_alongside
        self._guard = guard
        if guard.is_needed:
            self._tasks.start("guard", guard.run())
        self._submission.enqueue_waiting()
        await first.confirm(lookout.standing)
        self._ready = True
        self._reason = "looked at the venue; waits to be armed"

    def _waits_for_venue(self, reason: str) -> None:
        self._reason = reason

    def _on_durable(self, entries: Sequence[Entry]) -> None:
        """Queue what was taken, watch over what is leaving.

        Not left to the caller of `submit`: it may be gone before the append has ended.
        """
        self._certainty.note(entries)
        kinds = {entry.kind for entry in entries}
        if self._submission is not None and not kinds.isdisjoint(_QUEUED):
            self._submission.enqueue_waiting()
        if self._lookout is not None and EntryKind.PREPARED in kinds:
            self._lookout.stir()

    # --- parts --------------------------------------------------------------------------------------------------

    def _freeze(self, reason: str) -> None:
        """Somebody else trades here: nothing but exits until a person has looked, whatever life this account is in."""
        if self._mode in {AccountMode.FROZEN, AccountMode.STOPPED}:
            return
        self._meter.count("freezes")
        _log.critical("account_frozen", account=self._spec.account, reason=reason)
        self._freezing = self._freezing or reason
        if self._mode is AccountMode.ARMED:
            self._mode = AccountMode.FROZEN
            self._reason = reason
        self._tasks.start("freeze", self._remember_freeze(reason))

    async def _remember_freeze(self, reason: str) -> None:
        """Write the freeze down, and that what caused it is known now: it must not freeze the account again."""
        ledger, venue = self._need_ledger(), self._venue
        await ledger.commit(lambda book: book.decide_frozen(reason, self._now()))
        self._freezing = ""  # the book holds it from here on
        if venue is not None:
            await ledger.commit(lambda book: book.decide_nonces(venue.status().nonces, self._now()))

    async def _set_mode(self, mode: AccountMode, reason: str) -> None:
        self._mode = mode
        self._reason = reason
        await self._need_ledger().commit(lambda book: book.decide_mode(mode, reason, self._now()))
        if self._submission is not None:
            self._submission.wake()

    def _on_failure(self, task: str, error: BaseException) -> None:
        """A task that fails takes the actor down: a successor that folds the journal is the known state."""
        self._mode = AccountMode.STOPPED
        self._reason = f"{task} failed: {error.__class__.__name__}: {error}"
        if isinstance(error, StaleEpochError):
            self._reason = str(error)
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(self._reason)

    def _need_ledger(self) -> Ledger:
        if self._ledger is None:
            raise RuntimeError("the account actor has not been started")
        return self._ledger


def _of_held(reported: ReportedPosition | None, read: Callable[[ReportedPosition], Decimal | None]) -> Decimal | None:
    """Return an amount of the position that is held; where nothing is held, by the venue's word, it is zero."""
    if reported is None:
        return None
    return read(reported) if reported.quantity != 0 else Decimal(0)


async def _within(seconds: float, ask: Callable[[], Awaitable[T]]) -> T:
    """Return the answer, or raise TimeoutError. Asks only once it runs: what is cancelled before was never asked."""
    async with asyncio.timeout(seconds):
        return await ask()
