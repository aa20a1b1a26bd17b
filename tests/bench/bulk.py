"""Clicks by the million: whole record batches made by columns, whose times and ids can be set anew before they are sent.

A client that makes each record takes 3 µs for it, more than a worker takes to read one; these take 0.1. The layout is
that of Kafka's message format, version 2 (https://kafka.apache.org/documentation/#recordbatch).
"""

import asyncio
import struct
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c

from streams.state.codec import partition_of

VISITORS = 100_000
#: Base offset, length, leader epoch, magic, checksum; what follows is covered by the checksum: attributes, last
#: offset delta, first and last timestamp, producer, its epoch and sequence, count.
_HEAD, _COVERED = struct.Struct(">qiibI"), struct.Struct(">hiqqqhii")
_TIMES_AT = 6
_VALUE = b'{"event_id":"e-%s-%s","occurred_at":%s,"campaign_id":"c-%s","visitor_id":"v-%s","cost":"%s.%s","channel":"search"}'
_DIGITS = {"series": 8, "number": 6, "at": 13, "campaign": 6, "visitor": 6, "units": 1, "cents": 2}
_MOST_IN_FLIGHT = 8


def _varint(value: int) -> bytes:
    rest, found = value << 1, bytearray()
    while rest > 0x7F:
        found.append(0x80 | rest & 0x7F)
        rest >>= 7
    return bytes([*found, rest])


def _layout() -> tuple[bytes, dict[str, int]]:
    """A record's key, value and headers with zeros for digits, and where the digits of each field begin."""
    at = {name: b"%c" % (1 + number) * width for number, (name, width) in enumerate(_DIGITS.items())}
    value = _VALUE % tuple(at.values())
    key = b"v-" + b"\x7f" * _DIGITS["visitor"]
    body = _varint(len(key)) + key + _varint(len(value)) + value + b"\x00"
    begins = body.index(value)
    places = {name: begins + value.index(mark) for name, mark in at.items()}
    return body, places | {"key": body.index(b"\x7f")}


_BODY, _PLACES = _layout()


class Columns(NamedTuple):
    """What differs between the clicks of a batch: numbers of campaign and visitor, and the cost in cents."""

    campaigns: np.ndarray
    visitors: np.ndarray
    cents: np.ndarray


def routed_visitors(partitions: int) -> list[np.ndarray]:
    """The numbers of the visitors whose keys belong on each partition."""
    routes = np.array([partition_of(f"v-{number:06d}", partitions) for number in range(VISITORS)])
    return [np.flatnonzero(routes == partition) for partition in range(partitions)]


class ClickBatch:
    """One record batch; ``stamp`` it before it is sent."""

    def __init__(self, columns: Columns) -> None:
        count = len(columns.campaigns)
        parts = [self._rows(first, min(last, count)) for first, last in _widths() if first < count]
        header = _HEAD.size + _COVERED.size
        self._bytes = bytearray(header) + b"".join(rows.tobytes() for rows in parts)
        _HEAD.pack_into(self._bytes, 0, 0, len(self._bytes) - 12, -1, 2, 0)
        _COVERED.pack_into(self._bytes, _HEAD.size, 0, count - 1, 0, 0, -1, -1, -1, count)
        #: For each width of the offsets: first record, rows, and where their bodies begin.
        self._views: list[tuple[int, np.ndarray, int]] = []
        at, first = header, 0
        for rows in parts:
            view = np.frombuffer(self._bytes, np.uint8, rows.size, at).reshape(rows.shape)
            self._views.append((first, view, rows.shape[1] - len(_BODY)))
            at, first = at + rows.size, first + len(rows)
        self._write("number", np.arange(count))
        self._write("campaign", columns.campaigns)
        self._write("visitor", columns.visitors)
        self._write("visitor", columns.visitors, place="key")
        self._write("units", columns.cents // 100)
        self._write("cents", columns.cents % 100)

    def stamp(self, series: int, occurred_at: int | np.ndarray) -> bytes:
        """The batch with ids of this series, at one instant or one for each click."""
        self._write("series", np.array([series]))
        instants = np.atleast_1d(occurred_at)
        self._write("at", instants)
        latest = int(instants.max())
        struct.pack_into(">qq", self._bytes, _HEAD.size + _TIMES_AT, latest, latest)
        covered = memoryview(self._bytes)[_HEAD.size :].tobytes()
        struct.pack_into(">I", self._bytes, _HEAD.size - 4, calc_crc32c(covered))
        return bytes(self._bytes)

    @staticmethod
    def _rows(first: int, last: int) -> np.ndarray:
        """Records of which only the offsets are filled in."""
        deltas = [b"\x00\x00" + _varint(offset) for offset in range(first, last)]
        length = _varint(len(deltas[0]) + len(_BODY))
        raw = b"".join(length + delta + _BODY for delta in deltas)
        return np.frombuffer(raw, np.uint8).reshape(last - first, -1)

    def _write(self, name: str, values: np.ndarray, place: str | None = None) -> None:
        width = _DIGITS[name]
        powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
        digits = (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)
        for first, rows, begins in self._views:
            at = begins + _PLACES[place or name]
            mine = digits if len(digits) == 1 else digits[first : first + len(rows)]
            rows[:, at : at + width] = mine


def _widths() -> Iterable[tuple[int, int]]:
    """Ranges of offsets that take the same number of bytes."""
    return (0, 1 << 6), (1 << 6, 1 << 13), (1 << 13, 1 << 20)


class Appender:
    """Appends finished batches to a topic of a broker that stands alone."""

    def __init__(self, address: str) -> None:
        self._client = AIOKafkaClient(bootstrap_servers=address)
        self._flying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._client.bootstrap()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._flying)
        await self._client.close()

    async def append(self, topic: str, batches: list[tuple[int, bytes]]) -> None:
        """Send a batch to each of some partitions; returns while some of the latest are still on their way."""
        if len(self._flying) >= _MOST_IN_FLIGHT:
            done, self._flying = await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        self._flying.add(asyncio.create_task(self._send(topic, batches)))

    async def _send(self, topic: str, batches: list[tuple[int, bytes]]) -> None:
        request = ProduceRequest(
            transactional_id=None, required_acks=1, timeout=30_000, topics=[(topic, batches)]
        )
        answer: Any = await self._client.send(self._client.get_random_node(), request)
        refused = [part[:2] for _, parts in answer.topics for part in parts if part[1]]
        if refused:
            raise RuntimeError(f"The broker refused batches (partition, error code): {refused}.")
