"""Where logs begin and end."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.settings import Settings
from streams.transport.client_options import aiokafka_options


async def bounds(
    settings: Settings, partitions: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], tuple[int, int]]:
    """Start and end offsets of topic partitions, by full topic name; what is not committed counts, too."""
    tps = [TopicPartition(topic, partition) for topic, partition in partitions]
    consumer = AIOKafkaConsumer(group_id=None, **aiokafka_options(settings))
    try:
        await consumer.start()  # a rebalance may cancel it, and it must be stopped then too
        starts, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    finally:
        await consumer.stop()
    return {(tp.topic, tp.partition): (starts[tp], ends[tp]) for tp in tps}
