"""The registries: ``campaigns`` and ``fx-rates`` read whole on every worker, then followed.

A registry record that is wrong is logged and left out; it counts in no ledger, since it is no event.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import aiokafka
import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign, FxRate
from metrics.records.validation import decode, instant
from metrics.values.errors import Reason, Rejection
from streams import topics
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options

log = logging.getLogger(__name__)

_campaigns = msgspec.json.Decoder(Campaign)
_rates = msgspec.json.Decoder(FxRate)

#: Exact conversion at rates beyond these would take arithmetic on numbers of any length.
_LEAST_RATE, _LARGEST_RATE = Decimal("1e-12"), Decimal("1e12")


class Registry:
    """Keeps a campaign_registry up to date; ``on_campaign`` hears the id of each campaign that changed."""

    def __init__(
        self, settings: Settings, campaign_registry: CampaignRegistry, on_campaign: Callable[[str], None]
    ) -> None:
        self.campaign_registry = campaign_registry
        self._settings = settings
        self._on_campaign = on_campaign
        self._consumer: aiokafka.AIOKafkaConsumer | None = None
        self._following: asyncio.Task[None] | None = None
        self._rate_keys: dict[bytes, tuple[str, int]] = {}

    async def start(self) -> None:
        """Read both topics to their end, then follow them."""
        consumer = aiokafka.AIOKafkaConsumer(
            *(self._settings.topic(name) for name in topics.REGISTRIES),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            **aiokafka_options(self._settings),
        )
        self._consumer = consumer
        await consumer.start()
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while not await self._is_read(ends):
            self._take(await consumer.getmany(timeout_ms=200))

    def follow(self) -> asyncio.Task[None]:
        """Follow the topics until stopped; the task ends only with an error."""
        self._following = asyncio.create_task(self._follow())
        return self._following

    async def is_reachable(self, within_seconds: float) -> bool:
        """Whether a broker answers; asks for where the registries end."""
        assert self._consumer is not None, "started"
        partitions = list(self._consumer.assignment())
        try:
            await asyncio.wait_for(self._consumer.end_offsets(partitions), within_seconds)
        except (TimeoutError, KafkaError):
            return False
        return True

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._following
        if self._consumer is not None:
            await self._consumer.stop()

    async def _follow(self) -> None:
        assert self._consumer is not None, "started"
        while True:
            self._take(await self._consumer.getmany(timeout_ms=500))

    async def _is_read(self, ends: dict[TopicPartition, int]) -> bool:
        assert self._consumer is not None, "started"
        positions = [await self._consumer.position(tp) >= end for tp, end in ends.items()]
        return all(positions)

    def _take(self, found: dict[Any, list[Any]]) -> None:
        # Rates first, so that campaigns read in the same fetch find theirs.
        order = sorted(found, key=lambda tp: tp.topic != self._settings.topic(topics.FX_RATES))
        for tp in order:
            apply = self._rate if tp.topic == self._settings.topic(topics.FX_RATES) else self._campaign
            for record in found[tp]:
                try:
                    apply(record)
                except Rejection as rejection:
                    log.warning("%s-%s @%s: %s", tp.topic, tp.partition, record.offset, rejection)

    def _campaign(self, record: Any) -> None:
        if record.value is None:
            campaign_id = (record.key or b"").decode(errors="replace")
            self.campaign_registry.register(campaign_id, None)
        else:
            campaign = decode(_campaigns, record.value)
            campaign_id = campaign.campaign_id
            self.campaign_registry.register(campaign_id, campaign)
        self._on_campaign(campaign_id)

    def _rate(self, record: Any) -> None:
        key: bytes = record.key or b""
        if record.value is None:
            known = self._rate_keys.get(key)
            if known is not None:
                self._set_rate(*known, None)
            return
        rate = decode(_rates, record.value)
        if not rate.rate.is_finite() or not _LEAST_RATE <= rate.rate <= _LARGEST_RATE:
            raise Rejection(
                Reason.INVALID_FIELD, f"rate {rate.rate} is not between {_LEAST_RATE} and {_LARGEST_RATE}"
            )
        valid_from = instant(rate.valid_from, "valid_from")
        self._rate_keys[key] = (rate.currency, valid_from)
        self._set_rate(rate.currency, valid_from, rate.rate)

    def _set_rate(self, currency: str, valid_from: int, rate: Decimal | None) -> None:
        for campaign_id in self.campaign_registry.set_rate(currency, valid_from, rate):
            self._on_campaign(campaign_id)
