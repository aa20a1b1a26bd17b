"""Which tumbling windows are still open, and when they become final."""

from collections.abc import Iterator

from metrics.sums.tally_columns import Codes, RowIndex
from metrics.windows.publish_schedule import WindowCampaigns, stride
from metrics.windows.window_kinds import BY_NAME, TUMBLING

#: Windows that are closed at once, unless more end at the same instant: after a long silence of one topic the
#: watermark leaps over days, and a checkpoint of all their finals would miss its deadline, again after each restart.
MAX_CLOSED_AT_ONCE = 10_000


def final_at(window: str, start: int, grace: int) -> int:
    """The watermark with which a tumbling window becomes final.

    >>> final_at("1m", 0, 1_000)
    61000
    """
    return start + BY_NAME[window].length + grace


def is_past(window: str, start: int, grace: int, watermark: int | None) -> bool:
    """Whether a watermark has passed a tumbling window by the grace.

    >>> is_past("1m", 0, 1_000, 60_999), is_past("1m", 0, 1_000, 61_000), is_past("1m", 0, 1_000, None)
    (False, True, False)
    """
    return watermark is not None and final_at(window, start, grace) <= watermark


class OpenWindows:
    """Windows that have changed and are not final yet.

    Args:
        grace: milliseconds that the watermark must have passed the end of a window by.

    >>> import numpy as np; windows = OpenWindows(grace=0); windows.add(np.array([4], np.int32), "1m", 0)
    >>> windows.are_due(60_000), windows.close(60_000), windows.is_closed("1m", 0)
    (True, [WindowCampaigns(window='1m', start=0, codes=array([4], dtype=int32))], True)
    """

    def __init__(self, grace: int) -> None:
        #: How far windows are closed.
        self.through: int | None = None
        self._grace = grace
        self._open: dict[str, dict[int, RowIndex]] = {kind.name: {} for kind in TUMBLING}

    def restore(self, closed: int | None, grace: int | None) -> int:
        """Put back how far windows were final by the grace of then: what is final stays final, and nothing else is.

        Args:
            closed: how far they were; None: not at all.
            grace: of then; None: it is not known, and taken to be today's.

        Returns:
            How much further that is by the grace of today.
        """
        shift = 0 if grace is None else self._grace - grace
        self.through = None if closed is None else closed + shift
        return shift

    def is_behind(self, watermark: int | None) -> bool:
        """Whether a watermark is further than windows are closed."""
        return watermark is not None and (self.through is None or watermark > self.through)

    def is_closed(self, window: str, start: int) -> bool:
        """Whether a window has become final."""
        return is_past(window, start, self._grace, self.through)

    def add(self, codes: Codes, window: str, start: int) -> None:
        """A window that is not closed is open, for these campaigns."""
        self._open[window].setdefault(start, RowIndex()).rows(codes)

    def of(self, codes: Codes) -> Iterator[WindowCampaigns]:
        """The open windows of some campaigns."""
        for window, starts in self._open.items():
            for start, index in starts.items():
                mine = codes[index.find(codes) >= 0]
                if len(mine):
                    yield WindowCampaigns(window, start, mine)

    def are_due(self, watermark: int | None) -> bool:
        """Whether the watermark has passed windows that are still open."""
        if not self.is_behind(watermark):
            return False
        return any(
            is_past(window, start, self._grace, watermark)
            for window, starts in self._open.items()
            for start in starts
        )

    def close(self, watermark: int | None) -> list[WindowCampaigns]:
        """Windows that the watermark has passed by the grace, the oldest first; the one place that closes them."""
        if watermark is None or not self.is_behind(watermark):
            return []
        self.through = self._close_through(watermark)
        return [
            WindowCampaigns(window, start, starts.pop(start).codes)
            for window, starts in self._open.items()
            for start in sorted(starts)
            if self.is_closed(window, start)
        ]

    def _close_through(self, watermark: int) -> int:
        """How far to close now, at most up to ``watermark``."""
        ending: dict[int, int] = {}
        for kind in TUMBLING:
            for start, index in self._open[kind.name].items():
                passed_at = final_at(kind.name, start, self._grace)
                if passed_at <= watermark:
                    ending[passed_at] = ending.get(passed_at, 0) + index.count
        return stride(ending, watermark, MAX_CLOSED_AT_ONCE)
