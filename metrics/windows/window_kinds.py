"""Which windows there are, tumbling and rolling ones and the total, and where they lie."""

from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from metrics.entities.reports import Report
from metrics.values.time import DAY, HOUR, MINUTE, floor_to, local_midnight
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL, WIDTHS


class WindowKind(NamedTuple):
    """A tumbling window: its name, the panes it is made of, its length."""

    name: str
    resolution: int
    length: int


TUMBLING = (
    WindowKind("1m", MINUTES, MINUTE),
    WindowKind("1h", QUARTERS, HOUR),
    WindowKind("1d", DAYS, DAY),
)
BY_NAME = {kind.name: kind for kind in TUMBLING}
TOTAL_WINDOW = "total"


class RollingKind(NamedTuple):
    """A rolling window: its name, the panes it slides by, its length (None: since local midnight)."""

    name: str
    resolution: int
    length: int | None


ROLLING = (
    RollingKind("5m", MINUTES, 5 * MINUTE),
    RollingKind("1h", MINUTES, HOUR),
    RollingKind("24h", QUARTERS, 24 * HOUR),
    RollingKind("7d", QUARTERS, 7 * DAY),
    RollingKind("today", QUARTERS, None),
)
ROLLING_NAMES = (*(kind.name for kind in ROLLING), TOTAL_WINDOW)


class Span(NamedTuple):
    """A window [start, end) in epoch milliseconds."""

    start: int
    end: int


def rolling_span(kind: RollingKind, watermark: int, zone: ZoneInfo) -> Span:
    """Where a rolling window lies at a watermark.

    >>> rolling_span(ROLLING[0], 7 * MINUTE + 1, ZoneInfo("UTC"))
    Span(start=180000, end=480000)
    """
    width = WIDTHS[kind.resolution]
    end = floor_to(watermark, width) + width
    return Span(local_midnight(watermark, zone) if kind.length is None else end - kind.length, end)


def rolling_spans(watermark: int, zone: ZoneInfo) -> tuple[Span, ...]:
    """Where all rolling windows lie at a watermark, in the order of ``ROLLING``."""
    return tuple(rolling_span(kind, watermark, zone) for kind in ROLLING)


def window_of(resolution: int, start: int) -> tuple[str, int]:
    """Name and start of the published window that a pane counts in.

    >>> window_of(QUARTERS, 5 * HOUR // 4), window_of(TOTAL, 0)
    (('1h', 3600000), ('total', 0))
    """
    if resolution == TOTAL:
        return TOTAL_WINDOW, 0
    kind = TUMBLING[resolution]
    return kind.name, floor_to(start, kind.length)


def windows_of_report(report: Report) -> Iterator[tuple[WindowKind, int]]:
    """The tumbling windows that a report counts in: days, and hours where its period is short; kinds with starts.

    >>> [(kind.name, start // HOUR) for kind, start in windows_of_report(Report("s", None, 0, HOUR, (0, 0, 0), 0, 0, 0, 0))]
    [('1h', 0), ('1d', 0)]
    """
    for kind in TUMBLING[QUARTERS:] if report.is_short else TUMBLING[DAYS:]:
        first = floor_to(report.period_start, kind.length)
        yield from ((kind, start) for start in range(first, report.period_end, kind.length))
