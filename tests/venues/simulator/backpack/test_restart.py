"""The server inside the whole simulation, across a restart."""

from bpx.async_.account import Account
from bpx.constants.enums import OrderTypeEnum, TimeInForceEnum

from strategies.domain.ids import VenueSymbol
from venues.simulator.testing import simulation

ETH = VenueSymbol("ETH_USDC_PERP")


async def test_orders_positions_and_settings_survive_a_restart(tmp_path, monkeypatch):
    """The official client reads the same before and after: orders as they were sent, the position under its id."""
    life = {"keys_dir": tmp_path / "keys", "state_file": tmp_path / "state.jsonl"}

    async def look(sim):
        monkeypatch.setattr("bpx.base.base_account.BaseAccount.BPX_API_URL", f"{sim.backpack_url}/")
        client = Account(sim.backpack_api_key("bp"), sim.backpack_secret("bp"))
        return client, [
            await client.get_order_history(),
            await client.get_fill_history(),
            await client.get_open_positions(),
            await client.get_account(),
        ]

    async with simulation(**life) as sim:
        client, _ = await look(sim)
        await client.update_account(leverage_limit="20", auto_lend=True)
        await client.execute_order(ETH, "Bid", OrderTypeEnum.MARKET, TimeInForceEnum.IOC, quantity="0.5", client_id=1)
        await client.execute_order(
            ETH, "Bid", OrderTypeEnum.LIMIT, TimeInForceEnum.GTC, quantity="0.5", price="2900", client_id=2
        )
        _, before = await look(sim)
    async with simulation(**life) as sim:
        client, after = await look(sim)
        assert after == before
        assert (await client.cancel_order(ETH, client_id=2))["status"] == "Cancelled"
    assert before[0][1]["timeInForce"] == "IOC"
    assert before[3]["autoLend"] is True
