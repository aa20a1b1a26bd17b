"""Texts that stand for missing names count nowhere as names, and spellings of "direct" take no credit."""

import pytest

from metrics.records.reserved_names import ReservedNames
from streams import topics
from tests.laws.cases import click, line, order, play, read_case, totals

MODEL = "last_non_direct"


def test_the_case_of_the_names_of_direct(shared):
    machine = play(read_case(shared / "cases/events/09-names-of-direct.jsonl"), models=(MODEL,))
    assert totals(machine, "orders", MODEL) == {"n9-ad": 4}


@pytest.mark.parametrize(
    "channel",
    [
        "direct",
        "Direct",
        "(direct)",
        "Direct Entry",
        "DIRECT_TRAFFIC",
        "(none)",
        "Direkte Zugriffe",
        "直接アクセス",
    ],
)
def test_last_non_direct_passes_over_every_spelling_of_direct(channel):
    visits = [
        click("1", -60, "ad", "v1", channel="search"),
        click("2", -50, "other-ad", "v1", channel=channel),
    ]
    machine = play([*visits, order("1", -30, "v1")], models=(MODEL,))
    assert totals(machine, "orders", MODEL) == {"ad": 1}


def test_visitors_that_are_not_set_are_nobody_and_no_one_person():
    """Who takes "(not set)" for a visitor gives the order of one to the click of another."""
    made = [click(str(n), -60, "ad", name) for n, name in enumerate(("(not set)", "null", "Undefined"))]
    made += [order(str(n), -30, name) for n, name in enumerate(("(not set)", "null", "Undefined", "Unknown"))]
    machine = play(made, models=("last_touch",))
    assert totals(machine, "orders", "last_touch") == {"(none)": 4}
    assert totals(machine, "clicks") == {"ad": 3}


def test_guests_are_not_one_customer():
    """Shops write customer 0 for every guest; each of these is whoever the visitor is."""
    made = [order(str(n), -30, f"v{n}", customer_id="0", campaign_id="ad") for n in range(3)]
    assert totals(play(made), "new_customers") == {"ad": 3}


def test_nothing_but_facts_without_a_campaign_counts_as_none():
    refused = [
        click("1", -60, "(none)", "v1", cost="5"),
        click("2", -60, " (NONE) ", "v1", cost="5"),
        line(
            topics.REPORTS,
            "x",
            report_id="r1",
            source="s",
            campaign_id="(none)",
            spend="7",
            period_start=0,
            period_end=3_600_000,
            reported_at=3_600_000,
        ),
        click("3", -60, "(other)", "v1", cost="5"),
    ]
    machine = play([*refused, order("1", -30, "v1", campaign_id="(not set)"), order("2", -30, "v2")])
    assert {letter["reason"] for letter in machine.letters} == {"missing_field"}
    assert len(machine.letters) == 4
    assert totals(machine, "orders") == {"(none)": 2}
    assert totals(machine, "spend_micros") == totals(machine, "clicks") == {}


def test_event_ids_that_are_not_set_do_not_hide_one_record_behind_the_other():
    made = [click("1", -60, "ad", "v1") | {}, click("2", -60, "ad", "v1")]
    for each in made:
        each["value"]["event_id"] = "undefined"
    machine = play(made)
    assert (
        len(machine.letters) == 2
    )  # refused and said, where one was applied and one taken for its repetition


def test_a_campaign_that_is_called_not_set_counts_where_the_setting_says_so():
    options = {"names": ReservedNames(absent=("!not set",))}
    machine = play([click("1", -60, "not set", "v1")], **options)
    assert totals(machine, "clicks") == {"not set": 1}
