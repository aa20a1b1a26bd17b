"""Where logs begin and end."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.settings import Settings
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client


async def know_topics(consumer: Any, partitions: Iterable[TopicPartition]) -> None:
    """Ask the broker for the leaders of partitions, in one request; who waits for no answer finds out from what is asked next.

    A consumer that is asked for offsets of topics it does not know learns of them one by one, with a rest of 100 ms after each.

    Args:
        consumer: an ``AIOKafkaConsumer`` that is started.
        partitions: of which offsets will be asked for.
    """
    await consumer._client.set_topics({tp.topic for tp in partitions})  # noqa: SLF001 - nothing public does it for a few topics


async def bounds(
    settings: Settings, partitions: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], tuple[int, int]]:
    """Start and end offsets of topic partitions, by full topic name; what is not committed counts, too."""
    tps = [TopicPartition(topic, partition) for topic, partition in partitions]
    consumer = AIOKafkaConsumer(group_id=None, **aiokafka_options(settings))
    try:
        await consumer.start()  # a rebalance may cancel it, and it must be stopped then too
        await know_topics(consumer, tps)
        starts, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    finally:
        await stop_client(consumer)
    return {(tp.topic, tp.partition): (starts[tp], ends[tp]) for tp in tps}


class LogEnds:
    """Up to where logs can be read, asked of the broker beside all fetching.

    A consumer knows the end of a log from the answers to its own fetches, so a fetch that is never answered hides what waits.
    Asked is where the last committed record ends: nobody can read what a transaction holds open (KIP-98, last stable offset).

    Attributes:
        known: the next offset after the last readable record, by full topic name and partition, as last answered.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected before ``start``."""
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self.known: dict[tuple[str, int], int] = {}

    async def start(self) -> None:
        """Connect."""
        self._consumer = AIOKafkaConsumer(
            group_id=None, isolation_level="read_committed", **aiokafka_options(self._settings)
        )
        await self._consumer.start()

    async def ask(self, partitions: Collection[tuple[str, int]], within_s: float) -> bool:
        """Ask for the ends of logs; whether the broker answered. Without an answer the last one stays known.

        Args:
            partitions: full topic names and partitions.
            within_s: how long the broker may take.
        """
        assert self._consumer is not None, "started"
        tps = [TopicPartition(topic, partition) for topic, partition in partitions]
        try:
            ends = await asyncio.wait_for(self._consumer.end_offsets(tps), within_s)
        except (TimeoutError, KafkaError):
            return False
        self.known = {(tp.topic, tp.partition): end for tp, end in ends.items()}
        return True

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await stop_client(self._consumer)
