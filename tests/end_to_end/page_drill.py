"""The dashboard against the running demo: `make page-drill`. Not part of `make test`: it takes a minute and a browser.

The exchange is the judge of what a press has done. Leaves the pictures that docs/dashboard.md shows.
"""

import asyncio
import os
import signal
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from tests.actors.web.browser import chromium, window
from tests.end_to_end.deployment import ROOT, Deployment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

PICTURES = ROOT / "docs" / "dashboard"
SIZES = {
    "desktop": {"width": 1200, "height": 700},
    "page": {"width": 860, "height": 640},
    "phone": {"width": 390, "height": 760},
}
LARGEST_PICTURE = 200_000
"""Bytes: a picture in the documentation stays small."""
LONG = tuple(
    f"groups.{group}.params.{key}" for group in ("triad-1", "triad-2") for key in ("timeout_s=120", "max_cycles=0")
)


async def test_the_demo_seen_and_steered_from_a_browser(tmp_path):
    """Cards appear, numbers move, FLATTEN flattens, wrong tokens are refused, prune forgets, a loss is shown."""
    deployment = Deployment(tmp_path, *LONG)
    try:
        await deployment.start()
        url = await deployment.until(lambda: _address(deployment), "the dashboard's address")
        async with chromium() as browser, window(browser, url) as shown:
            await shown.page.wait_for_selector("#group-triad-2 .badge", timeout=60_000)
            await expect(shown.page.locator("#headline")).to_have_text("All hedged", timeout=90_000)
            await _numbers_move(shown)
            await _pictures(browser, url, "hedged", "desktop-light", "desktop-dark", "phone-light")
            async with window(browser, f"{url}/cycle?group=triad-1&n=1", viewport=SIZES["page"]) as other:
                await other.page.wait_for_selector("#line > li")
                await _shoot(other, "cycle-light", SIZES["page"], "light")
            await _prunes(shown, url, deployment)
            await _flattens(shown, deployment)
            await _restarts(shown, deployment)
            await _foreign_trade_is_danger(browser, url, shown, deployment)
            await _is_lost_and_found(shown, deployment)
    finally:
        await deployment.stop()


def _address(deployment: Deployment) -> str:
    words = deployment.output.partition("Dashboard: ")[2]
    return words.split()[0].rstrip("/") if "\n" in words else ""


async def _numbers_move(shown) -> None:
    before = await shown.text("#group-triad-1 .equity .value")
    await expect(shown.page.locator("#group-triad-1 .equity .value")).not_to_have_text(before, timeout=30_000)


async def _prunes(shown, url: str, deployment: Deployment) -> None:
    beat = {"telemetry_interval_secs": 1, "group": "old", "role": "bp", "position_base": 0}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/ingest/old-bot", json=beat) as answer:
        assert answer.status == 200
    await shown.says("#bot-cards article", "old-bot")
    await expect(shown.page.locator("#bot-cards article")).to_have_count(1)
    await shown.says("#bot-cards .badge", "offline")
    token = (deployment.state / "operator.token").read_text(encoding="utf-8").strip()
    await shown.set_token(token)
    await shown.page.click("#prune")
    await shown.page.fill("#prune-minutes", "0")
    await shown.page.keyboard.press("Enter")
    await expect(shown.page.locator("#bots")).to_be_hidden()
    assert token not in await shown.page.content()


async def _flattens(shown, deployment: Deployment) -> None:
    assert await _held(deployment) > 0
    await shown.press("triad-2", "pause")
    await shown.says("#toast", "triad-2: Pause is in its journal.")
    await shown.set_token("this-is-not-the-token-at-all")
    await shown.press("triad-1", "flatten")
    await shown.says("#token-error", "refused the token")
    assert await _held(deployment, "bp-1", "1", "2") > 0, "a refused press must press nothing"
    await shown.set_token((deployment.state / "operator.token").read_text(encoding="utf-8").strip())
    await shown.press("triad-1", "flatten")
    await shown.says("#toast", "triad-1: Flatten is in its journal.")
    await shown.says("#group-triad-1 .badge", "FLAT")
    await expect(shown.page.locator("#group-triad-1 .badge")).to_have_text("FLAT", timeout=60_000)
    assert await _held(deployment, "bp-1", "1", "2") == 0, "the exchange says so"
    assert await _held(deployment, "bp-2", "3", "4") > 0, "the other group keeps its positions"


async def _restarts(shown, deployment: Deployment) -> None:
    """Another process decides for the group, which holds what it held."""

    async def row():
        return (await deployment.status())["groups"]["triad-2"]["actor"]

    before = (await row())["epoch"]
    await shown.press("triad-2", "restart")
    await shown.says("#toast", "triad-2: its process makes room for a successor")

    async def again() -> bool:
        now = await row()
        return now["epoch"] > before and now["liveness"] == "ALIVE"

    await deployment.until(again, "the successor")
    assert await _held(deployment, "bp-2", "3", "4") > 0, "a restart closes nothing"


async def _foreign_trade_is_danger(browser, url: str, shown, deployment: Deployment) -> None:
    """Somebody else trades on an account that holds something: the page says that money is at risk, and why."""
    trade = {"venue": "lighter", "account": "3", "symbol": "BTC", "side": "SELL", "quantity": "0.2"}
    await deployment.control("POST", "/control/trade", trade)
    await expect(shown.page.locator("#top")).to_have_attribute("data-level", "danger", timeout=30_000)
    await _pictures(browser, url, "danger", "desktop-light", "phone-dark")
    await shown.says("#group-triad-2 .verdicts", "frozen")


async def _is_lost_and_found(shown, deployment: Deployment) -> None:
    """Frozen, not ended: its port still answers the handshake, which is the harder case."""
    assert deployment.process is not None
    os.kill(deployment.process.pid, signal.SIGSTOP)
    try:
        await shown.says("#headline", "Supervisor lost for")
        await shown.says("#group-triad-2 .stale", "as of")
        await _shoot(shown, "lost-phone-dark", SIZES["phone"], "dark")
    finally:
        os.kill(deployment.process.pid, signal.SIGCONT)
    await shown.page.set_viewport_size(SIZES["desktop"])
    await expect(shown.page.locator("#pulse")).to_have_attribute("data-state", "live", timeout=30_000)
    await expect(shown.page.locator("#group-triad-1 .stale")).to_be_hidden()


async def _held(deployment: Deployment, *accounts: str) -> Decimal:
    """Return what accounts hold by the exchanges' own word, each counted as positive; of none named, all."""
    rows = (await deployment.control("GET", "/control/positions"))["positions"]
    wanted = [row for row in rows if not accounts or str(row["account"]) in accounts]
    return sum((abs(Decimal(str(row["quantity"]))) for row in wanted), start=Decimal(0))


async def _pictures(browser, url: str, what: str, *looks: str) -> None:
    """Take pictures named like `danger-phone-dark`."""
    for look in looks:
        size, scheme = look.split("-")
        async with window(browser, url, viewport=SIZES[size], color_scheme=scheme) as other:
            await other.page.wait_for_selector("#group-triad-2 .badge")
            await _shoot(other, f"{what}-{look}", SIZES[size], scheme)


async def _shoot(shown, name: str, size, scheme: str) -> None:
    await shown.page.set_viewport_size(size)
    await shown.page.emulate_media(color_scheme=scheme)
    await asyncio.sleep(0.6)  # two drawings: fonts and layout have settled
    picture = await shown.page.screenshot(animations="disabled")
    assert len(picture) < LARGEST_PICTURE, f"{name}: {len(picture)} bytes"
    await asyncio.to_thread(_keep, name, picture)


def _keep(name: str, picture: bytes) -> None:
    folder = Path(os.environ.get("PICTURES", PICTURES))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(picture)
