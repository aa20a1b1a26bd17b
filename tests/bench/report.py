"""What a run found: as JSON, as a printed table, and as the table of docs/benchmarks.md."""

import argparse
import math
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.bench.contenders import Round
from tests.bench.machine import describe, load_average

_FOLDER = Path(__file__).parents[2] / ".bench"
NAMES = {
    "loop": "hand-written loop (aiokafka, msgspec, dict)",
    "worker": "roistream worker, defaults",
    "models": "roistream worker, every attribution model, 6 % leads and orders more",
    "tutorial": "Faust as in its tutorial",
}
#: Of two contenders, what the first should do of the second.
GOALS = {("worker", "loop"): 1.3, ("worker", "tutorial"): 250.0, ("models", "loop"): 0.6}


class Report(msgspec.Struct):
    """All rounds of one run, and where they ran."""

    date: str
    command: str
    broker: str
    load_average: float
    machine: dict[str, str]
    rounds: dict[str, list[Round]]

    @classmethod
    def of(cls, broker: str, options: argparse.Namespace, rounds: dict[str, list[Round]]) -> "Report":
        del options
        command = " ".join(["python -m tests.bench.throughput", *sys.argv[1:]])
        date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return cls(date, command, broker, load_average(), describe(), rounds)

    def median(self, name: str) -> float:
        return statistics.median(round_.rate for round_ in self.rounds[name])

    def ratio(self, name: str, baseline: str) -> float:
        return self.median(name) / self.median(baseline)


def print_report(report: Report) -> None:
    """The table, and the ratios beside their goals."""
    print("\n" + table(report))


def write_report(report: Report) -> None:
    """.bench/throughput.json and .bench/throughput.md; neither is kept by git."""
    _FOLDER.mkdir(exist_ok=True)
    (_FOLDER / "throughput.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(_plain(report)), indent=2)
    )
    (_FOLDER / "throughput.md").write_text(table(report) + "\n")


def table(report: Report) -> str:
    """Markdown, readable as it is."""
    lines = [
        "| contender | events/s, median | lowest to highest | rounds | cores | broker's cores | events per core second |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_row(name, report.rounds[name]) for name in NAMES]
    lines.append("")
    lines += [_ratio(report, *names, goal) for names, goal in GOALS.items()]
    lines += [
        "",
        f"`{report.command}`, {report.date}, {report.broker}, load average {report.load_average:.1f}",
    ]
    lines.append(", ".join(f"{key} {value}" for key, value in report.machine.items()))
    return "\n".join(lines)


def _row(name: str, rounds: list[Round]) -> str:
    rates = [round_.rate for round_ in rounds]
    cells = [
        NAMES[name],
        f"{statistics.median(rates):,.0f}",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        str(len(rates)),
        _mean([round_.cores for round_ in rounds]),
        _mean([round_.broker_cores for round_ in rounds]),
        f"{_thrift(rounds):,.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _ratio(report: Report, name: str, baseline: str, goal: float) -> str:
    by_core = _thrift(report.rounds[name]) / _thrift(report.rounds[baseline])
    return f"{name} / {baseline}: {report.ratio(name, baseline):.2f} by events/s (goal: {goal:g}), {by_core:.2f} by events per core second"


def _thrift(rounds: list[Round]) -> float:
    """Events per second of processor time, which other work on the machine changes least; NaN if unknown."""
    known = [round_.rate / round_.cores for round_ in rounds if round_.cores]
    return statistics.median(known) if known else math.nan


def _mean(shares: list[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return f"{statistics.mean(known):.2f}" if known else "?"


def _plain(report: Report) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(report)
    plain["medians"] = {name: round(report.median(name)) for name in NAMES}
    plain["ratios"] = {"/".join(names): round(report.ratio(*names), 3) for names in GOALS}
    plain["rounds"] = {
        name: [round_._asdict() for round_ in rounds] for name, rounds in report.rounds.items()
    }
    return plain
