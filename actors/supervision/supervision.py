"""The whole: who lives, who is told of whom, and what happens when one of them dies too often."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import structlog

from actors.actor import ActorUnreachableError
from actors.hosting.protocol import HostLink, Hosts, HostsUnavailableError, Place
from actors.journal.protocol import Entry, Journal, JournalError, JournalStore, StaleEpochError
from actors.supervision.change import Change
from actors.supervision.desired import AccountWish, Desired, Found, GroupWish, Plan, Wish, plan
from actors.supervision.disk import DiskWatch
from actors.supervision.flatness import urgency
from actors.supervision.keeper import Keeper
from actors.supervision.keepers import AccountKeeper, GroupKeeper, Order, deliver_places
from actors.supervision.office import Chance, Office
from actors.supervision.past import DELIVERED, PARKING, RELEASED, RELOADED, recall
from actors.supervision.settings import SupervisorConfig
from actors.supervision.spares import Spares
from actors.supervision.takeover import is_panic
from actors.supervision.turns import Rank
from actors.tasks import Tasks
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, Timestamp

STREAM = "supervisor"
"""The supervisor's own journal stream."""
_NOTICES_KEPT = 50
"""Notices shown on the status pages; all of them are in the log."""
_OWNER_CHECK_S = 5.0
"""How often it is looked whether another supervisor has taken over."""
_SETTLE_POLL_S = 0.2
"""How often it is looked whether everybody has come up, before spares are made."""
_LAGS_KEPT = 50
"""Turns of the supervisor's loop whose lag is remembered: ten seconds, longer than a scrape interval."""
_RENEW_RETRY_S = 2.0
"""Wait before Ray is started or looked for again: nothing of ours lives meanwhile, and positions may be open."""
_LAST: Rank = (3,)
"""Of an account that no group trades on: everybody else comes first."""

N = TypeVar("N", AccountId, GroupId)
K = TypeVar("K", AccountKeeper, GroupKeeper)
W = TypeVar("W", AccountWish, GroupWish)

_log = structlog.get_logger(__name__)


async def check_streams(store: JournalStore, desired: Desired) -> None:
    """Touch every stream that will be needed, so that a damaged or newer journal is known before anything starts.

    Raises:
        JournalError: a stream cannot be used.
    """
    for stream in (STREAM, *(wish.stream for wish in desired.wishes())):
        await store.owner(stream)


async def who_owns(store: JournalStore, desired: Desired) -> str:
    """Say, one line each, who owns the supervision and every actor of these settings, as the journal has it."""
    lines = []
    for stream in (STREAM, *(wish.stream for wish in desired.wishes())):
        try:
            epoch, holder = await store.owner(stream)
        except JournalError as error:
            lines.append(f"  {stream}: {error}")
        else:
            lines.append(f"  {stream}: " + (f"epoch {epoch}, claimed by {holder}" if epoch else "nobody"))
    return "\n".join(["Who owns what:", *lines])


class TakenOverError(Exception):
    """Another supervisor owns these actors now."""


class Supervision:
    """Keeps what lives equal to what is wanted."""

    def __init__(
        self,
        desired: Desired,
        config: SupervisorConfig,
        *,
        hosts: Hosts,
        store: JournalStore,
        holder: str,
        build: str,
        log_file: Callable[[str], str],
        debug: bool,
        now: Callable[[], Timestamp],
        chance: Chance,
        release: frozenset[str] = frozenset(),
        released_by: str = "",
    ) -> None:
        """Wire the parts; nothing starts before `start`.

        `release` names what a person, `released_by`, lets go on: a parked group with its accounts, or a frozen account.
        """
        self._release = release
        self._released_by = released_by
        self._frozen_told: dict[AccountId, str] = {}
        self.config = config
        self.notices: list[str] = []
        self.epoch = 0
        self.taken_over = False
        self.beat_at = now()
        self.noticed = 0
        self.ray_up = True
        self.ray_losses = 0
        self._lags: deque[float] = deque([0.0], maxlen=_LAGS_KEPT)
        self._desired = desired
        self._hosts = hosts
        self._store = store
        self._holder = holder
        self._build = build
        self._now = now
        self._journal: Journal | None = None
        self._tasks = Tasks("supervisor", self._task_failed)
        self._failed: asyncio.Future[str] | None = None
        self._given_away: list[GroupKeeper] = []
        self._presses = 0
        self.spares = Spares(hosts, config.spares, self._tasks)
        self._office = Office(
            spares=self.spares,
            store=store,
            holder=holder,
            build=build,
            log_file=lambda wish: log_file(wish.stream),
            debug=debug,
            now=now,
            chance=chance,
            stop_timeout_s=config.stop_timeout_s,
            disk=DiskWatch(self.notice),
            rank=self._rank,
        )
        self.accounts = {account: self._account_keeper(wish) for account, wish in desired.accounts.items()}
        self.groups = {group: self._group_keeper(wish) for group, wish in desired.groups.items()}

    def _account_keeper(self, wish: AccountWish) -> AccountKeeper:
        return AccountKeeper(
            wish,
            self.config.accounts,
            self._office,
            on_up=self._account_up,
            on_escalation=self._account_escalated,
            still_needed=self._account_needed,
            on_taken=self._taken_over,
            on_frozen=self._account_frozen,
        )

    def _group_keeper(self, wish: GroupWish) -> GroupKeeper:
        return GroupKeeper(
            wish,
            self.config.groups,
            self._office,
            places=self.places,
            on_parking=self._group_parking,
            on_parked=self._group_parked,
            on_taken=self._taken_over,
            on_told=self._press_told,
        )

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> Plan:
        """Take the supervisor's stream, look at what lives already, and begin to keep everything.

        Raises:
            JournalError: the journal cannot be used; nothing was started.
        """
        self._failed = asyncio.get_running_loop().create_future()
        self.epoch = await self._store.claim(STREAM, self._holder)
        self._journal = await self._store.open(STREAM, self.epoch)
        await self._recall()
        found, links = await self._look_around()
        wanted = self._wanted()
        epochs = {wish.stream: (await self._store.owner(wish.stream))[0] for wish in wanted.wishes()}
        todo = plan(wanted, found, epochs, self._build)
        await self.record("Started", {"adopt": sorted(todo.adopt), "start": list(todo.start), "build": self._build})
        await asyncio.gather(*(self._remove(links[each.place], each.reason) for each in todo.remove))
        for keeper in (*self.accounts.values(), *self.groups.values()):
            place = todo.adopt.get(keeper.coming.stream)
            self._tasks.start(keeper.coming.stream, keeper.run(links[place] if place is not None else None))
        self._tasks.start("beat", self._beat())
        self._tasks.start("hosts", self._keep_hosts())
        return todo

    async def stop(self) -> tuple[str, ...]:
        """End every actor in order, groups before accounts; return what has to be said."""
        words = await asyncio.gather(*(keeper.stop() for keeper in self.groups.values()))
        words += await asyncio.gather(*(keeper.stop() for keeper in self.accounts.values()))
        await self.spares.close()
        if self._journal is not None:
            await self.note("Stopped", {})
            await self._journal.close()
        await self._tasks.close()
        return tuple(filter(None, words))

    async def abandon(self) -> None:
        """End without touching any actor: they belong to another supervisor now."""
        await self._tasks.close()
        if self._journal is not None:
            await self._journal.close()

    @property
    def desired(self) -> Desired:
        """Return what is kept alive."""
        return self._desired

    async def apply(self, wanted: Desired, changed: Change, by: str) -> None:
        """Go over to other wishes; whoever `changed` does not name is not touched.

        Raises:
            JournalError: it cannot be written down; nothing was changed.
        """
        await self.record(RELOADED, {"by": by, "change": changed.model_dump(mode="json")})
        self._desired = wanted
        ended: list[Keeper] = [self.groups.pop(name) for name in changed.removed_groups]
        await self._end(ended)
        await self._end([self.accounts.pop(name) for name in changed.removed_accounts])
        for account in changed.changed_accounts:
            self._renew(self.accounts, account, wanted.accounts[account], self._account_keeper)
        for account in changed.added_accounts:
            self._start_keeping(self.accounts, account, self._account_keeper(wanted.accounts[account]))
        for group in changed.changed_groups:
            self._renew(self.groups, group, wanted.groups[group], self._group_keeper)
        for group in changed.added_groups:
            self._start_keeping(self.groups, group, self._group_keeper(wanted.groups[group]))

    async def _end(self, keepers: Sequence[Keeper]) -> None:
        for words in await asyncio.gather(*(keeper.stop() for keeper in keepers)):
            if words:
                self.notice(words)

    def _renew(self, kept: dict[N, K], name: N, wish: W, make: Callable[[W], K]) -> None:
        """Give one actor other settings; one that was given up is begun anew, unless it is parked."""
        keeper = kept[name]
        if keeper.ended and not (isinstance(keeper, GroupKeeper) and keeper.parking):
            self._start_keeping(kept, name, make(wish))
        else:
            keeper.change(wish)

    def _start_keeping(self, kept: dict[N, K], name: N, keeper: K) -> None:
        kept[name] = keeper
        self._tasks.start(keeper.coming.stream, keeper.run())

    def _rank(self, wish: Wish) -> Rank:
        """Bring up group after group, each behind its accounts: the most exposed first, by what they reported last."""
        ranks = [
            (urgency(None if group.status is None else group.status.view), number, int(wish is group.coming))
            for number, group in enumerate(self.groups.values())
            if wish is group.coming or wish.name in group.group_wish.accounts
        ]
        return min(ranks, default=_LAST)

    async def failure(self) -> str:
        """Wait until the supervisor itself cannot go on; return why."""
        if self._failed is None:
            raise RuntimeError("the supervision has not been started")
        return await asyncio.shield(self._failed)

    def places(self) -> Mapping[AccountId, Place]:
        """Return where every account lives now."""
        return {
            account: keeper.life.place for account, keeper in self.accounts.items() if keeper.life.place is not None
        }

    def tell(self, group: GroupId, order: Order) -> None:
        """Bring a word to one group, now or as soon as it lives."""
        self.groups[group].tell(order)

    def next_press(self) -> int:
        """Return the number of a new press; numbers rise over the life of the journal."""
        self._presses += 1
        return self._presses

    async def record(self, kind: str, body: Mapping[str, object]) -> None:
        """Write into the supervisor's own stream.

        Raises:
            StaleEpochError: another supervisor has taken over: this one must end.
        """
        if self._journal is not None:
            await self._journal.append([Entry(kind=kind, at=self._now(), body=json.dumps(body))])

    async def note(self, kind: str, body: Mapping[str, object]) -> None:
        """Write as `record` does, where what follows must happen even if it cannot be written (a full disk).

        Raises:
            StaleEpochError: as `record`.
        """
        try:
            await self.record(kind, body)
        except StaleEpochError:
            raise
        except JournalError as error:
            self.notice(f"The supervisor's journal cannot be written ({error}): a restart will not know of {kind}.")

    @property
    def loop_lag_s(self) -> float:
        """Return the worst lag of the event loop in the last ten seconds, seconds."""
        return max(self._lags)

    def notice(self, text: str) -> None:
        """Tell the operator: critical, and to be seen on the status pages, too."""
        self.notices = [*self.notices[-_NOTICES_KEPT:], text]
        self.noticed += 1
        _log.critical("notice", text=text)

    # --- start ----------------------------------------------------------------------------------------------------

    async def _recall(self) -> None:
        """Groups that were parked stay parked; groups that an interrupt flattened go on as the settings say."""
        if self._journal is None:
            return
        past = recall(await self._journal.read())
        for group, reason in past.parked.items():
            if group in self.groups and group not in self._release:
                self.groups[group].take_way_out(reason)
        taken = await self._taken_meanwhile()
        for group in taken.keys() - past.parked.keys() - self._release:
            self.groups[group].take_way_out(taken[group])
            await self._note_parking(group, taken[group])
        released = sorted(name for name in self.groups if name in self._release)
        back = sorted((past.unwound.keys() - set(past.parked) - set(released)) & self.groups.keys())
        for name in back:
            before = past.unwound[name]
            state = OperatorState(before) if before else self.groups[name].group_wish.operator_state
            self.groups[name].tell(Order(state=state, by="config", reason="an interrupt is over; to go on as before"))
        accounts = self._release_accounts()
        if back or released or accounts:
            # Written first: who released what, and when, must be known before anything trades again.
            body = {"groups": [*back, *released], "accounts": accounts, "by": self._released_by}
            await self.record(RELEASED, body)
        for name in released:
            state = self.groups[name].group_wish.operator_state
            # Signed as the operator: this word also brings back a group that has parked itself.
            self.groups[name].tell(Order(state=state, by=f"operator:{self._released_by}", reason="released"))
        self._presses = past.presses
        for name, written in past.untold.items():
            if name in self.groups and not self.groups[name].parking:
                self.groups[name].tell(Order.model_validate(written))

    def _release_accounts(self) -> list[AccountId]:
        """Let every account go on that was named, or whose group was; return them."""
        named = {account for account in self.accounts if account in self._release}
        for name, group in self.groups.items():
            if name in self._release:
                named.update(group.group_wish.accounts)
            elif named & set(group.group_wish.accounts):
                # Its state was set to REDUCE by us when the account froze; a parking of its own stays.
                reason = f"released: {', '.join(sorted(named & set(group.group_wish.accounts)))}"
                state = group.group_wish.operator_state
                if not group.parking:
                    group.tell(Order(state=state, by=f"release:{self._released_by}", reason=reason))
        for account in named:
            self.accounts[account].release(self._released_by)
        return sorted(named)

    async def _taken_meanwhile(self) -> dict[GroupId, str]:
        """Return the groups that a panic has taken over while no supervisor saw it, and which panic."""
        found = {}
        for name, keeper in self.groups.items():
            _, holder = await self._store.owner(keeper.group_wish.stream)
            if is_panic(holder):
                found[name] = f"taken over: {holder}"
        return found

    def _wanted(self) -> Desired:
        """Return what shall live: of a parked group, its way out."""
        groups = {name: keeper.coming_group for name, keeper in self.groups.items()}
        return self._desired.model_copy(update={"groups": groups})

    async def _look_around(self) -> tuple[list[Found], dict[Place, HostLink]]:
        links = {link.place: link for link in await self._hosts.discover()}
        found = await asyncio.gather(*(_found(link) for link in links.values()))
        return list(found), links

    async def _remove(self, link: HostLink, reason: str) -> None:
        _log.warning("removed", place=link.place, reason=reason)
        await link.stop(self.config.stop_timeout_s)
        if not await link.destroy():
            self.notice(f"The process at {link.place} does not end ({reason}); look at it before going on.")

    # --- what happens ---------------------------------------------------------------------------------------------

    async def _account_up(self, account: AccountKeeper) -> None:
        """Tell every group of this account where it lives now."""
        mine = [group for group in self.groups.values() if account.account in group.group_wish.accounts]
        await asyncio.gather(*(deliver_places(group) for group in mine))

    async def _account_escalated(self, account: AccountKeeper, reason: str) -> None:
        for group in self.groups.values():
            if account.account in group.group_wish.accounts and not group.over:
                await self._group_parking(group, reason)

    async def _account_frozen(self, account: AccountKeeper, reason: str) -> None:
        """Let the groups of a frozen account only get smaller, and say what was seen, once."""
        news = self._frozen_told.get(account.account) != reason
        self._frozen_told[account.account] = reason
        for name, group in self.groups.items():
            if account.account not in group.group_wish.accounts:
                continue
            if news:
                self.notice(
                    f"Account {account.account} is frozen: {reason}. Nothing but exits leaves it, and group {name} only"
                    f" gets smaller. When you have looked: --release {account.account}, or {name} for all of it."
                )
            group.only_reduce(f"account {account.account} is frozen: {reason}")

    async def _group_parking(self, group: GroupKeeper, reason: str) -> None:
        """Flatten and park, latched: written down first, so that a new supervisor knows it, too."""
        group.park(reason)
        await self._note_parking(group.group_wish.group, reason)
        self.notice(f"Group {group.wish.name} is being flattened and parked: {reason}.")

    def _group_parked(self, group: GroupKeeper) -> None:
        self.notice(f"Group {group.wish.name} is flat by its venues' word and parked; --release lets it go on.")

    async def _taken_over(self, keeper: Keeper, holder: str) -> None:
        """A panic has taken an actor: its groups are out of our hands, and stay so until a person releases them."""
        for group in self.groups.values():
            concerned = keeper.account in group.group_wish.accounts if isinstance(keeper, AccountKeeper) else False
            if (concerned or group is keeper) and group not in self._given_away:
                self._given_away.append(group)
                group.give_way(holder)
                await self._note_parking(group.group_wish.group, f"taken over by {holder}")
                self.notice(f"Group {group.wish.name} is taken over by {holder}, and parked: its actors stay down.")

    async def _press_told(self, order: Order) -> None:
        try:
            await self.note(DELIVERED, {"presses": [order.press]})
        except StaleEpochError as error:
            # Whoever has taken over tells the group again, which changes nothing; our own end comes by the beat.
            _log.warning("delivery_not_noted", press=order.press, error=str(error))

    async def _note_parking(self, group: GroupId, reason: str) -> None:
        await self.note(PARKING, {"group": group, "reason": reason})

    def _account_needed(self, account: AccountKeeper) -> bool:
        return any(account.account in group.group_wish.accounts and not group.over for group in self.groups.values())

    async def _beat(self) -> None:
        """Show that the supervisor lives and is the only one; make spares once everybody has come up."""
        filled = False
        loop = asyncio.get_running_loop()
        checked_at = loop.time()
        while True:
            self.beat_at = self._now()
            if loop.time() - checked_at >= _OWNER_CHECK_S:
                checked_at = loop.time()
                epoch, holder = await self._store.owner(STREAM)
                if epoch != self.epoch:
                    self.taken_over = True
                    raise TakenOverError(f"another supervisor has taken over: {holder}")
            if not filled and all(keeper.life.starts for keeper in (*self.accounts.values(), *self.groups.values())):
                filled = True
                self.spares.fill()
            planned = loop.time() + _SETTLE_POLL_S
            await asyncio.sleep(_SETTLE_POLL_S)
            self._lags.append(max(0.0, loop.time() - planned))

    async def _keep_hosts(self) -> None:
        """Have what carries the actors anew when it breaks down; their keepers bring them back as after any death."""
        while True:
            reason = await self._hosts.lost()
            self.ray_up, self.ray_losses = False, self.ray_losses + 1
            self.notice(f"Ray is lost: {reason}. Every actor starts again as soon as it is back.")
            await self.note("RayLost", {"reason": reason})
            said = ""
            while True:
                try:
                    await self._hosts.renew()
                except HostsUnavailableError as error:
                    if str(error) != said:
                        said = str(error)
                        self.notice(f"Waiting for Ray: {error}")
                    await asyncio.sleep(_RENEW_RETRY_S)
                else:
                    break
            self.ray_up = True
            self.notice("Ray is back; every actor starts again.")
            await self.note("RayBack", {})

    def _task_failed(self, task: str, error: BaseException) -> None:
        if self._failed is not None and not self._failed.done():
            words = str(error) if isinstance(error, TakenOverError) else f"{task}: {type(error).__name__}: {error}"
            self._failed.set_result(words)


async def _found(link: HostLink) -> Found:
    try:
        return Found(place=link.place, pulse=await link.pulse())
    except ActorUnreachableError:
        return Found(place=link.place, pulse=None)
