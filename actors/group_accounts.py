"""A group's way to its accounts: brings them its commands, brings it their facts, each once, in order; asks for looks.

Before anything is sent, both sides are held against each other: a journal that was lost, or put back from an earlier
day, on either side, is seen by then (`actors/kinship.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial

from actors.actor import AccountPort, ActorUnreachableError, Envelope, Receipt, StaleSenderError
from actors.group_log import GroupLog
from actors.kinship import REMEDY, Tie, stranger_by_facts, stranger_by_receipt
from actors.meter import Meter
from actors.tasks import Tasks
from strategies.domain.account import AccountMode, LegObservation
from strategies.domain.events import AccountEvent
from strategies.domain.ids import AccountId, InstrumentId, LegName
from strategies.machine import GroupSpec
from venues.venue import Now

_FACTS_WAIT_S = 5.0
"""How long one long-poll for facts stays open: bounds how long a dead account's feed is waited for."""
_OBSERVE_BOUND_S = 6.0
"""A look at one leg that takes longer is delivered without that leg's answer."""
_RETRY_S = 0.2
"""Wait before an account that did not answer is asked again."""

Deliver = Callable[[AccountEvent, tuple[AccountId, int]], Awaitable[None]]
"""Puts one fact, with its account and number, where it will be decided upon."""


class GroupAccounts:
    """The accounts of one group."""

    def __init__(
        self,
        accounts: Iterable[AccountId],
        *,
        meter: Meter,
        now: Now,
        deciding: asyncio.Lock,
        needs_no_past: bool,
        files: Callable[[str], str],
        deliver: Deliver,
        on_overtaken: Callable[[str], None],
        on_stranger: Callable[[str], None],
    ) -> None:
        """Wire the parts.

        Args:
            accounts: whom the group trades through.
            meter: counts calls.
            now: the clock.
            deciding: held while the group's journal is written.
            needs_no_past: begin with the facts that come from now on.
            files: says where a stream's journal lies.
            deliver: where facts go.
            on_overtaken: hears that a later incarnation of the group has spoken.
            on_stranger: hears why an account's journal and the group's do not belong together.
        """
        self._accounts = tuple(accounts)
        self._meter = meter
        self._now = now
        self._deciding = deciding
        self._needs_no_past = needs_no_past
        self._files = files
        self._deliver = deliver
        self._on_overtaken = on_overtaken
        self._on_stranger = on_stranger
        self._sender = ""
        self._epoch = 0
        self._log: GroupLog | None = None
        self._ports: dict[AccountId, AccountPort] = {}
        self._port_changed = {account: asyncio.Event() for account in self._accounts}
        self._outbox_changed = {account: asyncio.Event() for account in self._accounts}
        self._facts_fit = {account: asyncio.Event() for account in self._accounts}

    def connect(self, account: AccountId, port: AccountPort) -> None:
        """Say how the account is reached from now on. Raises KeyError when the group has no such account."""
        self._port_changed[account].set()
        self._outbox_changed[account].set()
        self._ports[account] = port

    def wake(self, account: AccountId) -> None:
        """Say that there is something to send."""
        self._outbox_changed[account].set()

    def start(self, tasks: Tasks, log: GroupLog, sender: str, epoch: int) -> None:
        """Begin to carry and to listen, under the sender's name."""
        self._log, self._sender, self._epoch = log, sender, epoch
        for account in self._accounts:
            tasks.start(f"courier:{account}", self._carry(account))
            tasks.start(f"feeder:{account}", self._feed(account))

    # --- commands -------------------------------------------------------------------------------------------------

    async def _carry(self, account: AccountId) -> None:
        """Bring commands to one account until it says that it has them."""
        log, changed = self._need_log(), self._outbox_changed[account]
        # The first call only asks how far the account has come: a replayed journal holds long-taken messages.
        met = False
        changed.set()
        while True:
            await changed.wait()
            changed.clear()
            port = self._ports.get(account)
            if port is None or (met and not log.outbox(account)):
                continue
            try:
                receipt = await self._submit(account, port, sending=met)
            except ActorUnreachableError:
                await asyncio.sleep(_RETRY_S)
                changed.set()
                continue
            except StaleSenderError as error:
                self._on_overtaken(f"a later incarnation of this group has spoken to {account}: {error}")
                return
            if receipt is None:
                changed.set()
                continue
            strange = stranger_by_receipt(self._tie(account), receipt)
            if strange:
                self._on_stranger(f"{strange}. {REMEDY}.")
                return
            if not met:
                # Facts are the finer measure: what an account took and its journal lost again is known by them only.
                await self._facts_fit[account].wait()
                await self._meet(account, receipt.journal)
            log.taken(account, receipt.taken)
            if log.outbox(account):
                if met:
                    await asyncio.sleep(_RETRY_S)  # the account cannot take them yet (it has not come up)
                changed.set()
            met = True

    async def _submit(self, account: AccountId, port: AccountPort, *, sending: bool) -> Receipt | None:
        """Send what waits, or only ask; None = the answer came from one who has been replaced meanwhile."""
        log = self._need_log()
        envelope = Envelope(
            sender=self._sender,
            sender_epoch=self._epoch,
            journal=log.identity,
            messages=log.outbox(account) if sending else (),
        )
        with self._meter.timed("submit_call"):
            receipt = await port.submit(envelope)
        return receipt if self._ports.get(account) is port else None

    async def _meet(self, account: AccountId, journal: str) -> None:
        async with self._deciding:
            await self._need_log().meet(account, journal, self._now())

    # --- facts ----------------------------------------------------------------------------------------------------

    async def _feed(self, account: AccountId) -> None:
        """Bring one account's facts to the machine, in order, each once."""
        log = self._need_log()
        if self._needs_no_past:
            await self._skip_history(account)
        cursor, last = log.cursor(account), self._tie(account).last_fact
        checked: AccountPort | None = None
        while True:
            port = self._ports.get(account)
            if port is None:
                await self._port_changed[account].wait()
                continue
            # A new incarnation may have another journal than the one before: it is asked for the last known fact, too.
            again = port is not checked and cursor > 0
            try:
                batch = await port.facts(cursor - 1 if again else cursor, _FACTS_WAIT_S)
            except ActorUnreachableError:
                await self._wait_for_change(account)
                continue
            if self._ports.get(account) is not port:
                continue
            heard = {"cursor": cursor, "last_fact": last if again else None}
            strange = stranger_by_facts(self._tie(account).model_copy(update=heard), batch)
            if strange:
                self._on_stranger(f"{strange}. {REMEDY}.")
                return
            checked = port
            self._facts_fit[account].set()
            for fact in batch.facts:
                if fact.seq > cursor:
                    await self._deliver(fact.event, (account, fact.seq))
                    cursor, last = fact.seq, fact.event

    async def _skip_history(self, account: AccountId) -> None:
        """Begin with the facts that come from now on: an account's history may be long, and the way out short."""
        while True:
            port = self._ports.get(account)
            try:
                if port is not None:
                    seq = (await port.status()).fact_seq
                    break
            except ActorUnreachableError:
                pass  # asked again below, like one that is not connected yet
            await self._wait_for_change(account)
        async with self._deciding:
            await self._need_log().begin_at(account, seq, self._now())

    async def _wait_for_change(self, account: AccountId) -> None:
        changed = self._port_changed[account]
        changed.clear()
        with suppress(TimeoutError):  # the same incarnation may answer again
            async with asyncio.timeout(_RETRY_S):
                await changed.wait()

    # --- looks ----------------------------------------------------------------------------------------------------

    async def look(
        self, legs: Sequence[LegName], group: GroupSpec, believed: Callable[[LegName], Decimal]
    ) -> dict[LegName, LegObservation]:
        """Ask the accounts of some legs, all at once, what their venues say; `believed` says what a leg holds for us.

        Never raises for silence: the observation of a leg without an answer says so.
        """
        looks = (self._look_at(group.legs[leg], group.instrument_id, partial(believed, leg)) for leg in legs)
        return dict(zip(legs, await asyncio.gather(*looks), strict=True))

    async def _look_at(
        self, account: AccountId, instrument_id: InstrumentId, believed: Callable[[], Decimal]
    ) -> LegObservation:
        port = self._ports.get(account)
        if port is None:
            return _nothing(account, believed(), "the account actor is not connected")
        try:
            async with asyncio.timeout(_OBSERVE_BOUND_S):
                return await port.observe(instrument_id)
        except (ActorUnreachableError, TimeoutError) as error:
            return _nothing(account, believed(), f"the account actor does not answer: {error}")

    # --- parts ----------------------------------------------------------------------------------------------------

    def _tie(self, account: AccountId) -> Tie:
        return self._need_log().tie(account, self._files)

    def _need_log(self) -> GroupLog:
        if self._log is None:
            raise RuntimeError("the group actor has not been started")
        return self._log


def _nothing(account: AccountId, believed: Decimal, problem: str) -> LegObservation:
    """No answer: everything missing, nothing zero. Belief is the machine's own, repeated."""
    return LegObservation(
        account=account,
        mode=AccountMode.DISARMED,
        instrument=None,
        quote=None,
        balance=None,
        position=None,
        believed=believed,
        in_flight=0,
        unknown=0,
        problems=(problem,),
    )
