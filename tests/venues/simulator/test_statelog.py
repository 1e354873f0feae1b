"""The state file: snapshots, changes, damage."""

import os
from pathlib import Path

import pytest

from venues.simulator.statelog import StateFileError, StateLog


def written(path: Path) -> StateLog:
    """Write a snapshot and two changes."""
    log = StateLog(path)
    log.start({"a": 1})
    log.append({"n": 1})
    log.append({"n": 2})
    return log


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The snapshot and the changes after it come back in order, even from a log that was never closed."""
    log = written(tmp_path / "state")
    assert StateLog(tmp_path / "state").read() == ({"a": 1}, [{"n": 1}, {"n": 2}])
    log.close()


def test_a_new_snapshot_replaces_everything(tmp_path: Path) -> None:
    """After a snapshot the old changes are gone and new ones follow it."""
    log = written(tmp_path / "state")
    log.start({"a": 2})
    assert log.lines == 0
    log.append({"n": 3})
    log.close()
    assert StateLog(tmp_path / "state").read() == ({"a": 2}, [{"n": 3}])


def test_no_file_is_a_first_life(tmp_path: Path) -> None:
    """Nothing was written yet: None, not an empty state."""
    assert StateLog(tmp_path / "state").read() is None


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    """The answer that line belonged to never left."""
    written(tmp_path / "state").close()
    with (tmp_path / "state").open("ab") as file:
        file.write(b'{"n":')
    assert StateLog(tmp_path / "state").read() == ({"a": 1}, [{"n": 1}, {"n": 2}])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"version":1,"snapshot":{}}\nnonsense\n', "line 2: not JSON"),
        (b'{"version":1,"snapshot":{}}\n[]\n', "line 2: not an object"),
        (b'{"version":99,"snapshot":{}}\n', "written in format 99"),
        (b'{"some":"thing"}\n', "line 1: not a state file"),
        (b"", "line 1: not a state file"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that is not ours, or not whole, is refused with the place."""
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(StateFileError, match=message):
        StateLog(tmp_path / "state").read()


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    """A change that cannot be written raises, so that no answer leaves."""
    log = written(tmp_path / "state")
    log.close()
    with pytest.raises(StateFileError, match="not open"):
        log.append({"n": 3})
    log._file = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(StateFileError, match="No space left"):
        log.append({"n": 3})
    log.close()


def test_the_file_is_its_owners(tmp_path: Path) -> None:
    """Nobody else may read it."""
    written(tmp_path / "state").close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600
