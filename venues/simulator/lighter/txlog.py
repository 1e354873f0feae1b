"""Every transaction the API took: what `tx`, `accountTxs` and `account_tx` tell."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from strategies.domain.ids import Timestamp
from venues.simulator.exchange import Exchange
from venues.simulator.lighter.errors import MESSAGES, Code
from venues.simulator.lighter.markets import Markets
from venues.simulator.lighter.transactions import TxType
from venues.simulator.lighter.words import l1_address, order_status, tx_order_fields
from venues.simulator.model import EndReason, OrderRow, OrderState

REMEMBERED = 5_000
"""Transactions kept; the oldest go first. All of them are in every snapshot of the state file."""
_US = 1000
BLOCK_MS = 100
"""One simulated block each tenth of a second: heights are the clock, divided."""

FAILED, PENDING, EXECUTED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class TxRow:
    """One transaction. `order_index` is the exchange's number of the order that it made or cancels."""

    sequence_index: int
    tx_hash: str
    tx_type: int
    info: str
    account_index: int
    api_key_index: int
    nonce: int
    expired_at: int
    queued_at: int
    executes_at: int
    order_index: int | None = None
    failure: str = ""  # the sequencer's refusal, JSON, when it was known at once


class TxLog:
    """The transactions, by hash, by sequence and by the order they made."""

    def __init__(self) -> None:
        """Start empty; sequence numbers start at 1."""
        self._rows: dict[int, TxRow] = {}
        self._by_hash: dict[str, int] = {}
        self._by_order: dict[int, int] = {}
        self._next = 1

    @property
    def next_sequence(self) -> int:
        """Return the number that the next transaction gets."""
        return self._next

    def add(self, row: TxRow) -> None:
        """Keep a transaction."""
        self._rows[row.sequence_index] = row
        self._by_hash[row.tx_hash] = row.sequence_index
        if row.tx_type == TxType.CREATE_ORDER and row.order_index is not None:
            self._by_order[row.order_index] = row.sequence_index
        self._next = row.sequence_index + 1
        if len(self._rows) > REMEMBERED:
            oldest = self._rows.pop(next(iter(self._rows)))
            self._by_hash.pop(oldest.tx_hash, None)

    def by_hash(self, tx_hash: str) -> TxRow | None:
        """Return the transaction with this hash."""
        return self._rows.get(self._by_hash.get(tx_hash, 0))

    def by_sequence(self, sequence_index: int) -> TxRow | None:
        """Return the transaction with this number."""
        return self._rows.get(sequence_index)

    def of_account(self, account: int, after: int, limit: int, types: frozenset[int] | None) -> list[TxRow]:
        """Return the account's transactions after a sequence number, oldest first."""
        found = (
            row
            for row in self._rows.values()
            if row.account_index == account and row.sequence_index > after and (types is None or row.tx_type in types)
        )
        return [row for row, _ in zip(found, range(limit), strict=False)]

    def hash_of_order(self, order_index: int) -> str | None:
        """Return the hash of the transaction that made an order; None for the crowd's and the venue's own."""
        row = self._rows.get(self._by_order.get(order_index, 0))
        return None if row is None else row.tx_hash

    def dump(self) -> list[dict[str, Any]]:
        """Return the rows as JSON-able objects, oldest first."""
        return [asdict(row) for row in self._rows.values()]

    def load(self, rows: list[Mapping[str, Any]]) -> None:
        """Take over what `dump` returned."""
        for row in rows:
            self.add(TxRow(**row))


def block_height(at: int) -> int:
    """Return the height of the simulated chain at a moment, epoch ms."""
    return at // BLOCK_MS


def enriched_tx(row: TxRow, exchange: Exchange, markets: Markets, now: Timestamp) -> dict[str, Any]:
    """Return the wire form: what the transaction came to is read off the order it made or cancelled."""
    order = None if row.order_index is None else exchange.order(str(row.account_index), row.order_index)
    failure = row.failure or _failure(row, order)
    executed = row.executes_at <= now and (order is None or order.state is not OrderState.PENDING)
    status = PENDING if not executed else FAILED if failure else EXECUTED
    return {
        "hash": row.tx_hash,
        "type": row.tx_type,
        "info": row.info,
        "event_info": json.dumps(_event_info(row, order, markets, failure if executed else ""), separators=(",", ":")),
        "status": status,
        "transaction_index": 0,
        "l1_address": l1_address(row.account_index),
        "account_index": row.account_index,
        "nonce": row.nonce,
        "expire_at": row.expired_at,
        "block_height": block_height(row.executes_at) if executed else 0,
        "queued_at": row.queued_at,
        "executed_at": row.executes_at if executed else 0,
        "sequence_index": row.sequence_index,
        "parent_hash": "",
        "api_key_index": row.api_key_index,
        "transaction_time": row.executes_at * _US,
    }


def failure_text(code: Code) -> str:
    """Return the `ae` of a transaction that the sequencer refused."""
    return json.dumps({"code": int(code), "message": MESSAGES[code]}, separators=(",", ":"))


_ENGINE_CODES = {
    EndReason.MARGIN: Code.NOT_ENOUGH_MARGIN,
    EndReason.REDUCE_ONLY: Code.REDUCE_ONLY_INCREASES,
    EndReason.LIQUIDATION: Code.IN_LIQUIDATION,
}


def _failure(row: TxRow, order: OrderRow | None) -> str:
    if order is None:
        return ""
    if row.tx_type == TxType.CANCEL_ORDER:
        canceled = order.end_reason is EndReason.USER or order.state in (OrderState.OPEN, OrderState.PENDING)
        return "" if canceled else failure_text(Code.INACTIVE_ORDER)
    if order.state is OrderState.REJECTED:
        return failure_text(_ENGINE_CODES.get(order.end_reason, Code.UNSUPPORTED_ORDER_TYPE))
    return ""


def _event_info(row: TxRow, order: OrderRow | None, markets: Markets, failure: str) -> dict[str, Any]:
    if order is None:
        return {"a": row.account_index, "ae": failure}
    if row.tx_type == TxType.CANCEL_ORDER:
        return {"a": row.account_index, "i": order.order_index, "u": order.client_order_id or 0, "ae": failure}
    market = markets.by_symbol(order.symbol)
    return {
        "m": market.index,
        "t": None,
        "mo": None,
        "to": tx_order_fields(order, market, order_status(order)),
        "ae": failure,
    }
