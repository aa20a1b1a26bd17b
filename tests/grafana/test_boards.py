"""The dashboards: what the code makes is what is committed, and every panel keeps the house's promises."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.boards import BOARDS, budget, campaigns_now, compare, customers, funnel, one_campaign
from grafana.generate import ROOT, files
from grafana.languages import in_language
from grafana.spec import Dashboard, Panel
from metrics.exposition.metric_families import FAMILIES, MetricFamily
from metrics.kpis.catalogue import BY_ID, KPI_GAUGES
from streams.apply import apply_metrics
from streams.board.metrics_page import COUNTERS, GAUGES, LABELLED_GAUGES
from streams.collect import collect_metrics

RULES = Path(__file__).parents[2] / "grafana" / "prometheus" / "rules"
NAME = re.compile(r"\b(?:campaign|cohort|roistream|channel|portfolio|rollup)[_:][a-z0-9_:]+")
LABELS = {"campaign_id"}
PANELS = [
    pytest.param(board, panel, id=f"{board.uid}: {panel.title}") for board in BOARDS for panel in board.panels
]


def rules() -> list[dict[str, Any]]:
    groups = [
        group for path in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(path.read_text())["groups"]
    ]
    return [rule for group in groups for rule in group["rules"]]


def sample_names(family: MetricFamily) -> set[str]:
    if family.kind == "counter":
        return {f"{family.name}_total"}
    if family.kind == "histogram":
        return {f"{family.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
    return {family.name}


def names_in(expr: str) -> set[str]:
    outside_strings = re.sub(r'"[^"]*"', '""', expr)
    return set(NAME.findall(outside_strings)) - LABELS


OF_THE_BOARD = {*GAUGES, *LABELLED_GAUGES, *(f"{name}_total" for name in COUNTERS)}
OF_THE_COLLECTOR = {
    *collect_metrics.GAUGES,
    *(f"{name}_total" for name in collect_metrics.COUNTERS),
    *(f"{collect_metrics.HISTOGRAM}_{suffix}" for suffix in ("bucket", "sum", "count")),
}
OF_APPLY = {
    *apply_metrics.GAUGES,
    *(f"{name}_total" for name in apply_metrics.COUNTERS),
    *(f"{apply_metrics.HISTOGRAM}_{suffix}" for suffix in ("bucket", "sum", "count")),
}
KNOWN = (
    {name for family in FAMILIES for name in sample_names(family)}
    | {rule["record"] for rule in rules() if "record" in rule}
    | OF_THE_BOARD
    | OF_THE_COLLECTOR
    | OF_APPLY
)


def expressions(board: Dashboard) -> list[str]:
    queries = [query.expr for panel in board.panels for query in panel.queries]
    return [*queries, *(note.expr for note in board.notes), *(each.query for each in board.variables)]


def test_committed_dashboards_are_what_the_code_makes():
    found = {path.relative_to(ROOT): path.read_text() for path in ROOT.rglob("*.json")}
    assert found == files(), "run python -m grafana.generate"


def test_uids_are_unique_and_for_ever():
    assert [board.uid for board in BOARDS] == [
        "roistream-now", "roistream-campaign", "roistream-compare", "roistream-budget", "roistream-customers",
        "roistream-funnel", "roistream-pipeline",
    ]  # fmt: skip


def test_no_board_names_a_data_source():
    for name, text in files().items():
        chosen = len(
            re.findall(r'"datasource": \{\s*"type": "prometheus",\s*"uid": "\$\{datasource\}"\s*\}', text)
        )
        assert chosen == text.count('"datasource": {') > 0, name
        assert json.loads(text)["templating"]["list"][0]["type"] == "datasource"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_boards_ask_only_for_what_exists(board: Dashboard):
    for expr in expressions(board):
        assert names_in(expr) <= KNOWN, expr


def test_rules_ask_only_for_what_exists():
    for rule in rules():
        assert names_in(rule["expr"]) <= KNOWN, rule


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_every_panel_says_what_it_shows_and_in_which_unit(board: Dashboard, panel: Panel):
    assert panel.about.endswith("."), panel.about
    assert panel.unit
    assert panel.queries
    assert panel.steps
    if panel.kind in {"lines", "bars"} and len(panel.queries) > 1:
        assert all(query.name for query in panel.queries)
    assert not panel.empty or panel.empty.endswith(".")


def test_every_panel_of_the_json_has_unit_description_and_thresholds():
    for text in files().values():
        for panel in json.loads(text)["panels"]:
            if panel["type"] == "row":
                continue
            defaults = panel["fieldConfig"]["defaults"]
            assert panel["description"]
            assert defaults["unit"]
            assert defaults["thresholds"]["steps"]


def test_panels_stay_on_the_grid_and_do_not_overlap():
    for text in files().values():
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(text)["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            cells = {
                (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells


@pytest.mark.parametrize("kpi", KPI_GAUGES, ids=lambda kpi: kpi.id)
def test_every_kpi_gauge_is_shown_over_time_with_the_formula_of_the_catalogue(kpi):
    found = [panel for panel in one_campaign.BOARD.panels if panel.title.startswith(kpi.title)]
    assert found, "add it to the board of one campaign"
    assert f"{kpi.title}: {kpi.formula}." in found[0].about
    assert kpi.family in found[0].queries[0].expr


def test_a_panel_of_a_kpi_says_its_formula_on_every_board():
    shown = {"CPL": "cpl", "CAC": "cac", "ROAS": "roas", "ROI": "roi_net_profit"}
    for board in (campaigns_now.BOARD, compare.BOARD):
        for panel in board.panels:
            for word, kpi_id in shown.items():
                if re.match(rf"{word}\b", panel.title):
                    assert BY_ID[kpi_id].formula in panel.about, panel.title


def test_targets_are_the_campaigns_own():
    """Each registered target is drawn beside its KPI; none is a number in the code."""
    shown = {
        name
        for panel in one_campaign.BOARD.panels
        for query in panel.queries
        for name in names_in(query.expr)
    }
    assert {name for name in KNOWN if name.startswith("campaign_target_")} <= shown


def test_every_family_of_the_workers_is_seen_somewhere():
    seen = {name for board in BOARDS for expr in expressions(board) for name in names_in(expr)}
    seen |= {name for rule in rules() for name in names_in(rule["expr"])}
    unseen = {family.name for family in FAMILIES if not sample_names(family) & seen}
    # Money counters are for rates of others; boards show the exact sums of windows instead.
    assert unseen == {"campaign_revenue", "campaign_refunds"}
    assert seen >= OF_THE_BOARD | (
        OF_APPLY - {f"{apply_metrics.HISTOGRAM}_{suffix}" for suffix in ("sum", "count")}
    )


def test_the_board_is_scraped_and_no_rule_takes_it_for_a_worker():
    jobs = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())["scrape_configs"]
    names = {job["job_name"] for job in jobs}
    services = [job for job in jobs if "labels" in job.get("static_configs", [{}])[0]]
    selectors = {found for rule in rules() for found in re.findall(r'job=~"([^"]*)"', rule["expr"])}
    of_services = "|".join(job["job_name"] for job in services)
    assert of_services == "board|collector|apply"
    assert selectors == {"roistream.*", of_services}
    for job in services:
        assert not re.fullmatch("roistream.*", job["job_name"])
        assert job["static_configs"][0]["labels"]["deployment"] in names


def test_the_campaigns_to_choose_from_are_those_of_now():
    """Over a time range an archived campaign would stay in the list."""
    boards = (campaigns_now, one_campaign, compare, budget, customers, funnel)
    for board in (each.BOARD for each in boards):
        chosen = next(each for each in board.variables if each.name == "campaign")
        assert chosen.query.startswith("query_result(")


#: What is told in months whatever cohorts go by.
IN_MONTHS = {"Months to pay back, by campaign", "months to pay back", "Monthly recurring revenue ($currency)"}


@pytest.mark.parametrize("board", [customers.BOARD, funnel.BOARD], ids=["customers", "funnel"])
def test_what_goes_by_cohorts_is_true_of_weeks_too(board):
    """A label that says month is of what stays in months; a text that says month says what it is of weeks."""
    for panel in board.panels:
        labels = {panel.title, *(query.name for query in panel.queries)} - IN_MONTHS
        assert not [each for each in labels if "month" in each.lower()], panel.title
        assert "month" not in panel.about.lower() or "week" in panel.about, panel.title
        assert "month" not in panel.empty, panel.title
    french = in_language(board, "fr")
    for panel in french.panels:
        assert "mois" not in panel.about.lower() or "semaine" in panel.about, panel.title
        assert "mois" not in panel.empty, panel.title
