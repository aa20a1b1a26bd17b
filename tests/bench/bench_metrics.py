"""Time of rendering /metrics: `python tests/bench/bench_metrics.py`. Prints median and spread."""

import random
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

from prometheus_client.openmetrics.exposition import generate_latest

from metrics.exposition import (
    CampaignSnapshot,
    Exposition,
    PipelineSnapshot,
    WorkerSnapshot,
)
from metrics.kpis.catalogue import BY_ID
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.sums.tally import Tally
from tests.support.collector import RoistreamCollector

WINDOWS = ("1h", "24h", "total")
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def _reading(rng: random.Random, campaign_id: str, window: str) -> CampaignKpi:
    whole = [name for name in Sums.__struct_fields__ if not name.endswith("_micros")]
    money = [name for name in Sums.__struct_fields__ if name.endswith("_micros")]
    counts = {name: rng.randrange(100_000) for name in whole}
    amounts = {name: rng.randrange(10**11) for name in money}
    return CampaignKpi(
        campaign_id=campaign_id,
        channel="search",
        model="declared",
        window=window,
        window_start=None,
        window_end=None,
        stage="update",
        revision=1,
        currency="EUR",
        sums=Sums(**counts, **amounts),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0),
        kpis={kpi: round(rng.uniform(0, 50), 6) for kpi in BY_ID},
        watermark=None,
        published_at="2026-11-21T10:00:00Z",
    )


def _campaign(rng: random.Random, number: int) -> CampaignSnapshot:
    campaign_id = f"campaign-{number:05d}"
    return CampaignSnapshot(
        campaign_id=campaign_id,
        channel="search",
        name=f"Campaign {number}",
        target="adults",
        offer="trial",
        objective="leads",
        status="active",
        budget_micros=10**9,
        counters=Tally(clicks=rng.randrange(10**6), spend_micros=rng.randrange(10**12)),
        readings={("declared", window): _reading(rng, campaign_id, window) for window in WINDOWS},
        spend_since_last_lead_micros=rng.randrange(10**8),
        watermark_ms=1_795_000_000_000,
        spend_24h_micros=rng.randrange(10**10),
    )


def snapshot(campaigns: int) -> WorkerSnapshot:
    """A seeded worker of so many campaigns, every figure present."""
    rng = random.Random(campaigns)
    return WorkerSnapshot(
        now_ms=1_795_000_000_000,
        currency="EUR",
        campaigns=[_campaign(rng, number) for number in range(campaigns)],
        pipeline=PipelineSnapshot(version="bench"),
    )


def _measure(name: str, render: Callable[[], bytes], runs: int) -> None:
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        page = render()
        times.append((time.perf_counter() - began) * 1_000)
    lines = page.count(b"\n")
    print(
        f"{name:<44} {statistics.median(times):8.0f} {min(times):8.0f} {max(times):8.0f}"
        f" {lines:9d} {len(page) / 2**20:7.1f}"
    )


def main(runs: int) -> None:
    """Measure our writer and the library's, side by side."""
    print(f"{'page':<44} {'median ms':>8} {'min':>8} {'max':>8} {'lines':>9} {'MiB':>7}")
    for campaigns in (1_000, 5_000):
        taken = snapshot(campaigns)
        source = SimpleNamespace(snapshot=lambda taken=taken: taken)
        ours = Exposition(source, 1_000)
        theirs = RoistreamCollector(source, 1_000)
        _measure(f"{campaigns} campaigns, writer", lambda ours=ours: ours.render(OPENMETRICS)[0], runs)
        _measure(f"{campaigns} campaigns, prometheus_client", lambda it=theirs: generate_latest(it), runs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
