"""Which windows there are, tumbling and rolling ones and the total, and where they lie."""

from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from metrics.entities.report_history import ReportHistory
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


def windows_of_report(history: ReportHistory, report: Report) -> Iterator[tuple[WindowKind, int]]:
    """The tumbling windows whose figures may have changed when a report came: kinds with starts.

    Days, and hours where the report's period is short.

    >>> history, report = ReportHistory(), Report("s", None, 0, HOUR, (0, 0, 0), 0, 0, 0, 0)
    >>> history.put(report), [(kind.name, start // HOUR) for kind, start in windows_of_report(history, report)]
    (True, [('1h', 0), ('1d', 0)])
    """
    if report.is_short:
        yield from _tumbling(TUMBLING[QUARTERS], *history.touched_by(report, short_only=True))
    yield from _tumbling(TUMBLING[DAYS], *history.touched_by(report))


def _tumbling(kind: WindowKind, start: int, end: int) -> Iterator[tuple[WindowKind, int]]:
    return ((kind, at) for at in range(floor_to(start, kind.length), end, kind.length))
