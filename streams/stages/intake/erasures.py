"""Erasures that have been done and are done once more, when everything written before them has been read.

Each topic is read at its own pace, and after a crash or a replay in another order: what a person left before the request may
be read after it.
"""

from collections.abc import Collection, Mapping

from metrics.records.events import Erasure
from metrics.values.time import MINUTE

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

    def note(self, erasure: Erasure, at: int) -> None:
        """Keep a request of an instant, in epoch ms."""
        self.waiting.append((at + _DISORDER, erasure))

    def take(self, stream_times: Mapping[str, int | None], idle: Collection[str]) -> list[Erasure]:
        """The requests that every topic has passed, or been read to its end and is silent; they wait no more."""
        reached = min(
            (-1 if at is None else at for topic, at in stream_times.items() if topic not in idle),
            default=None,
        )
        passed = [each for until, each in self.waiting if reached is None or until <= reached]
        if passed:
            self.waiting = [each for each in self.waiting if reached is not None and each[0] > reached]
        return passed
