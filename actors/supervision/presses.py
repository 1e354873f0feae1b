"""What an operator presses, from anywhere (page, command line, message): written down, brought to the group, confirmed.

Written into the supervisor's stream first, so that a press outlives a supervisor that dies before the group has it;
then journaled by the group itself, by which it counts.
"""

import asyncio
from enum import StrEnum

import structlog

from actors.actor import ActorUnreachableError, Liveness
from actors.journal.protocol import StaleEpochError
from actors.supervision.keepers import GroupKeeper, Order
from actors.supervision.past import DELIVERED, PRESSED
from actors.supervision.supervision import Supervision
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId
from strategies.domain.model import Value
from strategies.machine import Outcome

DELIVERY_WAIT_S = 3.0
"""How long a press waits for the group to have it: milliseconds when it lives; what takes longer is brought later."""
_WORD = "operator:"
"""How a group's journal signs an operator's word."""
_ASKED = "restarted by"

_log = structlog.get_logger(__name__)


class Action(StrEnum):
    """What can be pressed."""

    PAUSE = "pause"
    RESUME = "resume"
    REDUCE = "reduce"
    FLATTEN = "flatten"
    RESTART = "restart"


STATES = {
    Action.PAUSE: OperatorState.PAUSE,
    Action.RESUME: OperatorState.RUN,
    Action.REDUCE: OperatorState.REDUCE,
    Action.FLATTEN: OperatorState.FLATTEN,
}
"""What a press sets. A restart sets nothing."""
CONFIRMED = frozenset({Action.FLATTEN, Action.RESTART})
"""What needs the group's name typed once more: it costs money, or time in which nobody decides."""


class Press(Value):
    """One press."""

    group: GroupId
    action: Action
    by: str
    reason: str = ""


class Pressed(Value):
    """What has become of a press."""

    group: GroupId
    action: Action
    by: str
    done: bool = True
    """The group has journaled it, or makes room for its successor; else it is brought as soon as the group lives."""
    text: str = ""


class UnknownGroupError(Exception):
    """There is no such group."""


class PressRefusedError(Exception):
    """It cannot be done as things are. The text says why and what to do."""


async def press(supervision: Supervision, wanted: Press) -> Pressed:
    """Carry out one press.

    Raises:
        UnknownGroupError: no such group.
        PressRefusedError: the group cannot take it; nothing was changed.
    """
    keeper = supervision.groups.get(wanted.group)
    if keeper is None:
        raise UnknownGroupError(f"There is no group {wanted.group}; there are: {', '.join(supervision.groups)}.")
    why_not = _why_not(keeper, wanted.action) or _why_only_smaller(supervision, keeper, wanted.action)
    if why_not:
        raise PressRefusedError(why_not)
    _log.warning("pressed", group=wanted.group, action=wanted.action, by=wanted.by, reason=wanted.reason)
    try:
        if wanted.action is Action.RESTART:
            return await _restart(supervision, keeper, wanted)
        return await _tell(supervision, keeper, wanted, STATES[wanted.action])
    except StaleEpochError:
        raise PressRefusedError("Another supervisor has taken over: ask that one.") from None


def _why_not(keeper: GroupKeeper, action: Action) -> str:
    name = keeper.group_wish.group
    if keeper.taken:
        return f"Group {name} is taken over: {keeper.taken}. Nothing here decides for it."
    if keeper.parking:
        if action is Action.FLATTEN:
            return f"Group {name} is being flattened and parked already ({keeper.parking}); panic pushes harder."
        return (
            f"Group {name} is parked ({keeper.parking}). Look at it first; "
            f"then start the supervisor with --release {name}."
        )
    if keeper.life.gave_up:
        return f"Group {name} is not started again: {keeper.life.gave_up}."
    return ""


def _why_only_smaller(supervision: Supervision, keeper: GroupKeeper, action: Action) -> str:
    """Say why a group may not be let trade: an account of it is frozen, and the supervisor would take the word back."""
    if action not in {Action.RESUME, Action.PAUSE}:
        return ""
    for account in keeper.group_wish.accounts:
        status = supervision.accounts[account].status if account in supervision.accounts else None
        if status is not None and status.mode is AccountMode.FROZEN:
            return (
                f"Account {account} is frozen ({status.reason}), so group {keeper.group_wish.group} only gets smaller. "
                f"Look at it first; then start the supervisor with --release {account}."
            )
    return ""


async def _tell(supervision: Supervision, keeper: GroupKeeper, wanted: Press, state: OperatorState) -> Pressed:
    number = supervision.next_press()
    order = Order(state=state, by=_WORD + wanted.by, reason=wanted.reason, press=number)
    await supervision.note(PRESSED, {"group": wanted.group, "order": order.model_dump(mode="json")})
    why_not = _why_not(keeper, wanted.action)
    if why_not:  # the group was given up while this was written: its way out takes no other word any more
        await supervision.note(DELIVERED, {"presses": [number]})
        raise PressRefusedError(why_not)
    keeper.tell(order)
    done = await _delivered(keeper, order)
    text = _outlook(keeper, wanted, done=done)
    return Pressed(group=wanted.group, action=wanted.action, by=wanted.by, done=done, text=text)


async def _delivered(keeper: GroupKeeper, order: Order) -> bool:
    """Bring the order now; what fails is brought with the keeper's next look."""
    try:
        async with asyncio.timeout(DELIVERY_WAIT_S):
            await keeper.deliver()
    except (ActorUnreachableError, TimeoutError) as error:
        _log.warning("press_waits", group=keeper.wish.name, error=str(error))
    return not keeper.has_to_tell(order)


def _outlook(keeper: GroupKeeper, wanted: Press, *, done: bool) -> str:
    name = wanted.group
    if not done:
        why = "does not answer" if keeper.life.liveness is Liveness.ALIVE else f"is {keeper.life.liveness}"
        return f"Group {name} {why}: it is told as soon as it lives, also by another supervisor."
    outcome = keeper.status.view.outcome if keeper.status is not None else Outcome.RUNNING
    if wanted.action is Action.FLATTEN:
        return f"Group {name} closes every leg now, and stays out until RESUME."
    if outcome is Outcome.FINISHED:
        return f"Group {name} has done all its cycles: this changes nothing."
    return {
        Action.PAUSE: f"Group {name} ends its running cycle as planned and starts no new one.",
        Action.REDUCE: f"Group {name} only sends what makes it smaller.",
        Action.RESUME: f"Group {name} trades again; a flatten that runs is finished first.",
    }[wanted.action]


async def _restart(supervision: Supervision, keeper: GroupKeeper, wanted: Press) -> Pressed:
    name, told = wanted.group, True
    await supervision.note(PRESSED, {"group": name, "restart": True, "by": wanted.by, "reason": wanted.reason})
    if keeper.link is None or keeper.status is None:
        return Pressed(
            group=name, action=wanted.action, by=wanted.by, done=False, text=f"Group {name} is being started already."
        )
    try:
        async with asyncio.timeout(DELIVERY_WAIT_S):
            # Said again by nobody in particular: an operator's RUN would release a group that its strategy has parked.
            await keeper.repeat(f"{_ASKED} {_WORD}{wanted.by}", wanted.reason)
    except (ActorUnreachableError, TimeoutError) as error:
        _log.warning("restart_not_journaled", group=name, error=str(error))
        told = False  # a group that does not answer is the one to restart
    keeper.replace(f"{_ASKED} {_WORD}{wanted.by}" + (f": {wanted.reason}" if wanted.reason else ""))
    silent = "" if told else " It did not answer, so its own journal does not have the press; the supervisor's has."
    return Pressed(
        group=name,
        action=wanted.action,
        by=wanted.by,
        text=f"Group {name} makes room for its successor, which replays the journal and goes on.{silent}",
    )
