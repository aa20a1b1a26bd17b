"""Thousands of campaigns: who keeps series, what folds into (other), and how long a page takes."""

import time
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from metrics.exposition import (
    OTHER,
    CampaignSnapshot,
    CustomerTotals,
    Exposition,
    FoldedSnapshot,
    WorkerSnapshot,
)
from metrics.kpis.catalogue import SUM_GAUGES
from metrics.values.time import HOUR
from tests.bench import bench_metrics
from tests.support.exposed import NOW, OPENMETRICS, campaign, everything, reading, samples, value, worker


@given(st.lists(st.integers(0, 10**9), max_size=12), st.integers(1, 12))
def test_folding_keeps_every_sum_and_the_largest_campaigns(spends: list[int], limit: int):
    campaigns = [
        campaign(f"c-{n:02d}", reading(spend_micros=spend), spend_24h_micros=spend)
        for n, spend in enumerate(spends)
    ]
    found = samples(worker(*campaigns), limit)
    shown = {
        dict(labels)["campaign_id"]: seen
        for (name, labels), seen in found.items()
        if name == "campaign_window_spend"
    }
    assert sum(shown.values()) == pytest.approx(sum(spends) / 1e6)
    assert value(found, "roistream_folded_campaigns") == max(0, len(spends) - limit)
    assert value(found, "roistream_campaigns") == len(spends)
    own = sorted(spends, reverse=True)[:limit]
    assert sorted((seen for name, seen in shown.items() if name != OTHER), reverse=True) == pytest.approx(
        [spend / 1e6 for spend in own]
    )


def test_folded_campaigns_have_gauges_of_sums_only():
    found = samples(everything(), limit=1)
    folded = {name for name, labels in found if ("campaign_id", OTHER) in labels}
    assert folded == {row.family for row in SUM_GAUGES}
    labels = {"campaign_id": OTHER, "channel": "", "window": "1h", "model": "declared"}
    assert value(found, "campaign_window_clicks", **labels) == 3


def test_customers_of_folded_campaigns_are_sums_and_their_spend_is_unknown_where_that_of_one_is():
    def bought(name: str, spend: int | None) -> CampaignSnapshot:
        customers = CustomerTotals(
            customers=2, repeaters=1, margin_micros=3_000_000, spend_micros=spend, currency="EUR",
            model="declared", kpis={"repeat_rate": 0.5}, retention={1: 0.5},
            engagement={"promoters": 2, "detractors": 0},
        )  # fmt: skip
        return campaign(name, customers=customers)

    def shown(*spends: int | None) -> dict[str, float]:
        found = samples(worker(*(bought(f"c-{n}", spend) for n, spend in enumerate(spends))), limit=1)
        return {
            name + dict(labels).get("kind", ""): seen
            for (name, labels), seen in found.items()
            if ("campaign_id", OTHER) in labels
        }

    # A kind of which there are none stays, so that sums of several campaigns can be divided.
    engaged = {"campaign_customer_engagementpromoters": 4.0, "campaign_customer_engagementdetractors": 0.0}
    sums = {
        "campaign_customers": 4.0,
        "campaign_repeat_customers": 2.0,
        "campaign_customer_margin": 6.0,
        **engaged,
    }
    others = shown(9, 1_000_000, 2_000_000)
    assert {name: seen for name, seen in others.items() if "customer" in name} == {
        **sums, "campaign_customer_spend": 3.0
    }  # fmt: skip
    others = shown(9, 1_000_000, None)
    assert {name: seen for name, seen in others.items() if "customer" in name} == sums


def test_the_sums_of_folded_campaigns_are_as_uncertain_as_any_of_them():
    uncertain = msgspec.structs.replace(reading("1h", clicks=1), has_uncertain_amounts=True)
    large, small = (
        campaign("c-1", reading("1h"), spend_24h_micros=2),
        campaign("c-2", uncertain, reading("24h")),
    )

    def marked(taken: WorkerSnapshot) -> list[tuple[str, str]]:
        pairs = [
            dict(labels)
            for name, labels in samples(taken, limit=1)
            if name == "campaign_has_uncertain_amounts"
        ]
        return [(each["campaign_id"], each["window"]) for each in pairs]

    assert marked(worker(large, small)) == [(OTHER, "1h")]
    assert marked(worker(large)) == []
    others = FoldedSnapshot(count=1, uncertain=frozenset({("declared", "24h")}))
    assert marked(msgspec.structs.replace(worker(large), folded=others)) == [(OTHER, "24h")]


def test_places_change_by_the_hour_only_and_a_free_one_is_filled_at_once():
    """10:00 a b | c    10:59 c grew: a b | c    11:00 c a | b    11:05 a archived: c b"""

    def shown(now_ms: int, **spends: int) -> set[str]:
        campaigns = [campaign(name, spend_24h_micros=spend) for name, spend in spends.items()]
        text = exposition.render_snapshot(worker(*campaigns, now_ms=now_ms), OPENMETRICS)[0].decode()
        (info,) = (one for one in parse_openmetrics(text) if one.name == "campaign_info")
        return {sample.labels["campaign_id"] for sample in info.samples}

    exposition = Exposition(SimpleNamespace(snapshot=None), 2)
    assert shown(NOW, a=3, b=2, c=1) == {"a", "b"}
    assert shown(NOW + HOUR - 1, a=3, b=2, c=9) == {"a", "b"}
    assert shown(NOW + HOUR, a=3, b=2, c=9) == {"a", "c"}
    assert shown(NOW + HOUR + 1, b=2, c=9) == {"b", "c"}


def test_a_campaign_that_bears_the_name_of_the_others_is_folded_into_them():
    campaigns = [
        campaign(OTHER, reading(clicks=1)),
        *(campaign(f"c-{n}", reading(clicks=1)) for n in range(3)),
    ]
    found = samples(worker(*campaigns), limit=2)
    labels = {"campaign_id": OTHER, "channel": "", "window": "1h", "model": "declared"}
    assert value(found, "campaign_window_clicks", **labels) == 2


@pytest.mark.slow
def test_a_thousand_campaigns_in_three_windows_take_well_under_a_second():
    """Of the processor, so that other tests beside this one do not count."""
    taken = bench_metrics.snapshot(1_000)
    exposition = Exposition(SimpleNamespace(snapshot=lambda: taken), 1_000)
    times = []
    for _ in range(3):
        began = time.process_time()
        exposition.render(OPENMETRICS)
        times.append(time.process_time() - began)
    assert min(times) < 1


@pytest.mark.slow
def test_five_thousand_campaigns_fold_and_their_page_takes_less_than_two_seconds():
    taken = bench_metrics.snapshot(5_000)
    exposition = Exposition(SimpleNamespace(snapshot=lambda: taken), 1_000)
    began = time.process_time()
    text = exposition.render(OPENMETRICS)[0].decode()
    assert time.process_time() - began < 2
    assert "\nroistream_folded_campaigns 4000.0\n" in text
    assert text.count("\ncampaign_info{") == 1_000
    spends = [one for one in taken.campaigns for one in [one.readings["declared", "24h"].sums.spend_micros]]
    shown = [
        line
        for line in text.splitlines()
        if line.startswith("campaign_window_spend{") and 'window="24h"' in line
    ]
    assert sum(float(line.split()[-1]) for line in shown) == pytest.approx(sum(spends) / 1_000_000)
