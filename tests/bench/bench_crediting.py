"""CPU time of a conversion: intake with every model, fed as in the benchmark, without a broker.

Run as ``python -m tests.bench.bench_crediting [--clicks N] [--profile FILE]``; with ``--paths`` it says instead what dividing
one conversion among the touches of its path takes, by the length of the path, or with ``--customers`` what accounts of
customers take, alone and with cohorts in every model.
"""

import argparse
import cProfile
import gc
import pstats
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from metrics.attribution.conversion_credit import COHORT
from metrics.attribution.models import MARKOV, MAX_PATH, MODELS, ROOTS, AttributionRules
from metrics.entities.campaigns import CampaignRegistry
from metrics.kernels.credits import credit
from metrics.values.time import DAY
from streams import topics
from streams.messages.source_records import Record, SourceRecords
from streams.runtime.kernel_warmup import warm_up
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from streams.state.store import StateStore
from tests.bench.clicks import Clicks, Conversions, Records, make_clicks, make_conversions

_SLICE = 2_000
#: A worker writes a checkpoint of each of its four partitions every quarter of a second; this is one of them.
_CHECKPOINT_EVERY_MS = 250
_CHECKPOINT_WORK_S = 0.06
_OPTIONS = IntakeOptions(4, 300_000, 86_400_000, 1_000_000, 400 * 86_400_000, credit_interval=2_000)


def slabs(records: Records, size: int, now: int) -> Iterator[SourceRecords]:
    """Slices of a topic's records, all appended at ``now``."""
    for start in range(0, len(records), size):
        rows = enumerate(records[start : start + size], start)
        yield SourceRecords.of([Record(offset, now, key, value) for offset, (key, value) in rows])


def run(
    clicks: Clicks, conversions: Conversions | None, models: tuple[str, ...], **more: Any
) -> tuple[float, IntakeStage]:
    """Seconds of thread time that intake of partition 0 takes for everything, with its checkpoints."""
    now = time.time_ns() // 1_000_000
    options = msgspec.structs.replace(_OPTIONS, **{"rules": AttributionRules(models=models)} | more)
    intake = IntakeStage(0, options, CampaignRegistry("EUR"))
    log = StateStore(intake, now)
    feeds = [(topics.CLICKS, slabs(clicks.parts[0], _SLICE, now))]
    if conversions is not None:
        feeds.append((topics.LEADS, slabs(conversions.leads[0], _SLICE // 20, now)))
        feeds.append((topics.ORDERS, slabs(conversions.orders[0], _SLICE // 100, now)))
    spent, since = 0.0, 0.0
    live = [(topic, iter(list(feed))) for topic, feed in feeds]
    while live:
        topic, feed = live.pop(0)
        slab = next(feed, None)
        if slab is None:
            continue
        live.append((topic, feed))
        started = time.thread_time()
        intake.process(topic, slab, now)
        since += time.thread_time() - started
        if since > _CHECKPOINT_WORK_S:
            now += _CHECKPOINT_EVERY_MS
            log.confirm(log.checkpoint(now).sequence)
            spent, since = spent + time.thread_time() - started, 0.0
            continue
        spent += time.thread_time() - started
    started = time.thread_time()
    intake.set_idle(topics.EVENT_SOURCES)
    log.confirm(log.checkpoint(now).sequence)
    return spent + time.thread_time() - started, intake


def customers(clicks: Clicks, conversions: Conversions, *, is_in_models: bool) -> str:
    """What intake takes of accounts of customers, with every model."""
    count, kept = len(conversions.leads[0]) + len(conversions.orders[0]), {"customer_retention": 1_000 * DAY}
    told = tuple(model for model in MODELS if not model.endswith(COHORT)) if is_in_models else ()
    rules = AttributionRules(MODELS, customer_models=told) if told else AttributionRules(MODELS)
    alone, _ = run(clicks, None, MODELS)
    spent, _ = run(clicks, conversions, MODELS, **kept, rules=rules)
    return f"cohorts in {len(told)} models: {1e6 * (spent - alone) / count:7.1f} µs a conversion, {spent:.2f} s for all"


_PATH_LENGTHS = (2, 8, 32, MAX_PATH)
_TOUCHES, _CAMPAIGNS, _PATH_ROUNDS = 40_000, 200, 15


def path_cost(length: int, models: tuple[str, ...]) -> float:
    """Seconds of thread time that the division of one conversion takes in these models, the least of several rounds."""
    rng, count = np.random.default_rng(1), _TOUCHES // length
    codes = rng.integers(0, 2 * _CAMPAIGNS, count * length)
    effects = rng.random(_CAMPAIGNS) * (rng.random(_CAMPAIGNS) < 0.7)
    given = (
        np.array([MODELS.index(name) for name in models]),
        np.sort(rng.integers(0, 10**9, (count, length))).ravel(),
        codes,
        np.arange(count + 1) * length,
        np.full(count, 7 * 86_400_000),
        np.zeros(count, np.bool_),
        np.arange(_CAMPAIGNS),
        np.zeros(_CAMPAIGNS, np.bool_),
        effects,
        np.array(ROOTS),
        np.zeros((len(models), count * length), np.int64),
    )
    took = []
    for _ in range(_PATH_ROUNDS):
        began = time.thread_time()
        credit(*given)
        took.append(time.thread_time() - began)
    return min(took) / count


def main() -> None:
    """Print microseconds per click and per conversion."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--paths", action="store_true", help="What a division takes by length of path.")
    parser.add_argument("--clicks", type=int, default=400_000)
    parser.add_argument("--customers", action="store_true", help="What accounts of customers take.")
    parser.add_argument("--profile")
    options = parser.parse_args()
    warm_up()
    if options.paths:
        for length in _PATH_LENGTHS:
            told = (
                f"{1e6 * path_cost(length, models):6.2f} µs"
                for models in (("linear",), ("time_decay",), (MARKOV,), MODELS)
            )
            print(f"{length:3} touches: linear, time_decay, markov, all: {', '.join(told)}")
        return
    gc.set_threshold(100_000)  # as a worker does
    clicks = make_clicks(options.clicks, 200)
    conversions = make_conversions(clicks)
    count = len(conversions.leads[0]) + len(conversions.orders[0])
    if options.profile:
        profiler = cProfile.Profile()
        profiler.enable()
        run(clicks, conversions, MODELS)
        profiler.disable()
        stats = pstats.Stats(profiler)
        stats.dump_stats(options.profile)
        stats.sort_stats("tottime").print_stats(35)
        return
    if options.customers:
        for is_in_models in (False, True):
            print(customers(clicks, conversions, is_in_models=is_in_models))
        return
    for models in ((), ("linear",), MODELS):
        alone, _ = run(clicks, None, models)
        spent, _ = run(clicks, conversions, models)
        print(
            f"{len(models)} models: {1e6 * alone / len(clicks.parts[0]):6.2f} µs a click,"
            f" {1e6 * (spent - alone) / count:7.1f} µs a conversion"
        )


if __name__ == "__main__":
    main()
