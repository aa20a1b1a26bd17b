"""Merge alone, without a broker: `python tests/bench/bench_merge.py`.

Bundles with one minute of every campaign come from one source partition; panes taken in and readings given out, in
microseconds each, as thread time of one core.
"""

import gc
import time
from zoneinfo import ZoneInfo

from metrics.entities.campaigns import CampaignRegistry
from metrics.sums.tally import Tally
from metrics.values.time import DAY, MINUTE, QUARTER
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL
from metrics.windows.watermark import PartitionStatus
from streams.messages.pane_blocks import pack
from streams.messages.partials import Bundle
from streams.messages.source_records import Record
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from streams.state.codec import encode
from streams.state.store import StateStore

_FIRST = 1_790_000_000_000 // DAY * DAY
_BUNDLE_CAMPAIGNS = 1_000
_MINUTES, _CHECKPOINTS = 4, 4


def _bundles(campaigns: int, minute: int) -> list[Bundle]:
    at = _FIRST + minute * MINUTE
    starts = ((MINUTES, at), (QUARTERS, at // QUARTER * QUARTER), (DAYS, at // DAY * DAY), (TOTAL, 0))
    tally = Tally(clicks=minute, spend_micros=minute * 1_000)
    found = []
    for first in range(0, campaigns, _BUNDLE_CAMPAIGNS):
        names = range(first, min(first + _BUNDLE_CAMPAIGNS, campaigns))
        panes = [
            (f"c-{number:06d}", resolution, start, tally) for number in names for resolution, start in starts
        ]
        found.append(Bundle(0, 1, minute, pack(panes), []))
    found[-1].status = PartitionStatus(at, is_idle=False)
    return found


def measure(campaigns: int) -> tuple[float, float, float]:
    """Microseconds per pane taken in, per reading given out, and readings per second of both kinds together."""
    options = MergeOptions(1, 60_000, 1_000, ZoneInfo("UTC"), "EUR")
    merge = MergeStage(0, options, CampaignRegistry("EUR"), Pace.of(10**9))
    stage = StateStore(merge, 0)
    offset, taken, given, panes, readings = 0, 0.0, 0.0, 0, 0
    for minute in range(1, _MINUTES + 1):
        records = [
            Record(offset + n, 0, None, encode(each)) for n, each in enumerate(_bundles(campaigns, minute))
        ]
        offset += len(records)
        started = time.thread_time()
        merge.process(records)
        taken += time.thread_time() - started
        panes += 4 * campaigns
        started = time.thread_time()
        for number in range(_CHECKPOINTS):
            checkpoint = stage.checkpoint(_FIRST + minute * MINUTE + number * 500)
            stage.confirm(checkpoint.sequence)
            readings += len(checkpoint.outputs) + len(checkpoint.views.readings)
        given += time.thread_time() - started
    return taken / panes * 1e6, given / readings * 1e6, readings / (taken + given)


def main() -> None:
    gc.set_threshold(100_000)  # as a worker does
    measure(10)  # loads the kernels
    print(f"{'campaigns':>10} {'µs a pane':>10} {'µs a reading':>13} {'readings/s':>11}")
    for campaigns in (10, 1_000, 100_000):
        pane, reading, rate = measure(campaigns)
        print(f"{campaigns:10,} {pane:10.2f} {reading:13.2f} {rate:11,.0f}")


if __name__ == "__main__":
    main()
