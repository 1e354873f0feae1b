"""What one seed stands for: the group, its surroundings, and everything that will go wrong, drawn before it begins."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Any

from actors.simulation.cast import CASTS, LIMITED, LIQUIDATION_HEDGE, Cast
from actors.simulation.limits import draw_limits
from strategies.domain.events import OperatorState

GROUP = "group"
VENUE_OF = {"bp": "backpack", "l1": "lighter", "l2": "lighter"}
"""Every account, and where it trades."""


class Trouble(StrEnum):
    """What can go wrong, by the name it is counted under."""

    CRASH = "crash"
    GHOST = "ghost"
    """A successor starts while its predecessor lives on."""
    LOST_ANSWER = "lost answer"
    LATE_ANSWER = "late answer"
    REFUSED = "refused connection"
    RESET = "reset"
    LATE_ORDER = "late order"
    """An order reaches the venue when nobody waits for its answer any more."""
    SERVER_ERROR = "5xx, not executed"
    SERVER_ERROR_AFTER = "5xx, executed"
    RATE_LIMITED = "429"
    PARTIAL_FILL = "partial fill"
    ENGINE_REJECT = "reject after a good answer"
    EVENT_TWICE = "event twice"
    EVENT_REORDERED = "event reordered"
    EVENT_LATE = "event late"
    EVENT_LOST = "event lost"
    """One stream event never comes, and nothing tells that it is missing."""
    STREAM_CLOSED = "stream closed"
    STREAM_FROZEN = "stream frozen"
    CLOCK_SKEWED = "clock skewed"
    CALL_LOST = "actor call lost"
    CALL_ANSWER_LOST = "actor answer lost"
    CALL_TWICE = "actor call twice"
    CALL_LATE = "actor call late"
    LIQUIDATION = "liquidation"
    ADL = "ADL"
    PRICE_MOVE = "price move"
    PRICE_JUMP = "price jump"
    THIN_BOOK = "thin book"
    DISK_FULL = "disk full"
    TORN_TAIL = "torn journal tail"
    """Not drawn: a crash finds it."""
    OPERATOR = "operator word"


WEIGHTS: dict[Trouble, int] = {
    Trouble.CRASH: 10,
    Trouble.GHOST: 2,
    Trouble.LOST_ANSWER: 5,
    Trouble.LATE_ANSWER: 4,
    Trouble.REFUSED: 3,
    Trouble.RESET: 3,
    Trouble.LATE_ORDER: 5,
    Trouble.SERVER_ERROR: 3,
    Trouble.SERVER_ERROR_AFTER: 3,
    Trouble.RATE_LIMITED: 2,
    Trouble.PARTIAL_FILL: 5,
    Trouble.ENGINE_REJECT: 3,
    Trouble.EVENT_TWICE: 3,
    Trouble.EVENT_REORDERED: 3,
    Trouble.EVENT_LATE: 4,
    Trouble.EVENT_LOST: 3,
    Trouble.STREAM_CLOSED: 2,
    Trouble.STREAM_FROZEN: 2,
    Trouble.CLOCK_SKEWED: 2,
    Trouble.CALL_LOST: 3,
    Trouble.CALL_ANSWER_LOST: 3,
    Trouble.CALL_TWICE: 2,
    Trouble.CALL_LATE: 3,
    Trouble.LIQUIDATION: 2,
    Trouble.ADL: 1,
    Trouble.PRICE_MOVE: 6,
    Trouble.PRICE_JUMP: 2,
    Trouble.THIN_BOOK: 1,
    Trouble.DISK_FULL: 2,
    Trouble.OPERATOR: 3,
}
"""How often each is drawn, relative to the others: deaths and lost answers most, because money is lost there."""

REQUESTS = (
    "order",
    "order",
    "order",
    "cancel_all",
    "leverage",
    "position",
    "balance",
    "quote",
    "fills",
    "order_lookup",
)
"""Requests that can fail; orders more often than the rest."""
CALLS = ("submit", "any")
"""Which of the group's calls to an account is hit: commands are rare beside questions, and matter most."""
CHANNELS = ("orders", "fills", "fills", "positions")
_OF_STREAMS = frozenset(
    {
        Trouble.EVENT_TWICE,
        Trouble.EVENT_REORDERED,
        Trouble.EVENT_LATE,
        Trouble.EVENT_LOST,
        Trouble.STREAM_CLOSED,
        Trouble.STREAM_FROZEN,
    }
)
OF_CALLS = frozenset({Trouble.CALL_LOST, Trouble.CALL_ANSWER_LOST, Trouble.CALL_TWICE, Trouble.CALL_LATE})
_ACTORS = (GROUP, GROUP, *VENUE_OF)
_STORM_LENGTHS = (0, 6, 14, 28, 50)
"""Troubles in one seed: one seed in five is calm, and the wildest have ten a second."""
_FINAL_WORDS = (OperatorState.RUN, OperatorState.RUN, OperatorState.FLATTEN)


@dataclass(frozen=True, slots=True)
class Happening:
    """One trouble to come."""

    at_s: float
    trouble: Trouble
    target: str
    """An account, a venue's account, or the group."""
    action: str
    """A request, a channel, a call or an operator's word, where the trouble needs one."""
    size: float
    """From 0 to 1: how long, how far, how much; each trouble reads it in its own unit."""
    steps: int
    """Loop steps after `at_s`, for troubles that can strike between any two."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One seed."""

    seed: int
    params: dict[str, Any]
    venue_latency_s: float
    disk_latency_s: float
    line_latency_s: float
    taker_delay_ms: int
    snapshot_every: int
    """Journal records between two snapshots of every actor: with few, most restarts begin at one."""
    feed_in_memory: int
    """Facts an account keeps at hand: with few, a group that comes back has to be served from the journal."""
    happenings: tuple[Happening, ...]
    calm_at_s: float
    """When the faults end and everything has to come to its end."""
    last_word: OperatorState
    cast: Cast = CASTS[LIQUIDATION_HEDGE]
    """Who plays it."""
    limits: dict[str, Any] = field(default_factory=dict)
    """The group's limits, as a settings file has them."""


def draw_scenario(seed: int, strategy: str = LIQUIDATION_HEDGE) -> Scenario:
    """Return the scenario of a seed: the same one, whenever it is asked for. Other strategies meet the same storms.

    Raises:
        KeyError: no such cast.
    """
    cast = (CASTS | LIMITED)[strategy]
    drawn = _draw(seed)
    limits = draw_limits(seed) if cast.limited else {}
    return replace(drawn, cast=cast, params=cast.params or drawn.params, limits=limits)


def _draw(seed: int) -> Scenario:
    dice = Random(f"scenario {seed}")  # noqa: S311 - seeded dice are the point of a simulation
    calm_at_s = dice.choice((1.5, 3.0, 5.0))
    count = dice.choice(_STORM_LENGTHS)
    return Scenario(
        seed=seed,
        params=_params(dice),
        venue_latency_s=dice.choice((0.002, 0.02, 0.1)),
        disk_latency_s=dice.choice((0.0, 0.001, 0.01)),
        line_latency_s=dice.choice((0.0005, 0.005)),
        taker_delay_ms=dice.choice((0, 20, 300)),
        snapshot_every=dice.choice((12, 50, 2_000)),
        feed_in_memory=dice.choice((3, 2_000)),
        happenings=tuple(sorted((_happening(dice, calm_at_s) for _ in range(count)), key=lambda each: each.at_s)),
        calm_at_s=calm_at_s,
        last_word=dice.choice(_FINAL_WORDS),
    )


def _params(dice: Random) -> dict[str, Any]:
    return {
        "direction": dice.choice(("long_backpack", "short_backpack")),
        "leverage": dice.choice(("50", "50", "20")),
        "test_mode": dice.random() < 0.1,  # noqa: PLR2004 - one in ten
        "max_cycles": dice.choice((1, 1, 2)),
        "timeout_s": dice.choice(("1", "2")),
        "wait_min_s": "0.05",
        "wait_max_s": "0.3",
        "poll_interval_s": "0.8",
        "cycle_pause_s": "0.2",
        "look_retry_s": "0.1",
        "look_timeout_s": "3",
        "confirm_delay_s": "0.5",
        "start_retry_s": "0.3",
        "entry_delay_s": "0.1",
        "hedge_delay_s": "0.1",
        "exit_delay_s": "0.1",
        "rebalance_delay_s": "0.1",
        "leverage_timeout_s": "4",
        "unhedged_max_s": dice.choice(("2", "8")),
        "confirm_timeout_s": dice.choice(("0.5", "2")),
    }


def _happening(dice: Random, calm_at_s: float) -> Happening:
    trouble = dice.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
    target = dice.choice(list(VENUE_OF))
    action = dice.choice(REQUESTS)
    if trouble in {Trouble.CRASH, Trouble.GHOST, Trouble.CLOCK_SKEWED}:
        target = dice.choice(_ACTORS)
    elif trouble in _OF_STREAMS:
        action = dice.choice(CHANNELS)
    elif trouble in OF_CALLS:
        action = dice.choice(CALLS)
    elif trouble is Trouble.OPERATOR:
        action = dice.choice(list(OperatorState)).value
    elif trouble in {Trouble.LOST_ANSWER, Trouble.SERVER_ERROR_AFTER} and dice.random() < 0.5:  # noqa: PLR2004 - half
        action = "order"
    return Happening(
        at_s=round(dice.random() * calm_at_s, 3),
        trouble=trouble,
        target=target,
        action=action,
        size=dice.random(),
        steps=dice.randrange(200),
    )
