"""Prices: the seeded walk, the tape of minute bars, and market time."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from strategies.domain.ids import Timestamp
from venues.simulator.prices import MINUTE_MS, MarketClock, Mixed, Tape, TapeError, Walk

HEADER = "timestamp,open,high,low,close,volume\n"
REAL_TAPE = Path(__file__).parents[4] / "shared" / "data" / "btc-perp-1m-2022-01.csv"
START = 1_640_991_660_000
"""2021-12-31 23:01 UTC."""


def tape(folder: Path, *rows: str) -> Tape:
    """Write rows as a tape of BTC with a tick of 0.1 and read it."""
    path = folder / "tape.csv"
    path.write_text(HEADER + "".join(row + "\n" for row in rows), encoding="utf-8")
    return Tape(path, "BTC", Decimal("0.1"))


def test_walk_depends_on_seed_and_moment_alone() -> None:
    """Asking in any order, in any instance, gives the same prices; another seed gives others."""
    moments = [0, 999, 3_600_000, 12_345_678, 50_000_000]
    forwards = Walk(1, {"ETH": Decimal(3000)}, 0.0001, start_ms=Timestamp(0))
    backwards = Walk(1, {"ETH": Decimal(3000)}, 0.0001, start_ms=Timestamp(0))
    other = Walk(2, {"ETH": Decimal(3000)}, 0.0001, start_ms=Timestamp(0))
    ahead = [forwards.price_at("ETH", moment) for moment in moments]
    assert ahead == [backwards.price_at("ETH", moment) for moment in reversed(moments)][::-1]
    assert ahead[0] == Decimal(3000)
    assert ahead[1:] != [other.price_at("ETH", moment) for moment in moments[1:]]


def test_walk_moves_in_proportion_to_its_volatility() -> None:
    """A still walk stays; a lively one moves, by steps of the size asked for."""
    still = Walk(1, {"ETH": Decimal(3000)}, 0.0, start_ms=Timestamp(0))
    lively = Walk(1, {"ETH": Decimal(3000)}, 0.001, start_ms=Timestamp(0))
    assert still.price_at("ETH", 9_999_999) == Decimal(3000)
    seconds = [lively.price_at("ETH", second * 1000) for second in range(500)]
    moves = [abs(after / before - 1) for before, after in pairwise(seconds)]
    assert Decimal("0.0005") < sum(moves) / len(moves) < Decimal("0.0011")


def test_walk_is_continuous_across_its_blocks() -> None:
    """No jump where one hour's block ends and the next begins."""
    walk = Walk(1, {"ETH": Decimal(3000)}, 0.0001, start_ms=Timestamp(0))
    before, after = walk.price_at("ETH", 3_599_999), walk.price_at("ETH", 3_600_001)
    assert abs(after / before - 1) < Decimal("0.0001")


@pytest.mark.parametrize(("price", "volatility"), [("0", 0.1), ("-1", 0.1), ("1", -0.1)])
def test_walk_refuses_nonsense(price: str, volatility: float) -> None:
    """Prices are positive and volatility is not negative."""
    with pytest.raises(ValueError, match="must"):
        Walk(1, {"ETH": Decimal(price)}, volatility, start_ms=Timestamp(0))


def test_bars_visit_open_low_high_close(tmp_path: Path) -> None:
    """Inside an up bar the low comes before the high; inside a down bar the high comes first; all four are hit."""
    bars = tape(tmp_path, "2021-12-31 23:01:00.000000,100,120,90,110,1", "2021-12-31 23:02:00.000000,110,130,80,85,1")
    third = MINUTE_MS // 3
    up = [bars.price_at("BTC", START + place * third) for place in range(3)]
    down = [bars.price_at("BTC", START + MINUTE_MS + place * third) for place in range(4)]
    assert up == [Decimal(100), Decimal(90), Decimal(120)]
    assert down == [Decimal(110), Decimal(130), Decimal(80), Decimal(85)]


def test_tape_holds_its_ends_and_its_gaps(tmp_path: Path) -> None:
    """Before the tape its open holds, after it its close, and in a gap the last close before it."""
    bars = tape(tmp_path, "2021-12-31 23:01:00,100,120,90,110,1", "2021-12-31 23:09:00,50,60,40,55,1")
    assert bars.price_at("BTC", 0) == Decimal(100)
    assert bars.price_at("BTC", START + 5 * MINUTE_MS) == Decimal(110)
    assert bars.price_at("BTC", bars.end_ms + 1) == Decimal(55)
    with pytest.raises(KeyError):
        bars.price_at("ETH", START)


def test_tape_never_leaves_its_bar(tmp_path: Path) -> None:
    """Every price inside a bar is between its low and its high, on the tick grid."""
    bars = tape(tmp_path, "2021-12-31 23:01:00,100,120,90,110,1", "2021-12-31 23:02:00,110,130,80,85,1")
    for moment in range(0, 2 * MINUTE_MS, 37):
        price = bars.price_at("BTC", START + moment)
        low, high = (90, 120) if moment < MINUTE_MS else (80, 130)
        assert low <= price <= high
        assert price % Decimal("0.1") == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2021-12-31 23:02:00,1,2,3", "line 3: expected 6 values, found 4"),
        ("yesterday,1,2,1,1,0", "line 3: timestamp is not a time: 'yesterday'"),
        ("2021-12-31 23:02:00,1,x,1,1,0", "line 3: high is not a number: 'x'"),
        ("2021-12-31 23:02:00,1,2,NaN,1,0", "line 3: low must be a positive number, found 'NaN'"),
        ("2021-12-31 23:02:00,0,2,1,1,0", "line 3: open must be a positive number, found '0'"),
        ("2021-12-31 23:02:00,1,2,1.5,1,0", "line 3: high 2 and low 1.5 do not enclose"),
        ("2021-12-31 23:01:00,1,2,1,1,0", "line 3: time does not come after the row before"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path: Path, row: str, message: str) -> None:
    """A row that cannot be a bar stops the reading, and the error says where and why."""
    with pytest.raises(TapeError, match=message):
        tape(tmp_path, "2021-12-31 23:01:00,100,120,90,110,1", row)


def test_files_that_are_no_tapes_are_refused(tmp_path: Path) -> None:
    """A missing file, another header and an empty tape each say so."""
    with pytest.raises(TapeError, match="cannot read the tape"):
        Tape(tmp_path / "nowhere.csv", "BTC", Decimal("0.1"))
    with pytest.raises(TapeError, match="no rows"):
        tape(tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("a,b\n", encoding="utf-8")
    with pytest.raises(TapeError, match="line 1: expected the columns"):
        Tape(other, "BTC", Decimal("0.1"))


def test_the_real_month_reads_whole() -> None:
    """The tape of January 2022 is read to its last bar."""
    assert REAL_TAPE.exists(), f"the shared data is missing: expected {REAL_TAPE}"
    month = Tape(REAL_TAPE, "BTC", Decimal("0.1"))
    assert month.start_ms == START
    assert month.price_at("BTC", START) == Decimal("46319.0")
    assert month.end_ms - month.start_ms > 30 * 24 * 60 * MINUTE_MS


def test_mixed_source_asks_the_tape_for_its_own_symbol(tmp_path: Path) -> None:
    """BTC comes from the tape, ETH from the walk."""
    walk = Walk(1, {"ETH": Decimal(3000), "BTC": Decimal(1)}, 0.0, start_ms=Timestamp(START))
    both = Mixed(tape(tmp_path, "2021-12-31 23:01:00,100,120,90,110,1"), walk)
    assert both.price_at("BTC", START) == Decimal(100)
    assert both.price_at("ETH", START) == Decimal(3000)


def test_market_time_runs_at_its_speed() -> None:
    """A minute of wall time is an hour of market time at speed 60; before the start it stands."""
    clock = MarketClock(wall_start=Timestamp(1000), market_start=Timestamp(START), speed=Decimal(60))
    assert clock.market_at(Timestamp(1000 + 60_000)) == START + 3_600_000
    assert clock.market_at(Timestamp(0)) == START
    with pytest.raises(ValueError, match="speed"):
        MarketClock(wall_start=Timestamp(0), market_start=Timestamp(0), speed=Decimal(0))
