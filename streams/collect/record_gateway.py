"""Records to Kafka with ``acks=all``: a write is done when the broker has confirmed every record of it."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from metrics.values.errors import RoistreamError
from streams import topics
from streams.mapping.engine import MappedRecord
from streams.settings import Settings
from streams.transport.client_stop import stop_client
from streams.transport.key_partitions import choose_partition
from streams.transport.producers import started_producer
from streams.transport.topic_admin import ensure_topics

#: Whoever waits longer is told to come again; the records may be there, and come again with the same ids.
ACKNOWLEDGE_WITHIN_S = 5.0
_LINGER_MS = 5
_PROBE_EVERY_S = 5.0
_SWEEP_EVERY_S = 0.25
#: What sites and webhooks may become.
_WRITTEN = (*topics.SOURCES, *topics.REGISTRIES, topics.DEAD_LETTERS)

_logger = logging.getLogger(__name__)


class BrokerSlow(RoistreamError):
    """The broker did not confirm in time; whether it has the records is not known, and to send them again is harmless."""


class RecordGateway:
    """Writes records.

    Attributes:
        is_up: whether the broker answered when it was asked last.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected before ``start``."""
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._topics = {name: settings.topic(name) for name in _WRITTEN}
        #: Records that are not confirmed yet, each with the loop's time at which its wait ends; the oldest first.
        self._open: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self.is_up = False

    async def start(self) -> None:
        """Connect, and see that the topics are there.

        Raises:
            RoistreamError: without a broker or a topic; one sentence that says what to do.
        """
        differences = await asyncio.to_thread(ensure_topics, self._settings, create=False)
        missing = [each.sentence for each in differences if each.kind == "missing"]
        if missing:
            raise RoistreamError(f"{missing[0]}.")
        self._producer = await started_producer(
            self._settings,
            linger_ms=_LINGER_MS,
            request_timeout_ms=int(ACKNOWLEDGE_WITHIN_S * 1_000),
            max_request_size=topics.MAX_MESSAGE_BYTES,
            partitioner=choose_partition,
        )
        # So that no write has to ask for them; one that may not be written is refused when it is.
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(ACKNOWLEDGE_WITHIN_S):
                for name in self._topics.values():
                    await self._producer.partitions_for(name)
        self.is_up = True

    async def stop(self) -> None:
        """Disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_client(producer)

    async def write(self, records: Sequence[MappedRecord]) -> None:
        """Return when the broker has confirmed all of the records.

        Raises:
            BrokerSlow: when it did not in time.
        """
        ends_at = asyncio.get_running_loop().time() + ACKNOWLEDGE_WITHIN_S
        sent: list[asyncio.Future[Any]] = []
        try:
            for record in records:
                sent.append(await self._put(record, ends_at))  # noqa: PERF401 - those before a failure are needed
            for each in sent:
                await each
        except (KafkaError, OSError, TimeoutError) as error:
            self.is_up = False
            for each in sent:
                each.cancel()
            raise BrokerSlow(
                f"The broker did not confirm in time ({type(error).__name__}); send it again, records have the same ids."
            ) from error

    async def _put(self, record: MappedRecord, ends_at: float) -> "asyncio.Future[Any]":
        assert self._producer is not None, "started"
        key = None if record.key is None else record.key.encode()
        sent: asyncio.Future[Any] = await self._producer.send(
            self._topics[record.topic], record.value, key=key
        )
        self._open.append((ends_at, sent))
        return sent

    async def sweep(self) -> None:
        """End waits that last too long, until cancelled; one look for all costs less than a timer for each record."""
        time = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            now, still = time(), self._open
            while still and (still[0][1].done() or still[0][0] <= now):
                _, sent = still.popleft()
                if not sent.done():
                    sent.set_exception(TimeoutError())
                    sent.exception()  # whoever waits for it is told; without anybody it is no error of the loop

    async def watch(self) -> None:
        """Ask the broker from time to time whether it is there, until cancelled."""
        while True:
            await asyncio.sleep(_PROBE_EVERY_S)
            if self._producer is None:
                continue
            try:
                async with asyncio.timeout(_PROBE_EVERY_S):
                    await self._producer.client.fetch_all_metadata()
            except (KafkaError, OSError, TimeoutError) as error:
                _logger.warning("The broker does not answer (%s).", type(error).__name__)
                self.is_up = False
            else:
                self.is_up = True
