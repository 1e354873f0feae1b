"""The smoke test's decisions: each leg goes through its steps by itself; a failed step ends its leg, then all leave."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from strategies.desk.policy import Leave, Plan
from strategies.desk.state import DeskState
from strategies.desk.turn import Turn
from strategies.domain.ids import LegName, Timestamp
from strategies.domain.instrument import Instrument
from strategies.domain.model import Value
from strategies.domain.money import ZERO, ceil_to
from strategies.domain.order import Side
from strategies.domain.quote import Quote
from strategies.machine import Violation
from strategies.smoke_test.params import SmokeTestParams
from strategies.tracking import Pursuit, TrackingParams, track
from strategies.unwind import milliseconds
from strategies.working import Style, Wanted


class StepName(StrEnum):
    """What every account goes through, in this order."""

    CONNECT = "connect"
    INSTRUMENT = "instrument"
    ACCOUNT = "account"
    BOOK = "book"
    REST = "rest a far limit"
    SEEN = "see it in a read"
    CANCEL = "cancel it"
    BUY = "buy by market"
    BOUGHT = "read what was bought"
    SELL = "sell by market"
    SOLD = "read that it is gone"
    TRACK_IN = "buy by tracking limit"
    TRACK_OUT = "sell by tracking limit"
    FLAT = "flat at the end"


READING = (StepName.CONNECT, StepName.INSTRUMENT, StepName.ACCOUNT, StepName.BOOK)
RESTING = (StepName.REST, StepName.SEEN, StepName.CANCEL)
TRADING = (StepName.BUY, StepName.BOUGHT, StepName.SELL, StepName.SOLD, StepName.TRACK_IN, StepName.TRACK_OUT)


class Result(Value):
    """One step of one leg, done."""

    step: StepName
    ok: bool
    detail: str
    began_at: Timestamp
    ended_at: Timestamp


class LegRun(Value):
    """Where one leg stands."""

    began_at: Timestamp = Field(description="when the running step began")
    made_before: int = Field(default=0, description="orders of the leg when the running step began")
    content_at: Timestamp | None = Field(default=None, description="how old the first book seen was")
    quantity: Decimal | None = Field(default=None, description="what is bought and sold, base units")
    results: tuple[Result, ...] = ()

    @property
    def failed(self) -> bool:
        """Say whether a step has failed: the rest is not tried."""
        return any(not result.ok for result in self.results)


class SmokeMemory(Value):
    """What the smoke test remembers."""

    runs: dict[LegName, LegRun]


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a step looks at: one leg, seen since the step began, with everything a look can tell."""

    name: LegName
    run: LegRun
    quote: Quote
    instrument: Instrument
    position: Decimal
    in_flight: int
    sighted_at: Timestamp


@dataclass(frozen=True, slots=True)
class _Now:
    """What a step says: whether it is over, and which orders should stand until then."""

    ok: bool | None = None
    detail: str = ""
    wanted: tuple[Wanted, ...] = ()
    changes: dict[str, object] | None = None


_Decide = Callable[[Turn[SmokeMemory], _Scene], _Now]


class SmokeTest:
    """The policy. Implements `strategies.desk.policy.Policy`."""

    name = "smoke_test"
    code_version = "smoke_test/2"
    memory_model = SmokeMemory

    def __init__(self, params: SmokeTestParams) -> None:
        """Take the numbers."""
        self._params = params
        trading = TRADING if params.trade else ()
        self.steps: tuple[StepName, ...] = (*READING, *RESTING, *trading, StepName.FLAT)
        self._decide: dict[StepName, _Decide] = {
            StepName.CONNECT: lambda _turn, _scene: _Now(ok=True, detail="armed, reconciled with its venue"),
            StepName.INSTRUMENT: self._instrument,
            StepName.ACCOUNT: self._account,
            StepName.BOOK: self._book,
            StepName.REST: self._rest,
            StepName.SEEN: self._seen,
            StepName.CANCEL: self._cancel,
            StepName.BUY: lambda turn, scene: self._market(turn, scene, Side.BUY),
            StepName.BOUGHT: self._agrees,
            StepName.SELL: lambda turn, scene: self._market(turn, scene, Side.SELL),
            StepName.SOLD: self._agrees,
            StepName.TRACK_IN: lambda turn, scene: self._track(turn, scene, Side.BUY),
            StepName.TRACK_OUT: lambda turn, scene: self._track(turn, scene, Side.SELL),
            StepName.FLAT: self._flat,
        }

    def begin(self, turn: Turn[SmokeMemory]) -> SmokeMemory | str:
        """See `Policy.begin`."""
        return SmokeMemory(runs={name: LegRun(began_at=turn.now) for name in turn.state.legs})

    def plan(self, turn: Turn[SmokeMemory]) -> Plan:
        """See `Policy.plan`."""
        wanted = {name: wishes for name in turn.state.legs if (wishes := self._leg(turn, name)) is not None}
        runs = turn.memory.runs
        if all(self._over(run) for run in runs.values()):
            failed = [name for name, run in runs.items() if run.failed]
            return Plan(leave=Leave(f"failed on {', '.join(failed)}" if failed else "all passed", finishing=True))
        open_runs = {name: run for name, run in runs.items() if not self._over(run)}
        wake_at = min(self._late_at(run) for run in open_runs.values())
        words = "; ".join(f"{name}: {self.steps[len(run.results)]}" for name, run in open_runs.items())
        return Plan(wanted, look_s=Decimal(1), wake_at=wake_at, words=words)

    def _over(self, run: LegRun) -> bool:
        return run.failed or len(run.results) == len(self.steps)

    def _late_at(self, run: LegRun) -> Timestamp:
        step = self.steps[len(run.results)]
        tracking = step in (StepName.TRACK_IN, StepName.TRACK_OUT)
        limit = self._params.tracking.timeout_s if tracking else self._params.step_timeout_s
        return Timestamp(run.began_at + milliseconds(limit or self._params.step_timeout_s))

    def _leg(self, turn: Turn[SmokeMemory], name: LegName) -> tuple[Wanted, ...] | None:
        """Bring one leg through as many steps as are over now; return what should stand, None = leave it as it is."""
        for _ in self.steps:
            run = turn.memory.runs[name]
            if self._over(run):
                return ()
            step = self.steps[len(run.results)]
            scene = _scene(turn, name, run)
            now = _Now() if scene is None else self._decide[step](turn, scene)
            if now.changes:
                self._put(turn, name, run.model_copy(update=now.changes))
                run = turn.memory.runs[name]
            if now.ok is None and turn.now >= self._late_at(run):
                why = turn.leg(name).failure or now.detail or "no answer"
                now = _Now(ok=False, detail=f"not within its time: {why}")
            if now.ok is None:
                return None if scene is None else now.wanted
            self._end(turn, name, step, now)
        return ()

    def _end(self, turn: Turn[SmokeMemory], name: LegName, step: StepName, now: _Now) -> None:
        run = turn.memory.runs[name]
        result = Result(step=step, ok=bool(now.ok), detail=now.detail, began_at=run.began_at, ended_at=turn.now)
        changes = {"results": (*run.results, result), "began_at": turn.now, "made_before": turn.leg(name).made}
        self._put(turn, name, run.model_copy(update=changes))
        turn.want_look()

    def _put(self, turn: Turn[SmokeMemory], name: LegName, run: LegRun) -> None:
        turn.remember(runs={**turn.memory.runs, name: run})

    # --- the steps ------------------------------------------------------------------------------------------------

    def _instrument(self, _turn: Turn[SmokeMemory], scene: _Scene) -> _Now:
        instrument = scene.instrument
        text = (
            f"{instrument.symbol}: tick {instrument.tick}, lot {instrument.lot}, minimum {instrument.min_quantity}"
            f" / {instrument.min_notional} USD, fees {instrument.maker_fee} / {instrument.taker_fee}"
        )
        return _Now(ok=True, detail=text)

    def _account(self, turn: Turn[SmokeMemory], scene: _Scene) -> _Now:
        look = turn.leg(scene.name).look
        balance = None if look is None else look.balance
        if balance is None:
            return _Now(detail="no balance stated")
        text = f"equity {balance.equity} USD, available {balance.available}, position {scene.position}"
        return _Now(ok=balance.available > ZERO, detail=text)

    def _book(self, _turn: Turn[SmokeMemory], scene: _Scene) -> _Now:
        """A book is streamed when its content is confirmed anew between two looks, and both sides are there."""
        quote = scene.quote
        if quote.bid is None or quote.ask is None:
            return _Now(detail="a side of the book is empty")
        if quote.bid >= quote.ask:
            return _Now(ok=False, detail=f"crossed: bid {quote.bid}, ask {quote.ask}")
        if scene.run.content_at is None:
            return _Now(detail="content of one age only", changes={"content_at": quote.at})
        if quote.at <= scene.run.content_at:
            return _Now(detail="content does not get newer: the stream is silent")
        return _Now(ok=True, detail=f"bid {quote.bid}, ask {quote.ask}, {scene.sighted_at - quote.at} ms old")

    def _rest(self, turn: Turn[SmokeMemory], scene: _Scene) -> _Now:
        leg, slot = turn.leg(scene.name), "far"
        order = leg.in_slot(slot)
        if order is not None and order.accepted:
            return _Now(
                ok=True, detail=f"{abs(order.signed)} at {order.price}", wanted=(self._far(scene, order.price),)
            )
        if order is None and leg.made > scene.run.made_before:
            return _Now(ok=False, detail=leg.failure or "ended by the venue")
        price = order.price if order is not None else None
        return _Now(wanted=(self._far(scene, price),))

    def _far(self, scene: _Scene, price: Decimal | None) -> Wanted:
        best = scene.quote.bid or scene.quote.mark or scene.instrument.tick
        at = price or scene.instrument.worst_price(Side.SELL, best, self._params.far)
        quantity = self._quantity(scene, at)
        return Wanted("far", Side.BUY, quantity, at, Style.POST_ONLY)

    def _seen(self, turn: Turn[SmokeMemory], scene: _Scene) -> _Now:
        order = turn.leg(scene.name).in_slot("far")
        if order is None:
            return _Now(ok=False, detail="it has gone by itself")
        ok = True if scene.in_flight >= 1 else None
        return _Now(ok=ok, detail=f"{scene.in_flight} open order(s)", wanted=(self._far(scene, order.price),))

    def _cancel(self, turn: Turn[SmokeMemory], scene: _Scene) -> _Now:
        if turn.leg(scene.name).in_slot("far") is not None:
            return _Now(detail="not canceled yet")
        held = turn.leg(scene.name).quantity
        return _Now(ok=held == ZERO, detail="canceled, nothing filled" if held == ZERO else f"it filled {held}")

    def _market(self, turn: Turn[SmokeMemory], scene: _Scene, side: Side) -> _Now:
        leg, slot = turn.leg(scene.name), f"market-{side.lower()}"
        target = self._quantity(scene, scene.quote.touch(side)) if side is Side.BUY else ZERO
        missing = target - leg.quantity
        if missing == ZERO and leg.in_slot(slot) is None:
            return _Now(ok=True, detail=f"filled at {leg.price}, position {leg.quantity}")
        if leg.in_slot(slot) is None and leg.made > scene.run.made_before:
            return _Now(ok=False, detail=leg.failure or f"only partly: position {leg.quantity}")
        touch = scene.quote.touch(side)
        if touch is None or missing * side.sign <= ZERO:
            return _Now(detail="nobody offers")
        price = scene.instrument.worst_price(side, touch, self._params.max_slippage)
        order = Wanted(slot, side, abs(missing), price, Style.MARKET, reduce_only=side is Side.SELL)
        return _Now(wanted=(order,), changes={"quantity": target} if side is Side.BUY else None)

    def _agrees(self, turn: Turn[SmokeMemory], scene: _Scene) -> _Now:
        """Every read against every stream: the venue's statement, the account's fold and our own fills are one."""
        leg = turn.leg(scene.name)
        believed = None if leg.look is None else leg.look.believed
        ok = True if scene.position == leg.held == believed and scene.in_flight == 0 else None
        return _Now(ok=ok, detail=f"read {scene.position}, streamed {leg.held}, folded {believed}")

    def _track(self, turn: Turn[SmokeMemory], scene: _Scene, side: Side) -> _Now:
        leg, slot = turn.leg(scene.name), f"track-{side.lower()}"
        target = (scene.run.quantity or self._quantity(scene, scene.quote.bid)) if side is Side.BUY else ZERO
        missing = target - leg.quantity
        standing = leg.in_slot(slot)
        if missing == ZERO and standing is None:
            return _Now(ok=True, detail=f"position {leg.quantity}, {leg.made - scene.run.made_before} order(s)")
        pursuit = Pursuit(slot, missing, scene.run.began_at, None, reduce_only=side is Side.SELL)
        params: TrackingParams = self._params.tracking
        order = track(pursuit, scene.quote, scene.instrument, params, standing)
        return _Now(detail=leg.failure or "nobody came", wanted=() if order is None else (order,))

    def _flat(self, turn: Turn[SmokeMemory], scene: _Scene) -> _Now:
        leg = turn.leg(scene.name)
        text = f"position {scene.position}, {scene.in_flight} open order(s), cost {-leg.cycle_profit:.6f} USD"
        ok = scene.position == leg.held and leg.quantity == ZERO and scene.in_flight == 0
        return _Now(ok=True if ok else None, detail=text)

    def _quantity(self, scene: _Scene, price: Decimal | None) -> Decimal:
        if scene.run.quantity is not None:
            return scene.run.quantity
        at = price or scene.quote.mark or scene.instrument.tick
        wanted = scene.instrument.smallest_order(at) * self._params.size_multiplier
        return ceil_to(wanted, scene.instrument.lot)

    # --- for others -----------------------------------------------------------------------------------------------

    def inventory(self, state: DeskState[SmokeMemory]) -> Decimal:
        """See `Policy.inventory`: what a step buys is meant, for a moment."""
        return state.net

    def targets(self, state: DeskState[SmokeMemory]) -> Mapping[LegName, Decimal]:
        """See `Policy.targets`: nothing is to be kept."""
        return dict.fromkeys(state.legs, ZERO)

    def violations(self, state: DeskState[SmokeMemory]) -> Iterator[Violation]:
        """See `Policy.violations`: one order a leg."""
        for name, leg in state.legs.items():
            if len(leg.working) > 1:
                yield Violation("one_step_at_a_time", f"{name}: {[order.order_id for order in leg.working]}")


def _scene(turn: Turn[SmokeMemory], name: LegName, run: LegRun) -> _Scene | None:
    """Return what a step looks at; None = the leg has not been seen, whole, since the step began."""
    leg, quote, instrument = turn.leg(name), turn.quote(name), turn.instrument(name)
    look = leg.look
    if look is None or look.position is None or quote is None or instrument is None or leg.asked_at is None:
        return None
    if run.results and leg.asked_at < run.began_at:
        return None
    position = look.position.quantity
    return _Scene(name, run, quote, instrument, position, look.in_flight, leg.sighted_at)
