"""Throughput of one worker beside two baselines, in one run: `python -m tests.bench.throughput`.

Prints a table, writes .bench/throughput.json and .bench/throughput.md. What is measured and what it means
stands in docs/benchmarks.md.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator

from streams.embedded.broker import embedded_broker
from streams.embedded.jars import kafka_version
from tests.bench.clicks import make_clicks, make_conversions
from tests.bench.contenders import Broker, Round, deploy, loop_round, tutorial_round, worker_round
from tests.bench.report import Report, print_report, write_report

_WARM_UP_SHARE = 10


def main() -> None:
    """Measure, print, write."""
    options = _options()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit("Ended by a signal.")
    )  # servers and contenders end with us
    with broker() as found:
        print(f"Broker: {found.kind}.", flush=True)
        if options.profile:
            from tests.bench.profiling import profile_worker  # noqa: PLC0415 - needs an optional tool

            profile_worker(found, make_clicks(options.events, options.campaigns))
            return
        report = measure(found, options)
    print_report(report)
    write_report(report)


def measure(found: Broker, options: argparse.Namespace) -> Report:
    """All rounds, the loop and the worker in turn, then the tutorial."""
    clicks = make_clicks(options.events, options.campaigns)
    rounds: dict[str, list[Round]] = {"loop": [], "worker": [], "models": [], "tutorial": []}
    conversions = make_conversions(clicks)
    warm_up = clicks.count // _WARM_UP_SHARE
    for _ in range(options.rounds):
        settings = deploy(found, clicks)
        _add(rounds, "loop", loop_round(found, settings, clicks, warm_up))
        _add(rounds, "worker", worker_round(found, settings, clicks, warm_up))
        settings = deploy(found, clicks, conversions)
        _add(rounds, "models", worker_round(found, settings, clicks, warm_up, conversions=conversions))
    few = make_clicks(options.tutorial_events, options.campaigns)
    settings = deploy(found, few)
    for _ in range(options.rounds):
        _add(rounds, "tutorial", tutorial_round(found, settings, few, few.count // _WARM_UP_SHARE))
    return Report.of(found.kind, options, rounds)


def _add(rounds: dict[str, list[Round]], name: str, result: Round) -> None:
    print(f"  {name:<9} {result.rate:>10,.0f} events/s", flush=True)
    rounds[name].append(result)


@contextlib.contextmanager
def broker() -> Iterator[Broker]:
    """A fresh embedded broker, with the heap that a throughput asks for."""
    with embedded_broker(heap_mb=512) as handle:
        yield Broker(f"Apache Kafka {kafka_version()}", handle.url, handle.pid)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.throughput", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000, help="clicks per round of loop and worker")
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--tutorial-events", type=int, default=10_000, help="clicks per round of the tutorial"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one small round: a check that it runs, no figures"
    )
    parser.add_argument(
        "--profile", action="store_true", help="run the worker under py-spy and say what bounds it"
    )
    options = parser.parse_args()
    if options.quick:
        options.events, options.rounds, options.tutorial_events = 100_000, 1, 3_000
    if min(options.events, options.tutorial_events) < 1_000 or options.rounds < 1 or options.campaigns < 1:
        sys.exit("At least 1000 events, one campaign and one round are needed.")
    return options


if __name__ == "__main__":
    main()
