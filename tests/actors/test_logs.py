"""The log file: JSON lines, the same name for each incarnation, wire detail only when asked for, nothing secret."""

import json
import logging
import secrets
import time

import pytest
import structlog

import actors.logs
from actors.logs import close_logs, log_to_file

BOUND_S = 10.0


def wait_until(condition) -> None:
    """Wait for what another thread does."""
    give_up_at = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


@pytest.fixture
def log(tmp_path):
    """Return how to open the log and read it; everything is put back afterwards."""
    path = tmp_path / "logs" / "account-l1.jsonl"

    def lines() -> list[dict]:
        close_logs()
        return [json.loads(line) for line in path.read_text().splitlines()]

    yield lambda **options: log_to_file(path, **({"debug": False} | options)), lines
    close_logs()
    structlog.reset_defaults()


def test_every_line_is_json_with_the_actors_name(log):
    """Fields of the process and of the line stand side by side, from structlog and from plain logging alike."""
    start, lines = log
    start(actor="account/l1", epoch=3)
    structlog.get_logger("actors.test").info("filled", order="g:1")
    logging.getLogger("other").warning("plain %s", "words")
    first, second = lines()
    assert (first["actor"], first["epoch"], first["event"], first["order"]) == ("account/l1", 3, "filled", "g:1")
    assert (second["event"], second["level"], second["actor"]) == ("plain words", "warning", "account/l1")


def test_wire_detail_comes_only_with_debug(log):
    """`venues.*` at DEBUG is silent by default and written when asked for."""
    start, lines = log
    start()
    logging.getLogger("venues.lighter.rest").debug("GET /api")
    assert lines() == []
    start(debug=True)
    logging.getLogger("venues.lighter.rest").debug("GET /api")
    structlog.get_logger("venues.backpack.rest").debug("POST", headers={"X-Signature": "abc"})
    logging.getLogger("aiohttp.access").info("noise")
    assert [line["event"] for line in lines()] == ["GET /api", "POST"]


def test_closing_leaves_every_logger_as_it_was(log):
    """Whoever logs in the same process afterwards hears what it set, not what an actor wanted."""
    start, _ = log
    names = ("", "venues", "asyncio")
    before = [logging.getLogger(name).level for name in names]
    start()
    start(debug=True)
    close_logs()
    assert [logging.getLogger(name).level for name in names] == before


def test_secrets_are_cut_out_of_lines_and_tracebacks(log):
    """Neither a field, nor a message, nor the text of an exception shows a key."""
    start, lines = log
    start(debug=True)
    key = secrets.token_hex(40)
    try:
        raise ValueError(f"cannot sign with {key}")  # noqa: TRY301 - a traceback is what is tested
    except ValueError:
        structlog.get_logger("a").exception("failed", secret=key, detail=f"Authorization: Bearer {key}")
    logging.getLogger("venues.x").debug("sent %s", {"sig": key})
    text = json.dumps(lines())
    assert key not in text
    assert "ValueError: cannot sign with <redacted>" in text


def test_a_successor_appends_to_the_same_file(log):
    """An incarnation does not erase what the one before it said."""
    start, lines = log
    start(epoch=1)
    structlog.get_logger("a").info("one")
    close_logs()
    start(epoch=2)
    structlog.get_logger("a").info("two")
    assert [(line["epoch"], line["event"]) for line in lines()] == [(1, "one"), (2, "two")]


def test_a_full_disk_is_no_talk_at_the_terminal(tmp_path, capfd):
    """Lines are lost, and counted; nothing is printed, and with room again the log says how many there were."""
    path = tmp_path / "account-l1.jsonl"
    path.symlink_to("/dev/full")
    log_to_file(path, debug=False, actor="account/l1")
    try:
        for number in range(3):
            structlog.get_logger("a").info("lost", number=number)
        close_logs()
        log_to_file(path, debug=False, actor="account/l1")
        structlog.get_logger("a").info("lost, too")
        structlog.get_logger("a").info("and this")
        sink = actors.logs._installed.handlers[0]
        wait_until(lambda: sink._lost == 2)
        path.unlink()
        structlog.get_logger("a").info("kept")
    finally:
        close_logs()
        structlog.reset_defaults()
    first, second = [json.loads(line) for line in path.read_text().splitlines() if line]
    assert (first["event"], first["lines"]) == ("log_lines_lost", 2)
    assert second["event"] == "kept"
    assert capfd.readouterr().err == ""
