"""Sums of the cohorts of the customers whose home a partition is."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from metrics.customers.cohort_sums import CohortKey, CohortSums
from streams.messages.partials import CohortPartial
from streams.state.codec import Entry, decoder, encode, read_key, state_key
from streams.state.table import Restored

_decode_sums = decoder(tuple[int, CohortSums])
#: About how many bytes the sums of a cohort take in a checkpoint, kept and sent: besides the numbers there were, and each of those.
_COHORT_BYTES, _NUMBER_BYTES = 1_000, 6


class CohortTable:
    """Sums of the cohorts of one home, packed where they have not changed since the last checkpoint."""

    def __init__(self, kind: str = "kc") -> None:
        self.kind = kind
        self._packed: dict[CohortKey, bytes] = {}
        #: Those that have changed, or may not have been sent.
        self._open: dict[CohortKey, CohortSums] = {}
        self._expired: list[CohortKey] = []
        self._weight = 0

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return self._weight

    def items(self) -> Iterator[tuple[CohortKey, CohortSums]]:
        """Every cohort."""
        for key, packed in self._packed.items():
            if key not in self._open:
                yield key, _decode_sums(packed)[1]
        yield from self._open.items()

    def change(self, key: CohortKey) -> CohortSums:
        """The sums of a cohort, which are about to change."""
        found = self._open.get(key)
        if found is None:
            packed = self._packed.get(key)
            found = self._open[key] = CohortSums() if packed is None else _decode_sums(packed)[1]
            self._weight += _COHORT_BYTES + _NUMBER_BYTES * found.size
        return found

    def expire(self, first: int, is_over: Callable[[int], bool]) -> None:
        """Forget the cohorts of whose months, none of which lies before the first, the last is long over."""
        for key, packed in list(self._packed.items()):
            if key not in self._open and is_over(max(key.month, first, _decode_sums(packed)[1].latest)):
                del self._packed[key]
                self._expired.append(key)

    def changed(self) -> list[CohortPartial]:
        """What the next checkpoint sends: whole sums, also those of nobody, so that merge hears that a cohort has gone."""
        return [(*key, sums) for key, sums in self._open.items()]

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the sums; what may not have been sent counts as changed."""
        for key, value in entries:
            self._put_back(CohortKey(*read_key(key)[1:]), value, confirmed)
        return ()

    def _put_back(self, cohort: CohortKey, packed: bytes, confirmed: int) -> None:
        self._packed[cohort] = packed
        sequence, sums = _decode_sums(packed)
        if sequence > confirmed:
            self._open[cohort] = sums
            self._weight += _COHORT_BYTES + _NUMBER_BYTES * sums.size

    def take_changes(self, sequence: int) -> list[Entry]:
        """Sums that have changed, and tombstones of those that are forgotten."""
        found: list[Entry] = [(self._key(key), None) for key in self._expired]
        for key, sums in self._open.items():
            packed = self._packed[key] = encode((sequence, sums))
            found.append((self._key(key), packed))
        self._open, self._expired, self._weight = {}, [], 0
        return found

    def _key(self, cohort: CohortKey) -> bytes:
        return state_key(self.kind, *cohort)
