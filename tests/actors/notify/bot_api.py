"""A server that speaks Telegram's Bot API on loopback: long polling, offsets, one listener a token, flood control."""

import asyncio
import json
import time
from dataclasses import dataclass

from aiohttp import web

TOKEN = "123456789:AAE-throw_away-token-of-the-tests-0123"
_TEXT_LIMIT = 4096


@dataclass
class Fault:
    """An answer that the next requests of one method get instead of the right one."""

    status: int
    description: str
    times: int
    retry_after: int | None = None


@dataclass
class Sent:
    """One message that the bot has sent."""

    chat: int
    text: str
    buttons: list[dict]


class BotApi:
    """One bot's account at Telegram."""

    def __init__(self) -> None:
        self.chats = {100, 200}
        self.sent: list[Sent] = []
        self.answered: list[tuple[str, str]] = []
        self.commands: list[dict] = []
        self.calls: list[str] = []
        self.faults: dict[str, Fault] = {}
        self.garbage = b""
        self.port = 0
        self._updates: list[dict] = []
        self._last_id = 0
        self._news = asyncio.Condition()
        self._listener: asyncio.Event | None = None
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; again on the same port after `stop`."""
        application = web.Application()
        application.add_routes([web.post("/bot{token}/{method}", self._serve)])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- what people do ---------------------------------------------------------------------------------------------

    async def say(self, text: str, chat: int = 100, user: int = 7, ago_s: int = 0) -> None:
        """Let `user` write `text` in `chat`."""
        message = {"message_id": self._last_id + 1, "date": int(time.time()) - ago_s, "text": text}
        await self._put({"message": message | {"chat": _chat(chat), "from": _user(user)}})

    async def press(self, answer: str, chat: int = 100, user: int = 7) -> None:
        """Let `user` press a button that carries `answer`."""
        message = {"message_id": 1, "date": int(time.time()), "chat": _chat(chat), "text": "?"}
        query = {"id": f"q{self._last_id}", "from": _user(user), "chat_instance": "c", "data": answer}
        await self._put({"callback_query": query | {"message": message}})

    async def listen_elsewhere(self) -> None:
        """Let another program listen for a moment, as Telegram treats it: whoever listened is thrown out."""
        await self._take_over()

    def said(self, chat: int = 100) -> list[str]:
        """Return the texts that a chat got."""
        return [each.text for each in self.sent if each.chat == chat]

    async def until(self, condition, within_s: float = 15.0) -> None:
        """Wait until `condition` holds."""
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - the condition spans both sides of a socket
                await asyncio.sleep(0.01)

    # --- what the server does ---------------------------------------------------------------------------------------

    async def _put(self, update: dict) -> None:
        self._last_id += 1
        async with self._news:
            self._updates.append({"update_id": self._last_id} | update)
            self._news.notify_all()

    async def _serve(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.calls.append(method)
        if request.match_info["token"] != TOKEN:
            return _refuse(401, "Unauthorized")
        fault = self.faults.get(method)
        if fault is not None and fault.times > 0:
            fault.times -= 1
            return _refuse(fault.status, fault.description, fault.retry_after)
        if self.garbage:
            return web.Response(body=self.garbage, content_type="application/json")
        form = await request.post()
        return await getattr(self, f"_{method}")(form)

    async def _getMe(self, _form) -> web.Response:  # noqa: N802 - the Bot API's name
        return _answer(_user(123456789) | {"is_bot": True, "username": "hedge_test_bot"})

    async def _setMyCommands(self, form) -> web.Response:  # noqa: N802 - the Bot API's name
        self.commands = json.loads(form["commands"])
        return _answer(result=True)

    async def _sendMessage(self, form) -> web.Response:  # noqa: N802 - the Bot API's name
        chat, text = int(form["chat_id"]), form["text"]
        if chat not in self.chats:
            return _refuse(400, "Bad Request: chat not found")
        if not text or len(text) > _TEXT_LIMIT:
            return _refuse(400, "Bad Request: message is too long")
        rows = json.loads(form.get("reply_markup", "{}")).get("inline_keyboard", [[]])
        self.sent.append(Sent(chat, text, rows[0]))
        return _answer({"message_id": len(self.sent), "date": int(time.time()), "chat": _chat(chat), "text": text})

    async def _answerCallbackQuery(self, form) -> web.Response:  # noqa: N802 - the Bot API's name
        self.answered.append((form["callback_query_id"], form.get("text", "")))
        return _answer(result=True)

    async def _getUpdates(self, form) -> web.Response:  # noqa: N802 - the Bot API's name
        offset = int(form.get("offset", 0))
        self._updates = [each for each in self._updates if each["update_id"] >= offset]
        mine = await self._take_over()
        give_up_at = time.monotonic() + float(form.get("timeout", 0))
        while not self._updates and not mine.is_set() and time.monotonic() < give_up_at:
            async with self._news:
                try:
                    async with asyncio.timeout(0.2):
                        await self._news.wait()
                except TimeoutError:
                    continue
        if mine.is_set():
            return _refuse(409, "Conflict: terminated by other getUpdates request")
        return _answer(self._updates)

    async def _take_over(self) -> asyncio.Event:
        if self._listener is not None:
            self._listener.set()
        self._listener = asyncio.Event()
        async with self._news:
            self._news.notify_all()
        return self._listener


def _chat(number: int) -> dict:
    return {"id": number, "type": "private", "first_name": "Anna"}


def _user(number: int) -> dict:
    return {"id": number, "is_bot": False, "first_name": "Anna"}


def _answer(result) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _refuse(status: int, description: str, retry_after: int | None = None) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description}
    if retry_after is not None:
        body["parameters"] = {"retry_after": retry_after}
    return web.json_response(body, status=status)
