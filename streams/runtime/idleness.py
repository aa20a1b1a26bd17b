"""How long a topic has been silent, as far as its broker vouches for that. Pure: ``now`` is an argument, in seconds."""


class Idleness:
    """One source topic of one partition.

    A worker that was stopped, or cut off from its broker, hears nothing either; when it wakes up, the end of
    the log it knows is an old one. So silence ends at an answer of the broker, not now. An answer may have been
    on its way for as long as the stop lasted, but what was asked after the answer before it is no older than
    that: silence reaches to the last answer but one.

    >>> one = Idleness(now=0.0)
    >>> for answer, now in ((1, 1.0), (2, 2.0), (2, 60.0), (3, 61.0)): one.answered(answer, now)
    >>> one.silence
    2.0
    """

    def __init__(self, now: float) -> None:
        self._answered_at = now
        self._answer: int | None = None
        self._seen_at = now
        self._vouched_until = now

    def read_on(self, now: float) -> None:
        """Records came."""
        self._answered_at = now

    def answered(self, answer: int | None, now: float) -> None:
        """Look at what tells the broker's last answer from the one before; the same again is none."""
        if answer is not None and answer != self._answer:
            self._answer, self._vouched_until, self._seen_at = answer, self._seen_at, now

    @property
    def silence(self) -> float:
        """Seconds without a record."""
        return max(0.0, self._vouched_until - self._answered_at)
