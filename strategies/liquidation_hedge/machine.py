"""The liquidation hedge as a machine: fold the event, see what calls for the exit, then what the phase is missing.

Level-triggered: nothing here remembers how it got here. From what is held, what is in flight and where each leg should
be, every step computes what is missing, so a fill that comes late, twice or never is an ordinary case.
"""

from collections.abc import Callable

from strategies.domain.events import Event
from strategies.liquidation_hedge.entering import enter, enter_second, idle, prepare, wait
from strategies.liquidation_hedge.exiting import exit_all
from strategies.liquidation_hedge.facts import fold
from strategies.liquidation_hedge.holding import hold, interrupt, watch
from strategies.liquidation_hedge.params import LiquidationHedgeParams
from strategies.liquidation_hedge.state import BALANCER, FIRST, SECOND, HedgeState, LegState, Phase
from strategies.liquidation_hedge.turn import Setting, Turn
from strategies.liquidation_hedge.view import LegViews, view
from strategies.machine import GroupSpec, GroupView, Held, Step
from strategies.risk import Limits

CODE_VERSION = "liquidation_hedge/3"
"""Raised whenever the same events would decide otherwise."""


def _ended(_turn: Turn) -> None:
    """Do nothing: only a late fill or the operator moves an ended group, and those interrupt."""


_DECISIONS: dict[Phase, Callable[[Turn], object]] = {
    Phase.IDLE: idle,
    Phase.PREPARING: prepare,
    Phase.ENTERING: enter,
    Phase.WAITING: wait,
    Phase.SECOND: enter_second,
    Phase.BALANCING: hold,
    Phase.MONITORING: hold,
    Phase.EXITING: exit_all,
    Phase.ENDED: _ended,
}

_PHASES_PER_STEP_MAX = len(Phase)
"""One step passes each phase at most once."""


class LiquidationHedge:
    """One group's machine."""

    def __init__(self, spec: GroupSpec, params: LiquidationHedgeParams, limits: Limits) -> None:
        """Take the group's names and numbers.

        Raises:
            ValueError: a leg is missing or unknown, or two legs share an account.
        """
        names = [name for name in (BALANCER, FIRST, SECOND) if name in spec.legs]
        if not {BALANCER, FIRST} <= set(names) or len(names) != len(spec.legs):
            raise ValueError(f"legs must be {BALANCER}, {FIRST} and perhaps {SECOND}, got {sorted(spec.legs)}")
        accounts = {name: spec.legs[name] for name in names}
        legs_of = {account: name for name, account in accounts.items()}
        if len(legs_of) != len(accounts):
            raise ValueError(f"each leg needs its own account, got {accounts}")
        self._setting = Setting(spec.group, spec.instrument_id, accounts, legs_of, params, limits)
        self._leg_views: LegViews = {}

    @property
    def code_version(self) -> str:
        """Name the version of the decisions."""
        return CODE_VERSION

    def start(self) -> HedgeState:
        """Return the state before anything has happened."""
        legs = {name: LegState(account=account) for name, account in self._setting.accounts.items()}
        return HedgeState(direction=self._setting.params.direction, legs=legs)

    def step(self, state: HedgeState, event: Event) -> Step[HedgeState]:
        """Fold one event and say what to do."""
        turn = Turn(self._setting, state, event.at)
        fold(turn, event)
        interrupt(turn)
        for _ in range(_PHASES_PER_STEP_MAX):
            before = turn.state.phase
            _DECISIONS[before](turn)
            if turn.state.phase is before:
                break
        watch(turn)
        turn.look_now_if_due()
        turn.set_timers()
        return Step(turn.state, tuple(turn.commands))

    def view(self, state: HedgeState) -> GroupView:
        """Describe the state for people and metrics."""
        return view(self._setting, state, self._leg_views)

    def held(self, state: HedgeState) -> Held:
        """Return what each account holds, and what of it is uncovered."""
        return Held({leg.account: leg.quantity for leg in state.legs.values()}, state.net)

    def state_to_json(self, state: HedgeState) -> str:
        """Write the state for a snapshot."""
        return state.model_dump_json()

    def state_from_json(self, text: str) -> HedgeState:
        """Read a snapshot.

        Raises:
            ValueError: the text is not a state of this version.
        """
        return HedgeState.model_validate_json(text)
