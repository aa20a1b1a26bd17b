"""What logs are: their topics' ids, where they begin and end, and which record batch stands at an offset."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from metrics.values.errors import StateError
from streams.settings import Settings
from streams.state.lineage import LogFacts, LogMark
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client
from streams.transport.log_offsets import know_topics
from streams.transport.record_batches import keep_raw_records, mark_of

#: Of one batch: a broker gives the first batch of an answer whole, however large it is (KIP-74).
_FETCH_BYTES = 64 * 1024
_WAIT_S = 1.0
_NO_ID = bytes(16)
_METADATA, _WITH_TOPIC_IDS = 3, 10


class _Uuid(AbstractType):
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        found: bytes = data.read(16)
        return found


class _MetadataResponse(Response):
    """Metadata with topic ids (Kafka protocol, Metadata response v10)."""

    API_KEY = _METADATA
    API_VERSION = _WITH_TOPIC_IDS
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataStruct(RequestStruct):
    """Asks for some topics (Kafka protocol, Metadata request v10); aiokafka's own goes up to v5, without ids."""

    FLEXIBLE_VERSION = True
    API_KEY = _METADATA
    API_VERSION = _WITH_TOPIC_IDS
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataStruct]):
    """The request for these topics, where the broker knows version 10 (Apache Kafka 2.8)."""

    API_KEY = _METADATA

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics: list[tuple[bytes, str, dict[int, bytes]]] = [(_NO_ID, topic, {}) for topic in topics]

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        creates = tells_rights = False
        return request_struct_class(self._topics, creates, tells_rights, tells_rights, {})


async def log_facts(
    settings: Settings, wanted: Mapping[tuple[str, int], int | None]
) -> dict[tuple[str, int], LogFacts]:
    """What the partitions of topics are now.

    Args:
        settings: where the broker is.
        wanted: by full topic name and partition, the offset whose record batch is asked for; None: of none.

    Raises:
        StateError: when a batch that is there cannot be read within the session timeout.
    """
    keep_raw_records()
    tps = {TopicPartition(*each): offset for each, offset in wanted.items()}
    consumer = AIOKafkaConsumer(
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_wait_ms=50,
        **aiokafka_options(settings),
    )
    try:
        await consumer.start()  # a rebalance may cancel it, and it must be stopped then too
        await know_topics(consumer, tps)
        ids = await _topic_ids(consumer, {tp.topic for tp in tps})
        starts, ends = await consumer.beginning_offsets(list(tps)), await consumer.end_offsets(list(tps))
        there = {
            tp: offset for tp, offset in tps.items() if offset is not None and starts[tp] <= offset < ends[tp]
        }
        marks = await _marks(consumer, there, settings.session_timeout / 1_000)
    finally:
        await stop_client(consumer)
    return {
        (tp.topic, tp.partition): LogFacts(ids.get(tp.topic), starts[tp], ends[tp], marks.get(tp))
        for tp in tps
    }


async def _topic_ids(consumer: Any, topics: Collection[str]) -> dict[str, bytes]:
    """Ids by topic; none where the broker gives none."""
    client = consumer._client
    try:
        answer = await client.send(client.get_random_node(), _MetadataRequest(sorted(topics)))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return {}
    return {topic[1]: topic[2] for topic in answer.topics if topic[2] != _NO_ID}


async def _marks(
    consumer: Any, offsets: Mapping[TopicPartition, int], within_s: float
) -> dict[TopicPartition, LogMark]:
    """The batch that holds each offset."""
    if not offsets:
        return {}
    consumer.assign(list(offsets))
    for tp, offset in offsets.items():
        consumer.seek(tp, offset)
    found: dict[TopicPartition, LogMark] = {}
    loop = asyncio.get_running_loop()
    ends = loop.time() + within_s
    while len(found) < len(offsets):
        if loop.time() > ends:
            missing = sorted(f"{tp.topic}-{tp.partition}" for tp in offsets.keys() - found.keys())
            raise StateError(
                f"{missing[0]} could not be read at offset {offsets[min(offsets.keys() - found.keys())]}."
            )
        for tp, parsed in await _fetched(consumer):
            mark = mark_of(parsed)
            if mark is not None:
                found.setdefault(tp, mark)
    return found


async def _fetched(consumer: Any) -> Sequence[tuple[TopicPartition, Any]]:
    """What the fetches gave, by partition; nothing when none comes in time."""
    fetcher = consumer._fetcher
    if not fetcher._records:
        waiter = fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=_WAIT_S)
        if not done:
            waiter.cancel()
            return ()
        waiter.result()
    results, fetcher._records = dict(fetcher._records), type(fetcher._records)()
    fetcher._notify(fetcher._wait_consume_future)
    found = []
    for tp, result in results.items():
        if type(result) is not FetchResult:
            result.check_raise()
            continue
        found.append((tp, result._partition_records))
    return found
