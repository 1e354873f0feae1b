"""What the journal says, as lines for people or for programs. Works beside a running writer and changes nothing."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from actors.journal.location import JournalLocation, parse_location
from actors.journal.protocol import JournalError, Record
from actors.journal.read import StreamReader

_MS_PER_S = 1_000


def show(
    url: str, stream: str | None = None, after: int = 0, limit: int | None = None, *, json_lines: bool = False
) -> Iterator[str]:
    """Yield one line a record with seq > `after`, at most `limit` a stream; of every stream when `stream` is None.

    Raises:
        ValueError: not a journal URL, or not a stream's name.
        JournalError: there is no such stream, or it is damaged or newer; what was yielded before is whole.
    """
    location = parse_location(url)
    write = _as_json if json_lines else _as_text
    for name in _streams(location, stream):
        for shown, record in enumerate(StreamReader(location.file_of(name), name).records(after)):
            if shown == limit:
                break
            yield write(name, record)


def _streams(location: JournalLocation, stream: str | None) -> list[str]:
    known = [location.stream_of(path) for path in location.files()]
    if stream is None:
        if not location.directory.is_dir():
            raise JournalError(f"{location.directory}: there is no journal in this directory")
        return known
    if not location.file_of(stream).exists():
        raise JournalError(
            f"{location.directory}: has no stream {stream}; it has {', '.join(known) if known else 'none'}"
        )
    return [stream]


def _as_text(stream: str, record: Record) -> str:
    at = datetime.fromtimestamp(record.at / _MS_PER_S, UTC).isoformat(sep=" ", timespec="milliseconds")
    return f"{at} {stream} #{record.seq} epoch {record.epoch} {record.kind} {_one_line(record.body)}"


def _as_json(stream: str, record: Record) -> str:
    frame = json.dumps(
        {"stream": stream, "seq": record.seq, "epoch": record.epoch, "kind": record.kind, "at": record.at}
    )
    try:
        json.loads(record.body)
    except ValueError:
        body = json.dumps(record.body)
    else:
        body = _one_line(record.body)  # verbatim: read and written again, its numbers might change
    return f'{frame[:-1]}, "body": {body}}}'


def _one_line(body: str) -> str:
    # In JSON text a line break can only be white space between values.
    return body.replace("\r", " ").replace("\n", " ")
