"""What operators do to a cluster over a year: each either stays exact, or stops the worker with a sentence that says what to do."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metrics.values.errors import RoistreamError
from streams import topics
from streams.commands.doctor import examine
from streams.embedded.broker import BrokerHandle
from streams.process import now_ms
from streams.settings import Settings
from streams.topics import specs
from streams.transport.topic_admin import ensure_topics
from streams.worker import prepare_topics
from tests.support.operations import command, delete_oldest, set_config
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
    """The last line of a worker that must not start."""
    code, output = command(settings, "worker")
    assert code in (1, 2), output
    assert "Traceback" not in output
    return output.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("topic", "policy"),
    [
        (topics.INTAKE_CHANGELOG, "delete"),
        (topics.MERGE_CHANGELOG, "compact,delete"),
        (topics.CONTROLLER_CHANGELOG, "delete"),
        (topics.CAMPAIGNS, "delete"),
        (topics.CLICKS, "compact"),
        (topics.PARTIALS, "compact"),
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
    assert "start anew with another ROISTREAM_TOPIC_PREFIX and a replay" in said
