"""A watchdog: ends the process when it no longer makes progress, even when its event loop hangs."""

import faulthandler
import sys
import threading
from collections.abc import Callable

from metrics.values.errors import RoistreamError


class StalledError(RoistreamError):
    """The process has made no progress for too long."""


class Watchdog:
    """A thread that must hear ``progress`` now and then.

    Args:
        limit_s: how long without progress is too long.
        monotonic: the clock.
        fail: ends the process.
        look_every_s: how often the thread looks.
    """

    def __init__(
        self,
        limit_s: float,
        monotonic: Callable[[], float],
        fail: Callable[[BaseException], None],
        look_every_s: float = 1.0,
    ) -> None:
        self._limit_s = limit_s
        self._look_every_s = look_every_s
        self._monotonic = monotonic
        self._fail = fail
        self._progress_at = monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._progress_at = self._monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def progress(self) -> None:
        """Something moved, or nothing has to."""
        self._progress_at = self._monotonic()

    def _watch(self) -> None:
        looked = self._monotonic()
        while not self._stopped.wait(self._look_every_s):
            now = self._monotonic()
            if now - looked > 2 * self._look_every_s:  # the whole process was stopped, not its work
                self._progress_at = now
            looked = now
            if now - self._progress_at > self._limit_s:
                faulthandler.dump_traceback(file=sys.stderr)
                self._fail(
                    StalledError(
                        f"No checkpoint and no record for {now - self._progress_at:.0f} s although there is work: "
                        "the worker is stuck; what its threads were doing is above."
                    )
                )
                return
