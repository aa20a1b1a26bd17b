"""Holds the dashboards against Grafana's own types: ``python -m grafana.own_types FOLDER`` writes TypeScript for its compiler.

Each dashboard, panel, option and custom field becomes a constant of the type that ``@grafana/schema`` (npm) gives it, so the
compiler names what Grafana does not know or would not read. docs/boards.md has the commands, and what was found.
"""

import json
import sys
from pathlib import Path
from typing import Any

from grafana.generate import files

VERSION = "11.6.0"
#: The package exports no such path, so the folder lies beside `node_modules`.
_RAW = "../node_modules/@grafana/schema/dist/esm/raw"
_OPTIONS = {
    "bargauge": "bargauge/panelcfg/x/BarGaugePanelCfg_types.gen",
    "stat": "stat/panelcfg/x/StatPanelCfg_types.gen",
    "table": "table/panelcfg/x/TablePanelCfg_types.gen",
    "timeseries": "timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen",
}
#: JSON has no enums: a value of one is its text or its number.
_PLAIN = (
    "type P<T> = T extends string ? `${T}` : T extends number | boolean ? T : T extends (infer U)[] ? P<U>[] "
    ": T extends object ? { [K in keyof T]: P<T[K]> } : T;"
)


def typescript(dashboard: str) -> str:
    """A dashboard's JSON as constants of Grafana's types; queries are of their data source, whose types are not in the package."""
    board: dict[str, Any] = json.loads(dashboard)
    lines = [f'import type * as d from "{_RAW}/dashboard/x/dashboard_types.gen";']
    lines += [f'import type * as {name} from "{_RAW}/composable/{path}";' for name, path in _OPTIONS.items()]
    lines.append(_PLAIN)
    panels = board.pop("panels")
    lines.append(_constant("board", "P<Omit<d.Dashboard, 'panels'>>", board))
    for number, panel in enumerate(panels):
        kind = panel["type"]
        if kind == "row":
            lines.append(_constant(f"row{number}", "P<d.RowPanel>", panel))
            continue
        panel.pop("targets", None)
        lines.append(_constant(f"options{number}", f"Partial<P<{kind}.Options>>", panel.pop("options", {})))
        custom = panel["fieldConfig"]["defaults"].pop("custom", None)
        if custom is not None:
            lines.append(_constant(f"custom{number}", f"Partial<P<{kind}.FieldConfig>>", custom))
        lines.append(_constant(f"panel{number}", "P<d.Panel>", panel))
    return "\n".join([*lines, "export {};", ""])


def _constant(name: str, kind: str, value: dict[str, Any]) -> str:
    return f"const {name}: {kind} = {json.dumps(value, ensure_ascii=False)};"


def write(folder: Path) -> None:
    """Write a file for each dashboard."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        (folder / f"{path.stem}.ts").write_text(typescript(text), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
