"""What the server knows beside the exchange: how orders were asked for, settings, and the ids of positions.

Every change is told to `record` as it happens and can be done again with `apply_change` after a restart.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from strategies.domain.ids import VenueSymbol
from strategies.domain.money import ZERO
from strategies.domain.order import OrderType
from venues.simulator.backpack.payloads import AsSent, Payload
from venues.simulator.model import OrderRow, PositionRow
from venues.simulator.wire import JsonObject, Record

SETTINGS: Mapping[str, bool] = {"autoBorrowSettlements": False, "autoLend": False, "autoRepayBorrows": False}
"""The settings of an account that the simulation keeps and echoes; none of them does anything to perpetuals."""
FIRST_POSITION_ID = 5_000_000_000
"""Position ids count up from here: wider than 32 bits, like the real ones."""
FIRST_USER_ID = 1_800_000


class Memory:
    """The server's own state."""

    def __init__(self, accounts: list[str], record: Record) -> None:
        """Start empty for these accounts; the order of the names gives their user ids."""
        self._record = record
        self._user_ids = {name: FIRST_USER_ID + place for place, name in enumerate(accounts)}
        self._sent: dict[int, AsSent] = {}
        self._settings: dict[str, dict[str, bool]] = {}
        self._open_positions: dict[tuple[str, str], int] = {}
        self._announced: set[int] = set()
        self._next_position_id = FIRST_POSITION_ID

    def user_id(self, account: str) -> int:
        """Return the number of the account's owner."""
        return self._user_ids[account]

    def remember_order(self, order: OrderRow, sent: AsSent) -> None:
        """Keep how an order was asked for, unless the order itself tells."""
        if sent != _of(order):
            self._change({"kind": "sent", "order": order.order_index, "sent": asdict(sent)})

    def sent(self, order: OrderRow) -> AsSent:
        """Return how the order was asked for."""
        return self._sent.get(order.order_index) or _of(order)

    def settings(self, account: str) -> Payload:
        """Return the settings of an account."""
        return {**SETTINGS, **self._settings.get(account, {})}

    def change_settings(self, account: str, changes: Mapping[str, bool]) -> None:
        """Set settings of an account."""
        if changes:
            self._change({"kind": "settings", "account": account, "changes": dict(changes)})

    def position_id(self, account: str, symbol: VenueSymbol) -> int:
        """Return the id of the position the account has open now; a new one when it was flat."""
        known = self._open_positions.get((account, symbol))
        if known is not None:
            return known
        self._change({"kind": "opened", "account": account, "symbol": symbol, "id": self._next_position_id})
        return self._open_positions[account, symbol]

    def position_event(self, account: str, row: PositionRow) -> tuple[str, int]:
        """Return which event of the position stream this is, and the position's id. A closed id never returns."""
        position_id = self.position_id(account, row.symbol)
        if row.quantity == ZERO:
            self._change({"kind": "closed", "account": account, "symbol": row.symbol, "id": position_id})
            return "positionClosed", position_id
        if position_id in self._announced:
            return "positionAdjusted", position_id
        self._change({"kind": "announced", "id": position_id})
        return "positionOpened", position_id

    def dump(self) -> JsonObject:
        """Return everything as JSON."""
        return {
            "sent": {str(index): asdict(sent) for index, sent in self._sent.items()},
            "settings": self._settings,
            "positions": [[account, symbol, number] for (account, symbol), number in self._open_positions.items()],
            "announced": sorted(self._announced),
            "next_position_id": self._next_position_id,
        }

    def load(self, state: JsonObject) -> None:
        """Take over what `dump` returned."""
        self._sent = {int(index): AsSent(**sent) for index, sent in state["sent"].items()}
        self._settings = {account: dict(changes) for account, changes in state["settings"].items()}
        self._open_positions = {(account, symbol): number for account, symbol, number in state["positions"]}
        self._announced = set(state["announced"])
        self._next_position_id = state["next_position_id"]

    def _change(self, change: JsonObject) -> None:
        self.apply(change)
        self._record(change)

    def apply(self, change: Mapping[str, Any]) -> None:
        """Do one recorded change.

        Raises:
            ValueError: the kind of change is unknown.
        """
        match change["kind"]:
            case "sent":
                self._sent[change["order"]] = AsSent(**change["sent"])
            case "settings":
                self._settings.setdefault(change["account"], {}).update(change["changes"])
            case "opened":
                self._open_positions[change["account"], change["symbol"]] = change["id"]
                self._next_position_id = change["id"] + 1
            case "announced":
                self._announced.add(change["id"])
            case "closed":
                self._open_positions.pop((change["account"], change["symbol"]), None)
                self._announced.discard(change["id"])
            case kind:
                raise ValueError(f"unknown change of the Backpack server: {kind}")


def _of(order: OrderRow) -> AsSent:
    """Return what the order itself tells. A market order is reported as GTC unless its client said otherwise."""
    if order.order_type is OrderType.MARKET:
        return AsSent()
    return AsSent(time_in_force=order.time_in_force.value)
