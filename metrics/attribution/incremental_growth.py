"""More room for touches, made a part with each batch: at once it would take a fifth of a second for five million.

Both kinds of growth begin while there is still room, keep up with what is changed meanwhile, and are taken over when
they are complete.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.kernels import touches as kernels

Marks = npt.NDArray[np.int64]


class WiderRing:
    """Columns of another capacity, into which touches are copied by their numbers."""

    def __init__(self, columns: tuple[npt.NDArray[Any], ...], capacity: int, first: int) -> None:
        self.columns = tuple(np.zeros(capacity, column.dtype) for column in columns)
        self._at = first

    def go_on(self, columns: tuple[npt.NDArray[Any], ...], marks: Marks, most: int) -> bool:
        """Copy so many touches more; whether all that are kept are copied."""
        start, end = max(self._at, int(marks[kernels.FIRST])), int(marks[kernels.NEXT])
        self._at = min(start + most, end)
        for old, new in zip(columns, self.columns, strict=True):
            _copy(old, new, start, self._at)
        return self._at == end

    def erase(self, numbers: npt.NDArray[np.int64]) -> None:
        """Touches have become nobody's; those that are not copied yet will be copied so."""
        visitors = self.columns[0]
        visitors[numbers[numbers < self._at] % len(visitors)] = 0


class WiderIndex:
    """Slots of another size, into which the heads of visitors are put, and those of new touches as they come."""

    def __init__(self, size: int, marks: Marks) -> None:
        self.slots = np.full(size, kernels.FREE, np.int64)
        self._used = np.zeros(1, np.int64)
        self._at = 0
        self._next = int(marks[kernels.NEXT])

    @property
    def used(self) -> int:
        """How many slots were ever used."""
        return int(self._used[0])

    def go_on(self, old: Marks, visitors: npt.NDArray[np.uint64], marks: Marks, most: int) -> bool:
        """Take the newest touches and so many slots more; whether all are taken."""
        kernels.renew(self._next, visitors, self.slots, marks, self._used)
        self._next = int(marks[kernels.NEXT])
        end = min(self._at + most, len(old))
        kernels.move(old[self._at : end], visitors, self.slots, marks, self._used)
        self._at = end
        return self._at == len(old)

    def erase(self, visitor: int, visitors: npt.NDArray[np.uint64], marks: Marks) -> None:
        """Forget a visitor whose touches are not yet erased."""
        kernels.drop(np.uint64(visitor), visitors, self.slots, marks)


def _copy(old: npt.NDArray[Any], new: npt.NDArray[Any], start: int, end: int) -> None:
    """Copy the touches numbered from ``start`` to before ``end`` from one ring to another, in runs."""
    while start < end:
        source, target = start % len(old), start % len(new)
        length = min(end - start, len(old) - source, len(new) - target)
        new[target : target + length] = old[source : source + length]
        start += length
