"""Journal URLs and stream names."""

from pathlib import Path

import pytest

from actors.journal.location import JournalLocation, parse_location


def test_a_relative_directory():
    """`sqlite:` names a directory below the working directory."""
    assert parse_location("sqlite:state/journal") == JournalLocation(Path("state/journal"))


def test_an_absolute_directory():
    """`sqlite:` takes an absolute directory as well."""
    assert parse_location("sqlite:/var/lib/journal").file_of("group/a") == Path("/var/lib/journal/group/a.sqlite")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "sqlite:DIRECTORY"),
        ("state/journal", "sqlite:DIRECTORY"),
        ("sqlite:", "sqlite:DIRECTORY"),
        ("sqlite:///state/journal", 'without "//"'),
        ("mysql:x", "sqlite:DIRECTORY"),
        ("postgresql+psycopg://me:pa55@db/journal", "not supported yet"),
    ],
)
def test_what_is_no_journal_url(url: str, says: str):
    """A wrong URL is refused with what to write instead, and without repeating a password."""
    with pytest.raises(ValueError, match=says) as refused:
        parse_location(url)
    assert "pa55" not in str(refused.value)


@pytest.mark.parametrize("stream", ["", "/", "../x", "a/../../x", "a//b", ".hidden", "a/.hidden", "a b", "a/", "ä"])
def test_a_stream_cannot_climb_out(stream: str):
    """A stream's name is a path below the directory and nothing else."""
    with pytest.raises(ValueError, match="cannot name a stream"):
        JournalLocation(Path("journal")).file_of(stream)


def test_a_file_names_its_stream():
    """The file of a stream leads back to the stream."""
    location = JournalLocation(Path("journal"))
    assert location.stream_of(location.file_of("group/triad-1.b")) == "group/triad-1.b"
