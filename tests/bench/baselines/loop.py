"""A hand-written loop: aiokafka, msgspec, a dict. No state, no dedupe, no guarantees; the rate to be measured by.

`python -m tests.bench.baselines.loop ADDRESS TOPIC WARM_UP` reads the topic from its start to its end and prints one
line of JSON. The clock runs from the batch that passes WARM_UP records to the last one.
"""

import sys
import time

import aiokafka
import msgspec
import uvloop

_MAX_RECORDS = 4_000
_FETCH_BYTES = 8 * 1024 * 1024


class Click(msgspec.Struct, gc=False):
    """Only the fields that the sums need; msgspec skips the others."""

    campaign_id: str
    occurred_at: int
    cost: str


async def run(address: str, topic: str, warm_up: int) -> dict[str, float]:
    """Fold the whole topic; what came out and how long it took."""
    consumer = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=address,
        group_id=None,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    await consumer.start()
    total = sum((await consumer.end_offsets(consumer.assignment())).values())
    decode = msgspec.json.Decoder(Click).decode_lines
    sums: dict[tuple[str, int], list[int]] = {}
    read, counted, began = 0, 0, 0.0
    while read < total:
        for records in (await consumer.getmany(timeout_ms=1_000, max_records=_MAX_RECORDS)).values():
            for click in decode(b"\n".join([record.value for record in records])):
                key = (click.campaign_id, click.occurred_at // 60_000)
                micros = round(float(click.cost) * 1_000_000)
                found = sums.get(key)
                if found is None:
                    sums[key] = [1, micros]
                else:
                    found[0] += 1
                    found[1] += micros
            read += len(records)
        if not began and read >= warm_up:
            began, counted = time.time(), read
    ended = time.time()
    await consumer.stop()
    return {
        "began": began,
        "ended": ended,
        "events": total - counted,
        "clicks": sum(count for count, _ in sums.values()),
        "micros": sum(micros for _, micros in sums.values()),
    }


if __name__ == "__main__":
    print(
        msgspec.json.encode(uvloop.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))).decode(), flush=True
    )
