"""The operator's buttons over HTTP: what they do, who is turned away, and what is written down."""

import asyncio
import json

import pytest

from actors.actor import Liveness
from actors.journal.protocol import JournalWriteError
from actors.supervision.past import PRESSED
from actors.supervision.supervision import STREAM
from actors.web.operations import _one_line
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId
from tests.actors.supervision.conftest import until
from tests.actors.web.conftest import AUTH, TOKEN

G = GroupId("g")


@pytest.mark.parametrize(
    ("action", "state"), [("pause", "PAUSE"), ("resume", "RUN"), ("reduce", "REDUCE"), ("flatten", "FLATTEN")]
)
async def test_a_press_is_in_the_groups_journal_before_it_is_answered(front, action, state):
    """The group has been told by the token's name, the peer and the reason when the answer comes."""
    status, answer = await front.press(action, reason="lunch", confirm="g", name="root")
    assert (status, answer["done"]) == (200, True)
    assert front.world.told[-1] == ("g", OperatorState(state), "operator:root:anna@127.0.0.1", "lunch")
    written = [record for record in front.bench.store.records(STREAM) if record.kind == PRESSED]
    assert json.loads(written[-1].body)["order"]["by"] == "operator:root:anna@127.0.0.1"


async def test_flatten_and_restart_want_the_groups_name(front):
    """A slip of the finger costs nothing."""
    for action in ("flatten", "restart"):
        for confirm in ("", "h", "G"):
            status, answer = await front.press(action, confirm=confirm)
            assert (status, answer["error"]) == (400, f"To {action} a group, send its name as confirm.")
    assert front.world.told == []
    assert "group/g@2" not in front.world.started


async def test_restart_replaces_the_actor_and_holds_nothing_against_it(front):
    """The successor lives under the next epoch; the press is in the journal; no death is counted."""
    status, answer = await front.press("restart", confirm="g", reason="odd")
    assert status == 200
    assert "makes room" in answer["text"]
    await until(lambda: "group/g@2" in front.world.started)
    keeper = front.supervision.groups[G]
    await until(lambda: keeper.life.liveness is Liveness.ALIVE)
    assert keeper.life.deaths == []
    assert front.world.told[-1] == ("g", OperatorState.RUN, "restarted by operator:anna@127.0.0.1", "odd")


async def test_a_restart_never_says_run_in_an_operators_name(front):
    """An operator's RUN releases a group that its strategy has parked; a restart must not."""
    await front.press("restart", confirm="g")
    assert not front.world.told[-1][2].startswith("operator")


async def test_a_press_on_a_group_that_is_down_waits_for_its_successor(front):
    """202 says that it is not done yet; the successor is told first of all."""
    front.world.broken.add("group/g")
    front.world.links["group/g@1"].die()
    await until(lambda: front.supervision.groups[G].link is None)
    status, answer = await front.press("pause", reason="x")
    assert (status, answer["done"]) == (202, False)
    assert "as soon as it lives" in answer["text"]
    front.world.broken.clear()
    await until(lambda: ("g", OperatorState.PAUSE, "operator:anna@127.0.0.1", "x") in front.world.told)


async def test_a_parked_group_takes_no_word(front):
    """Its way out runs; the answer says how a person lets it go on."""
    front.supervision.groups[G].take_way_out("it died too often")
    for action in ("resume", "pause", "restart"):
        status, answer = await front.press(action, confirm="g")
        assert status == 409
        assert "--release g" in answer["error"]
    assert (await front.press("flatten", confirm="g"))[0] == 409


async def test_a_full_disk_does_not_stop_a_flatten(front):
    """The supervisor cannot write the press down; the group is told all the same, and the trouble is shown."""
    front.bench.store.refuse_writes(JournalWriteError("disk full"))
    status, _ = await front.press("flatten", confirm="g")
    assert status == 200
    assert front.world.told[-1][1] is OperatorState.FLATTEN
    assert "disk full" in front.supervision.notices[0]
    front.bench.store.refuse_writes(None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Auth-Token": ""}, 401),
        ({"X-Auth-Token": TOKEN[:-1]}, 401),
        ({"X-Auth-Token": TOKEN + "x"}, 401),
        ({"X-Auth-Token": "ключ"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({**AUTH, "Origin": "http://evil.example"}, 403),
        ({**AUTH, "Origin": "null"}, 403),
        ({**AUTH, "Origin": "http://[bad"}, 403),
        ({**AUTH, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**AUTH, "Sec-Fetch-Site": "same-origin"}, 200),
        ({**AUTH, "Host": "evil.example"}, 403),
        ({**AUTH, "Host": ""}, 403),
        ({**AUTH, "Host": "hedge.example:1"}, 200),
        ({**AUTH, "Host": "HEDGE.example"}, 200),
        ({**AUTH, "Host": "[::1]:9464"}, 200),
        ({**AUTH, "Host": "10.1.2.3"}, 200),
        ({**AUTH, "Host": "localhost:9464"}, 200),
        ({**AUTH, "Host": "localhost.evil.example"}, 403),
        ({**AUTH, "Host": "a b"}, 403),
    ],
)
async def test_only_a_token_from_our_own_page_or_a_tool_may_write(front, headers, status):
    """Wrong tokens, foreign pages and names that were made to lead here are turned away before anything happens."""
    answered, body = await front.press("pause", headers=headers)
    assert answered == status
    assert (front.world.told != []) == (status == 200)
    assert TOKEN not in json.dumps(body)


async def test_our_own_page_may_write(front):
    """A browser sends its origin; it is the host that it asks."""
    assert (await front.press("pause", headers={**AUTH, "Origin": front.server.url}))[0] == 200


async def test_a_name_that_was_made_to_lead_here_reads_nothing(front):
    """DNS rebinding: positions are no business of somebody else's page."""
    status, answer = await front.ask("GET", "/api/groups", headers={"Host": "evil.example"})
    assert (status, list(answer)) == (403, ["error"])


async def test_what_is_turned_away_is_counted_by_its_reason(front):
    """Each kind has a count of its own."""
    await front.press("pause", headers={})
    await front.press("pause", headers={**AUTH, "Origin": "null"})
    await front.ask("GET", "/api/groups", headers={"Host": "evil"})
    await front.press("pause", group="nobody")
    await front.press("explode")
    await front.ask("GET", "/nothing")
    counted = {name.removeprefix("http_refused_"): count for name, count in front.meter.counters.items()}
    assert counted == {"token": 1, "origin": 1, "host": 1, "request": 3}


@pytest.mark.parametrize(
    ("raw", "kind", "status"),
    [
        (b"", "application/json", 200),
        (b"{}", "application/json; charset=utf-8", 200),
        (b"{}", "text/plain", 415),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"reason": NaN}', "application/json", 400),
        (b'{"reason": 1' + b"0" * 5000 + b"}", "application/json", 400),
        (b'{"reason": "' + b"x" * 201 + b'"}', "application/json", 400),
        (b'{"reasn": "x"}', "application/json", 400),
        (b'{"reason": "\xff"}', "application/json", 400),
        (b'{"name": "a b"}', "application/json", 400),
        (b'{"name": "' + b"[" * 10000 + b'"}', "application/json", 400),
        (b"[" * 15000, "application/json", 400),
        (b" " * 20000, "application/json", 413),
    ],
)
async def test_a_body_that_does_not_fit_changes_nothing(front, raw, kind, status):
    """Garbage is named as garbage, and repeated nowhere."""
    found, _ = await front.ask(
        "POST", "/api/groups/g/pause", headers={**AUTH, "Content-Type": kind}, data=raw, skip_auto_headers=["Accept"]
    )
    assert found == status
    assert (front.world.told != []) == (status == 200)


async def test_an_unknown_method_names_those_that_are_known(front):
    """405 with Allow, as JSON like every other refusal."""
    async with front.session.delete("/api/groups/g/pause", headers=AUTH) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert (await answer.json())["error"]


async def test_no_page_of_ours_is_framed_or_kept(front):
    """Buttons under somebody else's picture would be pressed by mistake."""
    async with front.session.get("/api/groups") as answer:
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_two_presses_at_once_are_both_told_in_their_order(front):
    """Neither is lost, neither comes twice."""
    await asyncio.gather(front.press("pause", reason="1"), front.press("resume", reason="2"))
    assert sorted(told[3] for told in front.world.told) == ["1", "2"]


def test_a_reason_is_one_line_wherever_it_is_shown():
    """Line breaks and control characters cannot draw on a terminal or forge a line."""
    assert _one_line("a\n\x1b[31mb\r\n  c\u2028d") == "a [31mb c d"
