"""What each trouble does to the world, and how it ends."""

from collections.abc import Callable
from decimal import Decimal

from actors.journal.protocol import JournalWriteError
from actors.simulation.market import SYMBOLS
from actors.simulation.scenario import OF_CALLS, VENUE_OF, Happening, Trouble
from actors.simulation.world import World, stream_of
from strategies.domain.events import OperatorState
from strategies.domain.money import ZERO
from strategies.domain.position import FillCause
from venues.simulator.faults import Fault, FaultKind

_TOO_MANY_REQUESTS = 429
_UNAVAILABLE = 503
_LATE_MS = 7000
"""The longest that an answer or an event is late: longer than a write lives."""
_MS = 1000
_LASTING_S = 3.0
"""The longest that a frozen stream, a skewed clock, a thin book or a full disk lasts."""
_REPEATS = 4
"""A request fault strikes up to so many requests in a row."""
_PATIENCE_S = 0.2
"""How often a forced close looks for a position to close."""
_IN_A_WRITE = 0.4
"""Share of the deaths that come between a journal write and its acknowledgement."""
_SKEW_MS = 240
"""The most that one clock is off: two of them stay within what venues and accounts allow for."""
_MOVE = Decimal("0.002")
_JUMP = Decimal("0.012")
"""Fractions of the price: the second one liquidates at 50x."""

_REQUEST_FAULTS = {
    Trouble.LOST_ANSWER: FaultKind.LOSE_ANSWER,
    Trouble.LATE_ANSWER: FaultKind.DELAY_ANSWER,
    Trouble.REFUSED: FaultKind.REFUSE,
    Trouble.RESET: FaultKind.RESET,
    Trouble.SERVER_ERROR: FaultKind.STATUS_BEFORE,
    Trouble.SERVER_ERROR_AFTER: FaultKind.STATUS_AFTER,
    Trouble.RATE_LIMITED: FaultKind.STATUS_BEFORE,
}
_ENGINE_FAULTS = {
    Trouble.PARTIAL_FILL: FaultKind.PARTIAL_FILL,
    Trouble.ENGINE_REJECT: FaultKind.REJECT_AFTER_ACCEPT,
}
_STREAM_FAULTS = {
    Trouble.EVENT_TWICE: FaultKind.DUPLICATE_EVENT,
    Trouble.EVENT_REORDERED: FaultKind.REORDER_EVENTS,
    Trouble.EVENT_LATE: FaultKind.DELAY_EVENTS,
    Trouble.STREAM_CLOSED: FaultKind.CLOSE_STREAM,
}


class Storm:
    """Lets the scenario's troubles happen, each at its time, and ends them all."""

    def __init__(self, world: World) -> None:
        """Blow over `world`."""
        self._world = world
        self._over = False

    def start(self) -> None:
        """Plan every trouble."""
        for happening in self._world.scenario.happenings:
            self._world.loop.call_at(happening.at_s, self._strike, happening)

    def end(self) -> None:
        """Let nothing go wrong from now on."""
        self._over = True
        world = self._world
        world.calm = True
        world.loop.on_step = None
        world.disk.on_write.clear()
        for floor in world.market.floors.values():
            floor.faults.clear()
            floor.calm_down()
            floor.exchange.set_depth(SYMBOLS[floor.exchange.rules.venue], Decimal(1), floor.now())
        world.market.skew_ms.clear()
        world.skew_ms.clear()
        for waiting in world.call_troubles.values():
            waiting.clear()
        world.disk.store.refuse_writes(None)
        world.tell("calm")

    def _strike(self, happening: Happening) -> None:
        if self._over:
            return
        trouble = happening.trouble
        if trouble in _REQUEST_FAULTS or trouble in _ENGINE_FAULTS or trouble in _STREAM_FAULTS:
            self._add_fault(happening)
        elif trouble in OF_CALLS:
            self._world.call_troubles[happening.target].append(happening)
        else:
            _STRIKES[trouble](self, happening)

    def _add_fault(self, happening: Happening) -> None:
        trouble, account = happening.trouble, happening.target
        faults = self._world.market.faults[VENUE_OF[account]]
        kind = _REQUEST_FAULTS.get(trouble) or _ENGINE_FAULTS.get(trouble) or _STREAM_FAULTS[trouble]
        action = f"stream:{happening.action}" if trouble in _STREAM_FAULTS else happening.action
        fault = faults.add(
            Fault(
                kind,
                VENUE_OF[account],
                account=account,
                action="order" if trouble in _ENGINE_FAULTS else action,
                count=1 + happening.steps % _REPEATS if trouble in _REQUEST_FAULTS else 1,
                delay_ms=int(_LATE_MS * happening.size),
                status=_TOO_MANY_REQUESTS if trouble is Trouble.RATE_LIMITED else _UNAVAILABLE,
                fraction=Decimal(round(happening.size, 2)).quantize(Decimal("0.01")),
            )
        )
        faults.names[fault.fault_id] = trouble.value

    def _soon(self, happening: Happening, strike: Callable[[], None]) -> None:
        """Strike between two steps of the loop, so many from now."""
        loop = self._world.loop
        if loop.on_step is None:
            loop.step_at = loop.steps + happening.steps
            loop.on_step = strike
        else:
            strike()

    def _crash(self, happening: Happening) -> None:
        world, name = self._world, happening.target
        if happening.size < _IN_A_WRITE:
            world.disk.on_write[stream_of(name)] = lambda: world.kill(name, "killed in a write")
        else:
            self._soon(happening, lambda: world.kill(name))

    def _ghost(self, happening: Happening) -> None:
        self._soon(happening, lambda: self._world.haunt(happening.target))

    def _delay_order(self, happening: Happening) -> None:
        world, account = self._world, happening.target
        world.market.floor_of(account).delay_order(account, _LATE_MS / _MS * happening.size)

    def _lose_event(self, happening: Happening) -> None:
        self._world.market.floor_of(happening.target).lose_event(happening.target, happening.action)

    def _freeze(self, happening: Happening) -> None:
        world, account = self._world, happening.target
        faults = world.market.floor_of(account).faults
        channel = f"stream:{happening.action}"
        fault = faults.add(Fault(FaultKind.FREEZE_CHANNEL, VENUE_OF[account], account=account, action=channel))
        world.count(Trouble.STREAM_FROZEN)
        world.loop.call_later(_LASTING_S * happening.size, faults.remove, fault.fault_id)

    def _skew(self, happening: Happening) -> None:
        world = self._world
        name, by = happening.target, int((2 * happening.size - 1) * _SKEW_MS)
        clocks = world.skew_ms
        if happening.steps % 2 and name in VENUE_OF:
            clocks, name = world.market.skew_ms, VENUE_OF[name]
        clocks[name] = by
        world.count(Trouble.CLOCK_SKEWED)

    def _liquidate(self, happening: Happening) -> None:
        self._force(happening, FillCause.LIQUIDATION)

    def _deleverage(self, happening: Happening) -> None:
        self._force(happening, FillCause.ADL)

    def _force(self, happening: Happening, cause: FillCause) -> None:
        world, account = self._world, happening.target
        if self._over:
            return
        if world.market.held(account) == ZERO:  # as soon as there is something to take away
            world.loop.call_later(_PATIENCE_S, self._force, happening, cause)
            return
        floor = world.market.floor_of(account)
        fraction = Decimal(1) if happening.size > 0.5 else Decimal("0.4")  # noqa: PLR2004 - half of them are whole
        symbol = SYMBOLS[VENUE_OF[account]]
        trades = floor.exchange.liquidate(account, symbol, cause=cause, fraction=fraction, at=floor.now())
        floor.pump()
        if trades:
            world.count(happening.trouble)

    def _move(self, happening: Happening) -> None:
        largest = _JUMP if happening.trouble is Trouble.PRICE_JUMP else _MOVE
        self._world.market.move(Decimal(round(2 * happening.size - 1, 3)).quantize(Decimal("0.001")) * largest)
        self._world.count(happening.trouble)

    def _thin(self, happening: Happening) -> None:
        world = self._world
        floor = world.market.floor_of(happening.target)
        symbol = SYMBOLS[VENUE_OF[happening.target]]
        floor.exchange.set_depth(symbol, Decimal("0.05"), floor.now())
        world.count(Trouble.THIN_BOOK)
        world.loop.call_later(
            _LASTING_S * happening.size, lambda: floor.exchange.set_depth(symbol, Decimal(1), floor.now())
        )

    def _fill_disk(self, happening: Happening) -> None:
        world = self._world
        world.disk.store.refuse_writes(JournalWriteError("simulated: no space left on device"))
        world.count(Trouble.DISK_FULL)
        world.loop.call_later(_LASTING_S * happening.size, world.disk.store.refuse_writes, None)

    def _operate(self, happening: Happening) -> None:
        if self._world.say(OperatorState(happening.action), "operator:storm") is not None:
            self._world.count(Trouble.OPERATOR)


_STRIKES: dict[Trouble, Callable[[Storm, Happening], None]] = {
    Trouble.CRASH: Storm._crash,  # noqa: SLF001 - the table belongs to the class
    Trouble.GHOST: Storm._ghost,  # noqa: SLF001 - the same
    Trouble.LATE_ORDER: Storm._delay_order,  # noqa: SLF001 - the same
    Trouble.EVENT_LOST: Storm._lose_event,  # noqa: SLF001 - the same
    Trouble.STREAM_FROZEN: Storm._freeze,  # noqa: SLF001 - the same
    Trouble.CLOCK_SKEWED: Storm._skew,  # noqa: SLF001 - the same
    Trouble.LIQUIDATION: Storm._liquidate,  # noqa: SLF001 - the same
    Trouble.ADL: Storm._deleverage,  # noqa: SLF001 - the same
    Trouble.PRICE_MOVE: Storm._move,  # noqa: SLF001 - the same
    Trouble.PRICE_JUMP: Storm._move,  # noqa: SLF001 - the same
    Trouble.THIN_BOOK: Storm._thin,  # noqa: SLF001 - the same
    Trouble.DISK_FULL: Storm._fill_disk,  # noqa: SLF001 - the same
    Trouble.OPERATOR: Storm._operate,  # noqa: SLF001 - the same
}
