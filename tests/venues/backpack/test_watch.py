"""The watch over the clock and the private stream, and what is said when that stream cannot be relied on."""

import pytest

from tests.venues.backpack.trader import Trader


async def test_the_watch_outlives_what_nobody_expected(trader: Trader, caplog: pytest.LogCaptureFixture):
    """A mistake inside the watch is told aloud and the stream starts over; the clock is measured again afterwards."""
    await trader.until(lambda: trader.venue.status().deaf == "")
    stream, judge = trader.venue._stream, trader.venue._stream.judge_silence
    failures = []

    def fail_once() -> None:
        if not failures:
            failures.append(1)
            raise ZeroDivisionError
        judge()

    stream.judge_silence = fail_once
    await trader.until(lambda: trader.venue.status().reconnects == 1)
    assert "goes on" in caplog.text
    trader.venue._doubt_clock()
    due_at = trader.venue._clock_due_at
    await trader.until(lambda: trader.venue._clock_due_at > due_at)
    await trader.until(lambda: trader.venue.status().deaf == "")


async def test_a_stream_that_is_not_proven_in_force_is_deaf(trader: Trader):
    """Between a lost connection and the first word of the new one the private stream cannot be relied on."""
    await trader.until(lambda: trader.venue.status().deaf == "")
    trader.venue._stream.reconnect("test")
    await trader.until(lambda: trader.venue.status().deaf != "")
    await trader.until(lambda: trader.venue.status().deaf == "")
