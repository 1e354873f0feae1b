"""The whole simulation in one process: venues that move together, distance, memory."""

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from strategies.domain.ids import Timestamp, VenueSymbol
from tests.venues.simulator.venue_rules import buy, sell
from venues.simulator import deployment
from venues.simulator.catalog import LighterTier
from venues.simulator.deployment import Simulation, SimulationConfig
from venues.simulator.listening import PortInUseError
from venues.simulator.prices import TapeError
from venues.simulator.recorded import dump_state
from venues.simulator.statelog import StateFileError
from venues.simulator.testing import simulation

ETH_PERP = VenueSymbol("ETH_USDC_PERP")
ETH = VenueSymbol("ETH")
STILL = SimulationConfig(
    lighter_accounts=(1, 2), backpack_accounts=("bp",), volatility=0.0, tier=LighterTier.UNLIMITED, tick_ms=10
)


async def get(url: str) -> tuple[int, str]:
    """Fetch a URL."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


def whole(running: Simulation) -> dict[str, Any]:
    """Return everything the exchanges remember."""
    return {venue: dump_state(exchange.state) for venue, exchange in running.exchanges.items()}


async def test_every_part_answers() -> None:
    """Both venues and the control interface answer on their own loopback ports."""
    async with simulation() as sim:
        urls = {sim.lighter_url, sim.backpack_url, sim.control_url}
        assert len(urls) == 3
        assert all(url.startswith("http://127.0.0.1:") for url in urls)
        status, body = await get(sim.lighter_url + "/api/v1/orderBooks")
        assert (status, json.loads(body)["code"]) == (200, 200)
        status, body = await get(sim.backpack_url + "/api/v1/markets")
        assert status == 200
        assert ETH_PERP in body
        status, _ = await get(sim.control_url + "/control/state")
        assert status == 200


async def test_both_venues_follow_one_price() -> None:
    """A pinned price holds on both venues at once; a move shifts what follows; letting go returns to the source."""
    async with simulation() as sim:
        marks = lambda: (sim.exchange_lighter.market(ETH).mark, sim.exchange_backpack.market(ETH_PERP).mark)  # noqa: E731
        await sim.set_price("ETH_USDC_PERP", Decimal("2875.5"))
        assert marks() == (Decimal("2875.5"), Decimal("2875.5"))
        await sim.set_price("ETH", None)
        assert marks() == (Decimal(3000), Decimal(3000))
        await sim.move_price("ETH", Decimal("-0.1"))
        assert marks() == (Decimal(2700), Decimal(2700))
        with pytest.raises(KeyError):
            await sim.set_price("DOGE", Decimal(1))


async def test_time_runs_by_itself() -> None:
    """A delayed order is filled by the ticker, without any request."""
    async with simulation(tier=LighterTier.STANDARD) as sim:
        row = sim.exchange_lighter.place(buy("0.1", account="1"), sim.now())
        async with asyncio.timeout(10):
            while not sim.exchange_lighter.trades("1"):  # noqa: ASYNC110 - the ticker tells nobody
                await asyncio.sleep(0.02)
        waited = sim.exchange_lighter.trades("1")[0].at - row.created_at
        assert 300 <= waited < 5000


async def test_a_liquidation_goes_on_by_the_ticker() -> None:
    """The book runs out in the middle of a liquidation and is full again; the price stands still, nobody asks."""
    async with simulation(tier=LighterTier.UNLIMITED, collateral=Decimal(1000)) as sim:
        exchange = sim.exchange_lighter
        exchange.set_leverage("1", ETH, Decimal(50), sim.now())
        exchange.place(buy("14", account="1"), sim.now())
        exchange.set_depth(ETH, Decimal("0.001"), sim.now())
        await sim.move_price("ETH", Decimal("-0.015"))
        assert exchange.margin("1").liquidating
        exchange.set_depth(ETH, Decimal(1), sim.now())
        async with asyncio.timeout(10):
            while exchange.margin("1").liquidating:  # noqa: ASYNC110 - the ticker tells nobody
                await asyncio.sleep(0.02)


async def test_distance_delays_every_answer() -> None:
    """With a latency a round trip takes at least that long."""
    async with simulation(latency_ms=80) as sim, aiohttp.ClientSession() as session:
        loop = asyncio.get_running_loop()
        async with session.get(sim.lighter_url + "/api/v1/orderBooks") as first:
            assert first.status == 200
        begun = loop.time()
        async with session.get(sim.lighter_url + "/api/v1/orderBooks") as second:
            assert second.status == 200
        assert loop.time() - begun >= 0.08


async def test_a_port_in_use_stops_the_start_cleanly() -> None:
    """The error names the port, and what already listened is closed again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = Simulation(replace(STILL, control_port=port))
        with pytest.raises(PortInUseError, match=f"port {port}"):
            await running.start()
        with pytest.raises(aiohttp.ClientConnectionError):
            await get(running.lighter_url)


async def test_a_tape_drives_its_coin(tmp_path: Path) -> None:
    """BTC follows the tape from its first bar, faster by the speed; the other coins walk."""
    path = tmp_path / "tape.csv"
    rows = ["timestamp,open,high,low,close,volume"]
    rows += [f"2022-01-01 00:{m:02d}:00,{100 + m},{100 + m},{100 + m},{100 + m},1" for m in range(60)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    clock = {"now": 1_000_000}
    config = replace(STILL, tape=path, speed=Decimal(60), now=lambda: Timestamp(clock["now"]))
    running = Simulation(config)
    await running.start()
    try:
        assert running.exchange_lighter.market(VenueSymbol("BTC")).mark == Decimal(100)
        clock["now"] += 10_000
        await running.tick()
        assert running.exchange_lighter.market(VenueSymbol("BTC")).mark == Decimal(110)
        assert running.exchange_backpack.market(VenueSymbol("BTC_USDC_PERP")).mark == Decimal(110)
        assert running.exchange_lighter.market(ETH).mark == Decimal(3000)
    finally:
        await running.stop()
    with pytest.raises(TapeError):
        Simulation(replace(config, tape=tmp_path / "none.csv"))
    with pytest.raises(ValueError, match="DOGE"):
        Simulation(replace(config, tape_symbol="DOGE"))


async def test_a_fast_market_jumps_over_no_extreme(tmp_path: Path) -> None:
    """Between two ticks that are minutes of market time apart, every bar's low and high trades."""
    path = tmp_path / "tape.csv"
    text = "timestamp,open,high,low,close,volume\n"
    text += "2022-01-01 00:00:00,100,100,100,100,1\n2022-01-01 00:01:00,100,120,80,100,1\n"
    text += "2022-01-01 00:02:00,100,100,100,100,1\n"
    path.write_text(text, encoding="utf-8")
    clock = {"now": 1_000_000}
    running = Simulation(
        replace(STILL, tape=path, speed=Decimal(150), now=lambda: Timestamp(clock["now"]), tick_ms=10_000)
    )
    await running.start()
    try:
        exchange = running.exchange_lighter
        exchange.place(buy("1", "90.1", account="1", symbol=VenueSymbol("BTC")), running.now())
        exchange.place(sell("1", "109.9", account="2", symbol=VenueSymbol("BTC")), running.now())
        clock["now"] += 1000
        await running.tick()
        assert exchange.market(VenueSymbol("BTC")).mark == Decimal(100)
        assert [trade.price for trade in exchange.trades(None)] == [Decimal("90.1"), Decimal("109.9")]
    finally:
        await running.stop()


async def live(config: SimulationConfig) -> tuple[Simulation, dict[str, Any]]:
    """Start, trade on both venues, move the market; return the simulation and what it remembers."""
    running = Simulation(config)
    await running.start()
    running.exchange_lighter.place(buy("0.1", account="1", client_id=5), running.now())
    running.exchange_lighter.place(buy("0.1", "2990", account="1", client_id=6), running.now())
    running.exchange_backpack.place(buy("0.1", account="bp", symbol=ETH_PERP), running.now())
    await running.set_price("ETH", Decimal(3010))
    await running.move_price("BTC", Decimal("0.01"))
    return running, whole(running)


@pytest.mark.parametrize("orderly", [True, False])
async def test_a_second_life_goes_on_where_the_first_ended(tmp_path: Path, orderly: bool) -> None:  # noqa: FBT001
    """Accounts, orders, trades, positions, prices and keys survive, after a stop and after a kill."""
    config = replace(STILL, state_file=tmp_path / "state", keys_dir=tmp_path / "keys")
    first, _ = await live(config)
    await first.tick()
    if orderly:
        await first.stop()
        kept = tmp_path / "state"
    else:
        # A kill leaves the file as it is at this moment; the process that still runs must not touch it again.
        kept = tmp_path / "killed"
        kept.write_bytes((tmp_path / "state").read_bytes())
    before = whole(first)
    second = Simulation(replace(config, state_file=kept))
    assert whole(second) == before
    assert second.lighter_key(1) == first.lighter_key(1)
    assert second.backpack_secret("bp") == first.backpack_secret("bp")
    await second.start()
    try:
        assert second.exchange_lighter.market(ETH).mark == Decimal(3010)
        assert second.exchange_lighter.market(VenueSymbol("BTC")).mark == Decimal(60_600)
        assert second.exchange_lighter.margin("1").collateral == first.exchange_lighter.margin("1").collateral
        found = second.exchange_lighter.order_by_client_id("1", 6)
        assert found is not None
        assert second.exchange_lighter.cancel("1", client_order_id=6, at=second.now()).remaining == Decimal("0.1")
    finally:
        await second.stop()
        await first.stop()


async def test_the_state_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After enough changes a snapshot replaces them, and a restart from it is exact."""
    monkeypatch.setattr(deployment, "_SNAPSHOT_LINES", 3)
    config = replace(STILL, state_file=tmp_path / "state", keys_dir=tmp_path / "keys", volatility=0.001)
    first, _ = await live(config)
    for price in range(3000, 3020):
        await first.set_price("ETH", Decimal(price))
    assert len((tmp_path / "state").read_bytes().splitlines()) < 10
    await first.stop()
    assert whole(Simulation(config)) == whole(first)


async def test_a_state_of_another_seed_is_refused(tmp_path: Path) -> None:
    """The file belongs to its seed; going on with another would be another market."""
    config = replace(STILL, state_file=tmp_path / "state", keys_dir=tmp_path / "keys")
    first, _ = await live(config)
    await first.stop()
    with pytest.raises(StateFileError, match="seed 1, not 2"):
        Simulation(replace(config, seed=2))


async def test_one_seed_one_market() -> None:
    """Two simulations with one seed and one clock see the same prices and books; another seed sees others."""
    clock: Mapping[str, Timestamp] = {"now": Timestamp(1_700_000_000_000)}
    config = replace(STILL, volatility=0.001, now=lambda: clock["now"])
    views = []
    for seed in (1, 1, 2):
        running = Simulation(replace(config, seed=seed))
        await running.start()
        views.append([running.exchange_lighter.book(ETH, 5), running.exchange_backpack.book(ETH_PERP, 5)])
        await running.stop()
    assert views[0] == views[1]
    assert views[0] != views[2]
