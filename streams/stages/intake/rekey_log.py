"""What leaves a partition for the homes of its visitors, as a part of stage one's checkpoints.

Messages stay in an outbox of the changelog until they are confirmed, under their own sequence: a successor sends them again, and
whoever has them passes them over.
"""

from collections.abc import Iterable

from streams import topics
from streams.stages.intake.repartition import Rekeyed, Repartitioner, SourceProgress
from streams.state.checkpoint import Output
from streams.state.codec import encode

#: Messages with the partitions that they are for.
Addressed = list[tuple[int, Rekeyed]]


class RekeyLog:
    """The messages of one source partition.

    Args:
        rekeying: what gathers them.
        partition: its number.
        homes: the other partitions that journeys meet on.
        interval: milliseconds between two words of how far it has come.
    """

    def __init__(self, rekeying: Repartitioner, partition: int, homes: Iterable[int], interval: int) -> None:
        self._rekeying = rekeying
        self._partition = partition
        self._homes = [home for home in homes if home != partition]
        self._interval = interval
        self._unsent: Addressed = []
        self._told: SourceProgress | None = None
        self._told_at = 0
        #: Whether it has come further than it has said.
        self.is_due = bool(self._homes)

    def restore(self, messages: Addressed) -> None:
        """What may not have been sent is sent with the next checkpoint."""
        self._unsent += messages

    def take(self, sequence: int) -> Addressed:
        """What the checkpoint sends, and keeps until that is confirmed."""
        unsent, self._unsent = self._unsent, []
        return unsent + self._rekeying.take(sequence)

    def outputs(self, messages: Addressed, sequence: int, reached: SourceProgress, now: int) -> list[Output]:
        """Those messages, and how far the partition has come: to everyone, when it has changed, once an interval."""
        sent = list(messages)
        if self._is_time(reached, now):
            sent += [
                (home, Rekeyed(self._partition, sequence, len(messages), [], [], reached))
                for home in self._homes
            ]
        source = encode(self._partition)
        return [Output(topics.REKEYED, home, source, encode(message)) for home, message in sent]

    def _is_time(self, reached: SourceProgress, now: int) -> bool:
        self.is_due = bool(self._homes) and reached != self._told
        if not self.is_due or 0 <= now - self._told_at < self._interval:
            return False
        self._told, self._told_at, self.is_due = reached, now, False
        return True
