"""Every measurement, one after the other: `make bench`, in full with `make bench FULL=1`.

What each prints is shown and kept, with machine, date, load and the time it took: `.bench/report.json` (with the figures of
those that write JSON) and `.bench/report.md`. One that fails does not stop the others; the exit code says so.
"""

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.bench.flames import command_of
from tests.bench.machine import describe, load_average

_ROOT = Path(__file__).parents[2]
_OUT = _ROOT / ".bench"


class Step(NamedTuple):
    """One measurement: what it tells, its name, its arguments in a short and in a full run, and the JSON it writes."""

    title: str
    name: str
    short: str = ""
    full: str = ""
    result: str | None = None


STEPS = (
    Step("Intake alone", "intake"),
    Step("Merge alone", "bench_merge"),
    Step("Crediting conversions", "bench_crediting"),
    Step("Touches of visitors", "bench_journeys"),
    Step("The page of metrics", "bench_metrics"),
    Step("Function calls and bytes an event", "costs"),
    Step("Throughput", "throughput", "--events 1500000 --rounds 3", "--rounds 5", "throughput.json"),
    Step("Latency", "latency", "--rounds 3", "--shares 10,25,50,75 --rounds 5", "latency-1s.json"),
    Step(
        "Latency, PUBLISH_INTERVAL 100 ms",
        "latency",
        "--shares 25 --interval 100ms --rounds 3",
        "--shares 10,25,50 --interval 100ms --rounds 5",
        "latency-100ms.json",
    ),
    Step(
        "Scaling, memory, starts",
        "scaling",
        "--rounds 3",
        "--full --events 8000000 --rounds 3",
        "scaling.json",
    ),
    Step("The page of a live worker", "live_metrics"),
)


class Outcome(NamedTuple):
    """What a measurement printed, how it ended, and its figures where it wrote them."""

    title: str
    command: str
    seconds: float
    exit_code: int
    load_average: float
    output: str
    figures: object


def main() -> None:
    """Run, show, keep."""
    options = _options()
    _OUT.mkdir(exist_ok=True)
    wanted = [step for step in STEPS if options.only in step.name]
    outcomes = [_run(step, is_full=options.full) for step in wanted]
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    report = {"date": date, "machine": describe(), "measurements": [each._asdict() for each in outcomes]}
    (_OUT / "report.json").write_text(json.dumps(report, indent=2))
    (_OUT / "report.md").write_text(_page(date, outcomes))
    print(f"\n.bench/report.md and .bench/report.json: {sum(each.seconds for each in outcomes):.0f} s.")
    failed = [each.title for each in outcomes if each.exit_code]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


def _run(step: Step, *, is_full: bool) -> Outcome:
    arguments = (step.full if is_full else step.short).split()
    command = command_of(step.name, arguments)
    shown = " ".join(["python", *command[1:]]).replace(f"{_ROOT}/", "")
    print(f"\n== {step.title}: {shown}", flush=True)
    load, began, lines = load_average(), time.monotonic(), []
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    seconds = time.monotonic() - began
    return Outcome(
        step.title,
        shown,
        round(seconds, 1),
        process.returncode,
        load,
        "".join(lines),
        _figures(step, seconds),
    )


def _figures(step: Step, seconds: float) -> object:
    """What the measurement wrote just now; None where it writes nothing, or failed before it did."""
    if step.result is None:
        return None
    path = _OUT / step.result
    if not path.is_file() or time.time() - path.stat().st_mtime > seconds:
        return None
    found: object = json.loads(path.read_text())
    return found


def _page(date: str, outcomes: list[Outcome]) -> str:
    machine = ", ".join(f"{key} {value}" for key, value in describe().items())
    parts = [f"# Benchmarks of {date}\n\n{machine}\n"]
    for each in outcomes:
        verdict = "" if each.exit_code == 0 else f", **failed** ({each.exit_code})"
        head = f"`{each.command}`: {each.seconds:.0f} s, load average {each.load_average:.1f} before{verdict}"
        is_table = each.output.lstrip().startswith("|")
        body = each.output if is_table else f"```\n{each.output}```\n"
        parts.append(f"## {each.title}\n\n{head}\n\n{body}")
    return "\n".join(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all rows, larger sizes, more rounds")
    parser.add_argument("--only", default="", help="measurements whose name contains this")
    return parser.parse_args()


if __name__ == "__main__":
    main()
