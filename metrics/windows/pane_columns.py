"""The sums of many campaigns in one pane of one source partition, and which have changed.

A campaign takes 13 bytes and 8 for each field that is used, up to twice that where rows are kept free.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes, Integers, RowIndex, Rows, Tallies, TallyColumns, lengthened


class ChangedSums(NamedTuple):
    """Campaigns whose sums have changed, and their whole sums."""

    codes: Codes
    sums: Tallies


class PaneColumns:
    """The sums of one pane, and which have changed. Sums are exact at any size.

    >>> pane = PaneColumns(); rows = pane.rows(np.array([7, 5], np.int32))
    >>> pane.add(rows, [1], np.array([[2, 3]])); pane.add(rows[:1], [1], np.array([[1]])); pane.mark(rows)
    2
    >>> [(int(code), tally.clicks) for code, tally in zip(pane.codes, pane.tallies())]
    [(7, 3), (5, 3)]
    """

    __slots__ = ("_changed", "_columns", "_index", "changes")

    def __init__(self) -> None:
        #: How many rows have changed.
        self.changes = 0
        self._index = RowIndex()
        self._columns = TallyColumns()
        self._changed = np.zeros(self._index.room, dtype=np.bool_)

    @property
    def codes(self) -> Codes:
        """The campaign of each row."""
        return self._index.codes

    def rows(self, codes: Codes) -> Rows:
        """The row of each campaign; new ones are made."""
        rows = self._index.rows(codes)
        if len(self._changed) < self._index.room:
            self._changed = lengthened(self._changed, self._index.room)
        return rows

    def add(self, rows: Rows, fields: Sequence[int], values: Integers) -> None:
        """Add sums to rows that differ from each other, as ``TallyColumns.add`` takes them."""
        self._columns.add(rows, self._index.room, fields, values)

    def add_beyond(self, row: int, tally: Tally) -> None:
        """Add values of any size to a row."""
        self._columns.add_beyond(row, tally)

    def mark(self, rows: Rows) -> int:
        """These rows have changed; returns how many had not."""
        fresh = len(rows) - int(np.count_nonzero(self._changed[rows]))
        self._changed[rows] = True
        self.changes += fresh
        return fresh

    def take_changes(self) -> ChangedSums:
        """The rows that have changed since the last call."""
        rows = np.flatnonzero(self._changed).astype(np.int32)
        self._changed[rows] = False
        self.changes = 0
        return ChangedSums(self.codes[rows], self._columns.sums(rows))

    def of(self, codes: Codes) -> Tally:
        """The sums of the first of some campaigns; zeros where it is not in the pane."""
        return self._columns.sums(self._index.find(codes[:1])).tally(0)

    def sums(self) -> Tallies:
        """The sums of each row as columns."""
        return self._columns.sums(np.arange(self._index.count, dtype=np.int32))

    def tallies(self) -> list[Tally]:
        """The sums of each row."""
        return self.sums().as_list()
