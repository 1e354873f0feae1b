"""Restarts: nonces and transactions come back, from a snapshot and from the log of changes."""

import json
from collections.abc import Callable
from typing import Any


async def test_snapshot_brings_nonces_and_transactions_back(
    build: Callable[..., Any], serve: Callable[[Any], Any], bench: Any
):
    """A new server that loads the dump goes on where the old one was."""
    trader = bench.trader()
    signed = [trader.cancel_all(nonce) for nonce in (1, 2)]
    for each in signed:
        await bench.send(each)
    dump = json.loads(json.dumps(bench.server.dump_state()))
    successor = build()
    successor.server.load_state(dump)
    async with serve(successor) as restarted:
        nonce = await restarted.get("/api/v1/nextNonce", account_index=65, api_key_index=4)
        assert nonce.json["nonce"] == 3
        found = await restarted.get("/api/v1/tx", by="hash", value=signed[1].tx_hash)
        assert (found.json["nonce"], found.json["sequence_index"]) == (2, 2)
        assert (await restarted.send(restarted.trader().cancel_all(2))).json["code"] == 21104
        assert (await restarted.send(restarted.trader().cancel_all(3))).status == 200
        assert restarted.server.dump_state()["transactions"][-1]["sequence_index"] == 3


async def test_recorded_changes_do_the_same(build: Callable[..., Any], bench: Any):
    """What was told to `record` rebuilds the same state."""
    trader = bench.trader()
    await bench.send(trader.cancel_all(1))
    await bench.send(trader.order(2, price=1))
    await bench.send(trader.cancel_all(2))
    assert len(bench.changes) == 2
    successor = build()
    for change in bench.changes:
        successor.server.apply_change(change)
    assert successor.server.dump_state() == bench.server.dump_state()
