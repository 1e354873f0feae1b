# The two commands of the README: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Which cells `make kill-matrix` runs; "SIGKILL raylet" or "hedge sent" choose some of them.
CELLS ?= all
# Some shells forbid bytecode; Ray then starts three times slower, and every worker with it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check simulate mutation page-drill bench kill-matrix alert-drill grafana setup clean help
help:
	@echo "make demo    two simulated venues, two hedge groups, live table (Ctrl-C ends it)"
	@echo "make test    linters, types, import contracts and every test"
	@echo "make check   the same without the tests"
	@echo "make simulate SEEDS=N   plays N seeds of random faults on virtual time, prints what was broken"
	@echo "make mutation    changes what decides, one defect at a time, and counts what the tests notice; writes docs/mutation.md"
	@echo "make kill-matrix  kills every kind of process at every step of a cycle, writes docs/kill-matrix.md (one to two hours)"
	@echo "make alert-drill  real Prometheus and Alertmanager: every alert fires and clears, writes docs/alert-drill.md (fifteen minutes, root)"
	@echo "make grafana  writes rules, dashboards and docs/metrics.md from the code in grafana/"
	@echo "make page-drill   the dashboard in Chromium against the running demo; takes the pictures in docs/dashboard"
	@echo "make bench   measures speed and memory, prints a table"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] < (3, 14) else "Hedgevisor needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + ". Set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib actors conf strategies venues supervisor.py || true
	@touch $(READY)

demo: $(READY)
	@if [ -e state/paper/supervisor.lock ] && ! flock -n state/paper/supervisor.lock true; then \
	    echo "The demo runs already, in another terminal."; exit 2; fi
	@# Every demo begins anew. Without make, the same file goes on where it stopped.
	@rm -rf state/paper
	$(BIN)/python supervisor.py --groups conf/paper.toml

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest --numprocesses=2 --no-loadscope-reorder

SEEDS ?= 1000
simulate: $(READY)
	$(BIN)/python -m actors.simulation --seeds $(SEEDS)

mutation: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,mutation]'
	$(BIN)/python -m tests.mutation

kill-matrix: $(READY)
	$(BIN)/python -m tests.chaos.matrix --cells "$(CELLS)" --out docs/kill-matrix.md

# Needs the programs `prometheus` and `prometheus-alertmanager` (Debian packages of the same names).
alert-drill: $(READY)
	$(BIN)/python -m tests.grafana.drill --out docs/alert-drill.md

grafana: $(READY)
	$(BIN)/python -m grafana

page-drill: $(READY)
	CI=true $(BIN)/python -m pytest -q tests/end_to_end/page_drill.py

bench: $(READY)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis
