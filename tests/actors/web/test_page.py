"""The dashboard in a real browser, over a supervision of small actors."""

import asyncio
from decimal import Decimal

import pytest
import pytest_asyncio
from playwright.async_api import expect

from actors.explain.story import Cause, Cycle, CycleUnknownError, Doubt, LegResult, OrderStory
from actors.supervision.overview import overview
from actors.telemetry.bots import Bots
from actors.web.cycles import Cycles
from actors.web.dashboard import Dashboard
from actors.web.server import StatusServer
from actors.web.telemetry import Telemetry
from actors.web.tokens import Tokens
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, OrderId, Timestamp
from strategies.domain.order import OrderRequest, OrderType, Side
from tests.actors.supervision.conftest import until
from tests.actors.supervision.local import loop_now
from tests.actors.web.browser import chromium, window
from tests.actors.web.conftest import TOKEN, front_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.wire]

MINUS = "\N{MINUS SIGN}"
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}


def cycle(number):
    """Return a cycle with one order that was in doubt for a while."""
    if number > 2:
        raise CycleUnknownError(f"Group g has had 2 cycles, {number} is none of them.")
    request = OrderRequest(
        order_id=OrderId("g:2:long:entry:1"),
        instrument_id=InstrumentId("ETH-PERP"),
        side=Side.BUY,
        quantity=Decimal("1.5"),
        order_type=OrderType.MARKET,
        price=Decimal(2010),
    )
    order = OrderStory(
        order_id=request.order_id,
        leg=LegName("long"),
        account=AccountId("a"),
        request=request,
        decided_at=Timestamp(1_000_000),
        seq=7,
        doubts=(Doubt(since=Timestamp(1_001_000), reason="no answer", until=Timestamp(1_003_500)),),
        status="FILLED",
        filled=Decimal("1.5"),
        ended_at=Timestamp(1_003_500),
        proof="found by its client id",
    )
    bought = "a buy 1.5 at 2001 (g:2:long:entry:1)"
    went = {"decided": ("buy 1.5 on a",), "phase": "ENTERING", "left": "IDLE", "why": "go"}
    causes = (
        Cause(stream="group/g", seq=7, at=Timestamp(1_000_000), what="timer start", **went),
        Cause(stream="group/g", seq=9, at=order.ended_at, what=bought, decided=(), phase="ENTERING", net=order.filled),
    )
    result = LegResult(account=AccountId("a"), held=Decimal(0), realized=Decimal(5), fees=Decimal(1))
    return Cycle(
        group=GroupId("g"),
        cycle=number,
        cycles=2,
        began_at=Timestamp(1_000_000),
        ended_at=Timestamp(1_060_000),
        outcome="ended: out after timeout",
        causes=causes,
        quiet=3,
        orders=(order,),
        legs={order.leg: result},
        problems=(),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    """One browser for all tests; each opens a profile of its own."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def front(tmp_path):
    """A supervision of two living groups with its dashboard."""
    shown = []

    def dashboard(supervision, _guard):
        shown.append(Dashboard(lambda: overview(supervision, loop_now())))
        return shown[0]

    def telemetry(_supervision, guard):
        return Telemetry(Bots(10), Tokens({}), guard, loop_now)

    def cycles(supervision, _guard):
        return Cycles(lambda: supervision.groups, lambda _group, number: cycle(number or 2))

    groups = {"g": ("a", "b"), "h": ("c", "d")}
    async with front_of(tmp_path, dashboard, telemetry, cycles, groups=groups) as front:
        shown[0].start()
        await until(lambda: not overview(front.supervision, loop_now()).not_ready())
        yield front
        await shown[0].close()


async def test_cards_appear_and_numbers_move(browser, front):
    """Each group has a card; what is held there changes on the page by itself."""
    async with window(browser, front.server.url) as shown:
        await shown.says("#headline", "All flat")
        await expect(shown.page.locator("#groups article")).to_have_count(2)
        front.world.held["g"] = Decimal("2.5")
        await shown.says("#group-g .legs tbody tr:nth-child(1) .size", "+2.5")
        await shown.says("#group-g .legs tbody tr:nth-child(2) .size", MINUS + "2.5")
        await shown.says("#headline", "No money at risk")
        front.world.held["g"] = Decimal(1)
        await shown.says("#group-g .legs tbody tr:nth-child(1) .size", "+1")


async def test_what_is_not_known_is_a_question_mark(browser, front):
    """No margin, no equity and no stream have been reported: nothing of it is shown as zero."""
    async with window(browser, front.server.url) as shown:
        await shown.says("#group-g .money .equity", "?")
        for name in ("unrealized", "realized", "fees", "funding"):
            await shown.says(f"#group-g .money .{name} .value", "?")
        for name in ("margin", "streams"):
            await shown.says(f"#group-g .legs tbody tr:nth-child(1) .{name}", "?")


async def test_naked_heads_the_page_with_time_and_money(browser, front):
    """The bar says which group, for how long and how much; the title of the tab says it, too."""
    front.world.held["g"] = Decimal(2)
    front.world.naked["g"] = Timestamp(loop_now() - 60_000)
    async with window(browser, front.server.url) as shown:
        await shown.says("#headline", "g naked for 1 min")
        await expect(shown.page.locator("#top")).to_have_attribute("data-level", "danger")
        await shown.says("#advice", "FLATTEN")
        assert "naked" in await shown.page.title()
        await shown.says("#group-g .badge", "NAKED")
        # A screen reader hears of it once, not each second.
        announced = await shown.page.text_content("#announced")
        assert "naked" in announced
        await expect(shown.page.locator("#headline")).not_to_have_text(announced)
        assert await shown.page.text_content("#announced") == announced


async def test_flatten_by_keyboard_with_the_typed_name_flattens(browser, front):
    """A wrong name presses nothing; the right one is journaled with who and why, and the page shows the group flat."""
    front.world.held["g"] = Decimal(2)
    async with window(browser, front.server.url) as shown:
        page = shown.page
        await shown.set_token(TOKEN)
        await shown.says("#group-g .badge", "HEDGED")
        await page.focus("#group-g button.flatten")
        await page.keyboard.press("Enter")
        await page.keyboard.type("h")
        await expect(page.locator("#confirm-yes")).to_be_disabled()
        await page.keyboard.press("Enter")
        assert front.world.told == []
        await page.keyboard.press("Backspace")
        await page.keyboard.type("g")
        await page.keyboard.press("Tab")
        await page.keyboard.type("drill")
        await page.keyboard.press("Enter")
        await shown.says("#toast", "g: Flatten is in its journal.")
        name, state, by, reason = front.world.told[0]
        assert (name, state, reason) == ("g", OperatorState.FLATTEN, "drill")
        assert "anna" in by
        await shown.says("#group-g .operator", "FLATTEN")
        await shown.says("#group-g .badge", "FLAT")
        assert front.world.held["g"] == 0


async def test_restart_asks_for_the_name_and_replaces_the_process(browser, front):
    """A wrong name restarts nothing; afterwards a successor decides, and what was held is held."""
    front.world.held["g"] = Decimal(2)
    async with window(browser, front.server.url) as shown:
        await shown.set_token(TOKEN)
        await shown.says("#group-g .badge", "HEDGED")
        await shown.page.click("#group-g button.restart")
        await shown.says("#confirm-text", "process is replaced")
        await shown.page.fill("#confirm-name", "h")
        await expect(shown.page.locator("#confirm-yes")).to_be_disabled()
        await shown.page.fill("#confirm-name", "g")
        await shown.page.click("#confirm-yes")
        await shown.says("#toast", "g: its process makes room for a successor")
        await until(lambda: "group/g@2" in front.world.started)
        assert not any(name.startswith("group/h@2") for name in front.world.started)
        await shown.says("#group-g .badge", "HEDGED")


async def test_a_wrong_token_is_refused_and_said(browser, front):
    """Nothing reaches the group; the page asks for another token, which then works."""
    async with window(browser, front.server.url) as shown:
        await shown.press("g", "pause")
        await shown.says("#token-error", "wants a token")
        await shown.set_token("not the token of the tests")
        await shown.press("g", "pause")
        await shown.says("#token-error", "refused the token")
        assert front.world.told == []
        await shown.set_token(TOKEN)
        await shown.press("g", "pause")
        await shown.says("#group-g .operator", "PAUSE")
        await shown.press("g", "resume")
        await shown.says("#group-g .operator", "RUN")
        await shown.press("g", "reduce")
        await shown.says("#group-g .operator", "REDUCE")
        assert TOKEN not in await shown.page.content()
        assert await shown.page.evaluate("() => JSON.stringify(localStorage)") == "{}"


async def test_losing_the_supervisor_is_shown_with_the_age_of_the_numbers(browser, front):
    """Grey numbers with their age, buttons that reach nobody are off; when it is back, all is live again."""
    front.world.held["g"] = Decimal(2)
    async with window(browser, front.server.url) as shown:
        await shown.says("#group-g .badge", "HEDGED")
        port = int(front.server.url.rsplit(":", 1)[1])
        await front.server.close()
        await shown.says("#headline", "Supervisor lost for")
        await shown.says("#advice", "old")
        await shown.says("#group-g .stale", "as of")
        await expect(shown.page.locator("#group-g button.flatten")).to_be_disabled()
        assert "old" in await shown.page.get_attribute("#group-g", "class")
        back = StatusServer("127.0.0.1", port)
        back.bind()
        try:
            await back.serve(
                lambda: overview(front.supervision, loop_now()),
                (dashboard := Dashboard(lambda: overview(front.supervision, loop_now())),),
            )
            dashboard.start()
            await shown.says("#headline", "No money at risk")
            await expect(shown.page.locator("#group-g button.flatten")).to_be_enabled()
            await dashboard.close()
        finally:
            await back.close()


async def test_without_a_stream_the_page_asks(browser, front):
    """Some proxies hold streams back: the numbers move all the same."""
    async with window(browser, "about:blank") as shown:
        await shown.page.route("**/api/stream", lambda route: route.abort())
        await shown.page.goto(front.server.url)
        await shown.says("#link", "by asking")
        front.world.held["g"] = Decimal(3)
        await shown.says("#group-g .legs tbody tr:nth-child(1) .size", "+3")


async def test_a_silent_group_is_named_and_its_numbers_are_old(browser, front):
    """Its last word stays, in grey, with its age, until a successor speaks."""
    front.world.held["g"] = Decimal(2)
    async with window(browser, front.server.url) as shown:
        await shown.says("#group-g .badge", "HEDGED")
        front.world.links["group/g@1"].frozen = True
        await shown.says("#group-g .verdicts", "Not heard for")
        await shown.says("#headline", "g not reporting")
        await shown.says("#group-g .stale", "as of")
        await shown.says("#group-g .badge", "HEDGED")


async def test_names_and_reasons_are_text_whatever_they_contain(browser, front):
    """What comes from files and venues never becomes markup."""
    front.supervision.notice("<img src=x onerror=document.title='owned'><b>bold</b>")
    async with window(browser, front.server.url) as shown:
        await shown.says("#notice-lines", "<img src=x onerror")
        assert await shown.page.locator("main img, main b").count() == 0
        assert "owned" not in await shown.page.title()


async def test_a_phone_shows_everything_in_chinese_and_in_the_dark(browser, front):
    """Nothing is wider than the screen, every button is large enough for a thumb, the choice of language is kept."""
    front.world.held["g"] = Decimal(2)
    async with window(browser, front.server.url, color_scheme="dark", **PHONE) as shown:
        await shown.says("#group-g .badge", "HEDGED")
        await shown.page.click("#language")
        await shown.says("#headline", "没有资金风险")
        await shown.says("#group-g button.flatten", "平仓")
        await shown.page.reload()
        await shown.says("#group-g .badge", "已对冲")
        wide = await shown.page.evaluate("() => document.scrollingElement.scrollWidth - innerWidth")
        assert wide <= 0
        sizes = await shown.page.evaluate(
            "() => [...document.querySelectorAll('button')].filter((each) => each.offsetParent)"
            ".map((each) => Math.min(each.offsetHeight, each.offsetWidth))"
        )
        assert min(sizes) >= 44


async def test_dark_and_light_differ_and_both_can_be_read(browser, front):
    """Text stands out from its ground by the ratio that WCAG asks for (4.5 to 1)."""
    grounds = set()
    for scheme in ("light", "dark"):
        async with window(browser, front.server.url, color_scheme=scheme) as shown:
            await shown.says("#group-g .badge", "FLAT")
            ground, poorest = await shown.page.evaluate(CONTRAST)
            grounds.add(ground)
            assert poorest["ratio"] >= 4.5, (scheme, poorest)
    assert len(grounds) == 2


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const colour = rgb(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let poorest = { ratio: 99 };
  for (const node of document.querySelectorAll("h1, h2, p, span, button, th, td, summary, a, li")) {
    const own = [...node.childNodes].some((each) => each.nodeType === 3 && each.textContent.trim());
    if (!own || !node.offsetParent || node.disabled) continue;
    const [one, two] = [light(rgb(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < poorest.ratio) poorest = { ratio, text: node.textContent, name: node.className };
  }
  return [getComputedStyle(document.body).backgroundColor, poorest];
}"""


async def test_a_bot_that_only_sends_heartbeats_has_a_card_until_it_is_pruned(browser, front):
    """It is shown as offline after two missed intervals; pruning removes it, and no group of ours."""
    beat = {"telemetry_interval_secs": 0.5, "group": "old", "role": "bp", "position_base": 3, "balance_total": 1000}
    assert (await front.ask("POST", "/ingest/old-bot", beat, headers={}))[0] == 200
    async with window(browser, front.server.url) as shown:
        await shown.says("#bot-cards article", "old-bot")
        await shown.says("#bot-cards .position", "+3")
        await shown.says("#bot-cards .unrealized", "?")
        await shown.says("#bot-cards .badge", "offline")
        await shown.set_token(TOKEN)
        await shown.page.click("#prune")
        await shown.page.fill("#prune-minutes", "0")
        await shown.page.keyboard.press("Enter")
        await shown.says("#toast", "Forgotten: old-bot")
        await expect(shown.page.locator("#bots")).to_be_hidden()
        await expect(shown.page.locator("#groups article")).to_have_count(2)


async def test_a_cycle_is_told_cause_by_cause(browser, front):
    """What happened, what was decided because of it, what became of each order; and the way to the cycle before."""
    async with window(browser, f"{front.server.url}/cycle?group=g&n=2") as shown:
        await shown.says("#headline", "g, cycle 2")
        await shown.says("#line > li:nth-child(1)", "IDLE → ENTERING")
        await shown.says("#line > li:nth-child(1) .decided", "buy 1.5 on a")
        await shown.says("#line > li:nth-child(2)", "uncovered: +1.5")
        await shown.says("#orders article .verdicts", "Nobody knew for 2.5 s what had become of it: no answer")
        await shown.says("#results", "+$4.00")
        await shown.page.click("#earlier")
        await shown.says("#headline", "g, cycle 1")
    async with window(browser, f"{front.server.url}/cycle?group=g&n=9") as shown:
        await shown.says("#summary", "9 is none of them")


async def test_an_open_page_stops_nobody_from_ending(browser, front):
    """The server ends within its bound while a stream is open."""
    async with window(browser, front.server.url) as shown:
        await shown.says("#headline", "All flat")
        async with asyncio.timeout(5):
            await front.server.close()
