"""One pane of many campaigns on their merge partition: what each source partition said of it, and the sums of that.

A campaign takes 13 bytes, and 8 for each field that is used by each source and by the sum, up to twice that where rows
are kept free.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from metrics.columns import Codes, Columns, RowIndex, Rows, Tallies, lengthened


class Put(NamedTuple):
    """What a source's whole values have changed.

    Attributes:
        added: to the sums, by campaign.
        fresh: campaigns that have changed for the first time since the last checkpoint.
    """

    added: Tallies
    fresh: Codes


class SourcePane:
    """Whole values by source, so that one that comes twice changes nothing.

    >>> from metrics.columns import as_tallies; from metrics.tally import Tally
    >>> pane, codes = SourcePane(), np.array([3], np.int32)
    >>> [pane.put(source, codes, as_tallies([Tally(clicks=clicks)])).fresh.tolist() for source, clicks in ((0, 2), (1, 5))]
    [[3], []]
    >>> pane.sums(np.array([3, 4], np.int32)).as_list()[0].clicks, list(pane.parts(pane.take_changes()))
    (7, [0, 1])
    """

    __slots__ = ("_changed", "_index", "_parts", "_sum")

    def __init__(self) -> None:
        self._index = RowIndex()
        self._parts: dict[int, Columns] = {}
        self._sum = Columns()
        self._changed = np.zeros(self._index.room, dtype=np.bool_)

    @property
    def codes(self) -> Codes:
        """The campaigns in the pane."""
        return self._index.codes

    def put(self, source: int, codes: Codes, sums: Tallies) -> Put:
        """Take in whole values of one source, of campaigns that differ from each other."""
        rows = self._make_room(codes)
        added = self._put(source, codes, sums)
        are_fresh = added.are_any() & ~self._changed[rows]
        self._changed[rows[are_fresh]] = True
        return Put(added, codes[are_fresh])

    def restore(self, codes: Codes, parts: Mapping[int, Tallies]) -> None:
        """Put back what is in the changelog: of each source the values of all of these campaigns."""
        self._make_room(codes)
        for source, sums in parts.items():
            self._put(source, codes, sums)

    def take_changes(self) -> Codes:
        """The campaigns that have changed since the last call."""
        rows = np.flatnonzero(self._changed)
        self._changed[rows] = False
        return self.codes[rows]

    def has(self, codes: Codes) -> np.ndarray:
        """For each campaign whether it is in the pane."""
        return self._index.find(codes) >= 0

    def sums(self, codes: Codes) -> Tallies:
        """The sums of campaigns, 0 of those that are not in the pane."""
        return self._sum.sums(self._index.find(codes))

    def parts(self, codes: Codes) -> dict[int, Tallies]:
        """What each source said of campaigns."""
        rows = self._index.find(codes)
        return {source: self._parts[source].sums(rows) for source in sorted(self._parts)}

    def only(self, codes: Codes) -> "SourcePane":
        """The pane with some of its campaigns, none of which counts as changed."""
        pane = SourcePane()
        pane.restore(codes, self.parts(codes))
        return pane

    def _make_room(self, codes: Codes) -> Rows:
        rows = self._index.rows(codes)
        if len(self._changed) < self._index.room:
            self._changed = lengthened(self._changed, self._index.room)
        return rows

    def _put(self, source: int, codes: Codes, sums: Tallies) -> Tallies:
        rows, room = self._index.find(codes), self._index.room
        part = self._parts.get(source)
        if part is None:
            part = self._parts[source] = Columns()
        added = part.put(rows, room, sums)
        self._sum.add_sums(rows, room, added)
        return added
