"""A collector on a real broker as tests talk to it, and what it wrote."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientSession
from kafka import KafkaConsumer, TopicPartition

from streams.collect.server import CollectServer
from streams.process import now_ms

MAPPING = """
description = "leads and orders of a CRM"
[columns]
at = { type = "time", optional = true }
amount = { type = "number", optional = true }
kind = { optional = true }
_campaign_id = { optional = true }
[[select]]
topic = "leads"
files = ["documents", "leads"]
key = ["lead_id"]
id = ["lead_id"]
sql = "SELECT rows.id AS lead_id, rows.at AS occurred_at, _campaign_id AS campaign_id FROM rows"
[[select]]
topic = "orders"
files = ["orders"]
key = ["order_id"]
id = ["order_id"]
sql = "SELECT rows.id AS order_id, rows.at AS occurred_at, amount AS revenue, 'EUR' AS currency FROM rows"
"""
FILE = """
public_url = "https://collect.shop.example"
[site]
origins = ["https://shop.example"]
hosts = ["shop.example"]
accepts = ["click", "impression", "lead", "order"]
rate = 1000
[links.spring]
url = "https://shop.example/spring?utm_id=7"
campaign_id = "spring"
[links.any]
url = "https://shop.example/"
is_open = true
[webhooks.crm]
secret_file = "crm.secret"
proof = { kind = "token", query = "token" }
mapping = "crm.toml"
rate = 1000
[webhooks.signed]
secret_file = "crm.secret"
proof = { kind = "hmac", header = "X-Signature", timestamp = "X-Time", message = "{timestamp}.{body}", id = "X-Delivery" }
mapping = "crm.toml"
"""
SECRET = "a-secret-of-these-tests"  # noqa: S105


def write_files(folder, text=FILE):
    """The file of the collector with what it names; its path."""
    (folder / "crm.secret").write_text(SECRET)
    (folder / "crm.toml").write_text(MAPPING)
    path = folder / "collect.toml"
    path.write_text(text)
    return path


@asynccontextmanager
async def collecting(settings, path, clock=now_ms) -> AsyncIterator[tuple[ClientSession, CollectServer]]:
    """A collector and a client of it that keeps no cookies by itself."""
    changed = settings.model_copy(update={"collect_file": path, "collect_port": 0, "collect_metrics_port": 0})
    server = CollectServer(changed, clock)
    await server.start()
    try:
        async with ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield session, server
    finally:
        await server.stop()


def written(settings, topic):
    """Every record of a topic: key and document."""
    name = settings.topic(topic)
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    partitions = [TopicPartition(name, number) for number in range(settings.partitions)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    found = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for batch in consumer.poll(timeout_ms=500).values():
            found += [(record.key and record.key.decode(), json.loads(record.value)) for record in batch]
    consumer.close()
    return found
