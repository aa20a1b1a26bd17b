"""The registries: ``campaigns`` and ``fx-rates`` read whole on every worker, then followed.

A registry record that is wrong is refused: what was known under its key stays in force, a line of the log and a dead
letter say where it lies and why. It counts in no ledger, since it is no event: a compacted topic does not keep its count.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import aiokafka
import msgspec
from aiokafka import TopicPartition

from metrics.entities.campaigns import CampaignRegistry, resolve
from metrics.entities.registry_entries import RegistryEntries, named_and_instant
from metrics.records.dead_letters import dead_letter
from metrics.records.events import Campaign, FxRate
from metrics.records.validation import decode, instant
from metrics.values.errors import Reason, Rejection, StateError
from streams import topics
from streams.process import now_ms
from streams.settings import Settings
from streams.stages.budget.stage import RefusedRecord
from streams.state.lineage import registry_truncated
from streams.transport.client_options import log_options
from streams.transport.client_stop import stop_client

log = logging.getLogger(__name__)

_campaigns = msgspec.json.Decoder(Campaign)
_rates = msgspec.json.Decoder(FxRate)

#: Exact conversion at rates beyond these would take arithmetic on numbers of any length.
_LEAST_RATE, _LARGEST_RATE = Decimal("1e-12"), Decimal("1e12")
_MOST_DIGITS = 30
#: Refused records that are kept for their dead letters; more than that in a registry is a broken source.
_REFUSED_KEPT = 1_000


class Registry:
    """Keeps a campaign_registry up to date.

    Args:
        settings: broker and topics.
        campaign_registry: what is kept.
        on_campaign: hears the id of each campaign that changed.
        on_refused: hears of each record that was refused while the topics are followed; ``refused`` has those before.
        on_read: hears up to which offset a topic, by its short name, was read, before anything else happens.
    """

    def __init__(
        self,
        settings: Settings,
        campaign_registry: CampaignRegistry,
        on_campaign: Callable[[str], None],
        on_refused: Callable[[RefusedRecord], None] = lambda _: None,
        on_read: Callable[[str, int], None] = lambda _, __: None,
    ) -> None:
        self.campaign_registry = campaign_registry
        #: The newest records that were refused.
        self.refused: deque[RefusedRecord] = deque(maxlen=_REFUSED_KEPT)
        self._refused_keys: dict[str, set[bytes]] = {topic: set() for topic in topics.REGISTRIES}
        self._settings = settings
        self._on_campaign = on_campaign
        self._on_refused = on_refused
        self._on_read = on_read
        #: By topic, the offset of the next record.
        self._read_to = dict.fromkeys(topics.REGISTRIES, 0)
        self._consumer: aiokafka.AIOKafkaConsumer | None = None
        self._following: asyncio.Task[None] | None = None
        self._rates: RegistryEntries[tuple[str, int], Decimal] = RegistryEntries()
        self._campaigns: RegistryEntries[tuple[str, int | None], Campaign] = RegistryEntries()
        #: By campaign, the instants from which its records were ever valid.
        self._versions: dict[str, set[int | None]] = {}

    async def start(self) -> None:
        """Read both topics to their end, then follow them.

        Raises:
            StateError: as ``follow``.
        """
        consumer = aiokafka.AIOKafkaConsumer(
            *map(self._settings.topic, topics.REGISTRIES), **log_options(self._settings)
        )
        self._consumer = consumer
        await consumer.start()
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while not await self._is_read(ends):
            self._take(await consumer.getmany(timeout_ms=200))

    def follow(self) -> asyncio.Task[None]:
        """Follow the topics until stopped; the task ends only with an error, a ``StateError`` where a log has lost what was read."""
        self._following = asyncio.create_task(self._follow())
        return self._following

    async def positions(self) -> dict[tuple[str, int], int]:
        """The next offset to read, by full topic name and partition."""
        assert self._consumer is not None, "started"
        return {
            (tp.topic, tp.partition): await self._consumer.position(tp) for tp in self._consumer.assignment()
        }

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._following
        if self._consumer is not None:
            await stop_client(self._consumer)

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
            topic = tp.topic.removeprefix(self._settings.topic_prefix)
            apply = self._rate if topic == topics.FX_RATES else self._campaign
            refused_keys = self._refused_keys[topic]
            self._note(topic, found[tp])
            for record in found[tp]:
                key = record.key or b""
                try:
                    apply(record)
                except Rejection as rejection:
                    refused_keys.add(key)
                    self._refuse(record, rejection)
                else:
                    refused_keys.discard(key)

    def _note(self, topic: str, records: Sequence[Any]) -> None:
        """Records are read; what is read again was lost from the end of the log, and older records would count once more."""
        first, read_to = records[0].offset, self._read_to[topic]
        if first < read_to:
            raise StateError(registry_truncated(records[0].topic, first, read_to).sentence)
        self._read_to[topic] = records[-1].offset + 1
        self._on_read(topic, self._read_to[topic])

    @property
    def refused_entries(self) -> Mapping[str, int]:
        """Keys whose newest record was refused, by registry topic: an earlier value may still be in force."""
        return {topic: len(keys) for topic, keys in self._refused_keys.items()}

    def _refuse(self, record: Any, rejection: Rejection) -> None:
        log.warning(
            "%s-%s @%s was refused, what was known before stays in force: %s",
            *(record.topic, record.partition, record.offset, rejection),
        )
        letter = dead_letter(
            *(record.topic, record.partition, record.offset, record.key, record.value),
            *(rejection.reason, rejection.detail, now_ms()),
        )
        name = record.topic.removeprefix(self._settings.topic_prefix)
        refused = RefusedRecord(name, record.partition, record.offset, letter)
        self.refused.append(refused)
        self._on_refused(refused)

    def _campaign(self, record: Any) -> None:
        key: bytes = record.key or b""
        if record.value is None:
            changed = self._campaigns.withdraw(key, self._campaigns_named(key))
        else:
            campaign = self._settings.reserved_names.registered(decode(_campaigns, record.value))
            resolve(campaign, self.campaign_registry.rates)
            valid_from = None if campaign.valid_from is None else instant(campaign.valid_from, "valid_from")
            changed = self._campaigns.put(key, (campaign.campaign_id, valid_from), campaign)
        for campaign_id, valid_from in changed:
            self._versions.setdefault(campaign_id, set()).add(valid_from)
        for campaign_id in {each for each, _ in changed}:
            found = [self._campaigns.value((campaign_id, at)) for at in self._versions[campaign_id]]
            self.campaign_registry.set_records(campaign_id, [each for each in found if each is not None])
            self._on_campaign(campaign_id)

    def _campaigns_named(self, key: bytes) -> set[tuple[str, int | None]]:
        """What the key of a tombstone names: every record of a campaign, or the one of an instant."""
        campaign_id = key.decode(errors="replace")
        found: set[tuple[str, int | None]] = {(campaign_id, at) for at in self._versions.get(campaign_id, ())}
        named = named_and_instant(key)
        return found | {(campaign_id, None)} if named is None else found | {named}

    def _rate(self, record: Any) -> None:
        key: bytes = record.key or b""
        if record.value is None:
            named = named_and_instant(key)
            changed = self._rates.withdraw(key, set() if named is None else {named})
        else:
            rate = decode(_rates, record.value)
            if not rate.rate.is_finite() or not _LEAST_RATE <= rate.rate <= _LARGEST_RATE:
                raise Rejection(
                    Reason.INVALID_FIELD, f"rate {rate.rate} is not between {_LEAST_RATE} and {_LARGEST_RATE}"
                )
            if len(rate.rate.as_tuple().digits) > _MOST_DIGITS:
                raise Rejection(Reason.INVALID_FIELD, f"the rate has more than {_MOST_DIGITS} digits")
            meaning = rate.currency, instant(rate.valid_from, "valid_from")
            changed = self._rates.put(key, meaning, rate.rate)
        for currency, valid_from in sorted(changed):
            value = self._rates.value((currency, valid_from))
            for campaign_id in self.campaign_registry.set_rate(currency, valid_from, value):
                self._on_campaign(campaign_id)
