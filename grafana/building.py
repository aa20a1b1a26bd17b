"""From a board's plain values to Grafana's JSON, by the builders of grafana-foundation-sdk."""

import json
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.spec import AxisMark, Dashboard, Panel, Query, Steps, Variable

#: Chosen at the top of the board, so that no board names a data source.
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
REFRESH = "15s"

Builder = bargauge.Panel | stat.Panel | table.Panel | timeseries.Panel


def as_json(board: Dashboard) -> str:
    """The board as Grafana's provisioning reads it; the same board gives the same text."""
    plain = json.loads(json.dumps(build(board).build(), cls=JSONEncoder))
    for variable in plain["templating"]["list"]:
        # The SDK writes what only intervals have; Grafana's own types do not know it elsewhere.
        for name in ("auto", "auto_min", "auto_count"):
            variable.pop(name, None)
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def build(board: Dashboard) -> dashboard.Dashboard:
    """The board as the SDK's builder."""
    result = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags([board.tag])
        .timezone("browser")
        .time(board.since, "now")
        .refresh(REFRESH)
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(dashboard.DashboardLink(board.links_label).type(models.DashboardLinkType.DASHBOARDS)
              .tags([board.tag]).as_dropdown(True).include_vars(True).keep_time(True))
        .with_variable(dashboard.DatasourceVariable("datasource").label(board.source_label).type("prometheus"))
    )  # fmt: skip
    for variable in board.variables:
        result = result.with_variable(_variable(variable))
    for note in board.notes:
        result = result.annotation(_annotation(note))
    for row in board.rows:
        result = result.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            result = result.with_panel(_panel(panel))
    return result


def _variable(variable: Variable) -> dashboard.QueryVariable:
    result = (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(SOURCE)
        .query({"query": variable.query, "refId": variable.name})
        .regex(variable.regex)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(variable.is_multi)
    )
    if variable.is_multi:
        everything = models.VariableOption(text=["All"], value=["$__all"], selected=True)
        return result.include_all(True).all_value(".*").current(everything)
    if variable.preferred:
        return result.current(models.VariableOption(text=variable.preferred, value=variable.preferred))
    return result


def _annotation(note: AxisMark) -> dashboard.AnnotationQuery:
    return _Prometheus(note).enable(True).icon_color(note.colour)


class _Prometheus(dashboard.AnnotationQuery):
    """An annotation by PromQL; the SDK's type does not know Prometheus' own fields."""

    def __init__(self, note: AxisMark) -> None:
        super().__init__()
        self._note = note
        self.name(note.name).datasource(SOURCE).expr(note.expr)

    def build(self) -> models.AnnotationQuery:
        built = super().build()
        return _Annotation(built, {"titleFormat": self._note.title, "step": "15s"})


class _Annotation(models.AnnotationQuery):
    def __init__(self, built: models.AnnotationQuery, more: dict[str, object]) -> None:
        self.__dict__.update(built.__dict__)
        self._more = more

    def to_json(self) -> dict[str, object]:
        return super().to_json() | self._more


def _description(panel: Panel) -> str:
    empty = f"{panel.empty_heading}: {panel.empty}" if panel.empty else ""
    return "\n\n".join(filter(None, (panel.about, panel.needs, empty)))


def _panel(panel: Panel) -> Builder:
    builder = _KINDS[panel.kind](panel)
    builder = (
        builder.title(panel.title)
        .description(_description(panel))
        .datasource(SOURCE)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
        .no_value("–")
    )
    if panel.decimals is not None:
        builder = builder.decimals(panel.decimals)
    for number, query in enumerate(panel.queries):
        builder = builder.with_target(_target(panel, query, chr(ord("A") + number)))
    return builder


def _target(panel: Panel, query: Query, ref: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(SOURCE)
    if panel.kind == "lines":
        return target.range().legend_format(query.name)
    target = target.instant()
    return target.format(PromQueryFormat.TABLE) if panel.kind == "table" else target.legend_format(query.name)


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    shown = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(shown)


def _by_threshold() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _stat(panel: Panel) -> Builder:
    return (
        stat.Panel()
        .reduce_options(_last())
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .color_scheme(_by_threshold())
        .thresholds(_thresholds(panel.steps))
    )


def _bars(panel: Panel) -> Builder:
    return (
        bargauge.Panel()
        .reduce_options(_last())
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .color_scheme(_by_threshold())
        .thresholds(_thresholds(panel.steps))
        .min(0)
    )


def _lines(panel: Panel) -> Builder:
    legend = (
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.TABLE)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull"])
    )
    builder = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .thresholds(_thresholds(panel.steps))
        .line_width(2)
        # A KPI that is absent is unknown, not 0: a gap says so.
        .span_nulls(False)
    )
    if panel.is_stacked:
        stacked = common.StackingConfig().mode(common_models.StackingMode.NORMAL)
        builder = builder.stacking(stacked).fill_opacity(30)
    return builder


def _table(panel: Panel) -> Builder:
    """One row per campaign or channel: the queries are joined by the panel's key."""
    many = len(panel.queries) > 1
    hidden: dict[str, object] = {"Time": True}
    named: dict[str, object] = {panel.key: panel.key_heading or panel.key.removesuffix("_id")}
    builder = table.Panel().color_scheme(_by_threshold()).thresholds(_thresholds(panel.steps))
    for number, query in enumerate(panel.queries):
        value = f"Value #{chr(ord('A') + number)}" if many else "Value"
        hidden |= {f"Time {number + 1}": True, **({value: True} if query.is_info else {})}
        named |= {} if query.is_info else {value: query.name}
        if properties := _column(query):
            builder = builder.override_by_name(query.name, properties)
    if many:
        join: Any = {"byField": panel.key, "mode": "outer"}
        builder = builder.with_transformation(models.DataTransformerConfig("joinByField", options=join))
    organize: Any = {"excludeByName": hidden, "renameByName": named, "indexByName": {}}
    builder = builder.with_transformation(models.DataTransformerConfig("organize", options=organize))
    if panel.sort_by:
        builder = builder.sort_by([common.TableSortByFieldState().display_name(panel.sort_by).desc(True)])
    return builder


def _column(query: Query) -> list[models.DynamicConfigValue]:
    properties: list[models.DynamicConfigValue] = []
    if query.unit is not None:
        properties.append(models.DynamicConfigValue("unit", query.unit))
    if query.decimals is not None:
        properties.append(models.DynamicConfigValue("decimals", query.decimals))
    if query.steps is not None:
        steps = [{"value": value, "color": colour} for value, colour in query.steps]
        properties += [
            models.DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps}),
            models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
        ]
    return properties


_KINDS = {"stat": _stat, "lines": _lines, "table": _table, "bars": _bars}
