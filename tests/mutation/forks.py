"""A pytest plugin: collect once, learn which test comes to which line, then fork for each mutant.

A fresh pytest for each of some thousand mutants would spend its time with imports. Here a child begins with everything
imported and collected, runs the tests that come to the changed statement, the likely ones first, and ends at the first
that fails. Limits are of processor time: a busy machine makes no mutant time out.
"""

import gc
import json
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import pytest
from _pytest.runner import runtestprotocol
from coverage import Coverage
from mutmut.mutation import trampoline

JOBS, VERDICTS = Path("jobs.json"), Path("verdicts.json")
_TOLD_EVERY = 50
_SLOWER_BY = 20
"""A test that needs so many times its usual processor time, and `_GRACE_S` more, hangs."""
_GRACE_S = 2.0
_MEMORY_BYTES = 4 * 1024**3
"""A mutant that collects things for ever ends here."""


class Job(TypedDict):
    """A mutant, and the statement of the unchanged function that it changes."""

    name: str
    module: str
    begin: int
    end: int


class Learnt:
    """Which tests come to a line, and how long each takes, seconds of processor time."""

    def __init__(self) -> None:
        self.took_s: dict[pytest.Item, float] = {}
        self.caught: Counter[tuple[str, str]] = Counter()
        """Mutants by test and function: what has caught one is likely to catch its neighbours."""
        self._tests: dict[str, pytest.Item] = {}
        self._lines: dict[str, Mapping[int, Sequence[str]]] = {}

    def learn(self, items: Sequence[pytest.Item], modules: Sequence[str]) -> None:
        """Run every test unchanged.

        Raises:
            pytest.UsageError: a test fails; no mutant can be judged by it.
        """
        tracer = Coverage(data_file=None, include=modules, messages=False)
        tracer.start()
        for item, following in pairwise([*items, None]):
            tracer.switch_context(item.nodeid)
            began = time.process_time()
            reports = runtestprotocol(item, log=False, nextitem=following)
            failed = next((report for report in reports if report.failed), None)
            if failed is not None:
                raise pytest.UsageError(f"{item.nodeid} fails without any change:\n{failed.longreprtext}")
            self._tests[item.nodeid] = item
            self.took_s[item] = time.process_time() - began
        tracer.stop()
        data = tracer.get_data()
        self._lines = {module: data.contexts_by_lineno(str(Path(module).resolve())) for module in modules}

    def tests_of(self, job: Job) -> list[pytest.Item]:
        """Return the tests that come to a mutant's statement, those first that have caught the most, then the quick."""
        lines = self._lines[job["module"]]
        names = {name for line in range(job["begin"], job["end"] + 1) for name in lines.get(line, ())}
        found = [self._tests[name] for name in names if name]
        return sorted(found, key=lambda item: (-self.caught[item.nodeid, _function(job)], self.took_s[item]))


def _function(job: Job) -> str:
    """Return the function that a mutant is made of."""
    return job["name"].rpartition("__mutmut_")[0]


def _choose(mutant: str) -> None:
    """Have every changed function take this mutant where it is its own; mutmut asks the environment at each call."""
    trampoline.get_mutant_under_test = lambda: mutant


def _be(mutant: str, tests: Sequence[pytest.Item], learnt: Learnt, told: int) -> None:
    """Run the tests as one mutant, in a child; write the name of the test that fails to `told`. Ends the process."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    _choose(mutant)
    code = 0
    try:
        for item, following in pairwise([*tests, None]):
            signal.setitimer(signal.ITIMER_PROF, _GRACE_S + _SLOWER_BY * learnt.took_s[item])
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                code = 1
                os.write(told, item.nodeid.encode())
                break
    except BaseException:  # noqa: BLE001 - whatever breaks the runner itself was noticed, too
        code = 1
    os._exit(code)


def _verdict(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) == signal.SIGPROF else "killed"
    return "survived" if os.WEXITSTATUS(status) == 0 else "killed"


def judge(jobs: Sequence[Job], learnt: Learnt, workers: int) -> Iterator[tuple[str, str]]:
    """Yield each mutant with its verdict, in the order in which they end."""
    running: dict[int, tuple[Job, int]] = {}

    def one_ended() -> tuple[str, str]:
        pid, status = os.wait()
        job, told = running.pop(pid)
        with os.fdopen(told) as words:
            learnt.caught[words.read(), _function(job)] += 1
        return job["name"], _verdict(status)

    for job in jobs:
        tests = learnt.tests_of(job)
        if not tests:
            yield job["name"], "survived"
            continue
        while len(running) >= workers:
            yield one_ended()
        hears, tells = os.pipe()
        pid = os.fork()
        if pid == 0:
            _be(job["name"], tests, learnt, tells)
        os.close(tells)
        running[pid] = (job, hears)
    while running:
        yield one_ended()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Judge every mutant instead of running the tests once."""
    jobs = json.loads(JOBS.read_text(encoding="utf-8"))
    learnt = Learnt()
    _choose("")
    learnt.learn(session.items, sorted({job["module"] for job in jobs["mutants"]}))
    gc.collect()
    gc.freeze()  # shared with the children for as long as nobody touches it
    verdicts: dict[str, str] = {}
    for mutant, verdict in judge(jobs["mutants"], learnt, jobs["workers"]):
        verdicts[mutant] = verdict
        if len(verdicts) % _TOLD_EVERY == 0:
            print(f"{len(verdicts)} of {len(jobs['mutants'])}", flush=True)  # noqa: T201
            VERDICTS.write_text(json.dumps(verdicts), encoding="utf-8")
    VERDICTS.write_text(json.dumps(verdicts), encoding="utf-8")
    return True
