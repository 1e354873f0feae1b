"""The alerts that matter most, through a real Prometheus and a real Alertmanager to a webhook.

All the others: `make alert-drill`.
"""

import asyncio
import time
from decimal import Decimal

import pytest

from actors.hosting.protocol import ActorKind
from actors.supervision.overview import AccountRow, Overview
from actors.web.server import StatusServer
from strategies.domain.ids import Timestamp
from tests.actors.scene import A, G, actor, group_row, scene
from tests.actors.supervision.local import account_status, group_status, leg
from tests.grafana.drill.panels import answers
from tests.grafana.monitoring import monitoring

pytestmark = pytest.mark.timeout(120)
BOUND_S = 30.0


class Book:
    """A group over one account, as the supervisor sees it now; all that it holds is uncovered."""

    def __init__(self) -> None:
        self.net, self.naked_since = "0", None

    def look(self) -> Overview:
        """Take a picture with the wall clock."""
        now = Timestamp(int(time.time() * 1000))
        status = group_status(G, 2, legs={"long": leg(Decimal(self.net))})
        status = status.model_copy(update={"naked_since": self.naked_since, "at": now})
        row = group_row(status=status, accounts=(A,), actor=actor(ActorKind.GROUP, G, heard_at=now))
        account = AccountRow(
            actor=actor(ActorKind.ACCOUNT, A, heard_at=now), venue="lighter", status=account_status(A, 2, at=now)
        )
        return scene(at=now, beat_at=now, groups={G: row}, accounts={A: account})


async def serving(book: Book, port: int = 0) -> StatusServer:
    """Serve the metrics of `book` as the supervisor does."""
    server = StatusServer("127.0.0.1", port)
    server.bind()
    await server.serve(book.look)
    return server


async def test_naked_exposure_and_a_lost_supervisor_reach_the_webhook(tmp_path):
    """Naked: told with the USD. The supervisor goes: told, and what was naked stays said. Both end when over."""
    book = Book()
    server = await serving(book)
    port = int(server.url.rpartition(":")[2])
    try:
        async with monitoring(tmp_path, f"127.0.0.1:{port}") as seen:
            await seen.until_told("HedgeWatchdog", 0, firing=True, bound_s=BOUND_S)
            async with asyncio.timeout(BOUND_S):  # before its first scrape Prometheus may miss the supervisor
                while await seen.firing() != {"HedgeWatchdog"}:  # noqa: ASYNC110 - Prometheus tells nobody
                    await asyncio.sleep(0.2)
            assert any(each.lines for each in await answers(seen)), "every panel asks something that is PromQL"

            start = time.monotonic()
            book.net, book.naked_since = "1.5", Timestamp(int(time.time() * 1000))
            told = await seen.until_told("HedgeNakedExposure", start, firing=True, bound_s=BOUND_S, group=G)
            assert told.labels["severity"] == "critical"
            assert told.annotations["summary"].endswith(": 3000 USD")
            assert told.annotations["runbook_url"].endswith("#hedgenakedexposure")

            start = time.monotonic()
            await server.close()
            await seen.until_told("HedgeSupervisorAbsent", start, firing=True, bound_s=BOUND_S)
            assert "HedgeNakedExposure" in await seen.firing()
            server = await serving(book, port)
            await seen.until_told("HedgeSupervisorAbsent", start, firing=False, bound_s=BOUND_S)
            assert not [each for each in seen.webhook.told if each.name == "HedgeNakedExposure" and not each.firing]

            book.net, book.naked_since = "0", None
            await seen.until_told("HedgeNakedExposure", start, firing=False, bound_s=BOUND_S)
    finally:
        await server.close()
