"""Cohorts that a state holds and that are kept no more: their records are taken back, on the topic and in views."""

from collections.abc import Iterable, Iterator, Sequence

from metrics.customers.calendar import CustomerCalendar
from metrics.customers.cohort_sums import CohortKey
from streams.stages.merge.cohort_parts import CohortParts, published_of
from streams.state.codec import Entry, read_key
from streams.state.table import Restored


class ForgottenCohorts:
    """A table of cohorts of one merge partition after CUSTOMER_RETENTION was taken away, or with cohorts of another period.

    Each record of the changelog stays until the record that takes its cohort back has gone out for sure: a worker that dies before gives
    that out again.

    Args:
        calendar: what the cohorts went by.
        kind: of the records.
    """

    def __init__(self, calendar: CustomerCalendar, kind: str) -> None:
        self.calendar = calendar
        self.kind = kind
        self._waiting: dict[str, list[bytes]] = {}
        self._going: list[bytes] = []
        self._gone: list[bytes] = []

    @property
    def is_waiting(self) -> bool:
        """Whether anything is left of them."""
        return bool(self._waiting or self._going or self._gone)

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return sum(map(len, self._gone))

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Find what is left of them."""
        del confirmed
        for key, _ in entries:
            self._waiting.setdefault(read_key(key)[1], []).append(key)
        return ()

    def take(self, most: int) -> list[CohortKey]:
        """Cohorts whose records say from now on that nobody is in them: those of whole campaigns, until there are ``most``."""
        found: dict[CohortKey, None] = {}
        while self._waiting and len(found) < most:
            campaign, keys = self._waiting.popitem()
            for key in keys:
                found.update(dict.fromkeys(published_of(CohortKey(campaign, read_key(key)[2]))))
            self._going += keys
        return list(found)

    def confirm(self) -> None:
        """What was taken has gone out for sure."""
        self._gone, self._going = self._gone + self._going, []

    def take_changes(self, sequence: int) -> Iterator[Entry]:
        """Tombstones of those that were taken back."""
        del sequence
        gone, self._gone = self._gone, []
        for key in gone:
            yield key, None


class ModelCohorts(ForgottenCohorts):
    """The table of cohorts in models: those of models that are kept lie with all other cohorts, the others are forgotten.

    Args:
        calendar: what cohorts go by.
        parts: all cohorts; their table gives its changes before this one.
    """

    def __init__(self, calendar: CustomerCalendar, parts: CohortParts) -> None:
        super().__init__(calendar, parts.model_kind)
        self._parts = parts

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the sums in models that are kept, and find what is left of others."""
        kept, others = list[Restored](), list[Restored]()
        for entry in entries:
            (kept if self._parts.computes(read_key(entry[0])[1]) else others).append(entry)
        self._parts.restore(kept, confirmed)
        return super().restore(others, confirmed)

    def take_changes(self, sequence: int) -> Iterator[Entry]:
        """Sums that have changed, and tombstones."""
        yield from self._parts.take_model_changes()
        yield from super().take_changes(sequence)
