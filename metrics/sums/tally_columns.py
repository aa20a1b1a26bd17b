"""Sums of many campaigns as columns: a row is a campaign, a column a field of ``Tally``. Exact at any size."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from metrics.kernels.sums import find_known, find_rows
from metrics.sums.tally import Tally

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int32]

FIELDS = Tally.__struct_fields__
#: What is added to a column at once lies within ± ``LARGEST``, so up to 2^15 parts of it within ± ``LARGEST_PART``.
LARGEST = 1 << 60
LARGEST_PART = 1 << 45
#: What a column holds lies within ± this; a bound above it makes room.
LARGEST_SUM = 1 << 61
#: A campaign's values above this leave the column when it is nearly full.
_SMALL = 1 << 40
_LEAST_ROWS = 8
#: Bits of the halves in which columns are added up, so that no sum of rows runs over.
_HALF = 31


class Tallies(NamedTuple):
    """Sums of some campaigns.

    Attributes:
        values: fields by campaigns.
        beyond: the whole sums of campaigns that do not fit into ``values``, by their place in it.
    """

    values: Integers
    beyond: dict[int, Tally]

    def part(self, positions: Integers) -> "Tallies":
        """Those of some campaigns; ``positions`` ascend."""
        beyond = {}
        if self.beyond:
            beyond = {
                at: self.beyond[position]
                for at, position in enumerate(positions.tolist())
                if position in self.beyond
            }
        return Tallies(self.values[:, positions], beyond)

    def plus(self, other: "Tallies", sign: int = 1) -> "Tallies":
        """The sums of these and ``sign`` times others, of the same campaigns."""
        large = {*self.beyond, *other.beyond, *_large(self.values), *_large(other.values)}
        beyond = {position: _total(self.tally(position), other.tally(position), sign) for position in large}
        return Tallies(self.values + sign * other.values, beyond)

    def tally(self, position: int) -> Tally:
        """One as an object."""
        found = self.beyond.get(position)
        return Tally(*self.values[:, position].tolist()) if found is None else found

    def total(self) -> Tally:
        """All of them added up."""
        mine = np.ones(self.values.shape[1], dtype=np.bool_)
        mine[list(self.beyond)] = False
        # Columns of objects: a sum of many may have more than 64 bits.
        found = Tally(*(int(row[mine].astype(object).sum()) for row in self.values))
        for tally in self.beyond.values():
            found.add(tally)
        return found

    def added_up(self, fields: Sequence[int]) -> tuple[int, ...]:
        """Some fields of all of them added up, exact at any size, in a pass over the columns."""
        mine = np.ones(self.values.shape[1], dtype=np.bool_)
        mine[list(self.beyond)] = False
        found = []
        for field in fields:
            column = self.values[field][mine]
            total = (int((column >> _HALF).sum()) << _HALF) + int((column & ((1 << _HALF) - 1)).sum())
            found.append(total + sum(getattr(tally, FIELDS[field]) for tally in self.beyond.values()))
        return tuple(found)

    def as_list(self) -> list[Tally]:
        """Each as an object."""
        found = [Tally(*values) for values in self.values.T.tolist()]
        for position, tally in self.beyond.items():
            found[position] = tally.copy()
        return found

    def are_any(self) -> npt.NDArray[np.bool_]:
        """For each campaign whether any sum is not 0."""
        found = np.asarray(self.values.any(axis=0), dtype=np.bool_)
        for position, tally in self.beyond.items():
            found[position] = tally != _NOTHING
        return found


_NOTHING = Tally()


def nothing(count: int) -> Tallies:
    """Zeros."""
    return Tallies(np.zeros((len(FIELDS), count), dtype=np.int64), {})


def as_columns(tallies: Sequence[Tally], largest: int) -> tuple[Integers, list[int]]:
    """Fields by rows; 0 in the rows that have a value beyond ± ``largest``, and which rows those are."""
    rows = [msgspec.structs.astuple(tally) for tally in tallies]
    if not rows:
        return np.zeros((len(FIELDS), 0), dtype=np.int64), []
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


def as_tallies(tallies: Sequence[Tally]) -> Tallies:
    """Columns of objects."""
    values, large = as_columns(tallies, LARGEST)
    return Tallies(values, {position: tallies[position] for position in large})


class RowIndex:
    """Where a campaign's row is: 4 bytes a row and 8 of a hash table, up to twice that where rows are kept free.

    >>> index = RowIndex(); index.rows(np.array([7, 5, 7], np.int32)).tolist()
    [0, 1, 0]
    >>> index.find(np.array([5, 6], np.int32)).tolist(), index.codes.tolist()
    ([1, -1], [7, 5])
    """

    __slots__ = ("_row_codes", "_slots", "count")

    def __init__(self) -> None:
        self.count = 0
        self._slots = np.full(2 * _LEAST_ROWS, -1, dtype=np.int32)
        self._row_codes = np.empty(_LEAST_ROWS, dtype=np.int32)

    @property
    def codes(self) -> Codes:
        """The campaign of each row."""
        return self._row_codes[: self.count]

    @property
    def room(self) -> int:
        """How many rows there may be before columns must be lengthened."""
        return len(self._row_codes)

    def rows(self, codes: Codes) -> Rows:
        """The row of each campaign; new ones are made."""
        rows = np.empty(len(codes), dtype=np.int32)
        done = 0
        while True:
            done, self.count = find_rows(self._slots, self._row_codes, self.count, codes, rows, done)
            if done == len(codes):
                return rows
            self._grow()

    def find(self, codes: Codes) -> Rows:
        """The row of each campaign, -1 where it has none."""
        rows = np.empty(len(codes), dtype=np.int32)
        find_known(self._slots, self._row_codes, codes, rows)
        return rows

    def _grow(self) -> None:
        size, codes = 2 * len(self._row_codes), self.codes
        self._slots = np.full(2 * size, -1, dtype=np.int32)
        self._row_codes = np.empty(size, dtype=np.int32)
        find_rows(self._slots, self._row_codes, 0, codes, np.empty(len(codes), dtype=np.int32), 0)


class TallyColumns:
    """Sums by row.

    >>> columns = TallyColumns(); rows = np.array([0, 1], np.int32)
    >>> columns.add(rows, 8, [1], np.array([[2, 3]])); columns.add(rows[:1], 8, [1], np.array([[1]]))
    >>> [tally.clicks for tally in columns.sums(rows).as_list()]
    [3, 3]
    """

    __slots__ = ("_beyond", "_bounds", "_columns")

    def __init__(self) -> None:
        self._columns: dict[int, Integers] = {}
        #: No value of a column lies beyond ± its bound.
        self._bounds: dict[int, int] = {}
        #: What the columns do not hold, by row.
        self._beyond: dict[int, Tally] = {}

    def add(self, rows: Rows, room: int, fields: Sequence[int], values: Integers) -> None:
        """Add sums to rows that differ from each other.

        Args:
            rows: below ``room``.
            room: how many rows there may be.
            fields: the field of each row of ``values``.
            values: fields by rows, within ± ``LARGEST``; differences of two such are taken, too.
        """
        for field, part, largest in zip(fields, values, _largest(values), strict=True):
            if not largest:
                continue
            self._column(field, room)[rows] += part
            self._bounds[field] += largest
            if self._bounds[field] > LARGEST_SUM:
                self._make_room(field)

    def add_sums(self, rows: Rows, room: int, sums: Tallies, sign: int = 1) -> None:
        """Add ``sign`` times sums to rows that differ from each other."""
        values = sums.values if sign == 1 else -sums.values
        if sums.beyond:
            values = values.copy()
            values[:, list(sums.beyond)] = 0
        self.add(rows, room, range(len(values)), values)
        for position, tally in sums.beyond.items():
            self._beyond.setdefault(int(rows[position]), Tally()).add(tally, sign)

    def add_beyond(self, row: int, tally: Tally) -> None:
        """Add values of any size to a row."""
        self._beyond.setdefault(row, Tally()).add(tally)

    def put(self, rows: Rows, room: int, new: Tallies) -> Tallies:
        """Set rows that differ from each other to whole values; returns what was added by that."""
        old = self.sums(rows)
        large = {*new.beyond, *old.beyond}
        added = new.plus(old, -1)
        for field, (part, largest) in enumerate(zip(new.values, _largest(new.values), strict=True)):
            if largest or field in self._columns:
                self._column(field, room)[rows] = part
                self._bounds[field] = max(self._bounds[field], largest)
        for position in large:
            self._put_beyond(int(rows[position]), new.beyond.get(position))
        return added

    def sums(self, rows: Rows) -> Tallies:
        """The sums of rows; 0 where a row is -1."""
        values = np.zeros((len(FIELDS), len(rows)), dtype=np.int64)
        if not len(rows):
            return Tallies(values, {})
        are_missing, last = rows < 0, int(rows.max())
        has_missing = bool(are_missing.any())
        for field, column in self._columns.items():
            # A row that came after the column was lengthened last has 0 in it.
            values[field] = (column if last < len(column) else lengthened(column, last + 1))[rows]
            if has_missing:
                values[field, are_missing] = 0
        if not self._beyond:
            return Tallies(values, {})
        beyond = {
            position: self._whole(values[:, position], row)
            for position, row in enumerate(rows.tolist())
            if row in self._beyond
        }
        return Tallies(values, beyond)

    def _put_beyond(self, row: int, tally: Tally | None) -> None:
        self._beyond.pop(row, None)
        if tally is not None:
            for column in self._columns.values():
                column[row] = 0
            self._beyond[row] = tally.copy()

    def _whole(self, values: Integers, row: int) -> Tally:
        tally = Tally(*values.tolist())
        tally.add(self._beyond[row])
        return tally

    def _column(self, field: int, room: int) -> Integers:
        column = self._columns.get(field)
        if column is None:
            column = self._columns[field] = np.zeros(room, dtype=np.int64)
            self._bounds[field] = 0
        elif len(column) < room:
            column = self._columns[field] = lengthened(column, room)
        return column

    def _make_room(self, field: int) -> None:
        """Move large values out of a column before they run over."""
        column = self._columns[field]
        for row in np.flatnonzero(np.abs(column) > _SMALL).tolist():
            self.add_beyond(row, Tally(**{FIELDS[field]: int(column[row])}))
            column[row] = 0
        self._bounds[field] = _SMALL


def lengthened(column: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """A copy with room for ``size`` rows, the new ones 0."""
    longer = np.zeros(size, dtype=column.dtype)
    longer[: len(column)] = column
    return longer


def _large(values: Integers) -> list[int]:
    """Places whose values may run over where two of them are added."""
    if not values.size or int(np.abs(values).max()) <= LARGEST:
        return []
    found: list[int] = np.flatnonzero((np.abs(values) > LARGEST).any(axis=0)).tolist()
    return found


def _largest(values: Integers) -> list[int]:
    """The largest magnitude in each row."""
    found: list[int] = np.abs(values).max(axis=1, initial=0).tolist()
    return found


def _total(one: Tally, other: Tally, sign: int) -> Tally:
    found = one.copy()
    found.add(other, sign)
    return found
