"""The dashboard's files and its stream, asked without a browser."""

import asyncio
import json
import re

import aiohttp
import pytest

from actors.web import dashboard
from actors.web.dashboard import Dashboard
from actors.web.risk import Kind
from actors.web.server import StatusServer
from tests.actors.scene import scene

PAGE = dashboard._FOLDER
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.iterdir())}
CALM = {Kind.PAUSED, Kind.REDUCING, Kind.FINISHED, Kind.FLAT, Kind.HEDGED}
"""Kinds that need no sentence on a card: their one word says it."""


class Shown:
    """A server with a dashboard over a picture of the test's choice."""

    def __init__(self, language="en") -> None:
        self.seen = scene()
        self.dashboard = Dashboard(lambda: self.seen, language)
        self.server = StatusServer("127.0.0.1", 0)

    async def __aenter__(self):
        self.server.bind()
        await self.server.serve(lambda: self.seen, (self.dashboard,))
        self.dashboard.start()
        self.session = aiohttp.ClientSession(self.server.url)
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        await self.dashboard.close()
        await self.server.close()

    async def get(self, path, **headers):
        """Return status, headers and text."""
        async with self.session.get(path, headers=headers) as answer:
            return answer.status, answer.headers, await answer.text()


@pytest.fixture
async def shown():
    """A running dashboard."""
    async with Shown() as shown:
        yield shown


async def events(response, count):
    """Return so many server-sent events as (name, data)."""
    found = []
    while len(found) < count:
        name = (await response.content.readline()).decode()
        data = (await response.content.readline()).decode()
        assert (await response.content.readline()) == b"\n"
        found.append((name.removeprefix("event: ").strip(), json.loads(data.removeprefix("data: "))))
    return found


async def test_the_page_names_every_address(shown):
    """A person who only knows the port finds the rest."""
    status, headers, text = await shown.get("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert all(path in text for path in ("/metrics", "/api/groups", "/healthz", "/readyz"))


async def test_nothing_but_our_own_files_may_run(shown):
    """The policy forbids scripts inside pages and everything from elsewhere; every file of the page has it."""
    for path in ("/", "/cycle", "/page/app.js", "/page/style.css", "/page/icon.svg", "/api/board"):
        status, headers, _ = await shown.get(path)
        policy = headers["Content-Security-Policy"]
        assert status == 200, path
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_is_sent_once_and_asked_for_each_time(shown):
    """A browser keeps the file and learns at once of a new one."""
    _, headers, _ = await shown.get("/page/app.js")
    assert headers["Cache-Control"] == "no-cache"
    status, _, text = await shown.get("/page/app.js", **{"If-None-Match": headers["ETag"]})
    assert (status, text) == (304, "")


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fserver.py", "%2e%2e%2fserver.py", "page", "app.js%00"])
async def test_only_the_pages_own_files_are_served(shown, name):
    """Nothing outside its folder, whatever the path is written like."""
    status, _, text = await shown.get(f"/page/{name}")
    assert status == 404
    assert "import" not in text


async def test_the_settings_language_is_the_pages(shown):
    """Who has chosen nothing reads what the settings say."""
    assert '<html lang="en">' in (await shown.get("/"))[2]
    async with Shown("zh") as chinese:
        assert '<html lang="zh">' in (await chinese.get("/"))[2]


async def test_the_stream_begins_with_everything_and_goes_on_each_second(shown):
    """History, then a board at once, then a new one at each tick."""
    async with shown.session.get("/api/stream") as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        begin = await events(response, 3)
        assert [name for name, _ in begin] == ["past", "point", "board"]
        assert begin[2][1]["groups"][0]["name"] == "g"
        shown.seen = scene(notices=("something new",))
        async with asyncio.timeout(2 * dashboard.TICK_S + 3):
            while True:
                (name, data), *_ = await events(response, 1)
                if name == "board" and data["notices"] == ["something new"]:
                    break


async def test_open_streams_are_bounded_and_counted_down(shown, monkeypatch):
    """One too many is refused; a page that leaves makes room."""
    monkeypatch.setattr(dashboard, "STREAMS_MAX", 1)
    async with shown.session.get("/api/stream") as first:
        await events(first, 3)
        assert (await shown.get("/api/stream"))[0] == 429
    async with asyncio.timeout(10):
        while shown.dashboard._streams:  # noqa: ASYNC110 - the server notices at its next word
            await asyncio.sleep(0.05)
    async with shown.session.get("/api/stream") as again:
        assert again.status == 200


async def test_a_page_that_takes_nothing_is_given_up(shown, monkeypatch):
    """A laptop that sleeps holds neither memory nor a place."""
    monkeypatch.setattr(dashboard, "_STUCK_S", 0.2)
    shown.seen = scene(notices=("x" * 8_000_000,))  # more than any socket's buffers hold
    host, port = shown.server.url.removeprefix("http://").split(":")
    _reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    async with asyncio.timeout(20):
        while not shown.dashboard._streams:  # noqa: ASYNC110 - it comes by a socket
            await asyncio.sleep(0.01)
        while shown.dashboard._streams:  # noqa: ASYNC110 - it goes by a clock
            await asyncio.sleep(0.05)
    writer.close()


async def test_asking_only_for_the_head_of_the_stream_opens_none(shown):
    """It would never end."""
    async with shown.session.head("/api/stream") as answer:
        assert answer.status == 405


async def test_closing_ends_open_streams(shown):
    """A page that is open does not keep the supervisor from ending."""
    async with shown.session.get("/api/stream") as response:
        await events(response, 3)
        async with asyncio.timeout(5):
            await shown.dashboard.close()
            await shown.server.close()


async def test_history_can_be_asked_for(shown):
    """The lines of half an hour, a point every five seconds."""
    _, _, text = await shown.get("/api/history")
    past = json.loads(text)
    assert past["point_s"] == 5
    assert past["groups"]["g"][0]["net"] == "0.00"


# --- the sources of the page ---------------------------------------------------------------------------------------


def keys(language):
    """Return the keys of one language of the dictionary."""
    block = re.search(rf"^const {language} = {{\n(.*?)^}};", SOURCES["dictionary.js"], re.DOTALL | re.MULTILINE)
    return re.findall(r"^  (\w+):", block.group(1), re.MULTILINE)


def test_both_languages_say_the_same_things():
    """No sentence is missing in either, and none is there twice."""
    assert sorted(keys("en")) == sorted(set(keys("zh")))
    assert len(keys("en")) == len(set(keys("en"))) == len(keys("zh"))


def test_every_verdict_has_its_sentences():
    """What can be wrong can be said: on the bar, what to do, on the card, in a word."""
    known = set(keys("en"))
    for kind in Kind:
        assert f"b_{kind}" in known
        if kind not in CALM:
            wanted = {f"h_{kind}", f"d_{kind}"} | ({f"v_{kind}"} if kind is not Kind.LOOP_STUCK else set())
            assert wanted <= known, kind


def test_every_word_that_the_page_asks_for_is_in_the_dictionary():
    """Also those in the HTML."""
    known = set(keys("en"))
    asked = {key for text in SOURCES.values() for key in re.findall(r'(?<![\w.])t\("(\w+)"', text)}
    asked |= {key for text in SOURCES.values() for key in re.findall(r'data-t="(\w+)"', text)}
    assert asked <= known, asked - known


def test_text_is_never_markup():
    """Names come from files and venues: the page only ever sets text."""
    for name, text in SOURCES.items():
        if name.endswith(".js"):
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
                assert word not in text, f"{name}: {word}"


def test_nothing_is_inline_and_nothing_comes_from_elsewhere():
    """No script or style inside a page, no address but our own (the namespace of SVG is none)."""
    for name, text in SOURCES.items():
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert addresses == set(), name
        if name.endswith(".html"):
            assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
            assert re.findall(r"\s(?:style|on\w+)=", text) == []
            assert "<style" not in text


def test_every_module_that_is_imported_is_there():
    """There is no build step that would say so."""
    for name, text in SOURCES.items():
        for path in re.findall(r'(?:from|src=|href=)\s*"/page/([^"]+)"', text):
            assert path in SOURCES, f"{name} asks for {path}"
