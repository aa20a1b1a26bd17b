"""Campaigns that collected records name and nobody has registered: named once in the log and counted, until somebody registers them."""

import asyncio
import contextlib
import json
import math

import pytest
from kafka import KafkaProducer

from streams import topics
from streams.collect import unregistered_campaigns
from streams.collect.unregistered_campaigns import UnregisteredCampaigns
from streams.embedded.child_process import free_ports
from streams.mapping.engine import MappedRecord
from streams.transport.topic_admin import ensure_topics
from tests.conftest import fresh_settings
from tests.support.collect_serving import SECRET, collecting, write_files

LINE = "Campaigns that are not registered, with their records: "
GAUGE = "roistream_collect_unregistered_campaigns"


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(unregistered_campaigns, "_EVERY_S", 0.05)


async def until(is_so):
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - what another task does
            await asyncio.sleep(0.02)


def said(caplog):
    return [record.message for record in caplog.records if record.message.startswith(LINE)]


def click(campaign_id, number=0):
    value = {"event_id": f"{campaign_id}-{number}", "campaign_id": campaign_id}
    return MappedRecord(topics.CLICKS, None, json.dumps(value).encode(), None)


def test_what_events_and_webhooks_name_is_said_once_and_counted_until_it_is_registered(
    broker, settings_for, tmp_path, caplog
):
    (tmp_path / "aliases.toml").write_text('"Spring Sale" = "spring"')
    settings = settings_for(broker, campaign_aliases=tmp_path / "aliases.toml")
    ensure_topics(settings, create=True)
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap)

    def register(campaign_id):
        value = json.dumps({"campaign_id": campaign_id}).encode()
        producer.send(settings.topic(topics.CAMPAIGNS), value, campaign_id.encode()).get(60)

    async def test():
        async with collecting(settings, write_files(tmp_path)) as (session, server):
            named = ["lost", "lost", "spring", "Spring Sale", "(not set)"]
            events = [{"type": "click", "campaign_id": each} for each in named]
            document = {"id": "w-1", "at": "2026-06-01T00:00:00Z", "utm_campaign": "lost too"}
            async with session.post("/events", json=events) as answer:
                assert (await answer.json())["written"] == len(named)
            async with session.post(f"/in/crm?token={SECRET}", json=document) as answer:
                assert answer.status == 200
            await until(lambda: "lost too" in "".join(said(caplog)))
            assert f"{LINE}'lost' (2), 'lost too' (1). They have no budget" in said(caplog)[-1]
            assert f"{GAUGE} 2.0" in (await server.routes.metrics.page(""))[0].decode()
            register("lost")
            await until(lambda: server.routes.campaigns.count == 1)
            lines = len(said(caplog))
            async with session.post(
                "/events", json=[*events, {"type": "click", "campaign_id": "new"}]
            ) as answer:
                assert answer.status == 200
            await until(lambda: len(said(caplog)) > lines)
            assert [f"{LINE}'lost too' (1), 'new' (1). They" in each for each in said(caplog)[lines:]] == [
                True
            ]

    register("spring")
    asyncio.run(asyncio.wait_for(test(), 120))
    producer.close()


def test_while_the_broker_is_away_the_count_is_none_and_the_log_says_so_once(caplog):
    settings = fresh_settings(None, broker=f"kafka://127.0.0.1:{free_ports(1)[0]}")

    async def test():
        campaigns = UnregisteredCampaigns(settings)
        campaigns.note([click("lost")])
        running = asyncio.create_task(campaigns.run())
        await until(lambda: "Registrations cannot be read (KafkaConnectionError)" in caplog.text)
        assert math.isnan(campaigns.count)
        tried = caplog.text.count("Unable connect to")
        await until(lambda: caplog.text.count("Unable connect to") > tried + 2)
        assert caplog.text.count("Registrations cannot be read") == 1
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(asyncio.wait_for(test(), 120))


def test_of_more_campaigns_than_are_remembered_those_with_most_records_stay(
    broker, settings_for, monkeypatch, caplog
):
    monkeypatch.setattr(unregistered_campaigns, "_MOST", 4)
    settings = settings_for(broker)
    ensure_topics(settings, create=True)

    async def test():
        campaigns = UnregisteredCampaigns(settings)
        campaigns.note(click(name, number) for name in ("a", "b") for number in range(2))
        campaigns.note(click(f"junk\n{number}") for number in range(9))
        running = asyncio.create_task(campaigns.run())
        await until(lambda: campaigns.count == 2)
        campaigns.note(click(f"later {number}") for number in range(2))
        await until(lambda: said(caplog))
        assert f"{LINE}'a' (2), 'b' (2). They" in said(caplog)[0]
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(asyncio.wait_for(test(), 120))
