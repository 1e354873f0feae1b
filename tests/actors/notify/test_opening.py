"""From settings to channels: token, key file, Apprise address, and everything that can be wrong with them."""

import logging

import pytest
from aiohttp import web
from pydantic import ValidationError

from actors.notify.apprise_channel import AppriseChannel
from actors.notify.keyfile import KeyFileError, read_keys
from actors.notify.opening import NotifierError, open_channels
from actors.notify.settings import NotificationSettings, TelegramSettings
from tests.actors.notify.bot_api import TOKEN
from venues.secrets import Secret


@pytest.mark.parametrize(
    ("text", "chat"),
    [
        (TOKEN, None),
        (f"bot_token: {TOKEN}\nchat_id: -1001234", -1001234),
        (f'TOKEN : "{TOKEN}"\n\n# mine\nchannel: 5\n', 5),
        (f'{{"bot_token": "{TOKEN}", "chat_id": 77}}', 77),
        (f"telegram_token:{TOKEN}", None),
    ],
)
def test_every_form_of_a_token_file_is_read(text, chat):
    """The bare token, and the lines of a tg_key.txt."""
    keys = read_keys(Secret("file:tg_key.txt", text), "file:tg_key.txt")
    assert (keys.token.reveal(), keys.chat) == (TOKEN, chat)


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "123",
        "123:",
        ":abc",
        "12 3:abc",
        "chat_id: 5",
        "{",
        "[]",
        "{}",
        "\u0661\u0662:abc",
        f"bot_token: {TOKEN}\nchat_id: @me",
        f"{TOKEN}/getMe",
    ],
)
def test_what_holds_no_token_is_refused_without_being_shown(text):
    """The error names the reference and the form; never what stood there."""
    with pytest.raises(KeyFileError) as caught:
        read_keys(Secret("file:x", text), "file:x")
    assert "file:x" in str(caught.value)
    assert TOKEN not in repr(caught.value)
    assert caught.value.__cause__ is None


def telegram(**changes) -> NotificationSettings:
    """Return settings with a bot."""
    return NotificationSettings(telegram=TelegramSettings(**({"token": "env:TG_TOKEN", "chat_ids": (1,)} | changes)))


def test_a_missing_token_names_the_setting(monkeypatch):
    """Nothing is started with a bot that cannot speak."""
    monkeypatch.delenv("TG_TOKEN", raising=False)
    with pytest.raises(NotifierError, match=r"notifications\.telegram\.token: environment variable TG_TOKEN is not"):
        open_channels(telegram())


def test_a_bot_without_a_chat_says_how_to_find_one(monkeypatch):
    """Neither the settings nor the file name a chat."""
    monkeypatch.setenv("TG_TOKEN", TOKEN)
    with pytest.raises(NotifierError, match="no chat to tell"):
        open_channels(telegram(chat_ids=()))


async def test_the_chat_of_the_key_file_is_used(tmp_path):
    """A tg_key.txt alone is enough."""
    file = tmp_path / "tg_key.txt"
    file.write_text(f"bot_token: {TOKEN}\nchat_id: 42\n")
    opened = open_channels(telegram(token=f"file:{file}", chat_ids=()))
    assert opened.chats == {42: "telegram-1"}
    assert TOKEN not in repr(opened)
    await opened.bot.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"token": TOKEN},
        {"base_url": "http://api.telegram.org"},
        {"base_url": "https://me:secret@api.telegram.org"},
        {"base_url": "ftp://127.0.0.1"},
        {"chat_ids": (1, 1)},
        {"min_severity": "LOUD"},
        {"chats": (1,)},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes):
    """A pasted token, an address in the clear, a chat twice, a typo."""
    with pytest.raises(ValidationError):
        telegram(**changes)


def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown(monkeypatch, caplog):
    """The address holds a password: neither error nor log show it."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPS_URL", "nosuch://anna:hunter2@example.org")
    settings = NotificationSettings(apprise={"ops": {"secret": "env:OPS_URL"}})
    with pytest.raises(
        NotifierError, match=r"notifications\.apprise\.ops\.secret: <secret env:OPS_URL> is not"
    ) as caught:
        open_channels(settings)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


async def test_apprise_delivers_to_a_webhook():
    """A real request over loopback; a refusal is a failure that is tried again."""
    got, answers = [], [500, 200]

    async def hook(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response(status=answers.pop(0))

    application = web.Application()
    application.add_routes([web.post("/{tail:.*}", hook)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    channel = AppriseChannel("ops", Secret("env:OPS", f"json://127.0.0.1:{port}/"))
    with pytest.raises(Exception, match="did not take it"):
        await channel.deliver("g is parked", ())
    await channel.deliver("g is parked <b>&", ())
    assert got[-1]["message"] == "g is parked <b>&"
    await channel.close()
    await runner.cleanup()
