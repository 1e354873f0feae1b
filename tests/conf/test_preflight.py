"""`check` against deployments with one thing wrong each: what is said, what to do, and that nothing is traded."""

import secrets
from decimal import Decimal
from pathlib import Path

import pytest

from actors.operator.preflight.result import Check, Level, Report
from conf.preflight import check
from strategies.domain.order import OrderType, Side, TimeInForce
from tests.conf.deployment import PAPER, changed, read
from venues.simulator.faults import Fault, FaultKind
from venues.simulator.model import NewOrder
from venues.simulator.testing import simulation


class Deployment:
    """Settings for a simulation that runs, with its keys in files."""

    def __init__(self, sim, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        keys = folder / "keys"
        keys.mkdir()
        (keys / "backpack-bp.key").write_text(sim.backpack_secret("bp"))
        for index in (1, 2):
            (keys / f"lighter-{index}.key").write_text(sim.lighter_key(index)[1])
        lighter = '[venues.lighter]\nbase_url = "simulator"'
        backpack = '[venues.backpack]\nbase_url = "simulator"'
        self.text = changed(
            ('[simulator]\ntier = "plus"\nkeys_dir = "state/test/keys"\n', ""),
            (lighter, f'[venues.lighter]\nbase_url = "{sim.lighter_url}"\nws_url = "{sim.lighter_ws_url}"'),
            (backpack, f'[venues.backpack]\nbase_url = "{sim.backpack_url}"\nws_url = "{sim.backpack_ws_url}"'),
            ('tier = "plus"\n', 'tier = "plus"\nbudget_share = 0.5\n'),
            ("state/test/keys", str(keys)),
        )

    async def checked(self, *changes: tuple[str, str]) -> Report:
        """Check the deployment with each first text replaced by the second."""
        text = self.text
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return await check(read(self.folder, text), ask_venues=True)

    def written(self) -> list[object]:
        """Return everything that somebody has done at the venues."""
        found = []
        for exchange, accounts in ((self.sim.exchange_lighter, ("1", "2")), (self.sim.exchange_backpack, ("bp",))):
            for account in accounts:
                found += [exchange.trades(account), exchange.orders(account, active=None)]
        return found


@pytest.fixture
async def deployment(tmp_path):
    """Return a deployment whose venues run."""
    async with simulation() as sim:
        yield Deployment(sim, tmp_path)


def of(found: Report, check_: Check, level: Level | None = None) -> list[str]:
    """Return what was found by one check, at one level."""
    return [str(each) for each in found.results if each.check is check_ and level in (None, each.level)]


async def test_a_sound_deployment_is_ready_and_untouched(deployment):
    """Every check passes, the numbers are there, and the venues have seen no write."""
    before = deployment.written()
    found = await deployment.checked()
    assert found.ready
    assert [str(each) for each in found.results if each.level is Level.FAIL] == []
    assert len(of(found, Check.KEY, Level.OK)) == 3
    assert len(of(found, Check.CLOCK, Level.OK)) == 3
    assert "accounts.bp: ETH-PERP is ETH_USDC_PERP: lot" in of(found, Check.INSTRUMENT)[0]
    assert "the largest entry now is" in of(found, Check.SIZE, Level.OK)[0]
    assert deployment.written() == before
    assert sum(map(len, before)) == 0


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (('ETH-PERP = "ETH" ', 'ETH-PERP = "NOPE" '), Check.INSTRUMENT, "correct [venues.lighter.symbols]"),
        (('"ETH_USDC_PERP"', '"ETH_EUR_PERP"'), Check.INSTRUMENT, "lists no market ETH_EUR_PERP"),
        (("account_index = 2", "account_index = 77"), Check.KEY, "lighter refuses it"),
        (("leverage = 20", "leverage = 0.001"), Check.SIZE, "more collateral, more leverage, or higher limits"),
        (("max_slippage = 0.0150", "max_notional_usd = 1"), Check.SIZE, "the group's notional limit allows"),
        (("max_slippage = 0.0150", "max_slippage_usd = 0.01"), Check.LIMITS, "0.01 are allowed; write more"),
        (("max_slippage = 0.0150", "accounts = { l1 = { max_notional_usd = 1 } }"), Check.SIZE, "the limit of"),
        (("budget_share = 0.5", "budget_share = 1"), Check.BUDGET, "2 times what the venue allows their address"),
    ],
)
async def test_what_stands_in_the_way_is_named_with_its_remedy(deployment, change, kind, words):
    """One mistake, one failure that names it; the deployment is not ready."""
    found = await deployment.checked(change)
    assert not found.ready
    assert any(words in line for line in of(found, kind, Level.FAIL)), [str(each) for each in found.results]


async def test_a_fixed_quantity_is_held_against_the_collateral(deployment):
    """A strategy without leverage of its own is judged by what is in force at the venues."""
    pair = ('lighter1 = "l1"\nlighter2 = "l2"\n', "")
    for quantity, level in (("0.5", Level.OK), ("5000", Level.FAIL)):
        found = await deployment.checked(
            pair,
            ('strategy = "liquidation_hedge"', 'strategy = "simple_hedge"'),
            ('backpack = "bp"', _PAIR),
            ("leverage = 20", f"quantity = {quantity}"),
        )
        assert [each.level for each in found.results if each.check is Check.SIZE] == [level], of(found, Check.SIZE)


_PAIR = 'lead = "bp"\nfollow = "l1"'


async def test_a_key_of_another_account_is_refused(deployment):
    """Both venues' keys: well formed and not the account's."""
    (deployment.folder / "keys/backpack-bp.key").write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    (deployment.folder / "keys/lighter-2.key").write_text(secrets.token_hex(40))
    found = await deployment.checked()
    refused = of(found, Check.KEY, Level.FAIL)
    assert len(refused) == 2
    assert all("is it the key of this account" in line for line in refused)


async def test_two_references_to_one_secret_are_seen(deployment):
    """Different files, the same key: the accounts are not distinct."""
    keys = deployment.folder / "keys"
    (keys / "lighter-2.key").write_text((keys / "lighter-1.key").read_text())
    found = await deployment.checked()
    assert any("is the same secret as that of accounts.l1" in line for line in of(found, Check.SECRET, Level.FAIL))
    text = "\n".join(map(str, found.results))
    assert (keys / "lighter-1.key").read_text() not in text


async def test_a_venue_that_does_not_answer_stops_only_its_own_accounts(deployment):
    """Backpack is away: Lighter is still judged."""
    found = await deployment.checked((deployment.sim.backpack_url, "http://127.0.0.1:9"))
    assert any("check base_url and the network" in line for line in of(found, Check.ONLINE, Level.FAIL))
    assert len(of(found, Check.KEY, Level.OK)) == 2
    assert any("account bp has not told enough" in line for line in of(found, Check.SIZE, Level.FAIL))


async def test_a_clock_that_is_off_is_told(deployment):
    """Ten seconds: more than Backpack's window allows for, less than Lighter's."""
    for venue in ("backpack", "lighter"):
        deployment.sim.faults.add(Fault(FaultKind.SKEW_CLOCK, venue=venue, delay_ms=10_000, count=None))
    found = await deployment.checked()
    lines = of(found, Check.CLOCK)
    assert all("synchronise this machine's clock" in line for line in lines), lines
    assert {line[:4].strip() for line in lines} == {"FAIL", "warn"}


async def test_what_is_held_and_rests_there_is_told(deployment):
    """A position and an order from before: a warning, because a supervisor that runs may be their owner."""
    sim = deployment.sim
    for kind, in_force, price in ((OrderType.MARKET, TimeInForce.IOC, 3050), (OrderType.LIMIT, TimeInForce.GTC, 2900)):
        order = NewOrder("bp", "ETH_USDC_PERP", Side.BUY, kind, in_force, Decimal("0.5"), Decimal(price))
        sim.exchange_backpack.place(order, sim.now())
    sim.exchange_lighter.deposit("2", Decimal(-10_000), sim.now())
    found = await deployment.checked()
    assert [line.partition(": ")[2].partition(";")[0] for line in of(found, Check.ACCOUNT, Level.WARN)] == [
        "holds 0.5 ETH-PERP",
        "1 order(s) rest there",
    ]
    assert any("has 0.000000 USD to trade with; deposit" in line for line in of(found, Check.ACCOUNT, Level.FAIL))
    assert any("the margin of lighter2 allows 0" in line for line in of(found, Check.SIZE, Level.FAIL))


async def test_paper_without_a_simulator_says_what_to_do(tmp_path):
    """Nothing is started for a check."""
    found = await check(read(tmp_path, PAPER), ask_venues=True)
    assert any("start the deployment first" in line for line in of(found, Check.ONLINE, Level.FAIL))
    assert not found.ready


async def test_a_budget_too_small_for_the_way_out_fails(tmp_path):
    """A tenth of the standard tier cannot flatten."""
    text = changed(
        ('[venues.lighter]\nbase_url = "simulator"\ntier = "plus"', _TINY), ('[simulator]\ntier = "plus"', _SLOW)
    )
    found = await check(read(tmp_path, text), ask_venues=False)
    assert any("a way out may need 6" in line for line in of(found, Check.BUDGET, Level.FAIL))
    assert any("looks will wait" in line for line in of(found, Check.BUDGET, Level.WARN))


_TINY = '[venues.lighter]\nbase_url = "simulator"\ntier = "standard"\nbudget_share = 0.1'
_SLOW = '[simulator]\ntier = "standard"'
