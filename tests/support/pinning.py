"""What the learning tests of Faust and aiokafka share."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.transport.client_options import aiokafka_options

LIMIT_S = 60


async def until(claim: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """The claim's first true value, asked for again as the loop goes round."""
    async with asyncio.timeout(limit_s):
        while not (found := claim()):  # noqa: ASYNC110 - the state of others has no event to wait for
            await asyncio.sleep(0.01)
        return found


async def append(settings: Any, topic: str, sizes: list[int], partition: int = 0) -> None:
    """Record batches of the given sizes, each whole."""
    async with AIOKafkaProducer(max_batch_size=1_000_000, **aiokafka_options(settings)) as producer:
        for size in sizes:
            batch = producer.create_batch()
            for _ in range(size):
                assert batch.append(key=b"k", value=b"v", timestamp=None) is not None
            await (await producer.send_batch(batch, settings.topic(topic), partition=partition))
