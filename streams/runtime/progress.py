"""Which work waits and does not move: records that nobody reads, checkpoints that nobody confirms. Pure.

A stage may stand still while all others get on: its consumer may hang, its log may not be answered, its checkpoint may never
be confirmed. So each log that a stage reads and each checkpoint that it owes is looked at by itself (D94).
"""

from collections.abc import Iterable
from typing import NamedTuple

#: Work that has not moved for so long is said. A checkpoint takes a second, a fetch less; a broker that chooses another
#: leader takes some seconds.
SAID_AFTER_S = 10.0
#: Between two looks at most so much time counts: a process that was stopped as a whole has not stood still.
_COUNTED_S = 5.0


class Work(NamedTuple):
    """Something that a stage has to do.

    Attributes:
        stage: by its name in the metrics.
        partition: of the stage.
        log: the partition of a topic that it reads, ``topic-partition``; None: its own checkpoint.
    """

    stage: str
    partition: int
    log: str | None


class Standstill(NamedTuple):
    """Work that waits and does not move.

    Attributes:
        work: which.
        records: how many wait; of a checkpoint 0.
        seconds: for how long nothing has moved.
    """

    work: Work
    records: int
    seconds: float

    @property
    def sentence(self) -> str:
        """What stands still and since when.

        >>> Standstill(Work("merge", 2, "roistream-partials-2"), 40, 12.3).sentence
        'stage merge of partition 2 stands still: 40 records of roistream-partials-2 have waited for 12 s'
        >>> Standstill(Work("intake", 0, None), 0, 12.3).sentence
        'stage intake of partition 0 stands still: its checkpoint has not been confirmed for 12 s'
        """
        stage, partition, log = self.work
        who = f"stage {stage} of partition {partition} stands still"
        if log is None:
            return f"{who}: its checkpoint has not been confirmed for {self.seconds:.0f} s"
        records = "1 record" if self.records == 1 else f"{self.records} records"
        return f"{who}: {records} of {log} {'has' if self.records == 1 else 'have'} waited for {self.seconds:.0f} s"


class Stuck(NamedTuple):
    """What a watchdog hears of something that waits and does not move.

    Attributes:
        seconds: for how long.
        sentence: what it is.
    """

    seconds: float
    sentence: str


class _Seen(NamedTuple):
    place: int
    waiting: int
    seconds: float


class Progress:
    """For how long each piece of work has waited without moving.

    >>> progress, work = Progress(), Work("merge", 0, "roistream-partials-0")
    >>> for now, place in ((0.0, 7), (4.0, 7), (8.0, 7), (12.0, 8)):
    ...     progress.look({work: (place, 3)}, now); print(progress.seconds("merge", 0))
    0.0
    4.0
    8.0
    0.0
    """

    def __init__(self) -> None:
        self._seen: dict[Work, _Seen] = {}
        self._looked_at: float | None = None

    def look(self, found: dict[Work, tuple[int, int]], now: float) -> None:
        """Look at all work at once; what is not named any more is forgotten.

        Args:
            found: of each piece of work its place (an offset, a sequence), and how much of it waits.
            now: seconds of a clock that never goes back.
        """
        past = 0.0 if self._looked_at is None else min(now - self._looked_at, _COUNTED_S)
        self._looked_at = now
        seen: dict[Work, _Seen] = {}
        for work, (place, waiting) in found.items():
            known = self._seen.get(work)
            # Work that began to wait since the last look has waited for an unknown part of the time between: none counts.
            is_same = known is not None and known.place == place and known.waiting > 0 and waiting > 0
            seen[work] = _Seen(place, waiting, known.seconds + past if known is not None and is_same else 0.0)
        self._seen = seen

    def forget(self) -> None:
        """Nothing is held any more."""
        self._seen = {}

    def standstills(self, longer_than_s: float = SAID_AFTER_S) -> list[Standstill]:
        """What has waited for longer, the longest first."""
        found = [Standstill(work, seen.waiting, seen.seconds) for work, seen in self._seen.items()]
        stuck = [each for each in found if each.seconds > longer_than_s]
        return sorted(stuck, key=lambda each: (-each.seconds, each.work[:2], each.work.log or ""))

    def seconds(self, stage: str, partition: int) -> float:
        """For how long something of a stage has waited without moving; 0 while all of it gets on."""
        return max(
            (seen.seconds for work, seen in self._seen.items() if work[:2] == (stage, partition)), default=0.0
        )

    def stages(self) -> Iterable[tuple[str, int]]:
        """The stages that were looked at, with their partitions."""
        return {work[:2] for work in self._seen}
