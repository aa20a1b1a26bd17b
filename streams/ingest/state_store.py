"""The last state of a connection, as its topic ends now."""

from typing import Any

from streams import topics
from streams.settings import Settings
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import wait_for_broker


def kept_state(settings: Settings, connection: str) -> bytes | None:
    """What was kept last under a connection's name; None where nothing was."""
    from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415

    wait_for_broker(settings, settings.broker_wait)
    name = settings.topic(topics.INGEST_STATE)
    consumer: Any = KafkaConsumer(**kafka_python_options(settings), enable_auto_commit=False)
    found: bytes | None = None
    try:
        if not consumer.partitions_for_topic(name):
            return None  # whoever writes to it says that it is absent
        partition = TopicPartition(name, 0)
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        consumer.seek_to_beginning()
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=500).values():
                found = next(
                    (record.value for record in reversed(records) if record.key == connection.encode()), found
                )
    finally:
        consumer.close()
    return found
