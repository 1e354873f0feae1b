"""Events and commands as one line each: what a playbook compares and prints. Ids without their group and cycle."""

from decimal import Decimal
from typing import assert_never

from strategies.domain.commands import (
    CancelAllOrders,
    CancelOrder,
    CancelTimer,
    Command,
    DrawRandom,
    Notify,
    Observe,
    SetLeverage,
    SetTimer,
    SubmitOrder,
)
from strategies.domain.events import Event
from strategies.domain.ids import OrderId, Timestamp


def number(value: Decimal) -> str:
    """Write a number without trailing zeros."""
    return f"{value.normalize():f}"


def short(order_id: OrderId) -> str:
    """Write an order id as `leg purpose:attempt`; ids of other makers stay whole."""
    parts = order_id.split(":")
    return f"{parts[-3]} {parts[-2]}:{parts[-1]}" if len(parts) == 5 else order_id


def command_line(command: Command, now: Timestamp) -> str:
    """Write a command."""
    match command:
        case SubmitOrder(order=order):
            reduce = " reduce-only" if order.reduce_only else ""
            line = (
                f"submit {short(order.order_id)} {order.side} {number(order.quantity)} @{number(order.price)}{reduce}"
            )
        case CancelOrder():
            line = f"cancel {short(command.order_id)}"
        case CancelAllOrders():
            line = f"cancel-all {command.account}"
        case SetLeverage():
            line = f"leverage {command.account} {number(command.leverage)}"
        case Observe():
            line = f"observe {' '.join(command.legs)}"
        case SetTimer():
            line = f"timer {command.timer} in {number(Decimal(command.due_at - now) / 1000)} s"
        case CancelTimer():
            line = f"timer {command.timer} off"
        case DrawRandom():
            line = f"draw {command.name} {number(command.low)}..{number(command.high)}"
        case Notify():
            line = f"notify {command.severity} {command.topic}"
        case _:
            assert_never(command)
    return line


def event_line(event: Event) -> str:
    """Write an event: its kind and what identifies it."""
    fields = event.model_dump(mode="json", exclude={"kind", "at"})
    fill = fields.pop("fill", None)
    if fill is not None:
        fields |= {key: fill[key] for key in ("trade_id", "side", "quantity", "price", "cause")}
    if "legs" in fields:
        fields["legs"] = ", ".join(
            f"{name}={leg['position'] and leg['position']['quantity']}" for name, leg in fields["legs"].items()
        )
    return f"{event.kind} " + " ".join(f"{key}={value}" for key, value in fields.items() if value != "")
