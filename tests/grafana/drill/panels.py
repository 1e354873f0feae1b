"""Asks a running Prometheus what every panel of every dashboard asks."""

import asyncio
import re

from grafana.board import expressions
from grafana.dashboards import BOARDS
from strategies.domain.model import Value
from tests.grafana.monitoring import Monitoring

_VARIABLES = {"$__rate_interval": "1m", "$group": ".+", "$account": ".+"}
"""What Grafana puts in their place; `All` is `.+`."""
_TOGETHER = 8


class Answer(Value):
    """One expression, and how many lines it came to."""

    board: str
    expression: str
    lines: int


def asked(expression: str) -> str:
    """Return an expression as Grafana sends it."""
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    left = re.search(r"\$\w+", expression)
    if left is not None:
        raise ValueError(f"{left.group(0)} in {expression} is no variable of the dashboards")
    return expression


async def answers(seen: Monitoring) -> list[Answer]:
    """Ask for all of them. Raises ValueError for what is no PromQL."""
    gate = asyncio.Semaphore(_TOGETHER)

    async def ask(board: str, expression: str) -> Answer:
        async with gate:
            # A line of the last ten minutes is data, too: not every hedge happened just now.
            found = await seen.query(f"last_over_time(({asked(expression)})[10m:1s])")
        return Answer(board=board, expression=expression, lines=len(found))

    todo = [(board.title, each) for board in BOARDS.values() for each in expressions(board)]
    return await asyncio.gather(*(ask(*each) for each in todo))
