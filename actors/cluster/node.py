"""A Ray of our own without the processes that nobody here asks anything.

`ray.init` starts an autoscaler's monitor, a log monitor and a dashboard server whatever it is told, and waits for the
last before it goes on. Together they take longer than everything of Ray that carries an actor, and after Ray was lost
every position waits for it (docs/decisions/0015-ray-starts-what-actors-need.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ray._private import node


class BareNode(node.Node):  # type: ignore[misc] # Ray publishes no types
    """Control store, raylet and the raylet's two agents; nothing else."""

    def start_monitor(self) -> None:
        """Start no autoscaler: there is one machine, and it stays."""

    def start_log_monitor(self) -> None:
        """Start none: it forwards the workers' output to the driver, which does not listen (`log_to_driver`)."""

    def start_api_server(self, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
        """Start no dashboard server: without the dashboard it only counts Ray's users, which is off."""


@contextmanager
def bare() -> Iterator[None]:
    """Let a `ray.init` inside the block start no more than that."""
    # Ray has parameters for two of the three, and `ray.init` passes neither on.
    whole = node.Node
    node.Node = BareNode
    try:
        yield
    finally:
        node.Node = whole
