"""Records that are refused or contradict others: counted, guarded by the limit, and kept as dead letters for the next checkpoint."""

from collections import Counter
from collections.abc import Mapping

from metrics.records.dead_letters import MAX_QUOTED_BYTES, DeadLetter, dead_letter
from metrics.records.refusal_limit import Acceptance, RefusalGuard, RefusalLimit
from metrics.values.errors import Reason, Rejection
from streams import topics
from streams.messages.source_records import SourceRecord
from streams.stages.intake.ledger import LedgerCounts

_LATE = "older than the retention of the 1d window (35 days behind the watermark)"


class DeadLetters:
    """The refused records of one source partition.

    Args:
        partition: of the sources.
        prefix: of topic names.
        limit: how many may be refused.
        acceptance: how many more an operator lets pass.
        ledger: where verdicts are counted.
    """

    def __init__(
        self,
        partition: int,
        prefix: str,
        limit: RefusalLimit,
        acceptance: Acceptance,
        ledger: Mapping[str, LedgerCounts],
    ) -> None:
        #: Since the last checkpoint.
        self.dead: list[DeadLetter] = []
        #: About how many bytes those take.
        self.weight = 0
        #: By reason, for whoever shows them.
        self.reasons: Counter[str] = Counter()
        #: By topic, records that change what an earlier one of their id says, for whoever shows them.
        self.changed: Counter[str] = Counter()
        self._partition = partition
        self._prefix = prefix
        self._ledger = ledger
        self._guards = {
            topic: RefusalGuard(f"{topic}-{partition}", limit, acceptance) for topic in topics.SOURCES
        }

    def read(self, topic: str, count: int) -> None:
        """Records of a source were judged.

        Raises:
            TooManyRefusedError: past the limit of refusals; the state must not be stored any more.
        """
        self._guards[topic].read(count)

    def refuse(self, topic: str, record: SourceRecord, rejection: Rejection, now: int) -> None:
        """A record is wrong."""
        self._ledger[topic].rejected += 1
        self._guards[topic].refused(record.offset, str(rejection))
        self._bury(topic, record, rejection.reason, rejection.detail, now)

    def refuse_late(self, topic: str, record: SourceRecord, now: int) -> None:
        """A record comes when no window accepts it any more."""
        self._ledger[topic].too_late += 1
        self._bury(topic, record, Reason.TOO_LATE, _LATE, now)

    def contradict(self, topic: str, record: SourceRecord, detail: str, now: int) -> None:
        """A record says something else than an earlier one of its id; the detail says what counts."""
        self._ledger[topic].conflict += 1
        self._bury(topic, record, Reason.CONFLICT, detail, now)

    def take(self) -> list[DeadLetter]:
        """The dead letters since the last call."""
        dead, self.dead, self.weight = self.dead, [], 0
        return dead

    def _bury(self, topic: str, record: SourceRecord, reason: Reason, detail: str, now: int) -> None:
        self.reasons[reason.value] += 1
        name = self._prefix + topic
        self.dead.append(
            dead_letter(name, self._partition, record.offset, record.key, record.value, reason, detail, now)
        )
        self.weight += min(len(record.value or b""), MAX_QUOTED_BYTES) * 3 // 2 + 500
