"""The bot over real HTTP: what it tells, what it hears, whom it refuses, and what it does when Telegram does not."""

import threading
from decimal import Decimal

import pytest

from actors.actor import Note
from actors.clock import wall_now
from actors.notify import telegram
from actors.notify.channel import DeliveryError
from actors.notify.telegram import TelegramBot
from strategies.domain.commands import Severity
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId
from tests.actors.notify.bot_api import TOKEN, Fault
from tests.actors.scene import group_row
from tests.actors.supervision.local import group_status
from venues.secrets import Secret


def _note(topic: str, text: str):
    """Return a note of this moment."""
    return Note(number=1, at=wall_now(), severity=Severity.CRITICAL, topic=topic, text=text, cycle=1)


async def test_it_says_that_it_begins_and_how_it_ended(bench, api):
    """Every allowed chat gets the start with each group's state, and the supervisor's last words."""
    async with bench.running():
        await api.until(lambda: api.said(100) and api.said(200))
        assert "Hedgevisor runs: 2 group(s)" in api.said(200)[0]
        assert "g: RUN, HEDGED" in api.said(100)[0]
    assert "Hedgevisor ends.\nGroup g is flat." in api.said(100)[-1]


async def test_it_answers_questions(bench, api):
    """/status, /groups, /explain and a command that does not exist; the menu is registered."""
    async with bench.running():
        for words, part in (
            ("/status", "Everything lives.\ng: RUN"),
            ("/groups@hedge_test_bot", "long (a): +0.00 USD after fees, holds 1.50"),
            ("/explain x", "There is no group x."),
            ("/sell everything", "There is no /sell."),
        ):
            await api.say(words)
            await api.until(lambda part=part: any(part in text for text in api.said()))
        assert "flatten" in {each["command"] for each in api.commands}


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            "/explain g",
            ("next: wait", "g, cycle 2 of 2, 00:16:40 to 00:18:10 UTC (1 min 30 s): ended: out after timeout"),
        ),
        ("/explain g last", ("cycle 2 of 2",)),
        ("/explain g 1", ("cycle 1 of 2", "00:16:40 event 0\n  → order 0\n  ⇒ ENTERING\n  net -1.5\n00:16:41 event 1")),
        ("/explain g:1", ("  ⇒ EXITING: timed out\nlong (a): +4.00 USD after fees, holds 0\nall roles: +4.00 USD",)),
        ("/explain g 7", ("Group g has had no cycle 7: the last one is 2.",)),
        ("/explain 2", ("Which group? Write /explain GROUP; there are: g, h.",)),
        ("/explain g 1 2", ("Which group?",)),
    ],
)
async def test_explain_tells_a_cycle_cause_by_cause(bench, api, words, parts):
    """What happened, what was decided because of it, where it led, and what each role has made."""
    async with bench.running():
        await api.say(words)
        await api.until(lambda: all(any(part in text for text in api.said(100)) for part in parts))
        assert ("next: wait" in "".join(api.said(100))) == (words == "/explain g")


async def test_a_journal_that_cannot_be_read_is_said_and_holds_nobody_up(bench, api):
    """The reading is slow, then fails; a word that comes meanwhile is heard at once."""
    bench.cycles, go_on = None, threading.Event()
    damaged = bench.explain
    bench.explain = lambda group, number: go_on.wait(20) and damaged(group, number)
    async with bench.running():
        await api.say("/explain g 1")
        await api.say("/explain g 1")
        await api.say("/pause g")
        await api.until(lambda: bench.told and any("Another explanation is being read" in text for text in api.said()))
        go_on.set()
        await api.until(lambda: any("The journal cannot be read: the file is damaged" in text for text in api.said()))


async def test_a_pause_is_passed_on_at_once_with_who_said_it(bench, api):
    """PAUSE sends no order: it needs no confirmation; the journal learns chat and person."""
    async with bench.running():
        await api.say("/pause g")
        await api.until(lambda: bench.told)
        assert bench.told == [("g", OperatorState.PAUSE, "telegram:100/7", "said in Telegram")]


async def test_a_flatten_is_asked_back_and_done_once(bench, api):
    """Only the button of the same person, in the same chat, once."""
    async with bench.running():
        await api.say("/flatten all")
        await api.until(lambda: any(each.buttons for each in api.sent))
        question = next(each for each in api.sent if each.buttons)
        assert question.text.startswith("FLATTEN all 2 groups?\ng: RUN, HEDGED")
        yes = question.buttons[0]["callback_data"]
        await api.press(yes, user=8)
        await api.press(yes, chat=200)
        await api.until(lambda: len(api.answered) == 2)
        assert bench.told == []
        await api.press(yes)
        await api.press(yes)
        await api.until(lambda: len(api.answered) == 4)
        assert [word[:3] for word in bench.told] == [
            ("g", OperatorState.FLATTEN, "telegram:100/7"),
            ("h", OperatorState.FLATTEN, "telegram:100/7"),
        ]
        assert [text for _, text in api.answered] == ["Nothing was done."] * 2 + ["Passed on.", "Nothing was done."]


async def test_a_no_withdraws_the_word(bench, api):
    """After No, Yes does nothing."""
    async with bench.running():
        await api.say("/reduce h")
        await api.until(lambda: any(each.buttons for each in api.sent))
        yes, no = (each["callback_data"] for each in next(each for each in api.sent if each.buttons).buttons)
        await api.press(no)
        await api.press(yes)
        await api.until(lambda: len(api.answered) == 2)
        assert [text for _, text in api.answered] == ["Left as it is.", "Nothing was done."]
        assert bench.told == []


async def test_a_strange_chat_is_refused_and_told_once(bench, api):
    """A chat that is not allowed steers nothing, learns nothing of the groups, and gets its own number once."""
    api.chats.add(666)
    async with bench.running() as notifier:
        for _ in range(3):
            await api.say("/flatten all", chat=666, user=9)
        await api.press("do:code1", chat=666, user=9)
        await api.until(lambda: notifier.refused == 4 and api.said(666) and api.answered)
        assert len(api.said(666)) == 1
        assert api.said(666)[0].startswith("This bot does not listen to you here: chat 666, user 9. Whoever runs it")
        assert bench.told == []


async def test_an_allowed_chat_does_not_make_every_member_an_operator(bench, api):
    """With user_ids, only these people are heard."""
    async with bench.running(user_ids=(7,)) as notifier:
        await api.say("/pause g", user=8)
        await api.say("/pause h", user=7)
        await api.until(lambda: bench.told)
        assert [word[0] for word in bench.told] == ["h"]
        assert notifier.refused == 1


async def test_what_was_said_while_nobody_listened_is_not_done(bench, api):
    """Telegram keeps commands for a day: an old one steers nothing, a question is answered."""
    await api.say("/pause g", ago_s=3600)
    await api.say("/status", ago_s=3600)
    async with bench.running():
        await api.until(lambda: any("was said 1 h 0 min ago: nothing was done" in text for text in api.said()))
        await api.until(lambda: any("Everything lives." in text for text in api.said()))
        assert bench.told == []


async def test_a_second_listener_is_said_and_outlived(bench, api, monkeypatch):
    """409: the other program is named as the reason, commands stop, and are heard again afterwards; messages go on."""
    monkeypatch.setattr(telegram, "_CONFLICT_PAUSE_S", 1.5)
    async with bench.running() as notifier:
        await api.until(lambda: "getUpdates" in api.calls)
        await api.listen_elsewhere()
        await api.until(lambda: any("another program listens to this bot" in text for text in api.said()))
        await api.until(lambda: any("Telegram commands are heard again" in text for text in api.said()))
        assert notifier._listener.conflicts == 1
        await api.say("/pause g")
        await api.until(lambda: bench.told)


async def test_flood_control_is_obeyed_and_nothing_is_lost(bench, api):
    """429 with retry_after: the message comes after that time, once."""
    api.faults["sendMessage"] = Fault(429, "Too Many Requests: retry after 1", times=2, retry_after=1)
    async with bench.running() as notifier:
        await api.until(lambda: sum(each.failures for each in notifier.health()) == 2)
        assert api.sent == []
        assert {each.last_error for each in notifier.health()} <= {"asked to wait 1 s", ""}
        await api.until(lambda: len(api.said(100)) == len(api.said(200)) == 1)


async def test_an_outage_is_survived_said_and_made_up_for(bench, api):
    """While Telegram is away messages wait; when it is back they come, in order, with what was wrong."""
    async with bench.running() as notifier:
        await api.until(lambda: api.said(100) and api.said(200))
        await api.stop()
        bench.changes = {"noticed": 1, "notices": ("Ray is lost: killed.",)}
        await api.until(lambda: all(each.failing_since for each in notifier.health()))
        assert {each.last_error for each in notifier.health()} == {
            "Telegram cannot be reached (ClientConnectorError)",
        }
        await api.start()
        await api.until(lambda: any("Ray is lost: killed." in text for text in api.said()))
        await api.until(lambda: any("go out by telegram-1 again" in text for text in api.said(200)))


async def test_an_emergency_exit_comes_with_what_each_role_has_made(bench, api):
    """The loss per role is in the message, not behind a link."""
    async with bench.running():
        await api.until(lambda: api.said(100))
        status = group_status("g", 2, held=Decimal("0.5"))
        legs = {
            name: leg.model_copy(update={"realized": Decimal(amount), "fees": Decimal("0.5")})
            for (name, leg), amount in zip(status.view.legs.items(), ("-12.25", "9"), strict=True)
        }
        view = status.view.model_copy(update={"legs": legs})
        note = _note("exit", "exit of cycle 1, LEG_LOST: short was liquidated")
        bench.rows[GroupId("g")] = group_row(status=status.model_copy(update={"view": view, "notes": (note,)}))
        await api.until(lambda: any("LEG_LOST" in text for text in api.said()))
        told = next(text for text in api.said() if "LEG_LOST" in text)
        assert "long (a): -12.75 USD after fees, holds 0.5" in told
        assert "short (a): +8.50 USD after fees, holds -0.5" in told
        assert "all roles: -4.25 USD after fees" in told


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(400, f"Bad Request: what is {TOKEN}?", 1), "what is <redacted>?"),
        (Fault(403, "Forbidden: bot was blocked by the user", 1), "blocked by the user"),
        (Fault(502, "Bad Gateway", 1), "Bad Gateway"),
        (None, "not one of the Bot API"),
    ],
)
async def test_no_error_holds_the_token(api, fault, words):
    """Whatever goes wrong, neither text nor cause nor repr of the error shows the token."""
    api.faults = {} if fault is None else {"sendMessage": fault}
    api.garbage = b"" if fault is not None else f'{{"{TOKEN}": '.encode() + b"\xff\xfe"
    bot = TelegramBot(Secret("env:TG_TOKEN", TOKEN), api.url)
    with pytest.raises(DeliveryError, match=words) as caught:
        await bot.send(100, "hello", ())
    assert TOKEN not in f"{caught.value!r} {bot!r} {bot._token!r} {caught.value.__cause__!r}"
    await bot.close()


async def test_a_wrong_token_is_said_and_does_not_stop_anything(bench, api, monkeypatch):
    """The start is not held up; health and log say Unauthorized."""
    monkeypatch.setenv("TG_TOKEN", "123456789:AAE-another-token-that-nobody-knows-99")
    async with bench.running() as notifier:
        await api.until(lambda: all(each.last_error for each in notifier.health()))
        assert {each.last_error for each in notifier.health()} == {"Unauthorized"}
        assert all(each.waiting == 1 for each in notifier.health())


async def test_garbage_from_the_other_side_does_not_break_it(bench, api):
    """An answer that is no JSON, then a right one: commands are heard again."""
    api.garbage = b"<html>"
    async with bench.running() as notifier:
        await api.until(lambda: notifier._listener.failures > 0)
        api.garbage = b""
        await api.say("/pause g")
        await api.until(lambda: bench.told)


async def test_odd_messages_are_not_digested_and_do_not_stop_the_bot(bench, api):
    """Empty words, other bots' commands, pictures without text, buttons without data."""
    async with bench.running():
        for text in ("", " ", "/", "/@", "/pause@another_bot g", "hello", "/flatten", "/pause g h", "/pause \u202e"):
            await api.say(text)
        await api.press("")
        await api.press("do:")
        await api._put({"message": {"message_id": 1, "date": 1, "chat": {"id": 100, "type": "private"}}})
        await api._put({"poll_answer": {"poll_id": "1", "option_ids": [1]}})
        await api.say("/pause h")
        await api.until(lambda: bench.told)
        assert [word[0] for word in bench.told] == ["h"]
