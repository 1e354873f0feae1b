"""Planted faults: each breaks one promise somewhere in the production code, as a careless change would."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors import mailbox
from actors.account import book as book_module
from actors.account.book import Book
from actors.account.history import FillHistory
from actors.account.ledger import Ledger
from actors.account.submission import Submission
from actors.group_log import GroupLog
from actors.journal.memory import MemoryJournal
from strategies.liquidation_hedge import entering
from strategies.liquidation_hedge.state import BALANCER
from strategies.liquidation_hedge.turn import Turn
from venues.errors import OutcomeUnknown, Unreachable

Mutant = Callable[[pytest.MonkeyPatch], None]


def forget_commands_after_a_crash(patch: pytest.MonkeyPatch) -> None:
    """A group that comes back does not bring what it had decided and not delivered."""
    load = GroupLog.load

    async def forgetful(log, *arguments, **named):
        loaded = await load(log, *arguments, **named)
        log._outbox.clear()
        return loaded

    patch.setattr(GroupLog, "load", forgetful)


def send_an_unknown_order_again(patch: pytest.MonkeyPatch) -> None:
    """A lost answer is read as: nothing happened, send it again."""
    await_answer = Submission._await_answer

    async def again(submission, key, lane, answer):
        async def read_wrongly():
            try:
                return await answer
            except OutcomeUnknown as error:
                raise Unreachable(str(error)) from error

        await await_answer(submission, key, lane, read_wrongly())

    patch.setattr(Submission, "_await_answer", again)


def hedge_what_was_wanted(patch: pytest.MonkeyPatch) -> None:
    """The hedge covers what the entry was meant to be, not what it became."""
    hedge = entering._hedge_first

    def wishful(turn: Turn) -> bool:
        balancer = turn.leg(BALANCER)
        held, wished = balancer.quantity, balancer.target
        turn.put(BALANCER, offset=balancer.offset + wished - held)
        covered = hedge(turn)
        turn.put(BALANCER, offset=turn.leg(BALANCER).offset - wished + held)
        return covered

    patch.setattr(entering, "_hedge_first", wishful)


def accept_a_stale_epoch(patch: pytest.MonkeyPatch) -> None:
    """A journal takes the writes of an owner that was overtaken."""

    def careless(journal: MemoryJournal) -> None:
        journal._check_open()
        journal._store.check_writable()

    patch.setattr(MemoryJournal, "_check_owner", careless)


def count_a_fill_twice(patch: pytest.MonkeyPatch) -> None:
    """A trade that is told again is held again."""
    decide = Book.decide_fill

    def gullible(book, report, at):
        book.state.trade_ids.get(report.instrument_id, {}).pop(report.trade_id, None)
        return decide(book, report, at)

    patch.setattr(Book, "decide_fill", gullible)


def act_before_the_journal(patch: pytest.MonkeyPatch) -> None:
    """An order's bytes leave while its identity is still being written."""
    line_up = Submission._line_up

    def hasty(submission, departure):
        line_up(submission, replace(departure, durable=()))

    patch.setattr(Submission, "_line_up", hasty)


def take_a_message_twice(patch: pytest.MonkeyPatch) -> None:
    """Numbers of messages are not looked at."""

    def trusting(mark, envelope):
        last = max((message.seq for message in envelope.messages), default=mark.taken if mark else 0)
        return mailbox.SenderMark(epoch=envelope.sender_epoch, taken=last), envelope.messages

    patch.setattr(book_module, "sift", trusting)


def believe_a_lost_stream(patch: pytest.MonkeyPatch) -> None:
    """Fills that the stream lost are never asked for."""

    async def nothing(_history):
        return None

    patch.setattr(FillHistory, "catch_up", nothing)


def forget_what_is_held(patch: pytest.MonkeyPatch) -> None:
    """An account that comes back from a snapshot has lost its positions."""
    load = Ledger.load

    async def blank(ledger):
        folded = await load(ledger)
        if ledger._snapshot_seq:
            ledger.book.state.positions.clear()
        return folded

    patch.setattr(Ledger, "load", blank)


MUTANTS: tuple[Mutant, ...] = (
    forget_commands_after_a_crash,
    send_an_unknown_order_again,
    hedge_what_was_wanted,
    accept_a_stale_epoch,
    count_a_fill_twice,
    act_before_the_journal,
    take_a_message_twice,
    believe_a_lost_stream,
    forget_what_is_held,
)
