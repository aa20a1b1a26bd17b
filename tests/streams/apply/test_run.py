"""``roistream apply`` on a broker: what is carried out is kept, a restart goes on from it, and a dry run changes nothing."""

import asyncio
import json

import msgspec
import pytest
from aiohttp import ClientError, ClientSession
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from metrics.budget.effects.machine import Patience
from metrics.budget.records import BudgetAction
from metrics.values.time import DAY, format_instant
from streams import topics
from streams.apply.kafka_world import ApplyError
from streams.apply.run import ApplyOptions, apply
from streams.embedded.broker import embedded_broker
from streams.embedded.child_process import free_ports
from streams.process import now_ms
from streams.transport.topic_admin import ensure_topics
from tests.conftest import fresh_settings
from tests.streams.apply.model_platform import ModelPlatform

CARRY_OUT = ApplyOptions(
    is_dry=False, once=True, patience=Patience(settle=400, first_pause=50, longest_pause=100)
)


@pytest.fixture
def settings(broker, settings_for):
    # The first transaction of a broker that has just started takes seconds, on a busy machine tens of them.
    settings = settings_for(broker, broker_wait="60s", session_timeout="60s")
    ensure_topics(settings, create=True)
    return settings


#: A broker that has just started answers late on a busy machine; how late says nothing of what is tested here.
_WAIT_S = 60


class Log:
    """Writes registrations and actions, and reads effects."""

    def __init__(self, settings):
        self._settings = settings
        self._producer = KafkaProducer(bootstrap_servers=settings.bootstrap)

    def _put(self, topic, key, value):
        self._producer.send(self._settings.topic(topic), key=key.encode(), value=value, partition=0).get(
            _WAIT_S
        )

    def register(self, campaign_id="c", platform="meta"):
        record = {"campaign_id": campaign_id, "currency": "EUR", "platform": platform}
        record |= {"platform_account_id": "account", "platform_campaign_id": "there"}
        self._put(topics.CAMPAIGNS, campaign_id, json.dumps(record).encode())

    def decide(self, action_id, verb, campaign_id="c", budget=None, mode="enforce", at=None):
        action = BudgetAction(
            action_id=action_id, campaign_id=campaign_id, verb=verb, column=None, budget_from=1000.0, budget_to=budget or 1000.0,
            currency="EUR", mode=mode, rule="evidence:cpl", reason="", evidence={}, hold=None,
            decided_at=format_instant(at or now_ms()),
        )  # fmt: skip
        self._put(topics.BUDGET_ACTIONS, campaign_id, msgspec.json.encode(action))

    def effects(self):
        """By action the stages in the order in which they were written, and the last record."""
        consumer = KafkaConsumer(bootstrap_servers=self._settings.bootstrap, isolation_level="read_committed")
        partition = TopicPartition(self._settings.topic(topics.BUDGET_EFFECTS), 0)
        consumer.assign([partition])
        consumer.seek_to_beginning()
        end, stages, last = consumer.end_offsets([partition])[partition], {}, {}
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    value = json.loads(record.value)
                    assert record.key.decode() == value["action_id"]
                    stages.setdefault(value["action_id"], []).append(value["stage"])
                    last[value["action_id"]] = value
        consumer.close()
        return stages, last


@pytest.fixture
def log(settings):
    return Log(settings)


def carried(settings, there, options=CARRY_OUT):
    there.asking = None
    return asyncio.run(asyncio.wait_for(apply(settings, options, {"meta": there}), 60))


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(settings, log, capsys):
    log.register()
    log.decide("a1", "set_budget", budget=500.0)
    log.decide("a2", "pause")
    log.decide("a3", "pause", campaign_id="unregistered")
    log.decide("a4", "pause", mode="propose")
    there = ModelPlatform()
    assert carried(settings, there, ApplyOptions()) == 0
    assert there.asked == []
    assert log.effects() == ({}, {})
    said = capsys.readouterr().out
    assert "budget 500.00" in said
    assert "it would be sent" in said
    assert "names no platform" in said
    assert "nothing was sent" in said


def test_an_action_is_carried_out_once_and_what_came_of_it_outlives_the_process(settings, log):
    log.register()
    log.decide("old", "set_budget", budget=3.0, at=now_ms() - 2 * DAY)
    log.decide("a1", "pause")
    there = ModelPlatform()
    there.fates = ["done_unanswered"]
    assert carried(settings, there) == 0
    stages, last = log.effects()
    assert stages["a1"] == ["requested", "sent", "sent", "confirmed"]
    assert last["a1"]["parts"][0]["is_ours"] is True
    assert last["a1"]["parts"][0]["before"]["status"] == "running"
    assert last["a1"]["platform_campaign_id"] == "there"
    assert (last["old"]["stage"], last["old"]["because"]) == ("refused", "too_old")
    log.decide("a2", "resume", budget=800.005)
    assert carried(settings, there) == 0
    stages, last = log.effects()
    assert stages["a1"][-1] == "confirmed"
    assert last["a2"]["stage"] == "confirmed"
    assert [part["aspect"] for part in last["a2"]["parts"]] == ["budget", "status"]
    assert (last["a2"]["parts"][0]["amount_micros"], last["a2"]["parts"][0]["rounded_off_micros"]) == (
        800_000_000,
        5_000,
    )
    assert [each[1:3] for each in there.asked] == [
        ("status", "paused"),
        ("budget", 800_000_000),
        ("status", "running"),
    ]


@pytest.mark.parametrize("is_between", [False, True], ids=["at a record", "between two records"])
def test_whoever_starts_later_takes_over_and_the_earlier_one_sends_nothing_more(
    settings, log, monkeypatch, is_between
):
    send = AIOKafkaProducer.send

    async def twice(producer, *given, **named):
        """Sends the same again when the broker has had time to refuse the first; what aiokafka then says names no cause."""
        await send(producer, *given, **named)
        await asyncio.wait([producer._txn_manager.wait_for_transaction_end()], timeout=1)
        return await send(producer, *given, **named)

    if is_between:
        monkeypatch.setattr(AIOKafkaProducer, "send", twice)
    log.register()
    there = ModelPlatform()
    there.asking = None

    async def both():
        first = asyncio.create_task(apply(settings, CARRY_OUT._replace(once=False), {"meta": there}))
        await asyncio.to_thread(log.decide, "a1", "pause")
        while not there.asked:
            assert not first.done()
            await asyncio.sleep(0.05)
        await apply(settings, CARRY_OUT, {"meta": there})
        await asyncio.to_thread(log.decide, "a2", "set_budget", budget=9.0)
        with pytest.raises(ApplyError, match="taken over"):
            await asyncio.wait_for(first, 60)

    asyncio.run(both())
    assert [each[1:3] for each in there.asked] == [("status", "paused")]


@pytest.mark.verify
def test_a_broker_that_is_gone_while_something_is_sent_ends_it_with_a_sentence():
    class Witness(ModelPlatform):
        """Ends the broker when it is asked for something."""

        def set_status(self, target, status):
            own.kill()
            return super().set_status(target, status)

    with embedded_broker() as own:
        settings = fresh_settings(own)
        ensure_topics(settings, create=True)
        log = Log(settings)
        log.register()
        log.decide("a1", "pause")
        with pytest.raises(ApplyError, match="did not confirm"):
            carried(settings, Witness(), CARRY_OUT._replace(once=False))


def test_the_page_shows_what_was_carried_out_while_the_process_runs(settings, log):
    log.register()
    log.decide("a1", "pause")
    there, (port,) = ModelPlatform(), free_ports(1)
    there.asking = None
    shown = settings.model_copy(update={"apply_metrics_port": port})

    async def page(session, path):
        try:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, await answer.text()
        except ClientError:
            return 0, ""

    async def ask():
        running = asyncio.create_task(apply(shown, CARRY_OUT._replace(once=False), {"meta": there}))
        async with ClientSession() as session, asyncio.timeout(60):
            while 'stage="confirmed"' not in (await page(session, "/metrics"))[1]:
                assert not running.done()
                await asyncio.sleep(0.1)
            status, text = await page(session, "/readyz")
            assert (status, json.loads(text)["effects"]) == (200, {"confirmed": 1})
            assert (await page(session, "/healthz"))[0] == 200
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(ask())
