"""The carrier's world on Kafka: actions and registries in, effects in transactions of one writer, clock and chance."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError

from metrics.budget.effects.records import BudgetEffect
from metrics.budget.records import BudgetAction
from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Platform
from metrics.values.errors import UNREADABLE, RoistreamError
from streams import topics
from streams.apply.carrier import Registered
from streams.apply.platform import PlatformClient, Target
from streams.process import now_ms
from streams.runtime.registry import Registry
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options, log_options
from streams.transport.client_stop import stop_client
from streams.transport.transactions import FENCED, refusal

#: One process at a time writes effects; who starts later takes over.
_WRITER = "roistream-apply"
_WAIT_MS = 500

_decode_effect = msgspec.json.Decoder(BudgetEffect).decode
_decode_action = msgspec.json.Decoder(BudgetAction).decode
_encode = msgspec.json.Encoder().encode


class ApplyError(RoistreamError):
    """Effects cannot be carried out, or their record is not written; the text says what to do."""


class KafkaWorld:
    """As ``Surroundings`` says; ``is_dry`` writes nothing and takes over from nobody."""

    def __init__(
        self,
        settings: Settings,
        clients: Mapping[Platform, PlatformClient],
        *,
        is_dry: bool,
        on_effect: Callable[[BudgetEffect], None] = lambda _: None,
    ) -> None:
        """Nothing is connected before ``start``.

        Args:
            settings: broker, security, prefix.
            clients: by platform.
            is_dry: whether nothing is written.
            on_effect: hears each effect that changed, once it is kept.
        """
        self._settings = settings
        self._clients = clients
        self._is_dry = is_dry
        self._on_effect = on_effect
        self._campaigns = CampaignRegistry(settings.reporting_currency)
        self._registry = Registry(settings, self._campaigns, lambda _: None)
        self._producer: AIOKafkaProducer | None = None
        self._actions: AIOKafkaConsumer | None = None
        self._following: asyncio.Task[None] | None = None

    def now(self) -> int:
        """Wall clock in epoch ms."""
        return now_ms()

    def chance(self) -> float:
        """Between 0 and 1."""
        return random.random()  # noqa: S311 - spreads tries, guards nothing

    def registered(self, campaign_id: str) -> Registered | None:
        """As the campaign's newest registry record says; None where one of the three is absent."""
        record = self._campaigns.facts(campaign_id).registered
        if (
            record is None
            or not record.platform
            or not record.platform_account_id
            or not record.platform_campaign_id
        ):
            return None
        return Registered(record.platform, Target(record.platform_account_id, record.platform_campaign_id))

    def flight_end(self, campaign_id: str) -> int | None:
        """As the campaign's newest registry record says."""
        return self._campaigns.facts(campaign_id).ends_at

    def platform(self, name: Platform) -> PlatformClient | None:
        """Its client."""
        return self._clients.get(name)

    def rate_parts(self, currency: str, at: int) -> int | None:
        """As ``ExchangeRates.parts``."""
        return self._campaigns.rates.parts(currency, at)

    async def call(self, function: Callable[[], object]) -> object:
        """In a thread."""
        return await asyncio.to_thread(function)

    async def start(self) -> list[BudgetEffect]:
        """Take over from another writer, and read what was kept.

        Raises:
            ApplyError: when the broker does not answer, or the topic is absent.
        """
        try:
            if not self._is_dry:
                self._producer = AIOKafkaProducer(
                    acks="all",
                    transactional_id=self._settings.topic(_WRITER),
                    transaction_timeout_ms=self._settings.session_timeout,
                    **aiokafka_options(self._settings),
                )
                await asyncio.wait_for(self._producer.start(), self._settings.broker_wait / 1_000)
            await self._registry.start()
            effects = await self._kept()
            self._actions = AIOKafkaConsumer(
                self._settings.topic(topics.BUDGET_ACTIONS), **log_options(self._settings)
            )
            await self._actions.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise ApplyError(
                f"The broker at {', '.join(self._settings.bootstrap)} did not answer as it should ({type(error).__name__}); "
                "roistream doctor says what is wrong."
            ) from error
        self._following = self._registry.follow()
        return effects

    async def stop(self) -> None:
        """Disconnect."""
        await self._registry.stop()
        for client in (self._actions, self._producer):
            if client is not None:
                await stop_client(client)

    async def _kept(self) -> list[BudgetEffect]:
        consumer = AIOKafkaConsumer(
            self._settings.topic(topics.BUDGET_EFFECTS), **log_options(self._settings)
        )
        found: dict[bytes, BudgetEffect] = {}
        try:
            await consumer.start()
            if not consumer.assignment():
                raise ApplyError(
                    f"{self._settings.topic(topics.BUDGET_EFFECTS)} does not exist; create it with: roistream topics."
                )
            ends = await consumer.end_offsets(list(consumer.assignment()))
            while not await _is_read(consumer, ends):
                for records in (await consumer.getmany(timeout_ms=_WAIT_MS)).values():
                    for record in records:
                        if record.value is None:
                            found.pop(record.key, None)
                        else:
                            found[record.key] = _decode_effect(record.value)
        except msgspec.DecodeError as error:
            raise ApplyError(
                f"{self._settings.topic(topics.BUDGET_EFFECTS)} holds a record that is no effect ({error}): without it an action could be "
                "carried out twice, so nothing is done. Was it written by a later release, or by somebody else?"
            ) from error
        finally:
            await stop_client(consumer)
        return list(found.values())

    async def actions(self, wait_ms: int = _WAIT_MS) -> list[tuple[BudgetAction, int]]:
        """Actions that have come, with their offsets; what is no action is passed over."""
        assert self._actions is not None, "started"
        assert self._following is not None, "started"
        if self._following.done():
            self._following.result()
        found = []
        for records in (await self._actions.getmany(timeout_ms=wait_ms)).values():
            for record in records:
                try:
                    found.append((_decode_action(record.value or b""), record.offset))
                except UNREADABLE:
                    continue
        return found

    async def is_caught_up(self) -> bool:
        """Whether every action that is there now was handed over."""
        assert self._actions is not None, "started"
        return await _is_read(
            self._actions, await self._actions.end_offsets(list(self._actions.assignment()))
        )

    async def keep(self, effects: Iterable[BudgetEffect]) -> None:
        """Write effects as one transaction.

        Raises:
            ApplyError: when another process writes, or the broker does not confirm.
        """
        changed = list(effects)
        if not self._is_dry:
            await self._write(changed)
        for effect in changed:
            self._on_effect(effect)

    async def _write(self, effects: list[BudgetEffect]) -> None:
        assert self._producer is not None, "started"
        topic = self._settings.topic(topics.BUDGET_EFFECTS)
        try:
            async with asyncio.timeout(self._settings.session_timeout / 1_000):
                await self._producer.begin_transaction()
                sent: list[asyncio.Future[Any]] = [
                    await self._producer.send(
                        topic, _encode(effect), key=effect.action_id.encode(), partition=0
                    )
                    for effect in effects
                ]
                await asyncio.gather(*sent)
                await self._producer.commit_transaction()
        # The last two are what aiokafka says of a transaction that the broker has ended already.
        except (KafkaError, OSError, TimeoutError, IllegalOperation, AssertionError) as error:
            cause = refusal(self._producer, error)
            if isinstance(cause, FENCED):
                raise ApplyError(
                    "Another roistream apply has taken over, so this one ends; run one at a time."
                ) from error
            raise ApplyError(
                f"The broker did not confirm a record in {topic} ({type(cause).__name__}), so nothing more is sent; start it again."
            ) from error


async def _is_read(consumer: AIOKafkaConsumer, ends: Mapping[Any, int]) -> bool:
    positions = [await consumer.position(tp) >= end for tp, end in ends.items()]
    return all(positions)
