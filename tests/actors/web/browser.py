"""A real browser: Debian's Chromium without a window, driven by playwright. Only what several tests need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.programs import program

SEEN_WITHIN_S = 15.0
"""How long a test waits for the page to show something: it draws four times a second, on a machine that is busy."""
# A container's root may not use Chromium's sandbox; small containers have little shared memory.
_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")

expect.set_options(timeout=SEEN_WITHIN_S * 1000)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser. Without Chromium the test says how to install it."""
    path = program("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


class Window:
    """One page, and what went wrong inside it."""

    def __init__(self, page: Page) -> None:
        """Listen for errors of scripts and for what the browser refuses."""
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message) -> None:
        # A server that is gone, or refuses, is part of some tests; what breaks the page's own rules never is.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    async def text(self, selector: str) -> str:
        """Return what an element says."""
        return await self.page.locator(selector).inner_text()

    async def says(self, selector: str, words: str) -> None:
        """Wait until an element contains words."""
        await expect(self.page.locator(selector)).to_contain_text(words)

    async def set_token(self, token: str) -> None:
        """Type a token into its dialog."""
        if not await self.page.locator("#token-dialog").is_visible():
            await self.page.click("#token")
        await self.page.fill("#token-value", token)
        await self.page.keyboard.press("Enter")
        await expect(self.page.locator("#token-dialog")).to_be_hidden()

    async def press(self, group: str, verb: str) -> None:
        """Press one of a group's buttons and confirm it with the group's name."""
        await self.page.click(f"#group-{group} button.{verb}")
        await self.page.fill("#confirm-name", group)
        await self.page.click("#confirm-yes")


@asynccontextmanager
async def window(browser: Browser, url: str, **options) -> AsyncIterator[Window]:
    """Open a page of its own profile; fail when its scripts have failed."""
    context = await browser.new_context(**({"viewport": {"width": 1280, "height": 900}, "locale": "en-US"} | options))
    try:
        window = Window(await context.new_page())
        await window.page.goto(url)
        yield window
        assert window.errors == []
    finally:
        await context.close()
