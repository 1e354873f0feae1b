"""The proof tables: modules whose decisions stand in rows and properties, which mutmut leaves alone.

cosmic-ray's operators change the text of the whole module. A child that has everything else imported takes the changed
text for the module and runs its tests; nothing on the disk changes.
"""

import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutation.modules import PROOF, PROOF_TESTS, ROOT

_TYPE_HINTS = "core/ReplaceBinaryOperator_BitOr_"
"""Every `|` in these modules stands in a type hint."""
_NEED_ARGUMENTS = ("core/Variable",)
_LIMIT_S = 30.0
"""Processor time after which the tests of one mutant hang."""
_ALREADY = ("strategies.domain.order", "venues.venue")
_BARE = (
    *("-x", "-q", "--assert=plain", "--import-mode=importlib", "-p", "no:cacheprovider"),
    *("-c", os.devnull, f"--rootdir={ROOT}", "--noconftest"),
)
"""These tests need no plugin and no fixture; without both, pytest begins in a fraction of the time."""
_CANNOT_BE_IMPORTED = 100


@dataclass(frozen=True)
class Change:
    """One changed text of a module."""

    module: str
    operator: str
    text: str


def changes(module: str) -> Iterator[Change]:
    """Yield every change of a module that the operators know."""
    source = (ROOT / module).read_text(encoding="utf-8")
    for name in sorted(operator_names()):
        if name.startswith((_TYPE_HINTS, *_NEED_ARGUMENTS)):
            continue
        occurrence = 0
        while (text := mutate_code(source, get_operator(name)(), occurrence)) is not None:
            yield Change(module, name, text)
            occurrence += 1


def _be(change: Change) -> None:
    """Run the tests with the changed module, in a child: ends the process."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, _LIMIT_S)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    name = change.module.removesuffix(".py").replace("/", ".")
    module = ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(change.text, change.module, "exec"), module.__dict__)  # noqa: S102 - our own text, changed
    except Exception:  # noqa: BLE001 - whatever it is, nobody could import this
        os._exit(_CANNOT_BE_IMPORTED)
    os._exit(pytest.main([*_BARE, *PROOF_TESTS]))


def _verdict(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) == signal.SIGPROF else "killed"
    code = os.WEXITSTATUS(status)
    verdicts = {
        pytest.ExitCode.OK: "survived",
        pytest.ExitCode.TESTS_FAILED: "killed",
        pytest.ExitCode.INTERRUPTED: "refused",  # another module could not be imported with it
        _CANNOT_BE_IMPORTED: "refused",
    }
    if code not in verdicts:
        raise ChildProcessError(f"pytest ended with {code}: it did not come to judge")
    return verdicts[code]


def _judged(change: Change) -> str:
    pid = os.fork()
    if pid == 0:
        _be(change)
    return _verdict(os.waitpid(pid, 0)[1])


def judge_tables(modules: Sequence[str] = PROOF.modules) -> Iterator[tuple[Change, str]]:
    """Yield every change with its verdict.

    Raises:
        ChildProcessError: the tests fail without any change, or cannot be run.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in _ALREADY:
        importlib.import_module(name)
    for module in modules:
        unchanged = Change(module, "none", (ROOT / module).read_text(encoding="utf-8"))
        if _judged(unchanged) != "survived":
            raise ChildProcessError(f"the tests of {module} fail without any change")
        for change in changes(module):
            yield change, _judged(change)
