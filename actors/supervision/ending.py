"""How a run ends: by itself, or because somebody said so. What is said then is what is known."""

import asyncio

from actors.supervision.flatness import open_legs
from actors.supervision.keepers import GroupKeeper, Order
from actors.supervision.past import UNWINDING
from actors.supervision.supervision import Supervision
from strategies.domain.events import OperatorState
from strategies.registry import STRATEGIES

BY_INTERRUPT = "supervisor:interrupt"
"""How an unwind by Ctrl-C or SIGTERM is signed in a group's journal."""
_OPENING = frozenset({None, OperatorState.RUN, OperatorState.PAUSE})
"""Words under which a strategy may have orders that open something; PAUSE lets a running cycle go on."""
_POLL_S = 0.1
"""How often it is looked whether a group is over, or flat."""


async def until_over(supervision: Supervision) -> tuple[str, ...]:
    """Wait until every group is over; return what went wrong, one sentence a group (empty = all finished)."""
    # Many values of many owners say it together: a look ten times a second is simpler than an event for each of them.
    while not all(group.over for group in supervision.groups.values()):  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    return tuple(
        f"Group {name} was parked: {group.trouble}." for name, group in supervision.groups.items() if group.trouble
    )


async def unwind(supervision: Supervision, timeout_s: float, enough: asyncio.Event) -> tuple[str, ...]:
    """Flatten every group and wait until the venues confirm it, `timeout_s` have passed, or `enough` is set.

    Returns:
        One sentence a group: what was done, or what is still open.
    """
    groups = supervision.groups
    before = {name: keeper.last_word or "" for name, keeper in groups.items()}
    await supervision.note(UNWINDING, {"groups": sorted(groups), "before": before})
    for keeper in groups.values():
        if not keeper.taken and (not keeper.over or open_now(keeper)):
            keeper.tell(
                Order(state=OperatorState.FLATTEN, by=BY_INTERRUPT, reason="the supervisor was told to end (unwind)")
            )
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + timeout_s
    while not enough.is_set() and loop.time() < give_up_at:
        if all(_unwound(keeper) for keeper in groups.values()):
            break
        await asyncio.sleep(_POLL_S)
    return await _say_all(supervision, keeping=False)


async def withdraw(supervision: Supervision, timeout_s: float, enough: asyncio.Event) -> tuple[str, ...]:
    """Have every order taken back that could open something while nobody watches; positions stay, and what closes them.

    Groups whose strategy rests orders are told REDUCE; the next start gives them back the word they had.

    Returns:
        One sentence for each group that may still rest such orders after `timeout_s`, or when `enough` is set.
    """
    watched = {name: keeper for name, keeper in supervision.groups.items() if _rests_orders(keeper)}
    told = {name: keeper.last_word or "" for name, keeper in watched.items() if keeper.last_word in _OPENING}
    if told:
        await supervision.note(UNWINDING, {"groups": sorted(told), "before": told})
    for name in told:
        reason = "the supervisor was told to end (keep): nothing may open while nobody watches"
        watched[name].tell(Order(state=OperatorState.REDUCE, by=BY_INTERRUPT, reason=reason))
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + timeout_s
    while not enough.is_set() and loop.time() < give_up_at:
        if not any(map(_opening, watched.values())):
            break
        await asyncio.sleep(_POLL_S)
    return tuple(
        f"Group {name} may still rest what could open: {why}. Look at its accounts."
        for name, keeper in watched.items()
        if (why := _opening(keeper))
    )


def _rests_orders(keeper: GroupKeeper) -> bool:
    """Say whether a group that runs has a strategy that rests orders; one that never reported has begun nothing."""
    if keeper.status is None or keeper.over or keeper.taken:
        return False
    chosen = STRATEGIES.get(keeper.status.strategy)
    return chosen is None or chosen.rests_orders


def _opening(keeper: GroupKeeper) -> str:
    """Name what could still open something in a group that was told to reduce, as last heard; empty = nothing."""
    status = keeper.status
    if keeper.undelivered or status is None or status.view.operator_state in _OPENING:
        return "it has not answered"
    orders = [order for leg in status.view.legs.values() for order in leg.opening]
    return f"{len(orders)} order(s): {', '.join(orders)}" if orders else ""


async def keep(supervision: Supervision) -> tuple[str, ...]:
    """Say, one sentence a group, which positions stay."""
    return await _say_all(supervision, keeping=True)


def open_now(keeper: GroupKeeper) -> tuple[str, ...]:
    """Name what is not confirmed flat in a group, as last heard."""
    if keeper.status is None:
        return ("it has never reported",)
    return open_legs(keeper.status.view)


def _unwound(keeper: GroupKeeper) -> bool:
    if keeper.taken:
        return True
    if keeper.undelivered or open_now(keeper):
        return False
    status = keeper.status
    # A report from before the order shows a group that may be about to open; one that is over opens nothing.
    return keeper.over or (status is not None and status.view.operator_state is OperatorState.FLATTEN)


async def _say_all(supervision: Supervision, *, keeping: bool) -> tuple[str, ...]:
    groups = supervision.groups
    # A panic may have ended since it was last looked: its word is the newest that there is.
    await asyncio.gather(*(keeper.hear_panic() for keeper in groups.values()))
    return tuple(_say(name, keeper, keeping=keeping) for name, keeper in groups.items())


def _say(name: str, keeper: GroupKeeper, *, keeping: bool) -> str:
    still = open_now(keeper)
    if keeper.taken:
        return f"Group {name} was {keeper.parked or f'taken over; {keeper.taken} has not said how it ended'}."
    if keeper.status is None:
        return f"Group {name} never reported: look at its accounts."
    if not still:
        return f"Group {name} is flat."
    if keeping:
        holds = any(leg.believed for leg in keeper.status.view.legs.values())
        return f"Group {name} {'keeps its' if holds else 'may hold'} positions: {'; '.join(still)}."
    return f"Group {name} is NOT confirmed flat: {'; '.join(still)}."
