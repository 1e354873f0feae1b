"""A whole deployment as a person starts it: the command line, Ray, both simulators; and the exchange as its judge."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.account.book import Book
from actors.account.entries import EntryKind
from actors.journal.protocol import Entry
from actors.journal.store import open_store
from strategies.domain.ids import AccountId
from strategies.domain.position import FillCause
from venues.simulator.config import SimulationConfig
from venues.simulator.deployment import Simulation
from venues.simulator.model import OrderRow

ROOT = Path(__file__).resolve().parents[2]
TAPE = ROOT.parent / "shared" / "data" / "btc-perp-1m-2022-01.csv"
LIGHTER = {1: "l1a", 2: "l1b", 3: "l2a", 4: "l2b"}
BACKPACK = ("bp-1", "bp-2")
STOP_BOUND_S = 60.0


@dataclass
class Judged:
    """What the exchanges' history shows."""

    orders: dict[str, int] = field(default_factory=dict)
    forced: int = 0
    """Executions that the venues forced: liquidations and deleverages."""
    cycles: dict[str, set[int]] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)
    """Accounts that have traded."""


class Deployment:
    """One `python supervisor.py` in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *settings: str,
        base: str = "paper.toml",
        lighter: dict[int, str] = LIGHTER,
        backpack: tuple[str, ...] = BACKPACK,
    ) -> None:
        self.folder = folder
        self.lighter, self.backpack = lighter, backpack
        self.state = folder / "state"
        self.file = folder / "groups.toml"
        text = (ROOT / "conf" / base).read_text(encoding="utf-8")
        self.file.write_text(text.replace("state/paper", str(self.state)), encoding="utf-8")
        self.settings = ("supervisor.port=0", *settings)
        self.process: asyncio.subprocess.Process | None = None
        self._output = folder / "output.txt"

    @property
    def output(self) -> str:
        """Return everything it has printed."""
        return self._output.read_text(encoding="utf-8") if self._output.exists() else ""

    async def start(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        """Start it in a session of its own, its output in a file."""
        options = [part for setting in self.settings for part in ("--set", setting)]
        with self._output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "supervisor.py",
                "--groups",
                str(self.file),
                *options,
                *arguments,
                cwd=ROOT,
                env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | (environment or {}),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def wait(self, bound_s: float) -> int:
        """Return the exit code; fail with the output when it does not end."""
        try:
            return await asyncio.wait_for(self.process.wait(), bound_s)
        except TimeoutError:
            pytest.fail(f"still runs after {bound_s:g} s:\n{self.output[-6000:]}")

    async def stop(self) -> None:
        """End whatever still runs of it, by id."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_BOUND_S)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()

    async def until(self, condition: Callable[[], Any], what: str | Callable[[], str], bound_s: float = 60.0) -> Any:
        """Wait for a condition (a value that is true); fail with the output when it does not come.

        `what` names it; a function is asked only then, and may say what was the case instead.
        """
        deadline = asyncio.get_running_loop().time() + bound_s
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            ended = self.process is not None and self.process.returncode is not None
            if ended or asyncio.get_running_loop().time() > deadline:
                named = what if isinstance(what, str) else what()
                pytest.fail(f"waited in vain for: {named} (ended: {ended})\n{self.output[-6000:]}")
            await asyncio.sleep(0.05)

    async def status(self) -> dict[str, Any]:
        """Return what /api/groups says."""
        address = re.compile(r"http://127\.0\.0\.1:\d+(?=/api/groups)")
        found = await self.until(lambda: address.search(self.output), "an address")
        return await self._get(f"{found.group(0)}/api/groups")

    async def metrics(self) -> str:
        """Return what /metrics says."""
        found = await self.until(lambda: re.search(r"http://127\.0\.0\.1:\d+/metrics", self.output), "an address")
        async with aiohttp.ClientSession() as session, session.get(found.group(0)) as answer:
            return await answer.text()

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Use the simulator's control interface. Raises FileNotFoundError or ClientError when it does not run."""
        paper = self.state / "simulator" / "running.json"
        url = json.loads(paper.read_text())["addresses"]["control_url"]
        async with aiohttp.ClientSession() as session, session.request(method, url + path, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return json.loads(await answer.text(), parse_float=Decimal)

    async def judge(self) -> "Judged":
        """Let the exchange's own history say: flat, every order wanted, none twice."""
        books = await self.journaled()
        async with self.venues() as simulation:
            judged = Judged()
            for venue, exchange in simulation.venues.items():
                for account in exchange.accounts():
                    name = self.lighter[int(account)] if venue == "lighter" else account
                    rows = _judge_account(name, exchange, account, books[name])
                    judged.orders[name] = len(rows)
                    judged.filled |= {name for row in rows if row.filled}
                    judged.forced += sum(trade.cause is not FillCause.ORDER for trade in exchange.trades(account))
            for book in books.values():
                for order_id in book.state.orders:
                    group, cycle, *_ = order_id.split(":")
                    judged.cycles.setdefault(group, set()).add(int(cycle))
            return judged

    @asynccontextmanager
    async def venues(self) -> AsyncIterator[Simulation]:
        """Open what the venues remember of a deployment that has ended."""
        config = SimulationConfig(
            seed=7,
            lighter_accounts=tuple(self.lighter),
            backpack_accounts=self.backpack,
            keys_dir=self.state / "keys",
            state_file=self.state / "venues",
            collateral=Decimal(10000),
        )
        simulation = Simulation(config)
        await simulation.start()
        try:
            yield simulation
        finally:
            await simulation.stop()

    async def journaled(self) -> dict[str, Book]:
        """Fold the accounts' journals of a deployment that has ended."""
        books = {}
        store = open_store(f"sqlite:{self.state}/journal")
        for name in (*self.lighter.values(), *self.backpack):
            stream = f"account/{name}"
            epoch, _ = await store.owner(stream)
            journal = await store.open(stream, epoch)
            book = Book(AccountId(name))
            for record in await journal.read():
                book.apply(Entry(kind=EntryKind(record.kind), at=record.at, body=record.body))
            await journal.close()
            books[name] = book
        await store.close()
        return books

    async def _get(self, url: str) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.json()


def _judge_account(name: str, exchange: Any, account: str, book: Book) -> list[OrderRow]:
    held = [row for row in exchange.positions(account) if row.quantity != 0]
    assert held == [], f"{name} is not flat: {held}"
    resting = exchange.orders(account, active=True)
    assert resting == [], f"{name} left orders: {resting}"
    wanted = {record.client_order_id: record.request for record in book.state.orders.values()}
    ours = [row for row in exchange.orders(account, active=None) if row.cause.value == "ORDER"]
    ids = [row.client_order_id for row in ours]
    assert None not in ids, f"{name}: an order without a client id"
    assert len(ids) == len(set(ids)), f"{name}: an order came twice"
    assert set(ids) <= set(wanted), f"{name}: an order that the journal does not know"
    for row in ours:
        request = wanted[row.client_order_id]
        assert (row.side, row.quantity) == (request.side, request.quantity)
        filled = book.state.orders[request.order_id].filled
        assert filled == row.filled, f"{name}: {request.order_id} filled {row.filled}, journal says {filled}"
    believed = {quantity.quantity for quantity in book.state.positions.values()}
    assert believed <= {Decimal(0)}, f"{name} believes {believed}"
    return ours
