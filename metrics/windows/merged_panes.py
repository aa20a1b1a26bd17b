"""One pane of campaigns on their merge partition: what each source partition said of it, and the sums of that.

A pane of few campaigns holds objects, since an array costs its overhead however little is in it, and a history that is
read again has many panes of one campaign. A pane of many holds columns: 13 bytes a campaign, and 8 for each field that is
used by each source and by the sum, up to twice that where rows are kept free.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metrics.sums.tally import Tally
from metrics.sums.tally_columns import (
    Codes,
    RowIndex,
    Rows,
    Tallies,
    TallyColumns,
    as_tallies,
    lengthened,
    nothing,
)

Flags = npt.NDArray[np.bool_]
#: Up to so many campaigns are few.
FEW = 12
_NOTHING = Tally()


class PanePut(NamedTuple):
    """What a source's whole values have changed.

    Attributes:
        added: to the sums, by campaign.
        fresh: campaigns that have changed for the first time since the last checkpoint.
    """

    added: Tallies
    fresh: Codes


class MergedPane:
    """Whole values by source, so that one that comes twice changes nothing.

    >>> from metrics.sums.tally_columns import as_tallies; from metrics.sums.tally import Tally
    >>> pane, codes = MergedPane(), np.array([3], np.int32)
    >>> [pane.put(source, codes, as_tallies([Tally(clicks=clicks)])).fresh.tolist() for source, clicks in ((0, 2), (1, 5))]
    [[3], []]
    >>> pane.sums(np.array([3, 4], np.int32)).as_list()[0].clicks, list(pane.parts(pane.take_changes()))
    (7, [0, 1])
    """

    __slots__ = ("_few", "_many")

    def __init__(self) -> None:
        self._few: _Few | None = _Few()
        self._many: _Many | None = None

    @property
    def codes(self) -> Codes:
        """The campaigns in the pane."""
        return self._storage.codes

    def put(self, source: int, codes: Codes, sums: Tallies, *, with_added: bool = True) -> PanePut:
        """Take in whole values of one source, of campaigns that differ from each other.

        Nobody asks for what was added where ``with_added`` is False.
        """
        return self._with_room(codes).put(source, codes, sums, with_added=with_added)

    def restore(self, codes: Codes, parts: Mapping[int, Tallies]) -> None:
        """Put back what is in the changelog: of each source the values of all of these campaigns."""
        self._with_room(codes).restore(codes, parts)

    def take_changes(self) -> Codes:
        """The campaigns that have changed since the last call."""
        return self._storage.take_changes()

    def has(self, codes: Codes) -> Flags:
        """For each campaign whether it is in the pane."""
        return self._storage.has(codes)

    def sums(self, codes: Codes) -> Tallies:
        """The sums of campaigns, 0 of those that are not in the pane."""
        return self._storage.sums(codes)

    def tallies(self, codes: Codes) -> list[Tally]:
        """The same as objects, which are the caller's."""
        return self._storage.tallies(codes)

    def parts(self, codes: Codes) -> dict[int, Tallies]:
        """What each source said of campaigns."""
        return self._storage.parts(codes)

    def few(self, codes: Codes) -> list[dict[int, Tally]] | None:
        """The same as objects, of each campaign by source, where the pane holds objects."""
        return None if self._few is None else [self._few.said[code] for code in codes.tolist()]

    def only(self, codes: Codes) -> "MergedPane":
        """The pane with some of its campaigns, none of which counts as changed."""
        pane = MergedPane()
        pane.restore(codes, self.parts(codes))
        return pane

    @property
    def _storage(self) -> "_Few | _Many":
        held = self._many if self._few is None else self._few
        assert held is not None, "a pane is one or the other"
        return held

    def _with_room(self, codes: Codes) -> "_Few | _Many":
        """What holds the pane, with room for these campaigns."""
        few = self._few
        if few is not None and len(few.said) + len(codes) > FEW:
            changed = few.take_changes()
            self._many, self._few = _Many(), None
            if len(few.said):
                self._many.restore(few.codes, few.parts(few.codes))
                self._many.mark(changed)
        return self._storage


class _Few:
    """Objects, by campaign."""

    __slots__ = ("_changed", "_sums", "said")

    def __init__(self) -> None:
        self.said: dict[int, dict[int, Tally]] = {}
        self._sums: dict[int, Tally] = {}
        self._changed: dict[int, None] = {}

    @property
    def codes(self) -> Codes:
        return np.array(list(self.said), dtype=np.int32)

    def put(self, source: int, codes: Codes, sums: Tallies, *, with_added: bool) -> PanePut:
        added, fresh = [], []
        for code, tally in zip(codes.tolist(), sums.as_list(), strict=True):
            delta = self._put(source, code, tally)
            added.append(delta)
            if delta != _NOTHING and code not in self._changed:
                self._changed[code] = None
                fresh.append(code)
        return PanePut(as_tallies(added if with_added else ()), np.array(fresh, dtype=np.int32))

    def restore(self, codes: Codes, parts: Mapping[int, Tallies]) -> None:
        for code in codes.tolist():
            self.said.setdefault(code, {})
            self._sums.setdefault(code, Tally())
        for source, sums in parts.items():
            for code, tally in zip(codes.tolist(), sums.as_list(), strict=True):
                if tally != _NOTHING:
                    self._put(source, code, tally)

    def take_changes(self) -> Codes:
        changed, self._changed = self._changed, {}
        return np.array(list(changed), dtype=np.int32)

    def has(self, codes: Codes) -> Flags:
        if len(codes) > FEW:
            return np.isin(codes, self.codes)
        return np.array([code in self.said for code in codes.tolist()], dtype=np.bool_)

    def sums(self, codes: Codes) -> Tallies:
        if len(codes) <= FEW:
            return as_tallies(self.tallies(codes))
        mine, found = as_tallies(list(self._sums.values())), nothing(len(codes))
        for position, code in enumerate(self._sums):
            for at in np.flatnonzero(codes == code).tolist():
                found.values[:, at] = mine.values[:, position]
                if position in mine.beyond:
                    found.beyond[at] = mine.beyond[position]
        return found

    def tallies(self, codes: Codes) -> list[Tally]:
        return [self._sums.get(code, _NOTHING).copy() for code in codes.tolist()]

    def parts(self, codes: Codes) -> dict[int, Tallies]:
        sources = sorted({source for said in self.said.values() for source in said})
        return {
            source: as_tallies([self.said.get(code, {}).get(source, _NOTHING) for code in codes.tolist()])
            for source in sources
        }

    def _put(self, source: int, code: int, tally: Tally) -> Tally:
        said = self.said.setdefault(code, {})
        known = said.get(source)
        delta = tally.copy()
        if known is not None:
            delta.add(known, -1)
        said[source] = tally
        self._sums.setdefault(code, Tally()).add(delta)
        return delta


class _Many:
    """Columns."""

    __slots__ = ("_changed", "_index", "_parts", "_sum")

    def __init__(self) -> None:
        self._index = RowIndex()
        self._parts: dict[int, TallyColumns] = {}
        self._sum = TallyColumns()
        self._changed = np.zeros(self._index.room, dtype=np.bool_)

    @property
    def codes(self) -> Codes:
        return self._index.codes

    def put(self, source: int, codes: Codes, sums: Tallies, *, with_added: bool) -> PanePut:
        del with_added  # it is known anyway
        rows = self._make_room(codes)
        added = self._put(source, codes, sums)
        are_fresh = added.are_any() & ~self._changed[rows]
        self._changed[rows[are_fresh]] = True
        return PanePut(added, codes[are_fresh])

    def restore(self, codes: Codes, parts: Mapping[int, Tallies]) -> None:
        self._make_room(codes)
        for source, sums in parts.items():
            self._put(source, codes, sums)

    def mark(self, codes: Codes) -> None:
        self._changed[self._index.find(codes)] = True

    def take_changes(self) -> Codes:
        rows = np.flatnonzero(self._changed)
        self._changed[rows] = False
        return self.codes[rows]

    def has(self, codes: Codes) -> Flags:
        return self._index.find(codes) >= 0

    def sums(self, codes: Codes) -> Tallies:
        return self._sum.sums(self._index.find(codes))

    def tallies(self, codes: Codes) -> list[Tally]:
        return self.sums(codes).as_list()

    def parts(self, codes: Codes) -> dict[int, Tallies]:
        rows = self._index.find(codes)
        return {source: self._parts[source].sums(rows) for source in sorted(self._parts)}

    def _make_room(self, codes: Codes) -> Rows:
        rows = self._index.rows(codes)
        if len(self._changed) < self._index.room:
            self._changed = lengthened(self._changed, self._index.room)
        return rows

    def _put(self, source: int, codes: Codes, sums: Tallies) -> Tallies:
        rows, room = self._index.find(codes), self._index.room
        part = self._parts.get(source)
        if part is None:
            part = self._parts[source] = TallyColumns()
        added = part.put(rows, room, sums)
        self._sum.add_sums(rows, room, added)
        return added
