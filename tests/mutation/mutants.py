"""A copy of the tree in which each function carries all of its mutants, and what mypy says of each."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

from tests.mutation.modules import ROOT

_COPIED = ("strategies", "tests", "venues")
_OF_THE_COPIES = "no-redef"
"""mypy's word for an attribute that two copies of one `__init__` declare."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.png")


class TypeCheckError(Exception):
    """mypy complains of something that no mutant did."""


@dataclass(frozen=True)
class Mutant:
    """One change of one function. `name` is what the changed module calls it by.

    `first_line` to `last_line` are its own; `begin` to `end` is the changed statement in the unchanged function beside
    it: a test that does not come there cannot tell the two apart.
    """

    name: str
    module: str
    first_line: int
    last_line: int
    begin: int
    end: int


def environment(root: Path) -> dict[str, str]:
    """Return an environment in which `python` is this one, and only `root` is imported from."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(root)}


def copy_tree(to: Path) -> None:
    """Copy what the tests need into a folder."""
    for name in _COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=_LEFT_OUT)
    shutil.copy(ROOT / "pyproject.toml", to)


def write_mutants(folder: Path, modules: Iterable[str]) -> list[Mutant]:
    """Write every mutant of the modules into a copy of the tree; which one lives is chosen when a test runs."""
    found: list[Mutant] = []
    for module in modules:
        path = Path(module)
        changed = mutate_file_contents(module, (ROOT / path).read_text(encoding="utf-8"))
        (folder / path).write_text(changed.code, encoding="utf-8")
        lines, statements = changed.code.splitlines(), _statements(changed.code)
        for name in changed.mutant_names:
            span = changed.line_span_by_function_name[name]
            original = changed.line_span_by_function_name[re.sub(r"\d+$", "orig", name)]
            pairs = zip(lines[original.start - 1 : original.end], lines[span.start - 1 : span.end], strict=False)
            offsets = [n for n, (old, new) in enumerate(pairs) if old != new and name not in new]
            line = original.start + (offsets[0] if offsets else 0)
            begin, end = statements.get(line, (original.start, original.end))
            found.append(Mutant(get_mutant_name(path, name), module, span.start, span.end, begin, end))
    return found


def _statements(code: str) -> dict[int, tuple[int, int]]:
    """Return for each line of a function's body the lines of the innermost statement that it belongs to.

    Of a statement with a body that is its head; a line of a definition's head belongs to the whole function.
    """
    found: dict[int, tuple[int, int]] = {}
    for node in ast.walk(ast.parse(code)):  # the outer ones come first, the inner ones overwrite
        if isinstance(node, ast.stmt):
            whole = (node.lineno, node.end_lineno or node.lineno)
            body = getattr(node, "body", None)
            head = whole if not body else (node.lineno, max(node.lineno, body[0].lineno - 1))
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            found.update(dict.fromkeys(range(whole[0], whole[1] + 1), head))
    return found


def refused_by_mypy(folder: Path, mutants: Iterable[Mutant]) -> frozenset[str]:
    """Return the mutants that `make check` would not let pass: nobody can commit them.

    Raises:
        TypeCheckError: mypy complains of something else, too.
    """
    lines: dict[tuple[str, int], str] = {}
    for mutant in mutants:
        lines.update({(mutant.module, line): mutant.name for line in range(mutant.first_line, mutant.last_line + 1)})
    command = ["python", "-m", "mypy", "--output=json", "--no-warn-unused-ignores", "-p", "strategies"]
    told = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)  # noqa: S603
    refused = [_refused(lines, json.loads(line)) for line in told.stdout.splitlines() if line.startswith("{")]
    if not refused:
        raise TypeCheckError(f"mypy found nothing: {told.stdout} {told.stderr}")
    return frozenset(filter(None, refused))


def _refused(lines: Mapping[tuple[str, int], str], error: Mapping[str, object]) -> str | None:
    if error["severity"] != "error" or error["code"] == _OF_THE_COPIES:
        return None
    try:
        return lines[str(error["file"]), int(str(error["line"]))]
    except KeyError:
        raise TypeCheckError(f"not in a mutant: {error}") from None
