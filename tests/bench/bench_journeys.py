"""Memory and CPU time of the store of touches: a million visitors with five touches each, by default.

Run as ``python tests/bench/bench_journeys.py [--visitors N] [--touches N]``.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from metrics.attribution.markov_fit import PathTransitions
from metrics.attribution.touch_store import ConvertedVisitors, TouchColumns, TouchStore
from metrics.values.time import DAY

_SLICE = 2_000
_SLICES_PER_CHECKPOINT = 10


def resident_mib() -> float:
    """Memory of this process that is in use, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def batches(visitors: int, touches: int):
    """Touches in slices as intake hands them over, spread over thirty days."""
    rng = np.random.default_rng(1)
    everyone = rng.integers(1, 1 << 63, visitors, dtype=np.uint64)
    count = visitors * touches
    for at in range(0, count, _SLICE):
        size = min(_SLICE, count - at)
        times = 30 * DAY * (at + np.arange(size, dtype=np.int64)) // count
        yield TouchColumns(rng.choice(everyone, size), times, rng.integers(0, 1_000, size, dtype=np.int32))


def compile_kernels() -> None:
    """Let every kernel be compiled, or read from the disk, before anything is measured."""
    store = TouchStore(40 * DAY)
    for columns in batches(4_000, 5):
        store.insert(columns)
    store.of(1, 0, 1)
    PathTransitions(store, np.arange(1_000, dtype=np.int32), 1_000).go_on(ConvertedVisitors(), 1 << 40)


def main() -> None:
    """Print what it costs to keep, find, store and read back."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--visitors", type=int, default=1_000_000)
    parser.add_argument("--touches", type=int, default=5)
    options = parser.parse_args()
    count = options.visitors * options.touches

    compile_kernels()
    store, blocks = TouchStore(40 * DAY), {}
    inserting = storing = slowest = 0.0
    written = 0
    for n, columns in enumerate(batches(options.visitors, options.touches)):
        started = time.process_time()
        store.insert(columns)
        took = time.process_time() - started
        inserting, slowest = inserting + took, max(slowest, took)
        if n % _SLICES_PER_CHECKPOINT == 0:
            started = time.process_time()
            change = store.checkpoint(n, 0)
            for sequence in change.forgotten:
                del blocks[sequence]
            for block in change.stored:
                blocks[block.sequence] = block
                written += sum(column.nbytes for column in block.columns)
            storing += time.process_time() - started
    print(f"{count:,} touches of {store.visitors:,} visitors")
    print(
        f"  memory            {store.nbytes / len(store):.1f} bytes a touch, {store.nbytes / 2**20:,.0f} MiB"
    )
    print(
        f"  insert            {1e9 * inserting / count:,.0f} ns a touch, slowest slice {1e3 * slowest:.1f} ms"
    )
    print(f"  checkpoints       {1e9 * storing / count:,.0f} ns and {written / count:.0f} bytes a touch")

    rng = np.random.default_rng(1)
    everyone = rng.integers(1, 1 << 63, options.visitors, dtype=np.uint64)[:100_000].tolist()
    started = time.process_time()
    found = sum(len(store.of(visitor, 0, 30 * DAY)) for visitor in everyone)
    took = time.process_time() - started
    print(
        f"  look up           {1e6 * took / len(everyone):.2f} µs a visitor ({found / len(everyone):.2f} touches)"
    )

    started = time.process_time()
    PathTransitions(store, np.arange(1_000, dtype=np.int32), 1_000).go_on(ConvertedVisitors(), 1 << 40)
    print(f"  steps for a fit   {time.process_time() - started:.2f} s")

    del store
    before = resident_mib()
    started = time.process_time()
    again = TouchStore(40 * DAY)
    for sequence in sorted(blocks):
        again.restore(blocks[sequence])
    took = time.process_time() - started
    print(
        f"  read back         {took:.2f} s, {len(again):,} touches, {resident_mib() - before:+,.0f} MiB resident"
    )


if __name__ == "__main__":
    main()
