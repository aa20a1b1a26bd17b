"""A watchdog: ends the process when it no longer makes progress, even when its event loop hangs."""

import faulthandler
import sys
import threading
from collections.abc import Callable, Sequence

from metrics.values.errors import RoistreamError
from streams.runtime.progress import SAID_AFTER_S, Stuck


class StalledError(RoistreamError):
    """The process has made no progress for too long."""


class Watchdog:
    """A thread that must hear of progress now and then.

    A busy machine has some work waiting at every look. As long as each piece of it moves now and then, the process is slow, and a
    start would not make it faster: what ends the process is one piece of work that has stood still for longer than the limit.

    Args:
        limit_s: for how long one piece of work, or the event loop, may stand still.
        monotonic: the clock.
        fail: ends the process.
        say: hears, once, that the event loop has not turned for a while.
        look_every_s: how often the thread looks.
    """

    def __init__(
        self,
        limit_s: float,
        monotonic: Callable[[], float],
        fail: Callable[[BaseException], None],
        say: Callable[[str], None],
        look_every_s: float = 1.0,
    ) -> None:
        self._limit_s = limit_s
        self._look_every_s = look_every_s
        self._monotonic = monotonic
        self._fail, self._say = fail, say
        self._progress_at = self._turned_at = self._looked_at = self._counts_from = monotonic()
        self._stuck: tuple[str, ...] = ()
        self._has_said = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._progress_at = self._turned_at = self._looked_at = self._counts_from = self._monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def turned(self, stuck: Sequence[Stuck]) -> None:
        """The event loop has turned.

        Args:
            stuck: what waits and does not move; the one that has done so for the longest counts.
        """
        self._turned_at, self._has_said = self._monotonic(), False
        self._stuck = tuple(each.sentence for each in stuck)
        longest_s = max((each.seconds for each in stuck), default=0.0)
        self._progress_at = max(self._counts_from, self._turned_at - longest_s)

    def look(self) -> bool:
        """Look once; whether the process was told to end."""
        now = self._monotonic()
        if now - self._looked_at > 2 * self._look_every_s:  # the whole process was stopped, not its work
            self._progress_at = self._turned_at = self._counts_from = now
        self._looked_at = now
        still = now - self._turned_at
        if still > SAID_AFTER_S and not self._has_said:
            self._has_said = True
            self._say(f"The event loop has not turned for {still:.0f} s: all stages stand still.")
        without = now - self._progress_at
        if without <= self._limit_s:
            return False
        faulthandler.dump_traceback(file=sys.stderr)
        what = "; ".join(self._stuck) or "the event loop does not turn"
        self._fail(
            StalledError(
                f"There was work and no progress for {without:.0f} s: {what}. What the threads were doing is above."
            )
        )
        return True

    def _watch(self) -> None:
        while not self._stopped.wait(self._look_every_s):
            if self.look():
                return
