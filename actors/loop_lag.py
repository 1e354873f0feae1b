"""How late an actor's event loop is: whatever it does next waits at least as long."""

import asyncio

_PERIOD_S = 0.5
"""How often it is measured."""


class LoopLag:
    """Measures the loop that it runs in."""

    def __init__(self) -> None:
        """Nothing has been measured yet."""
        self.seconds = 0.0
        """By the last measurement."""

    async def measure(self) -> None:
        """Measure for ever: how much longer a sleep takes than was asked for."""
        loop = asyncio.get_running_loop()
        while True:
            planned = loop.time() + _PERIOD_S
            await asyncio.sleep(_PERIOD_S)
            self.seconds = max(0.0, loop.time() - planned)
