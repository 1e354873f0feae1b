"""Diagnostics run in one process over matching cores: reports, verdicts, refusals."""

import asyncio
import io
import json
from decimal import Decimal
from itertools import count

import pytest
from rich.console import Console
from typer.testing import CliRunner

from actors.account import AccountActor, AccountSpec, AccountTuning
from actors.group_spec import GroupActorSpec
from actors.operator import diagnosis
from actors.operator.diagnosis import Diagnosis, Wanted, diagnose
from actors.operator.diagnosis_text import stories
from strategies.domain.order import OrderType, Side, TimeInForce
from strategies.machine import GroupSpec
from supervisor import BAD_USAGE, app
from tests.actors.test_simple_hedge_in_process import Pair
from tests.actors.triad import ETH, START, VENUE_OF
from tests.test_supervisor import ROOT
from venues.simulator.faults import FaultKind
from venues.simulator.model import NewOrder

QUICK = {"poll_interval_s": "0.1", "look_retry_s": "0.05", "order_retry_s": "0.1", "start_retry_s": "0.1"}
THERE_AND_BACK = [{"leg": "one"}, {"leg": "one", "direction": "SELL", "reduce_only": True}]
_runs = count(1)


@pytest.fixture
async def venues(tmp_path):
    """Two exchanges that live, and nobody on them."""
    pair = Pair(tmp_path)
    await pair.open_venues()
    pair._pump = asyncio.get_running_loop().create_task(pair._advance())
    yield pair
    await pair.stop()


def run_of(venues: Pair, strategy: str, *accounts: str, **params) -> Wanted:
    """Return a run over accounts of these names, one leg each."""
    legs = dict(zip(("one", "two"), accounts, strict=False))
    name = f"g-{next(_runs)}"
    group = GroupActorSpec(
        group=GroupSpec.model_validate({"group": name, "instrument_id": ETH, "legs": legs}),
        strategy=strategy,
        params=QUICK | params,
        journal=venues.journal,
        lock_dir=str(venues.folder / "locks"),
        stream=f"group/{name}",
        needs_no_past=True,
    )
    specs = tuple(
        AccountSpec(
            account=account,
            venue=VENUE_OF[account],
            venue_config={},
            account_config={},
            instruments=(ETH,),
            journal=venues.journal,
            lock_dir=group.lock_dir,
            tuning=AccountTuning(answer_look_after_s=0.3, look_backoff_s=0.1, adjust_confirm_s=0.2),
        )
        for account in accounts
    )
    return Wanted(specs, group, "g")


async def report_of(venues: Pair, run: Wanted):
    """Run it and return its report."""

    def make(spec, epoch):
        return AccountActor(spec, epoch, build=lambda *_: venues.build(spec.account))

    work = Diagnosis(run, lambda _: None, make_account=make)
    return await work.run(30.0, asyncio.Event(), venues.folder / "reports" / "wire.jsonl")


async def test_there_and_back_with_everything_that_is_known(venues):
    """Two orders filled, each with its client id, times, fills and cost; flat; run twice, no id is used again."""
    first = await report_of(venues, run_of(venues, "min_order", "bp", targets=THERE_AND_BACK))
    assert first.passed
    assert [story.verdict for story in first.orders] == ["filled", "filled"]
    assert first.positions == {"one": 0}
    assert first.cost_usd > 0
    bought = first.orders[0]
    assert bought.client_order_id is not None
    assert bought.durable_at is not None
    assert START < bought.average_price < START * Decimal("1.001")
    assert [each.text.split(":")[0] for each in bought.happenings][:2] == ["left", "the venue has it"]
    again = await report_of(venues, run_of(venues, "min_order", "bp", targets=THERE_AND_BACK))
    assert again.passed
    assert {story.client_order_id for story in first.orders}.isdisjoint({s.client_order_id for s in again.orders})


async def test_partial_refused_and_lost_are_called_what_they_are(venues):
    """A fault each: the story says so, and everything is flat at the end."""
    faults = (
        (FaultKind.PARTIAL_FILL, {"fraction": Decimal("0.5")}),
        (FaultKind.REJECT_AFTER_ACCEPT, {}),
        (FaultKind.LOSE_ANSWER, {}),
    )
    verdicts = []
    for kind, details in faults:
        venues.fault_book("bp").add(venues.fault("bp", kind, "order", details))
        report = await report_of(
            venues, run_of(venues, "min_order", "bp", targets=[{"leg": "one", "size_multiplier": 20}])
        )
        verdicts.append(report.orders[0].verdict)
        assert report.positions == {"one": 0}
        assert any(report.orders[0].verdict in line for line in stories(report, wire=True))
    assert verdicts == ["partial", "canceled", "filled"]


async def test_the_smoke_test_passes_on_two_venues(venues):
    """Every step of both legs, while the market comes to the tracking limits."""

    async def swing() -> None:
        for step in range(10_000):
            venues.set_price(START * (1 + Decimal("0.001") * (step % 2)))
            await asyncio.sleep(0.15)

    moving = asyncio.ensure_future(swing())
    tracking = {"requote_interval_s": "5", "timeout_s": "20", "max_chase": "0.01"}
    report = await report_of(venues, run_of(venues, "smoke_test", "bp", "l1", tracking=tracking))
    moving.cancel()
    assert [(leg, r.step, r.detail) for leg, results in report.steps.items() for r in results if not r.ok] == []
    assert {leg: len(results) for leg, results in report.steps.items()} == {"one": 14, "two": 14}
    assert report.passed


async def test_a_failed_step_fails_the_run_and_the_other_leg_goes_on(venues):
    """The far limit is refused on one account: FAILED there, every reading step passed, nothing left anywhere."""
    venues.fault_book("bp").add(venues.fault("bp", FaultKind.REJECT_AFTER_ACCEPT, "order", {"count": 5}))
    report = await report_of(venues, run_of(venues, "smoke_test", "bp", "l1", trade=False))
    assert not report.passed
    assert not report.steps["one"][-1].ok
    assert all(result.ok for result in report.steps["two"])
    assert report.positions == {"one": 0, "two": 0}


async def test_an_account_that_holds_something_is_refused_not_touched(venues):
    """A position that is not this run's: nothing is ordered, the reason is named, it is still there."""
    await report_of(venues, run_of(venues, "min_order", "bp", targets=THERE_AND_BACK))
    venues.exchange("bp").deposit("bp", Decimal(1), venues.floors["backpack"].now())
    account = await venues.start_account("bp")
    await account.stop()
    before = len(list(venues.exchange("bp").orders("bp", active=None)))
    hold(venues)
    report = await report_of(venues, run_of(venues, "smoke_test", "bp", start_failures_max=2))
    assert not report.passed
    assert "FROZEN" in report.reason  # the account itself has seen that somebody else trades there
    assert len(list(venues.exchange("bp").orders("bp", active=None))) == before + 1


def hold(venues: Pair) -> None:
    """Let somebody buy on the account behind everybody's back."""
    floor = venues.floors["backpack"]
    order = NewOrder("bp", "ETH_USDC_PERP", Side.BUY, OrderType.MARKET, TimeInForce.IOC, Decimal("0.5"), START * 2)
    floor.exchange.place(order, floor.now())


async def test_the_report_is_written_for_people_and_programs(venues, monkeypatch):
    """Text and JSON stand where the last line says; the exit code is the verdict."""
    monkeypatch.setattr(
        diagnosis,
        "Diagnosis",
        lambda run, say: Diagnosis(
            run, say, make_account=lambda s, e: AccountActor(s, e, build=lambda *_: venues.build(s.account))
        ),
    )
    run = run_of(venues, "min_order", "bp", targets=THERE_AND_BACK)
    folder = venues.folder / "reports"
    with Console(record=True, file=io.StringIO()) as console:
        code = await diagnose(run, 30.0, console, folder)
    assert code == 0
    base = folder / run.group.group.group
    assert json.loads(base.with_suffix(".json").read_text())["passed"] is True
    assert "PASSED" in base.with_suffix(".txt").read_text()
    assert "probe2" in console.export_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--groups", ROOT / "conf" / "paper.toml"), "Name the group with --group"),
        (("--groups", ROOT / "conf" / "paper.toml", "--group", "triad-1"), "is not a group of min_order or smoke_test"),
        (("--groups", ROOT / "conf" / "live.example.toml"), "add --live to trade with real money"),
        (("--groups", ROOT / "conf" / "nowhere.toml"), "cannot be read"),
    ],
)
def test_bad_input_starts_nothing(arguments, said):
    """A group that is no diagnostic, real venues without the flag, no file: said, exit 2."""
    result = CliRunner().invoke(app, ["diagnose", *map(str, arguments)])
    assert result.exit_code == BAD_USAGE, result.output
    assert said in result.output
