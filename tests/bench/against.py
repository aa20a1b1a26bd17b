"""This tree beside the build at a commit, in turn: `make bench AGAINST=COMMIT`, or `python -m tests.bench.against COMMIT`.

Both builds get a backlog of the same clicks in a deployment of its own, which a new worker of that build reads with its
defaults; the next pair begins with the other build. A machine whose speed changes weighs on both rounds of a pair, so what
is said of two builds is the ratio within a pair: the median of the pairs, and the lowest and the highest of them.
What is measured is seen from outside, on `/metrics` and in /proc, where builds of any age are alike.
"""

import argparse
import contextlib
import json
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from metrics.attribution.models import MODELS
from streams import topics
from streams.embedded.child_process import LOOPBACK, free_ports
from tests.bench.backlog import delete_topics
from tests.bench.builds import ROOT, Build, BuildError, build_at
from tests.bench.clicks import Clicks, Conversions, make_clicks, make_conversions, produce
from tests.bench.contenders import (
    BenchError,
    Broker,
    bench_settings,
    metric_total,
    running_contender,
    worker_variables,
)
from tests.bench.machine import cpu_seconds, describe, load_average, peak_memory_mb
from tests.bench.throughput import broker

JOBS = {"clicks": "declared campaigns alone", "models": "every attribution model, 6 % leads and orders more"}
_WARM_UP_SHARE, _FEW_CLICKS = 10, 2_000
#: A page of /metrics costs the worker some 30 ms, so it is asked for no more often.
_POLL_S = 0.5
_READ_WITHIN_S = 600


class Figures(NamedTuple):
    """What a round says of a build.

    Attributes:
        events_per_s: from a tenth of the events to all of them, to half a second.
        cpu_us: processor time of the worker for an event in that time, in microseconds, all threads.
        peak_mb: the most memory it had resident.
        start_s: from the start of the process to the answer 200 of `/readyz`.
    """

    events_per_s: float
    cpu_us: float
    peak_mb: float
    start_s: float


LABELS = {
    "events_per_s": "events a second",
    "cpu_us": "µs of processor time an event",
    "peak_mb": "peak memory, MB",
    "start_s": "seconds to readiness",
}


class Comparison(NamedTuple):
    """One figure of two builds: medians of both, and the ratio of the first to the second over the pairs."""

    ours: float
    theirs: float
    ratio: float
    lowest: float
    highest: float


class Job(NamedTuple):
    """What a worker reads in a round."""

    clicks: Clicks
    conversions: Conversions | None

    @property
    def count(self) -> int:
        """Events, all together."""
        return self.clicks.count + (0 if self.conversions is None else self.conversions.count)


def main() -> None:
    """Check out, measure in turn, print, write."""
    options = _options()
    # Servers and workers end with this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended by a signal."))
    try:
        with build_at(options.commit) as theirs, broker() as found:
            ours = Build("this tree", ROOT, sys.executable)
            pairs = measure(
                found, ours, theirs, options.job, options.events, options.campaigns, options.pairs
            )
    except (BuildError, BenchError) as error:
        sys.exit(str(error))
    text = table(theirs.name, pairs)
    print(
        f"\n{text}\n\n{options.job} ({JOBS[options.job]}), {options.events:,} clicks, load average {load_average():.1f}"
    )
    _write(theirs.name, options, pairs)


def measure(
    found: Broker, ours: Build, theirs: Build, job: str, events: int, campaigns: int, pairs: int
) -> list[tuple[Figures, Figures]]:
    """Rounds of both builds by pair, ours first; a small round of each before them compiles what it needs.

    Raises:
        BenchError: when a worker does not come to the end, or its sums are not those of the clicks.
    """
    for build in (ours, theirs):
        print(
            f"A small round of {build.name}, which compiles its kernels where that has not been done.",
            flush=True,
        )
        _round(found, build, _job(job, _FEW_CLICKS, campaigns))
    rounds = []
    for number in range(pairs):
        work = _job(job, events, campaigns)  # anew, since what clicks cost may depend on how old they are
        order = (ours, theirs) if number % 2 == 0 else (theirs, ours)
        figures = {build: _round(found, build, work) for build in order}
        rounds.append((figures[ours], figures[theirs]))
        for build in (ours, theirs):
            each = figures[build]
            print(
                f"  {number + 1}. {build.name:<10} {each.events_per_s:>10,.0f} events/s {each.cpu_us:8.2f} µs",
                flush=True,
            )
    return rounds


def compare(pairs: Sequence[tuple[Figures, Figures]]) -> dict[str, Comparison]:
    """Every figure by its name.

    >>> one, other = Figures(100, 2, 300, 4), Figures(50, 4, 300, 4)
    >>> compare([(one, other), (other, other), (other, other)])["cpu_us"]
    Comparison(ours=4, theirs=4, ratio=1.0, lowest=0.5, highest=1.0)
    """
    compared = {}
    for place, name in enumerate(Figures._fields):
        ours, theirs = ([pair[side][place] for pair in pairs] for side in (0, 1))
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
        middle = statistics.median
        compared[name] = Comparison(middle(ours), middle(theirs), middle(ratios), min(ratios), max(ratios))
    return compared


def table(other: str, pairs: Sequence[tuple[Figures, Figures]]) -> str:
    """Markdown, readable as it is."""
    lines = [
        f"| medians of {len(pairs)} pairs | this tree | {other} | ratio | lowest to highest |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, each in compare(pairs).items():
        digits = 0 if name in {"events_per_s", "peak_mb"} else 2
        lines.append(
            f"| {LABELS[name]} | {each.ours:,.{digits}f} | {each.theirs:,.{digits}f} | {each.ratio:.3f} "
            f"| {each.lowest:.3f} to {each.highest:.3f} |"
        )
    return "\n".join(lines)


def _job(name: str, events: int, campaigns: int) -> Job:
    clicks = make_clicks(events, campaigns)
    return Job(clicks, make_conversions(clicks) if name == "models" else None)


def _round(found: Broker, build: Build, job: Job) -> Figures:
    settings = bench_settings(found)
    port = free_ports(1)[0]
    variables = worker_variables(found, settings, port)
    if job.conversions is not None:
        variables["ROISTREAM_ATTRIBUTION_MODELS"] = ",".join(MODELS)
    log = f"against-{build.name.replace(' ', '-')}.log"
    try:
        with running_contender(
            [build.python, "-m", "streams", "topics"], variables, log, build.folder
        ) as making:
            if making.wait(_READ_WITHIN_S):
                raise BenchError(f"{build.name} made no topics; .bench/{log} says why.")
        produce(found.address, settings.topic(topics.CLICKS), job.clicks.parts)
        if job.conversions is not None:
            produce(found.address, settings.topic(topics.LEADS), job.conversions.leads)
            produce(found.address, settings.topic(topics.ORDERS), job.conversions.orders)
        began = time.monotonic()
        with running_contender(
            [build.python, "-m", "streams", "worker"], variables, log, build.folder
        ) as worker:
            _until_ready(worker, port, log)
            return _watched(worker, port, job, log, time.monotonic() - began)
    finally:
        delete_topics(settings)


def _until_ready(worker: subprocess.Popen[bytes], port: int, log: str) -> None:
    for _ in _moments(worker, log, 0.05):
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=5),
        ):
            return


def _watched(worker: subprocess.Popen[bytes], port: int, job: Job, log: str, start_s: float) -> Figures:
    """Figures of a worker that reads a job to its end."""
    url, stat = f"http://{LOOPBACK}:{port}/metrics", Path(f"/proc/{worker.pid}/stat")
    first: tuple[float, float, float] | None = None
    for _ in _moments(worker, log, _POLL_S):
        applied = metric_total(url, "roistream_ledger_events", 'outcome="applied"')
        seen = (applied, time.monotonic(), cpu_seconds(stat))
        if first is None and applied >= job.count / _WARM_UP_SHARE:
            first = seen
        if applied == job.count:
            break
    for _ in _moments(worker, log, _POLL_S):
        if metric_total(url, "campaign_clicks_total") == job.clicks.count:
            break
    micros = round(metric_total(url, "campaign_spend_total") * 1_000_000)
    if micros != job.clicks.micros:
        raise BenchError(f"The spend is {micros}, it should be {job.clicks.micros}.")
    assert first is not None, "all of the events are more than a tenth of them"
    events, seconds, cpu_s = (last - before for last, before in zip(seen, first, strict=True))
    if not events:  # a job so small that it was over at once
        events, seconds, cpu_s = job.count, _POLL_S, seen[2]
    return Figures(events / seconds, 1e6 * cpu_s / events, peak_memory_mb(worker.pid), start_s)


def _moments(worker: subprocess.Popen[bytes], log: str, every_s: float) -> Iterator[int]:
    """Instants to look at a worker again."""
    deadline = time.monotonic() + _READ_WITHIN_S
    for number in count():
        if worker.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"The worker did not come to the end; its log is .bench/{log}.")
        yield number
        time.sleep(every_s)


def _write(other: str, options: argparse.Namespace, pairs: list[tuple[Figures, Figures]]) -> None:
    kept = {
        "commit": other,
        "options": vars(options),
        "machine": describe(),
        "load_average": load_average(),
        "pairs": [[each._asdict() for each in pair] for pair in pairs],
        "comparison": {name: each._asdict() for name, each in compare(pairs).items()},
    }
    (ROOT / ".bench").mkdir(exist_ok=True)
    (ROOT / ".bench" / "against.json").write_text(json.dumps(kept, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.against", description=__doc__)
    parser.add_argument("commit", help="what to compare with: anything that git knows a commit by")
    parser.add_argument("--job", choices=JOBS, default="clicks")
    parser.add_argument("--events", type=int, default=4_000_000, help="clicks of a round")
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    if options.events < _FEW_CLICKS or min(options.pairs, options.campaigns) < 1:
        sys.exit(f"At least {_FEW_CLICKS} events, one campaign and one pair are needed.")
    return options


if __name__ == "__main__":
    main()
