"""Holds every dashboard against the types that Grafana publishes: `python -m tests.grafana.published_types`.

By hand: it needs npm and the network. Each panel, its options and its fields are written as TypeScript literals, of
which the compiler takes no field that the types do not have, and no value of another kind.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grafana.made import ROOT

PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
_FROM = "@grafana/schema/dist/types/raw"
_HEAD = f"""import type {{ Dashboard, Panel, RowPanel }} from "{_FROM}/dashboard/x/types.gen";
import type * as timeseries from "{_FROM}/composable/timeseries/panelcfg/x/types.gen";
import type * as stat from "{_FROM}/composable/stat/panelcfg/x/types.gen";
import type * as table from "{_FROM}/composable/table/panelcfg/x/types.gen";
// JSON has the values of enumerations as plain text, and options may be left out.
type Json<T> = T extends string ? `${{T}}` : T extends (infer U)[] ? Json<U>[]
  : T extends object ? {{ [K in keyof T]: Json<T[K]> }} : T;
type Some<T> = T extends object ? {{ [K in keyof T]?: Some<T[K]> }} : T;
"""
_OPTIONS = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "paths": {"@grafana/schema/dist/*": ["./node_modules/@grafana/schema/dist/*"]},
    },
    "include": ["*.ts"],
}
_SDK_ADDS = ("auto", "auto_count", "auto_min", "id")
"""Fields that the SDK gives to every variable, and Grafana to none any more."""


def typed(board: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one dashboard, without the fields that are known to be more than the types have.

    Grafana passes over what it does not know; each stands here so that nothing else is passed over.
    """
    board.pop("style", None)  # of Grafana 10, which had the theme in the dashboard
    for annotation in board["annotations"]["list"]:
        annotation.pop("expr")  # Prometheus's own field of an annotation: the data source reads it, the type is general
    for variable in board["templating"]["list"]:
        for name in _SDK_ADDS:
            variable.pop(name, None)
    for place, panel in enumerate(board.pop("panels")):
        kind = panel["type"]
        if kind == "row":
            yield _line(f"row{place}", "RowPanel", panel)
            continue
        panel["options"].pop("footer", None)  # of tables, until Grafana 12
        yield _line(f"panel{place}", "Panel", panel)
        yield _line(f"options{place}", f"Some<{kind}.Options>", panel["options"])
        if kind != "stat":
            fields = panel["fieldConfig"]["defaults"].get("custom", {})
            yield _line(f"fields{place}", f"Some<{kind}.FieldConfig>", fields)
    yield _line("board", "Dashboard", board)


def _line(name: str, kind: str, value: object) -> str:
    return f"export const {name}: Json<{kind}> = {json.dumps(value)};\n"


def main() -> int:
    """Install the types, compile, and say what was found."""
    boards = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(  # noqa: S603 - fixed words
            ("npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES),  # noqa: S607 - wherever npm is
            cwd=folder,
            check=True,
        )
        (folder / "tsconfig.json").write_text(json.dumps(_OPTIONS))
        for path in boards:
            text = _HEAD + "".join(typed(json.loads(path.read_text(encoding="utf-8"))))
            (folder / f"{path.stem}.ts").write_text(text)
        done = subprocess.run(("npx", "tsc", "-p", "."), cwd=folder, check=False)  # noqa: S607 - as above
    sys.stdout.write(f"{len(boards)} dashboards against {PACKAGES[0]}: {'refused' if done.returncode else 'taken'}\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
