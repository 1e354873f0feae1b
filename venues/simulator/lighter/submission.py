"""From signed transactions to the exchange: signature, nonce, expiry, the venue's own checks, then execution.

Order is kept per API key: a key's transactions wait for each other here, in the order they arrived, so that slow
verification never lets one overtake another. A nonce is consumed when the API answers 200, and at no other time.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import pairwise

from strategies.domain.ids import Timestamp
from strategies.domain.order import OrderType, Side, TimeInForce
from venues.simulator.exchange import Exchange
from venues.simulator.faults import FaultBook, place_under_faults
from venues.simulator.lighter.clock import VenueClock
from venues.simulator.lighter.errors import CODE_OK, REFUSALS, ApiRefusal, Code
from venues.simulator.lighter.limits import Tier, VolumeQuota
from venues.simulator.lighter.markets import Markets
from venues.simulator.lighter.nonces import KeyBook, KeyId
from venues.simulator.lighter.payloads import MARGIN_FRACTION_TICK, Json
from venues.simulator.lighter.transactions import (
    FIRST_ORDER_INDEX,
    CancelAll,
    CancelAllMode,
    CancelOrder,
    CreateOrder,
    OrderKind,
    Transaction,
    UpdateLeverage,
    WireTimeInForce,
)
from venues.simulator.lighter.txlog import TxLog, TxRow, failure_text
from venues.simulator.lighter.verification import Verifier
from venues.simulator.model import NewOrder, RefusedError
from venues.simulator.wire import Record

MAX_BATCH_HTTP = 50
MAX_BATCH_WS = 15
SCHEDULE_MIN_MS = 5 * 60_000
SCHEDULE_MAX_MS = 15 * 86_400_000
"""A dead man's switch is set between five minutes and fifteen days ahead."""
CROSS_MARGIN = 0
CHANGE = "tx"
"""The key of a transaction among the changes that a server records."""
_NO_QUOTA_USED = "didn't use volume quota"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the API answers to transactions it took."""

    hashes: tuple[str, ...]
    executes_at: int
    quota_remaining: int | None
    message: str

    def body(self, *, batch: bool) -> Json:
        """Return the success body; `message` is for people, and HTTP only."""
        body: Json = {
            "code": CODE_OK,
            "tx_hash": list(self.hashes) if batch else self.hashes[0],
            "predicted_execution_time_ms": self.executes_at,
        }
        if self.quota_remaining is not None:
            body["volume_quota_remaining"] = self.quota_remaining
        return body


@dataclass(frozen=True, slots=True)
class Effect:
    """What executing a transaction did: the order it made or cancels, and when the engine gets to it."""

    delay_ms: int
    order_index: int | None = None


class Submitter:
    """Takes transactions in."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        faults: FaultBook,
        keys: KeyBook,
        markets: Markets,
        log: TxLog,
        verifier: Verifier,
        clock: VenueClock,
        record: Record,
        tier: Tier,
    ) -> None:
        """Wire it to the exchange and to the server's own books."""
        self._exchange = exchange
        self._faults = faults
        self._keys = keys
        self._markets = markets
        self._log = log
        self._verifier = verifier
        self._clock = clock
        self._record = record
        self._tier = tier
        self._locks: defaultdict[KeyId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._quotas: defaultdict[int, VolumeQuota] = defaultdict(VolumeQuota)
        self._last_due: defaultdict[int, Timestamp] = defaultdict(lambda: Timestamp(0))
        self.on_transaction: Callable[[TxRow], None] = lambda _row: None

    def earn_quota(self, account: int, usd: Decimal) -> None:
        """Count traded notional towards the account's volume quota."""
        if self._tier is Tier.PREMIUM:
            self._quotas[account].earn(int(usd))

    async def submit(self, transactions: Sequence[Transaction]) -> Accepted:
        """Take one transaction, or a batch that runs back to back.

        Raises:
            ApiRefusal: nothing happened, and no nonce was consumed.
        """
        key = _one_key(transactions)
        public_key = self._keys.state(*key).public_key
        async with self._locks[key]:
            for transaction in transactions:
                if not await self._verifier.is_signed(transaction, public_key):
                    raise ApiRefusal(Code.INVALID_SIGNATURE)
            return self._take(transactions)

    def _take(self, transactions: Sequence[Transaction]) -> Accepted:
        now = self._clock.true()
        self._check_nonces(transactions)
        for transaction in transactions:
            if transaction.expired_at <= self._clock.shown():
                raise ApiRefusal(Code.INVALID_TX_INFO, "ExpiredAt has passed")
        if len(transactions) > 1:
            for transaction in transactions:
                self._check(transaction, now)
        counted = sum(not isinstance(transaction.body, CancelOrder) for transaction in transactions)
        quota = self._quota(transactions[0].account_index, counted, now)
        executes_at = now
        for place, transaction in enumerate(transactions):
            executes_at = self._execute(transaction, now, first=place == 0)
        hashes = tuple(transaction.tx_hash for transaction in transactions)
        if quota is None:
            words = "Ratelimit is off" if self._tier is Tier.UNLIMITED else _NO_QUOTA_USED
            return Accepted(hashes, self._clock.as_shown(executes_at), None, _ratelimit_message(words))
        before = quota.remaining
        quota.take(counted, now)
        words = _NO_QUOTA_USED if quota.remaining == before else f"{quota.remaining} volume quota remaining."
        return Accepted(hashes, self._clock.as_shown(executes_at), quota.remaining, _ratelimit_message(words))

    def _quota(self, account: int, counted: int, now: Timestamp) -> VolumeQuota | None:
        """Return the account's volume quota if its tier has one and it allows that many transactions."""
        if self._tier is not Tier.PREMIUM:
            return None
        quota = self._quotas[account]
        if not quota.allows(counted, now):
            raise ApiRefusal(Code.TOO_MANY_REQUESTS, "no volume quota left")
        return quota

    def _check_nonces(self, transactions: Sequence[Transaction]) -> None:
        first = transactions[0]
        self._keys.check(first.account_index, first.api_key_index, first.nonce, skip=first.skip_nonce)
        for before, after in pairwise(transactions):
            if after.nonce <= before.nonce:
                raise ApiRefusal(Code.BATCH_NONCES_NOT_RISING)
            if after.nonce != before.nonce + 1 and not after.skip_nonce:
                raise ApiRefusal(Code.INVALID_NONCE)

    def _check(self, transaction: Transaction, now: Timestamp) -> None:
        """Refuse what the API would refuse, without doing anything: a batch is judged whole before it runs."""
        body = transaction.body
        if isinstance(body, CreateOrder):
            try:
                self._exchange.check(self._new_order(str(transaction.account_index), body), now)
            except RefusedError as error:
                raise _refusal_of(error) from None
        elif isinstance(body, UpdateLeverage):
            self._check_leverage(body)
        elif isinstance(body, CancelAll):
            _check_cancel_all(body, self._markets, now)
        else:
            self._markets.by_index(body.market_index)

    def _execute(self, transaction: Transaction, now: Timestamp, *, first: bool) -> Timestamp:
        """Run one transaction; return when the engine gets to it.

        The first of a batch may still be refused by the API. A later one cannot: what refuses it now is the sequencer,
        which consumes the nonce.
        """
        account = transaction.account_index
        executes_at = Timestamp(max(now + self._delay_ms(transaction), self._last_due[account]))
        if transaction.expired_at <= self._clock.as_shown(executes_at):
            # The API answers 200, the sequencer never runs it: no trace is left, and the nonce stays free.
            return executes_at
        failure = ""
        order_index = None
        try:
            order_index = self._run(transaction, now)
        except RefusedError as error:
            refusal = _refusal_of(error)
            if first:
                raise refusal from None
            failure = failure_text(refusal.code)
        self._last_due[account] = executes_at
        self._keys.consume(account, transaction.api_key_index, transaction.nonce, executes_at)
        self._keep(transaction, now, executes_at, order_index, failure)
        return executes_at

    def _keep(
        self, transaction: Transaction, now: Timestamp, executes_at: Timestamp, order_index: int | None, failure: str
    ) -> None:
        row = TxRow(
            sequence_index=self._log.next_sequence,
            tx_hash=transaction.tx_hash,
            tx_type=int(transaction.tx_type),
            info=transaction.info,
            account_index=transaction.account_index,
            api_key_index=transaction.api_key_index,
            nonce=transaction.nonce,
            expired_at=transaction.expired_at,
            queued_at=now,
            executes_at=executes_at,
            order_index=order_index,
            failure=failure,
        )
        self._log.add(row)
        self._record({CHANGE: asdict(row)})
        self.on_transaction(row)

    def _run(self, transaction: Transaction, now: Timestamp) -> int | None:
        """Do it; return the order that it made or cancels."""
        account = str(transaction.account_index)
        match transaction.body:
            case CreateOrder() as body:
                return place_under_faults(self._exchange, self._faults, self._new_order(account, body), now).order_index
            case CancelOrder() as body:
                return self._cancel(account, body, now)
            case CancelAll() as body:
                self._cancel_all(account, body, now)
            case UpdateLeverage() as body:
                self._check_leverage(body)
                symbol = self._markets.by_index(body.market_index).symbol
                self._exchange.set_leverage(account, symbol, Decimal(MARGIN_FRACTION_TICK) / body.fraction, now)
        return None

    def _new_order(self, account: str, body: CreateOrder) -> NewOrder:
        if body.kind not in (OrderKind.LIMIT, OrderKind.MARKET, OrderKind.STOP_LOSS):
            raise ApiRefusal(Code.UNSUPPORTED_ORDER_TYPE, body.kind.name)
        stop = body.kind is OrderKind.STOP_LOSS
        if stop and not body.reduce_only:
            raise ApiRefusal(Code.UNSUPPORTED_ORDER_TYPE, "this simulator keeps reduce-only stops only")
        market = self._markets.by_index(body.market_index)
        rests = body.time_in_force is not WireTimeInForce.IOC
        return NewOrder(
            account=account,
            symbol=market.symbol,
            side=Side.SELL if body.is_ask else Side.BUY,
            order_type=OrderType.LIMIT if body.kind is OrderKind.LIMIT else OrderType.MARKET,
            time_in_force=TimeInForce.GTC if rests else TimeInForce.IOC,
            quantity=market.size_of(body.base_amount),
            price=market.price_of(body.price),
            client_order_id=body.client_order_index or None,
            post_only=body.time_in_force is WireTimeInForce.POST_ONLY,
            reduce_only=body.reduce_only,
            expires_at=Timestamp(body.order_expiry) if rests or stop else None,
            trigger_price=market.price_of(body.trigger_price) if stop else None,
        )

    def _cancel(self, account: str, body: CancelOrder, now: Timestamp) -> int:
        symbol = self._markets.by_index(body.market_index).symbol
        if body.index >= FIRST_ORDER_INDEX:
            return self._exchange.cancel(account, order_index=body.index, symbol=symbol, at=now).order_index
        return self._exchange.cancel(account, client_order_id=body.index, symbol=symbol, at=now).order_index

    def _cancel_all(self, account: str, body: CancelAll, now: Timestamp) -> None:
        _check_cancel_all(body, self._markets, now)
        match body.mode:
            case CancelAllMode.NOW:
                market = None if body.market_index is None else self._markets.by_index(body.market_index).symbol
                self._exchange.cancel_all(account, market, now)
            case CancelAllMode.SCHEDULED:
                self._exchange.schedule_cancel_all(account, Timestamp(body.time))
            case CancelAllMode.ABORT:
                self._exchange.schedule_cancel_all(account, None)

    def _check_leverage(self, body: UpdateLeverage) -> None:
        self._markets.by_index(body.market_index)
        if body.margin_mode != CROSS_MARGIN:
            raise ApiRefusal(Code.UNSUPPORTED_MARGIN_MODE, "this simulator keeps cross margin only")

    def _delay_ms(self, transaction: Transaction) -> int:
        rules = self._exchange.rules
        match transaction.body:
            case CreateOrder() as body:
                takes = body.time_in_force is WireTimeInForce.IOC
                return rules.taker_delay_ms if takes else rules.maker_delay_ms
            case CancelOrder():
                return rules.cancel_delay_ms
            case _:
                return 0


def _one_key(transactions: Sequence[Transaction]) -> KeyId:
    keys = {(transaction.account_index, transaction.api_key_index) for transaction in transactions}
    if len(keys) != 1:
        raise ApiRefusal(Code.BATCH_MIXES_KEYS)
    return keys.pop()


def _check_cancel_all(body: CancelAll, markets: Markets, now: Timestamp) -> None:
    if body.market_index is not None and not markets.has(body.market_index):
        raise ApiRefusal(Code.CANCEL_ALL_MARKET_TYPE, str(body.market_index))
    if body.mode is CancelAllMode.SCHEDULED and not now + SCHEDULE_MIN_MS <= body.time <= now + SCHEDULE_MAX_MS:
        raise ApiRefusal(Code.CANCEL_ALL_TIME, "five minutes to fifteen days ahead")


def _refusal_of(error: RefusedError) -> ApiRefusal:
    return ApiRefusal(REFUSALS[error.refusal], error.detail)


def _ratelimit_message(words: str) -> str:
    return json.dumps({"ratelimit": words})
