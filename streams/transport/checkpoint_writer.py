"""Checkpoints: one record batch on the changelog and its outputs, fenced by a transaction (D1, D3).

Kafka appends a record batch whole or not at all, so state and source offsets can never disagree. The
outputs are whole values with a version. Both are one transaction, and the producer's ``transactional.id``
fences an earlier owner of the partition.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import aiokafka
from aiokafka import TopicPartition, errors

from metrics.values.errors import StateError
from streams.settings import Settings
from streams.state.checkpoint import Checkpoint, Output
from streams.state.codec import Entry
from streams.topics import MAX_MESSAGE_BYTES
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client
from streams.transport.transactions import FENCED, refusal

#: A Kafka batch stays below the default limit of a broker's topic (1 MiB).
MAX_BATCH_BYTES = 900_000
_ENTRY_OVERHEAD = 80
#: A changelog batch stays below what its topic takes; a checkpoint beyond is several batches of one transaction.
MAX_STATE_BYTES = MAX_MESSAGE_BYTES - 1024 * 1024

#: What a broker says of a batch that a topic does not take.
_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)
#: Topic without its prefix, partition, and a batch that is closed.
_Addressed = tuple[str, int, Any]


class CheckpointError(StateError):
    """An append or an output was not confirmed; the process must end and recover."""


class CheckpointWriter:
    """Writes the checkpoints of one stage and partition through a producer of its own."""

    def __init__(self, settings: Settings, changelog: str, partition: int) -> None:
        self._settings = settings
        self._changelog = changelog
        self._partition = partition
        self._deadline = settings.session_timeout / 1000
        self._producer: aiokafka.AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Start the producer, which fences the partition's old owner."""
        self._producer = aiokafka.AIOKafkaProducer(
            acks="all",
            max_batch_size=MAX_MESSAGE_BYTES,
            max_request_size=MAX_MESSAGE_BYTES + 1024 * 1024,
            request_timeout_ms=self._settings.session_timeout,
            transactional_id=self._settings.topic(f"{self._changelog}-{self._partition}"),
            transaction_timeout_ms=self._settings.session_timeout,
            **aiokafka_options(self._settings),
        )
        await asyncio.wait_for(self._producer.start(), self._deadline * 2)

    async def stop(self) -> None:
        """Close the producer, within the deadline: without a broker its unconfirmed batches are tried for ever."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_client(producer, self._deadline)

    async def write(self, checkpoint: Checkpoint) -> None:
        """Append the checkpoint and send its outputs, and wait until all is committed.

        Raises:
            CheckpointError: when anything was not confirmed in time; nothing may be written after.
            StateError: when a topic does not take batches of this size, which no later attempt would change.
        """
        try:
            await asyncio.wait_for(self._write(checkpoint), self._deadline)
        except CheckpointError:
            raise
        except Exception as error:
            cause = refusal(self._producer, error)
            if isinstance(cause, FENCED):
                raise CheckpointError(self._fenced()) from error
            if isinstance(cause, _TOO_LARGE):
                raise StateError(
                    f"A checkpoint of {self._changelog}-{self._partition} is larger than a topic takes that it is written to "
                    f"({type(cause).__name__}): max.message.bytes or segment.bytes was lowered. roistream topics names the topic "
                    "and the command that corrects it; nothing was written, and the worker goes on from there."
                ) from error
            raise CheckpointError(
                f"Checkpoint {checkpoint.sequence} of {self._changelog}-{self._partition} "
                f"was not confirmed: {cause!r}."
            ) from error

    def _fenced(self) -> str:
        name = self._settings.instance_id
        twins = f" (here {name!r})" if name else ""
        return (
            f"Another worker has taken {self._changelog}-{self._partition} over, so nothing may be written here any more. "
            f"Where that repeats, two workers run under one ROISTREAM_INSTANCE_ID{twins}; give each a name of its own. Or "
            "workers of one ROISTREAM_TOPIC_PREFIX are in two groups; give all of them one ROISTREAM_GROUP_ID."
        )

    async def _write(self, checkpoint: Checkpoint) -> None:
        assert self._producer is not None, "started"
        batches: list[_Addressed] = [
            (self._changelog, self._partition, self._filled(entries))
            for entries in _cut(checkpoint.entries, MAX_STATE_BYTES)
        ]
        batches += [(*place, self._filled(entries)) for *place, entries in _batches(checkpoint.outputs)]
        await self._producer.begin_transaction()
        self._announce(batches)
        await self._send(batches)
        await self._producer.commit_transaction()

    async def _send(self, batches: list[_Addressed]) -> None:
        """Send all batches at once, and wait until each is confirmed."""
        assert self._producer is not None, "started"
        pending = []
        for topic, partition, batch in batches:
            name = self._settings.topic(topic)
            pending.append(await self._producer.send_batch(batch, name, partition=partition))
        for confirmed in await asyncio.gather(*pending):
            _check(confirmed)

    def _announce(self, batches: list[_Addressed]) -> None:
        """Name all partitions of the transaction to its coordinator at once: a round trip, and not one for each."""
        assert self._producer is not None, "started"
        for topic, partition, _ in batches:
            tp = TopicPartition(self._settings.topic(topic), partition)
            self._producer._txn_manager.maybe_add_partition_to_txn(tp)  # noqa: SLF001 - send_batch does it too, for one

    def _filled(self, entries: list[Entry]) -> Any:
        assert self._producer is not None, "started"
        batch = self._producer.create_batch()
        for key, value in entries:
            if batch.append(key=key, value=value, timestamp=None) is None:
                size, limit = len(key) + len(value or b""), MAX_MESSAGE_BYTES
                raise CheckpointError(
                    f"One record of {size} bytes (key {key[:80]!r}) does not fit into a record batch, which holds at most "
                    f"{limit} bytes; what is kept of one key has outgrown its bound."
                )
        batch.close()
        return batch


def _check(metadata: Any) -> None:
    if metadata is None:
        raise CheckpointError("The broker did not confirm a batch.")


def _batches(outputs: list[Output]) -> Iterator[tuple[str, int, list[Entry]]]:
    """Outputs by topic and partition, in order, cut below a broker's default batch size."""

    def destination(output: Output) -> tuple[str, int]:
        return output.topic, output.partition

    for (topic, partition), group in groupby(sorted(outputs, key=destination), key=destination):
        entries = [(output.key, output.value) for output in group]
        for some in _cut(entries, MAX_BATCH_BYTES):
            yield topic, partition, some


def _cut(entries: Iterable[Entry], limit: int) -> Iterator[list[Entry]]:
    """The entries in order, in lists below a limit of bytes; one that is larger stands alone."""
    some: list[Entry] = []
    size = 0
    for key, value in entries:
        length = len(key) + len(value or b"") + _ENTRY_OVERHEAD
        if some and size + length > limit:
            yield some
            some, size = [], 0
        some.append((key, value))
        size += length
    if some:
        yield some
