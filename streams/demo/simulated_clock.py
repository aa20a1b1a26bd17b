"""How fast the demo's world turns: simulated time, and how dense its traffic is. Pure; time is an argument.

The world begins with a history that is sent at full speed, so that figures and closed windows are there
at once, and then lives in real time. History is thin where it is old and grows towards the present,
so that the first seconds do not drown two hours of it. With a time-lapse, simulated time starts behind
real time and catches up with it: it is never ahead, because a record from the future is refused.
"""

from dataclasses import dataclass

from metrics.values.time import HOUR, SECOND

#: Share of the live rate that the oldest history has.
OLDEST_SHARE = 1 / 240
#: At this age (seconds) history begins to thin out, in inverse proportion to its age.
FULL_AGE = 10.0
HISTORY_MS = 2 * HOUR
_STEP_MS = 10 * SECOND


@dataclass(frozen=True)
class SimulatedClock:
    """The course of simulated time; build it with ``starting``."""

    begins_ms: int
    live_ms: int
    started_ms: int
    factor: float

    @classmethod
    def starting(
        cls, now_ms: int, *, lapse_seconds: float = 0.0, factor: float = 1.0, history_ms: int = HISTORY_MS
    ) -> "SimulatedClock":
        """A world that goes live at real time ``now_ms``.

        Args:
            now_ms: the real time.
            lapse_seconds: real seconds after which simulated time has caught up with real time.
            factor: simulated seconds per real second until then; 1 is real time.
            history_ms: simulated time before going live.
        """
        behind = round(lapse_seconds * (factor - 1) * SECOND)
        live = now_ms - behind
        return cls(live - history_ms, live, now_ms, factor)

    def simulated(self, real_ms: int) -> int:
        """Simulated time at a real time; never ahead of it.

        >>> clock = SimulatedClock.starting(1_000_000, lapse_seconds=10, factor=60)
        >>> clock.simulated(1_000_000), clock.simulated(1_005_000), clock.simulated(1_020_000)
        (410000, 710000, 1020000)
        """
        return min(real_ms, self.live_ms + round(self.factor * (real_ms - self.started_ms)))

    @property
    def caught_up_ms(self) -> int:
        """The instant from which simulated and real time are the same."""
        if self.factor <= 1:
            return self.live_ms
        return self.started_ms + round((self.started_ms - self.live_ms) / (self.factor - 1))

    def density(self, at_ms: int) -> float:
        """Clicks per simulated second, as a share of the live rate, at a simulated time.

        >>> clock = SimulatedClock.starting(10_000_000)
        >>> clock.density(10_000_000), clock.density(9_980_000), clock.density(3_000_000) == OLDEST_SHARE
        (1.0, 0.5, True)
        """
        if at_ms >= self.caught_up_ms:
            return 1.0
        live = 1.0 / max(self.factor, 1.0)
        age = (self.live_ms - at_ms) / SECOND
        return live if age <= 0 else min(live, max(FULL_AGE / age, OLDEST_SHARE))

    def history_seconds(self) -> float:
        """Length of the history in seconds of the live rate (the integral of its density)."""
        steps = range(self.begins_ms, self.live_ms, _STEP_MS)
        return sum(self.density(step) for step in steps) * _STEP_MS / SECOND
