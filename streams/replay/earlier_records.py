"""What a replay before has written: reports, orders and leads are read from their topics, so that what counts twice can be said."""

from collections.abc import Iterator
from typing import Any

import msgspec

from metrics.records.events import AdReport
from metrics.records.validation import instant
from metrics.values.errors import Rejection
from streams import topics
from streams.settings import Settings
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import wait_for_broker

#: Source, campaign, ad, start and end of a period in epoch ms.
EarlierReport = tuple[str, str, str, int, int]
#: Number of an order or a lead, kind or stage, source or nothing, event id.
EarlierId = tuple[str, str, str, str]
_DECODER = msgspec.json.Decoder(AdReport)


class _NumberedRecord(msgspec.Struct):
    """What of an order or a lead tells it from others."""

    event_id: str
    order_id: str | None = None
    lead_id: str | None = None
    source: str | None = None
    kind: str = "placed"
    stage: str = "lead"


_NUMBERED = msgspec.json.Decoder(_NumberedRecord)


def earlier_reports(settings: Settings) -> Iterator[EarlierReport]:
    """The reports on the topic as it ends now; what cannot be decoded is passed over."""
    for value in _values(settings, topics.REPORTS):
        yield from _decoded(value)


def earlier_ids(settings: Settings, topic: str) -> Iterator[EarlierId]:
    """Placed orders, or leads by stage, on their topic as it ends now; what cannot be decoded is passed over."""
    for value in _values(settings, topic):
        try:
            numbered = _NUMBERED.decode(value or b"")
        except msgspec.MsgspecError:
            continue
        if topic == topics.LEADS and numbered.lead_id:
            yield numbered.lead_id, numbered.stage, numbered.source or "", numbered.event_id
        elif topic == topics.ORDERS and numbered.order_id and numbered.kind == "placed":
            yield numbered.order_id, numbered.kind, numbered.source or "", numbered.event_id


def _values(settings: Settings, topic: str) -> Iterator[bytes | None]:
    """The values on a topic as it ends now. A topic that does not exist has none; whoever writes to it says that."""
    from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415 - a dry run needs no client

    wait_for_broker(settings, settings.broker_wait)
    name = settings.topic(topic)
    consumer: Any = KafkaConsumer(**kafka_python_options(settings), enable_auto_commit=False)
    try:
        partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
        if not partitions:
            return
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning()
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    yield record.value
    finally:
        consumer.close()


def _decoded(value: bytes | None) -> Iterator[EarlierReport]:
    try:
        event = _DECODER.decode(value or b"")
        start, end = instant(event.period_start, "period_start"), instant(event.period_end, "period_end")
    except (msgspec.MsgspecError, Rejection, ArithmeticError, ValueError):
        return
    yield event.source, event.campaign_id, event.ad_id or "", start, end
