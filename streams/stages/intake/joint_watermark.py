"""What the other source partitions have said of how far they have come: the clock of journeys, which wait for all of them."""

import msgspec

from metrics.windows.watermark import CampaignClock, PartitionStatus
from streams.stages.intake.repartition import EVER, Rekeyed, SourceProgress


class SenderProgress(msgspec.Struct, array_like=True):
    """Of one source partition: the last message taken in, and how far it had come."""

    sequence: int = -1
    index: int = -1
    progress: SourceProgress | None = None


class JointWatermark:
    """The source partitions that one partition takes in from, itself among them.

    Its watermark is the least of theirs, so that no window is final before everything has arrived that counts in it.

    >>> both = JointWatermark(0, 2); both.turn(PartitionStatus(50, is_idle=False)); both.watermark is None
    True
    >>> both.update_sender(1, SourceProgress(40, False, 45, 40)), both.watermark, both.clicks(50)
    (True, 40, 45)
    """

    def __init__(self, partition: int, partitions: int) -> None:
        self._partition = partition
        self._clock = CampaignClock(partitions)
        self.senders: dict[int, SenderProgress] = {
            each: SenderProgress() for each in range(partitions) if each != partition
        }

    @property
    def watermark(self) -> int | None:
        """How far all have come that are not idle; it never goes back."""
        return self._clock.watermark

    @property
    def are_idle(self) -> bool:
        """Whether all the others have said that they are."""
        return all(each.progress is not None and each.progress.is_idle for each in self.senders.values())

    def turn(self, status: PartitionStatus) -> None:
        """The partition itself has come so far."""
        self._clock.update(self._partition, status)

    def take(self, message: Rekeyed) -> bool:
        """Hear a message; whether it is new: a successor sends again what may not have arrived."""
        sender = self.senders[message.source]
        place = message.sequence, message.index
        if place <= (sender.sequence, sender.index):
            return False
        sender.sequence, sender.index = place
        return True

    def update_sender(self, source: int, progress: SourceProgress) -> bool:
        """A source partition has come so far, and everything from it until there is taken in.

        Returns:
            Whether its clicks, or all of it, fell silent or spoke again: after silence nothing more may come.
        """
        before, self.senders[source].progress = self.senders[source].progress, progress
        self._clock.update(source, PartitionStatus(progress.watermark, progress.is_idle))
        return before is None or _silence(before) != _silence(progress)

    def clicks(self, own: int | None) -> int | None:
        """How far the clicks of all have come; None while some are unheard of."""
        times = [
            own,
            *(None if each.progress is None else each.progress.clicks for each in self.senders.values()),
        ]
        known = [at for at in times if at is not None]
        return min(known) if len(known) == len(times) else None

    def least(self) -> dict[str, int | None]:
        """The least stream time of each of the others that is not idle, by a name for it."""
        times = {
            f"from {source}": None if each.progress is None else each.progress.least
            for source, each in self.senders.items()
        }
        return {source: at for source, at in times.items() if at != EVER}

    def restore(self, senders: dict[int, SenderProgress], watermark: int | None) -> None:
        """Put back what a checkpoint says was heard, and how far all had come."""
        self._clock.watermark = watermark
        self.senders.update(senders)
        for source, each in senders.items():
            if each.progress is not None:
                self.update_sender(source, each.progress)


def _silence(progress: SourceProgress) -> tuple[bool, bool]:
    return progress.is_idle, progress.clicks == EVER
