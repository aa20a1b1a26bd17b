"""Records of internal topics that cannot be taken in: dead letters that go out with the next checkpoint. Pure.

They count in no ledger: the ledger is of the sources. What a lost bundle held is missing in what is published, which the count back
from the published totals shows.
"""

import logging
from collections import Counter
from collections.abc import Callable

import msgspec

from metrics.records.dead_letters import MAX_QUOTED_BYTES, dead_letter
from metrics.values.errors import Rejection
from streams import topics
from streams.messages.source_records import SourceRecord
from streams.state.checkpoint import Output

log = logging.getLogger(__name__)

#: Hears of a record that cannot be taken in.
Refuse = Callable[[SourceRecord, Rejection], None]
_encode = msgspec.json.Encoder().encode


class Refusals:
    """What one stage has refused of the internal topics of its partition since its last checkpoint.

    Args:
        partition: of the topics.
        prefix: of topic names.
    """

    def __init__(self, partition: int, prefix: str) -> None:
        #: By reason, for whoever shows them.
        self.reasons: Counter[str] = Counter()
        #: About how many bytes the dead letters take.
        self.weight = 0
        self._partition = partition
        self._prefix = prefix
        self._refused: list[tuple[str, SourceRecord, Rejection]] = []

    def refuse(self, topic: str, record: SourceRecord, rejection: Rejection) -> None:
        """A record cannot be taken in; ``topic`` by its short name."""
        log.error("%s%s-%d @%d: %s", self._prefix, topic, self._partition, record.offset, rejection.detail)
        self.reasons[rejection.reason.value] += 1
        self._refused.append((topic, record, rejection))
        self.weight += min(len(record.value or b""), MAX_QUOTED_BYTES) * 3 // 2 + 500

    def outputs(self, now: int) -> list[Output]:
        """The dead letters since the last call; ``now`` dates them."""
        refused, self._refused, self.weight = self._refused, [], 0
        found = []
        for topic, record, rejection in refused:
            name = self._prefix + topic
            letter = dead_letter(
                *(name, self._partition, record.offset, record.key, record.value),
                *(rejection.reason, rejection.detail, now),
            )
            found.append(Output(topics.DEAD_LETTERS, self._partition, name.encode(), _encode(letter)))
        return found
