"""Producers of processes other than workers: started within the broker's wait, or refused in a sentence."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from metrics.values.errors import RoistreamError
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client


async def started_producer(settings: Settings, **options: Any) -> AIOKafkaProducer:
    """A producer that is connected and waits for all replicas; whoever asks for it stops it.

    Args:
        settings: where the broker is, and how long it may take.
        options: further options of the producer.

    Raises:
        RoistreamError: when no broker answers; the sentence says what to do.
    """
    producer = AIOKafkaProducer(**aiokafka_options(settings), acks="all", **options)
    try:
        await asyncio.wait_for(producer.start(), settings.broker_wait / 1_000)
    except (KafkaError, OSError, TimeoutError) as error:
        await stop_client(producer)
        raise RoistreamError(
            f"No broker answers at {', '.join(settings.bootstrap)} ({type(error).__name__}); "
            "start it, or correct ROISTREAM_BROKER and ROISTREAM_BROKER_SECURITY_PROTOCOL."
        ) from error
    return producer
