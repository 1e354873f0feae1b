"""`python -m grafana`: write everything that is made by code. `--scale 0.1 --rules-to DIR`: rules for a drill."""

import argparse
import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path

from grafana import rule_files
from grafana.made import ROOT, made
from grafana.rule import Times


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < inf:
        raise ValueError(text)  # argparse says it in words
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files; say which changed."""
    parser = argparse.ArgumentParser(prog="python -m grafana", description=main.__doc__)
    parser.add_argument("--rules-to", type=Path, metavar="DIR", help="write only the rules, into this folder")
    parser.add_argument(
        "--scale", type=_positive, default=1.0, metavar="X", help="multiply every `for` and window of the rules by this"
    )
    parser.add_argument(
        "--shortest-window-s", type=float, default=0.0, metavar="S", help="no window gets shorter than this"
    )
    parser.add_argument(
        "--runbook", default=rule_files.RUNBOOK, metavar="URL", help="where runbook_url points (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    times = Times(options.scale, options.shortest_window_s)
    if options.rules_to is None:
        if options.scale != 1.0 or options.runbook != rule_files.RUNBOOK:
            parser.error("--scale and --runbook are for a folder of your own: add --rules-to DIR")
        files = made()
    else:
        files = {options.rules_to / name: text for name, text in rule_files.files(times, options.runbook).items()}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
