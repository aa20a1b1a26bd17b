"""When refusing records must stop: a bad deploy at a source must not divert everything (D20).

A limit is a frozen policy; a guard is its state for one source topic-partition; an acceptance is what an
operator grants past it. Facts that are merely too late do not count.
"""

from collections import deque
from typing import NamedTuple

from metrics.values.errors import RoistreamError


class TooManyRefusedError(RoistreamError):
    """So many records were refused that going on would divert the source."""


class RefusalLimit(NamedTuple):
    """How many records may be refused: in a row, and as a share of the last ``window`` records."""

    in_a_row: int
    share: float
    window: int = 2_000


class Acceptance:
    """Refusals that an operator lets pass; shared by all guards of a worker.

    >>> granted = Acceptance(1); granted.use(), granted.use()
    (True, False)
    """

    def __init__(self, count: int) -> None:
        self._left = count

    def use(self) -> bool:
        """Use one up, if one is left."""
        if self._left <= 0:
            return False
        self._left -= 1
        return True


class RefusalGuard:
    """Counts the refusals of one source topic-partition against the limit.

    >>> guard = RefusalGuard("leads-0", RefusalLimit(in_a_row=2, share=1.0), Acceptance(0))
    >>> guard.refused(4, "broken"); guard.refused(6, "broken")   # 5 was good
    >>> guard.refused(7, "broken")
    Traceback (most recent call last):
    metrics.records.refusal_limit.TooManyRefusedError: leads-0: 2 records in a row were refused, the last at offset 7 (broken). \
The worker stops rather than diverting everything: mend the source, or let some pass with \
roistream worker --accept-dead-letters N.
    """

    def __init__(self, name: str, limit: RefusalLimit, acceptance: Acceptance) -> None:
        self._name = name
        self._limit = limit
        self._acceptance = acceptance
        self._last = -2
        self._row = 0
        self._recent: deque[tuple[int, int]] = deque()
        self._read = 0
        self._refused = 0
        self._pending = 0

    def refused(self, offset: int, why: str) -> None:
        """One record was refused.

        Raises:
            TooManyRefusedError: when that were too many in a row.
        """
        if self._acceptance.use():
            self._row, self._last = 0, offset
            return
        self._row = self._row + 1 if offset == self._last + 1 else 1
        self._last = offset
        self._pending += 1
        if self._row >= self._limit.in_a_row:
            raise self._stop(f"{self._row} records in a row were refused", why)

    def read(self, count: int, why: str = "see dead-letters") -> None:
        """So many records were read, the refused ones among them.

        Raises:
            TooManyRefusedError: when too large a share of the last ones was refused.
        """
        self._recent.append((count, self._pending))
        self._read += count
        self._refused += self._pending
        self._pending = 0
        while self._read - self._recent[0][0] >= self._limit.window:
            gone, refused = self._recent.popleft()
            self._read -= gone
            self._refused -= refused
        if self._read >= self._limit.window and self._refused > self._limit.share * self._read:
            raise self._stop(f"{self._refused} of the last {self._read} records were refused", why)

    def _stop(self, what: str, why: str) -> TooManyRefusedError:
        return TooManyRefusedError(
            f"{self._name}: {what}, the last at offset {self._last} ({why}). The worker stops rather than diverting "
            "everything: mend the source, or let some pass with roistream worker --accept-dead-letters N."
        )
