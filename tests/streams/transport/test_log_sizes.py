"""Logs stay as large as docs/operations.md says, on a real broker whose segments are small enough to close within the test."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from metrics.records.kpi_reading import CampaignKpi
from streams import topics
from streams.embedded.broker import embedded_broker
from streams.state.checkpoint import Checkpoint, Output
from streams.topics import specs
from streams.transport.checkpoint_writer import CheckpointWriter
from streams.transport.client_options import kafka_python_options
from tests.conftest import REPOSITORY
from tests.support.seating import entries_of
from tests.support.servers.worker import wait_for

#: The least that Kafka takes.
SEGMENT = 1024 * 1024


def created(settings: Any, name: str, **changed: str) -> None:
    """A topic as the product creates it, with some of its configuration changed."""
    (spec,) = (each for each in specs(settings.topic_prefix, 1) if each.name == settings.topic(name))
    with contextlib.closing(KafkaAdminClient(**kafka_python_options(settings))) as admin:
        admin.create_topics([NewTopic(spec.name, 1, 1, topic_configs={**spec.config, **changed})])


def size(settings: Any, name: str) -> int:
    """Bytes of a topic's log as the broker says."""
    with contextlib.closing(KafkaAdminClient(**kafka_python_options(settings))) as admin:
        answer = admin.describe_log_dirs()
    return sum(_sizes(answer, settings.topic(name)))


def _sizes(found: Any, topic: str) -> Iterator[int]:
    """Sizes of a topic's partitions, wherever they stand in the answer."""
    if isinstance(found, dict):
        if found.get("topic", found.get("name")) == topic:
            yield from (each.get("partition_size", each.get("size")) for each in found["partitions"])
        else:
            for each in found.values():
                yield from _sizes(each, topic)
    elif isinstance(found, list | tuple):
        for each in found:
            yield from _sizes(each, topic)


@pytest.mark.verify
def test_a_changelog_stays_below_twice_its_state_and_two_segments_however_much_is_written(
    settings_for,
) -> None:
    keys, length, checkpoints = 300, 4_000, 40
    with embedded_broker(properties={"log.cleaner.backoff.ms": "200"}) as own:
        settings = settings_for(own, partitions=1)
        created(settings, topics.MERGE_CHANGELOG, **{"segment.bytes": str(SEGMENT)})
        asyncio.run(written(settings, keys, length, checkpoints))
        whole, state = keys * length * checkpoints, keys * length
        bound = 2 * state + 2 * SEGMENT
        assert whole > 8 * bound, "without compaction it would be far above"
        wait_for(
            "the log is as small as the page says",
            lambda: size(settings, topics.MERGE_CHANGELOG) <= bound * 1.1,
        )
        assert size(settings, topics.MERGE_CHANGELOG) >= state
        read = dict(asyncio.run(asyncio.wait_for(entries_of(settings, topics.MERGE_CHANGELOG), 60)))
    assert {key: value[:2] for key, value in read.items()} == {
        b"%d" % key: b"%02d" % (checkpoints - 1) for key in range(keys)
    }


async def written(settings: Any, keys: int, length: int, checkpoints: int) -> None:
    writer = CheckpointWriter(settings, topics.MERGE_CHANGELOG, 0)
    await writer.start()
    noise = random.Random(7)
    try:
        for number in range(checkpoints):
            entries = [(b"%d" % key, b"%02d" % number + noise.randbytes(length - 2)) for key in range(keys)]
            for first in range(0, keys, 100):  # below a segment each
                await writer.write(Checkpoint(number, entries[first : first + 100]))
    finally:
        await writer.stop()


def test_readings_take_at_most_half_of_their_bytes_in_the_log_and_are_read_back_as_they_were(
    broker, settings_for
) -> None:
    packed, plain = settings_for(broker, partitions=1), settings_for(broker, partitions=1)
    created(packed, topics.CAMPAIGN_KPIS)
    created(plain, topics.CAMPAIGN_KPIS, **{"compression.type": "producer"})
    outputs = list(readings(200))
    for settings in (packed, plain):
        created(settings, topics.MERGE_CHANGELOG)
        asyncio.run(published(settings, outputs))
    was, now = size(plain, topics.CAMPAIGN_KPIS), size(packed, topics.CAMPAIGN_KPIS)
    print(f"{was:,} -> {now:,} bytes: {now / was:.2f}")
    assert 0 < now < 0.5 * was
    for settings in (packed, plain):
        found = asyncio.run(asyncio.wait_for(entries_of(settings, topics.CAMPAIGN_KPIS), 60))
        assert found == [(each.key, each.value) for each in outputs]


def readings(campaigns: int) -> Iterator[Output]:
    """Readings of many campaigns, whose figures have nothing in common."""
    noise = random.Random(7)
    decoder = msgspec.json.Decoder(CampaignKpi)
    recorded = (REPOSITORY / "tests" / "support" / "recorded_kpis.jsonl").read_bytes().splitlines()
    for number in range(campaigns):
        for line in recorded:
            reading = decoder.decode(line)
            sums = {
                name: noise.randrange(10**9) if isinstance(value, int) else value
                for name, value in msgspec.structs.asdict(reading.sums).items()
            }
            kpis = {name: value and round(noise.random() * 100, 6) for name, value in reading.kpis.items()}
            changed = msgspec.structs.replace(
                reading,
                campaign_id=f"campaign-{noise.randrange(10**9)}",
                sums=type(reading.sums)(**sums),
                kpis=kpis,
                revision=noise.randrange(10**9),
            )
            value = msgspec.json.encode(changed)
            yield Output(topics.CAMPAIGN_KPIS, 0, b"%d" % number, value)


async def published(settings: Any, outputs: list[Output]) -> None:
    writer = CheckpointWriter(settings, topics.MERGE_CHANGELOG, 0)
    await writer.start()
    try:
        for first in range(0, len(outputs), 100):
            await writer.write(Checkpoint(first, [(b"k", b"v")], outputs[first : first + 100]))
    finally:
        await writer.stop()
