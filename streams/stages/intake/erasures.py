"""Erasures that have been done and are done once more, when everything written before them has been read.

Each topic is read at its own pace, and after a crash or a replay in another order: what a person left before the request may
be read after it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from metrics.records.events import Erasure
from metrics.records.validation import instant
from metrics.values.errors import Rejection
from metrics.values.time import MINUTE
from metrics.windows.panes import Horizon
from streams import topics
from streams.messages.decoding import DECODERS, decode_slice
from streams.messages.source_records import SourceRecords
from streams.stages.intake.admission import Admission
from streams.stages.intake.conversions import Conversions

#: Out of order by no more than this.
_DISORDER = MINUTE


class PendingErasures:
    """The erasures of one partition that some topic has not passed yet.

    >>> forgetting = PendingErasures()
    >>> forgetting.note(Erasure(requested_at=0, visitor_id="v"), at=0)
    >>> forgetting.take({"ad-clicks": 59_999}, ()), len(forgetting.take({"ad-clicks": 60_000}, ()))
    ([], 1)
    """

    def __init__(self) -> None:
        #: With the stream time up to which they hold.
        self.waiting: list[tuple[int, Erasure]] = []
        self._persons: dict[tuple[str | None, ...], int] = {}

    def note(self, erasure: Erasure, at: int) -> None:
        """Keep a request of an instant, in epoch ms; of several on one person the latest stands for all."""
        person, until = (erasure.visitor_id, erasure.customer_id, erasure.lead_id), at + _DISORDER
        if len(self._persons) != len(self.waiting):
            self._persons = {
                (each.visitor_id, each.customer_id, each.lead_id): place
                for place, (_, each) in enumerate(self.waiting)
            }
        place = self._persons.setdefault(person, len(self.waiting))
        if place == len(self.waiting):
            self.waiting.append((until, erasure))
        elif self.waiting[place][0] < until:
            self.waiting[place] = (until, erasure)

    def take(self, stream_times: Mapping[str, int | None], idle: Collection[str]) -> list[Erasure]:
        """The requests that every topic has passed, or been read to its end and is silent; they wait no more."""
        least = min(
            (-1 if at is None else at for topic, at in stream_times.items() if topic not in idle),
            default=None,
        )
        passed = [each for until, each in self.waiting if least is None or until <= least]
        if passed:
            self.waiting = [each for each in self.waiting if least is not None and each[0] > least]
            self._persons = {}
        return passed


class Erasures:
    """The handler of erasures.

    Credits that wait are settled before a person is erased, and what is left of the person after.

    Args:
        admission: verdicts.
        conversions: forget persons.
        settle: credits what waits.
    """

    def __init__(self, admission: Admission, conversions: Conversions, settle: Callable[[], None]) -> None:
        self.pending = PendingErasures()
        self._admission = admission
        self._conversions = conversions
        self._settle = settle

    def take(self, source_records: SourceRecords, limits: Horizon, now: int) -> None:
        """Erase persons, and note who is to be erased once more."""
        del limits
        self._settle()
        records = list(source_records)
        events = decode_slice(DECODERS[topics.ERASURES], records)
        for record, event in zip(records, events, strict=True):
            try:
                if isinstance(event, Rejection):
                    raise event
                self._conversions.erase(event)
                asked_at = instant(event.requested_at, "requested_at")
                self.pending.note(event, min(asked_at, record.timestamp))
            except Rejection as rejection:
                self._admission.refuse(record, rejection, now)
            else:
                self._admission.counts.applied += 1
        self._conversions.accounts.forget_names()
        self._settle()

    def repeat(self, passed: Sequence[Erasure]) -> None:
        """Erase once more whom everything has been read of that was written before the request."""
        if passed:
            self._settle()
            for each in passed:
                self._conversions.erase(each)
            self._conversions.accounts.forget_names()
            self._settle()
