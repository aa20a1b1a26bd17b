"""The Faust app: two agents over the batch transport. Built by a function, so importing starts nothing."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mode import CrashingSupervisor

from streams import topics
from streams.settings import Settings
from streams.transport.batch_consumer import BatchApp, BatchSchema, FetchedBatch, NoTables, PartitionOwner

#: Feeds one batch: full topic name, partition, generation of the assignment, batch.
Take = Callable[[str, int, int, FetchedBatch], Awaitable[None]]
#: Called when partitions are assigned, before any seek: partitions and generation.
TakeOver = Callable[[set[int], int], Awaitable[None]]

#: Batches an agent may have waiting, of all its partitions; each holds up to a fetch of one partition.
_BUFFERED_BATCHES = 2


def make_app(settings: Settings, owner: PartitionOwner, take: Take, take_over: TakeOver) -> Any:
    """An app that hands every batch to ``take`` and every assignment to ``take_over``.

    Args:
        settings: names of the broker, group and topics; timeouts.
        owner: who holds the state of the partitions.
        take: an error in it ends the process.
        take_over: likewise.
    """
    seconds = settings.session_timeout / 1000
    app = BatchApp(
        settings.group,
        broker=[f"kafka://{address}" for address in settings.bootstrap],
        broker_session_timeout=seconds,
        broker_heartbeat_interval=seconds / 3,
        broker_rebalance_timeout=seconds,
        broker_request_timeout=max(90.0, seconds * 3),
        producer_request_timeout=seconds,
        producer_acks=-1,
        store="memory://",
        stream_buffer_maxsize=_BUFFERED_BATCHES,
        stream_wait_empty=False,
        stream_recovery_delay=0,
        agent_supervisor=CrashingSupervisor,
        TableManager=NoTables,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        autodiscover=False,
        logging_config=None,
        loghandlers=[],
    )
    app.owner = owner
    app.settings = settings
    _add_agent(app, "intake", topics.INTAKE_INPUTS, take)
    _add_agent(app, "merge", (topics.PARTIALS,), take)

    async def on_rebalance_complete(sender: Any, **_: Any) -> None:
        assigned = _co_partitioned(settings, sender.consumer.assignment())
        logging.getLogger(__name__).info(
            "Partitions %s are assigned to %s in generation %d of the group.",
            *(sorted(assigned), settings.instance_id or "this worker", sender.consumer.group_generation),
        )
        await take_over(assigned, sender.consumer_generation_id)

    app.on_rebalance_complete.connect(on_rebalance_complete, weak=False)
    return app


def _add_agent(app: Any, name: str, names: tuple[str, ...], take: Take) -> None:
    topic = app.topic(
        *(app.settings.topic(each) for each in names), schema=BatchSchema(), acks=False, internal=False
    )

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            await take(message.topic, message.partition, message.generation_id, message.value)

    app.add_agent(name, topic, agent)


def _co_partitioned(settings: Settings, assigned: set[Any]) -> set[int]:
    """The partitions assigned, after checking that each comes with all of its topics."""
    expected = {settings.topic(name) for name in (*topics.INTAKE_INPUTS, topics.PARTIALS)}
    found: dict[int, set[str]] = {}
    for tp in assigned:
        found.setdefault(tp.partition, set()).add(tp.topic)
    for partition, names in found.items():
        if names != expected:
            missing = ", ".join(sorted(expected - names))
            logging.getLogger(__name__).error("Partition %d came without %s.", partition, missing)
            raise RuntimeError(
                f"Partition {partition} was assigned without {missing}: all source topics need the same number "
                f"of partitions (roistream topics checks them), and all workers the same version."
            )
    return set(found)
