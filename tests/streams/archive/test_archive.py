"""``roistream archive`` on a real broker: once each, again where corrected, out as files that a forecast reads."""

import asyncio
import csv
import json

import msgspec
import pytest
import redis
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from metrics.archive.editions import CampaignArchive
from metrics.values.errors import RoistreamError
from streams import topics
from streams.archive import files, update
from streams.archive.log import read_editions
from streams.forecast.files import read_archive
from streams.sinks.redis_names import RedisNames
from streams.transport.client_options import aiokafka_options
from streams.transport.topic_admin import ensure_topics
from tests.metrics.archive.test_editions import reading

CAMPAIGN = {
    "name": "=Spring",
    "channel": "search",
    "target": "families",
    "starts_at": "1970-03-12T00:00:00Z",
    "ends_at": "1970-04-11T00:00:00Z",
}


def of(campaign_id, **fields):
    return msgspec.json.encode(msgspec.structs.replace(reading(**fields), campaign_id=campaign_id))


async def put(settings, *records):
    producer = AIOKafkaProducer(**aiokafka_options(settings), acks="all")
    await producer.start()
    try:
        for topic, key, value in records:
            await producer.send_and_wait(settings.topic(topic), value, key=key.encode(), partition=0)
    finally:
        await producer.stop()


def registered(name, **fields):
    return topics.CAMPAIGNS, name, json.dumps({"campaign_id": name, **CAMPAIGN, **fields}).encode()


def action(number, mode="enforce", campaign="c-1"):
    value = {
        "schema": "budget-action/1", "action_id": f"a{number}", "campaign_id": campaign, "verb": "pause", "column": None, "budget_from": None,
        "budget_to": None, "currency": "EUR", "mode": mode, "rule": "r", "reason": "why", "evidence": {}, "hold": None,
        "decided_at": "1970-04-01T00:00:00Z",
    }  # fmt: skip
    return topics.BUDGET_ACTIONS, campaign, json.dumps(value).encode()


@pytest.fixture
def settings(broker, settings_for):
    found = settings_for(broker, partitions=2)
    ensure_topics(found, create=True)
    return found


def editions(settings):
    return asyncio.run(read_editions(settings))


def test_campaigns_that_are_over_are_archived_once_corrected_and_exported(settings, tmp_path, capsys):
    records = [
        registered("c-1"),
        registered("runs", ends_at="1970-05-30T00:00:00Z"),
        registered("silent"),
        (topics.CAMPAIGN_KPIS, "c-1", of("c-1")),
        (topics.CAMPAIGN_KPIS, "c-1", of("c-1", model="linear")),
        (topics.CAMPAIGN_KPIS, "runs", of("runs")),
        (topics.CAMPAIGN_KPIS, "c-1", b"no reading"),
        action(1),
        action(1),
        action(2, mode="observe"),
    ]
    asyncio.run(put(settings, *records))
    assert update.run(settings, "30d") == 0
    said = capsys.readouterr().out
    assert "c-1: archived" in said
    assert "1 campaigns: each is not over for long enough." in said
    assert "1 campaigns: each has no reading of its whole time." in said
    (first,) = editions(settings).values()
    assert (first.edition, first.actions, list(first.models)) == (1, {"pause": 1}, ["declared", "linear"])

    update.run(settings, "30d")
    assert "0 editions written." in capsys.readouterr().out
    late = of("c-1", refunds=2_500_000, revision=5)
    asyncio.run(put(settings, (topics.CAMPAIGN_KPIS, "c-1", late), (topics.CAMPAIGN_KPIS, "c-1", of("c-1"))))
    update.run(settings, "30d")
    assert "c-1: edition 2: " in capsys.readouterr().out
    found = editions(settings)["c-1"]
    assert isinstance(found, CampaignArchive)
    assert "models.declared.sums.refunds_micros: 0 → 2500000" in found.changes

    assert update.run(settings, "30d", "runs") == 0
    assert update.run(settings, "30d", "silent") == 1
    with pytest.raises(RoistreamError, match="nobody is not registered"):
        update.run(settings, "30d", "nobody")

    for name in ("archive.csv", "archive.parquet"):
        files.export(settings, tmp_path / name, "declared")
        past, currency = read_archive([tmp_path / name], [], "USD")
        one = next(each for each in past if each.campaign_id == "c-1")
        assert (one.spend, one.revenue, one.attributes[0], currency) == (
            5_000_000,
            2_500_000,
            "families",
            "EUR",
        )
        assert one.days == 30
    with (tmp_path / "archive.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["name"], row["spend"]) == ("'=Spring", "5")

    capsys.readouterr()
    files.compare(settings, ["c-1"], "declared", as_json=True)
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["edition"] == 2
    files.compare(settings, [], "declared", as_json=False)
    assert "runs" in capsys.readouterr().out
    with pytest.raises(RoistreamError, match="silent is not archived"):
        files.compare(settings, ["silent"], "declared", as_json=True)


def test_readings_that_the_topic_no_longer_holds_are_taken_from_redis(settings, cache):
    asyncio.run(put(settings, registered("c-1")))
    url = {"redis_url": SecretStr(cache.url)}
    names = RedisNames(settings.topic_prefix)
    with redis.Redis.from_url(cache.url) as store:
        store.hset(names.readings("declared", "total"), "c-1", of("c-1", revision=7))
        update.run(settings.model_copy(update=url), "30d")
        assert editions(settings)["c-1"].edition == 1
        store.hset(names.views, "owner", "another cluster")
        with pytest.raises(RoistreamError, match="belong to a deployment on another Kafka cluster"):
            update.run(settings.model_copy(update=url), "30d")


def test_what_cannot_be_done_is_said(settings, tmp_path):
    with pytest.raises(RoistreamError, match="Nothing is archived yet"):
        files.export(settings, tmp_path / "a.csv", "declared")
    with pytest.raises(RoistreamError, match=r"must end in .parquet or .csv"):
        files.export(settings, tmp_path / "a.xlsx", "declared")
    with pytest.raises(RoistreamError, match="--after soon is no duration"):
        update.run(settings, "soon")
