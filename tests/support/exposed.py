"""Snapshots of workers with all there is to show, and their pages as parsers read them."""

from types import SimpleNamespace
from typing import Any

import msgspec
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from metrics.customers.engagement_figures import COHORT_ENGAGEMENT, MONTH_ENGAGEMENT
from metrics.customers.funnel import FUNNEL_FIGURES
from metrics.customers.worth import WORTH_FIGURES
from metrics.entities.report_history import Overlap
from metrics.exposition import (
    BoardSnapshot,
    CampaignSnapshot,
    CardSnapshot,
    CheckpointSnapshot,
    CohortSnapshot,
    CustomerTotals,
    DifferenceRow,
    Exposition,
    HistogramSnapshot,
    LedgerRow,
    PipelineSnapshot,
    RecoverySnapshot,
    RedisSnapshot,
    RollupSnapshot,
    WorkerSnapshot,
)
from metrics.kpis.catalogue import BY_ID
from metrics.records.customer_kpi import CustomerWorth
from metrics.records.kpi_reading import CampaignKpi, Completeness, Evidence, OtherBasis, RollupKpi, Sums
from metrics.sums.tally import Tally
from metrics.values.time import HOUR

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
    pipeline = PipelineSnapshot(version="1.2.3", cluster="cluster-1", topic_prefix="emea-", **health)
    return WorkerSnapshot(now_ms=now_ms, currency="EUR", campaigns=campaigns, pipeline=pipeline)


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
        has_uncertain_amounts=True,
    )
    return RollupSnapshot(dimension="channel", value="search", readings={("declared", window): one})


def cohort() -> CohortSnapshot:
    return CohortSnapshot(
        channel="search",
        cohort="2026-09",
        model="declared",
        currency="EUR",
        customers=10,
        repeaters=4,
        margin_micros=250_000_000,
        active=[10, 5],
        partition=0,
        engaged={"activated": 2, "referrers": 1},
    )


def everything() -> WorkerSnapshot:
    """Every family has a sample, some campaigns are folded."""
    histogram = HistogramSnapshot((0.001, 0.5, 10.0), (1, 2, 0, 3), 61.5)
    kpis = dict.fromkeys(BY_ID, 1.5)
    rich = campaign(
        "c-1",
        msgspec.structs.replace(
            reading("1h", kpis, clicks=10, leads=0.333333, spend_micros=3_700_000),
            completeness=Completeness(leads=0.5, orders=0.25),
            spread_ratio=0.125,
            unreported_ratio=0.25,
            has_uncertain_amounts=True,
        ),
        channel="search",
        name='He said "50 % \\ off"\nnow',
        budget_micros=12_345_678_900_000,
        counters=Tally(clicks=12, spend_micros=10**15 + 1),
        spend_since_last_lead_micros=1,
        watermark_ms=NOW + 250,
        spend_complete_ms=NOW,
        complete_spend_micros=3_500_000,
        spend_24h_micros=5,
        targets_micros={
            "cpl": 5_000_000,
            "cac": 18_500_000,
            "roas": 3_000_000,
            "roi": 500_000,
            "clv_to_cac": 1_500_000,
        },
        starts_at_ms=NOW - HOUR,
        ends_at_ms=NOW + HOUR,
        overlap=Overlap(2, 100, 5),
        customers=CustomerTotals(
            customers=10,
            repeaters=4,
            margin_micros=250_000_000,
            spend_micros=125_000_000,
            clicks=400,
            leads=40,
            currency="EUR",
            model="declared",
            kpis={
                "repeat_rate": 0.4,
                "clv_historic": 25.0,
                "clv_to_cac": 2.0,
                "payback_months": 3,
                **dict.fromkeys(FUNNEL_FIGURES, 0.0625),
                **dict.fromkeys(WORTH_FIGURES, 1.25),
                **dict.fromkeys(COHORT_ENGAGEMENT | MONTH_ENGAGEMENT, 0.25),
            },
            retention={1: 0.5},
            engagement={"promoters": 3, "activated": 2},
            mrr_micros=20_000_000,
            billed_micros=30_000_000,
            worth=CustomerWorth(
                months=12,
                cohorts=5,
                expected_waits_for=None,
                verdict="good",
                waits_for=None,
                look=2,
                level=0.05 / 6,
                low=1.125,
                high=1.5,
            ),
        ),
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
                e_value_needed=22.2,
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
        differences=[DifferenceRow("merge", 0, "clicks", 2)],
        is_ready=True,
        clock_ms=NOW,
        lag={("ad-clicks", 0): 7},
        watermark_delays_ms={0: 1_500},
        figures_delays_ms={0: 2_500},
        standstills={("merge", 0): 12.5},
        batch_records={"intake": histogram},
        batch_seconds={"intake": histogram},
        checkpoints={"merge": CheckpointSnapshot(histogram, 4_096, 12)},
        recoveries={"merge": RecoverySnapshot(0.25, 1_000)},
        published={"campaign-kpis": 3},
        publish_errors={"campaign-kpis": 1},
        dead_letters={"too_late": 2},
        rekeyed={"touch": 3},
        changed={"orders": 2},
        keys={("ad-clicks", "visitor"): 3},
        registry_sizes={"campaigns": 3},
        registry_refused={"campaigns": 1},
        pending_cancellations=1,
        uncertain_costs=2,
        uncertain_orders=3,
        redis=RedisSnapshot(is_up=True, pending=2, written=9, errors=1),
    )
    return msgspec.structs.replace(taken, board=board, rollups=[rolled_up()], cohorts=[cohort()])


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
