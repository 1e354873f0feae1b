"""Writes from nonce to answer: allocate, sign, hand over, settle. Any doubt stops a key until the venue was asked."""

import asyncio
from collections.abc import Callable, Sequence

from strategies.domain.order import Lane
from venues.errors import Malformed, OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.lighter.budget import Budget
from venues.lighter.config import LighterVenueConfig
from venues.lighter.nonce import KeyNonces
from venues.lighter.orders import OrderLine
from venues.lighter.parse import parse_next_nonce
from venues.lighter.rest import LighterRest
from venues.lighter.signing import (
    TX_CANCEL_ALL,
    TX_CANCEL_ORDER,
    TX_CREATE_ORDER,
    TX_UPDATE_LEVERAGE,
    SignedWrite,
)
from venues.stream import Feed
from venues.venue import Ack, ForeignWrite, Now, PreparedWrite, VenueEvent, WriteIdentity, WriteKind

TX_TYPES = {
    WriteKind.ORDER: TX_CREATE_ORDER,
    WriteKind.CANCEL: TX_CANCEL_ORDER,
    WriteKind.CANCEL_ALL: TX_CANCEL_ALL,
    WriteKind.LEVERAGE: TX_UPDATE_LEVERAGE,
    WriteKind.SWITCH: TX_CANCEL_ALL,
}
_MS_PER_S = 1000
_TAKEN_KEPT = 1_000
"""Nonces remembered as taken after a doubt: far more than can be in doubt at once."""


class Writes:
    """The nonces of all keys, and the writes that carry them."""

    def __init__(
        self,
        config: LighterVenueConfig,
        keys: Sequence[int],
        exit_key: int | None,
        budget: Budget,
        *,
        now: Now,
        feed: Feed[VenueEvent],
    ) -> None:
        """Keep the parts; `connect` gives the rest."""
        self._config = config
        self._exit_key = exit_key
        self._budget = budget
        self._now = now
        self._feed = feed
        self._nonces = {key: KeyNonces() for key in keys}
        self._prepared: dict[str, int] = {}
        self._taken: dict[tuple[int, int], str] = {}
        """Who got a nonce that an earlier write of ours had left in doubt: hash by key and nonce."""
        self._last_sent_at: dict[int, float] = {}
        self._settled = asyncio.Event()
        self._asking = asyncio.Lock()
        self._rest: LighterRest | None = None
        self._line: OrderLine | None = None
        self.resyncs = 0
        self.rate_limited = 0

    def connect(self, rest: LighterRest, line: OrderLine) -> None:
        """Give the ways to ask and to send."""
        self._rest, self._line = rest, line

    def restore(self, pending: Sequence[WriteIdentity]) -> None:
        """Note writes of an earlier life whose outcome is open."""
        for key, nonces in self._nonces.items():
            nonces.restore(write.nonce for write in pending if write.api_key_index == key and write.nonce is not None)

    async def prepare(
        self, identity: WriteIdentity, lane: Lane, sign: Callable[[int, int], SignedWrite]
    ) -> PreparedWrite:
        """Allocate a nonce, sign, and complete the identity.

        Raises:
            Rejected: the signer refused; the nonce is free again.
            Unreachable: the nonce is in doubt and the venue did not tell it.
        """
        return await self._sign(identity, lane, sign, self._choose(lane))

    async def prepare_fence(
        self, doubtful: WriteIdentity, identity: WriteIdentity, lane: Lane, sign: Callable[[int, int], SignedWrite]
    ) -> PreparedWrite | None:
        """Sign a write for the nonce of one in doubt, or for one below it; None when that nonce is used already.

        Raises as `prepare`.
        """
        key, nonce, _ = _carried(doubtful)
        if key not in self._nonces:
            raise Rejected("key", f"key {key} is not one of this account's any more")
        nonces = self._nonces[key]
        if not nonces.in_sync:
            await self._sync_for_write(key, lane)
        if nonces.next is None or nonces.next > nonce:
            return None
        return await self._sign(identity, lane, sign, key)

    async def _sign(
        self, identity: WriteIdentity, lane: Lane, sign: Callable[[int, int], SignedWrite], key: int
    ) -> PreparedWrite:
        nonces = self._nonces[key]
        if not nonces.in_sync:
            await self._sync_for_write(key, lane)
        nonce = nonces.allocate()
        try:
            # In a thread: the library lets go of the interpreter, and the event loop stays quick (NOTES.md).
            signed = await asyncio.to_thread(sign, key, nonce)
        except BaseException:
            nonces.discard(nonce)
            raise
        self._prepared[signed.tx_hash] = key
        complete = {
            "api_key_index": key,
            "nonce": nonce,
            "tx_hash": signed.tx_hash,
            "expires_at": signed.expires_at,
        }
        return PreparedWrite(identity=identity.model_copy(update=complete), lane=lane, payload=signed.tx_info)

    def discard(self, write: PreparedWrite) -> None:
        """Give back a prepared write. A write that a resync made void, or that was sent, has nothing to give back."""
        key, nonce, tx_hash = _carried(write.identity)
        if tx_hash not in self._prepared:
            return
        del self._prepared[tx_hash]
        self._nonces[key].discard(nonce)

    async def transmit(self, write: PreparedWrite) -> "asyncio.Future[Ack]":
        """Take the lane's budget, hand over the bytes, return the answer to come. Raises RateLimited as the budget."""
        key, nonce, tx_hash = _carried(write.identity)
        try:
            await self._budget.send(write.lane, counted=write.identity.kind is not WriteKind.CANCEL)
        except RateLimited:
            self.discard(write)
            raise
        outer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        nonces = self._nonces[key]
        if self._line is None:
            self.discard(write)
            outer.set_exception(Unreachable("not open"))
            return outer
        if tx_hash not in self._prepared or not nonces.may_send(nonce):
            self.discard(write)
            outer.set_exception(Rejected("nonce", f"{nonce} is no longer the next nonce of its key", stale_nonce=True))
            return outer
        del self._prepared[tx_hash]
        nonces.sent(nonce)
        self._last_sent_at[key] = asyncio.get_running_loop().time()
        try:
            inner = await self._line.send(TX_TYPES[write.identity.kind], write.payload, tx_hash)
        except BaseException:
            nonces.doubt(nonce)  # cancelled while the bytes were leaving
            raise
        inner.add_done_callback(lambda done: self._settle(key, nonce, tx_hash, done, outer))
        return outer

    async def resync(self, lane: Lane) -> None:
        """Ask for the next nonce of the keys that are in doubt and that `lane` may use. Raises Unreachable."""
        keys = self._keys_of(lane)
        if lane is Lane.EXIT and any(self._nonces[key].in_sync for key in keys):
            return  # an exit leaves with a key that is in no doubt, and waits for no other
        for key in keys:
            if not self._nonces[key].in_sync:
                await self._sync_for_write(key, lane)

    async def sync(self, key: int, lane: Lane) -> None:
        """Wait until nothing of this key is on its way, then ask the venue until its answer can be believed.

        Raises:
            Unreachable: no usable answer.
            Rejected: the venue does not know the account or the key.
        """
        async with self._asking:
            nonces = self._nonces[key]
            while True:
                await self._drained(nonces)
                await self._let_settle(key)
                answer = await self._ask(key, lane)
                result = nonces.resync(answer, at=self._now(), lag_ms=self._config.nonce_lag_s * _MS_PER_S)
                if result.believed:
                    break
                await asyncio.sleep(self._config.nonce_settle_s)
            self.resyncs += 1
            # What was prepared before is void: its nonce may go to another write now.
            self._prepared = {tx_hash: owner for tx_hash, owner in self._prepared.items() if owner != key}
            if result.foreign:
                detail = f"key {key}: {result.foreign} nonces up to {answer} were used, not by us"
                self._feed.put(ForeignWrite(at=self._now(), detail=detail))

    def explained(self) -> dict[int, int]:
        """Return, per key, the nonce below which every use is ours, or has been told as foreign."""
        found = {key: nonces.explained for key, nonces in self._nonces.items()}
        return {key: nonce for key, nonce in found.items() if nonce is not None}

    def floor(self, key: int) -> int:
        """Return the lowest nonce of a key that is not known to be used up."""
        return self._nonces[key].floor

    def _note_taken(self, key: int, nonce: int, tx_hash: str) -> None:
        self._taken[key, nonce] = tx_hash
        if len(self._taken) > _TAKEN_KEPT:
            del self._taken[next(iter(self._taken))]

    async def _sync_for_write(self, key: int, lane: Lane) -> None:
        try:
            await self.sync(key, lane)
        except Rejected as refusal:
            # It is the question that was refused, not the write.
            raise Unreachable(f"the next nonce of key {key}: {refusal}") from refusal

    def _choose(self, lane: Lane) -> int:
        """Return the key to sign with: the first that is in no doubt. Only exits may use the exit key."""
        keys = self._keys_of(lane)
        return next((key for key in keys if self._nonces[key].in_sync), keys[0])

    def _keys_of(self, lane: Lane) -> list[int]:
        others = [key for key in self._nonces if key != self._exit_key]
        return others if lane is not Lane.EXIT or self._exit_key is None else [self._exit_key, *others]

    async def _drained(self, nonces: KeyNonces) -> None:
        while not nonces.drained:
            self._settled.clear()
            await self._settled.wait()  # every write on its way ends by its own time-out

    async def _let_settle(self, key: int) -> None:
        loop = asyncio.get_running_loop()
        sent_at = self._last_sent_at.get(key)
        if sent_at is not None:
            await asyncio.sleep(max(0.0, sent_at + self._config.nonce_settle_s - loop.time()))

    async def _ask(self, key: int, lane: Lane) -> int:
        if self._rest is None:
            raise Unreachable("not open")
        try:
            return parse_next_nonce(await self._rest.next_nonce(key, lane))
        except (Malformed, RateLimited) as error:
            raise Unreachable(f"the next nonce of key {key}: {error}") from error

    def taken_by(self, key: int, nonce: int) -> str | None:
        """Return the hash of the write that the venue acknowledged under a nonce that was in doubt before it."""
        return self._taken.get((key, nonce))

    def _settle(
        self, key: int, nonce: int, tx_hash: str, done: "asyncio.Future[None]", outer: "asyncio.Future[Ack]"
    ) -> None:
        """Note what became of a write's nonce, and pass the answer on."""
        error = OutcomeUnknown("cut off before the answer") if done.cancelled() else done.exception()
        nonces = self._nonces[key]
        match error:
            case None:
                if nonce in nonces.doubtful:
                    self._note_taken(key, nonce, tx_hash)
                nonces.consumed(nonce)
            case Rejected(stale_nonce=True):
                nonces.stale(nonce)
            case RateLimited():
                self.rate_limited += 1
                self._budget.penalise_sends(error.retry_after_s)
                nonces.refused(nonce)
            case Rejected() | Unreachable():
                nonces.refused(nonce)
            case _:
                nonces.doubt(nonce)
        self._settled.set()
        if outer.done():
            return
        if error is None:
            outer.set_result(Ack())
        else:
            outer.set_exception(error)


def _carried(identity: WriteIdentity) -> tuple[int, int, str]:
    """Return key, nonce and hash of a write that was prepared here."""
    if identity.api_key_index is None or identity.nonce is None or identity.tx_hash is None:
        raise ValueError(f"{identity.kind} was not prepared by this client")
    return identity.api_key_index, identity.nonce, identity.tx_hash
