"""What an event costs in figures without noise: Python calls and bytes, against those on record.

`python -m tests.bench.costs` prints them beside tests/bench/costs.json; `--record` writes that file, which a release does.
A test of the suite compares them, and the processor time of a click with that of a hand-written loop in the same minute. Calls are those of functions, Python's and built in, seen by `sys.setprofile`; compiled
kernels count as none. Inputs are the same every time. No clock and no broker takes part, so a busy machine changes nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from math import inf
from pathlib import Path
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from aiokafka.record.default_records import DefaultRecordBatch

from metrics.attribution.models import MODELS, AttributionRules
from metrics.entities.campaigns import CampaignRegistry
from streams import topics
from streams.messages.source_records import Record, SourceRecords
from streams.runtime.input_slices import slices
from streams.runtime.kernel_warmup import warm_up
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from streams.state.checkpoint import Checkpoint
from streams.state.store import StateStore
from streams.transport.record_batches import unpack
from tests.bench.baselines.loop import Click
from tests.bench.bulk import ClickBatch, Columns
from tests.bench.intake import parsed

RECORD = Path(__file__).with_name("costs.json")
#: A cost may grow to so many times what is on record before the test fails; versions of Python differ by some per cent.
TOLERATED = 1.3
#: The same of processor time, which is never quite without noise.
TOLERATED_RATIO = 1.5
RATIO = "processor time of a click, of the loop's"
_RUNS = 15

_NOW = 1_790_000_030_000
_DAY_MS = 86_400_000
_CAMPAIGNS, _CLICKS, _BATCH, _CONVERSIONS = 200, 20_000, 4_000, 400
_OPTIONS = IntakeOptions(4, 300_000, _DAY_MS, 1_000_000, 400 * _DAY_MS, credit_interval=2_000)
_MERGE = MergeOptions(4, 60_000, 1_000, ZoneInfo("UTC"), "EUR")


def measure() -> dict[str, float]:
    """Every cost by name."""
    declared, whole = _feed(()), _feed(MODELS)
    return _intake_costs(declared) | _model_costs(declared, whole) | _merge_costs(declared["checkpoint"])


def too_dear(found: dict[str, float], on_record: dict[str, float]) -> list[str]:
    """A sentence for each cost that has grown past what is tolerated.

    >>> too_dear({"calls per click": 1.4}, {"calls per click": 1.0})
    ['calls per click: 1.4, on record 1.0']
    """
    return [
        f"{name}: {value:.4g}, on record {on_record[name]}"
        for name, value in found.items()
        if value > TOLERATED * on_record[name]
    ]


def click_ratios() -> Iterator[float]:
    """Processor time of a click over that of a hand-written loop (one msgspec call a batch, sums in a dict), best of ever more runs.

    Both take the same clicks in turn, on this thread, so a busy machine slows them alike.
    """
    batches = _batches()
    values = [[each.value for each in DefaultRecordBatch(bytearray(data))] for data in batches]
    ours = theirs = inf
    while True:
        intake = IntakeStage(0, _OPTIONS, CampaignRegistry("EUR"))
        log = StateStore(intake, _NOW)
        moments = [time.thread_time()]
        _take_clicks(intake, batches)
        log.confirm(log.checkpoint(_NOW).sequence)
        moments.append(time.thread_time())
        fold(values)
        moments.append(time.thread_time())
        ours, theirs = min(ours, moments[1] - moments[0]), min(theirs, moments[2] - moments[1])
        yield ours / theirs


def fold(batches: list[list[bytes]]) -> dict[tuple[str, int], list[int]]:
    """Clicks and micros by campaign and minute, as the loop of tests.bench.throughput adds them up."""
    decode = msgspec.json.Decoder(Click).decode_lines
    sums: dict[tuple[str, int], list[int]] = {}
    for values in batches:
        for click in decode(b"\n".join(values)):
            found = sums.setdefault((click.campaign_id, click.occurred_at // 60_000), [0, 0])
            found[0] += 1
            found[1] += round(float(click.cost) * 1_000_000)
    return sums


def _intake_costs(fed: dict[str, Any]) -> dict[str, float]:
    checkpoint: Checkpoint = fed["checkpoint"]
    states = sum(len(key) + len(value or b"") for key, value in checkpoint.entries)
    partials = sum(len(output.value) for output in checkpoint.outputs if output.topic == topics.PARTIALS)
    return {
        "calls per 1 000 clicks": 1_000 * fed["clicks"] / _CLICKS,
        "calls per lead": fed["leads"] / _CONVERSIONS,
        "calls per order": fed["orders"] / _CONVERSIONS,
        "calls of a checkpoint of 200 campaigns": fed["calls of the checkpoint"],
        "bytes of a checkpoint of 200 campaigns": states,
        "bytes of its partials": partials,
    }


def _model_costs(declared: dict[str, Any], whole: dict[str, Any]) -> dict[str, float]:
    names = ("leads", "orders", "calls of the checkpoint")
    more = sum(whole[name] - declared[name] for name in names)
    return {
        "calls per 1 000 clicks with every model": 1_000 * whole["clicks"] / _CLICKS,
        "calls more per conversion with every model": more / (2 * _CONVERSIONS),
    }


def _merge_costs(fed: Checkpoint) -> dict[str, float]:
    partials = [output for output in fed.outputs if output.topic == topics.PARTIALS]

    def run() -> dict[str, float]:
        merge = MergeStage(0, _MERGE, CampaignRegistry("EUR"), Pace.of(10**9))
        log = StateStore(merge, _NOW)
        records = [Record(offset, _NOW, None, each.value) for offset, each in enumerate(partials)]
        taking = calls(lambda: merge.process(records))
        panes, made = merge.merged_windows.changes, []
        giving = calls(lambda: made.append(log.checkpoint(_NOW)))
        checkpoint: Checkpoint = made[0]
        readings = len(checkpoint.outputs) + len(checkpoint.views.readings)
        return {
            "calls per pane merged": taking / panes,
            "calls per reading": giving / readings,
            "bytes per reading": sum(len(output.value) for output in checkpoint.outputs) / len(checkpoint.outputs),
            "bytes of a merge checkpoint per pane": sum(len(k) + len(v or b"") for k, v in checkpoint.entries) / panes,
        }  # fmt: skip

    run()  # the first time imports and caches are filled
    return run()


def calls(work: Callable[[], object]) -> int:
    """How many functions are called by some work on this thread."""
    count = 0

    def see(_frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call" or (event == "c_call" and not _is_kernel(argument))

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def _is_kernel(function: object) -> bool:
    module = getattr(function, "__module__", None) or ""
    return module.startswith("metrics.kernels") or module == "streams.transport.record_batch_kernel"


def _feed(models: tuple[str, ...]) -> dict[str, Any]:
    """Calls that clicks, leads, orders and the checkpoint of them all take, and that checkpoint."""

    batches = _batches()

    def run() -> dict[str, Any]:
        intake = IntakeStage(
            0,
            msgspec.structs.replace(_OPTIONS, rules=AttributionRules(models=models)),
            CampaignRegistry("EUR"),
        )
        log = StateStore(intake, _NOW)
        log.take_over()
        made: list[Checkpoint] = []
        found: dict[str, Any] = {"clicks": calls(lambda: _take_clicks(intake, batches))}
        for topic, records in (("leads", _leads()), ("orders", _orders())):
            slab = SourceRecords.of(records)
            found[topic] = calls(lambda topic=topic, slab=slab: _take(intake, topic, slab))
        intake.set_idle(topics.EVENT_SOURCES)
        found["calls of the checkpoint"] = calls(lambda: made.append(log.checkpoint(_NOW)))
        return found | {"checkpoint": made[0]}

    run()
    return run()


def _take_clicks(intake: IntakeStage, batches: list[bytes]) -> None:
    for number, data in enumerate(batches):
        slab = unpack(parsed(number * _BATCH, data))
        slab.ads(topics.CLICKS)
        _take(intake, topics.CLICKS, slab)


def _take(intake: IntakeStage, topic: str, slab: SourceRecords) -> None:
    for part in slices(topic, slab):
        intake.process(topic, part, _NOW)


def _batches() -> list[bytes]:
    rng = np.random.default_rng(7)
    found = []
    for number in range(_CLICKS // _BATCH):
        people, cents = rng.integers(0, 5_000, _BATCH), rng.integers(10, 200, _BATCH)
        batch = ClickBatch(Columns(rng.integers(0, _CAMPAIGNS, _BATCH), people, cents))
        data = bytearray(batch.stamp(number, _NOW - 20_000 + np.arange(_BATCH) // 400 + number * 10))
        data[:8] = (number * _BATCH).to_bytes(8, "big")
        found.append(bytes(data))
    return found


def _leads() -> list[Record]:
    return [
        Record(
            number,
            _NOW,
            b"v-%06d" % number,
            b'{"event_id":"l-%d","lead_id":"%d","occurred_at":%d,"visitor_id":"v-%06d","campaign_id":"c-%06d"}'
            % (number, number, _NOW - 10_000 + number, number, number % _CAMPAIGNS),
        )
        for number in range(_CONVERSIONS)
    ]


def _orders() -> list[Record]:
    return [
        Record(
            number,
            _NOW,
            b"v-%06d" % number,
            b'{"event_id":"o-%d","order_id":"%d","lead_id":"%d","occurred_at":%d,"visitor_id":"v-%06d",'
            b'"campaign_id":"c-%06d","customer_id":"k-%d","revenue":"49.90"}'
            % (number, number, number, _NOW - 5_000 + number, number, number % _CAMPAIGNS, number),
        )
        for number in range(_CONVERSIONS)
    ]


def main() -> None:
    """Print or record the costs."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.costs", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep these costs as those to compare with")
    warm_up()
    *_, ratio = islice(click_ratios(), _RUNS)
    found = {name: float(f"{value:.4g}") for name, value in (measure() | {RATIO: ratio}).items()}
    if parser.parse_args().record:
        RECORD.write_text(json.dumps(found, indent=2) + "\n")
    on_record = json.loads(RECORD.read_text())
    for name, value in found.items():
        print(f"{name:<45} {value:>10,.4g} {value / on_record.get(name, value):6.2f} of the record")


if __name__ == "__main__":
    main()
