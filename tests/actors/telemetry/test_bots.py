"""Bots that report: when they are online, what is kept of them, and what a restart forgets."""

import json
from decimal import Decimal

import pytest
from pydantic import ValidationError

from actors.telemetry.bots import Bots, TooManyBotsError
from actors.telemetry.heartbeat import Heartbeat, check_extent, is_online, missed, to_json
from strategies.domain.ids import Timestamp

NOW = Timestamp(1_000_000_000)


def take(bots: Bots, name: str, at: int = NOW, **payload) -> None:
    """Let one bot report."""
    bots.take(name, Heartbeat.model_validate(payload), payload, Timestamp(at))


@pytest.mark.parametrize(
    ("age_ms", "online", "lost"),
    [(0, True, 0), (-5000, True, 0), (9_999, True, 0), (20_000, True, 2), (20_001, False, 2)],
)
def test_two_missed_intervals_are_offline(age_ms, online, lost):
    """By our clock and the bot's own interval; a clock that went back makes nobody offline."""
    at = Timestamp(NOW - age_ms)
    assert is_online(at, Decimal(10), NOW) is online
    assert missed(at, Decimal(10), NOW) == lost


def test_the_status_says_what_each_bot_said_and_ours_beside_it():
    """Numbers stay what they were; fields that we do not know are kept; what we say wins over what a bot claims."""
    bots = Bots(10)
    payload = json.loads(
        '{"position_base": 1.50, "mood": [1e2, "x"], "online": false, "bot": "y"}', parse_float=Decimal
    )
    take(bots, "b", NOW - 61_000)
    bots.take("a", Heartbeat.model_validate(payload), payload, NOW)
    text = bots.status_json(NOW)
    assert '"position_base": 1.50, "mood": [1E+2, "x"]' in text
    status = json.loads(text)
    assert (status["online"], status["total"]) == (1, 2)
    assert [(bot["bot"], bot["online"], bot["missed"]) for bot in status["bots"]] == [("a", True, 0), ("b", False, 2)]
    assert bots.offline(NOW) == ("b",)


async def test_what_was_kept_comes_back(tmp_path):
    """The same status from the file; it is written whole, and only when something has changed."""
    bots = Bots(10)
    take(bots, "a", position_base="1.5", telemetry_interval_secs=7, extra={"x": [None, True]})
    take(bots, "b", NOW - 100_000)
    await bots.save(tmp_path)
    again = Bots(10)
    again.load(tmp_path)
    assert again.status_json(NOW) == bots.status_json(NOW)
    before = (tmp_path / "telemetry.json").stat().st_mtime_ns
    await again.save(tmp_path)
    assert (tmp_path / "telemetry.json").stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["telemetry.json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"bots": []}', '{"bots": {"a": 1}}', '{"bots": {"a": {"received_at": "x", "payload": {}}}}', "\0",
     '{"bots": {"a": {"received_at": 1, "payload": {"telemetry_interval_secs": 0}}}}', "[" * 100_000],
)  # fmt: skip
def test_a_damaged_file_is_put_aside(tmp_path, text):
    """Nobody stops for it, and it is not lost."""
    (tmp_path / "telemetry.json").write_text(text)
    bots = Bots(10)
    bots.load(tmp_path)
    assert len(bots) == 0
    assert (tmp_path / "telemetry.damaged").read_text() == text


async def test_a_disk_that_refuses_loses_no_bot(tmp_path):
    """What could not be written is written with the next save."""
    bots = Bots(10)
    take(bots, "a")
    gone = tmp_path / "not-there"
    with pytest.raises(OSError, match="not-there"):
        await bots.save(gone)
    gone.mkdir()
    await bots.save(gone)
    assert (gone / "telemetry.json").exists()


def test_a_new_bot_takes_the_place_of_whoever_is_gone_longest():
    """Memory has a bound; who is online is never driven out."""
    bots = Bots(2)
    take(bots, "a", NOW - 500_000)
    take(bots, "b", NOW - 900_000)
    take(bots, "c")
    assert bots.offline(NOW) == ("a",)
    take(bots, "d")
    with pytest.raises(TooManyBotsError):
        take(bots, "e")
    take(bots, "d", NOW + 1)


def test_prune_forgets_who_is_older_and_names_them():
    """The bound itself stays."""
    bots = Bots(10)
    take(bots, "old", NOW - 5_001)
    take(bots, "just", NOW - 5_000)
    assert bots.prune(5_000, NOW) == ("old",)
    assert bots.prune(5_000, NOW) == ()
    assert len(bots) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"telemetry_interval_secs": 0},
        {"telemetry_interval_secs": -1},
        {"telemetry_interval_secs": 86_401},
        {"telemetry_interval_secs": "soon"},
        {"position_base": "NaN"},
        {"position_base": Decimal("1E+19")},
        {"position_base": Decimal("1E-31")},
        {"position_base": True},
        {"position_base": [1]},
        {"balance_total": "Infinity"},
        {"role": "x" * 101},
        {"symbol": 5},
        {"timestamp": {}},
    ],
)
def test_what_cannot_be_is_refused(wrong):
    """A number that nobody holds, an interval that never passes, a word that fills the page."""
    with pytest.raises(ValidationError):
        Heartbeat.model_validate(wrong)


def test_the_payload_of_the_original_is_understood():
    """Every field of it, numbers as numbers or as text."""
    said = Heartbeat.model_validate(
        {
            "timestamp": 1700000000.25,
            "telemetry_interval_secs": 15,
            "group": "g",
            "role": "BP",
            "symbol": "ETH",
            "direction": "long",
            "position_base": "1.5",
            "max_position_base": 2,
            "pnl_unrealized": -3.25,
            "balance_total": None,
        }
    )
    assert (said.position_base, said.pnl_unrealized, said.telemetry_interval_secs) == (
        Decimal("1.5"),
        Decimal("-3.25"),
        15,
    )


def test_extent_has_bounds():
    """Many fields and deep nests are refused before they are kept."""
    assert check_extent({str(number): 1 for number in range(65)}) == "has more than 64 fields"
    assert check_extent({"a": [[[[[1]]]]]}) == ""
    assert check_extent({"a": [[[[[[1]]]]]]}) == "is nested deeper than 6"


def test_json_is_written_as_it_was_read():
    """No number passes through a float."""
    text = '{"a": [1, 1.10, -2E+30, "\\u00e9\\ud800"], "b": {"c": null, "d": true}}'
    assert to_json(json.loads(text, parse_float=Decimal)) == text
