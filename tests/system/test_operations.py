"""What operators do to a cluster over a year: each either stays exact, or stops the worker with a sentence that says what to do."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from metrics.values.errors import RoistreamError
from streams import topics
from streams.commands.doctor import examine
from streams.embedded.broker import BrokerHandle, embedded_broker
from streams.embedded.cache import CacheHandle
from streams.process import now_ms
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.topics import specs
from streams.transport.group_admin import running_workers
from streams.transport.topic_admin import ensure_topics
from streams.worker import prepare_topics
from tests.support.operations import command, delete_oldest, ends_of, recreate, set_config
from tests.support.outside import last_revisions, published, write
from tests.support.servers.worker import running_worker, wait_for

SettingsFor = Callable[..., Settings]


def clicks(first: int, count: int) -> list[tuple[str, bytes, dict[str, object]]]:
    """Clicks of two campaigns, of one cent each, within the last minutes."""
    now = int(time.time() * 1000)
    return [
        (
            topics.CLICKS,
            b"v-%d" % number,
            {
                "event_id": f"e-{number}",
                "occurred_at": now - 60_000 + number,
                "campaign_id": f"c-{number % 2}",
                "visitor_id": f"v-{number}",
                "cost": "0.01",
                "currency": "EUR",
            },
        )
        for number in range(first, first + count)
    ]


def clicks_shown(settings: Settings) -> int:
    """Clicks in the totals that readers of the topic know."""
    last = last_revisions(published(settings))
    return sum(each["sums"]["clicks"] for key, each in last.items() if key[1] == "total")


def counted(
    settings: Settings, folder: Path, first: int, count: int, shown: int, name: str = "worker"
) -> None:
    """A worker that counts some clicks, until the topic shows so many; it ends in order."""
    ensure_topics(settings, create=True)
    write(settings, clicks(first, count))
    with running_worker(settings, folder, name) as worker:
        wait_for(f"{shown} clicks are shown", lambda: clicks_shown(settings) == shown, 60)
        assert worker.terminate() == 0


def refusal(settings: Settings) -> str:
    """The last line of a worker that must not start; it is in no group any more, so that `recover` may follow at once."""
    code, output = command(settings, "worker")
    assert running_workers(settings) == 0
    assert code in (1, 2), output
    assert "Traceback" not in output
    return output.strip().splitlines()[-1].rpartition(" CRITICAL ")[2]


@pytest.mark.parametrize(
    ("topic", "policy"),
    [
        (topics.INTAKE_CHANGELOG, "delete"),
        (topics.MERGE_CHANGELOG, "compact,delete"),
        (topics.CONTROLLER_CHANGELOG, "delete"),
        (topics.CAMPAIGNS, "delete"),
        (topics.CLICKS, "compact"),
        (topics.PARTIALS, "compact"),
        (topics.BUDGET_DECISIONS, "compact"),
    ],
)
def test_a_cleanup_policy_that_loses_records_stops_the_start(
    broker: BrokerHandle, settings_for: SettingsFor, topic: str, policy: str
) -> None:
    settings = settings_for(broker, partitions=2)
    ensure_topics(settings, create=True)
    set_config(settings, topic, "cleanup.policy", policy)
    with pytest.raises(RoistreamError) as refused:
        prepare_topics(settings)
    wanted = topics_by_name(settings)[topic]
    assert f"{settings.topic(topic)} has cleanup.policy={policy} where {wanted} is needed" in str(
        refused.value
    )
    assert "correct it with kafka-configs.sh --alter" in str(refused.value)
    found = [finding for finding in examine(settings, now_ms) if finding.subject == "topics"]
    assert [finding.state for finding in found] == ["failed"]
    assert found[0].text == str(refused.value)


def topics_by_name(settings: Settings) -> dict[str, str]:
    """The cleanup policy that each topic must have."""
    wanted = specs(settings.topic_prefix, settings.partitions)
    return {
        spec.name.removeprefix(settings.topic_prefix): spec.config.get("cleanup.policy", "")
        for spec in wanted
    }


@pytest.mark.parametrize("changelog", [topics.INTAKE_CHANGELOG, topics.MERGE_CHANGELOG])
def test_a_changelog_whose_oldest_records_are_gone_stops_the_start(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path, changelog: str
) -> None:
    settings = settings_for(broker, partitions=2)
    counted(settings, tmp_path, 0, 1_000, 1_000)
    delete_oldest(settings, changelog, 0.9)
    said = refusal(settings)
    assert settings.topic(changelog) in said
    assert "it has lost some" in said
    assert "roistream recover --rebuild" in said


@pytest.mark.parametrize(
    ("changelog", "other"),
    [
        (topics.INTAKE_CHANGELOG, topics.MERGE_CHANGELOG),
        (topics.MERGE_CHANGELOG, topics.INTAKE_CHANGELOG),
        (topics.CONTROLLER_CHANGELOG, topics.INTAKE_CHANGELOG),
    ],
)
def test_a_changelog_that_was_made_anew_stops_the_start(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path, changelog: str, other: str
) -> None:
    settings = settings_for(broker, partitions=1)
    sentence = (
        f"{settings.topic(changelog)}-0 is empty, and {settings.topic(other)}-0 goes on from its checkpoint"
    )
    made_anew(settings, tmp_path, changelog, sentence, "--rebuild")


def test_a_source_that_was_made_anew_stops_the_start(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker, partitions=1)
    counted(settings, tmp_path, 0, 100, 100)
    recreate(settings, topics.CLICKS)
    write(settings, clicks(100, 150))
    said = refusal(settings)
    assert f"{settings.topic(topics.CLICKS)} was deleted and made anew since the state read it" in said
    assert "roistream recover --accept" in said
    mended(settings, "--accept")
    counted(settings, tmp_path, 250, 1, 251)


@pytest.mark.parametrize("registry", topics.REGISTRIES)
def test_a_registry_that_was_made_anew_stops_the_start(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path, registry: str
) -> None:
    """An empty one would give every campaign another basis and currency, or every amount the worth of 0, without a word."""
    settings = settings_for(broker, partitions=1)
    sentence = f"{settings.topic(registry)} was deleted and made anew: figures would follow what it holds now"
    made_anew(settings, tmp_path, registry, sentence, "--accept")


@pytest.mark.parametrize("way", [(), ("--accept",), ("--rebuild",)], ids=["look", "accept", "rebuild"])
def test_another_number_of_partitions_is_refused_before_anything_is_changed(
    broker: BrokerHandle, settings_for: SettingsFor, way: tuple[str, ...]
) -> None:
    settings = settings_for(broker, partitions=2)
    ensure_topics(settings, create=True)
    before = ends_of(settings, topics.INTAKE_CHANGELOG)
    code, output = command(settings, "recover", *way, ROISTREAM_PARTITIONS="3")
    assert code == 2, output
    assert f"{settings.topic(topics.IMPRESSIONS)} has 2 partitions where 3 are needed" in output
    assert ends_of(settings, topics.INTAKE_CHANGELOG) == before
    assert ensure_topics(settings, create=False) == []


def made_anew(settings: Settings, folder: Path, topic: str, sentence: str, way: str) -> None:
    """A topic is made anew between two workers: the start is refused with a sentence until `recover` mends it, and no click is lost."""
    counted(settings, folder, 0, 100, 100)
    recreate(settings, topic)
    said = refusal(settings)
    assert sentence in said
    assert f"roistream recover {way}" in said
    assert refusal(settings) == said, "a start that is refused changes nothing"
    mended(settings, way)
    counted(settings, folder, 100, 50, 150)


def mended(settings: Settings, way: str) -> None:
    """`recover` and `doctor` say what differs, `recover` mends it, and has nothing more to say."""
    code, output = command(settings, "recover")
    assert (code, way in output) == (1, True), output
    found = [each for each in examine(settings, now_ms) if each.subject == "states"]
    assert {each.state for each in found} == {"failed"}
    assert [each.text for each in found] == output.strip().splitlines()
    code, output = command(settings, "recover", way)
    assert (code, "Revisions go on above" in output) == (0, True), output
    code, output = command(settings, "recover")
    assert (code, output.strip()) == (0, "All states fit together and to their logs.")


def test_a_broker_of_an_older_backup_stops_the_start_and_goes_on_above_all_earlier_revisions(
    settings_for: SettingsFor, cache: CacheHandle, tmp_path: Path
) -> None:
    kept, backup = tmp_path / "broker", tmp_path / "backup"
    with redis.Redis.from_url(cache.url) as client:
        client.flushdb()
    with embedded_broker(keep=kept) as handle:
        settings = settings_for(handle, partitions=2, redis_url=cache.url)
        counted(settings, tmp_path, 0, 60, 60)
        handle.stop()
        shutil.copytree(kept, backup)
        handle.restart()
        counted(settings, tmp_path, 60, 70, 130)
        reader = last_revisions(published(settings))
        handle.stop()
        shutil.rmtree(kept / "data")
        shutil.copytree(backup / "data", kept / "data")
        handle.restart()
        assert clicks_shown(settings) == 60
        said = refusal(settings)
        assert "the broker holds an older backup" in said
        assert "roistream recover --accept" in said
        mended(settings, "--accept")
        write(settings, clicks(200, 10))
        with running_worker(settings, tmp_path, "after") as worker:
            wait_for("70 clicks are shown", lambda: clicks_shown(settings) == 70, 60)
            wait_for("Redis shows them too", lambda: clicks_in_redis(cache, settings) == 70, 30)
            assert worker.terminate() == 0
        for key, each in last_revisions(published(settings)).items():
            if key[1] == "total":
                assert each["revision"] > reader[key]["revision"], "a reader of highest revisions follows"


def test_a_registry_that_lost_its_newest_records_stops_the_start(
    settings_for: SettingsFor, tmp_path: Path
) -> None:
    """A rate that was corrected there would be the earlier one again, without a word."""
    kept, backup = tmp_path / "broker", tmp_path / "backup"
    with embedded_broker(keep=kept) as handle:
        settings = settings_for(handle, partitions=1)
        ensure_topics(settings, create=True)
        write(settings, [rate("1")])
        handle.stop()
        shutil.copytree(kept, backup)
        handle.restart()
        write(settings, [rate("0.5")])
        counted(settings, tmp_path, 0, 60, 60)
        handle.stop()
        log = f"{settings.topic(topics.FX_RATES)}-0"
        shutil.rmtree(kept / "data" / log)
        shutil.copytree(backup / "data" / log, kept / "data" / log)
        handle.restart()
        said = refusal(settings)
        assert f"{settings.topic(topics.FX_RATES)} ends at 1, and was followed up to 2" in said
        mended(settings, "--accept")
        counted(settings, tmp_path, 60, 10, 70)


def rate(value: str) -> tuple[str, bytes, dict[str, object]]:
    """What a dollar is worth, from 1970 on."""
    return topics.FX_RATES, b"USD", {"currency": "USD", "rate": value, "valid_from": 0}


def clicks_in_redis(cache: CacheHandle, settings: Settings) -> int:
    """Clicks in the totals of the view."""
    with redis.Redis.from_url(cache.url, decode_responses=True) as client:
        totals = client.hgetall(RedisNames(settings.topic_prefix).readings("declared", "total"))
    return sum(json.loads(each)["sums"]["clicks"] for each in totals.values())
