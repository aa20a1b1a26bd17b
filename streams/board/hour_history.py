"""The hours of the last days, from ``campaign-kpis``: what a policy is tried on. Reads when asked, and only what is new."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from metrics.records.kpi_reading import CampaignKpi
from metrics.values.errors import UNREADABLE, RoistreamError
from metrics.values.time import DAY, to_millis
from streams import topics
from streams.settings import Settings
from streams.transport.client_options import log_options
from streams.transport.client_stop import stop_client

KEPT_MS = 7 * DAY
_READ_WITHIN_S = 120.0
#: Most records are of minutes: they are told apart by a search, which costs a tenth of decoding them.
_IS_DECLARED, _IS_HOUR = b'"model":"declared"', b'"window":"1h"'
_decode = msgspec.json.Decoder(CampaignKpi).decode


class HourHistory:
    """Readings of ``1h`` under ``declared``, of each hour and campaign the highest revision."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._positions: dict[TopicPartition, int] = {}
        self._readings: dict[tuple[str, str], CampaignKpi] = {}

    async def read(self, now_ms: int) -> Sequence[CampaignKpi]:
        """Everything up to the present end of the topic that is not older than ``KEPT_MS``.

        Raises:
            RoistreamError: when the broker does not hand it over within two minutes.
        """
        try:
            async with asyncio.timeout(_READ_WITHIN_S):
                await self._read(now_ms)
        except (KafkaError, OSError, TimeoutError) as error:
            raise RoistreamError(
                f"The hours of {topics.CAMPAIGN_KPIS} cannot be read ({type(error).__name__}); "
                "look at the broker, and try again: what was read is kept."
            ) from error
        self._forget(now_ms - KEPT_MS)
        return list(self._readings.values())

    async def _read(self, now_ms: int) -> None:
        topic = self._settings.topic(topics.CAMPAIGN_KPIS)
        partitions = [TopicPartition(topic, number) for number in range(self._settings.partitions)]
        consumer = AIOKafkaConsumer(**log_options(self._settings))
        try:
            await consumer.start()
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await self._place(consumer, partitions, now_ms)
            while [tp for tp in partitions if self._positions[tp] < ends[tp]]:
                found: dict[Any, list[Any]] = await consumer.getmany(timeout_ms=200, max_records=5_000)
                for records in found.values():
                    self._take(records)
                    await asyncio.sleep(0)
                # A position also passes what is no record: the marks of transactions.
                for tp in partitions:
                    self._positions[tp] = await consumer.position(tp)
        finally:
            await stop_client(consumer)

    async def _place(self, consumer: Any, partitions: Sequence[TopicPartition], now_ms: int) -> None:
        """Where the last look ended, the first time where the records of the last days begin."""
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, now_ms - KEPT_MS))
        starts = await consumer.beginning_offsets(partitions)
        for tp in partitions:
            first = max(starts[tp], found[tp].offset if found.get(tp) else 0)
            self._positions[tp] = max(first, self._positions.get(tp, 0))
            consumer.seek(tp, self._positions[tp])

    def _take(self, records: Sequence[Any]) -> None:
        for record in records:
            value = record.value or b""
            if _IS_DECLARED not in value or _IS_HOUR not in value:
                continue
            try:
                reading = _decode(value)
            except UNREADABLE:
                continue
            key = (reading.campaign_id, reading.window_start or "")
            held = self._readings.get(key)
            if held is None or held.revision < reading.revision:
                self._readings[key] = reading

    def _forget(self, before_ms: int) -> None:
        """Hours that ended before; the topic may keep records longer."""
        for key, reading in list(self._readings.items()):
            if (
                reading.window_end is None
                or to_millis(datetime.fromisoformat(reading.window_end)) < before_ms
            ):
                del self._readings[key]
