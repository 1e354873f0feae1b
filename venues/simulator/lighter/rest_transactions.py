"""`sendTx` and `sendTxBatch`: the form fields, whichever way they are encoded, as transactions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from venues.simulator.faults import Fault
from venues.simulator.lighter.backend import Backend
from venues.simulator.lighter.clock import VENUE
from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.submission import MAX_BATCH_HTTP
from venues.simulator.lighter.transactions import Transaction, TxType, parse_transaction

SINGLE_PATH = "/api/v1/sendTx"
BATCH_PATH = "/api/v1/sendTxBatch"
PATHS = (SINGLE_PATH, BATCH_PATH)

ACTIONS = {
    TxType.CREATE_ORDER: "order",
    TxType.CANCEL_ORDER: "cancel",
    TxType.CANCEL_ALL: "cancel_all",
    TxType.UPDATE_LEVERAGE: "leverage",
}
"""The words that faults name transactions by."""


def parse_form(form: Mapping[str, Any], path: str, chain_id: int) -> list[Transaction]:
    """Read the fields of `sendTx` (one transaction) or `sendTxBatch`.

    Raises:
        ApiRefusal: a field is missing or malformed, or a transaction is.
    """
    if path == SINGLE_PATH:
        return [parse_transaction(_integer(_field(form, "tx_type")), _field(form, "tx_info"), chain_id)]
    return parse_batch(_field(form, "tx_types"), _field(form, "tx_infos"), MAX_BATCH_HTTP, chain_id)


def parse_batch(types: str, infos: str, most: int, chain_id: int) -> list[Transaction]:
    """Read a batch: two JSON lists as text, type numbers and signed JSON texts.

    Raises:
        ApiRefusal: malformed lists, different lengths, too many, or a transaction that is malformed.
    """
    kinds, texts = _list("tx_types", types), _list("tx_infos", infos)
    if len(kinds) != len(texts) or not kinds:
        raise ApiRefusal(Code.BATCH_LENGTHS_DIFFER)
    if len(kinds) > most:
        raise ApiRefusal(Code.BATCH_TOO_LONG, f"{len(kinds)} > {most}")
    return [parse_transaction(_integer(kind), text, chain_id) for kind, text in zip(kinds, texts, strict=True)]


def take_fault(backend: Backend, batch: Sequence[Transaction]) -> Fault | None:
    """Return the fault that waits for one of these transactions."""
    for transaction in batch:
        fault = backend.faults.take(VENUE, str(transaction.account_index), ACTIONS[transaction.tx_type])
        if fault is not None:
            return fault
    return None


def _field(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name)
    if not isinstance(value, str) or not value:
        raise ApiRefusal(Code.INVALID_PARAMETER, f"{name} is required")
    return value


def _list(name: str, text: str) -> list[Any]:
    try:
        items = json.loads(text)
    except ValueError:
        raise ApiRefusal(Code.INVALID_PARAMETER, f"{name} is not JSON") from None
    if not isinstance(items, list):
        raise ApiRefusal(Code.INVALID_PARAMETER, f"{name} is not a list")
    return items


def _integer(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ApiRefusal(Code.INVALID_PARAMETER, "tx_type is not an integer") from None
