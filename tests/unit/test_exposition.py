"""The Prometheus page: what CONTRACT 4 promises, read back by parsers that are not ours."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as plain_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from metrics.catalogue import BY_ID, COUNTERS, KPI_FAMILIES, SUM_GAUGES
from metrics.exposition import (
    OTHER,
    BoardSnapshot,
    CampaignSnapshot,
    CardSnapshot,
    CheckpointSnapshot,
    Exposition,
    HistogramSnapshot,
    LedgerRow,
    PipelineSnapshot,
    RecoverySnapshot,
    RedisSnapshot,
    RoistreamCollector,
    RollupSnapshot,
    WorkerSnapshot,
    prefers_openmetrics,
)
from metrics.exposition.families import BY_NAME, FAMILIES
from metrics.reading import CampaignKpi, Completeness, Evidence, OtherBasis, RollupKpi, Sums
from metrics.tally import Tally
from metrics.timeline import HOUR
from tests.bench import bench_metrics

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PLAIN = "text/plain"
NOW = 1_795_000_000_000 // HOUR * HOUR

NOTHING = dict.fromkeys(Sums.__struct_fields__, 0)


def reading(window: str = "1h", kpis: dict[str, float | None] | None = None, **sums: Any) -> CampaignKpi:
    return CampaignKpi(
        campaign_id="ignored: the snapshot names the campaign",
        channel=None,
        model="declared",
        window=window,
        window_start=None,
        window_end=None,
        stage="update",
        revision=1,
        currency="EUR",
        sums=Sums(**(NOTHING | sums)),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0),
        kpis=dict.fromkeys(BY_ID) | (kpis or {}),
        watermark=None,
        published_at="2026-11-21T10:00:00Z",
    )


def campaign(campaign_id: str, *readings: CampaignKpi, **fields: Any) -> CampaignSnapshot:
    values: dict[str, Any] = {
        **dict.fromkeys(("channel", "name", "target", "offer", "objective", "status", "budget_micros")),
        "counters": Tally(),
        "spend_since_last_lead_micros": None,
        "watermark_ms": None,
        "spend_24h_micros": 0,
    }
    by_view = {(one.model, one.window): one for one in readings}
    return CampaignSnapshot(campaign_id=campaign_id, readings=by_view, **(values | fields))


def worker(*campaigns: CampaignSnapshot, now_ms: int = NOW, **health: Any) -> WorkerSnapshot:
    pipeline = PipelineSnapshot(version="1.2.3", **health)
    return WorkerSnapshot(now_ms=now_ms, currency="EUR", campaigns=campaigns, pipeline=pipeline)


def test_completeness_is_shown_for_each_kind_of_conversion_that_was_seen():
    known = msgspec.structs.replace(
        reading("1h", clicks=1), completeness=Completeness(leads=0.25, orders=None)
    )
    text = page(worker(campaign("c-1", known)))
    lines = [line for line in text.splitlines() if line.startswith("campaign_completeness_ratio{")]
    assert len(lines) == 1
    assert 'conversion="lead"' in lines[0]
    assert lines[0].endswith(" 0.25")


def rolled_up(campaigns: int = 2, window: str = "1h") -> RollupSnapshot:
    one = RollupKpi(
        dimension="channel",
        value="search",
        campaigns=campaigns,
        model="declared",
        window=window,
        window_start=None,
        window_end=None,
        stage="update",
        revision=1,
        currency="EUR",
        sums=Sums(**NOTHING),
        kpis=dict.fromkeys(BY_ID, 1.5),
        watermark=None,
        published_at="2026-11-21T10:00:00Z",
    )
    return RollupSnapshot(dimension="channel", value="search", readings={("declared", window): one})


def everything() -> WorkerSnapshot:
    """Every family has a sample, some campaigns are folded."""
    histogram = HistogramSnapshot((0.001, 0.5, 10.0), (1, 2, 0, 3), 61.5)
    kpis = dict.fromkeys(BY_ID, 1.5)
    rich = campaign(
        "c-1",
        msgspec.structs.replace(
            reading("1h", kpis, clicks=10, leads=0.333333, spend_micros=3_700_000),
            completeness=Completeness(leads=0.5, orders=0.25),
        ),
        channel="search",
        name='He said "50 % \\ off"\nnow',
        budget_micros=12_345_678_900_000,
        counters=Tally(clicks=12, spend_micros=10**15 + 1),
        spend_since_last_lead_micros=1,
        watermark_ms=NOW + 250,
        spend_24h_micros=5,
        targets_micros={"cpl": 5_000_000, "cac": 18_500_000, "roas": 3_000_000, "roi": 500_000},
        starts_at_ms=NOW - HOUR,
        ends_at_ms=NOW + HOUR,
        evidence={
            "cpl": Evidence(
                target="cpl",
                verdict="bad",
                e_value=31.5,
                probability_bad=0.99,
                interval=(7.0, None),
                completeness=1.0,
            )
        },
    )
    board = BoardSnapshot(
        columns={"test": (3, 25_000_000), "scale": (0, 0)},
        committed_micros=10**9,
        actions={("pause", "enforce"): 2},
        is_live=True,
        is_breaker_open=False,
        cards=[
            CardSnapshot(
                campaign_id="c-1",
                channel="search",
                column="hold",
                actions={("pause", "enforce"): 2, ("resume", "enforce"): 0},
                hold_owner="evidence",
                hold_expires_ms=NOW + HOUR,
            ),
            CardSnapshot(campaign_id="c-2", channel=None, column="hold", hold_owner="ada"),
            CardSnapshot(campaign_id="c-3", channel=None, column="scale"),
        ],
    )
    taken = worker(
        rich,
        campaign("c-2", reading("1h", clicks=1)),
        campaign("c-3", reading("1h", clicks=2)),
        ledger=[LedgerRow("ad-clicks", 0, 5, 4, 3, 2, unaccounted=1)],
        is_ready=True,
        lag={("ad-clicks", 0): 7},
        watermark_delays_ms={0: 1_500},
        batch_records={"intake": histogram},
        batch_seconds={"intake": histogram},
        checkpoints={"merge": CheckpointSnapshot(histogram, 4_096, 12)},
        recoveries={"merge": RecoverySnapshot(0.25, 1_000)},
        published={"campaign-kpis": 3},
        publish_errors={"campaign-kpis": 1},
        dead_letters={"too_late": 2},
        registry_sizes={"campaigns": 3},
        pending_cancellations=1,
        redis=RedisSnapshot(is_up=True, pending=2, written=9, errors=1),
    )
    return msgspec.structs.replace(taken, board=board, rollups=[rolled_up()])


def page(snapshot: WorkerSnapshot, accept: str = OPENMETRICS, limit: int = 1_000) -> str:
    return Exposition(SimpleNamespace(snapshot=lambda: snapshot), limit).render(accept)[0].decode()


def samples(snapshot: WorkerSnapshot, limit: int = 1_000) -> dict[tuple[str, frozenset[Any]], float]:
    """What the strict parser reads: no sample twice."""
    found: dict[tuple[str, frozenset[Any]], float] = {}
    for family in parse_openmetrics(page(snapshot, limit=limit)):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(found: dict[tuple[str, frozenset[Any]], float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def of_campaign(snapshot: WorkerSnapshot, limit: int = 1_000) -> set[str]:
    """Campaign ids with an info series."""
    return {
        dict(labels)["campaign_id"] for name, labels in samples(snapshot, limit) if name == "campaign_info"
    }


def test_a_roll_up_that_no_campaign_is_in_any_more_is_not_shown():
    shown = msgspec.structs.replace(worker(), rollups=[rolled_up()])
    assert value(samples(shown), "rollup_campaigns", dimension="channel", value="search") == 2
    assert "rollup_campaigns" in page(shown)
    empty = msgspec.structs.replace(worker(), rollups=[rolled_up(campaigns=0)])
    assert not [name for name, _ in samples(empty) if name.startswith("rollup_")]


def test_strict_parser_refuses_what_must_not_parse_and_takes_what_must(shared: Path):
    cases = sorted((shared / "data/openmetrics/openmetrics_testdata/parsers").iterdir())
    assert len(cases) > 200
    for case in cases:
        text = (case / "metrics").read_bytes().decode()
        try:
            list(parse_openmetrics(text))
            parsed = True
        except ValueError:
            parsed = False
        assert parsed == json.loads((case / "test.json").read_text())["shouldParse"], case.name


def test_every_family_of_the_table_is_on_the_page_with_the_labels_it_declares():
    found = {family.name: family for family in parse_openmetrics(page(everything(), limit=1))}
    assert list(found) == [family.name for family in FAMILIES]
    for family in FAMILIES:
        seen = found[family.name]
        assert (seen.type, seen.documentation, seen.unit) == (family.kind, family.help, family.unit)
        assert seen.samples, family.name
        for sample in seen.samples:
            assert set(sample.labels) - {"le"} == set(family.labels), sample


def test_names_and_help_are_the_catalogues():
    named = {row.family.removesuffix("_total"): row.help for row in (*SUM_GAUGES, *COUNTERS)}
    named |= {row.name: row.help for row in KPI_FAMILIES}
    assert {name: BY_NAME[name].help for name in named} == named


@pytest.mark.parametrize("limit", [1, 1_000])
def test_writer_gives_the_bytes_of_prometheus_client(limit: int):
    taken = everything()
    registry = CollectorRegistry()
    registry.register(RoistreamCollector(SimpleNamespace(snapshot=lambda: taken), limit))
    assert page(taken, OPENMETRICS, limit).encode() == openmetrics_latest(registry)
    assert page(taken, PLAIN, limit).encode() == plain_latest(registry)


@given(st.text(), st.floats(allow_nan=False) | st.integers(-(10**18), 10**18))
def test_writer_and_prometheus_client_agree_on_any_label_and_value(text: str, number: float):
    taken = worker(campaign(text, reading(kpis={"ctr": number}), channel=text, name=text))
    registry = CollectorRegistry()
    registry.register(RoistreamCollector(SimpleNamespace(snapshot=lambda: taken), 1_000))
    assert page(taken).encode() == openmetrics_latest(registry)
    assert page(taken, PLAIN).encode() == plain_latest(registry)


@given(st.text(max_size=128))
def test_labels_come_back_as_they_went_in(text: str):
    taken = worker(campaign("c-1", channel=text))
    (info,) = (one for one in parse_openmetrics(page(taken)) if one.name == "campaign_info")
    (sample,) = info.samples
    assert sample.labels["channel"] == text


def test_counters_are_families_without_total_in_openmetrics_and_with_it_in_plain_text():
    assert "# TYPE campaign_clicks counter\n" in page(everything())
    assert "# TYPE campaign_clicks_total counter\n" in page(everything(), PLAIN)
    line = 'campaign_clicks_total{campaign_id="c-1",channel="search"} 12.0\n'
    assert line in page(everything())
    assert line in page(everything(), PLAIN)


def test_plain_text_and_openmetrics_say_the_same():
    def facts(families: Any) -> set[Any]:
        return {
            (one.name, frozenset(one.labels.items()), one.value)
            for family in families
            for one in family.samples
        }

    assert facts(parse_plain(page(everything(), PLAIN))) == facts(parse_openmetrics(page(everything())))


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


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.4", False),
        ("application/openmetrics-text;version=0.0.1", False),
        ("text/html,*/*;q=0.8", False),
        ("application/openmetrics-text;q=x", False),
        (";;,=,", False),
        ("", False),
    ],
)
def test_accept_header_decides_the_format(accept: str, expected: bool):
    assert prefers_openmetrics(accept) is expected
    text, kind = Exposition(SimpleNamespace(snapshot=everything), 10).render(accept)
    assert text.endswith(b"# EOF\n") is expected
    assert kind.startswith("application/openmetrics-text; version=1.0.0" if expected else "text/plain")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
@pytest.mark.parametrize("limit", [1, 1_000])
def test_promtool_has_nothing_to_say(limit: int):
    text = page(everything(), PLAIN, limit)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


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
