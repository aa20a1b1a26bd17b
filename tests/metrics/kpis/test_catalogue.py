"""A figure is one thing in five places: function, row, record, docs and Prometheus family."""

import ast
import inspect
from pathlib import Path

import pytest

from metrics.kpis import formulas as kpis
from metrics.kpis.catalogue import BY_ID, COUNTERS, KPI_FAMILIES, KPI_GAUGES, KPIS, SUM_GAUGES
from metrics.records.kpi_reading import Sums
from metrics.sums.tally import Tally

DOCS = Path(__file__).resolve().parents[3] / "docs" / "kpis.md"

KPI_FAMILIES_OF_THE_CONTRACT = {
    "campaign_click_through_ratio",
    "campaign_cost_per_click",
    "campaign_cost_per_lead",
    "campaign_cost_per_acquisition",
    "campaign_lead_conversion_ratio",
    "campaign_customer_conversion_ratio",
    "campaign_average_order_value",
    "campaign_return_on_ad_spend_ratio",
    "campaign_roi_ratio",
}


def public_functions():
    tree = ast.parse(inspect.getsource(kpis))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in names if not name.startswith("_") and name not in {"compute", "millionths"}]


def test_every_row_has_its_function_in_the_same_order():
    assert public_functions() == [kpi.id for kpi in KPIS]
    assert list(BY_ID) == public_functions()


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_every_function_says_when_it_is_undefined_and_shows_an_example(kpi):
    text = inspect.getdoc(getattr(kpis, kpi.id))
    assert "None when" in text or "None without" in text
    assert ">>> " in text


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_every_row_stands_in_the_docs(kpi):
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{kpi.id}` |"))
    assert kpi.title in row
    assert kpi.undefined in row
    assert kpi.family is None or f"`{kpi.family}" in row


def test_the_families_are_those_of_the_contract():
    assert {family.name for family in KPI_FAMILIES} == KPI_FAMILIES_OF_THE_CONTRACT
    assert [family.family for family in SUM_GAUGES] == [
        f"campaign_window_{name}"
        for name in (
            "impressions", "clicks", "leads", "orders", "new_customers", "spend", "revenue", "refunds",
            "cost_of_goods", "other_cost",
        )
    ]  # fmt: skip
    assert [family.family for family in COUNTERS] == [
        f"campaign_{name}_total" for name in ("clicks", "leads", "orders", "spend", "revenue", "refunds")
    ]


def test_a_family_names_its_unit_and_money_alone_carries_a_currency():
    for kpi in KPI_GAUGES:
        assert kpi.family.endswith("_ratio") is (kpi.unit == "ratio")
        assert kpi.is_money is (kpi.unit == "currency")


def test_samples_of_one_family_differ_in_their_labels():
    samples = [(kpi.family, kpi.labels) for kpi in KPI_GAUGES]
    assert len(set(samples)) == len(samples)
    for family in KPI_FAMILIES:
        assert len({tuple(name for name, _ in kpi.labels) for kpi in family.kpis}) == 1
        assert {kpi.is_money for kpi in family.kpis} == {family.is_money}


def test_sums_read_fields_that_exist():
    assert {gauge.field for gauge in SUM_GAUGES} <= set(Sums.__struct_fields__)
    assert {counter.field for counter in COUNTERS} <= set(Tally.__struct_fields__)
    assert [gauge.field for gauge in SUM_GAUGES if gauge.is_money] == [
        "spend_micros", "revenue_micros", "refunds_micros", "cost_of_goods_micros", "other_cost_micros"
    ]  # fmt: skip


def test_every_help_text_is_one_sentence():
    for text in [family.help for family in (*SUM_GAUGES, *COUNTERS, *KPI_FAMILIES)]:
        assert text.endswith(".")
        assert "\n" not in text
