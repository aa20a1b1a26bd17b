"""Where logs end, on every broker. ListOffsets is not enough: see docs/operations.md, "Which broker"."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from metrics.values.errors import RoistreamError
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options

_WITHIN_S = 30


async def log_ends(settings: Settings, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition: the high watermark, as a fetch reports it.

    The embedded broker lists the offset after the *first* record of the last batch instead, so a state
    that has read the whole batch would look as if it were ahead of its log.

    Raises:
        RoistreamError: when a partition does not answer within half a minute.
    """
    consumer = AIOKafkaConsumer(
        **aiokafka_options(settings),
        group_id=None,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=1,  # a broker returns the first batch whole, whatever its size
    )
    await consumer.start()
    try:
        return await asyncio.wait_for(_ends(consumer, partitions), _WITHIN_S)
    except TimeoutError as error:
        raise RoistreamError(
            f"The ends of {len(partitions)} partitions are not known after {_WITHIN_S} s; look at the broker's log."
        ) from error
    finally:
        await consumer.stop()


async def _ends(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    listed: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    waiting = {partition for partition, end in listed.items() if end > 0}
    consumer.assign(list(waiting))
    for partition in waiting:
        consumer.seek(partition, listed[partition])
    ends = dict.fromkeys(set(partitions) - waiting, 0)
    while waiting:
        await consumer.getmany(*waiting, timeout_ms=100)
        for partition in list(waiting):
            highwater = consumer.highwater(partition)
            if highwater is not None:
                ends[partition] = highwater
                waiting.remove(partition)
                consumer.pause(partition)
    return ends
