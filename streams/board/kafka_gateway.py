"""The board and Kafka: decisions and alerts go out; the trail of decisions, alerts and actions, and the archive come in."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from metrics.budget.effects.records import BudgetEffect
from metrics.budget.records import AlertSignal, BudgetDecision
from metrics.values.errors import RoistreamError
from streams import topics
from streams.board.archive_store import ArchiveStore
from streams.board.audit_trail import AuditEntry, AuditTrail, Kind
from streams.board.effect_store import EffectStore
from streams.settings import Settings
from streams.state.codec import partition_of
from streams.transport.client_options import log_options
from streams.transport.client_stop import stop_client
from streams.transport.producers import started_producer

_SEND_WITHIN_S = 10.0
_RETRY_EVERY_S = 2.0
KINDS: dict[str, Kind] = {
    topics.BUDGET_DECISIONS: "decision",
    topics.BUDGET_ALERTS: "alert",
    topics.BUDGET_ACTIONS: "action",
}

_logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class KafkaGatewayError(RoistreamError):
    """The broker did not confirm a record; whether it is there is not known, and to send it again is harmless."""


class KafkaGateway:
    """Writes to the controller's topics and follows them into the trail.

    Attributes:
        is_up: whether the last exchange with the broker went well.
        is_read: whether every partition was fetched from, and then nothing more came for half a second.
    """

    def __init__(
        self,
        settings: Settings,
        audit_trail: AuditTrail,
        effects: EffectStore,
        archive: ArchiveStore,
        publish: Callable[..., None],
    ) -> None:
        """Nothing is connected before ``start``.

        Args:
            settings: broker, security, prefix and partitions.
            audit_trail: kept up to date.
            effects: kept up to date.
            archive: kept up to date.
            publish: hears ``entries`` and ``effects`` that are news (see ``Listener.notify``).
        """
        self._settings = settings
        self._audit_trail = audit_trail
        self._effects = effects
        self._archive = archive
        self._publish = publish
        self._producer: AIOKafkaProducer | None = None
        self.is_up = False
        self.is_read = False

    async def start(self) -> None:
        """Connect.

        Raises:
            RoistreamError: when no broker answers; one sentence that says what to do.
        """
        self._producer = await started_producer(self._settings, linger_ms=0)
        self.is_up = True

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            await stop_client(self._producer)

    async def decide(self, decision: BudgetDecision) -> None:
        """Put a decision on its topic.

        Raises:
            KafkaGatewayError: when it is not confirmed.
        """
        await self._send(topics.BUDGET_DECISIONS, [decision])

    async def alert(self, signals: Sequence[AlertSignal]) -> None:
        """Put alerts on their topic.

        Raises:
            KafkaGatewayError: when one is not confirmed.
        """
        await self._send(topics.BUDGET_ALERTS, signals)

    async def _send(self, topic: str, records: Sequence[BudgetDecision | AlertSignal]) -> None:
        try:
            async with asyncio.timeout(_SEND_WITHIN_S):
                sent = [await self._put(topic, record) for record in records]
                await asyncio.gather(*sent)
        except (KafkaError, OSError, TimeoutError) as error:
            self.is_up = False
            raise KafkaGatewayError(
                f"The broker did not confirm a record in {self._settings.topic(topic)} "
                f"({type(error).__name__}); look at the broker, run roistream topics, and send it again."
            ) from error
        self.is_up = True

    async def _put(self, topic: str, record: BudgetDecision | AlertSignal) -> "asyncio.Future[Any]":
        assert self._producer is not None, "started"
        campaign_id = record.campaign_id
        sent: asyncio.Future[Any] = await self._producer.send(
            self._settings.topic(topic),
            _encode(record),
            key=campaign_id.encode(),
            partition=partition_of(campaign_id, self._settings.partitions),
        )
        return sent

    async def follow(self) -> None:
        """Read the topics from their beginning until cancelled; a broker that is gone is waited for."""
        while True:
            consumer = AIOKafkaConsumer(
                *map(self._settings.topic, (*KINDS, topics.BUDGET_EFFECTS, topics.CAMPAIGN_ARCHIVE)),
                **log_options(self._settings),
            )
            try:
                await consumer.start()
                while True:
                    found = await consumer.getmany(timeout_ms=500, max_records=2_000)
                    self._take(found)
                    self.is_read = self.is_read or (not found and _has_fetched(consumer))
            except (KafkaError, OSError) as error:
                _logger.warning("The trail is not followed (%s); trying again.", type(error).__name__)
            finally:
                await stop_client(consumer)
            await asyncio.sleep(_RETRY_EVERY_S)

    def _take(self, found: dict[Any, list[Any]]) -> None:
        news: list[AuditEntry] = []
        effects: dict[str, BudgetEffect] = {}
        for partition, records in found.items():
            topic = partition.topic.removeprefix(self._settings.topic_prefix)
            if topic == topics.BUDGET_EFFECTS:
                offered = [self._effects.offer(record.value or b"") for record in records]
                effects |= {each.campaign_id: each for each in offered if each is not None}
                continue
            if topic == topics.CAMPAIGN_ARCHIVE:
                for record in records:
                    self._archive.offer(record.value or b"")
                continue
            kind = KINDS[topic]
            entries = (self._audit_trail.offer(kind, record.value or b"") for record in records)
            news += [entry for entry in entries if entry is not None]
        if news or effects:
            self._publish(entries=news, effects=effects)


def _has_fetched(consumer: Any) -> bool:
    """Whether a broker has answered a fetch of every partition."""
    assigned = consumer.assignment()
    return bool(assigned) and all(consumer.highwater(each) is not None for each in assigned)
