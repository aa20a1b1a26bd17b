"""The catalogue and the families of a worker as Markdown: the KPI table of the README and the page ``docs/kpis.md``."""

from collections.abc import Iterator

from metrics.exposition.metric_families import FAMILIES, MetricFamily, rollup_name
from metrics.kpis.catalogue import COUNTERS, KPI_FAMILIES, KPIS, MARGIN, SUM_GAUGES, KpiSpec, SumFamily
from metrics.records.kpi_reading import DEFINITIONS

_HEAD = """# KPIs

This page is generated from `metrics/kpis/catalogue.py` and `metrics/exposition/metric_families.py` by `python -m streams.schema_export.json_schemas`.

Every KPI is a pure function of the sums of one window, in `metrics/kpis/formulas.py`: sums are added first and
divided last, so that windows and channels roll up. A ratio is in units of 1 (0.25, never 25), money in
currency units; each value is computed exactly and rounded half-even to 6 decimals once. A KPI that is
undefined is `null` in records, and its sample is absent in Prometheus; it is never 0, NaN or infinity.
It is undefined, too, where a figure it needs is unknown: a campaign whose spend, impressions and clicks come
from reports has none of them in windows that no report can count in.
Margins may be negative and returns may fall below −1: nothing is clamped.

"""
_SUMS = """
## Sums and counters in Prometheus

Gauges are sums over the window of the label `window`, so that panels and rules can divide sums by sums.
Counters hold declared events (never reports) since the state began.

| family | kind | shows |
|---|---|---|
"""
_OTHERS = """
## Everything else on /metrics

The samples of a counter have `_total` behind the name. Sums and KPIs of roll-ups have the families of campaigns, with `rollup_` instead of `campaign_`.

| family | kind | labels | shows |
|---|---|---|---|
"""


def table() -> str:
    """The KPI table in Markdown, one row per KPI."""
    head = (
        "| id | KPI | formula | unit | null when | Prometheus family |\n"
        "|---|---|---|---|---|---|\n"
    )  # fmt: skip
    return head + "".join(map(_row, KPIS))


def page() -> str:
    """The whole of ``docs/kpis.md``."""
    notes = "".join(f"- `{kpi.id}`: {kpi.note}\n" for kpi in KPIS if kpi.note)
    kinds: tuple[tuple[str, tuple[SumFamily, ...]], ...] = (("gauge", SUM_GAUGES), ("counter", COUNTERS))
    sums = "".join(
        f"| `{each.family}` | {kind} | {each.help} |\n" for kind, families in kinds for each in families
    )
    others = "".join(map(_other, _others()))
    return f"{_HEAD}Definitions: {DEFINITIONS}. {MARGIN}\n\n{table()}\n## Notes\n\n{notes}{_SUMS}{sums}{_OTHERS}{others}"


def _others() -> Iterator[MetricFamily]:
    """Families of a worker that are neither a sum nor a KPI, nor such a one of a roll-up."""
    shown = {each.family.removesuffix("_total") for each in (*SUM_GAUGES, *COUNTERS)}
    shown |= {each.name for each in KPI_FAMILIES}
    shown |= {rollup_name(each) for each in shown}
    return (each for each in FAMILIES if each.name not in shown)


def _other(family: MetricFamily) -> str:
    labels = ", ".join(f"`{each}`" for each in family.labels)
    return f"| `{family.name}` | {family.kind} | {labels} | {family.help} |\n"


def _row(kpi: KpiSpec) -> str:
    return f"| `{kpi.id}` | {kpi.title} | {kpi.formula} | {kpi.unit} | {kpi.undefined} | {_family(kpi)} |\n"


def _family(kpi: KpiSpec) -> str:
    """The family with its own labels, as one would query it."""
    if kpi.family is None:
        return "–"
    labels = ",".join(f'{name}="{value}"' for name, value in kpi.labels)
    return f"`{kpi.family}{{{labels}}}`" if labels else f"`{kpi.family}`"
