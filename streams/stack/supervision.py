"""Keeps processes running: one that ends by itself is started again after a pause, and said. Time is an argument."""

import signal
from dataclasses import dataclass, field

from streams.embedded.child_process import Server

#: Seconds from an end to the next start: of the first end, and at most; each further one in a row doubles it.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
#: Who has run for so long has recovered: the next end is the first in a row.
STEADY_S = 60.0


@dataclass
class Supervised:
    """One process and its ends.

    Attributes:
        server: the process.
        since_s: when it was started last.
        ends: how often it ended in a row.
        due_s: when it is started again; None while it runs.
    """

    server: Server
    since_s: float
    ends: int = field(default=0, init=False)
    due_s: float | None = field(default=None, init=False)

    def look(self, now_s: float) -> str | None:
        """Start it again when that is due; what there is to say, or None.

        Args:
            now_s: seconds of a clock that never goes back.
        """
        if self.due_s is None:
            return None if self.server.is_running else self._ended(now_s)
        if now_s < self.due_s:
            return None
        self.server.start_again()
        self.since_s, self.due_s = now_s, None
        return f"{self.server.name} is started again."

    def _ended(self, now_s: float) -> str:
        self.ends = 1 if now_s - self.since_s >= STEADY_S else self.ends + 1
        pause = min(FIRST_PAUSE_S * 2 ** (self.ends - 1), LONGEST_PAUSE_S)
        self.due_s = now_s + pause
        often = "" if self.ends == 1 else f", {self.ends} times in a row now"
        return (
            f"{self.server.name} ended by itself ({reason(self.server.exit_code)}){often}; it starts again in {pause:g} s. "
            f"Its log: {self.server.log}"
        )


def reason(exit_code: int | None) -> str:
    """How a process ended, in words.

    >>> reason(1), reason(-9)
    ('exit code 1', 'SIGKILL')
    """
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    return signal.Signals(-exit_code).name
