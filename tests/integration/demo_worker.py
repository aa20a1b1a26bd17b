"""A stand-in for the worker in the demo's tests: reads the sources, publishes totals, answers its pages.

It knows just enough of the contract for the demo to have something to follow: one reading per campaign
and second, a ledger, and readiness. ``python demo_worker.py die`` ends instead once it is ready.
"""

import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from itertools import count

import msgspec
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from metrics import events
from metrics.money import to_micros
from streams import topics
from streams.connections import aiokafka_options
from streams.settings import load

KINDS = {
    topics.IMPRESSIONS: events.AdImpression,
    topics.CLICKS: events.AdClick,
    topics.REPORTS: events.AdReport,
    topics.LEADS: events.Lead,
    topics.ORDERS: events.Order,
}


class Books:
    def __init__(self) -> None:
        self.ledger: Counter[str] = Counter()
        self.seen: set[str] = set()
        self.sums: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def read(self, topic: str, value: bytes) -> None:
        self.ledger[self.judge(topic, value)] += 1

    def judge(self, topic: str, value: bytes) -> str:
        try:
            event = msgspec.json.decode(value, type=KINDS[topic])
        except msgspec.DecodeError:
            return "rejected"
        name = event.report_id if topic == topics.REPORTS else event.event_id
        if name in self.seen:
            return "duplicate"
        self.seen.add(name)
        self.apply(topic, event)
        return "applied"

    def apply(self, topic: str, event) -> None:
        sums = self.sums[event.campaign_id or events.NO_CAMPAIGN]
        sums["clicks"] += topic == topics.CLICKS
        sums["leads"] += topic == topics.LEADS and event.stage == "lead"
        sums["orders"] += topic == topics.ORDERS
        cost = getattr(event, "cost", None) or getattr(event, "spend", None)
        if cost is not None and cost > 0:
            sums["spend_micros"] += to_micros(cost)


def reading(campaign_id: str, sums: Counter[str], revision: int) -> bytes:
    spend, leads = sums["spend_micros"], sums["leads"]
    kpis = {
        "cpl": spend / leads / 1e6 if leads else None,
        "roi_net_profit": 0.5 if spend else None,
        "roas": 1.0,
    }
    record = {
        "campaign_id": campaign_id,
        "model": "declared",
        "window": "total",
        "window_start": None,
        "stage": "update",
        "revision": revision,
        "currency": "EUR",
        "sums": dict(sums),
        "kpis": kpis,
    }
    return json.dumps(record).encode()


async def publish(books: Books, producer: AIOKafkaProducer, topic: str, revision: int) -> None:
    for campaign_id, sums in books.sums.items():
        await producer.send_and_wait(topic, reading(campaign_id, sums, revision), key=campaign_id.encode())


async def main() -> None:
    settings, books = load(), Books()
    page = web.Application()
    lines = 'roistream_ledger_events{{topic="all",partition="0",outcome="{}"}} {}'
    page.router.add_get("/readyz", lambda _: text("ready"))
    page.router.add_get(
        "/metrics", lambda _: text("\n".join(lines.format(*item) for item in books.ledger.items()) + "\n")
    )
    runner = web.AppRunner(page)
    await runner.setup()
    await web.TCPSite(runner, settings.http_host, settings.http_port).start()
    options = aiokafka_options(settings)
    sources = [settings.topic(name) for name in topics.SOURCES]
    consumer = AIOKafkaConsumer(*sources, auto_offset_reset="earliest", **options)
    async with consumer, AIOKafkaProducer(**options) as producer:
        for revision in count(1):
            await read(books, consumer, settings.topic_prefix, time.monotonic() + 1)
            await publish(books, producer, settings.topic(topics.CAMPAIGN_KPIS), revision)
            if "die" in sys.argv:
                sys.exit("the stand-in was told to die")


async def read(books: Books, consumer: AIOKafkaConsumer, prefix: str, until: float) -> None:
    while time.monotonic() < until:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                books.read(record.topic.removeprefix(prefix), record.value)


async def text(body: str) -> web.Response:
    return web.Response(text=body)


if __name__ == "__main__":
    asyncio.run(main())
