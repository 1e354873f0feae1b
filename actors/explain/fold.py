"""Replays a group's journal to learn which step belongs to which cycle, and where each step led.

The machine that decided then decides again: so the phases and reasons are the strategy's own, not guessed from names.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from heapq import merge
from typing import Any

from actors.explain.memory import Mark
from actors.explain.orders import Orders
from actors.explain.story import Cause, Cycle, CycleUnknownError, LegResult
from actors.group_entries import SETTINGS, STEP, DecidedBy, StepBody
from actors.journal.protocol import Record
from actors.words import command_words, event_words
from strategies.domain.codec import commands_to_json
from strategies.domain.ids import GroupId, LegName, Timestamp
from strategies.machine import GroupSpec, GroupView, LegView, Machine, Outcome

Builder = Callable[[str, GroupSpec, dict[str, Any], dict[str, Any]], Machine[Any]]
_ZERO = Decimal(0)


class CycleFold:
    """Folds the records of one group's stream, and keeps the steps of one cycle: a number, or None for the last."""

    def __init__(self, group: GroupId, wanted: int | None, build: Builder, begin: Mark | None = None) -> None:
        """Make machines with `build`; begin where an earlier fold has been, or at the first record."""
        self.orders = Orders()
        self.problems: list[str] = []
        self.marks: list[Mark] = []
        """Places to begin at the next time."""
        self._group = group
        self._wanted = wanted
        self._build = build
        self._stream = f"group/{group}"
        self._machine: Machine[Any] | None = None
        self._state: Any = None
        self._view: GroupView | None = None
        self._first: GroupView | None = None
        self._last: GroupView | None = None
        self._causes: list[Cause] = []
        self._afterwards: list[Cause] = []
        """What came after the cycle's end: it leads to the next cycle, if there is one."""
        self._quiet = self._quiet_now = 0
        self._ended: GroupView | None = None
        self._began_at: Timestamp | None = None
        self._ended_at: Timestamp | None = None
        self._next_began_at: Timestamp | None = None
        self._diverged = False
        self._later = 0
        self._settings: DecidedBy | None = None
        self._numbered = re.compile(rf'"{re.escape(group)}:([0-9]+):')
        if begin is not None:
            self._state, self._view = begin.state, begin.view
            self.problems, self._diverged = list(begin.problems), bool(begin.problems)
            self._settle(begin.settings)

    @property
    def past(self) -> bool:
        """Say whether the wanted cycle is over and a later one has begun: only late facts can follow."""
        return self._next_began_at is not None

    @property
    def span(self) -> tuple[Timestamp | None, Timestamp | None]:
        """Return when the cycle began and when the next one did; None = not, or not yet."""
        return self._began_at, self._next_began_at

    def take(self, record: Record) -> None:
        """Fold one record. Raises ValueError for one that is not of this version."""
        if record.kind == SETTINGS:
            self._settle(DecidedBy.model_validate_json(record.body))
        elif record.kind == STEP:
            self._step(record, StepBody.model_validate_json(record.body))

    def late(self, record: Record) -> None:
        """Look at a record from after the cycle: a fact about one of its orders may come at any time."""
        if record.kind != STEP:
            return
        named = {int(number) for number in self._numbered.findall(record.body)}
        self._later = max(self._later, *named, 0)
        if self._wanted in named:
            self.orders.happened(StepBody.model_validate_json(record.body).event)

    def cycle(self, others: Iterable[Cause] = ()) -> Cycle:
        """Return what is known now, with `others` of another stream sorted in.

        Raises:
            CycleUnknownError: the group has had no such cycle.
        """
        view = self._last
        if view is None:
            last = 0 if self._view is None else self._view.cycle
            known = f"the last one is {last}" if self._view is not None else "nothing of it can be replayed"
            raise CycleUnknownError(f"Group {self._group} has had no cycle {self._wanted}: {known}.")
        first = self._first or view
        own = self._causes if self.past else [*self._causes, *self._afterwards]
        causes = merge(
            own, others, key=lambda cause: cause.at
        )  # each in its own order: facts may tell of earlier moments
        return Cycle(
            group=self._group,
            cycle=view.cycle,
            cycles=max(self._later, view.cycle if self._view is None else self._view.cycle),
            began_at=self._began_at,
            ended_at=self._ended_at or (self._causes[-1].at if self.past and self._causes else None),
            outcome=self._outcome(self._ended or view),
            causes=tuple(causes),
            quiet=self._quiet,
            orders=self.orders.stories(),
            legs={name: _result(first.legs.get(name), leg) for name, leg in view.legs.items()},
            problems=tuple(self.problems),
        )

    def _settle(self, settings: DecidedBy) -> None:
        spec = GroupSpec(group=self._group, instrument_id=settings.instrument_id, legs=settings.legs)
        self._settings = settings
        self._machine = self._build(settings.strategy, spec, settings.params, settings.limits_in_force)
        if self._state is None:
            self._state = self._machine.start()
            self._view = self._machine.view(self._state)

    def _step(self, record: Record, body: StepBody) -> None:
        if self._machine is None or self._view is None:
            raise ValueError("the journal does not say by which settings it was decided")
        before, state = self._view, self._state
        decided = self._machine.step(self._state, body.event)
        self._state = decided.state
        after = self._view = self._machine.view(decided.state)
        if not self._diverged and commands_to_json(decided.commands) != commands_to_json(body.commands):
            self._diverged = True
            self.problems.append(
                f"From step {record.seq} on, this version of the code decides otherwise than was decided then: "
                "what was decided is shown as it was, phases as they would be now."
            )
        if after.cycle != before.cycle and self._settings is not None:
            told = tuple(self.problems)
            self.marks.append(Mark(after.cycle, record.seq - 1, self._settings, state, before, told))
        self._place(before, after, record.at)
        if self.past or (self._wanted is not None and after.cycle < self._wanted - 1):
            return
        if self._wanted in {None, after.cycle}:
            self._last = after
        self.orders.decided(body.commands, record.at, record.seq)
        self.orders.happened(body.event)
        self._keep(record, body, before, after)

    def _place(self, before: GroupView, after: GroupView, at: Timestamp) -> None:
        """Find out whether a step begins or ends the cycle."""
        if after.cycle != before.cycle:
            if self._last is not None and self._wanted is not None:
                self._next_began_at = at
            else:
                self._begin(before, at)
        elif self._began_at is None:
            self._begin(before, at)  # cycle 0: what came before the first
        over = after.cycles_done > before.cycles_done or (
            after.outcome is not Outcome.RUNNING and before.outcome is Outcome.RUNNING
        )
        if over and not self.past and self._ended is None:
            self._ended, self._ended_at = after, at

    def _begin(self, before: GroupView, at: Timestamp) -> None:
        self._first, self._began_at, self._ended_at, self._ended = before, at, None, None
        self._causes, self._afterwards, self._quiet = self._afterwards, [], 0
        self.orders = Orders()

    def _keep(self, record: Record, body: StepBody, before: GroupView, after: GroupView) -> None:
        decided = tuple(filter(None, map(command_words, body.commands)))
        moved = after.phase != before.phase or after.reason != before.reason
        told = moved or after.operator_state != before.operator_state or after.net != before.net
        if not decided and not told and body.source is None:
            self._quiet += 1
            self._quiet_now += 1
            return
        ended_before = self._ended_at is not None and self._ended is not after
        (self._afterwards if ended_before else self._causes).append(
            Cause(
                stream=self._stream,
                seq=record.seq,
                at=record.at,
                what=event_words(body.event),
                decided=decided,
                phase=after.phase,
                left=before.phase if after.phase != before.phase else "",
                why=after.reason if moved else "",
                net=after.net if after.net != before.net else None,
                before=self._quiet_now,
            )
        )
        self._quiet_now = 0

    def _outcome(self, view: GroupView) -> str:
        if self._ended is None and not self.past:
            return f"it is {view.phase}" + (f" ({view.reason})" if view.reason else "") + f"; next: {view.next}"
        ended = view.reason or view.phase
        return f"ended: {ended}" if view.outcome is not Outcome.PARKED else f"parked: {ended}"


def causes_of(
    stream: str, records: Iterable[Record], orders: Orders, span: tuple[Timestamp, Timestamp | None]
) -> list[Cause]:
    """Return the steps of a way out that fell into a cycle's time, and follow its orders."""
    began_at, until = span
    found: list[Cause] = []
    quiet = 0
    for record in records:
        if record.kind != STEP or record.at < began_at or (until is not None and record.at >= until):
            continue
        body = StepBody.model_validate_json(record.body)
        orders.decided(body.commands, record.at, record.seq)
        orders.happened(body.event)
        decided = tuple(filter(None, map(command_words, body.commands)))
        if not decided and body.source is None:
            quiet += 1
            continue
        found.append(
            Cause(
                stream=stream,
                seq=record.seq,
                at=record.at,
                what=event_words(body.event),
                decided=decided,
                phase="",
                before=quiet,
            )
        )
        quiet = 0
    return found


def _result(first: LegView | None, last: LegView) -> LegResult:
    return LegResult(
        account=last.account,
        held=last.believed,
        realized=last.realized - (_ZERO if first is None else first.realized),
        fees=last.fees - (_ZERO if first is None else first.fees),
    )


def leg_names(cycle: Cycle) -> tuple[LegName, ...]:
    """Return the legs that held or earned something in the cycle."""
    return tuple(name for name, leg in cycle.legs.items() if leg.held or leg.realized or leg.fees)
