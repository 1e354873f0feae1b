"""One step's working copy: the state so far, the commands so far, and the few verbs that decisions are made of."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic

from strategies.desk.params import DeskParams
from strategies.desk.state import TRANSITIONS, DeskLeg, DeskState, M, Phase
from strategies.domain.account import AccountMode
from strategies.domain.commands import CancelOrder, Command, Notify, Observe, Severity, SubmitOrder
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId, InstrumentId, LegName, OrderId, Timestamp, derive_order_id
from strategies.domain.instrument import Instrument
from strategies.domain.order import OrderRequest, OrderType, TimeInForce
from strategies.domain.quote import Quote
from strategies.unwind import milliseconds
from strategies.working import Style, Wanted, Working


class IllegalPhaseError(Exception):
    """The machine tried a move between phases that its table does not have: an error of the machine itself."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What never changes during a group's life."""

    group: GroupId
    instrument_id: InstrumentId
    accounts: dict[LegName, AccountId]
    legs_of: dict[AccountId, LegName]
    params: DeskParams


@dataclass(frozen=True, slots=True)
class Executed:
    """One fill of ours, told once: for a policy that remembers at what price it traded."""

    leg: LegName
    slot: str
    signed: Decimal
    price: Decimal
    at: Timestamp


class Turn(Generic[M]):
    """The working copy. `answered` says that this very event was the end of a look; `fills` are this event's."""

    __slots__ = ("answered", "commands", "fills", "forced", "now", "setting", "state")

    def __init__(self, setting: Setting, state: DeskState[M], at: Timestamp) -> None:
        """Begin a step at the event's time; time never runs backwards for decisions."""
        self.setting = setting
        self.now = max(state.now, at)
        self.state = state.model_copy(update={"now": self.now, "legs": dict(state.legs)})
        self.commands: list[Command] = []
        self.answered = False
        self.fills: list[Executed] = []
        self.forced = ""
        """What this event did to a leg that none of our orders did, in words."""

    @property
    def params(self) -> DeskParams:
        """Return the parameters."""
        return self.setting.params

    @property
    def memory(self) -> M:
        """Return the policy's memory. Only while a cycle runs.

        Raises:
            LookupError: no cycle has begun.
        """
        if self.state.memory is None:
            raise LookupError("no cycle has begun")
        return self.state.memory

    def remember(self, **changes: Any) -> None:
        """Change some fields of the policy's memory."""
        self.move(memory=self.memory.model_copy(update=changes))

    def leg(self, name: LegName) -> DeskLeg:
        """Return a leg as it stands now."""
        return self.state.legs[name]

    def put(self, name: LegName, **changes: Any) -> DeskLeg:
        """Change some fields of a leg."""
        leg = self.state.legs[name].model_copy(update=changes)
        self.state.legs[name] = leg
        return leg

    def move(self, **changes: Any) -> None:
        """Change some fields of the state."""
        self.state = self.state.model_copy(update=changes)

    def enter(self, phase: Phase, reason: str, **changes: Any) -> None:
        """Go to another phase.

        Raises:
            IllegalPhaseError: the table has no such move.
        """
        if phase not in TRANSITIONS[self.state.phase]:
            raise IllegalPhaseError(f"{self.state.phase} -> {phase}")
        self.move(phase=phase, phase_since=self.now, reason=reason, looks=0, words="", wake_at=None, **changes)
        self.answered = False  # an answer belongs to the phase that asked

    def later(self, seconds: Decimal) -> Timestamp:
        """Return the moment so many seconds from now."""
        return Timestamp(self.now + milliseconds(seconds))

    def notify(self, severity: Severity, topic: str, text: str) -> None:
        """Tell the operator."""
        self.commands.append(Notify(severity=severity, topic=topic, text=f"{self.setting.group}: {text}"))

    @property
    def told_to_run(self) -> bool:
        """Say whether the operator lets a cycle begin."""
        return self.state.operator_state is OperatorState.RUN

    @property
    def may_open(self) -> bool:
        """Say whether something new may be begun: not while somebody else trades on an account of ours."""
        return self.told_to_run and not self._any_frozen()

    @property
    def may_grow(self) -> bool:
        """Say whether an order may make a leg bigger."""
        return self.state.operator_state in (OperatorState.RUN, OperatorState.PAUSE) and not self._any_frozen()

    def _any_frozen(self) -> bool:
        """Say whether the account of some leg lets nothing out but what reduces."""
        for leg in self.state.legs.values():  # noqa: SIM110 - asked several times a step: a generator takes twice as long
            if leg.mode is AccountMode.FROZEN:
                return True
        return False

    def instrument(self, name: LegName) -> Instrument | None:
        """Return the leg's instrument, once seen."""
        look = self.leg(name).look
        return None if look is None else look.instrument

    def sighted(self, name: LegName) -> bool:
        """Say whether the leg's last look is one to go by: asked for since the last restart, and with an answer."""
        leg = self.leg(name)
        return leg.look is not None and leg.asked_at is not None and leg.asked_at >= self.state.basis_at

    def quote(self, name: LegName) -> Quote | None:
        """Return the leg's quote if it was fresh when it was looked at; None = nothing to go by now."""
        leg = self.leg(name)
        look = leg.look
        if look is None or look.quote is None or not self.sighted(name) or leg.sighted_at < self.state.basis_at:
            return None
        return look.quote if leg.sighted_at - look.quote.at <= milliseconds(self.params.max_quote_age_s) else None

    def fresh_quote(self, name: LegName) -> Quote | None:
        """Return the leg's quote if it may price an order now."""
        quote = self.quote(name)
        if quote is None or self.now - quote.at > milliseconds(self.params.max_quote_age_s):
            return None
        return quote

    def submit(self, name: LegName, wanted: Wanted) -> None:
        """Send an order under the next id of its slot."""
        leg = self.leg(name)
        made = leg.made + 1
        resting = wanted.style is not Style.MARKET
        order = OrderRequest(
            order_id=derive_order_id(self.setting.group, self.state.cycle, name, wanted.slot, made),
            instrument_id=self.setting.instrument_id,
            side=wanted.side,
            quantity=wanted.quantity,
            order_type=OrderType.LIMIT if resting else OrderType.MARKET,
            price=wanted.price,
            time_in_force=TimeInForce.GTC if resting else TimeInForce.IOC,
            post_only=wanted.style is Style.POST_ONLY,
            reduce_only=wanted.reduce_only,
            lane=wanted.lane,
        )
        working = Working(
            order_id=order.order_id,
            slot=wanted.slot,
            signed=wanted.signed,
            price=wanted.price,
            resting=resting,
            reduce_only=wanted.reduce_only,
            sent_at=self.now,
        )
        self.put(name, working=(*leg.working, working), made=made)
        self.commands.append(SubmitOrder(account=leg.account, order=order))

    def cancel(self, name: LegName, order: Working) -> None:
        """Ask for an order's end, and remember when."""
        asked = order.model_copy(update={"cancel_at": self.now})
        leg = self.leg(name)
        self.put(name, working=tuple(asked if each is order else each for each in leg.working))
        self.cancel_id(name, order.order_id)

    def cancel_id(self, name: LegName, order_id: OrderId) -> None:
        """Ask for the end of an order by its id alone."""
        self.commands.append(CancelOrder(account=self.leg(name).account, order_id=order_id))

    def writes(self, name: LegName, *, reduce_only: bool) -> bool:
        """Say whether the leg's account sends such an order: armed any, frozen what only reduces."""
        mode = self.leg(name).mode
        return mode is AccountMode.ARMED or (reduce_only and mode is AccountMode.FROZEN)

    def want_look(self) -> None:
        """Have all legs looked at as soon as the read budget allows."""
        if self.state.looking_since is not None:
            return
        self.look_by(Timestamp(self.state.answered_at + milliseconds(self.params.look_retry_s)))

    def look_by(self, moment: Timestamp) -> None:
        """Have all legs looked at no later than `moment`."""
        if self.state.looking_since is not None:
            return
        due = max(self.now, moment)
        if self.state.look_due_at is None or due < self.state.look_due_at:
            self.move(look_due_at=due)

    def look_now_if_due(self) -> None:
        """Ask for the look that has come due."""
        due = self.state.look_due_at
        if self.state.looking_since is None and due is not None and due <= self.now:
            self.move(looking_since=self.now, asked_at=self.now, look_due_at=None)
            self.commands.append(Observe(legs=tuple(self.state.legs)))
