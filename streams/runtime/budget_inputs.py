"""Reads the controller's topics, all partitions of them, from where its state says."""

import asyncio
import logging
from typing import Any

import aiokafka
from aiokafka import TopicPartition

from streams.settings import Settings
from streams.stages.budget.stage import INPUTS, BudgetStage
from streams.transport.client_options import log_options
from streams.transport.client_stop import stop_client

log = logging.getLogger(__name__)

_POLL_MS = 200
_NOTED_EVERY_S = 1.0


async def follow(settings: Settings, board: BudgetStage, positions: dict[tuple[str, int], int]) -> None:
    """Feed the controller until cancelled; it is live once what was there at the start is read.

    ``positions`` is kept up to date with the next offset to read, by full topic name and partition: behind the last record of
    a log there are markers of transactions, which are no records of the stage.

    A place that the log no longer holds is skipped with a warning: readings are whole values, of which the next one
    is right again, and decisions that old would not be done anyway.
    """
    partitions = [
        TopicPartition(settings.topic(name), number)
        for name in INPUTS
        for number in range(settings.partitions)
    ]
    consumer = aiokafka.AIOKafkaConsumer(fetch_max_wait_ms=_POLL_MS, **log_options(settings))
    try:
        await consumer.start()  # a rebalance may cancel it, and it must be stopped then too
        consumer.assign(partitions)
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, _place(settings, board, tp, starts[tp], ends[tp]))
        loop = asyncio.get_running_loop()
        noted_at = loop.time() - _NOTED_EVERY_S
        while True:
            if loop.time() - noted_at >= _NOTED_EVERY_S:
                positions |= {(tp.topic, tp.partition): await consumer.position(tp) for tp in partitions}
                noted_at = loop.time()
            found: dict[Any, list[Any]] = await consumer.getmany(timeout_ms=_POLL_MS, max_records=2_000)
            for tp, records in found.items():
                board.take(tp.topic.removeprefix(settings.topic_prefix), tp.partition, records)
            if not board.is_live:
                board.is_live = all([await consumer.position(tp) >= ends[tp] for tp in partitions])
            await asyncio.sleep(0)
    finally:
        await stop_client(consumer)


def _place(settings: Settings, board: BudgetStage, tp: TopicPartition, start: int, end: int) -> int:
    key = (tp.topic.removeprefix(settings.topic_prefix), tp.partition)
    at = board.offsets.get(key, start)
    if start <= at <= end:
        return at
    log.warning(
        "%s-%d: the board stood at %d, the log holds %d to %d.", tp.topic, tp.partition, at, start, end
    )
    board.offsets[key] = start
    return start
