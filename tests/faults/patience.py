"""How long the suite waits: limits are those of a machine that nobody else uses, and where others use it each second counts for less.

A wait that runs out because a start took long beside other work says nothing of the product.
"""

import os
import subprocess
import time
from collections.abc import Callable

_LOOK_S = 0.1
#: How long a client looks for its first broker, which may be starting again.
_BOOTSTRAP_WITHIN_S = 60


def slowness() -> float:
    """How many processes want each core, by the load average of a minute; at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def patient(seconds: float) -> float:
    """A limit for a client or a server that counts for itself: as long as it would be if the machine stays as busy as it is."""
    return seconds * slowness()


def bootstrap_timeout_ms() -> int:
    """How long a client of kafka-python may look for its first broker; by itself it gives up after 30 s, however busy the machine is."""
    return round(patient(_BOOTSTRAP_WITHIN_S) * 1_000)


class Deadline:
    """The end of a wait.

    Args:
        within_s: seconds of a machine that nobody else uses.
        now: seconds of a clock that never goes back.
        slow: how many times as long everything takes at the moment.
    """

    def __init__(
        self, within_s: float, now: Callable[[], float] = time.monotonic, slow: Callable[[], float] = slowness
    ) -> None:
        self._left_s, self._now, self._slow = within_s, now, slow
        self._last_s = now()

    def is_over(self) -> bool:
        """Whether the time is used up; each second since the last look counts by how slow the machine is now."""
        now_s = self._now()
        self._left_s -= (now_s - self._last_s) / self._slow()
        self._last_s = now_s
        return self._left_s <= 0


def has_ended(process: "subprocess.Popen[bytes]", within_s: float) -> bool:
    """Wait for the end of a process; False when it still runs after the limit."""
    deadline = Deadline(within_s)
    while process.poll() is None:
        if deadline.is_over():
            return False
        time.sleep(_LOOK_S)
    return True
