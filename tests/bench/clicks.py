"""The clicks every contender reads: made once from a seed, produced under as many topics as are asked for."""

import asyncio
import random
import time
from collections.abc import Iterator

import aiokafka
import msgspec

from streams.state.codec import partition_of
from streams.transport.checkpoint_writer import MAX_BATCH_BYTES

PARTITIONS = 4
_VISITORS = 100_000
_CHANNELS = ("search", "social", "display", "email")
#: The backlog holds the clicks of so many milliseconds, the last one now.
_SPAN_MS = 120_000
_OVERHEAD = 80

Records = list[tuple[bytes, bytes]]


class Clicks(msgspec.Struct):
    """Key and value of each click by partition, and what the clicks add up to."""

    parts: list[Records]
    count: int
    micros: int


class Conversions(msgspec.Struct):
    """Leads and orders that follow some of the clicks, on the partitions of their visitors."""

    leads: list[Records]
    orders: list[Records]

    @property
    def count(self) -> int:
        return sum(map(len, self.leads)) + sum(map(len, self.orders))


def make_conversions(clicks: Clicks) -> Conversions:
    """A lead half a second after every 20th click, and an order that names it after every fifth of those."""
    leads: list[Records] = [[] for _ in range(PARTITIONS)]
    orders: list[Records] = [[] for _ in range(PARTITIONS)]
    for partition, records in enumerate(clicks.parts):
        for number, (visitor, value) in enumerate(records[::20]):
            at, name = msgspec.json.decode(value)["occurred_at"] + 500, f"{partition}-{number}"
            lead = {
                "event_id": f"l-{name}",
                "lead_id": name,
                "occurred_at": at,
                "visitor_id": visitor.decode(),
            }
            leads[partition].append((visitor, msgspec.json.encode(lead)))
            if number % 5 == 0:
                order = {
                    "event_id": f"o-{name}",
                    "order_id": name,
                    "lead_id": name,
                    "customer_id": f"c-{name}",
                }
                order |= {"occurred_at": at + 500, "revenue": "49.90", "currency": "EUR"}
                orders[partition].append((visitor, msgspec.json.encode(order)))
    return Conversions(leads, orders)


def make_clicks(count: int, campaigns: int, seed: int = 7, hot: float = 0.0) -> Clicks:
    """`count` clicks in order of time, keyed by visitor, with unique ids; a share `hot` of them in one campaign."""
    rng = random.Random(seed)
    first = time.time_ns() // 1_000_000 - _SPAN_MS
    routes = {f"v-{n:06d}".encode(): partition_of(f"v-{n:06d}", PARTITIONS) for n in range(_VISITORS)}
    visitors = list(routes)
    parts: list[Records] = [[] for _ in range(PARTITIONS)]
    cents_spent = 0
    for number in range(count):
        visitor, cents = rng.choice(visitors), rng.randint(10, 200)
        cents_spent += cents
        click = {
            "event_id": f"e-{seed}-{number:09d}",
            "occurred_at": first + number * _SPAN_MS // count,
            "campaign_id": f"c-{0 if hot and rng.random() < hot else rng.randrange(campaigns):04d}",
            "visitor_id": visitor.decode(),
            "cost": f"{cents / 100:.2f}",
            "channel": rng.choice(_CHANNELS),
        }
        parts[routes[visitor]].append((visitor, msgspec.json.encode(click)))
    return Clicks(parts, count, cents_spent * 10_000)


def produce(address: str, topic: str, parts: list[Records]) -> None:
    """Append all records to a topic that exists, whole batches at a time."""
    asyncio.run(_produce(address, topic, parts))


async def _produce(address: str, topic: str, parts: list[Records]) -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=address, acks="all", max_batch_size=1 << 20)
    await producer.start()
    try:
        await asyncio.gather(*(_fill(producer, topic, number, part) for number, part in enumerate(parts)))
    finally:
        await producer.stop()


async def _fill(producer: aiokafka.AIOKafkaProducer, topic: str, partition: int, records: Records) -> None:
    for chunk in _chunks(records):
        batch = producer.create_batch()
        for key, value in chunk:
            assert batch.append(key=key, value=value, timestamp=None) is not None, "a chunk fits a batch"
        batch.close()
        await (await producer.send_batch(batch, topic, partition=partition))


def _chunks(records: Records) -> Iterator[Records]:
    chunk: Records = []
    size = 0
    for key, value in records:
        length = len(key) + len(value) + _OVERHEAD
        if size + length > MAX_BATCH_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append((key, value))
        size += length
    if chunk:
        yield chunk
