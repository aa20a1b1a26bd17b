"""Compiling the kernels before the first record, or loading them where an earlier start has compiled them.

`python -m streams.runtime.kernel_warmup` does it ahead of the first start, and puts them into the image that starts load; with
names of parts it only compiles these, so that two processes share the work.
"""

import logging
import sys
import time
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np

from metrics.attribution.markov_fit import PathTransitions
from metrics.attribution.models import MODELS, AttributionRules
from metrics.attribution.touch_store import ConvertedVisitors, TouchColumns, TouchStore
from metrics.entities.campaigns import CampaignRegistry
from metrics.evidence.ledger import Seen, advanced, begin, drifted, due_by_law, kept_of
from metrics.evidence.martingale import MODERATE_PRIOR
from metrics.evidence.shape import UNLEARNED, Shape, learn, own_scatter
from metrics.evidence.verdicts import log_e_missed
from metrics.kernels.checksums import crc32c
from metrics.kernels.compiling import keep_image, late
from metrics.kernels.memory import PADDING
from metrics.kernels.refunds import AGES
from metrics.values.hashing import partition_of, partitions_of
from metrics.values.time import DAY, MINUTE
from streams import topics
from streams.messages.source_records import Record
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from streams.state.codec import Entry
from streams.state.digest import StateDigest
from streams.state.store import StateStore
from streams.transport.record_batch_kernel import unframe

log = logging.getLogger(__name__)

#: Of one person, at AT, or soon after.
_CLICK = (
    b'{"event_id":"AT","occurred_at":AT,"campaign_id":"c","visitor_id":"v","cost":"0.1","currency":"EUR"}'
)
_ORDER = b'{"event_id":"AT","occurred_at":SOON,"order_id":"AT","visitor_id":"v","revenue":"1"}'
_RECORDS = {topics.CLICKS: _CLICK, topics.IMPRESSIONS: _CLICK, topics.ORDERS: _ORDER}
_ERASURE = b'{"visitor_id":"v","requested_at":0}'
_NOW = 41 * DAY
_NOTABLE_S = 3.0


def warm_up(parts: Sequence[str] = ()) -> None:
    """Run every kernel once, on almost nothing.

    Args:
        parts: of ``partition``, ``journeys``, ``evidence``; none: all of them.
    """
    started, is_first = time.monotonic(), not late  # what was compiled before says nothing of the image
    log.info(
        "Loading the compiled kernels; the first time on a machine they are compiled, which takes some seconds."
    )
    for part in parts or _PARTS:
        _PARTS[part]()
    if not parts and is_first:
        keep_image()
    if time.monotonic() - started > _NOTABLE_S:
        log.info("Compiled in %.0f s; the next start loads them.", time.monotonic() - started)


def _warm_journeys() -> None:
    """Batches off the wire, partitions of keys, paths of visitors."""
    nothing = np.frombuffer(bytes(PADDING), dtype=np.uint8)
    column, spans = np.empty(0, dtype=np.int64), np.empty((2, 0), dtype=np.int64)
    crc32c(nothing, 0, 0)
    unframe(nothing, 0, 0, np.zeros(4, dtype=np.int64), 0, column, column, spans, spans)
    partitions_of([b"v"], 2)
    partition_of(b"v", 2)
    visitors, at = np.ones(5_000, dtype=np.uint64), np.zeros(5_000, dtype=np.int64)
    touchpoints = np.zeros(5_000, dtype=np.int32)
    store = TouchStore(1)
    for _ in range(3):  # room for all of them is made, and made again
        store.insert(TouchColumns(visitors, at, touchpoints))
    store.of(1, 0, 1)
    store.visitors  # noqa: B018 - counting is a kernel too
    PathTransitions(store, touchpoints, 1).go_on(ConvertedVisitors(), len(visitors))
    store.erase(1)
    watched = ConvertedVisitors()
    watched.note(visitors, at)
    watched.earlier(visitors, at)
    watched.forget_before(0)


def _warm_evidence() -> None:
    """A campaign that lives for two days: its ledger, and what it says."""
    ledger = begin(Seen(2 * DAY, 1.0, 1.0, 1.0, 1.0), 0, UNLEARNED)
    begin(Seen(2 * DAY + 1, 1.0, 1.0, 1.0, 1.0), 0, UNLEARNED)
    log_e_missed(ledger, 1.0, 1.0, UNLEARNED, MODERATE_PRIOR, 1.0)
    own_scatter(1.0, ledger.sums, 1.0)
    due_by_law(ledger, UNLEARNED)
    drifted(ledger, Shape(drift=0.1))
    learn([ledger], is_money=False)
    refunded = Shape(refunds=(0.0,) * AGES)
    money = begin(Seen(2 * DAY, 1.0, 1.0, 1.0, 1.0, 0.0), 0, refunded)
    money = advanced(money, Seen(2 * DAY + 1, 1.0, 1.0, 1.0, 1.0, 0.0), refunded)
    kept_of(money.refund_sums, money.at, 1.0, 0.0, refunded, 1.0)


def _warm_partition() -> None:
    """A partition as it lives: records, checkpoints, and what the next owner does with them."""
    first, merged = _partition(), _merged()
    logs: tuple[list[Entry], list[Entry]] = ([], [])
    for at in (0, MINUTE, 40 * DAY):  # the last of them lets the others expire
        for topic, value in _RECORDS.items():
            record = value.replace(b"AT", str(at).encode()).replace(b"SOON", str(at + 1).encode())
            _process(first, topic, record)
        first.stage.set_idle(topics.EVENT_SOURCES)
        made = first.checkpoint(_NOW)
        logs[0].extend(made.entries)
        _partition().restore(logs[0])
        partials = [output for output in made.outputs if output.topic == topics.PARTIALS]
        records = [Record(merged.stage.offset + n, _NOW, None, each.value) for n, each in enumerate(partials)]
        merged.stage.process(records)
        logs[1].extend(merged.checkpoint(_NOW).entries)
        _merged().restore(logs[1])
    _process(first, topics.ERASURES, _ERASURE)
    first.checkpoint(_NOW)
    # More records than there is room for at first: room is made by a kernel, too.
    StateDigest().change([(b"%d" % number, b"") for number in range(1_000)])


def _process(store: StateStore[IntakeStage], topic: str, value: bytes) -> None:
    store.stage.process(topic, [Record(store.stage.offsets.get(topic, 0), _NOW, None, value)], _NOW)


def _partition() -> StateStore[IntakeStage]:
    options = IntakeOptions(1, 0, DAY, 1, DAY, rules=AttributionRules(models=MODELS))
    return StateStore(IntakeStage(0, options, CampaignRegistry("EUR")), 0)


def _merged() -> StateStore[MergeStage]:
    options = MergeOptions(1, 0, 1_000, ZoneInfo("UTC"), "EUR", MODELS)
    return StateStore(MergeStage(0, options, CampaignRegistry("EUR"), Pace.of(1_000)), 0)


_PARTS = {"partition": _warm_partition, "journeys": _warm_journeys, "evidence": _warm_evidence}

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    warm_up(sys.argv[1:])
