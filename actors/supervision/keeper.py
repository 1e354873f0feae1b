"""Keeps one actor alive: starts it, watches it, buries it, and starts its successor, until told to end.

The order never changes: the old process is confirmed gone, the epoch is raised in the journal, a successor starts.
"""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress

import structlog

from actors.actor import ActorUnreachableError, Liveness
from actors.hosting.protocol import Assignment, HostLink, HostPhase, Place, Pulse
from actors.journal.protocol import JournalError, JournalWriteError
from actors.restart import Escalate, Restart, RestartPolicy, decide
from actors.supervision.desired import Wish
from actors.supervision.office import Life, Office
from actors.supervision.takeover import is_panic
from strategies.domain.ids import AccountId, Timestamp

LOOK_EVERY_S = 1.0
"""How often a settled actor reports."""
LOOK_EVERY_STARTING_S = 0.1
"""The same while it comes up: an account waits to be armed, and a group for its accounts."""
SILENT_AFTER = 3
"""Looks without an answer until an actor counts as dead: one may be lost, three in a row mean that nobody listens."""
LOOP_AGE_LIMIT_S = 15.0
"""An event loop that has not turned for so long trades no more: nothing in an actor may block it for a second."""
START_LIMIT_S = 90.0
"""Longest `start` of an actor: it waits up to 15 s for its predecessor's lock, and a long journal takes seconds."""
_DEATHS_KEPT = 1_000
"""More deaths than any policy counts."""
_BURY_RETRY_S = 2.0
"""Wait before a process that does not die is killed again."""
_DISK_RETRY_S = 1.0
"""First wait before a journal that could not be written is tried again; doubles."""
_DISK_RETRY_MAX_S = 15.0
"""Longest such wait: somebody who has made room does not want to wait for long."""
_MS = 1000

_log = structlog.get_logger(__name__)


class Keeper(ABC):
    """Keeps one actor alive."""

    def __init__(self, wish: Wish, policy: RestartPolicy, office: Office) -> None:
        """Nothing starts before `run`."""
        self.wish = wish
        self.life = Life()
        self.link: HostLink | None = None
        self._policy = policy
        self._office = office
        self._stopping = asyncio.Event()
        self._over = asyncio.Event()
        self.parting = ""
        """What has to be said of how it ended."""
        self._escalated = False
        self._claimed: int | None = None
        """Epoch of the latest incarnation that is known; None = none was."""
        self._hurry = asyncio.Event()
        self._successor: Wish | None = None
        """What lives next in place of what has lived so far; None = the same."""
        self._disk_retry_s = _DISK_RETRY_S
        self._excused = False
        """Whether the incarnation could not start for want of a disk, which says nothing against it."""
        self._replace = ""
        """Why the living incarnation has to make room; empty = it has not."""
        self._asked = False
        """Whether it makes room because a person wants it: nothing is held against it."""

    @property
    def coming(self) -> Wish:
        """Return what shall live next."""
        return self._successor or self.wish

    # --- what an account and a group do differently ---------------------------------------------------------------

    @abstractmethod
    async def _places(self) -> dict[AccountId, Place]:
        """Return the places that the actor is told when it starts; may wait."""

    @abstractmethod
    async def _visit(self, link: HostLink) -> bool:
        """Take the actor's report and bring it what is waiting; say whether it has settled."""

    @abstractmethod
    async def _came_up(self) -> None:
        """Tell others that a new incarnation lives."""

    @abstractmethod
    async def _escalate(self, reason: str) -> None:
        """Pass the trouble on: it died too often. Called once."""

    @abstractmethod
    def _may_go_on(self) -> str:
        """Say, after an escalation, why no further successor makes sense; empty = it does."""

    @abstractmethod
    async def _given_away(self, holder: str) -> None:
        """Tell others that a panic, `holder`, has taken the actor over."""

    async def _afterwards(self) -> None:  # noqa: B027 - most have nothing left to do
        """Do what is left to do when no further successor will be started."""

    # --- life -----------------------------------------------------------------------------------------------------

    async def run(self, adopted: HostLink | None = None) -> None:
        """Keep the actor alive until `stop`, beginning with a process that lives already if there is one."""
        try:
            self._succeed()
            if adopted is not None:
                self.life.starts += 1
                await self._attend(adopted)
            while not self._stopping.is_set() and not self.life.gave_up:
                await self._next_life()
            await self._afterwards()
            self.parting = await self._end()
        finally:
            self._over.set()

    async def stop(self) -> str:
        """End the actor in order: its own stop, then the process. Return what has to be said of it; empty = nothing."""
        self._stopping.set()
        await self._over.wait()
        return self.parting

    async def _next_life(self) -> None:
        asked, self._asked = self._asked, False
        if self.life.deaths and self._successor is None and not asked:
            await self._wait_for_turn()
            if self._stopping.is_set() or self.life.gave_up:
                return
        self._succeed()
        if await self._taken_over():
            return
        self.life.liveness = Liveness.STARTING
        begin = asyncio.ensure_future(self._begin())
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({begin, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not begin.done():
                begin.cancel()
            await asyncio.gather(begin, stop, return_exceptions=True)
        if begin.cancelled():
            return
        try:
            link = begin.result()
        except JournalWriteError as error:
            await self._wait_for_disk(str(error))
            return
        except (ActorUnreachableError, JournalError) as error:
            self._died(f"could not be started: {error}")
            return
        await self._attend(link)

    async def _wait_for_disk(self, error: str) -> None:
        """Rest before the journal is tried again: a full disk is no fault of any actor, and parks no group."""
        self._office.disk.refuses(self.wish.stream, error)
        wait_s, self._disk_retry_s = self._disk_retry_s, min(2 * self._disk_retry_s, _DISK_RETRY_MAX_S)
        await self._sleep(wait_s)

    def _succeed(self) -> None:
        """Let the successor's life begin without the faults of what was before it."""
        if self._successor is not None:
            self.wish, self._successor = self._successor, None
            self._replace = ""
            self.life.deaths = []
            self._escalated, self._claimed = False, None

    async def _taken_over(self) -> bool:
        """Say whether a panic owns the actor now. It has killed the process: nothing is started against it."""
        if self._claimed is None:
            return False
        try:
            epoch, holder = await self._office.store.owner(self.wish.stream)
        except JournalError:
            return False  # whoever claims next meets it again, and says so
        if epoch <= self._claimed or not is_panic(holder):
            return False
        self.give_way(holder)
        await self._given_away(holder)
        return True

    def replace(self, reason: str) -> None:
        """Let a successor take the place of what lives now, because a person wants it."""
        self._replace, self._asked = reason, True
        self._hurry.set()

    def change(self, wish: Wish) -> None:
        """Let an actor with other settings take the place of this one."""
        self._successor = wish
        self.replace("its settings have changed")

    @property
    def ended(self) -> bool:
        """Say whether nothing is kept alive any more."""
        return self._over.is_set()

    def give_way(self, holder: str) -> None:
        """Start no successor any more: a panic, `holder`, acts now."""
        self.life.gave_up = f"taken over by {holder}"

    async def _end(self) -> str:
        link = self.link
        if link is None:
            return ""
        orderly = await link.stop(self._office.stop_timeout_s)
        gone = await link.destroy()
        self.link = None
        self.life.liveness = Liveness.DEAD
        if not gone:
            return f"{self.wish.stream}: its process {self.life.pid} does not end; look at it before starting again."
        return "" if orderly else f"{self.wish.stream} did not end in order and was killed; its journal is complete."

    async def _begin(self) -> HostLink:
        epoch = await self._office.store.claim(self.wish.stream, self._office.holder)
        for rival in self.wish.rivals:
            if (await self._office.store.owner(rival))[0]:
                await self._office.store.claim(rival, self._office.holder)
        link = await self._office.spares.take(self._office.rank(self.wish))
        try:
            # Only now: what the process loads need not wait for others to come up.
            places = await self._places()
            await link.activate(self._assignment(epoch, places))
        except BaseException:  # cancelled or failed: whatever it has become, nobody else knows of it
            await self._bury(link)
            raise
        self.life.starts += 1
        self._claimed = epoch
        self._excused = False
        return link

    def _assignment(self, epoch: int, places: dict[AccountId, Place]) -> Assignment:
        return Assignment(
            kind=self.wish.kind,
            name=self.wish.name,
            epoch=epoch,
            spec=self.wish.spec,
            places=places,
            settings_hash=self.wish.settings_hash,
            build=self._office.build,
            log_file=self._office.log_file(self.wish),
            debug=self._office.debug,
        )

    async def _attend(self, link: HostLink) -> None:
        """Stay with one incarnation until it has ended and is buried."""
        self.link = link
        self.life.place = link.place
        watch = asyncio.ensure_future(link.ended())
        look = asyncio.ensure_future(self._look_after(link))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({watch, look, stop}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                return  # `stop` ends the process
            reason = watch.result() if watch.done() else look.result()
        finally:
            for each in (watch, look, stop):
                each.cancel()
            await asyncio.gather(watch, look, stop, return_exceptions=True)
        self._died(reason, blameless=link.fallen or self._excused or (self._asked and reason == self._replace))
        self._replace = ""
        self.link = None
        self.life.place = None
        await self._bury(link)
        if self._excused:
            await self._wait_for_disk(reason)

    async def _look_after(self, link: HostLink) -> str:
        """Look at the actor again and again; return why it must be replaced."""
        missed, announced = 0, False
        started_at = self._office.now()
        while True:
            settled = False
            try:
                pulse = await link.pulse()
                wrong = self._hear(pulse, started_at)
                if wrong:
                    return wrong
                if pulse.phase is HostPhase.UP:
                    if not announced:
                        announced = True
                        await self._came_up()
                    settled = await self._visit(link)
                    self.life.liveness = Liveness.ALIVE
                    self.life.heard_at = self._office.now()
                missed = 0
                if self._replace or self.life.gave_up:
                    return self._replace or self.life.gave_up
            except ActorUnreachableError as error:
                missed += 1
                _log.warning("no_answer", actor=self.wish.stream, missed=missed, error=str(error))
                if self.life.liveness is Liveness.ALIVE:
                    self.life.liveness = Liveness.SILENT
                if missed >= SILENT_AFTER:
                    return f"silent: {error}"
            await self._pause(LOOK_EVERY_S if settled else LOOK_EVERY_STARTING_S)

    async def _pause(self, seconds: float) -> None:
        """Wait for the next look, or for whoever is in a hurry."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self._hurry.clear()

    def _hear(self, pulse: Pulse, started_at: Timestamp) -> str:
        """Take note of a sign of life; return what is wrong with it."""
        self.life.pid = pulse.pid
        if pulse.assignment is not None:
            self.life.epoch = pulse.assignment.epoch
            self._claimed = self._claimed or pulse.assignment.epoch
        if pulse.phase is HostPhase.UP:
            self._disk_retry_s = _DISK_RETRY_S
            self._office.disk.works(self.wish.stream)
        if pulse.phase in {HostPhase.FAILED, HostPhase.STOPPED}:
            self._excused = pulse.blameless
            return pulse.failure or f"it is {pulse.phase}"
        if pulse.loop_age_s > LOOP_AGE_LIMIT_S:
            return f"its event loop has not turned for {pulse.loop_age_s:.0f} s"
        if pulse.phase is HostPhase.STARTING and self._office.now() - started_at > START_LIMIT_S * _MS:
            return f"it has not come up within {START_LIMIT_S:.0f} s"
        return ""

    def _died(self, reason: str, *, blameless: bool = False) -> None:
        """Take note of a death; one that took everybody along says nothing against this actor."""
        self.life.liveness = Liveness.DEAD
        self.life.last_death = reason
        if not blameless:
            self.life.deaths = [*self.life.deaths[-_DEATHS_KEPT:], self._office.now()]
        _log.error("actor_died", actor=self.wish.stream, epoch=self.life.epoch, pid=self.life.pid, reason=reason)

    async def _bury(self, link: HostLink) -> None:
        """Make sure that the old process is gone: nothing is started beside it, however long that takes."""
        while not await link.destroy():
            _log.critical("process_does_not_end", actor=self.wish.stream, pid=self.life.pid, place=link.place)
            await asyncio.sleep(_BURY_RETRY_S)

    async def _wait_for_turn(self) -> None:
        now = self._office.now()
        match decide(self._policy, self.life.deaths, now, self._office.chance()):
            case Restart(at=at):
                wait_s = (at - now) / _MS
            case Escalate(reason=reason):
                if not self._escalated:
                    self._escalated = True
                    _log.critical("escalated", actor=self.wish.stream, reason=reason, last=self.life.last_death)
                    await self._escalate(f"{self.wish.stream} {reason}; the last time: {self.life.last_death}")
                if self._successor is not None:
                    return
                self.life.gave_up = self._may_go_on()
                if self.life.gave_up:
                    _log.critical("gave_up", actor=self.wish.stream, reason=self.life.gave_up)
                    return
                wait_s = self._policy.max_delay_s
        await self._sleep(wait_s)

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not beyond `stop`."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stopping.wait()
        except TimeoutError:
            return
