"""Intake alone, without a broker: `python -m tests.bench.intake`.

One partition's clicks, as record batches of 3 000 in fetches of so many bytes, each with a part of the next batch at its end, as a
broker cuts them; thread time of one core per click and step, the least of several runs.
"""

import time
from types import SimpleNamespace

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from metrics.entities.campaigns import CampaignRegistry
from streams import topics
from streams.runtime.input_slices import slices
from streams.runtime.kernel_warmup import warm_up
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from streams.state.store import StateStore
from streams.transport.record_batches import RawRecords, unpack
from tests.bench.clicks import Records, make_clicks

_CLICKS, _CAMPAIGNS, _RUNS = 400_000, 200, 3
_BATCH_RECORDS, _FETCH_BYTES, _FETCHES_PER_CHECKPOINT = 3_000, 4 * 1024 * 1024, 2
_CUT_BYTES = 1_000
_DAY_MS = 86_400_000
STEPS = ("frames", "JSON", "judging and sums", "checkpoint")


def fetches(records: Records, now: int) -> list[tuple[int, bytes]]:
    """First offset and bytes of each fetch."""
    found, first, base, data = [], 0, 0, b""
    for at in range(0, len(records), _BATCH_RECORDS):
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 22)
        part = records[at : at + _BATCH_RECORDS]
        for number, (key, value) in enumerate(part):
            builder.append(number, now, key, value, [])
        batch = bytearray(builder.build())
        batch[:8] = base.to_bytes(8, "big")
        base, data = base + len(part), data + bytes(batch)
        if len(data) > _FETCH_BYTES or at + _BATCH_RECORDS >= len(records):
            found.append((first, data + bytes(batch[:_CUT_BYTES])))
            first, data = base, b""
    return found


def parsed(first: int, data: bytes) -> SimpleNamespace:
    """Bytes of a fetch as aiokafka holds them."""
    return SimpleNamespace(
        _tp="bench", _records=RawRecords(data), next_fetch_offset=first, _aborted_producers=set(),
        _consume_aborted_up_to=lambda _offset: None, _contains_abort_marker=lambda _batch: False,
    )  # fmt: skip


def run(found: list[tuple[int, bytes]], now: int) -> list[float]:
    """Seconds of each step for all clicks."""
    options = IntakeOptions(4, 300_000, _DAY_MS, 1_000_000, 400 * _DAY_MS)
    intake = IntakeStage(0, options, CampaignRegistry("EUR"))
    stage = StateStore(intake, now)
    took = [0.0] * len(STEPS)
    for number, (first, data) in enumerate(found):
        moments = [time.thread_time()]
        slab = unpack(parsed(first, data))
        moments.append(time.thread_time())
        slab.ads(topics.CLICKS)
        moments.append(time.thread_time())
        for part in slices(topics.CLICKS, slab):
            intake.process(topics.CLICKS, part, now)
        moments.append(time.thread_time())
        if number % _FETCHES_PER_CHECKPOINT == 0:
            stage.confirm(stage.checkpoint(now).sequence)
        moments.append(time.thread_time())
        for step in range(len(STEPS)):
            took[step] += moments[step + 1] - moments[step]
    return took


def main() -> None:
    warm_up()
    records = make_clicks(_CLICKS, _CAMPAIGNS).parts[0]
    now = time.time_ns() // 1_000_000
    found = fetches(records, now)
    runs = [run(found, now) for _ in range(_RUNS)]
    for step, name in enumerate(STEPS):
        least = min(each[step] for each in runs)
        print(f"{name:<17} {1e6 * least / len(records):5.2f} µs a click")


if __name__ == "__main__":
    main()
