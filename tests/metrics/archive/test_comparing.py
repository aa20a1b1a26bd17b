"""Past campaigns side by side: like with like, sums divided last, and a reason for whoever is left out."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.archive.comparing import COMPARED, compare, length_days
from metrics.archive.editions import ArchivedFigures
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.kpi_reading import Sums
from metrics.values.time import DAY, format_instant
from tests.metrics.archive.test_editions import END, made, reading

NAMES = [name for name in Sums.__struct_fields__ if name != "refunds_micros"]


def sums_of(amount, **fields):
    every = {"cancelled_orders": 0} | {
        name: amount * 1_000_000 if name.endswith("_micros") else amount
        for name in NAMES
        if name != "cancelled_orders"
    }
    return Sums(**(every | fields), refunds_micros=0)


def campaign(name, amount=1, age_days=30, **fields):
    """A campaign with so many of everything, and as many currency units."""
    sums = sums_of(amount)
    figures = ArchivedFigures(sums=sums, kpis=compute(KpiInputs(sums=sums, total=sums)))
    edition = made(declared=reading(watermark=END + age_days * DAY))
    return msgspec.structs.replace(edition, campaign_id=name, models={"declared": figures}, **fields)


def test_campaigns_that_are_alike_in_all_but_one_attribute_are_put_in_groups_of_it():
    found = compare(
        [
            campaign("a", 2, offer="trial", channel="search"),
            campaign("b", 3, offer="trial", channel="social"),
            campaign("c", 7, offer="trial", channel="search"),
            campaign("d", 9, offer="discount", channel="search"),
        ],
        "channel",
        {"offer": "trial"},
        "declared",
    )
    assert [(each.value, each.campaigns, each.spend_micros) for each in found.groups] == [
        ("search", 2, 9_000_000),
        ("social", 1, 3_000_000),
    ]
    assert [each.campaign_id for each in found.campaigns] == ["c", "b", "a"]
    assert found.groups[0].days == 60
    assert found.choices["offer"] == {"trial": 3, "discount": 1}
    assert found.choices["currency"] == {"EUR": 4}
    assert found.archived == 4


def test_a_group_is_divided_last_and_lies_between_its_campaigns():
    dear, cheap = campaign("dear", 1), campaign("cheap", 1)
    sums = sums_of(1, leads=3)
    cheap = msgspec.structs.replace(
        cheap, models={"declared": ArchivedFigures(sums=sums, kpis=compute(KpiInputs(sums=sums, total=sums)))}
    )
    (group,) = compare([dear, cheap], "target", {}, "declared").groups
    assert group.kpis["cpl"] == 0.5
    assert (group.lowest["cpl"], group.highest["cpl"]) == (0.333333, 1)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6))
def test_sums_of_groups_are_those_of_their_campaigns(amounts):
    editions = [
        campaign(f"c{n}", amount, target="families" if n % 2 else None) for n, amount in enumerate(amounts)
    ]
    found = compare(editions, "target", {}, "declared")
    for name in ("spend_micros", "leads", "orders", "new_customers", "revenue_micros"):
        of_groups = sum(getattr(each, name) for each in found.groups)
        assert of_groups == sum(getattr(each, name) for each in found.campaigns)
    assert sum(each.campaigns for each in found.groups) == len(amounts)
    for group in found.groups:
        for name in COMPARED:
            assert group.lowest[name] <= group.kpis[name] + 1e-6
            assert group.kpis[name] <= group.highest[name] + 1e-6


def test_none_named_is_a_value_that_can_be_asked_for():
    found = compare(
        [campaign("a", offer=None), campaign("b", offer="x")], "target", {"offer": ""}, "declared"
    )
    assert [each.campaign_id for each in found.campaigns] == ["a"]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (campaign("x", currency="USD"), "has its money in USD"),
        (campaign("x", age_days=29), "has figures of only 29 days after its end"),
        (campaign("x", ends_at=None), "has no known end"),
        (campaign("x", definitions=0), "was archived under other definitions of the KPIs"),
        (msgspec.structs.replace(campaign("x"), models={}), "has no figures under declared"),
    ],
)
def test_who_is_not_alike_is_left_out_with_the_reason(other, reason):
    found = compare([campaign("a"), campaign("b"), other], "target", {}, "declared")
    assert [each.campaign_id for each in found.campaigns] == ["a", "b"]
    assert [(each.campaign_id, each.reason) for each in found.left_out] == [("x", reason)]


def test_a_campaign_of_unknown_spend_is_left_out():
    sums = sums_of(1, spend_micros=None)
    unknown = msgspec.structs.replace(campaign("x"), models={"declared": ArchivedFigures(sums=sums, kpis={})})
    found = compare([unknown], "target", {}, "declared")
    assert [each.reason for each in found.left_out] == ["has no known spend"]
    assert found.groups == []


def test_figures_of_any_age_are_compared_where_no_age_is_asked_for():
    editions = [campaign("young", age_days=1), campaign("endless", ends_at=None)]
    found = compare(editions, "target", {}, "declared", age_days=0)
    assert {each.campaign_id: each.age_days for each in found.campaigns} == {"young": 1, "endless": None}
    assert found.groups[0].days is None


def test_an_empty_archive_compares_nothing():
    found = compare([], "target", {}, "declared")
    assert (found.currency, found.groups, found.archived) == (None, [], 0)


def test_a_length_needs_both_ends():
    edition = campaign("a", starts_at=format_instant(0), ends_at=format_instant(DAY * 3 // 2))
    assert length_days(edition) == 1.5
    assert length_days(msgspec.structs.replace(edition, starts_at=None)) is None
