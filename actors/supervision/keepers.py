"""The two kinds of keepers: of an account, which has to be armed, and of a group, which has to know its accounts.

A group whose strategy cannot go on (it decides no more, or dies too often) gets out by another actor: the way out,
which closes every leg and does nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from pydantic import Field

from actors.actor import AccountStatus, ActorUnreachableError, GroupStatus, Liveness
from actors.hosting.protocol import ActorKind, HostLink, Place
from actors.journal.protocol import JournalError
from actors.restart import RestartPolicy
from actors.supervision.desired import AccountWish, GroupWish, Wish
from actors.supervision.flatness import open_legs
from actors.supervision.keeper import Keeper
from actors.supervision.office import Office
from actors.supervision.takeover import has_ended
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId
from strategies.domain.model import Value
from strategies.machine import Outcome

BY_SUPERVISOR = "supervisor"
"""How the supervisor signs what it asks of a group."""
_PLACES_WAIT_S = 30.0
"""How long a group's start waits for its accounts' processes: it can start without, and is told later."""
_PLACES_POLL_S = 0.05
"""How often it looks meanwhile."""
_FLATTEN_ATTEMPTS = 5
"""Lives of a group's way out that end by themselves. Then a person has to look."""
_TAKEN_POLL_S = 1.0
"""How often it is looked whether a panic has said how it ended."""

_log = structlog.get_logger(__name__)

Listener = Callable[[], Awaitable[None]]
Complaint = Callable[[str], Awaitable[None]]


class Order(Value):
    """What a group still has to be told."""

    state: OperatorState
    by: str
    reason: str
    press: int = Field(default=0, description="number of the press that it comes from; 0 = nobody pressed")


class AccountKeeper(Keeper):
    """Keeps one account actor alive, and armed once it has looked at its venue."""

    def __init__(
        self,
        wish: AccountWish,
        policy: RestartPolicy,
        office: Office,
        *,
        on_up: Callable[["AccountKeeper"], Awaitable[None]],
        on_escalation: Callable[["AccountKeeper", str], Awaitable[None]],
        still_needed: Callable[["AccountKeeper"], bool],
        on_taken: Callable[[Keeper, str], Awaitable[None]],
        on_frozen: Callable[["AccountKeeper", str], Awaitable[None]],
    ) -> None:
        """See `Keeper`. `still_needed` says whether a group of this account is not over yet.

        `on_frozen` hears, at every look, why an account lets out nothing but exits.
        """
        super().__init__(wish, policy, office)
        self.account = AccountId(wish.name)
        self.venue = wish.venue
        self.status: AccountStatus | None = None
        self._on_up = on_up
        self._on_escalation = on_escalation
        self._still_needed = still_needed
        self._on_taken = on_taken
        self._on_frozen = on_frozen
        self._released_by = ""

    def release(self, by: str) -> None:
        """End a freeze as soon as the account has looked at its venue, on the word of `by`. A later one counts anew."""
        self._released_by = by

    async def _places(self) -> dict[AccountId, Place]:
        return {}

    async def _came_up(self) -> None:
        await self._on_up(self)

    async def _visit(self, link: HostLink) -> bool:
        self.status = await link.account.status()
        # Only a fresh start is armed by itself. FROZEN means that somebody else trades here: a person has to look.
        if self.status.mode is AccountMode.DISARMED and await link.account.arm():
            self.status = await link.account.status()
        if self._released_by and self.status.mode is not AccountMode.DISARMED:
            await link.account.release(self._released_by)
            self._released_by = ""
            self.status = await link.account.status()
        if self.status.mode is AccountMode.FROZEN:
            await self._on_frozen(self, self.status.reason)
        return self.status.mode is not AccountMode.DISARMED

    async def _escalate(self, reason: str) -> None:
        await self._on_escalation(self, reason)

    def _may_go_on(self) -> str:
        # A flatten needs the account: it comes back, at the policy's slowest pace, while a group of it is not over.
        return "" if self._still_needed(self) else "it died too often, and no group needs it any more"

    async def _given_away(self, holder: str) -> None:
        await self._on_taken(self, holder)


class GroupKeeper(Keeper):
    """Keeps one group actor alive, tells it where its accounts are, and brings it the operator's and our own word."""

    def __init__(
        self,
        wish: GroupWish,
        policy: RestartPolicy,
        office: Office,
        *,
        places: Callable[[], Mapping[AccountId, Place]],
        on_parking: Callable[["GroupKeeper", str], Awaitable[None]],
        on_parked: Callable[["GroupKeeper"], None],
        on_taken: Callable[[Keeper, str], Awaitable[None]],
        on_told: Callable[[Order], Awaitable[None]],
    ) -> None:
        """See `Keeper`. `places` tells where accounts live now.

        `on_parking` hears why a group is given up, `on_parked` that it is out, `on_taken` of a panic, `on_told` of a
        press that the group has journaled.
        """
        super().__init__(wish, policy, office)
        self.group_wish = wish
        self.status: GroupStatus | None = None
        self.parking = ""
        """Why the group is being flattened and parked; empty = it is not."""
        self.parked = ""
        """How the parking ended; empty = not ended."""
        self.taken = ""
        """Which panic has taken the group over; empty = none."""
        self._orders: list[Order] = []
        self._delivering = asyncio.Lock()
        self._told: dict[AccountId, Place] = {}
        self._known_places = places
        self._on_parking = on_parking
        self._on_parked = on_parked
        self._on_taken = on_taken
        self._on_told = on_told
        self._way_out = False
        self._flattens = 0

    # --- what others ask ------------------------------------------------------------------------------------------

    def tell(self, order: Order) -> None:
        """Bring `order` to the group, as often as it takes until the group has journaled it."""
        self._orders.append(order)

    def only_reduce(self, reason: str) -> None:
        """Let the group only get smaller from now on. Repeating it changes nothing, nor does it after a graver word."""
        told = None if self.status is None else self.status.view.operator_state
        if told in (OperatorState.RUN, OperatorState.PAUSE) and not self._orders:
            self.tell(Order(state=OperatorState.REDUCE, by=BY_SUPERVISOR, reason=reason))

    @property
    def last_word(self) -> OperatorState | None:
        """Return what the group has been told last, also when it has not heard it yet; None = nobody knows."""
        if self._orders:
            return self._orders[-1].state
        return None if self.status is None else self.status.view.operator_state

    def has_to_tell(self, order: Order) -> bool:
        """Say whether the group has not journaled `order` yet."""
        return any(each is order for each in self._orders)

    async def deliver(self) -> None:
        """Bring what the group has to be told now, and hear what it has made of it; without a group, do nothing.

        Raises:
            ActorUnreachableError: it stays to be told.
        """
        link = self.link
        if link is not None and self.life.liveness is not Liveness.STARTING:
            await self._deliver(link)
            self.status = await link.group.status()

    async def repeat(self, by: str, reason: str) -> None:
        """Have the group journal once more what it has been told, signed by somebody else.

        Raises:
            ActorUnreachableError: it may or may not have been journaled.
        """
        link = self.link
        if link is not None:
            async with self._delivering:
                state = (await link.group.status()).view.operator_state
                await link.group.operate(state, by, reason)

    def park(self, reason: str) -> None:
        """Flatten for good. Repeating it changes nothing."""
        if not self.parking:
            self.parking = reason
            self.tell(Order(state=OperatorState.FLATTEN, by=BY_SUPERVISOR, reason=reason))

    def take_way_out(self, reason: str) -> None:
        """Flatten for good, by the way out in place of the strategy. Repeating it changes nothing."""
        self.park(reason)
        if not self._way_out:
            self._way_out = True
            self._successor = self.group_wish.way_out()

    def change(self, wish: Wish) -> None:
        """See `Keeper.change`. A group that is on its way out goes on with that; released, it has the new settings."""
        if not isinstance(wish, GroupWish):
            raise TypeError("a group's keeper keeps a group")
        self.group_wish = wish
        if not self.parking:
            super().change(wish)

    @property
    def coming_group(self) -> GroupWish:
        """Return what shall live next, as a group's wish."""
        return self.group_wish.way_out() if self._way_out else self.group_wish

    def give_way(self, holder: str) -> None:
        """See `Keeper.give_way`. Repeating it changes nothing."""
        super().give_way(holder)
        self.taken = holder
        self.parking = self.parking or self.life.gave_up

    @property
    def undelivered(self) -> int:
        """Return how many orders the group has not journaled yet."""
        return len(self._orders)

    @property
    def finished(self) -> bool:
        """Say whether the group has done all its cycles and is flat."""
        return self.status is not None and self.status.view.outcome is Outcome.FINISHED and not self.parking

    @property
    def trouble(self) -> str:
        """Say why the group ended badly; empty = it has not (yet)."""
        if self.parked or self.taken:
            return self.parked  # a panic is not over before it has said so
        if self.life.gave_up:
            return self.life.gave_up
        if self.status is not None and self.status.view.outcome is Outcome.PARKED:
            return self.status.view.reason or "parked by its strategy"
        return ""

    @property
    def over(self) -> bool:
        """Say whether nothing more will happen by itself."""
        return self.finished or bool(self.trouble)

    # --- keeping --------------------------------------------------------------------------------------------------

    async def hear_panic(self) -> None:
        """Look whether the panic that has taken the group over, if one has, has said how it ended."""
        if not self.taken or self.parked:
            return
        try:
            _, holder = await self._office.store.owner(f"{ActorKind.GROUP}/{self.wish.name}")
        except JournalError as error:
            _log.warning("owner_not_readable", group=self.wish.name, error=str(error))
            return
        if has_ended(holder):
            self.parked = f"taken over; {holder}"

    async def _places(self) -> dict[AccountId, Place]:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _PLACES_WAIT_S
        while loop.time() < give_up_at:
            known = self._known_places()
            if all(account in known for account in self.group_wish.accounts):
                break
            await asyncio.sleep(_PLACES_POLL_S)
        known = self._known_places()
        self._told = {account: known[account] for account in self.group_wish.accounts if account in known}
        return dict(self._told)

    async def _came_up(self) -> None:
        # An adopted group was told by another supervisor; telling a place again is free.
        self._told = {}
        if self.parking:
            self._flattens += 1
            if not self._orders:
                self.tell(Order(state=OperatorState.FLATTEN, by=BY_SUPERVISOR, reason=self.parking))

    async def tell_places(self) -> None:
        """Tell the group of every account that lives elsewhere than the group knows."""
        link = self.link
        if link is None:
            return
        known = self._known_places()
        for account in self.group_wish.accounts:
            place = known.get(account)
            if place is not None and self._told.get(account) != place:
                await link.group.connect_to(account, place)
                self._told[account] = place

    async def _visit(self, link: HostLink) -> bool:
        await self.tell_places()
        await self._deliver(link)
        self.status = await link.group.status()
        await self._look_at_stop(self.status)
        if self.parking and not self.parked:
            self._look_at_parking(self.status)
        return True

    async def _deliver(self, link: HostLink) -> None:
        async with self._delivering:
            while self._orders:
                order = self._orders[0]
                await link.group.operate(order.state, order.by, order.reason)
                self._orders.pop(0)
                if order.press:
                    await self._on_told(order)

    async def _look_at_stop(self, status: GroupStatus) -> None:
        """A group that decides no more cannot flatten itself: the way out takes its place."""
        if not status.stopped_for_good or self.parked:
            return
        reason = f"it decides no more, at journal seq {status.journal_seq} of {self.wish.stream} ({status.stopped})"
        if self._way_out:
            still = "; ".join(open_legs(status.view))
            self.parked = f"{reason}; NOT CONFIRMED FLAT: {still or 'flat when last heard'}"
            return
        await self._on_parking(self, reason)
        self.take_way_out(reason)
        self._replace = f"the way out takes its place: {reason}"

    def _look_at_parking(self, status: GroupStatus) -> None:
        view = status.view
        confirmed = view.outcome is Outcome.FINISHED or not self._way_out
        if confirmed and not open_legs(view) and view.operator_state is OperatorState.FLATTEN:
            self.parked = f"flattened and parked: {self.parking}"
            _log.critical("group_parked", group=self.wish.name, reason=self.parking, flat=True)
            self._on_parked(self)

    async def _escalate(self, reason: str) -> None:
        if not self._way_out:
            await self._on_parking(self, reason)
            self.take_way_out(reason)

    async def _given_away(self, holder: str) -> None:
        await self._on_taken(self, holder)

    async def _afterwards(self) -> None:
        """While a panic acts, wait for its word."""
        while self.taken and not self.parked and not self._stopping.is_set():
            await self.hear_panic()
            await self._sleep(_TAKEN_POLL_S)

    def _may_go_on(self) -> str:
        if self.parked or self.finished:
            return "it died too often, and is over"
        if self._flattens < _FLATTEN_ATTEMPTS:
            return ""
        still = "; ".join(open_legs(self.status.view)) if self.status is not None else "never reported"
        return f"it died too often, also while flattening; NOT CONFIRMED FLAT: {still or 'flat when last heard'}"


async def deliver_places(group: GroupKeeper) -> None:
    """Tell a group of its accounts' places now; what fails is told again at the next look."""
    try:
        await group.tell_places()
    except ActorUnreachableError as error:
        _log.warning("place_not_told", group=group.wish.name, error=str(error))
