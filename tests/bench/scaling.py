"""What a worker's rate depends on, one thing changed at a time: `python -m tests.bench.scaling`.

Each row is a fresh deployment with its own clicks, read by workers that are warm (`tests.bench.backlog`): workers, partitions,
campaigns, skew, and windows touched. The first row is what the others are compared with. Peak memory is the largest of a
worker process, and what of it is no page of a file; a start ends when partitions are held, with nothing stored or (restart) with the row's state. With several workers the machine's cores are shared by all of them and the broker, so the rate for each core
second of the workers is given beside the rate.
"""

import argparse
import json
import statistics
from typing import NamedTuple

from tests.bench.backlog import Drained, Load, drain
from tests.bench.contenders import ROOT
from tests.bench.machine import describe, load_average
from tests.bench.throughput import broker

_EVENTS = 4_000_000
_HOUR_MS = 3_600_000


class Variant(NamedTuple):
    """One row."""

    name: str
    load: Load
    workers: int = 1
    #: Rows that a short run leaves out.
    is_long: bool = False


VARIANTS = (
    Variant("one worker, 4 partitions, 200 campaigns, 2 minutes", Load(_EVENTS)),
    Variant("two workers", Load(_EVENTS), workers=2),
    Variant("16 partitions", Load(_EVENTS, partitions=16)),
    Variant("64 partitions", Load(_EVENTS, partitions=64), is_long=True),
    Variant("10 campaigns", Load(_EVENTS, campaigns=10), is_long=True),
    Variant("1 000 campaigns", Load(_EVENTS, campaigns=1_000)),
    Variant("100 000 campaigns", Load(_EVENTS // 4, campaigns=100_000), is_long=True),
    Variant("90 % of the clicks in one campaign", Load(_EVENTS, hot=0.9)),
    Variant("clicks of an hour: 60 windows a campaign", Load(_EVENTS, span_ms=_HOUR_MS)),
    Variant("clicks of a day: 1 465 windows a campaign", Load(_EVENTS, span_ms=24 * _HOUR_MS), is_long=True),
)


def main() -> None:
    """Measure the rows and print them."""
    options = _options()
    rows: list[dict[str, object]] = []
    first: Drained | None = None
    print(
        "| variant | events/s | lowest to highest | of the first | workers' cores | broker's | events per core second | of the first | memory | anonymous | start | restart |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    with broker() as found:
        for variant in _wanted(options):
            share = options.events / _EVENTS
            load = variant.load._replace(clicks=round(variant.load.clicks * share))
            rounds = [drain(found, load, variant.workers) for _ in range(options.rounds)]
            middle = statistics.median_low(each.rate for each in rounds)
            chosen = next(each for each in rounds if each.rate == middle)
            first = first or chosen
            print(_row(variant.name, chosen, first, [each.rate for each in rounds]), flush=True)
            rows.append(
                {"name": variant.name, "rounds": [each._asdict() | {"rate": each.rate} for each in rounds]}
            )
    result = {"load_average": load_average(), "machine": describe(), "rows": rows}
    (ROOT / ".bench").mkdir(exist_ok=True)
    (ROOT / ".bench" / "scaling.json").write_text(json.dumps(result, indent=2))


def _row(name: str, found: Drained, first: Drained, rates: list[float]) -> str:
    return (
        f"| {name} | {found.rate:,.0f} | {min(rates):,.0f} to {max(rates):,.0f} | {found.rate / first.rate:.2f} | {found.cores:.2f} | {found.broker_cores:.2f} | "
        f"{found.by_core:,.0f} | {found.by_core / first.by_core:.2f} | {found.peak_mb:,.0f} MB | {found.anonymous_mb:,.0f} MB | {found.start_s:.1f} s | {found.restart_s:.1f} s |"
    )


def _wanted(options: argparse.Namespace) -> list[Variant]:
    wanted = [each for each in VARIANTS if options.only in each.name]
    return wanted if options.full or options.only else [each for each in wanted if not each.is_long]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument("--events", type=int, default=_EVENTS, help="clicks of a round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--full", action="store_true", help="the long rows too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
