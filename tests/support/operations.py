"""What operators do to a cluster: logs that lose records, topics that are made anew, settings that change."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource

from streams.settings import Settings
from streams.topics import specs
from streams.transport.client_options import kafka_python_options
from streams.transport.log_offsets import bounds
from streams.transport.topic_admin import ensure_topics
from tests.support.servers.worker import variables


@contextlib.contextmanager
def admin_of(settings: Settings) -> Iterator[Any]:
    """A client for administrators."""
    with contextlib.closing(KafkaAdminClient(**kafka_python_options(settings))) as admin:
        yield admin


def ends_of(settings: Settings, topic: str) -> dict[int, int]:
    """Where the partitions of a topic end."""
    wanted = [(settings.topic(topic), each) for each in range(settings.partitions)]
    return {each: end for (_, each), (_, end) in asyncio.run(bounds(settings, wanted)).items()}


def delete_oldest(settings: Settings, topic: str, share: float = 0.5) -> None:
    """Delete the oldest part of each partition's records; of a compacted topic as a cleanup policy of delete would."""
    until = {each: max(1, int(end * share)) for each, end in ends_of(settings, topic).items() if end}
    policy = {spec.name: spec.config for spec in specs(settings.topic_prefix, settings.partitions)}[
        settings.topic(topic)
    ]["cleanup.policy"]
    set_config(settings, topic, "cleanup.policy", "delete")
    delete_before(settings, topic, until)
    set_config(settings, topic, "cleanup.policy", policy)


def delete_before(settings: Settings, topic: str, until: Mapping[int, int]) -> None:
    """Delete the records of each partition before an offset; the topic's cleanup policy must be delete."""
    name = settings.topic(topic)
    with admin_of(settings) as admin:
        admin.delete_records({TopicPartition(name, each): offset for each, offset in until.items()})


def set_config(settings: Settings, topic: str, name: str, value: str) -> None:
    """Change a topic's configuration, and wait until the broker goes by it."""
    full = settings.topic(topic)
    with admin_of(settings) as admin:
        admin.alter_configs([ConfigResource("TOPIC", full, {name: value})])
        ends = time.monotonic() + 30
        while _config(admin, full, name) != value:
            assert time.monotonic() < ends, f"{full} did not get {name}={value}"
            time.sleep(0.1)


def _config(admin: Any, topic: str, name: str) -> str:
    found = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
    return str(found["topic"][topic][name]["value"])


def recreate(settings: Settings, topic: str) -> None:
    """Delete a topic, and create it again as it should be."""
    name = settings.topic(topic)
    assert name in {spec.name for spec in specs(settings.topic_prefix, settings.partitions)}
    with admin_of(settings) as admin:
        admin.delete_topics([name])
        ends = time.monotonic() + 30
        while name in admin.list_topics():
            assert time.monotonic() < ends, f"{name} was not deleted"
            time.sleep(0.1)
    ensure_topics(settings, create=True)


def command(settings: Settings, *arguments: str, **overrides: str) -> tuple[int, str]:
    """Exit code and output of a `roistream` command, as a person sees it."""
    done = subprocess.run(
        [sys.executable, "-m", "streams", *arguments],
        env=variables(settings, ROISTREAM_HTTP_PORT="0", **overrides),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout
