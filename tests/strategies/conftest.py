"""What holds for tests of the core: playbooks are asserted, and how long the fuzzer runs."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.playbook import Playbook

_SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
settings.register_profile(
    "quick",
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=_SLOW,
    print_blob=True,
    phases=_PHASES,
)
settings.register_profile(
    "long",
    max_examples=3000,
    stateful_step_count=120,
    deadline=None,
    suppress_health_check=_SLOW,
    print_blob=True,
    phases=_PHASES,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(autouse=True)
def every_playbook_is_asserted() -> Iterator[None]:
    """Fail the test that wrote a playbook and did not assert it."""
    Playbook.unasserted.clear()
    yield
    forgotten = len(Playbook.unasserted)
    Playbook.unasserted.clear()
    assert forgotten == 0, f"{forgotten} playbook(s) were written and never asserted"
