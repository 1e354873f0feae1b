"""Fixtures of the Backpack client's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.venues.backpack.trader import Trader, trading


@pytest.fixture
async def trader(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trader]:
    """An open client of a quiet market with ETH at 3000."""
    async with trading(monkeypatch) as running:
        yield running
