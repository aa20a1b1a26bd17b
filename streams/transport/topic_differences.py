"""Topics as they should be and as they are: what differs, and what of it forbids a start. Talks to nobody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from streams.settings import Settings
from streams.topics import MAX_MESSAGE_BYTES, WEEK_MS, TopicSpec, specs

#: What Apache Kafka does where a broker reports no value.
_KAFKA_DEFAULTS = {
    "cleanup.policy": "delete",
    "message.timestamp.type": "CreateTime",
    "max.message.bytes": "1048588",
    "retention.ms": str(WEEK_MS),
    "segment.bytes": str(1024**3),
    "segment.ms": str(WEEK_MS),
    "max.compaction.lag.ms": str(2**63 - 1),
    "compression.type": "producer",
}
#: What may be less: logs are then cleaned sooner.
_AT_MOST = frozenset({"segment.bytes", "segment.ms", "max.compaction.lag.ms"})

Kind = Literal["missing", "partitions", "replication", "config", "cleanup"]
#: With these no worker starts: it would wait for what is not there, or lose records that figures are made of.
_FATAL: tuple[Kind, ...] = ("missing", "partitions", "cleanup")


@dataclass(frozen=True)
class TopicDifference:
    """One thing about one topic that is not as it should be; the sentence says what to do."""

    topic: str
    kind: Kind
    sentence: str


@dataclass(frozen=True)
class FoundTopic:
    """A topic as the broker describes it."""

    partitions: int
    replicas: int
    config: dict[str, str] = field(default_factory=dict)


def differences(spec: TopicSpec, found: FoundTopic | None, settings: Settings) -> list[TopicDifference]:
    """What differs between a topic as it should be and as it was found (None: absent)."""
    if found is None:
        sentence = f"{spec.name} does not exist; create it with: roistream topics"
        return [TopicDifference(spec.name, "missing", sentence)]
    return [
        *_partition_difference(spec, found, settings),
        *_replication_difference(spec, found, settings),
        *(
            _config_difference(spec, name, actual, wanted)
            for name, wanted in spec.config.items()
            if not _is_enough(name, actual := (_KAFKA_DEFAULTS | found.config).get(name, ""), wanted)
        ),
    ]


def _kind(spec: TopicSpec, config: str) -> Kind:
    return "cleanup" if config == "cleanup.policy" and spec.is_read_back else "config"


def _partition_difference(
    spec: TopicSpec, found: FoundTopic, settings: Settings
) -> Iterator[TopicDifference]:
    if found.partitions == spec.partitions:
        return
    single = {each.name for each in specs(settings.topic_prefix, 2) if each.partitions == 1}
    sentence = (
        f"{spec.name} has {found.partitions} partitions where {spec.partitions} are needed; "
        f"name another ROISTREAM_TOPIC_PREFIX (now {settings.topic_prefix!r}) and replay, "
        f"or set ROISTREAM_PARTITIONS to {found.partitions} if every source topic has as many."
    )
    if spec.name in single:
        sentence = (
            f"{spec.name} has {found.partitions} partitions where {spec.partitions} are needed; "
            f"name another ROISTREAM_TOPIC_PREFIX (now {settings.topic_prefix!r}) and replay, "
            "or delete the topic, create it with roistream topics, and produce its records again."
        )
    yield TopicDifference(spec.name, "partitions", sentence)


def _replication_difference(
    spec: TopicSpec, found: FoundTopic, settings: Settings
) -> Iterator[TopicDifference]:
    wanted = settings.replication_factor
    if found.replicas < wanted:
        sentence = (
            f"{spec.name} has {found.replicas} replicas where ROISTREAM_REPLICATION_FACTOR says {wanted}; "
            "add some with kafka-reassign-partitions.sh, or correct the setting."
        )
        yield TopicDifference(spec.name, "replication", sentence)


def _is_enough(name: str, actual: str, wanted: str) -> bool:
    """Limits may be wider than needed; all else must be equal."""
    if name == "retention.ms":
        return actual == "-1" or int(actual) >= int(wanted)
    if name == "max.message.bytes":
        return int(actual) >= int(wanted)
    if name in _AT_MOST:
        # A batch is never cut: a broker refuses one that is larger than a whole segment.
        least = MAX_MESSAGE_BYTES if name == "segment.bytes" else 0
        return least <= int(actual) <= int(wanted)
    if name == "compression.type":
        return actual not in {"producer", "uncompressed"}
    return actual == wanted


def _config_difference(spec: TopicSpec, name: str, actual: str, wanted: str) -> TopicDifference:
    topic = spec.name
    sentence = (
        f"{topic} has {name}={actual} where {wanted} is needed; correct it with kafka-configs.sh --alter "
        f"--entity-type topics --entity-name {topic} --add-config {name}={wanted}"
    )
    return TopicDifference(topic, _kind(spec, name), sentence)


def why_no_start(differences: Sequence[TopicDifference]) -> str | None:
    """One sentence on why no worker starts, and how many topics more differ so; None: nothing forbids it."""
    fatal = [each for each in differences if each.kind in _FATAL]
    if not fatal:
        return None
    count = len({each.topic for each in fatal})
    # In front, since a sentence may end with a command that is there to be copied.
    others = f"{count} topics differ, which roistream topics lists; the first: " if count > 1 else ""
    return others + fatal[0].sentence
