"""Records onto topics: a producer that confirms every record, and the pace of event time. Knows no mapping."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from metrics.values.errors import RoistreamError
from streams import topics
from streams.mapping.engine import MappedRecord
from streams.settings import Settings
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import wait_for_broker

#: What one request may hold; 64 KiB and 20 ms make batches of some hundred records.
_BATCH_BYTES = 65_536
_LINGER_MS = 20
#: Longest single sleep of the pace, so that progress and a key press are seen in between.
_NAP_S = 1.0


class ProduceError(RoistreamError):
    """Records could not be written; the text says what to do."""


class RecordSink(Protocol):
    """Where records go."""

    def send(self, record: MappedRecord) -> None:
        """Hand over one record; it may be confirmed later."""

    def confirm(self) -> None:
        """Return when everything handed over is written; raise when something is not."""


class ReplayPace:
    """Spaces records as their event times are, ``speed`` times faster; 0 does not wait at all."""

    def __init__(self, speed: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._started: tuple[float, int] | None = None

    def wait(self, at_ms: int | None) -> bool:
        """Return when a record of this event time is due; says whether it had to wait."""
        if self._speed == 0 or at_ms is None:
            return False
        if self._started is None:
            self._started = (self._clock(), at_ms)
        began, first_ms = self._started
        due = began + (at_ms - first_ms) / 1000 / self._speed
        has_waited = False
        while (left := due - self._clock()) > 0:
            self._sleep(min(left, _NAP_S))
            has_waited = True
        return has_waited


def produce(
    records: Iterable[MappedRecord],
    sink: RecordSink,
    pace: ReplayPace,
    advance: Callable[[MappedRecord], None],
) -> Counter[str]:
    """Send records in their order; registries are confirmed before the first source record.

    Args:
        records: registries first, then by event time.
        sink: where they go.
        pace: when they go.
        advance: called after each record, for the progress bar.

    Returns:
        Records per topic, all confirmed.

    Raises:
        ProduceError: where the sink could not write one.
    """
    sent: Counter[str] = Counter()
    are_registries = True
    for record in records:
        if are_registries and record.topic not in topics.REGISTRIES:
            sink.confirm()
            are_registries = False
        pace.wait(record.at_ms)
        sink.send(record)
        sent[record.topic] += 1
        advance(record)
    sink.confirm()
    return sent


class KafkaSink:
    """A Kafka producer with ``acks=all`` and the default (murmur2) partitioner."""

    def __init__(self, settings: Settings, wanted: Iterable[str]) -> None:
        from kafka import KafkaProducer  # noqa: PLC0415 - a dry run needs no client
        from kafka.errors import KafkaError  # noqa: PLC0415

        wait_for_broker(settings, settings.broker_wait)
        self._settings = settings
        self._kafka_error = KafkaError
        self._failed: Exception | None = None
        try:
            self._producer: Any = KafkaProducer(
                **kafka_python_options(settings),
                acks="all",
                enable_idempotence=True,  # a retry may not overtake its successor
                batch_size=_BATCH_BYTES,
                linger_ms=_LINGER_MS,
                allow_auto_create_topics=False,
                max_request_size=topics.MAX_MESSAGE_BYTES,  # the state of a connector with many streams
                max_block_ms=settings.broker_wait,
                bootstrap_timeout_ms=settings.broker_wait,
            )
        except KafkaError as error:
            raise ProduceError(_unreachable(settings, error)) from error
        self._check_topics(wanted)

    def _check_topics(self, wanted: Iterable[str]) -> None:
        expected = {
            spec.name: spec.partitions
            for spec in topics.specs(self._settings.topic_prefix, self._settings.partitions)
        }
        for topic in wanted:
            name = self._settings.topic(topic)
            found = self._partitions(name)
            if found != expected[name]:
                self.close()
                raise ProduceError(
                    f"topic {name} has {found or 'no'} partitions where {expected[name]} are expected; "
                    "run `roistream topics` first, or correct ROISTREAM_PARTITIONS or ROISTREAM_TOPIC_PREFIX."
                )

    def _partitions(self, name: str) -> int:
        try:
            return len(self._producer.partitions_for(name) or ())
        except self._kafka_error:
            return 0

    def send(self, record: MappedRecord) -> None:
        """Hand over one record; raises when an earlier one has failed."""
        if self._failed is not None:
            self.confirm()
        key = None if record.key is None else record.key.encode()
        try:
            future = self._producer.send(self._settings.topic(record.topic), value=record.value, key=key)
        except self._kafka_error as error:
            raise ProduceError(_unwritten(self._settings, error)) from error
        future.add_errback(self._note_failure)

    def _note_failure(self, error: Exception) -> None:
        self._failed = self._failed or error

    def confirm(self) -> None:
        """Return when all records are written.

        Raises:
            ProduceError: when one is not.
        """
        try:
            self._producer.flush(timeout=self._settings.broker_wait / 1000)
        except self._kafka_error as error:
            raise ProduceError(_unwritten(self._settings, error)) from error
        if self._failed is not None:
            raise ProduceError(_unwritten(self._settings, self._failed)) from self._failed

    def close(self) -> None:
        """Let go of the connections; waits for nothing."""
        self._producer.close(timeout=1)


def _unreachable(settings: Settings, error: Exception) -> str:
    return f"no broker at {settings.broker} ({error}); start it, or set ROISTREAM_BROKER."


def _unwritten(settings: Settings, error: Exception) -> str:
    return (
        f"{settings.broker} did not take a record ({type(error).__name__}: {error}); mend the broker and replay "
        "again: records have the same ids, so what was already counted is not counted twice."
    )
