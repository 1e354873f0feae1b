"""What holds for every test."""

import asyncio
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

_DEPLOYMENTS = (
    "tests/end_to_end",
    "tests/test_supervisor.py",
    "tests/actors/test_cluster.py",
    "tests/chaos/test_subset.py",
)
"""Where tests start Ray: they take the longest, and two deployments at once would only measure each other."""


def pytest_configure() -> None:
    """Say that no event loop is set: looptime, asking for one in a synchronous test, would never close what it got."""
    asyncio.set_event_loop(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the deployments."""
    for item in items:
        if item.get_closest_marker("ray") and not _is_deployment(item.nodeid):
            raise pytest.UsageError(f"{item.nodeid} starts Ray: name its file in tests/conftest.py")
    items.sort(key=lambda item: not _is_deployment(item.nodeid))  # stable: files stay in order


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Share tests out over processes by whole files; deployments run one after the other in one of them."""
    return _ByFile(config, log)


class _ByFile(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return "deployments" if _is_deployment(nodeid) else _file(nodeid)


def _is_deployment(nodeid: str) -> bool:
    return any(PurePosixPath(_file(nodeid)).is_relative_to(place) for place in _DEPLOYMENTS)


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]
