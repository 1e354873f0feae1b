"""What a decision may stand on: what a leg lacks before a cycle may begin, and what ends one that runs."""

from collections.abc import Iterator
from typing import Any

from strategies.desk.policy import Leave
from strategies.desk.state import Phase
from strategies.desk.turn import Turn
from strategies.domain.account import AccountMode
from strategies.domain.ids import LegName
from strategies.domain.money import ZERO


def interruptions(turn: Turn[Any]) -> Iterator[Leave]:
    """Yield what calls for the exit now, the gravest first."""
    state = turn.state
    if state.phase is Phase.EXITING:
        return
    if state.flatten:
        yield Leave("FLATTEN")
    if state.phase is not Phase.WORKING:
        for name, leg in state.legs.items():
            if leg.stray != ZERO and leg.held not in (ZERO, leg.dust):
                yield Leave(f"a late fill left {name} with {leg.held}")
        return
    if turn.forced:
        yield Leave(turn.forced, parking=True)
    for name, leg in state.legs.items():
        if leg.failures >= turn.params.order_failures_max:
            text = f"{leg.failures} orders in a row on {name} came to nothing: {leg.failure}"
            yield Leave(text, parking=True)


def lacks(turn: Turn[Any]) -> Iterator[str]:
    """Yield what keeps a cycle from beginning, in words; every leg has been looked at."""
    for name in turn.state.legs:
        yield from _leg_lacks(turn, name)


def _leg_lacks(turn: Turn[Any], name: LegName) -> Iterator[str]:
    leg, look, instrument = turn.leg(name), turn.leg(name).look, turn.instrument(name)
    if leg.mode is not AccountMode.ARMED:
        yield f"account of {name} is {leg.mode}"
    if look is None or look.position is None or look.balance is None or instrument is None or leg.price is None:
        yield f"{name}: {'; '.join(look.problems) if look is not None and look.problems else 'no answer'}"
        return
    if look.in_flight or leg.working or leg.orphans:
        yield f"{name} has orders in flight"
    if turn.fresh_quote(name) is None:
        yield f"{name} has no fresh quote"
    if look.position.quantity != leg.held:
        yield f"{name} is said to hold {look.position.quantity}, our fills say {leg.held}"
    if leg.held not in (ZERO, leg.dust) and abs(leg.held) >= instrument.smallest_order(leg.price):
        yield f"{name} already holds {leg.held}"
