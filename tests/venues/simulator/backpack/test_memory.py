"""What the server remembers across a restart."""

import json

import pytest

from strategies.domain.ids import VenueSymbol
from venues.simulator.backpack.memory import Memory
from venues.simulator.backpack.server import BackpackServer

ETH = VenueSymbol("ETH_USDC_PERP")


def reborn(bench) -> BackpackServer:
    """Return a new server over the same exchange."""
    return BackpackServer(
        bench.exchange,
        faults=bench.faults,
        now=bench.clock,
        pump=bench.pump,
        record=bench.changes.append,
        keys=list(bench.keys.values()),
    )


async def some_life(bench) -> None:
    """Do something of everything that is remembered."""
    await bench.order(timeInForce="IOC", slippageTolerance="1", slippageToleranceType="Percent")
    await bench.do("PATCH", "/api/v1/account", {"autoLend": True})
    await bench.order("b", side="Ask")
    await bench.order("b")


async def test_a_dumped_state_is_taken_over_through_json(bench):
    """What is dumped, written as JSON and loaded is the same state."""
    await some_life(bench)
    dumped = json.loads(json.dumps(bench.server.dump_state()))
    later = reborn(bench)
    later.load_state(dumped)
    assert later.dump_state() == bench.server.dump_state()


async def test_recorded_changes_make_the_same_state_again(bench):
    """Applying every change since the beginning ends where the first server is."""
    await some_life(bench)
    changes = json.loads(json.dumps(bench.changes))
    later = reborn(bench)
    for change in changes:
        later.apply_change(change)
    assert later.dump_state() == bench.server.dump_state()


async def test_a_position_keeps_its_id_across_a_restart(bench):
    """After the restart it is adjusted, not opened, under the same id."""
    await bench.order()
    before = (await bench.get("/api/v1/position")).json[0]["positionId"]
    later = reborn(bench)
    later.load_state(bench.server.dump_state())
    event, position_id = later.memory.position_event("a", bench.exchange.position("a", ETH))
    assert (event, str(position_id)) == ("positionAdjusted", before)


def test_a_change_of_an_unknown_kind_is_an_error():
    """A log from somewhere else is not quietly passed over."""
    with pytest.raises(ValueError, match="unknown change"):
        Memory(["a"], [].append).apply({"kind": "strange"})
