"""Windows over the panes of one campaign: tumbling ones, rolling ones, and the total.

A pane of a campaign is the sum of what each source partition last said of it; windows are sums of
panes. Rolling windows end at the end of the pane that holds the watermark and are kept as
window += new − old, never summed anew (DESIGN 5).
"""

from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from metrics.panes import DAYS, MINUTES, QUARTERS, TOTAL, Horizon
from metrics.reports import Shelf
from metrics.tally import Tally
from metrics.timeline import DAY, HOUR, MINUTE, QUARTER, floor_to, local_midnight


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
#: Which rolling windows slide by the panes of a resolution.
_ROLLING_OVER = tuple(
    tuple(index for index, kind in enumerate(ROLLING) if kind.resolution == resolution)
    for resolution in (MINUTES, QUARTERS, DAYS)
)
_WIDTHS = {MINUTES: MINUTE, QUARTERS: QUARTER, DAYS: DAY}


_NOTHING = Tally()


class Span(NamedTuple):
    """A window [start, end) in epoch milliseconds."""

    start: int
    end: int


def rolling_span(kind: RollingKind, watermark: int, zone: ZoneInfo) -> Span:
    """Where a rolling window lies at a watermark.

    >>> rolling_span(ROLLING[0], 7 * MINUTE + 1, ZoneInfo("UTC"))
    Span(start=180000, end=480000)
    """
    width = _WIDTHS[kind.resolution]
    end = floor_to(watermark, width) + width
    return Span(local_midnight(watermark, zone) if kind.length is None else end - kind.length, end)


def rolling_spans(watermark: int, zone: ZoneInfo) -> tuple[Span, ...]:
    """Where all rolling windows lie at a watermark, in the order of ``ROLLING``."""
    return tuple(rolling_span(kind, watermark, zone) for kind in ROLLING)


class Pane(msgspec.Struct, gc=False):
    """A campaign's pane: what each source partition said of it, and their sum."""

    parts: dict[int, Tally]
    sum: Tally

    def put(self, source: int, tally: Tally) -> Tally:
        """Take in the whole value of one source; return the difference to what it was."""
        known = self.parts.get(source)
        delta = tally if known is None else tally.copy()
        if known is not None:
            delta.add(known, -1)
        self.parts[source] = tally
        self.sum.add(delta)
        return delta


class _Rolling:
    """The running sum of one rolling window."""

    __slots__ = ("span", "sum")

    def __init__(self) -> None:
        self.span = Span(0, 0)
        self.sum = Tally()


class Account:
    """Everything kept of one campaign on its merge partition."""

    def __init__(self) -> None:
        self.panes: tuple[dict[int, Pane], ...] = ({}, {}, {})
        self.total = Pane({}, Tally())
        self.shelf = Shelf()
        #: Per resolution, the end of the latest pane dropped: windows before it are no longer whole.
        self.dropped_before: list[int | None] = [None, None, None]
        self._rolling = tuple(_Rolling() for _ in ROLLING)

    def put(self, source: int, resolution: int, start: int, tally: Tally, limits: Horizon) -> bool:
        """Take in a source's whole value of a pane; False when nothing changed or it is too late."""
        if resolution == TOTAL:
            return self.total.put(source, tally) != _NOTHING
        earliest = limits[resolution]
        if earliest is not None and start < earliest:
            return False
        pane = self.panes[resolution].get(start)
        if pane is None:
            pane = self.panes[resolution][start] = Pane({}, Tally())
        delta = pane.put(source, tally)
        for index in _ROLLING_OVER[resolution]:
            rolling = self._rolling[index]
            if rolling.span.start <= start < rolling.span.end:
                rolling.sum.add(delta)
        return delta != _NOTHING

    def restore(self, resolution: int, start: int, parts: dict[int, Tally]) -> None:
        """Put back a pane with what each source said of it, before the rolling windows have a place."""
        total = Tally()
        for tally in parts.values():
            total.add(tally)
        pane = Pane(parts, total)
        if resolution == TOTAL:
            self.total = pane
        else:
            self.panes[resolution][start] = pane

    def tumbling(self, kind: WindowKind, start: int) -> Tally:
        """Sums of the tumbling window that begins at ``start``."""
        panes = self.panes[kind.resolution]
        width = _WIDTHS[kind.resolution]
        found = [panes[at] for at in range(start, start + kind.length, width) if at in panes]
        return found[0].sum if len(found) == 1 else _sum(found)

    def has_panes(self, kind: WindowKind, start: int) -> bool:
        """Whether any pane of the tumbling window that begins at ``start`` is kept."""
        panes, width = self.panes[kind.resolution], _WIDTHS[kind.resolution]
        return any(at in panes for at in range(start, start + kind.length, width))

    def rolling(self, index: int) -> tuple[Span, Tally]:
        """Span and sums of the rolling window ``ROLLING[index]``."""
        return self._rolling[index].span, self._rolling[index].sum

    def slide(self, spans: tuple[Span, ...]) -> bool:
        """Move the rolling windows; True when the sums of any changed."""
        changed = False
        for kind, rolling, span in zip(ROLLING, self._rolling, spans, strict=True):
            if rolling.span != span:
                changed |= self._move(kind.resolution, rolling, span)
        return changed

    def is_whole(self, kind: WindowKind, start: int) -> bool:
        """Whether every pane of the window is still kept, so that its sums may be published."""
        dropped = self.dropped_before[kind.resolution]
        return dropped is None or start >= dropped

    def drop(self, resolution: int, start: int) -> bool:
        """Drop a pane that accepts no more facts; False when it stays. Slide the rolling windows first.

        Days of a campaign that has reports stay: reports do not obey the watermark, so a late one must still
        find the day whole.
        """
        if resolution == DAYS and len(self.shelf):
            return False
        del self.panes[resolution][start]
        end = start + _WIDTHS[resolution]
        self.dropped_before[resolution] = max(end, self.dropped_before[resolution] or end)
        return True

    def spend_since_last_lead(self) -> int:
        """Micros spent in kept panes that begin after the pane of the last lead, at the finest kept.

        Days are scanned from the newest to the one with the last lead, then its quarters, then the
        minutes of that quarter, where they are still kept.
        """
        spent = 0
        window = Span(-(1 << 62), 1 << 62)
        for resolution in (DAYS, QUARTERS, MINUTES):
            panes = self.panes[resolution]
            inside = sorted((at for at in panes if window.start <= at < window.end), reverse=True)
            found = None
            for at in inside:
                if panes[at].sum.leads > 0:
                    found = at
                    break
                spent += panes[at].sum.spend_micros
            if found is None:
                return spent
            window = Span(found, found + _WIDTHS[resolution])
        return spent

    def _move(self, resolution: int, rolling: _Rolling, span: Span) -> bool:
        panes, width, old = self.panes[resolution], _WIDTHS[resolution], rolling.span
        before = rolling.sum.copy()
        if span.start >= old.end or span.start < old.start or span.end < old.end:
            rolling.sum = _sum([panes[at] for at in range(span.start, span.end, width) if at in panes])
        else:
            for at in range(old.start, span.start, width):
                if at in panes:
                    rolling.sum.add(panes[at].sum, -1)
            for at in range(old.end, span.end, width):
                if at in panes:
                    rolling.sum.add(panes[at].sum)
        rolling.span = span
        return rolling.sum != before


def window_of(resolution: int, start: int) -> tuple[str, int]:
    """Name and start of the published window that a pane counts in.

    >>> window_of(QUARTERS, 5 * QUARTER), window_of(TOTAL, 0)
    (('1h', 3600000), ('total', 0))
    """
    if resolution == TOTAL:
        return TOTAL_WINDOW, 0
    kind = TUMBLING[resolution]
    return kind.name, floor_to(start, kind.length)


def _sum(panes: list[Pane]) -> Tally:
    total = Tally()
    for pane in panes:
        total.add(pane.sum)
    return total
