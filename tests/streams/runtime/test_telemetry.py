"""The pipeline's own figures: what is added up is what the snapshot holds."""

from metrics.exposition import LedgerRow, RecoverySnapshot, RedisSnapshot
from streams.runtime.telemetry import RECORDS, SECONDS, Histogram, Telemetry


def filled() -> Telemetry:
    telemetry = Telemetry("1.2.3")
    telemetry.stages["intake"].batch(records=500, seconds=0.004)
    telemetry.stages["intake"].batch(records=501, seconds=0.2)
    telemetry.stages["merge"].checkpoint(seconds=0.03, written_bytes=4_096, records=12)
    telemetry.stages["merge"].checkpoint(seconds=0.03, written_bytes=1, records=1)
    telemetry.stages["merge"].recovered(seconds=1.5, records=90)
    telemetry.lag |= {("ad-clicks", 0): 7, ("ad-clicks", 1): 8}
    telemetry.watermarks_ms |= {0: 9_000, 1: 11_000}
    telemetry.pending_cancellations |= {0: 1, 1: 2}
    telemetry.uncertain_costs |= {0: 3, 1: 4}
    telemetry.uncertain_orders |= {0: 5, 1: 6}
    telemetry.published["campaign-kpis"] += 3
    telemetry.publish_errors["campaign-kpis"] += 1
    telemetry.dead_letters["too_late"] += 2
    telemetry.registry_sizes["campaigns"] = 5
    return telemetry


def test_snapshot_holds_what_was_added_up():
    ledger = [LedgerRow("ad-clicks", 0, 1, 2, 3, 4)]
    redis = RedisSnapshot(is_up=True, pending=0, written=1, errors=0)
    seen = filled().snapshot(10_000, ledger, redis)
    assert sum(seen.batch_records["intake"].counts) == 2
    assert seen.batch_records["intake"].total == 1_001
    assert seen.batch_records["intake"].counts[RECORDS.index(500)] == 1  # a bound is in its bucket
    assert seen.batch_seconds["intake"].counts[SECONDS.index(0.005)] == 1
    assert (seen.checkpoints["merge"].written_bytes, seen.checkpoints["merge"].written_records) == (4_097, 13)
    assert seen.recoveries == {"merge": RecoverySnapshot(1.5, 90)}
    assert seen.lag == {("ad-clicks", 0): 7, ("ad-clicks", 1): 8}
    assert seen.watermark_delays_ms == {0: 1_000, 1: 0}
    assert (seen.pending_cancellations, seen.uncertain_costs, seen.uncertain_orders) == (3, 7, 11)
    assert (seen.published, seen.publish_errors) == ({"campaign-kpis": 3}, {"campaign-kpis": 1})
    assert (seen.dead_letters, seen.registry_sizes) == ({"too_late": 2}, {"campaigns": 5})
    assert (list(seen.ledger), seen.redis, seen.version, seen.clock_ms) == (ledger, redis, "1.2.3", 10_000)


def test_a_snapshot_does_not_change_afterwards():
    telemetry = filled()
    taken = telemetry.snapshot(10_000, [])
    before = repr(taken)
    telemetry.stages["intake"].batch(records=1, seconds=1)
    telemetry.stages["merge"].checkpoint(seconds=1, written_bytes=1, records=1)
    telemetry.lag["ad-clicks", 0] = 99
    telemetry.published["campaign-kpis"] += 1
    telemetry.released({0, 1})
    assert repr(taken) == before


def test_what_belongs_to_a_revoked_partition_is_shown_no_more():
    telemetry = filled()
    telemetry.released({0, 7})
    seen = telemetry.snapshot(10_000, [])
    assert seen.lag == {("ad-clicks", 1): 8}
    assert list(seen.watermark_delays_ms) == [1]
    assert (seen.pending_cancellations, seen.uncertain_costs, seen.uncertain_orders) == (2, 4, 6)


def test_an_observation_above_all_bounds_is_in_the_last_bucket():
    histogram = Histogram((1.0, 2.0))
    histogram.observe(2.1)
    assert histogram.snapshot().counts == (0, 0, 1)
