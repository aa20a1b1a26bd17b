"""What ``campaigns`` says of a campaign now, so that a row of a platform completes a registration and never replaces one.

A platform knows a campaign's name and where it is; budget, targets and dates are a person's. Kafka compares nothing before it
writes, so what somebody registers between the reading and the writing of a row, some milliseconds, is written over.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from metrics.entities.registry_entries import RegistryEntries, named_and_instant
from metrics.records.events import Campaign
from metrics.records.reserved_names import ReservedNames
from metrics.records.validation import decode, instant
from metrics.values.errors import Rejection
from streams import catalogues, topics
from streams.mapping.engine import MappedRecord
from streams.replay.producer import RecordSink
from streams.settings import Settings
from streams.transport.client_options import kafka_python_options

#: What the platform itself says, so that a row may change it; all else is only filled in where nothing is said.
_OF_THE_PLATFORM = frozenset({"name", "platform", "platform_account_id", "platform_campaign_id"})

#: Fields with their JSON as it was written, so that an amount stays the text that it is.
Document = dict[str, msgspec.Raw]
Meaning = tuple[str, int | None]


class _Named(msgspec.Struct):
    campaign_id: str | None = None


_campaigns = msgspec.json.Decoder(Campaign)
_named = msgspec.json.Decoder(_Named).decode
_fields = msgspec.json.Decoder(Document).decode
_encode = msgspec.json.Encoder().encode
_NULL = b"null"
#: Campaigns without a registration that a summary names.
_SHOWN = 5


class RegistrationCompletion(Protocol):
    """Knows what is registered, and what a row adds to that."""

    def completed(self, record: MappedRecord) -> list[MappedRecord]:
        """What is to be written of a campaign's row."""


class Standing:
    """Records of ``campaigns`` as they stand, by what they mean.

    >>> standing = Standing()
    >>> standing.take(b"spring", b'{"campaign_id": "spring", "budget": 900, "channel": "mine"}')
    >>> row = MappedRecord("campaigns", "spring", b'{"campaign_id": "spring", "name": "Spring", "channel": "social"}', None)
    >>> [record.value for record in standing.completed(row)]
    [b'{"campaign_id":"spring","budget":900,"channel":"mine","name":"Spring"}']
    >>> standing.take(b"spring", None)
    >>> standing.completed(row)
    []
    """

    def __init__(self) -> None:
        self._entries: RegistryEntries[Meaning, tuple[str, Document]] = RegistryEntries()
        #: By campaign, what its records ever meant.
        self._meanings: dict[str, set[Meaning]] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take in a record of the topic, or a tombstone; a record that workers refuse is passed over."""
        if value is None:
            changed = self._entries.withdraw(key, self._named(key))
        else:
            try:
                campaign = decode(_campaigns, value)
                valid_from = (
                    None if campaign.valid_from is None else instant(campaign.valid_from, "valid_from")
                )
            except Rejection:
                return
            entry = key.decode(errors="replace"), _fields(value)
            changed = self._entries.put(key, (campaign.campaign_id, valid_from), entry)
        for meaning in changed:
            self._meanings.setdefault(meaning[0], set()).add(meaning)

    def _named(self, key: bytes) -> set[Meaning]:
        """What the key of a tombstone names: every record of a campaign, or the one of an instant."""
        campaign_id, named = key.decode(errors="replace"), named_and_instant(key)
        found = self._meanings.get(campaign_id, set())
        return found | ({(campaign_id, None)} if named is None else {named})

    def completed(self, record: MappedRecord) -> list[MappedRecord]:
        """What is to be written of a campaign's row: the row itself where nothing was ever registered, nothing where all is said already.

        A campaign that was withdrawn stays withdrawn.
        """
        said = _fields(record.value)
        meanings = self._meanings.get(decode(_campaigns, record.value).campaign_id)
        if meanings is None:
            return [record]
        standing = [found for each in meanings if (found := self._entries.value(each)) is not None]
        return [
            MappedRecord(record.topic, key, _encode(document | news), record.at_ms)
            for key, document in standing
            if (news := dict(_news(document, said)))
        ]

    def is_registered(self, campaign_id: str) -> bool:
        """Whether a record of a campaign stands."""
        meanings = self._meanings.get(campaign_id, ())
        return any(self._entries.value(each) is not None for each in meanings)

    def said_of(self, record: MappedRecord) -> list[str]:
        """The fields that are said in the place of a record of the topic."""
        campaign = decode(_campaigns, record.value)
        valid_from = None if campaign.valid_from is None else instant(campaign.valid_from, "valid_from")
        found = self._entries.value((campaign.campaign_id, valid_from))
        return [] if found is None else [name for name, value in found[1].items() if bytes(value) != _NULL]


def _news(document: Document, said: Document) -> Iterator[tuple[str, msgspec.Raw]]:
    """The fields in which a row says more than a registration, or what the platform says otherwise now."""
    for name, value in said.items():
        known = bytes(document.get(name, _NULL))
        is_open = known == _NULL or name in _OF_THE_PLATFORM
        if is_open and bytes(value) not in {known, _NULL}:
            yield name, value


class CompletingSink:
    """A sink whose rows of campaigns complete what is registered."""

    def __init__(self, sink: RecordSink, registered: RegistrationCompletion) -> None:
        self._sink = sink
        self._registered = registered

    def send(self, record: MappedRecord) -> None:
        """Hand over a record, or what completes registrations by it."""
        for each in self._registered.completed(record) if record.topic == topics.CAMPAIGNS else (record,):
            self._sink.send(each)

    def confirm(self) -> None:
        """As the sink."""
        self._sink.confirm()


def fields_lost(standing: Standing, record: MappedRecord) -> list[str]:
    """What a registration says that is gone with a record written as it is, by the names of its fields."""
    said = {name for name, value in _fields(record.value).items() if bytes(value) != _NULL}
    return [name for name in standing.said_of(record) if name not in said]


def campaign_named(record: MappedRecord) -> str | None:
    """The campaign that a record names."""
    return _named(record.value).campaign_id


def unregistered(named: Mapping[str, int], standing: Standing, names: ReservedNames) -> Iterator[str]:
    """A line on campaigns that records name and nobody has registered; none where all are registered.

    Args:
        named: by campaign how many records name it.
        standing: what is registered.
        names: other spellings of campaigns, and texts that stand for none.

    >>> standing = Standing()
    >>> standing.take(b"spring", b'{"campaign_id": "spring"}')
    >>> list(unregistered({"spring": 9, "Spring Sale": 1}, standing, ReservedNames(aliases=(("Spring Sale", "spring"),))))
    []
    """
    open_: Counter[str] = Counter()
    for name, count in named.items():
        campaign_id = names.campaign(name)
        if not standing.is_registered(campaign_id) and not names.is_no_campaign(campaign_id):
            open_[campaign_id] += count
    if not open_:
        return
    most = sorted(open_.items(), key=lambda each: (-each[1], each[0]))[:_SHOWN]
    shown = ", ".join(f"{name} ({catalogues.number(count)})" for name, count in most)
    if len(open_) > _SHOWN:
        shown = catalogues.t("{names} and {count} more", names=shown, count=len(open_) - _SHOWN)
    yield catalogues.t(
        "campaigns that are not registered, with their records: {names}. They have no budget, no target and no card, and spend that "
        "is reported for them counts as 0: register them, or correct their ids in the mapping.",
        names=shown,
    )


class Registrations:
    """The same, read from the broker as the topic grows."""

    def __init__(self, settings: Settings) -> None:
        from kafka import KafkaConsumer, TopicPartition  # noqa: PLC0415

        self._standing = Standing()
        self._consumer: Any = KafkaConsumer(**kafka_python_options(settings), enable_auto_commit=False)
        name = settings.topic(topics.CAMPAIGNS)
        self._partitions = [
            TopicPartition(name, each) for each in sorted(self._consumer.partitions_for_topic(name) or ())
        ]
        self._consumer.assign(self._partitions)
        if self._partitions:
            self._consumer.seek_to_beginning()

    def completed(self, record: MappedRecord) -> list[MappedRecord]:
        """As ``Standing.completed``, by what the topic says now."""
        return self.now().completed(record)

    def now(self) -> Standing:
        """What the topic says now."""
        for key, value in self._news():
            self._standing.take(key, value)
        return self._standing

    def _news(self) -> Iterator[tuple[bytes, bytes | None]]:
        if not self._partitions:
            return
        ends = self._consumer.end_offsets(self._partitions)
        while any(self._consumer.position(each) < end for each, end in ends.items()):
            for records in self._consumer.poll(timeout_ms=500).values():
                yield from ((record.key or b"", record.value) for record in records)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
