"""A value that others are told of when it has changed, but not too often. Pure."""

from typing import Generic, TypeVar

A = TypeVar("A")


class Announcement(Generic[A]):
    """Announces a value when it differs from the one announced last, at most once an interval.

    Args:
        interval: in milliseconds.

    >>> watermark = Announcement(1_000); [watermark.take(*each) for each in ((5, 1_000), (5, 2_000), (6, 2_500), (7, 3_499))]
    [5, None, 6, None]
    >>> watermark.is_waiting, watermark.take(7, 3_500)
    (True, 7)
    """

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._announced: A | None = None
        self._announced_at = 0
        #: Whether a change waits for the interval to end.
        self.is_waiting = False

    def take(self, value: A, now: int) -> A | None:
        """The value, where it is to be announced now; ``now`` in epoch ms."""
        has_changed = value != self._announced
        self.is_waiting = has_changed and 0 <= now - self._announced_at < self._interval
        if not has_changed or self.is_waiting:
            return None
        self._announced, self._announced_at = value, now
        return value
