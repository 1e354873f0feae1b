"""Programs that tests need beyond Python. Whoever has not installed one is told how; in CI its absence is a failure."""

import os
import shutil

import pytest

PACKAGES = {
    "chromium": "chromium",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
"""Program → the Debian package that has it."""


def program(name: str) -> str:
    """Return the path of a program. Without it the test is skipped, or fails where CI or HEDGEVISOR_CI is set."""
    path = shutil.which(name)
    if path is not None:
        return path
    advice = f"needs {name}: apt-get install --no-install-recommends {PACKAGES[name]}"
    if os.environ.get("CI") or os.environ.get("HEDGEVISOR_CI"):
        pytest.fail(advice)
    pytest.skip(advice)
