"""Which tumbling windows are still open, and when they become final."""

from collections.abc import Iterable, Iterator

from metrics.schedule import WindowKey, stride
from metrics.windows import BY_NAME, TUMBLING

#: Windows that are closed at once, unless more end at the same instant: after a long silence of one topic the
#: watermark leaps over days, and a checkpoint of all their finals would miss its deadline, again after each restart.
MAX_CLOSED_AT_ONCE = 10_000


def is_past(window: str, start: int, grace: int, watermark: int | None) -> bool:
    """Whether a watermark has passed a tumbling window by the grace.

    >>> is_past("1m", 0, 1_000, 60_999), is_past("1m", 0, 1_000, 61_000), is_past("1m", 0, 1_000, None)
    (False, True, False)
    """
    return watermark is not None and start + BY_NAME[window].length + grace <= watermark


class OpenWindows:
    """Windows that have changed and are not final yet.

    Args:
        grace: milliseconds that the watermark must have passed the end of a window by.

    >>> windows = OpenWindows(grace=0); windows.add(["c"], "1m", 0)
    >>> windows.are_due(60_000), windows.close(60_000), windows.is_closed("1m", 0)
    (True, [('c', '1m', 0)], True)
    """

    def __init__(self, grace: int) -> None:
        #: How far windows are closed.
        self.through: int | None = None
        self._grace = grace
        self._open: dict[str, dict[int, set[str]]] = {kind.name: {} for kind in TUMBLING}

    def is_closed(self, window: str, start: int) -> bool:
        """Whether a window has become final."""
        return is_past(window, start, self._grace, self.through)

    def add(self, names: Iterable[str], window: str, start: int) -> None:
        """A window that is not closed is open, for these campaigns."""
        self._open[window].setdefault(start, set()).update(names)

    def of(self, name: str) -> Iterator[WindowKey]:
        """The open windows of a campaign."""
        for window, starts in self._open.items():
            for start, names in starts.items():
                if name in names:
                    yield name, window, start

    def are_due(self, reached: int | None) -> bool:
        """Whether the watermark has passed windows that are still open."""
        if reached is None or reached == self.through:
            return False
        return any(
            is_past(window, start, self._grace, reached)
            for window, starts in self._open.items()
            for start in starts
        )

    def close(self, reached: int | None) -> list[WindowKey]:
        """Windows that the watermark has passed by the grace, the oldest first; the one place that closes them."""
        if reached is None or reached == self.through:
            return []
        self.through = self._close_through(reached)
        return [
            (name, window, start)
            for window, starts in self._open.items()
            for start in sorted(starts)
            if self.is_closed(window, start)
            for name in sorted(starts.pop(start))
        ]

    def _close_through(self, reached: int) -> int:
        """How far to close now, at most up to ``reached``."""
        ending: dict[int, int] = {}
        for kind in TUMBLING:
            for start, names in self._open[kind.name].items():
                passed_at = start + kind.length + self._grace
                if passed_at <= reached:
                    ending[passed_at] = ending.get(passed_at, 0) + len(names)
        return stride(ending, reached, MAX_CLOSED_AT_ONCE)
