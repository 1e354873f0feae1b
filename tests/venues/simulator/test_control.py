"""The control interface: reading the truth, pulling the levers, and what it says to bad input."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from strategies.domain.position import FillCause
from venues.simulator.deployment import Simulation
from venues.simulator.faults import FaultKind
from venues.simulator.testing import simulation


@dataclass
class Bench:
    """A simulation and somebody who controls it."""

    sim: Simulation
    session: aiohttp.ClientSession

    async def get(self, path: str, **query: str) -> Any:
        """Read; must succeed."""
        async with self.session.get(self.sim.control_url + path, params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        """Write; must be answered with this status."""
        async with self.session.post(self.sim.control_url + path, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def trade(self, side: str = "BUY", quantity: str = "0.1") -> Any:
        """Let somebody trade on Lighter's account 1."""
        body = {"venue": "lighter", "account": "1", "symbol": "ETH", "side": side, "quantity": quantity}
        return await self.post("/control/trade", body)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Run a still simulation."""
    async with simulation() as sim, aiohttp.ClientSession() as session:
        yield Bench(sim, session)


async def test_a_foreign_trade_shows_in_fills_orders_positions_and_state(bench: Bench) -> None:
    """What somebody else traded is told everywhere, in decimal strings."""
    order = (await bench.trade())["order"]
    fills = (await bench.get("/control/fills", venue="lighter", account="1"))["fills"]
    assert [(f["side"], Decimal(f["quantity"]), f["order_index"], f["cause"]) for f in fills] == [
        ("BUY", Decimal("0.1"), order["order_index"], "ORDER")
    ]
    orders = (await bench.get("/control/orders", account="1"))["orders"]
    assert [(o["venue"], o["state"]) for o in orders] == [("lighter", "FILLED")]
    positions = (await bench.get("/control/positions"))["positions"]
    assert [(p["venue"], p["account"], p["symbol"], Decimal(p["quantity"])) for p in positions] == [
        ("lighter", "1", "ETH", Decimal("0.1"))
    ]
    state = await bench.get("/control/state")
    assert Decimal(state["venues"]["lighter"]["accounts"]["1"]["equity"]) < Decimal(10_000)
    assert state["venues"]["backpack"]["markets"]["ETH_USDC_PERP"]["bids"]


async def test_fills_can_be_asked_for_since_a_moment(bench: Bench) -> None:
    """`since` leaves out what came before it."""
    await bench.trade()
    at = (await bench.get("/control/fills"))["fills"][0]["at"]
    assert len((await bench.get("/control/fills", since=str(at)))["fills"]) == 1
    assert (await bench.get("/control/fills", since=str(at + 1)))["fills"] == []


async def test_price_can_be_pinned_moved_and_let_go(bench: Bench) -> None:
    """The levers move both venues at once."""
    await bench.post("/control/price", {"symbol": "ETH", "price": "3100"})
    state = await bench.get("/control/state")
    assert Decimal(state["venues"]["lighter"]["markets"]["ETH"]["mark"]) == Decimal(3100)
    assert Decimal(state["venues"]["backpack"]["markets"]["ETH_USDC_PERP"]["mark"]) == Decimal(3100)
    moved = await bench.post("/control/price/move", {"symbol": "ETH", "fraction": "-0.5"})
    assert Decimal(moved["price"]) == Decimal(1550)
    await bench.post("/control/price", {"symbol": "ETH", "price": None})
    assert bench.sim.exchange_lighter.market("ETH").mark == Decimal(3000)


async def test_a_position_can_be_liquidated(bench: Bench) -> None:
    """A forced close answers with its trades, which carry the cause."""
    await bench.trade(quantity="1")
    body = {"venue": "lighter", "account": "1", "symbol": "ETH_USDC_PERP", "cause": "ADL", "fraction": "0.5"}
    trades = (await bench.post("/control/liquidate", body))["trades"]
    assert [(t["cause"], Decimal(t["quantity"])) for t in trades] == [("ADL", Decimal("0.5"))]
    assert bench.sim.exchange_lighter.trades("1")[-1].cause is FillCause.ADL


async def test_deposits_and_books_and_funding(bench: Bench) -> None:
    """Money can be brought in, the crowd thinned, the next funding fixed."""
    answer = await bench.post("/control/deposit", {"venue": "backpack", "account": "bp", "amount": "-2500"})
    assert Decimal(answer["collateral"]) == Decimal(7500)
    before = bench.sim.exchange_lighter.book("ETH", 1).asks[0].quantity
    await bench.post("/control/book", {"symbol": "ETH", "depth_factor": "0.01"})
    assert bench.sim.exchange_lighter.book("ETH", 1).asks[0].quantity < before / 10
    await bench.post("/control/funding", {"symbol": "ETH", "rate": "0.0005"})
    assert bench.sim.exchange_backpack.market("ETH_USDC_PERP").funding_rate == Decimal("0.0005")


async def test_faults_are_added_listed_and_removed(bench: Bench) -> None:
    """A fault has an id by which it goes; without an id all go."""
    body = {"kind": "LOSE_ANSWER", "venue": "lighter", "account": "1", "action": "order", "count": 3}
    added = (await bench.post("/control/faults", body))["id"]
    await bench.post("/control/faults", {"kind": "SKEW_CLOCK", "venue": "backpack", "delay_ms": 5000})
    listed = (await bench.get("/control/faults"))["faults"]
    assert [(f["kind"], f["count"]) for f in listed] == [("LOSE_ANSWER", 3), ("SKEW_CLOCK", 1)]
    assert (await bench.get("/control/clock"))["skew_ms"] == {"lighter": 0, "backpack": 5000}
    url = bench.sim.control_url + "/control/faults"
    async with bench.session.delete(f"{url}/{added}") as answer:
        assert answer.status == 200
    assert [f.kind for f in bench.sim.faults.listing()] == [FaultKind.SKEW_CLOCK]
    async with bench.session.delete(f"{url}/{added}") as answer:
        assert (answer.status, (await answer.json())["error"]) == (404, f"id: there is no fault {added}")
    async with bench.session.delete(url) as answer:
        assert answer.status == 200
    assert bench.sim.faults.listing() == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("price", {"symbol": "ETH"}, "price"),
        ("price", {"symbol": "ETH", "price": "x"}, "price"),
        ("price", {"symbol": "ETH", "price": "NaN"}, "price"),
        ("price", {"symbol": "DOGE", "price": "1"}, "symbol"),
        ("price/move", {"symbol": "ETH", "fraction": "-1"}, "fraction"),
        ("liquidate", {"venue": "mars", "account": "1", "symbol": "ETH"}, "venue"),
        ("liquidate", {"venue": "lighter", "account": "1", "symbol": "ETH", "cause": "ORDER"}, "cause"),
        ("liquidate", {"venue": "lighter", "account": "9", "symbol": "ETH"}, "unknown-account"),
        ("trade", {"venue": "lighter", "account": "1", "symbol": "ETH", "side": "UP", "quantity": "1"}, "side"),
        ("trade", {"venue": "lighter", "account": "1", "symbol": "ETH", "side": "BUY", "quantity": "0.00001"}, "lot"),
        ("faults", {"kind": "LOSE_ANSWER", "venue": "lighter", "colour": "red"}, "colour"),
        ("faults", {"kind": "NOTHING", "venue": "lighter"}, "kind"),
        ("faults", {"kind": "STATUS_AFTER", "venue": "lighter", "status": 99}, "status"),
        ("book", {"symbol": "ETH", "depth_factor": "0"}, "depth_factor"),
        ("deposit", [], "body"),
    ],
)
async def test_bad_input_names_its_field(bench: Bench, path: str, body: Any, field: str) -> None:
    """Each mistake is answered with 400 and the name of the field, and nothing happens."""
    answer = await bench.post(f"/control/{path}", body, status=400)
    assert answer["error"].startswith(f"{field}: ")
    assert bench.sim.faults.listing() == []


async def test_bad_queries_and_bodies_are_explained(bench: Bench) -> None:
    """A wrong query, and a body that is not JSON, say what is wrong."""
    url = bench.sim.control_url
    for query, field in (({"venue": "mars"}, "venue"), ({"account": "nobody"}, "account"), ({"since": "now"}, "since")):
        async with bench.session.get(url + "/control/fills", params=query) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"].startswith(f"{field}: ")
    async with bench.session.post(url + "/control/price", data=b"{") as answer:
        assert (answer.status, await answer.json()) == (400, {"error": "body: not JSON"})
