"""What bounds the worker: py-spy beside it over a whole backlog, told as text.

py-spy is an optional tool: `pip install py-spy`, or name it in the variable PY_SPY.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.bench.clicks import Clicks
from tests.bench.contenders import Broker, deploy, worker_round

_FOLDER = Path(__file__).parents[2] / ".bench"
_HERTZ = 100
_ROWS = 45


def profile_worker(broker: Broker, clicks: Clicks) -> None:
    """Run a worker through one backlog; print and write .bench/profile.txt.

    .bench/profile.stacks beside it is what flame graphs are drawn from (speedscope, flamegraph.pl).
    """
    tool = os.environ.get("PY_SPY") or shutil.which(
        "py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    )
    if tool is None:
        sys.exit("--profile needs py-spy: pip install py-spy, or name its path in PY_SPY.")
    _FOLDER.mkdir(exist_ok=True)
    stacks = _FOLDER / "profile.stacks"
    options = [
        "--format",
        "raw",
        "--threads",
        "--gil",
        "--nonblocking",
        "--rate",
        str(_HERTZ),
        "--output",
        str(stacks),
    ]
    profilers: list[subprocess.Popen[bytes]] = []

    def start(pid: int) -> None:
        command = [tool, "record", *options, "--pid", str(pid)]
        profilers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    done = worker_round(broker, deploy(broker, clicks), clicks, clicks.count // 10, start)
    profilers[0].wait(30)  # it ends with the worker
    text = f"{done.rate:,.0f} events/s under py-spy at {_HERTZ} Hz\n\n{summary(stacks.read_text())}"
    (_FOLDER / "profile.txt").write_text(text)
    print(text)


def summary(stacks: str) -> str:
    """Shares of the samples, by thread, then by function: itself, and with what it called."""
    alone: Counter[str] = Counter()
    within: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    total = 0
    for line in stacks.splitlines():
        stack, _, count_text = line.rpartition(" ")
        if "importlib" in stack or "warm_up" in stack:
            continue  # the start
        frames, count = stack.split(";"), int(count_text)
        total += count
        threads[frames[0]] += count
        alone[frames[-1]] += count
        for frame in set(frames[1:]):
            within[frame] += count
    parts = [("by thread", threads), ("function itself", alone), ("function with what it called", within)]
    return "\n\n".join(_table(name, counts, total) for name, counts in parts)


def _table(name: str, counts: Counter[str], total: int) -> str:
    rows = [f"{100 * count / total:6.1f} %  {what}" for what, count in counts.most_common(_ROWS)]
    return "\n".join([name, *rows])
