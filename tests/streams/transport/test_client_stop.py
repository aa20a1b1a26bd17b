"""A client of Kafka is stopped within a bound, and its end hides nothing: where a broker is gone, processes end all the same."""

import ast
import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from streams import topics
from streams.board.archive_store import ArchiveStore
from streams.board.audit_trail import AuditTrail
from streams.board.effect_store import EffectStore
from streams.board.hour_history import HourHistory
from streams.board.kafka_gateway import KafkaGateway
from streams.demo.traffic import reader
from streams.embedded.broker import embedded_broker
from streams.transport.client_stop import stop_client
from streams.transport.log_offsets import LogEnds
from streams.transport.topic_admin import ensure_topics
from tests.conftest import fresh_settings
from tests.support.pinning import until

STREAMS = Path(__file__).parents[3] / "streams"
#: An instant of 2026: Kafka finds no offsets for those before 1970.
T0 = 1_780_000_000_000
CLIENTS = {"AIOKafkaConsumer", "AIOKafkaProducer"}


class Client:
    """Ends as it is told."""

    def __init__(self, end):
        self.end = end

    async def stop(self):
        if self.end is None:
            await asyncio.Event().wait()
        elif isinstance(self.end, BaseException):
            raise self.end


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (None, "is left"),
        (asyncio.CancelledError(), ""),
        (KafkaConnectionError(), "KafkaConnectionError"),
        ("well", ""),
    ],
)
def test_the_work_keeps_its_own_error_however_its_client_ends(caplog, end, said):
    async def work():
        try:
            raise ValueError("the work's own")
        finally:
            await stop_client(Client(end), 0.05)

    with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="own"):
        asyncio.run(asyncio.wait_for(work(), 60))
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


def own_stops(tree: ast.AST) -> Iterator[int]:
    """Lines on which a client of Kafka, by its name, is stopped without a bound."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "stop":
            words = ast.unparse(node.value).lower()
            if any(word in words for word in ("consumer", "producer", "client")):
                yield node.lineno


@pytest.mark.parametrize("text", ["await consumer.stop()", "wait_for(self._producer.stop(), 2)"])
def test_a_client_that_is_stopped_without_a_bound_is_found(text):
    assert list(own_stops(ast.parse(f"async def end():\n    {text}"))) == [2]


def test_every_client_is_stopped_by_the_piece_that_has_a_bound():
    texts = {path: path.read_text() for path in STREAMS.rglob("*.py") if path.name != "client_stop.py"}
    makers = {path: text for path, text in texts.items() if any(f"{name}(" in text for name in CLIENTS)}
    assert len(makers) > 10
    found = [f"{path}:{line}" for path, text in makers.items() for line in own_stops(ast.parse(text))]
    assert found == []
    assert [path for path, text in makers.items() if "stop_client" not in text] == []


async def read_hours(settings, have_read):
    history = HourHistory(settings)
    while True:
        await history.read(T0)
        have_read.add("hours")


async def looked_at(settings, have_read):
    ends = LogEnds(settings)
    await ends.start()
    try:
        while await ends.ask([(settings.topic(topics.CLICKS), 0)], 600):
            have_read.add("ends")
    finally:
        await ends.stop()


async def read_on(settings, have_read):
    async with reader(settings, topics.CLICKS, from_beginning=True) as consumer:
        while True:
            await consumer.getmany(timeout_ms=100)
            have_read.add("demo")


@pytest.mark.verify
def test_whoever_reads_ends_when_told_to_while_the_broker_is_gone(caplog):
    async def scene(settings, own):
        gateway = KafkaGateway(settings, AuditTrail(), EffectStore(), ArchiveStore(), lambda *_: None)
        have_read = set()
        work = {
            "trail": gateway.follow(),
            "hours": read_hours(settings, have_read),
            "demo": read_on(settings, have_read),
            "ends": looked_at(settings, have_read),
        }
        tasks = {asyncio.create_task(each, name=name) for name, each in work.items()}
        await until(lambda: gateway.is_read and len(have_read) == 3)
        await asyncio.to_thread(own.kill)
        # Each client asks ten times a second, and says so in the same words: so many are of all of them.
        await until(lambda: caplog.text.count("Unable connect to node") >= 5 * len(tasks))
        for task in tasks:
            task.cancel()
        _, pending = await asyncio.wait(tasks, timeout=60)
        assert {task.get_name() for task in pending} == set()

    with embedded_broker() as own:
        settings = fresh_settings(own)
        ensure_topics(settings, create=True)
        asyncio.run(scene(settings, own))
