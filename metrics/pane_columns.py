"""The sums of many campaigns in one pane, as columns: a row is a campaign, a column a field of ``Tally``.

A campaign takes 13 bytes and 8 for each field that is used, up to twice that where rows are kept free.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from metrics.kernels.sums import find_rows
from metrics.tally import Tally

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int32]

FIELDS = Tally.__struct_fields__
#: What is added to a column at once lies within ± ``LARGEST``, so up to 2^15 parts of it within ± ``LARGEST_PART``.
LARGEST = 1 << 60
LARGEST_PART = 1 << 45
#: A bound above this makes room.
_FULL = 1 << 61
#: A campaign's values above this leave the column when it is nearly full.
_SMALL = 1 << 40
_LEAST_ROWS = 8


class Changes(NamedTuple):
    """Rows that have changed.

    Attributes:
        codes: the campaign of each.
        sums: fields by rows.
        beyond: the whole sums of the rows that do not fit into ``sums``, by their place in it.
    """

    codes: Codes
    sums: Integers
    beyond: dict[int, Tally]


def as_columns(tallies: Sequence[Tally], largest: int) -> tuple[Integers, list[int]]:
    """Fields by rows; 0 in the rows that have a value beyond ± ``largest``, and which rows those are."""
    rows = [msgspec.structs.astuple(tally) for tally in tallies]
    try:
        sums = np.array(rows, dtype=np.int64).reshape(len(rows), len(FIELDS))
    except OverflowError:
        large = [index for index, row in enumerate(rows) if max(row) > largest or min(row) < -largest]
        for index in large:
            rows[index] = (0,) * len(FIELDS)
        return np.array(rows, dtype=np.int64).T, large
    large = np.flatnonzero(((sums > largest) | (sums < -largest)).any(axis=1)).tolist()
    sums[large] = 0
    return sums.T, large


class PaneColumns:
    """The sums of one pane, and which have changed. Sums are exact at any size.

    >>> pane = PaneColumns(); rows = pane.rows(np.array([7, 5], np.int32))
    >>> pane.add(rows, [1], np.array([[2, 3]])); pane.add(rows[:1], [1], np.array([[1]])); pane.mark(rows)
    2
    >>> [(int(code), tally.clicks) for code, tally in zip(pane.codes, pane.tallies())]
    [(7, 3), (5, 3)]
    """

    __slots__ = ("_beyond", "_bounds", "_changed", "_columns", "_held", "_slots", "changes", "count")

    def __init__(self) -> None:
        self.count = 0
        #: How many rows have changed.
        self.changes = 0
        self._slots = np.full(2 * _LEAST_ROWS, -1, dtype=np.int32)
        self._held = np.empty(_LEAST_ROWS, dtype=np.int32)
        self._changed = np.zeros(_LEAST_ROWS, dtype=np.bool_)
        self._columns: dict[int, Integers] = {}
        #: No value of a column lies beyond ± its bound.
        self._bounds: dict[int, int] = {}
        #: What the columns do not hold, by row.
        self._beyond: dict[int, Tally] = {}

    @property
    def codes(self) -> Codes:
        """The campaign of each row."""
        return self._held[: self.count]

    def rows(self, codes: Codes) -> Rows:
        """The row of each campaign; new ones are made."""
        rows = np.empty(len(codes), dtype=np.int32)
        done = 0
        while True:
            done, self.count = find_rows(self._slots, self._held, self.count, codes, rows, done)
            if done == len(codes):
                return rows
            self._grow()

    def add(self, rows: Rows, fields: Sequence[int], sums: Integers) -> None:
        """Add sums, fields by rows, to rows that differ from each other.

        Args:
            rows: as ``rows`` has found them.
            fields: the field of each row of ``sums``.
            sums: within ± ``LARGEST``.
        """
        for field, values in zip(fields, sums, strict=True):
            largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
            if not largest:
                continue
            column = self._columns.get(field)
            if column is None:
                column = self._columns[field] = np.zeros(len(self._held), dtype=np.int64)
                self._bounds[field] = 0
            column[rows] += values
            self._bounds[field] += largest
            if self._bounds[field] > _FULL:
                self._make_room(field)

    def add_beyond(self, row: int, tally: Tally) -> None:
        """Add values of any size to a row."""
        self._beyond.setdefault(row, Tally()).add(tally)

    def mark(self, rows: Rows) -> int:
        """These rows have changed; returns how many had not."""
        fresh = len(rows) - int(np.count_nonzero(self._changed[rows]))
        self._changed[rows] = True
        self.changes += fresh
        return fresh

    def take_changes(self) -> Changes:
        """The rows that have changed since the last call."""
        rows = np.flatnonzero(self._changed).astype(np.int32)
        self._changed[rows] = False
        self.changes = 0
        sums = self._sums(rows)
        beyond = {
            index: self._whole(sums[:, index], int(row))
            for index, row in enumerate(rows if self._beyond else ())
            if int(row) in self._beyond
        }
        return Changes(self._held[rows], sums, beyond)

    def tallies(self) -> list[Tally]:
        """The sums of each row."""
        sums = self._sums(np.arange(self.count, dtype=np.int32))
        return [self._whole(values, row) for row, values in enumerate(sums.T)]

    def _whole(self, values: Integers, row: int) -> Tally:
        tally = Tally(*values.tolist())
        if row in self._beyond:
            tally.add(self._beyond[row])
        return tally

    def _sums(self, rows: Rows) -> Integers:
        sums = np.zeros((len(FIELDS), len(rows)), dtype=np.int64)
        for field, column in self._columns.items():
            sums[field] = column[rows]
        return sums

    def _make_room(self, field: int) -> None:
        """Move large values out of a column before they run over."""
        column = self._columns[field]
        for row in np.flatnonzero(np.abs(column) > _SMALL).tolist():
            self.add_beyond(row, Tally(**{FIELDS[field]: int(column[row])}))
            column[row] = 0
        self._bounds[field] = _SMALL

    def _grow(self) -> None:
        size = 2 * len(self._held)
        codes = self.codes
        self._slots = np.full(2 * size, -1, dtype=np.int32)
        self._held = np.empty(size, dtype=np.int32)
        find_rows(self._slots, self._held, 0, codes, np.empty(len(codes), dtype=np.int32), 0)
        self._changed = _lengthened(self._changed, size)
        for field, column in self._columns.items():
            self._columns[field] = _lengthened(column, size)


def _lengthened(column: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    longer = np.zeros(size, dtype=column.dtype)
    longer[: len(column)] = column
    return longer
