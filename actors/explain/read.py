"""Takes one cycle out of a journal on disk. Works beside a running writer, and without a supervisor."""

from collections.abc import Iterator

from actors.account.entries import EntryKind, PreparedBody
from actors.explain.fold import CycleFold, causes_of
from actors.explain.memory import Memory
from actors.explain.orders import Orders
from actors.explain.story import Cause, Cycle, CycleUnknownError
from actors.hosting.protocol import ActorKind
from actors.journal.location import JournalLocation, parse_location
from actors.journal.protocol import JournalError, Record
from actors.journal.read import StreamReader
from strategies.domain.ids import GroupId
from strategies.registry import build_machine

_SHOWN = 200
"""Characters of what a record that cannot be read says about itself."""


def explain(url: str, group: GroupId, cycle: int | None = None, memory: Memory | None = None) -> Cycle:
    """Return one cycle of a group: a number from 1 (0 = what came before the first), or None for the last.

    A `memory` makes the next explanation of the same journal shorter; each needs the memory to itself meanwhile.
    What cannot be read is named in the answer's `problems`; what was read before it is in the answer.

    Raises:
        CycleUnknownError: the journal has no such group, or the group no such cycle.
        JournalError: the group's stream cannot be read at all.
    """
    location = parse_location(url)
    stream = f"{ActorKind.GROUP}/{group}"
    if not _has(location, stream):
        raise CycleUnknownError(f"The journal in {location.directory} has no group {group}.")
    memory = memory or Memory()
    begin = memory.before(group, cycle)
    fold = CycleFold(group, cycle, build_machine, begin)
    _fold_group(fold, _records(location, stream, 0 if begin is None else begin.seq))
    memory.add(group, fold.marks)
    others = _way_out(location, group, fold)
    _identify(location, fold.orders, fold.problems, memory)
    return fold.cycle(others)


def _fold_group(fold: CycleFold, records: Iterator[Record]) -> None:
    seq = 0
    try:
        for record in records:
            seq = record.seq
            if fold.past:
                fold.late(record)
            else:
                fold.take(record)
    except JournalError as error:
        if not seq:
            raise
        fold.problems.append(f"The journal can be read up to step {seq} only: {error}")
    except Exception as error:  # noqa: BLE001 - a record of another version may fail in any way; what came before stands
        fold.problems.append(
            f"Step {seq} cannot be replayed by this version of the code ({type(error).__name__}: "
            f"{str(error)[:_SHOWN]}); what follows it is not shown: journal show has it."
        )


def _way_out(location: JournalLocation, group: GroupId, fold: CycleFold) -> list[Cause]:
    """Return what a way out did in the cycle's time, when there was one."""
    stream = f"{ActorKind.FLATTEN}/{group}"
    began_at, until = fold.span
    if began_at is None or not _has(location, stream):
        return []
    try:
        return causes_of(stream, _records(location, stream), fold.orders, (began_at, until))
    except (JournalError, ValueError) as error:
        fold.problems.append(f"{stream} cannot be read: {str(error)[:_SHOWN]}")
        return []


def _identify(location: JournalLocation, orders: Orders, problems: list[str], memory: Memory) -> None:
    """Add under which identity each order left: only the accounts know it."""
    for account in sorted(orders.accounts()):
        stream = f"{ActorKind.ACCOUNT}/{account}"
        if not _has(location, stream):
            problems.append(f"The journal has no {stream}: what its orders were called at the venue is not known.")
            continue
        names = memory.names(account)
        try:
            for record in _records(location, stream, names.seq):
                names.seq = record.seq
                if record.kind == EntryKind.PREPARED:
                    body = PreparedBody.model_validate_json(record.body)
                    if body.identity.order_id == body.key:
                        names.of[body.identity.order_id] = body.identity
        except (JournalError, ValueError) as error:
            problems.append(f"{stream} cannot be read: {str(error)[:_SHOWN]}")
        for order_id in orders.sent_to(account) & names.of.keys():
            orders.identified(order_id, names.of[order_id])


def _has(location: JournalLocation, stream: str) -> bool:
    try:
        return location.file_of(stream).is_file()
    except ValueError:
        return False


def _records(location: JournalLocation, stream: str, after: int = 0) -> Iterator[Record]:
    return StreamReader(location.file_of(stream), stream).records(after)
