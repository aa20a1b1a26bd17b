"""One job on roistream and on its peers, in one run: ``python -m tests.bench.peers``.

Each reads the same clicks from Apache Kafka and writes, for each campaign and minute, how many clicks it counted and what
the clicks cost, as whole values that are replaced as they grow. A written sum that is not that of the clicks ends the round;
the hand-written loop and Faust's tutorial write nothing. In a round each reads a quarter of its clicks and then all of them,
with a new process and an empty state each time: what an event costs is the difference between the two by the events between
them, so that starts count for nobody as far as two starts cost the same. Prints a table, writes .bench/peers.json,
.bench/peers.md and .bench/peers.svg. What the forms are stands in docs/benchmarks.md. Needs a JDK and Maven on the PATH for
Kafka Streams and Flink, and package registries.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.clicks import Clicks, make_clicks
from tests.bench.contenders import ROOT, BenchError, Broker
from tests.bench.machine import describe, load_average
from tests.bench.peers.jobs import PEERS, Peer, Spent, run_loop, run_peer, run_roistream, run_tutorial
from tests.bench.peers.picture import picture
from tests.bench.throughput import broker

#: Of the events asked for, what Faust's tutorial gets, of which an event takes long.
_TUTORIAL_SHARE = 0.01
_FOLDER = ROOT / ".bench"
_LEAST = 2_000

Contender = Callable[[Clicks], Spent]


class Cost(NamedTuple):
    """What an event cost: microseconds of processor time and of wall time."""

    processor_us: float
    wall_us: float


def main() -> int:
    """Measure, print, write; 1 when a contender did not come to its end."""
    options = _options()
    costs: dict[str, list[Cost]] = {}
    failed: dict[str, str] = {}
    with broker() as found, tempfile.TemporaryDirectory() as folder:
        print(f"Broker: {found.kind}; load average {load_average():.1f}.", flush=True)
        contenders = _contenders(found, options, Path(folder))
        for _ in range(options.rounds):
            for name, (share, run) in contenders.items():
                try:
                    cost = _cost(run, int(options.events * share), options.campaigns)
                except BenchError as error:
                    failed[name] = str(error)
                    print(f"  {name:<24} {error}", flush=True)
                    continue
                costs.setdefault(name, []).append(cost)
                print(f"  {name:<24} {cost.processor_us:9.2f} µs of processor time an event", flush=True)
    table = _table(costs, failed)
    print(table)
    _FOLDER.mkdir(exist_ok=True)
    (_FOLDER / "peers.md").write_text(table)
    if costs:
        middle = {name: median(cost.processor_us for cost in some) for name, some in costs.items()}
        (_FOLDER / "peers.svg").write_text(picture(middle, "roistream"))
    kept = {
        "machine": describe(),
        "load": load_average(),
        "events": options.events,
        "costs": {name: [cost._asdict() for cost in some] for name, some in costs.items()},
    }
    (_FOLDER / "peers.json").write_text(json.dumps(kept, indent=1))
    return 1 if failed else 0


def _cost(run: Contender, events: int, campaigns: int) -> Cost:
    many = max(events, 4 * _LEAST)
    less, all_ = (run(make_clicks(count, campaigns)) for count in (many // 4, many))
    between = many - many // 4
    return Cost(
        (all_.processor_seconds - less.processor_seconds) / between * 1e6,
        (all_.seconds - less.seconds) / between * 1e6,
    )


def _contenders(
    found: Broker, options: argparse.Namespace, folder: Path
) -> dict[str, tuple[float, Contender]]:
    def theirs(peer: Peer) -> Contender:
        return lambda clicks: run_peer(found, peer, clicks, folder)

    every: dict[str, tuple[float, Contender]] = {
        "roistream": (1.0, lambda clicks: run_roistream(found, clicks)),
        "hand-written loop": (1.0, lambda clicks: run_loop(found, clicks)),
        **{name: (peer.share, theirs(peer)) for name, peer in PEERS.items()},
        "Faust, its tutorial": (_TUTORIAL_SHARE, lambda clicks: run_tutorial(found, clicks)),
    }
    wanted = options.only or list(every)
    if unknown := set(wanted) - set(every):
        sys.exit(f"Unknown: {', '.join(sorted(unknown))}; there are {', '.join(every)}.")
    if not shutil.which("mvn"):
        print("Without Maven on the PATH, Kafka Streams and Flink are left out.", flush=True)
        wanted = [name for name in wanted if name not in PEERS or PEERS[name].pom is None]
    return {name: every[name] for name in wanted}


def _table(costs: dict[str, list[Cost]], failed: dict[str, str]) -> str:
    lines = [
        "| contender | µs of processor time an event, median | lowest to highest | events/s, median | × roistream |",
        "|---|---:|---:|---:|---:|",
    ]
    middle = {name: median(cost.processor_us for cost in some) for name, some in costs.items()}
    ours = middle.get("roistream")
    for name in sorted(middle, key=middle.__getitem__):
        times = [cost.processor_us for cost in costs[name]]
        rate = 1e6 / median(cost.wall_us for cost in costs[name])
        by_ours = "" if ours is None else f"{middle[name] / ours:.1f}"
        lines.append(
            f"| {name} | {middle[name]:.2f} | {min(times):.2f} to {max(times):.2f} | {rate:,.0f} | {by_ours} |"
        )
    lines += [f"| {name} | {why} | | | |" for name, why in failed.items() if name not in costs]
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000, help="clicks of the fast contenders")
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", help="one contender by its name; may be said again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
