"""What the state of customers costs: memory, bytes of the changelog, recovery, and checkpoints when an hour or a month is over.

`python -m tests.bench.bench_customers --customers 1000000 --campaigns 1000` prints them.
Customers have two orders each, in two of 36 months, on one home. Times are of the processor, on this thread.
"""

import argparse
import ctypes
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from metrics.customers.accounts import AccountChange, AccountMonth, PlacedFirst
from metrics.customers.calendar import CustomerCalendar, month_of, month_start
from metrics.customers.cohort_sums import CohortMonth, CohortSums
from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.orders import OrderEntry
from metrics.sums.tally import Tally
from metrics.values.time import DAY, HOUR
from metrics.windows.panes import TOTAL
from metrics.windows.watermark import PartitionStatus
from streams import topics
from streams.messages.pane_blocks import pack
from streams.messages.partials import Bundle
from streams.stages.intake.customer_accounts import CustomerAccounts
from streams.stages.intake.customer_homes import CustomerHomes
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from streams.state.codec import kind_of
from streams.state.keyed_table import KeyedTable
from streams.state.store import StateStore

_ZONE, _MONTHS = ZoneInfo("UTC"), 36
_NOW = 20_500 * DAY
_LAST = month_of(_NOW, _ZONE)
_RETENTION = 1_500 * DAY
#: Changes between two checkpoints.
_BATCH = 20_000
_ALWAYS_SET = 1 << 63


def _changes(customers: int, campaigns: int) -> Iterator[AccountChange]:
    """The first orders of all, then the second."""
    for order in range(2):
        for number in range(customers):
            month = _LAST - _MONTHS + 1 + number % (_MONTHS - 1) + order
            at = month_start(month, _ZONE) + number % (20 * DAY)
            placed = PlacedFirst(at, f"order-{number}-{order}", f"campaign-{number % campaigns}", None)
            name = (number * 0x9E3779B97F4A7C15) % _ALWAYS_SET | _ALWAYS_SET
            yield AccountChange(name, at, (AccountMonth(month, 1, 49_900_000, 0, 20_000_000),), placed)


def _accounts() -> CustomerAccounts:
    orders: KeyedTable[OrderEntry] = KeyedTable("o", OrderEntry)
    return CustomerAccounts(0, orders, CustomerHomes(0, 1), 1, _RETENTION, CustomerCalendar(_ZONE))


def _resident() -> float:
    """Megabytes of this process in memory (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4_096 / 1e6


def _written(customers: int, campaigns: int) -> tuple[float, dict[str, list[tuple[bytes, bytes]]]]:
    """Seconds for the accounts of all orders, and the changelog by kind of table."""
    kept, taken, changes = _accounts(), 0.0, _changes(customers, campaigns)
    changelog: dict[str, dict[bytes, bytes]] = {table.kind: {} for table in kept.tables}
    for sequence in range(1, 2 * customers // _BATCH + 2):
        some = list(islice(changes, _BATCH))
        began = time.thread_time()
        kept.receive(some)
        entries = [entry for table in kept.tables for entry in table.take_changes(sequence)]
        taken += time.thread_time() - began
        for key, value in entries:
            if value is not None:
                changelog[kind_of(key)][key] = value
    return taken, {kind: list(found.items()) for kind, found in changelog.items()}


def state(customers: int, campaigns: int) -> str:
    """Memory of accounts, their bytes on the changelog, and how long they take to be put back."""
    with ProcessPoolExecutor(1) as other:  # whose memory is its own
        before = _resident()
        taken, changelog = other.submit(_written, customers, campaigns).result()
    size = sum(len(key) + len(value) for found in changelog.values() for key, value in found)
    fresh = _accounts()
    began = time.thread_time()
    for table in fresh.tables:
        list(table.restore(changelog[table.kind], 1 << 40))
    recovery = time.thread_time() - began
    del changelog
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return (
        f"{customers:,} customers of {campaigns:,} campaigns: {taken / (2 * customers) * 1e6:.1f} µs an order, "
        f"{size / customers:.0f} bytes each on the changelog, put back in {recovery:.2f} s with {_resident() - before:.0f} MB more"
    )


def checkpoints(campaigns: int) -> Iterator[str]:
    """Checkpoints of merge as an hour is over in which nobody, a tenth and everybody has spent, and as a month is over."""
    options = MergeOptions(1, 60_000, 1_000, _ZONE, "EUR", customer_retention=_RETENTION)
    stage = MergeStage(0, options, CampaignRegistry("EUR"), Pace.of(5_000))
    store = StateStore(stage, 0)
    sums = {
        age: CohortSums(
            100, 40, {_LAST - each: CohortMonth(30, 20, 35, 10**9, 10**8, 10**8) for each in range(age + 1)}
        )
        for age in range(_MONTHS)
    }
    cohorts = [(f"campaign-{n}", _LAST - age, sums[age]) for n in range(campaigns) for age in range(_MONTHS)]
    steps = (
        ("everything new", 0, campaigns, cohorts),
        ("an hour, nobody has spent", HOUR, 0, None),
        ("an hour, a tenth has spent", 2 * HOUR, campaigns // 10, None),
        ("an hour, all have spent", 3 * HOUR, campaigns, None),
        ("a month", 31 * DAY, 0, None),
    )
    now = 0
    for sequence, (title, after, spending, some) in enumerate(steps, 1):
        spent = [
            (f"campaign-{n}", TOTAL, 0, Tally(clicks=1, spend_micros=sequence * 10**6))
            for n in range(spending)
        ]
        status = PartitionStatus(_NOW + after, False)
        stage._take(Bundle(0, 1, sequence, pack(spent), [], status, cohorts=some))
        held, records = [], 0
        while store.is_dirty:
            now += 10_000
            began = time.thread_time()
            made = store.checkpoint(now)
            held.append(time.thread_time() - began)
            store.confirm(made.sequence)
            records += sum(each.topic == topics.CUSTOMER_KPIS for each in made.outputs)
        yield (
            f"{campaigns:,} campaigns of {_MONTHS} cohorts, {title}: {records:,} records in {len(held)} checkpoints, "
            f"{sum(held) * 1e3:.0f} ms, the longest {max(held) * 1e3:.0f} ms"
        )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_customers", description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--campaigns", type=int, default=1_000)
    asked = parser.parse_args()
    print(state(asked.customers, asked.campaigns), flush=True)
    for line in checkpoints(asked.campaigns):
        print(line, flush=True)


if __name__ == "__main__":
    main()
