"""What a worker's rate depends on, one thing changed at a time: `python -m tests.bench.scaling`.

Each row is a fresh deployment with its own clicks: campaigns, skew, workers. The first row is what the others are
compared with. Peak memory is the largest of a worker process.
"""

import argparse
import json
import statistics
from typing import NamedTuple

from tests.bench.clicks import make_clicks
from tests.bench.contenders import ROOT, Broker, Round, deploy, worker_round
from tests.bench.machine import describe, load_average
from tests.bench.throughput import broker


class Variant(NamedTuple):
    """One row."""

    name: str
    campaigns: int = 200
    hot: float = 0.0
    workers: int = 1
    events: float = 1.0


VARIANTS = (
    Variant("200 campaigns, one worker"),
    Variant("two workers", workers=2),
    Variant("10 campaigns", campaigns=10),
    Variant("1 000 campaigns", campaigns=1_000),
    Variant("100 000 campaigns", campaigns=100_000),
    Variant("90 % of the clicks in one campaign", hot=0.9),
    Variant("1 000 campaigns, dedupe full", campaigns=1_000, events=2.2),
)


def measure(found: Broker, variant: Variant, events: int, rounds: int) -> list[Round]:
    """All rounds of one row."""
    clicks = make_clicks(int(events * variant.events), variant.campaigns, hot=variant.hot)
    warm_up = clicks.count // 10
    return [
        worker_round(found, deploy(found, clicks), clicks, warm_up, workers=variant.workers)
        for _ in range(rounds)
    ]


def main() -> None:
    """Measure the rows and print them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument(
        "--events", type=int, default=2_000_000, help="clicks per round; the last row has more"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    options = parser.parse_args()
    rows = []
    first = 0.0
    print("| variant | events/s | of the first | cores | broker's cores | peak memory |")
    print("|---|---:|---:|---:|---:|---:|")
    with broker() as found:
        for variant in (each for each in VARIANTS if options.only in each.name):
            rounds = measure(found, variant, options.events, options.rounds)
            rate = statistics.median(each.rate for each in rounds)
            first = first or rate
            middle = sorted(rounds, key=lambda each: each.rate)[len(rounds) // 2]
            peak = max(each.peak_mb or 0 for each in rounds)
            print(
                f"| {variant.name} | {rate:,.0f} | {rate / first:.2f} | {middle.cores or 0:.2f} | "
                f"{middle.broker_cores or 0:.2f} | {peak:,.0f} MB |",
                flush=True,
            )
            rows.append({"name": variant.name, "rate": rate, "rounds": [each._asdict() for each in rounds]})
    result = {"load_average": load_average(), "machine": describe(), "rows": rows}
    (ROOT / ".bench" / "scaling.json").write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
