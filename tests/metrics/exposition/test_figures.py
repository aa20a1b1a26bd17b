"""What stands on the page: units, absence, and what each family says."""

import msgspec

from metrics.entities.report_history import Overlap
from metrics.records.kpi_reading import Completeness
from metrics.values.time import HOUR
from tests.support.exposed import NOW, campaign, everything, page, reading, rolled_up, samples, value, worker


def test_completeness_is_shown_for_each_kind_of_conversion_that_was_seen():
    known = msgspec.structs.replace(
        reading("1h", clicks=1), completeness=Completeness(leads=0.25, orders=None)
    )
    text = page(worker(campaign("c-1", known)))
    lines = [line for line in text.splitlines() if line.startswith("campaign_completeness_ratio{")]
    assert len(lines) == 1
    assert 'conversion="lead"' in lines[0]
    assert lines[0].endswith(" 0.25")


def test_estimates_and_overlaps_of_reports_are_shown_where_a_campaign_has_reports():
    spread = msgspec.structs.replace(reading("24h", clicks=1), spread_ratio=0.25, unreported_ratio=0.5)
    reported = msgspec.structs.replace(
        campaign("c-1", spread),
        overlap=Overlap(3, 200, 10),
        spend_complete_ms=NOW - HOUR,
        complete_spend_micros=2_500_000,
    )
    found = samples(worker(reported, campaign("c-2", reading("24h", clicks=1))))
    own = {"campaign_id": "c-1", "channel": ""}
    assert value(found, "campaign_spend_spread_ratio", **own, window="24h", model="declared") == 0.25
    assert value(found, "campaign_spend_unreported_ratio", **own, window="24h", model="declared") == 0.5
    assert value(found, "campaign_complete_spend", **own, currency="EUR") == 2.5
    assert value(found, "campaign_covered_reports", **own) == 3
    assert value(found, "campaign_report_disagreement_ratio", **own) == 0.05
    assert value(found, "campaign_spend_complete_timestamp_seconds", **own) == (NOW - HOUR) / 1_000
    for family in (
        "campaign_spend_complete_timestamp_seconds",
        "campaign_complete_spend",
        "campaign_spend_spread_ratio",
        "campaign_spend_unreported_ratio",
        "campaign_covered_reports",
        "campaign_report_disagreement_ratio",
    ):
        assert [dict(labels)["campaign_id"] for name, labels in found if name == family] == ["c-1"]


def test_windows_whose_amounts_are_uncertain_are_marked_and_no_others():
    uncertain = msgspec.structs.replace(reading("24h", clicks=1), has_uncertain_amounts=True)
    taken = worker(
        campaign("c-1", uncertain, reading("1h", clicks=1)), campaign("c-2", reading("24h", clicks=1))
    )
    marks = {
        labels: mark
        for (name, labels), mark in samples(taken).items()
        if name == "campaign_has_uncertain_amounts"
    }
    assert [
        (dict(labels)["campaign_id"], dict(labels)["window"], mark) for labels, mark in marks.items()
    ] == [("c-1", "24h", 1)]
    rollup = {"dimension": "channel", "value": "search", "window": "1h", "model": "declared"}
    assert value(samples(everything()), "rollup_has_uncertain_amounts", **rollup) == 1


def test_money_is_in_currency_units_and_names_its_currency():
    found = samples(everything())
    windowed = {"campaign_id": "c-1", "channel": "search", "window": "1h", "model": "declared"}
    assert value(found, "campaign_window_spend", **windowed, currency="EUR") == 3.7
    assert value(found, "campaign_window_clicks", **windowed) == 10
    assert value(found, "campaign_window_leads", **windowed) == 0.333333
    assert value(found, "campaign_cost_per_lead", **windowed, currency="EUR") == 1.5
    assert value(found, "campaign_roi_ratio", **windowed, method="lead_value") == 1.5
    own = {"campaign_id": "c-1", "channel": "search", "currency": "EUR"}
    assert value(found, "campaign_budget", **own) == 12_345_678.9
    assert value(found, "campaign_spend_total", **own) == 1_000_000_000.000001
    assert value(found, "campaign_spend_since_last_lead", **own) == 0.000001


def test_instants_are_in_seconds():
    own, found = {"campaign_id": "c-1", "channel": "search"}, samples(everything())
    assert value(found, "campaign_watermark_timestamp_seconds", **own) == (NOW + 250) / 1_000
    assert value(found, "campaign_starts_timestamp_seconds", **own) == (NOW - HOUR) / 1_000
    assert value(found, "campaign_ends_timestamp_seconds", **own) == (NOW + HOUR) / 1_000


def test_targets_are_amounts_with_a_currency_or_ratios_without_and_absent_where_none_is_named():
    own, found = {"campaign_id": "c-1", "channel": "search"}, samples(everything())
    assert value(found, "campaign_target_cost_per_lead", **own, currency="EUR") == 5
    assert value(found, "campaign_target_acquisition_cost", **own, currency="EUR") == 18.5
    assert value(found, "campaign_target_return_on_ad_spend_ratio", **own) == 3
    assert value(found, "campaign_target_roi_ratio", **own) == 0.5
    named = {dict(labels)["campaign_id"] for name, labels in found if name.startswith("campaign_target")}
    assert named == {"c-1"}


def test_the_page_says_what_readyz_says():
    assert value(samples(everything()), "roistream_ready") == 1
    assert value(samples(worker()), "roistream_ready") == 0


def test_the_page_says_the_time_of_the_worker_to_the_millisecond_and_none_where_nobody_asked_a_clock():
    seen = worker()
    told = msgspec.structs.replace(seen, pipeline=msgspec.structs.replace(seen.pipeline, clock_ms=NOW + 7))
    assert value(samples(told), "roistream_clock_timestamp_seconds") == (NOW + 7) / 1_000
    assert "roistream_clock_timestamp_seconds" not in {name for name, _ in samples(seen)}


def test_null_is_absent_and_never_zero():
    found = samples(worker(campaign("c-1", reading(kpis={"ctr": 0.0, "cpl": None}, clicks=None))))
    names = {name for name, _ in found}
    assert "campaign_click_through_ratio" in names
    assert not names & {"campaign_cost_per_lead", "campaign_window_clicks", "campaign_budget"}


def test_a_card_shows_its_column_its_actions_and_when_its_hold_ends():
    text = page(everything())
    assert 'campaign_budget_column{campaign_id="c-3",channel="",column="scale"} 1.0\n' in text
    assert (
        'campaign_budget_actions_total{campaign_id="c-1",channel="search",mode="enforce",verb="pause"} 2.0\n'
        in text
    )
    hold = "campaign_budget_hold_expires_timestamp_seconds{"
    ends = {
        line.rpartition(" ")[0]: line.rpartition(" ")[2]
        for line in text.splitlines()
        if line.startswith(hold)
    }
    assert float(ends[hold + 'campaign_id="c-1",channel="search",owner="evidence"}']) == (NOW + HOUR) / 1_000
    assert ends[hold + 'campaign_id="c-2",channel="",owner="ada"}'] == "+Inf"


def test_unknown_channel_is_an_empty_string():
    (labels,) = (dict(labels) for name, labels in samples(worker(campaign("c-1"))) if name == "campaign_info")
    assert labels["channel"] == ""
    assert labels["name"] == ""


def test_histogram_buckets_are_cumulative():
    found = samples(everything())
    counts = [
        value(found, "roistream_batch_records_bucket", stage="intake", le=bound)
        for bound in ("0.001", "0.5", "10.0", "+Inf")
    ]
    assert counts == [1, 3, 3, 6]
    assert value(found, "roistream_batch_records_sum", stage="intake") == 61.5


def test_ledger_has_one_sample_per_outcome():
    found = samples(everything())
    outcomes = {"applied": 5, "duplicate": 4, "rejected": 3, "too_late": 2}
    for outcome, count in outcomes.items():
        labels = {"topic": "ad-clicks", "partition": "0", "outcome": outcome}
        assert value(found, "roistream_ledger_events", **labels) == count
    source = {"topic": "ad-clicks", "partition": "0"}
    assert value(found, "roistream_ledger_unaccounted_records", **source) == 1


def test_a_roll_up_that_no_campaign_is_in_any_more_is_not_shown():
    shown = msgspec.structs.replace(worker(), rollups=[rolled_up()])
    assert value(samples(shown), "rollup_campaigns", dimension="channel", value="search") == 2
    assert "rollup_campaigns" in page(shown)
    empty = msgspec.structs.replace(worker(), rollups=[rolled_up(campaigns=0)])
    assert not [name for name, _ in samples(empty) if name.startswith("rollup_")]
