"""The machine a bench runs on, and how much processor time a process has had."""

import contextlib
import os
import platform
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_EVERY_SECONDS = 0.1
_PACKAGES = ("roistream", "aiokafka", "faust-streaming", "msgspec", "numpy", "uvloop")


def describe() -> dict[str, str]:
    """Processor, memory, system and versions."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    } | {name: version(name) for name in _PACKAGES}


def load_average() -> float:
    """How busy the machine is with everything, one minute's mean."""
    return os.getloadavg()[0]


def peak_memory_mb(pid: int) -> float:
    """The most memory a running process has had resident (Linux); NaN elsewhere."""
    return _status_mb(pid, "VmHWM")


def resident_memory_mb(pid: int) -> float:
    """What a running process has resident now, pages of files included (Linux); NaN elsewhere."""
    return _status_mb(pid, "VmRSS")


def anonymous_memory_mb(pid: int) -> float:
    """What a running process has resident now that is no page of a file (Linux); NaN elsewhere."""
    return _status_mb(pid, "RssAnon")


def _status_mb(pid: int, name: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return float("nan")


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class CpuWatch:
    """Processor seconds of processes over wall time, and their most anonymous memory, sampled beside them (Linux)."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._stats = {name: Path(f"/proc/{pid}/stat") for name, pid in pids.items()}
        self.names = list(pids)
        self.anonymous_mb = dict.fromkeys(pids, 0.0)
        self._pids = pids
        self._times: list[float] = []
        self._seconds: dict[str, list[float]] = {name: [] for name in pids}

    @contextlib.contextmanager
    def running(self) -> Iterator["CpuWatch"]:
        """Sample for as long as the context lasts."""
        stop = threading.Event()
        thread = threading.Thread(target=self._sample, args=(stop,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join()

    def share(self, name: str, began: float, ended: float) -> float | None:
        """Cores in use by a process between two wall times; None where that cannot be known."""
        first, last = bisect_left(self._times, began), bisect_left(self._times, ended)
        last = min(last, len(self._times) - 1)
        if last <= first:
            return None
        seconds = self._seconds[name]
        return (seconds[last] - seconds[first]) / (self._times[last] - self._times[first])

    def _sample(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                now = {name: cpu_seconds(path) for name, path in self._stats.items()}
            except (OSError, IndexError):
                return  # the process is gone, or this is not Linux
            self._times.append(time.time())
            for name, seconds in now.items():
                self._seconds[name].append(seconds)
                self.anonymous_mb[name] = max(self.anonymous_mb[name], anonymous_memory_mb(self._pids[name]))
            stop.wait(_EVERY_SECONDS)


def cpu_seconds(stat: Path) -> float:
    """User and system time of a process with all its threads."""
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK
