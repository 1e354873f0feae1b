"""Backtests: the same seed gives the same numbers, the money adds up, and bad input is refused."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actors.backtest.many import play_all
from actors.backtest.page import inventory, page
from actors.backtest.plot import Point, plot, thinned
from actors.backtest.run import Backtest, play
from actors.backtest.spec import BacktestSpec
from strategies.domain.money import ZERO
from strategies.machine import Outcome
from supervisor import BAD_USAGE, app
from tests.test_supervisor import ROOT

HEADER = "timestamp,open,high,low,close,volume\n"
PAIR = {"lead": "bp", "follow": "l1"}
QUICK = {"quantity": "0.1", "hold_s": "600", "max_cycles": 0, "poll_interval_s": "60"}


def write_tape(path: Path, minutes: int = 130) -> Path:
    """Write a market that swings: up for twenty minutes, down for twenty, 0.2 % a minute at most."""
    price, lines = Decimal(50_000), [HEADER]
    for minute in range(minutes):
        move = Decimal(30 if minute // 20 % 2 else -30) + Decimal(minute % 7 - 3) * 5
        opened, price = price, price + move
        high, low = max(opened, price) + 10, min(opened, price) - 10
        lines.append(f"2022-01-01 {minute // 60:02d}:{minute % 60:02d}:00.000000,{opened},{high},{low},{price},1\n")
    path.write_text("".join(lines))
    return path


def spec_of(tape: Path, **changes) -> BacktestSpec:
    """Return a simple hedge on that tape."""
    whole = {
        "group": {"group": "pair", "instrument_id": "BTC-PERP", "legs": PAIR},
        "strategy": "simple_hedge",
        "params": QUICK,
        "limits": {},
        "venue_of": {"bp": "backpack", "l1": "lighter"},
        "coin": "BTC",
        "tape": tape,
    }
    return BacktestSpec.model_validate(whole | changes)


@pytest.fixture(scope="module")
def tape(tmp_path_factory) -> Path:
    """Return two hours of a swinging market."""
    return write_tape(tmp_path_factory.mktemp("tape") / "bars.csv")


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(tape):
    """Every figure, to the digest of every fill, in this process and in others; another seed pays other funding."""
    first, again = play_all([spec_of(tape), spec_of(tape)])
    assert first == again == play(spec_of(tape))
    assert play(spec_of(tape, seed=8)).funding != first.funding


def test_the_money_adds_up(tape):
    """PnL is the equity's change: by the machine's own ledger, realised less fees plus funding, nothing left open."""
    run = Backtest(spec_of(tape))
    figures = run.run()
    assert figures.cycles > 1
    assert figures.open_at_end == {}
    legs = run._machine.view(run._state).legs.values()
    assert figures.fees == sum(leg.fees for leg in legs)
    assert figures.pnl == sum(leg.realized - leg.fees for leg in legs) + figures.funding
    assert figures.turnover == sum(abs(mark.signed) * mark.price for mark in figures.marks)
    assert figures.max_drawdown >= -figures.pnl
    assert Decimal(0) < figures.fill_ratio <= 1
    assert 0 < figures.maker_fills < figures.fills


def test_a_hedge_is_naked_only_while_its_hedge_is_on_the_way(tape):
    """Each entry is uncovered for less than a second of latency and delay; a directional word would show here."""
    figures = play(spec_of(tape))
    assert 0 < figures.naked_s < figures.cycles * 2.5


def test_latency_costs_naked_time(tape):
    """The same market, a slower line: longer uncovered."""
    assert play(spec_of(tape, latency_ms=400)).naked_s > play(spec_of(tape)).naked_s


def test_the_liquidation_hedge_plays_too(tape):
    """Three legs, margin and a liquidation distance: any registered group runs; it ends flat."""
    legs = {"backpack": "bp", "lighter1": "l1", "lighter2": "l2"}
    figures = play(
        spec_of(
            tape,
            group={"group": "triad", "instrument_id": "BTC-PERP", "legs": legs},
            strategy="liquidation_hedge",
            params={"timeout_s": "3600", "max_cycles": 2, "poll_interval_s": "60"},
            venue_of={"bp": "backpack", "l1": "lighter", "l2": "lighter"},
            collateral=2000,
        )
    )
    assert figures.cycles > 0
    assert figures.open_at_end == {}
    assert figures.fills > 5


def test_a_group_that_has_finished_ends_the_run(tape):
    """One cycle of ten minutes: the rest of the tape is not played."""
    figures = play(spec_of(tape, params=QUICK | {"max_cycles": 1}))
    assert figures.outcome == Outcome.FINISHED
    assert figures.ended_at - figures.began_at < 3_600_000


def test_the_page_is_whole_and_names_what_it_shows(tape):
    """Figures, three plots, nothing fetched from anywhere."""
    text = page(play(spec_of(tape)))
    assert text.count("<svg") == 3
    assert "maximum draw-down" in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_the_page_shows_inventory_from_fill_to_fill(tape):
    """A hedge that follows within the second is drawn so: after the last fill of each pair nothing is uncovered."""
    figures = play(spec_of(tape))
    held = ZERO
    largest = max(abs(held := held + mark.signed) for mark in figures.marks)
    assert (held, figures.max_inventory) == (ZERO, largest)
    drawn = plot("Inventory: sum of all legs, base units", [*inventory(figures)], step=True)
    assert drawn in page(figures)
    assert [point.value for point in inventory(figures)].count(0.0) > figures.cycles


def test_a_run_that_is_over_before_its_tape_says_so(tape):
    """Minutes of a month are not called zero days, and the tape that was left is named."""
    text = page(play(spec_of(tape, params=QUICK | {"max_cycles": 1})))
    assert " minutes from 2022-01-01 00:00 UTC; the group was over then, the tape goes to 2022-01-01 02:10 UTC" in text
    assert "the group was over then" not in page(play(spec_of(tape)))


@pytest.mark.parametrize("value", [1e30, -1e30, 0.0])
def test_a_line_that_never_changes_is_drawn(value):
    """Also at a size beside which one is nothing."""
    assert "<path" in plot("Equity, USD", [Point(0, value), Point(60_000, value)])


def test_thinning_keeps_the_extremes():
    """A hundred thousand points become few, and neither the lowest nor the highest is lost."""
    points = [Point(at, float((at * 7919) % 10_007)) for at in range(100_000)]
    kept = thinned(points)
    assert len(kept) <= 1600
    assert {min(p.value for p in kept), max(p.value for p in kept)} == {0.0, 10_006.0}


FILE = (ROOT / "conf" / "examples" / "simple_hedge.toml").read_text().replace("state/simple_hedge", "{state}")


def test_the_command_writes_figures_and_a_page(tape, tmp_path):
    """Settings as they stand, a tape, no key, no simulator: figures at the terminal, page and JSON in the folder."""
    groups = tmp_path / "groups.toml"
    groups.write_text(FILE.replace("{state}", str(tmp_path / "state")))
    arguments = ["backtest", "--groups", str(groups), "--tape", str(tape), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "maximum draw-down" in result.output
    assert json.loads((tmp_path / "out" / "pair.json").read_text())["cycles"] == 2
    assert (tmp_path / "out" / "pair.html").exists()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--tape", "nowhere.csv"], "cannot read the tape"),
        (["--group", "triat"], "has no group triat"),
        (["--out", "/dev/null/out"], "pages cannot be written to /dev/null/out"),
        (["--groups", "nowhere.toml"], "cannot be read"),
    ],
)
def test_bad_input_plays_nothing(tape, tmp_path, change, said):
    """No tape, no such group, no settings: one plain sentence, exit 2."""
    groups = tmp_path / "groups.toml"
    groups.write_text(FILE.replace("{state}", str(tmp_path / "state")))
    result = CliRunner().invoke(app, ["backtest", "--groups", str(groups), "--tape", str(tape), *change])
    assert result.exit_code == BAD_USAGE, result.output
    assert said in result.output


def test_a_damaged_tape_is_named_with_its_line(tmp_path):
    """A word where a price should be: file, line and value."""
    broken = tmp_path / "bars.csv"
    broken.write_text(HEADER + "2022-01-01 00:00:00,1,1,1,nothing,1\n")
    groups = tmp_path / "groups.toml"
    groups.write_text(FILE.replace("{state}", str(tmp_path / "state")))
    result = CliRunner().invoke(app, ["backtest", "--groups", str(groups), "--tape", str(broken)])
    assert result.exit_code == BAD_USAGE
    assert "line 2" in result.output
