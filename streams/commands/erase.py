"""``roistream erase``: a request to forget a person, for every partition."""

import asyncio

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console

from metrics.records.events import Erasure
from metrics.values.errors import RoistreamError
from metrics.values.time import format_instant
from streams import catalogues, topics
from streams.process import now_ms
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client
from streams.transport.topic_admin import ensure_topics

_CONFIRMED_WITHIN_S = 30.0


def run(
    settings: Settings, visitor: str | None, customer: str | None, lead: str | None, source: str | None = None
) -> int:
    """Produce the request and say what it does; the exit code.

    Raises:
        RoistreamError: when nobody is named, a topic is missing, or the broker does not confirm.
    """
    request = erasure(visitor, customer, lead, now_ms(), source)
    topic = settings.topic(topics.ERASURES)
    for difference in ensure_topics(settings, create=False):
        if difference.topic == topic:
            raise RoistreamError(difference.sentence)
    asyncio.run(_produce(settings, topic, request))
    Console().print(
        catalogues.t(
            "Written to {count} partitions of {topic}. Workers forget the person as they read it; {topic} itself keeps the request for seven days.",
            count=settings.partitions,
            topic=topic,
        ),
        soft_wrap=True,
        markup=False,
    )
    return 0


def erasure(
    visitor: str | None, customer: str | None, lead: str | None, now: int, source: str | None = None
) -> bytes:
    """The record that asks to forget a person; the source is that of the lead.

    Raises:
        RoistreamError: when nobody is named, or an id is too long.

    >>> erasure("v-1", None, None, 0)
    b'{"requested_at":"1970-01-01T00:00:00Z","visitor_id":"v-1","customer_id":null,"lead_id":null}'
    """
    ids = {"visitor_id": visitor, "customer_id": customer, "lead_id": lead}
    if not any(ids.values()):
        raise RoistreamError("Name whom to forget: --visitor ID, --customer ID or --lead ID, or several.")
    named = {} if source is None else {"source": source}
    record = msgspec.json.encode({"requested_at": format_instant(now), **ids, **named})
    try:
        msgspec.json.decode(record, type=Erasure)
    except msgspec.ValidationError as error:
        raise RoistreamError(f"{error}; ids have 1 to 128 characters.") from error
    return record


async def _produce(settings: Settings, topic: str, request: bytes) -> None:
    """Write it to every partition: which one knows the person follows from a visitor_id alone."""
    producer = AIOKafkaProducer(**aiokafka_options(settings), acks="all")
    try:
        async with asyncio.timeout(_CONFIRMED_WITHIN_S):
            await producer.start()
            for partition in range(settings.partitions):
                await producer.send_and_wait(topic, request, partition=partition)
    except (KafkaError, OSError, TimeoutError) as error:
        raise RoistreamError(
            f"{settings.broker} did not confirm the request in every partition ({error!r}); mend the broker and "
            "ask again: asking twice does no harm."
        ) from error
    finally:
        await stop_client(producer)
