"""A pytest plugin: collect once, learn which test enters which function, then fork for each mutant.

A fresh pytest for each of some thousand mutants would spend its time with imports. Here a child begins with everything
imported and collected, runs the tests that enter the changed function, the quick ones first, and ends at the first
that fails. Limits are of processor time: a busy machine makes no mutant time out.
"""

import gc
import json
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation import trampoline
from mutmut.utils.format_utils import mangled_name_from_mutant_name

JOBS, VERDICTS = Path("jobs.json"), Path("verdicts.json")
_SLOWER_BY = 20
"""A test that needs so many times its usual processor time, and `_GRACE_S` more, hangs."""
_GRACE_S = 2.0
_MEMORY_BYTES = 4 * 1024**3
"""A mutant that collects things for ever ends here."""


class Learnt:
    """Which functions a test enters, and how long it takes, seconds of processor time."""

    def __init__(self) -> None:
        self.entered: dict[pytest.Item, frozenset[str]] = {}
        self.took_s: dict[pytest.Item, float] = {}

    def learn(self, items: Sequence[pytest.Item]) -> None:
        """Run every test unchanged.

        Raises:
            pytest.UsageError: a test fails; no mutant can be judged by it.
        """
        seen: set[str] = set()
        trampoline.record_trampoline_hit = lambda name, **_more: seen.add(name)
        trampoline.set_mutant_under_test("stats")
        for item, following in pairwise([*items, None]):
            seen.clear()
            began = time.process_time()
            reports = runtestprotocol(item, log=False, nextitem=following)
            failed = next((report for report in reports if report.failed), None)
            if failed is not None:
                raise pytest.UsageError(f"{item.nodeid} fails without any change:\n{failed.longreprtext}")
            self.entered[item] = frozenset(seen)
            self.took_s[item] = time.process_time() - began

    def tests_of(self, mutant: str) -> list[pytest.Item]:
        """Return the tests that enter a mutant's function, the quickest first."""
        function = mangled_name_from_mutant_name(mutant)
        found = [item for item, entered in self.entered.items() if function in entered]
        return sorted(found, key=lambda item: self.took_s[item])


def _be(mutant: str, tests: Sequence[pytest.Item], learnt: Learnt) -> None:
    """Run the tests as one mutant, in a child: ends the process."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    trampoline.set_mutant_under_test(mutant)
    code = 0
    try:
        for item, following in pairwise([*tests, None]):
            signal.setitimer(signal.ITIMER_PROF, _GRACE_S + _SLOWER_BY * learnt.took_s[item])
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                code = 1
                break
    except BaseException:  # noqa: BLE001 - whatever breaks the runner itself was noticed, too
        code = 1
    os._exit(code)


def _verdict(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) == signal.SIGPROF else "killed"
    return "survived" if os.WEXITSTATUS(status) == 0 else "killed"


def judge(mutants: Sequence[str], learnt: Learnt, workers: int) -> Iterator[tuple[str, str]]:
    """Yield each mutant with its verdict, in the order in which they end."""
    running: dict[int, str] = {}

    def one_ended() -> tuple[str, str]:
        pid, status = os.wait()
        return running.pop(pid), _verdict(status)

    for mutant in mutants:
        tests = learnt.tests_of(mutant)
        if not tests:
            yield mutant, "survived"
            continue
        while len(running) >= workers:
            yield one_ended()
        pid = os.fork()
        if pid == 0:
            _be(mutant, tests, learnt)
        running[pid] = mutant
    while running:
        yield one_ended()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Judge every mutant instead of running the tests once."""
    jobs = json.loads(JOBS.read_text(encoding="utf-8"))
    learnt = Learnt()
    learnt.learn(session.items)
    gc.collect()
    gc.freeze()  # shared with the children for as long as nobody touches it
    verdicts: dict[str, str] = {}
    for mutant, verdict in judge(jobs["mutants"], learnt, jobs["workers"]):
        verdicts[mutant] = verdict
        if len(verdicts) % 100 == 0:
            print(f"{len(verdicts)} of {len(jobs['mutants'])}", flush=True)  # noqa: T201
            VERDICTS.write_text(json.dumps(verdicts), encoding="utf-8")
    VERDICTS.write_text(json.dumps(verdicts), encoding="utf-8")
    return True
