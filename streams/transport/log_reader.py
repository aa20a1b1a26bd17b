"""Reading a partition whole, as a state is read back: record batch by record batch, without an object per record."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiokafka
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult

from metrics.values.errors import StateError
from streams.settings import Settings
from streams.topics import MAX_MESSAGE_BYTES
from streams.transport.client_options import log_options
from streams.transport.client_stop import stop_client
from streams.transport.record_batches import keep_raw_records, unpack_each

_WAIT_S = 1.0


async def read_whole(
    settings: Settings,
    topic: str,
    partition: int,
    on_progress: Callable[[int, int], None] = lambda _offset, _end: None,
) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
    """Every committed record of a topic's partition, in order; a list for each record batch.

    ``on_progress`` hears how far the reading is, and where the log ends.

    Raises:
        StateError: when the end is not reached while records stop coming.
    """
    keep_raw_records()
    tp = TopicPartition(settings.topic(topic), partition)
    consumer = aiokafka.AIOKafkaConsumer(
        max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        fetch_max_wait_ms=50,  # requests for offsets queue behind a fetch that waits at the end of the log
        **log_options(settings),
    )
    consumer.assign([tp])
    try:
        await consumer.start()  # a rebalance may cancel it, and it must be stopped then too
        end = (await consumer.end_offsets([tp]))[tp]
        await consumer.seek_to_beginning(tp)
        loop = asyncio.get_running_loop()
        position, moved_at = await consumer.position(tp), loop.time()
        while position < end:
            batches = await _fetched(consumer, tp)
            before, position = position, await consumer.position(tp)
            if position > before:
                moved_at = loop.time()
            elif (loop.time() - moved_at) * 1_000 > settings.session_timeout:
                raise StateError(f"{tp.topic}-{partition} could not be read to its end {end}.")
            on_progress(position, end)
            for entries in batches:
                yield entries
    finally:
        await stop_client(consumer)


async def _fetched(consumer: Any, tp: TopicPartition) -> list[Any]:
    """The record batches of the next fetch; none when it does not come in time."""
    fetcher = consumer._fetcher
    if tp not in fetcher._records:
        waiter = fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=_WAIT_S)
        if not done:
            waiter.cancel()
            return []
        waiter.result()
    result = fetcher._records.pop(tp, None)
    if result is None:
        return []
    fetcher._notify(fetcher._wait_consume_future)
    if type(result) is not FetchResult:
        result.check_raise()
        return []
    if not result.check_assignment(tp):
        return []
    batches = [source_records.entries() for source_records in unpack_each(result._partition_records)]
    result._update_position()
    return batches
