"""The guide, followed literally: every command of the page is run, in its order, against what it makes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "strategies" / "write-your-own.md"
_COMMAND = re.compile(r"^    \$ (.+)$", re.MULTILINE)
_LIMIT_S = 150


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which packages are installed beside this tree, and nothing is fetched."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "HEDGEVISOR"))}
    return kept | {
        "PIP_TARGET": str(folder / "site"),
        "PIP_NO_INDEX": "1",
        "PYTHONPATH": f"{folder / 'site'}{os.pathsep}{ROOT}",
    }


def _run(command: str, place: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    if words[0] == "python":
        words[0] = sys.executable
    return subprocess.run(  # noqa: S603 - the page's own commands
        words, cwd=place, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )


@pytest.mark.timeout(300)
def test_the_guide_leads_to_a_strategy_that_is_found_rehearsed_and_ready(tmp_path):
    """Copy, install, rehearse, check: each command of the page succeeds as it stands there."""
    for name in ("docs", "supervisor.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment, place, ran = _environment(tmp_path), tmp_path, []
    for command in _COMMAND.findall(GUIDE.read_text(encoding="utf-8")):
        ran.append(command.split()[0])
        if command.startswith("cd "):
            place = (place / command[3:]).resolve()
            continue
        done = _run(command, place, environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert ran == ["cp", "cd", "python", "python", "cd", "python"]
    assert "Ready; 0 warning(s)" in done.stdout
    assert "accounts.l1: plays one leg, of group carry-1" in done.stdout

    broken = tmp_path / "site" / "hedgevisor_carry" / "__init__.py"
    broken.write_text("raise RuntimeError('half written')\n")
    done = _run("python supervisor.py check --groups my-carry/carry.toml", tmp_path, environment)
    assert done.returncode == 1
    assert "package hedgevisor-carry brings it and does not load: RuntimeError: half written" in done.stdout
    shutil.rmtree(tmp_path / "site")
    done = _run("python supervisor.py check --groups my-carry/carry.toml", tmp_path, environment)
    assert (done.returncode, "no such strategy" in done.stdout) == (1, True)


def test_the_page_shows_what_the_template_says():
    """Code on the page is code of the template."""
    template = "".join(
        path.read_text(encoding="utf-8") for path in sorted((GUIDE.parent / "template").rglob("*")) if path.is_file()
    )
    text = GUIDE.read_text(encoding="utf-8")
    shown = [line.strip() for line in text.splitlines() if line.startswith("    ") and "$" not in line]
    code = [line for line in shown if line and not line.startswith("python ")]
    assert code
    for line in code:
        assert line in template, line
