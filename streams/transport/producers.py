"""Producers of processes other than workers: started within the broker's wait, or refused in a sentence; and how clients are stopped."""

import asyncio
import logging
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from metrics.values.errors import RoistreamError
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options

_logger = logging.getLogger(__name__)
_STOP_WITHIN_S = 5.0


async def stop_client(client: AIOKafkaProducer | AIOKafkaConsumer, within_s: float = _STOP_WITHIN_S) -> None:
    """Disconnect, within some seconds, whatever becomes of it.

    Without a broker a producer tries for ever what is unconfirmed, and a consumer's ``stop`` may raise the cancellation of its own fetch.
    """
    stopping = asyncio.ensure_future(client.stop())
    await asyncio.wait([stopping], timeout=within_s)
    if not stopping.done():
        stopping.cancel()
    elif not stopping.cancelled() and (error := stopping.exception()) is not None:
        _logger.warning("A client of Kafka did not end in order (%s).", type(error).__name__)


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
