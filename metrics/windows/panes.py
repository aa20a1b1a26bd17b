"""Panes: the smallest buckets kept, at four resolutions, and how late a fact may still reach each.

A fact is folded into its minute, its quarter of an hour, its day and the total. What a pane is kept
for follows from the retention of the tumbling window it serves: ``1m`` 2 h, ``1h`` 7 d,
``1d`` 35 d; the total is kept for good.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from metrics.kernels.sums import group
from metrics.sums.contribution import Contribution, ContributionColumns
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import (
    FIELDS,
    LARGEST,
    LARGEST_PART,
    Codes,
    Integers,
    Rows,
    Tallies,
    as_columns,
)
from metrics.values.text_codes import TextCodes
from metrics.values.time import DAY, HOUR, MINUTE, QUARTER, floor_to
from metrics.windows.pane_columns import ChangedSums, PaneColumns

#: Resolutions, finest first; integers because they are part of millions of keys.
MINUTES, QUARTERS, DAYS, TOTAL = range(4)
RESOLUTIONS = (MINUTES, QUARTERS, DAYS, TOTAL)
WIDTHS = (MINUTE, QUARTER, DAY)
#: The tumbling window that a pane's resolution serves, its length, and its retention.
WINDOW_LENGTHS = (MINUTE, HOUR, DAY)
RETENTIONS = (2 * HOUR, 7 * DAY, 35 * DAY)

PaneKey = tuple[str, int, int]
#: So many parts within ± ``LARGEST_PART`` may be added at once.
_FOLDED_AT_ONCE = 1 << 14


class Horizon(NamedTuple):
    """For each resolution the earliest pane start that still accepts facts; None accepts all."""

    minutes_from: int | None
    quarters_from: int | None
    days_from: int | None


def horizon(watermark: int | None) -> Horizon:
    """The panes that accept facts at a watermark: those whose window is within its retention.

    >>> horizon(None)
    Horizon(minutes_from=None, quarters_from=None, days_from=None)
    >>> horizon(35 * DAY).days_from
    0
    """
    if watermark is None:
        return Horizon(None, None, None)
    first = (
        floor_to(watermark - retention - length, length) + length
        for retention, length in zip(RETENTIONS, WINDOW_LENGTHS, strict=True)
    )
    return Horizon(*first)


def pane_starts(at: int) -> tuple[int, int, int]:
    """Starts of the minute, quarter and day panes that hold an instant."""
    return floor_to(at, MINUTE), floor_to(at, QUARTER), floor_to(at, DAY)


class PaneChanges(NamedTuple):
    """What has changed in one pane, by the codes of ``Panes.names``."""

    resolution: int
    start: int
    rows: ChangedSums


class DroppedPane(NamedTuple):
    """A pane that is kept no more, and the codes of the campaigns that were in it."""

    resolution: int
    start: int
    codes: Codes


class Panes:
    """The sums of one source partition, with what changed since the last checkpoint."""

    def __init__(self) -> None:
        #: Every campaign ever met; its index is its code.
        self.names = TextCodes()
        #: How many sums have changed.
        self.changes = 0
        self._columns: dict[tuple[int, int], PaneColumns] = {}
        self._changed: set[tuple[int, int]] = set()

    @property
    def tallies(self) -> dict[PaneKey, Tally]:
        """All sums as objects, a copy."""
        return {
            (self.names[code], resolution, start): tally
            for (resolution, start), columns in self._columns.items()
            for code, tally in zip(columns.codes.tolist(), columns.tallies(), strict=True)
        }

    def codes_of(self, texts: Sequence[str]) -> Codes:
        """The codes of campaigns; new ones are made."""
        return np.array(self.names.codes(texts), dtype=np.int32)

    def add(
        self,
        codes: Codes,
        at: Integers,
        fields: Sequence[int],
        sums: Integers,
        limits: Horizon,
        finest: int = MINUTES,
    ) -> None:
        """Add facts to every pane that still accepts them, and to the totals.

        The finest panes are summed first and the coarser ones from those.

        Args:
            codes: the campaign of each fact.
            at: its event time.
            fields: the field of each row of ``sums``.
            sums: fields by facts; at most 2^15 facts within ± ``LARGEST_PART``.
            limits: which panes accept facts.
            finest: no pane of a finer resolution takes part.
        """
        starts = at
        for resolution, (width, earliest) in enumerate(zip((*WIDTHS, 0), (*limits, None), strict=True)):
            if resolution < finest:
                continue
            starts = starts // width * width if resolution != TOTAL else np.zeros_like(starts)
            codes, starts, sums = group(codes, starts, sums)
            for start, rows in _by_start(starts):
                if earliest is None or start >= earliest:
                    self._add((resolution, start), codes[rows], fields, sums[:, rows])

    def fold(self, contributions: Sequence[Contribution], limits: Horizon, finest: int = MINUTES) -> None:
        """Add contributions to every pane of their time that still accepts facts, and to the totals."""
        for first in range(0, len(contributions), _FOLDED_AT_ONCE):
            part = contributions[first : first + _FOLDED_AT_ONCE]
            codes = self.codes_of([contribution.campaign for contribution in part])
            at = np.array([contribution.at for contribution in part], dtype=np.int64)
            sums, large = as_columns([contribution.tally for contribution in part], LARGEST_PART)
            fields = np.flatnonzero(sums.any(axis=1))
            self.add(codes, at, fields.tolist(), np.ascontiguousarray(sums[fields]), limits, finest)
            for index in large:
                self._fold_beyond(int(codes[index]), int(at[index]), part[index].tally, limits, finest)

    def fold_columns(self, found: ContributionColumns, limits: Horizon) -> None:
        """The same of contributions in columns."""
        campaigns = self.codes_of(found.campaigns)
        for first in range(0, len(found.at), _FOLDED_AT_ONCE):
            some = slice(first, first + _FOLDED_AT_ONCE)
            codes, at, sums = campaigns[found.codes[some]], found.at[some], found.sums[:, some].copy()
            large = np.flatnonzero((np.abs(sums) > LARGEST_PART).any(axis=0)).tolist()
            tallies = [_tally(found.fields, sums[:, index]) for index in large]
            sums[:, large] = 0
            self.add(codes, at, found.fields, sums, limits)
            for index, tally in zip(large, tallies, strict=True):
                self._fold_beyond(int(codes[index]), int(at[index]), tally, limits)

    def add_to(self, resolution: int, contributions: Sequence[Contribution], limits: Horizon) -> None:
        """Add small contributions to the panes of one resolution that still accept facts."""
        codes = self.codes_of([contribution.campaign for contribution in contributions])
        at = np.array([contribution.at for contribution in contributions], dtype=np.int64)
        starts = np.zeros_like(at) if resolution == TOTAL else at // WIDTHS[resolution] * WIDTHS[resolution]
        sums, _ = as_columns([contribution.tally for contribution in contributions], LARGEST_PART)
        fields = np.flatnonzero(sums.any(axis=1))
        codes, starts, sums = group(codes, starts, np.ascontiguousarray(sums[fields]))
        earliest = (*limits, None)[resolution]
        for start, rows in _by_start(starts):
            if earliest is None or start >= earliest:
                self._add((resolution, start), codes[rows], fields.tolist(), sums[:, rows])

    def of_campaign(self, campaign: str, resolution: int, field: str) -> dict[int, int]:
        """One sum of a campaign by the start of its pane, where the sum is not 0."""
        codes = self.codes_of([campaign])
        found = {}
        for (each, start), columns in self._columns.items():
            if each == resolution:
                value: int = getattr(columns.of(codes), field)
                if value:
                    found[start] = value
        return found

    def restore(self, resolution: int, start: int, kept: Sequence[tuple[str, Tally]]) -> Rows:
        """Put back sums of one pane read from the changelog; returns their rows, for ``mark``."""
        columns = self._open((resolution, start))
        rows = columns.rows(self.codes_of([name for name, _ in kept]))
        sums, large = as_columns([tally for _, tally in kept], LARGEST)
        columns.add(rows, range(len(sums)), sums)
        for index in large:
            columns.add_beyond(int(rows[index]), kept[index][1])
        return rows

    def mark(self, resolution: int, start: int, rows: Rows) -> None:
        """Sums of a pane count as changed."""
        self._changed.add((resolution, start))
        self.changes += self._columns[resolution, start].mark(rows)

    def take_changes(self) -> list[PaneChanges]:
        """What has changed since the last call."""
        changed, self._changed = self._changed, set()
        self.changes = 0
        return [PaneChanges(*key, self._columns[key].take_changes()) for key in sorted(changed)]

    def histories(self) -> tuple[Codes, Tallies]:
        """The whole histories: whose, and their sums."""
        columns = self._columns.get((TOTAL, 0)) or PaneColumns()
        return columns.codes, columns.sums()

    def expire(self, limits: Horizon) -> list[DroppedPane]:
        """Drop the panes that accept no more facts.

        One with changes since the last checkpoint stays until they have gone out (D2).
        """
        bounds = (*limits, None)
        dropped = [
            DroppedPane(resolution, start, columns.codes)
            for (resolution, start), columns in self._columns.items()
            if (earliest := bounds[resolution]) is not None and start < earliest and not columns.changes
        ]
        for resolution, start, _ in dropped:
            del self._columns[resolution, start]
        return dropped

    def _add(self, key: tuple[int, int], codes: Codes, fields: Sequence[int], sums: Integers) -> None:
        columns = self._open(key)
        rows = columns.rows(codes)
        columns.add(rows, fields, sums)
        self.mark(*key, rows)

    def _fold_beyond(self, code: int, at: int, tally: Tally, limits: Horizon, finest: int = MINUTES) -> None:
        for key, earliest in zip(enumerate((*pane_starts(at), 0)), (*limits, None), strict=True):
            if key[0] < finest:
                continue
            if earliest is None or key[1] >= earliest:
                self._open(key).add_beyond(
                    int(self._open(key).rows(np.array([code], dtype=np.int32))[0]), tally
                )

    def _open(self, key: tuple[int, int]) -> PaneColumns:
        columns = self._columns.get(key)
        if columns is None:
            columns = self._columns[key] = PaneColumns()
        return columns


def _tally(fields: Sequence[int], values: Integers) -> Tally:
    return Tally(**{FIELDS[field]: value for field, value in zip(fields, values.tolist(), strict=True)})


def _by_start(starts: Integers) -> Iterator[tuple[int, Integers | slice]]:
    """The different starts and the rows of each."""
    if not len(starts):
        return
    if (starts == starts[0]).all():
        yield int(starts[0]), slice(None)
        return
    order = np.argsort(starts, kind="stable")
    ends = np.flatnonzero(np.diff(starts[order])) + 1
    for rows in np.split(order, ends):
        yield int(starts[rows[0]]), rows
