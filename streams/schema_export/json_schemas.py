"""The published schemas, generated from the record types: ``python -m streams.schema_export.json_schemas`` writes them.

Everything under ``docs/`` that this module names is generated, and so are the runbooks that the board serves, the KPI table of the README
and the table of settings in docs/operations.md, between their markers; a test compares the disk with what comes out here. Sends nothing anywhere.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import yaml

from metrics.archive.editions import CampaignArchive
from metrics.budget.effects.records import BudgetEffect
from metrics.budget.records import BoardCard, BudgetAction, BudgetDecision, ColumnView
from metrics.customers.composing import COHORT_FIGURES
from metrics.customers.engagement_figures import COHORT_ENGAGEMENT
from metrics.customers.funnel import FUNNEL_FIGURES
from metrics.customers.worth import WORTH_FIGURES
from metrics.kpis.catalogue import KPIS
from metrics.records import events
from metrics.records import kpi_reading as reading
from metrics.records.customer_kpi import CUSTOMER_SCHEMA, CustomerKpi
from metrics.records.dead_letters import DeadLetter
from metrics.records.glossary import meaning
from streams import setting_changes
from streams.schema_export import asyncapi, runbooks
from streams.schema_export import kpi_tables as kpi_docs

Schema = dict[str, Any]
_BOARDS = Path(__file__).resolve().parents[2] / "docs/boards.md"

#: Records that come in, and records that go out, by the name of their schema file.
SOURCES: dict[str, type[msgspec.Struct]] = {
    "ad-impression": events.AdImpression,
    "ad-click": events.AdClick,
    "ad-report": events.AdReport,
    "lead": events.Lead,
    "order": events.Order,
    "survey": events.Survey,
    "ticket": events.Ticket,
    "subscription": events.Subscription,
    "referral": events.Referral,
    "activation": events.Activation,
    "erasure": events.Erasure,
    "campaign": events.Campaign,
    "fx-rate": events.FxRate,
    "budget-decision": BudgetDecision,
}
OUTPUTS: dict[str, type[msgspec.Struct]] = {
    "campaign-kpi": reading.CampaignKpi,
    "rollup-kpi": reading.RollupKpi,
    "customer-kpi": CustomerKpi,
    "dead-letter": DeadLetter,
    "budget-action": BudgetAction,
    "budget-effect": BudgetEffect,
    "campaign-archive": CampaignArchive,
}

#: What the board and other readers find in Redis.
VIEWS: dict[str, type[msgspec.Struct]] = {"board-card": BoardCard, "board-column": ColumnView}

_SCHEMA_NAMES: dict[type[msgspec.Struct], str] = {
    reading.CampaignKpi: reading.SCHEMA,
    reading.RollupKpi: reading.ROLLUP_SCHEMA,
}

_TIMES = re.compile(r"\w+_at|valid_from|(period|window)_(start|end)|watermark")
#: Decimals that are no amounts of money, and so have neither its range nor its six decimals.
_PLAIN_NUMBERS = frozenset({"conversions", "rate", "roas", "roi", "clv_to_cac"})
_DECIMAL = {"type": "string", "format": "decimal"}
_PLAIN = ({"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"})
_AMOUNT = (
    {"type": "number", "minimum": 0, "exclusiveMaximum": 10**12},
    {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,6}0*)?$"},
)


def identified(name: str, schema: Schema) -> Schema:
    """A schema under the name by which others refer to it: a URN (RFC 8141), since it is read from files."""
    return {"$schema": schema["$schema"], "$id": f"urn:roistream:schema:{name}"} | schema


def record_schema(record: type[msgspec.Struct], *, is_output: bool) -> Schema:
    """JSON Schema (2020-12) of a record, every field described.

    Args:
        record: a struct of ``metrics``.
        is_output: roistream writes it, so that fields with a default are always there.
    """
    definitions = msgspec.json.schema(record)["$defs"]
    refined = {name: _definition(name, body, is_output) for name, body in definitions.items()}
    root = refined.pop(record.__name__)
    if record in _SCHEMA_NAMES:
        root["properties"] |= _reading_properties(root["properties"], _SCHEMA_NAMES[record])
    if record is CustomerKpi:
        root["properties"] |= _customer_properties(root["properties"])
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **root}
    return schema | {"$defs": refined} if refined else schema


def _definition(name: str, body: Schema, is_output: bool) -> Schema:
    body["description"] = _prose(body.get("description", ""))
    if "properties" in body:
        if is_output:
            always = {field for field, value in body["properties"].items() if "default" in value}
            body["required"] = [each for each in body["properties"] if each in {*body["required"], *always}]
        body["properties"] = {
            field: _property(name, field, value, is_output) for field, value in body["properties"].items()
        }
    return body


def _property(record: str, field: str, schema: Schema, is_output: bool) -> Schema:
    default = schema.pop("default", None)
    branches = [refined for branch in schema.get("anyOf", [schema]) for refined in _refine(field, branch)]
    shape = branches[0] if len(branches) == 1 else {"anyOf": branches}
    described = {"description": meaning(record, field), **shape}
    return described if default is None or is_output else described | {"default": default}


def _refine(field: str, branch: Schema) -> tuple[Schema, ...]:
    """What msgspec cannot know: numbers are decimals too, and which texts are times."""
    if branch == _DECIMAL:
        return _PLAIN if field in _PLAIN_NUMBERS else _AMOUNT
    if branch == {"type": "string"} and _TIMES.fullmatch(field):
        return ({"type": "string", "format": "date-time"},)
    return (branch,)


def _reading_properties(properties: Schema, name: str) -> Schema:
    """The fields of a reading that its type leaves open: its name, its windows and its KPIs by name."""
    windows = dict.fromkeys([*get_args(reading.TumblingWindow), *get_args(reading.RollingWindow)])
    value = {"anyOf": [{"type": "number"}, {"type": "null"}]}
    kpis = {
        kpi.id: {"description": f"{kpi.title}: {kpi.formula}. Null when {kpi.undefined}.", **value}
        for kpi in KPIS
    }
    return {
        "schema": properties["schema"] | {"const": name},
        "window": properties["window"] | {"enum": list(windows)},
        "kpis": properties["kpis"] | {"properties": kpis, "required": list(kpis)},
    }


def _customer_properties(properties: Schema) -> Schema:
    """The same of a record of customers: its name and its KPIs by name."""
    value = {"anyOf": [{"type": "number"}, {"type": "null"}]}
    kpis = {
        name: {"description": f"{figure.title}: {figure.formula}. Null when {figure.undefined}.", **value}
        for name, figure in (COHORT_FIGURES | FUNNEL_FIGURES | WORTH_FIGURES | COHORT_ENGAGEMENT).items()
    }
    return {
        "schema": properties["schema"] | {"const": CUSTOMER_SCHEMA},
        "kpis": properties["kpis"] | {"properties": kpis, "required": list(kpis)},
    }


def _prose(docstring: str) -> str:
    """A docstring as text for readers: one line per paragraph, Markdown's code marks."""
    paragraphs = (" ".join(part.split()) for part in docstring.split("\n\n"))
    return "\n\n".join(paragraphs).replace("``", "`")


def generate() -> dict[str, str]:
    """Every generated file under the repository root, by relative path, except the README."""
    schemas = {
        f"docs/schemas/{name}.json": _json(
            identified(name, record_schema(record, is_output=name not in SOURCES))
        )
        for name, record in {**SOURCES, **OUTPUTS, **VIEWS}.items()
    }
    return schemas | {
        "docs/asyncapi.yaml": yaml.safe_dump(
            asyncapi.document(), sort_keys=False, allow_unicode=True, width=110
        ),
        "docs/kpis.md": kpi_docs.page(),
        "streams/board/static/runbooks.html": runbooks.page(_BOARDS.read_text(encoding="utf-8")),
    }


def with_table(page: str, name: str, table: str) -> str:
    """A page with the table between the markers of a name brought up to date; as it is without markers."""
    before, begin, rest = page.partition(f"<!-- {name}:begin -->")
    _, end, after = rest.partition(f"<!-- {name}:end -->")
    if not begin or not end:
        return page
    return f"{before}{begin}\n{table}{end}{after}"


def write(root: Path) -> list[str]:
    """Write what differs under ``root``; returns the relative paths written."""
    wanted = generate()
    for page, name, table in (
        ("README.md", "kpis", kpi_docs.table()),
        ("docs/operations.md", "settings", setting_changes.table()),
    ):
        if (root / page).exists():
            wanted[page] = with_table((root / page).read_text(encoding="utf-8"), name, table)
    written = []
    for name, text in wanted.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(name)
    return written


def _json(value: Schema) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the generated files below the directory named, or below the repository root."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    for name in write(root):
        sys.stdout.write(f"wrote {name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
