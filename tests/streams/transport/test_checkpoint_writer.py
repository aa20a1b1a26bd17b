"""Checkpoints on a real broker: owners killed at every point, failed appends, fencing, logs read back."""

import asyncio
import contextlib
import time
from typing import Any

import aiokafka
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from metrics.values.errors import StateError
from streams import topics
from streams.embedded.broker import embedded_broker
from streams.state.checkpoint import Checkpoint, Output
from streams.state.store import epoch_of
from streams.transport import checkpoint_writer as checkpoint_module
from streams.transport.checkpoint_writer import CheckpointError, CheckpointWriter
from streams.transport.client_options import aiokafka_options, kafka_python_options
from streams.transport.log_offsets import bounds
from streams.transport.topic_admin import ensure_topics
from tests.conftest import fresh_settings
from tests.support.load import generated, visitors
from tests.support.operations import set_config
from tests.support.outside import write
from tests.support.seating import (
    AMID_OUTPUTS,
    BEFORE_APPEND,
    BEFORE_COMMIT,
    BEFORE_OUTPUTS,
    INTAKE,
    MERGE,
    POINTS,
    Death,
    Deployment,
    deployment,
    entries_of,
    folded_letters,
    folded_partials,
    records_of,
)

T0 = 1_780_000_000_000
HOUR_MS = 3_600_000
FENCED = r"Another worker has taken .* over"
_BROKEN = [("leads", b"v-1", b"{"), ("ad-clicks", b"v-2", b"\xff"), ("orders", b"v-3", {"event_id": "x"})]


def loaded(settings_for: Any, broker: Any) -> Any:
    """Settings of a fresh deployment whose sources hold the same records every time."""
    settings = settings_for(broker, partitions=2)
    ensure_topics(settings, create=True)
    people = visitors(2, idle_partition=-1, count=40)
    load = generated(7, 500, T0, HOUR_MS, people)
    for at, record in zip((100, 200, 300), _BROKEN, strict=True):
        load.insert(at, record)
    write(settings, load)
    return settings


async def run(settings: Any, deaths: dict[tuple[int, int], list[Death]]) -> dict[str, Any]:
    async with deployment(settings, deaths) as made:
        await made.settle()
        return await made.outcome()


@pytest.fixture(scope="module")
def baseline(broker: Any) -> dict[str, Any]:
    """What comes out of a run in which nobody dies."""
    found = asyncio.run(run(loaded(fresh_settings, broker), {}))
    assert len(found["letters"]) >= len(_BROKEN)
    assert len(found["kpis"]) > 300
    return found


@pytest.mark.parametrize("point", POINTS)
def test_owners_that_die_at_a_point_change_nothing_of_what_comes_out(
    broker, settings_for, baseline, monkeypatch, point
) -> None:
    # Each task: an owner that dies in its work, one that dies while it claims the partition, one that lives.
    monkeypatch.setattr(checkpoint_module, "MAX_BATCH_BYTES", 20_000)
    deaths = {(stage, 0): [Death(point, at=3), Death(point, at=1)] for stage in (INTAKE, MERGE)}
    found = asyncio.run(run(loaded(settings_for, broker), deaths))
    assert all(death.is_there.is_set() for each in deaths.values() for death in each), "all of them died"
    for part, expected in baseline.items():
        assert told(found[part]) == told(expected), part


def told(part: Any) -> Any:
    """A part of an outcome; of offsets those of sources, since how many messages re-key goes by how many checkpoints there were."""
    if not isinstance(part, dict):
        return part
    return {
        key: tuple(
            {name: at for name, at in each.items() if name != topics.REKEYED}
            if isinstance(each, dict)
            else each
            for each in value
        )
        if isinstance(value, tuple)
        else value
        for key, value in part.items()
    }


# --- appends that fail ------------------------------------------------------------------------------


def fresh(settings_for: Any, broker: Any, **overrides: Any) -> Any:
    """Settings of a deployment of one partition, with its topics."""
    settings = settings_for(broker, **({"partitions": 1} | overrides))
    ensure_topics(settings, create=True)
    return settings


def hear(made: Deployment, *campaigns: str) -> None:
    """A click of each campaign comes in on partition 0, and two records that nobody can read."""
    clicks = [{"event_id": name, "occurred_at": T0, "campaign_id": name} for name in campaigns]
    values = [*map(msgspec.json.encode, clicks), b"{", b"}"]
    offset = made.intake(0).offsets.get(topics.CLICKS, 0)
    made.intake(0).process(topics.CLICKS, records_of(values, offset), made.now)


@pytest.mark.parametrize(
    ("config", "topic"),
    [
        ("max.message.bytes", topics.INTAKE_CHANGELOG),
        ("max.message.bytes", topics.PARTIALS),
        ("segment.bytes", topics.INTAKE_CHANGELOG),
    ],
)
def test_a_topic_that_takes_smaller_batches_than_before_is_said_with_what_to_do(
    broker: Any, settings_for: Any, config: str, topic: str
) -> None:
    """A start could not end better, so it is no failure that the next start mends."""
    settings = fresh(settings_for, broker)
    size = 2 << 20
    set_config(settings, topic, config, str(size // 2))
    output = Output(topics.PARTIALS, 0, b"k", bytes(size))

    async def written() -> None:
        writer = CheckpointWriter(settings, topics.INTAKE_CHANGELOG, 0)
        await writer.start()
        try:
            await writer.write(Checkpoint(1, [(b"k", bytes(size))], [output]))
        finally:
            await writer.stop()

    with pytest.raises(StateError, match=r"max\.message\.bytes or segment\.bytes was lowered") as refused:
        asyncio.run(written())
    assert not isinstance(refused.value, CheckpointError)
    assert [each.topic for each in ensure_topics(settings, create=False)] == [settings.topic(topic)]


async def refuses_what_follows(made: Deployment, task: Any) -> None:
    with pytest.raises(CheckpointError, match=r"earlier checkpoint is open"):
        await task._write()
    before = await lengths(made.settings)
    await task.close()  # gives up without another attempt
    assert await lengths(made.settings) == before


async def lengths(settings: Any) -> dict[TopicPartition, int]:
    """Where the logs that an intake of partition 0 writes to end, whatever was committed."""
    found = await bounds(settings, [(tp.topic, tp.partition) for tp in written_by_intake(settings)])
    return {TopicPartition(*place): end for place, (_, end) in found.items()}


async def visible(settings: Any) -> dict[TopicPartition, int]:
    """Up to where readers of committed records read them."""
    async with AIOKafkaConsumer(
        **aiokafka_options(settings), group_id=None, isolation_level="read_committed"
    ) as consumer:
        found: dict[TopicPartition, int] = await consumer.end_offsets(written_by_intake(settings))
        return found


def written_by_intake(settings: Any) -> list[TopicPartition]:
    names = (topics.INTAKE_CHANGELOG, topics.PARTIALS, topics.DEAD_LETTERS)
    return [TopicPartition(settings.topic(name), 0) for name in names]


@pytest.mark.server
def test_an_append_without_a_broker_fails_within_its_deadline_and_nothing_follows_it(settings_for) -> None:
    async def scenario() -> None:
        async with deployment(settings) as made:
            task = made.tasks[INTAKE, 0]
            hear(made, "c")
            handle.stop()
            began = time.monotonic()
            with pytest.raises(CheckpointError, match="was not confirmed"):
                await task.checkpoint()
            assert time.monotonic() - began < 2 * settings.session_timeout / 1000
            hear(made, "d")
            with pytest.raises(CheckpointError, match=r"earlier checkpoint is open"):
                await task.checkpoint()
            await asyncio.wait_for(task.close(), 5)

    with embedded_broker() as handle:
        settings = fresh(settings_for, handle, session_timeout="2s")
        asyncio.run(scenario())


def test_of_an_append_that_its_topic_refuses_no_reader_sees_an_output(broker, settings_for) -> None:
    async def scenario() -> None:
        async with deployment(settings) as made:
            limit_message_size(settings, topics.INTAKE_CHANGELOG, 500)
            before = await visible(settings)
            hear(made, *(f"c-{number}" for number in range(50)))
            with pytest.raises(StateError, match="larger than a topic takes"):
                await made.tasks[INTAKE, 0].checkpoint()
            assert await visible(settings) == before
            hear(made, "d")
            await refuses_what_follows(made, made.tasks[INTAKE, 0])
            assert await visible(settings) == before

    settings = fresh(settings_for, broker)
    asyncio.run(scenario())


def limit_message_size(settings: Any, topic: str, size: int) -> None:
    admin = KafkaAdminClient(**kafka_python_options(settings))
    with contextlib.closing(admin):
        limits = {"max.message.bytes": str(size)}
        admin.alter_configs([ConfigResource("TOPIC", settings.topic(topic), limits)])


# --- fencing ----------------------------------------------------------------------------------------


def test_the_next_write_of_an_owner_that_was_succeeded_fails(broker, settings_for) -> None:
    async def scenario() -> None:
        async with deployment(settings) as made:
            first = made.tasks[INTAKE, 0]
            hear(made, "of-the-first")
            await succeed(made)
            with pytest.raises(CheckpointError, match=FENCED):
                await first.checkpoint()
            await refuses_what_follows(made, first)
            assert await folded_partials(settings) == {}

    settings = fresh(settings_for, broker)
    asyncio.run(scenario())


def test_the_reason_is_said_also_when_the_broker_refused_before_the_first_batch_was_sent(
    broker, settings_for, monkeypatch
) -> None:
    # aiokafka answers a batch after a refusal with "not in transaction", which names no cause.
    send = CheckpointWriter._send

    async def late(writer: CheckpointWriter, batches: Any) -> None:
        await asyncio.wait([writer._producer._txn_manager.wait_for_transaction_end()], timeout=30)
        await send(writer, batches)

    async def scenario() -> None:
        async with deployment(settings) as made:
            first = made.tasks[INTAKE, 0]
            hear(made, "of-the-first")
            await succeed(made)
            monkeypatch.setattr(CheckpointWriter, "_send", late)
            with pytest.raises(CheckpointError, match=FENCED):
                await first.checkpoint()

    settings = fresh(settings_for, broker)
    asyncio.run(scenario())


async def succeed(made: Deployment) -> None:
    """Another owner takes partition 0, while the first does not know."""
    made.buried.append(made.tasks[INTAKE, 0])
    await made.open(INTAKE, 0)


def test_a_release_that_cannot_write_ends_the_process_since_aiokafka_would_only_log_it(
    broker, settings_for
) -> None:
    async def scenario() -> None:
        async with deployment(settings):
            pass
        failures: list[BaseException] = []
        made = Deployment(settings, on_failure=failures.append)
        await made.processor.take_over({0}, 1)
        made.processor.held[0].intake.stage.is_touched = True
        async with deployment(settings):  # fences the tasks of the first
            with pytest.raises(CheckpointError):
                await made.processor.release()
        assert [type(failure) for failure in failures if "intake" in str(failure)] == [CheckpointError]

    settings = fresh(settings_for, broker, publish_interval="1h")
    asyncio.run(scenario())


@pytest.mark.parametrize("point", [BEFORE_APPEND, BEFORE_OUTPUTS, AMID_OUTPUTS, BEFORE_COMMIT])
def test_an_owner_that_stalls_amid_a_checkpoint_and_wakes_up_succeeded_cannot_write(
    broker, settings_for, monkeypatch, point
) -> None:
    # first   open ── checkpoint: stalls ────────────────── wakes up ✗
    # second                              open ── checkpoint
    async def scenario() -> None:
        death = Death(point, at=2, stall=asyncio.Event())
        async with deployment(settings, {(INTAKE, 0): [death]}) as made:
            first = made.tasks[INTAKE, 0]
            hear(made, "torn")
            writing = asyncio.create_task(first.checkpoint())
            await asyncio.wait_for(death.is_there.wait(), 60)
            await succeed(made)
            hear(made, "whole")
            await made.checkpoint(INTAKE, 0)
            death.stall.set()
            with pytest.raises(CheckpointError, match=FENCED):
                await writing
            assert {key[1] for key in await folded_partials(settings)} == {"whole"}
            assert {letter["offset"] for letter in (await folded_letters(settings)).values()} == {1, 2}
            assert await epochs(settings) == [1, 2, 2]

    monkeypatch.setattr(checkpoint_module, "MAX_BATCH_BYTES", 200)
    settings = fresh(settings_for, broker)
    asyncio.run(scenario())


async def epochs(settings: Any) -> list[int]:
    """Epochs of the committed checkpoints of partition 0, in order."""
    found = await entries_of(settings, topics.INTAKE_CHANGELOG)
    return [epoch for entry in found if (epoch := epoch_of([entry])) is not None]


def test_what_an_owner_had_begun_is_in_the_log_and_never_read(broker, settings_for) -> None:
    async def scenario() -> None:
        death = Death(BEFORE_COMMIT, at=2)
        async with deployment(settings, {(INTAKE, 0): [death]}) as made:
            hear(made, "torn")
            await made.checkpoint(INTAKE, 0)  # dies; its successor opens at once
            assert death.is_there.is_set()
            assert made.intake(0).offsets == {}
            assert await folded_partials(settings) == {}
            assert await uncommitted(settings, topics.PARTIALS) > 0

    settings = fresh(settings_for, broker)
    asyncio.run(scenario())


async def uncommitted(settings: Any, topic: str) -> int:
    """How many records a reader gets that does not care for transactions."""
    tp = TopicPartition(settings.topic(topic), 0)
    consumer = aiokafka.AIOKafkaConsumer(auto_offset_reset="earliest", **aiokafka_options(settings))
    consumer.assign([tp])
    async with consumer:
        end, count = (await consumer.end_offsets([tp]))[tp], 0
        async with asyncio.timeout(20):
            while await consumer.position(tp) < end:
                count += len((await consumer.getmany(tp, timeout_ms=500)).get(tp, []))
        return count
