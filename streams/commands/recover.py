"""``roistream recover``: what differs between states and logs, and the two ways on: take the logs as they are, or compute anew.

Without an option nothing is changed. Both ways begin an epoch above all earlier ones, so that readers of highest revisions and
views follow the new figures.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.exceptions import RedisError
from rich.console import Console

from metrics.entities.campaigns import CampaignRegistry
from metrics.values.errors import RoistreamError, StateError
from metrics.values.time import SECOND
from streams import catalogues, topics
from streams.process import now_ms
from streams.runtime.lineage import (
    CHANGELOGS,
    CONTROLLER,
    INTAKE,
    MERGE,
    Found,
    Stores,
    adopt,
    compare,
    compare_shown,
    introduce,
)
from streams.runtime.stage_factory import StageFactory
from streams.runtime.task import Task
from streams.runtime.telemetry import StageTelemetry, Telemetry
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.sinks.redis_readings import client_of, shown_of
from streams.stages.budget.stage import BOARD_PARTITION
from streams.state.lineage import Difference, Reached
from streams.state.store import LostRecordsError, StateStore, read_header
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client
from streams.transport.group_admin import running_workers
from streams.transport.log_offsets import bounds
from streams.transport.log_reader import read_whole
from streams.transport.topic_admin import cluster_id, connected_admin, ensure_topics
from streams.transport.topic_differences import why_no_start

#: Readings at the end of a log, of which the last has the highest revision.
_LAST_READINGS = 50
_READ_WITHIN_S = 60
_DELETED_WITHIN_S = 60


@dataclass(frozen=True)
class Examined:
    """What is known of the states: of each partition those that can be read, and why others cannot be."""

    stores: Mapping[int, Stores]
    broken: Sequence[str]
    found: Found | None

    @property
    def sentences(self) -> list[str]:
        """What differs, and what to do about each."""
        return [*self.broken, *(self.found.sentences if self.found else ())]


def run(settings: Settings, *, accept: bool, rebuild: bool, from_what_is_left: bool) -> int:
    """Print what differs; with an option mend it. 1 when something differs still.

    Raises:
        RoistreamError: when workers run, topics have another number of partitions, or the way asked for is not open; the text
            says which is.
    """
    console = Console()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if accept and rebuild:
        raise RoistreamError("Say --accept or --rebuild, not both.")
    refuse_other_partitions(settings)
    if not (accept or rebuild):
        examined = asyncio.run(examine(settings))
        for sentence in examined.sentences:
            say(catalogues.said(sentence))
        if not examined.sentences:
            say(catalogues.t("All states fit together and to their logs."))
        return 1 if examined.sentences else 0
    refuse_while_workers_run(settings)
    if accept:
        asyncio.run(_accept(settings, say))
    else:
        _rebuild(settings, say, from_what_is_left=from_what_is_left)
    return 0


def refuse_other_partitions(settings: Settings) -> None:
    """Raise where topics have another number of partitions than the settings say; a topic that is missing may be made anew.

    Raises:
        RoistreamError: with the first of them, and what to do.
    """
    found = ensure_topics(settings, create=False)
    refusal = why_no_start([each for each in found if each.kind == "partitions"])
    if refusal is not None:
        raise RoistreamError(refusal)


def refuse_while_workers_run(settings: Settings) -> None:
    """Raise where the workers' group has members.

    Raises:
        RoistreamError: with how many there are.
    """
    members = running_workers(settings)
    if members:
        raise RoistreamError(
            f"{members} workers of group {settings.group} run; stop them first (a worker that was killed leaves the group "
            "after ROISTREAM_SESSION_TIMEOUT)."
        )


# --- looking ---------------------------------------------------------------------------------------


async def examine(settings: Settings) -> Examined:
    """Read all changelogs, without fencing anyone, and compare states and logs."""
    broken: list[str] = []
    read: dict[int, dict[str, StateStore[Any]]] = {}
    for partition, stage, store in _stores(settings):
        name = f"{settings.topic(CHANGELOGS[stage])}-{partition}"
        entries = [
            entry async for batch in read_whole(settings, CHANGELOGS[stage], partition) for entry in batch
        ]
        try:
            store.restore(entries)
        except LostRecordsError as error:
            broken.append(f"{name}: {error}")
        else:
            read.setdefault(partition, {})[stage] = store
    whole = {partition: stores for partition, stores in read.items() if {INTAKE, MERGE} <= stores.keys()}
    if not whole:
        return Examined(read, broken, None)
    found, shown = await compare(settings, whole), await _shown(settings)
    for partition, stores in whole.items():
        difference = compare_shown(settings, partition, stores[MERGE], shown.get(partition))
        found.differences.extend([] if difference is None else [(partition, difference)])
    return Examined(read, broken, found)


async def _shown(settings: Settings) -> dict[int, tuple[int, int]]:
    """Up to which version Redis was shown each merge partition; nothing where there is no Redis, or none that answers."""
    if settings.redis_url is None:
        return {}
    names = RedisNames(settings.topic_prefix, await asyncio.to_thread(cluster_id, settings))
    client = client_of(settings.redis_url.get_secret_value())
    try:
        fields: Any = await client.hgetall(names.views)
    except (RedisError, OSError):
        return {}
    finally:
        await client.aclose()
    if not names.is_own(fields):
        return {}
    found = {each: shown_of(fields, settings.topic_prefix, each) for each in range(settings.partitions)}
    return {partition: shown for partition, shown in found.items() if shown is not None}


def _stores(settings: Settings) -> Iterator[tuple[int, str, StateStore[Any]]]:
    registry = CampaignRegistry(settings.reporting_currency)
    factory = StageFactory(settings, registry, Telemetry(""), now_ms, 0)
    for partition in range(settings.partitions):
        yield partition, INTAKE, factory.intake(partition)
        yield partition, MERGE, factory.merge(partition)
        if partition == BOARD_PARTITION:
            yield partition, CONTROLLER, factory.board(lambda _: None)


# --- accepting -------------------------------------------------------------------------------------


async def _accept(settings: Settings, say: Any) -> None:
    """Go on with the logs as they are, under an epoch above all earlier ones."""
    async with _tasks(settings) as tasks:
        await asyncio.gather(*(task.read() for task in tasks.values()))
        stores = _by_partition(tasks)
        found = await compare(settings, stores)
        rebuilt = [each for _, each in found.differences if each.remedy == "rebuild"]
        if rebuilt:
            raise RoistreamError(rebuilt[0].sentence)
        for what in dict.fromkeys(each.what for _, each in found.differences):
            say(catalogues.t("Accepted: {what}", what=catalogues.said(what)))
        for partition, each in found.differences:
            _go_on_at(stores[partition], each)
        adopt(settings, stores, found.facts)
        above = _epoch_above(stores, now_ms())
        await _claim(tasks, above)
        say(catalogues.t("Revisions go on above {revision}.", revision=above << 32))


def _go_on_at(stores: Stores, difference: Difference) -> None:
    intake = stores[INTAKE]
    if difference.offset is not None:
        intake.stage.offsets[difference.topic] = difference.offset
        intake.marks.forget(difference.topic)


def _epoch_above(stores: Mapping[int, Stores], now: int) -> int:
    """An epoch above all that workers may have had since the newest checkpoint that is left.

    An epoch is begun by a takeover, and no partition is taken over twice within a second.
    """
    kept = [store for each in stores.values() for store in each.values() if store.reached is not None]
    written = max((store.written for store in kept), default=0)
    lost = max(0, now - written) // SECOND if written else 0
    return max((store.epoch for store in kept), default=0) + lost + 1


async def _claim(tasks: Mapping[tuple[int, str], Task], above: int) -> None:
    for task in tasks.values():
        task.store.rise(above)
    await asyncio.gather(*(task.claim() for task in tasks.values()))
    # Once more, so that each knows the checkpoint that the others have just written.
    await asyncio.gather(*(task.write() for task in tasks.values()))


@contextlib.asynccontextmanager
async def _tasks(
    settings: Settings, stages: Sequence[str] = (INTAKE, MERGE, CONTROLLER)
) -> AsyncIterator[dict[tuple[int, str], Task]]:
    made = {
        (partition, stage): Task(
            *(settings, store, CHANGELOGS[stage], partition, now_ms, StageTelemetry()),
            lambda _: None,
        )
        for partition, stage, store in _stores(settings)
        if stage in stages
    }
    for stores in _by_partition(made).values():
        introduce(stores)
    try:
        yield made
    finally:
        await asyncio.gather(*(task.close() for task in made.values()), return_exceptions=True)


def _by_partition(tasks: Mapping[tuple[int, str], Task]) -> dict[int, dict[str, StateStore[Any]]]:
    found: dict[int, dict[str, StateStore[Any]]] = {}
    for (partition, stage), task in tasks.items():
        found.setdefault(partition, {})[stage] = task.store
    return found


# --- rebuilding ------------------------------------------------------------------------------------


def _rebuild(settings: Settings, say: Any, *, from_what_is_left: bool) -> None:
    """Forget the states of intake and merge, and what they have sent each other; a worker computes all from the sources.

    Until the last checkpoint is written every start is refused, whenever this is interrupted: merge is made anew first, and says
    that it goes on from a state of intake that is not there.
    """
    missing = asyncio.run(_missing(settings))
    if missing and not from_what_is_left:
        raise RoistreamError(
            f"The sources do not hold everything any more ({', '.join(missing)}), so figures would begin later than now; put the "
            "records back, or say --from-what-is-left too."
        )
    above = asyncio.run(_highest_epoch(settings)) + 1
    board = asyncio.run(_whole_board(settings))
    gone = [topics.MERGE_CHANGELOG, topics.PARTIALS, topics.REKEYED]
    gone += [] if board else [topics.CONTROLLER_CHANGELOG]
    _recreate(settings, gone)
    asyncio.run(_begin(settings, (MERGE,), above, since=now_ms()))
    _recreate(settings, [topics.INTAKE_CHANGELOG])
    asyncio.run(_begin(settings, (INTAKE, MERGE, CONTROLLER), above))
    say(catalogues.t("Start the workers: they compute everything anew from the sources."))
    say(catalogues.t("Revisions go on above {revision}.", revision=above << 32))
    if not board:
        say(catalogues.t("The board begins anew too, with the budgets as registered."))


async def _missing(settings: Settings) -> list[str]:
    """What the sources no longer hold."""
    wanted = [
        (settings.topic(name), partition)
        for name in topics.SOURCES
        if name != topics.ERASURES
        for partition in range(settings.partitions)
    ]
    found = await bounds(settings, wanted)
    return [
        catalogues.t("{topic} begins at {start}", topic=f"{topic}-{each}", start=start)
        for (topic, each), (start, _) in found.items()
        if start
    ]


async def _highest_epoch(settings: Settings) -> int:
    """The highest epoch that anything on the broker tells of, and as many above it as there may have been since."""
    highest, written = 0, 0
    for partition, stage, _ in _stores(settings):
        async for entries in read_whole(settings, CHANGELOGS[stage], partition):
            header = read_header(entries)
            if header is not None:
                written = max(written, header.written)
                highest = max(highest, header.epoch, *(each.epoch for each in header.others.values()))
    highest = max(highest, await _published_epoch(settings))
    return highest + (max(0, now_ms() - written) // SECOND if written else 0)


async def _published_epoch(settings: Settings) -> int:
    """The highest epoch of the last readings of each partition."""
    tps = [TopicPartition(settings.topic(topics.CAMPAIGN_KPIS), each) for each in range(settings.partitions)]
    consumer = AIOKafkaConsumer(group_id=None, isolation_level="read_committed", **aiokafka_options(settings))
    highest = 0
    try:
        await consumer.start()
        starts, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        consumer.assign(tps)
        for tp in tps:
            consumer.seek(tp, max(starts[tp], ends[tp] - _LAST_READINGS))
        async with asyncio.timeout(_READ_WITHIN_S):
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        highest = max(highest, msgspec.json.decode(record.value)["revision"] >> 32)
    finally:
        await stop_client(consumer)
    return highest


async def _whole_board(settings: Settings) -> bool:
    """Whether the board's own state can be gone on with."""
    entries = [
        entry
        async for batch in read_whole(settings, topics.CONTROLLER_CHANGELOG, BOARD_PARTITION)
        for entry in batch
    ]
    store = next(store for _, stage, store in _stores(settings) if stage == CONTROLLER)
    try:
        store.restore(entries)
    except StateError:
        return False
    return store.reached is not None


def _recreate(settings: Settings, names: Sequence[str]) -> None:
    full = [settings.topic(name) for name in names]
    with connected_admin(settings, settings.broker_wait) as admin:
        there = [name for name in full if name in admin.list_topics()]
        admin.delete_topics(there)
        ends = time.monotonic() + _DELETED_WITHIN_S
        while set(there) & set(admin.list_topics()):
            if time.monotonic() > ends:
                raise RoistreamError(
                    f"The broker does not delete {', '.join(there)}; see its log, and try again."
                )
            time.sleep(0.2)
    ensure_topics(settings, create=True)


async def _begin(settings: Settings, stages: Sequence[str], above: int, since: int | None = None) -> None:
    """Write first checkpoints.

    Args:
        settings: of the deployment.
        stages: whose.
        above: the epoch that they begin above.
        since: merge says that it goes on from a state of intake of this birth, which is not there; None: of the one that is.
    """
    async with _tasks(settings, stages) as tasks:
        await asyncio.gather(*(task.read() for task in tasks.values()))
        stores = _by_partition(tasks)
        if since is not None:
            for each in stores.values():
                absent = StateStore(each[MERGE].stage, since)
                absent.reached = Reached(since, above, 0)
                each[MERGE].beside = {INTAKE: absent}
        else:
            facts = (await compare(settings, stores)).facts
            adopt(settings, stores, facts)
        await _claim(tasks, above)
