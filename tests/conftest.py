"""What holds for every test."""

import asyncio


def pytest_configure() -> None:
    """Say that no event loop is set: looptime, asking for one in a synchronous test, would never close what it got."""
    asyncio.set_event_loop(None)
