"""The same hedge with the production clients over both wire protocols: one fault at each leg, the exchange judges."""

from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from actors.clock import wall_now
from strategies.machine import Outcome
from tests.actors.triad import VENUE_OF, Triad
from venues.registry import build_venue
from venues.simulator.catalog import LighterTier
from venues.simulator.faults import FaultBook, FaultKind
from venues.simulator.testing import simulation

INDEX = {"l1": 1, "l2": 2}
FAULTS = {
    "lost answer": (FaultKind.LOSE_ANSWER, "order", {}),
    "late fill": (FaultKind.DELAY_EVENTS, "stream:{fills}", {"delay_ms": 800, "count": 3}),
    "partial fill": (FaultKind.PARTIAL_FILL, "order", {"fraction": Decimal("0.4")}),
    "HTTP 500 on positions": (FaultKind.STATUS_BEFORE, "position", {"status": 500, "count": 2}),
}
FILLS = {"lighter": "account_all_trades", "backpack": "account.orderUpdate"}
"""The channel that fills come by."""


class WireTriad(Triad):
    """A triad whose accounts speak to the wire servers."""

    async def open_venues(self) -> None:
        """Start both servers on loopback."""
        self.stack = AsyncExitStack()
        self.sim = await self.stack.enter_async_context(
            simulation(
                seed=3,
                lighter_accounts=tuple(INDEX.values()),
                backpack_accounts=("bp",),
                tier=LighterTier.UNLIMITED,
                volatility=0.0,
                collateral=Decimal(1000),
            )
        )
        for account, kind, action, details in self.faults:
            channel = action.format(fills=FILLS[VENUE_OF[account]])
            self.sim.faults.add(self.fault(account, kind, channel, details))

    async def stop(self) -> None:
        """End actors, then servers."""
        await super().stop()
        await self.stack.aclose()

    def build(self, account: str):
        """Return a production client."""
        if account == "bp":
            secret = self.folder / "bp.key"
            secret.write_text(self.sim.backpack_secret("bp"))
            venue = {"base_url": self.sim.backpack_url, "symbols": {"ETH-PERP": "ETH_USDC_PERP"}}
            return build_venue("backpack", venue, {"secret": f"file:{secret}"}, wall_now)
        key_index, private_key = self.sim.lighter_key(INDEX[account])
        secret = self.folder / f"{account}.key"
        secret.write_text(private_key)
        venue = {"base_url": self.sim.lighter_url, "symbols": {"ETH-PERP": "ETH"}, "tier": "unlimited"}
        keys = [{"index": key_index, "secret": f"file:{secret}"}]
        return build_venue("lighter", venue, {"account_index": INDEX[account], "api_keys": keys}, wall_now)

    def exchange(self, account: str):
        """Return the exchange behind the wire."""
        return self.sim.exchange_backpack if account == "bp" else self.sim.exchange_lighter

    def name_at_venue(self, account: str) -> str:
        """Return the account's name on the wire."""
        return str(INDEX[account]) if account in INDEX else account

    def fault_book(self, account: str) -> FaultBook:  # noqa: ARG002 - both venues share one book here
        """Return the one book of both servers."""
        return self.sim.faults

    async def _advance(self) -> None:
        """Do nothing: the servers have a clock of their own."""


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_fault_at_each_leg_over_the_wire_changes_nothing_of_the_end(tmp_path, fault):
    """One fault at every leg, once each, in one cycle: finished, flat, every order wanted, none twice."""
    kind, action, details = FAULTS[fault]
    triad = WireTriad(tmp_path)
    for account in VENUE_OF:
        triad.break_(account, kind, action, **details)
    try:
        await triad.start()
        await triad.until_finished()
        assert triad.group._view().outcome is Outcome.FINISHED
        assert triad.group._view().cycles_done == 1
        left = triad.sim.faults.listing()
        assert all(each.count < details.get("count", 1) for each in left), "a fault was never met"
        triad.check_truth()
    finally:
        await triad.stop()


async def test_killed_accounts_over_the_wire_come_back_to_the_same_nonces(tmp_path):
    """Every account dies once while the group holds positions: the successors find nonces, orders and positions."""
    triad = WireTriad(tmp_path)
    try:
        await triad.start(timeout_s="6")
        await triad.until(lambda: triad.phase == "MONITORING", "monitoring")
        for account in VENUE_OF:
            await triad.kill_account(account)
            await triad.start_account(account)
        await triad.until_finished()
        assert triad.group._view().outcome is Outcome.FINISHED
        triad.check_truth()
    finally:
        await triad.stop()
