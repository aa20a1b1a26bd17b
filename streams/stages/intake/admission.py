"""What all records of a source go through: the dedupe, the ledger, dead letters. Each record gets one verdict."""

import numpy as np
import numpy.typing as npt

from metrics.entities.ad_columns import Booleans, Integers
from metrics.entities.dedupe import SeenIds
from metrics.kernels import ids
from metrics.sums.applied_figures import AppliedFigures
from metrics.values.errors import Rejection
from metrics.values.hashing import hash_ids
from streams.messages.source_records import ID_SEEDS, SourceRecord, SourceRecords
from streams.stages.intake.dead_letters import DeadLetters
from streams.stages.intake.ledger import LedgerCounts

Hashes = npt.NDArray[np.uint64]


class Admission:
    """The verdicts of one source topic of a partition.

    Args:
        topic: its short name.
        seen: ids of the events that were applied.
        counts: the topic's row of the ledger.
        dead_letters: where refused records go.
    """

    def __init__(self, topic: str, seen: SeenIds, counts: LedgerCounts, dead_letters: DeadLetters) -> None:
        self.topic = topic
        self.counts = counts
        #: What the applied events of the topic must have added to the histories of campaigns.
        self.figures = AppliedFigures()
        self._seen = seen
        self._dead_letters = dead_letters

    def refuse(self, record: SourceRecord, rejection: Rejection, now: int) -> None:
        """A record is wrong."""
        self._dead_letters.refuse(self.topic, record, rejection, now)

    def refuse_late(self, record: SourceRecord, now: int) -> None:
        """A record comes when no window accepts it any more."""
        self._dead_letters.refuse_late(self.topic, record, now)

    def note(self, record: SourceRecord, verdict: str, detail: str, now: int) -> None:
        """A record has its verdict: ``applied``, ``changed``, ``duplicate`` or ``conflict``, which ``detail`` explains."""
        if verdict == "duplicate":
            self.counts.duplicate += 1
        elif verdict == "conflict":
            self._dead_letters.contradict(self.topic, record, detail, now)
        else:
            self.counts.applied += 1
            if verdict == "changed":
                self._dead_letters.changed[self.topic] += 1

    def admit(
        self,
        records: SourceRecords,
        rows: Integers,
        hashes: Hashes,
        is_late: Booleans,
        at: Integers,
        now: int,
    ) -> Integers:
        """Verdicts of many records at once.

        Args:
            records: of a slice.
            rows: those that stand.
            hashes: of the event id of each.
            is_late: whether no window accepts it any more.
            at: its event time.
            now: dates dead letters.

        Returns:
            The rows that are applied.
        """
        verdicts = self._seen.admit(hashes, is_late, at)
        for row in rows[verdicts == ids.LATE].tolist():
            self.refuse_late(records[row], now)
        fresh: Integers = rows[verdicts == ids.FRESH]
        self.counts.applied += len(fresh)
        self.counts.duplicate += int((verdicts == ids.DUPLICATE).sum())
        return fresh

    def hashes(self, identities: list[str]) -> Hashes:
        """Hashes of event ids."""
        return hash_ids(identities, ID_SEEDS[self.topic])

    def seen(self, hashes: Hashes) -> set[int]:
        """Those of the hashes that were applied before."""
        return set(hashes[self._seen.contains(hashes)].tolist())

    def remember(self, hashes: list[int], latest: int) -> None:
        """Records with these hashes were applied; ``latest`` is the newest of their Kafka timestamps."""
        self._seen.remember(np.array(hashes, dtype=np.uint64), latest)
