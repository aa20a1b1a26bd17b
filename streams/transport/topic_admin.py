"""Topics as they should be and as they are: creates the missing, names the differences.

``differences`` is pure; everything else talks to the broker. The command is ``roistream topics``.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from metrics.values.errors import RoistreamError
from streams.settings import Settings
from streams.topics import MAX_MESSAGE_BYTES, WEEK_MS, TopicSpec, specs
from streams.transport.client_options import kafka_python_options
from streams.transport.connection_check import let_in, quiet_clients

if TYPE_CHECKING:
    from rich.console import Console

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
_VISIBLE_WITHIN_MS = 30_000

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


@dataclass(frozen=True)
class TopicSurvey:
    """What ``survey_topics`` met and did."""

    specs: Sequence[TopicSpec]
    created: Sequence[str]
    differences: Sequence[TopicDifference]


def differences(spec: TopicSpec, found: FoundTopic | None, settings: Settings) -> list[TopicDifference]:
    """What differs between a topic as it should be and as it was found (None: absent)."""
    if found is None:
        sentence = f"{spec.name} does not exist; create it with: roistream topics"
        return [TopicDifference(spec.name, "missing", sentence)]
    return [
        *_partition_difference(spec, found, settings),
        *_replication_difference(spec, found, settings),
        *(
            TopicDifference(spec.name, _kind(spec, name), _config_sentence(spec.name, name, actual, wanted))
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
    sentence = (
        f"{spec.name} has {found.partitions} partitions where {spec.partitions} are needed; "
        f"name another ROISTREAM_TOPIC_PREFIX (now {settings.topic_prefix!r}) and replay, "
    )
    single = {each.name for each in specs(settings.topic_prefix, 2) if each.partitions == 1}
    if spec.name not in single:
        sentence += f"or set ROISTREAM_PARTITIONS to {found.partitions} if every source topic has as many."
    else:
        sentence += "or delete the topic, create it with roistream topics, and produce its records again."
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


def _config_sentence(topic: str, name: str, actual: str, wanted: str) -> str:
    return (
        f"{topic} has {name}={actual} where {wanted} is needed; correct it with kafka-configs.sh --alter "
        f"--entity-type topics --entity-name {topic} --add-config {name}={wanted}"
    )


def ensure_topics(settings: Settings, *, create: bool) -> list[TopicDifference]:
    """Every topic of the deployment exists and is as it should be, or the differences.

    Args:
        settings: broker, prefix, partitions, replication factor.
        create: whether missing topics are created (and waited for); else they are differences.

    Raises:
        RoistreamError: when the broker cannot be reached within ``broker_wait`` or refuses.
    """
    with connected_admin(settings, settings.broker_wait) as admin:
        return list(survey_topics(admin, settings, create=create).differences)


def why_no_start(differences: Sequence[TopicDifference]) -> str | None:
    """One sentence on why no worker starts, and how many topics more differ so; None: nothing forbids it."""
    fatal = [each for each in differences if each.kind in _FATAL]
    if not fatal:
        return None
    count = len({each.topic for each in fatal})
    # In front, since a sentence may end with a command that is there to be copied.
    others = f"{count} topics differ, which roistream topics lists; the first: " if count > 1 else ""
    return others + fatal[0].sentence


def cluster_id(settings: Settings) -> str:
    """The id of the Kafka cluster, the same for as long as its disks are; where a broker tells none, its addresses.

    Raises:
        RoistreamError: when the broker cannot be reached within ``broker_wait``.
    """
    with connected_admin(settings, settings.broker_wait) as admin:
        return cluster_id_of(admin, settings)


def cluster_id_of(admin: Any, settings: Settings) -> str:
    """The same with a connected ``KafkaAdminClient``."""
    return str(admin.describe_cluster()["cluster_id"] or ",".join(settings.bootstrap))


def survey_topics(admin: Any, settings: Settings, *, create: bool) -> TopicSurvey:
    """The same with a connected ``KafkaAdminClient``, and which topics it created.

    Raises:
        RoistreamError: when the broker refuses.
    """
    wanted = specs(settings.topic_prefix, settings.partitions)
    found = _find(admin, wanted)
    missing = [spec for spec in wanted if spec.name not in found]
    if create and missing:
        _create(admin, missing, settings.replication_factor)
        found = _find(admin, wanted)
    differing = [each for spec in wanted for each in differences(spec, found.get(spec.name), settings)]
    return TopicSurvey(wanted, [spec.name for spec in missing if spec.name in found], differing)


def _find(admin: Any, wanted: Sequence[TopicSpec]) -> dict[str, FoundTopic]:
    names = {spec.name for spec in wanted}
    # All topics are asked for: naming an absent one is an error to some brokers.
    described = {topic["name"]: topic["partitions"] for topic in admin.describe_topics()}
    present = sorted(names & described.keys())
    # Every config is asked for, and not the modified ones: what a cluster has as its default counts, too.
    resources = [ConfigResource("TOPIC", name) for name in present]
    configs = admin.describe_configs(resources, config_filter="all")["topic"] if present else {}
    return {
        name: FoundTopic(
            len(described[name]),
            min((len(partition["replica_nodes"]) for partition in described[name]), default=0),
            {key: str(entry["value"]) for key, entry in configs.get(name, {}).items()},
        )
        for name in present
    }


def _create(admin: Any, missing: Sequence[TopicSpec], replication_factor: int) -> None:
    requested = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": replication_factor,
            "configs": spec.config,
        }
        for spec in missing
    }
    response = admin.create_topics(requested, raise_errors=False)
    for topic in response["topics"]:
        # Another worker may have been faster; what it made is compared like any other topic.
        if topic["error_code"] not in (0, TopicAlreadyExistsError.errno):
            raise RoistreamError(_refusal(topic["name"], topic["error_code"], topic.get("error_message")))
    admin.wait_for_topics(list(requested), timeout_ms=_VISIBLE_WITHIN_MS)


def _refusal(topic: str, code: int, message: str | None) -> str:
    error = for_code(code).__name__
    advice = {
        "InvalidReplicationFactorError": "set ROISTREAM_REPLICATION_FACTOR to at most the number of brokers",
        "TopicAuthorizationFailedError": "grant this user CREATE on the topic or have an operator create it",
        "ClusterAuthorizationFailedError": "grant this user CREATE on the cluster",
        "PolicyViolationError": "create the topic by hand as the policy of this cluster wants it",
    }.get(error, "see the broker's log")
    return f"The broker refuses to create {topic}: {message or error}; {advice}."


@contextlib.contextmanager
def connected_admin(settings: Settings, within_ms: int) -> Iterator[Any]:
    """A ``KafkaAdminClient``, connected with retries and back-off within the given time.

    Raises:
        RoistreamError: when it cannot connect, or when a call inside the context fails.
    """
    wait_for_broker(settings, within_ms)
    addresses = ", ".join(settings.bootstrap)
    options = kafka_python_options(settings)
    try:
        with quiet_clients():
            admin = KafkaAdminClient(
                **options, bootstrap_timeout_ms=within_ms, reconnect_backoff_max_ms=2_000
            )
    except KafkaError as error:
        raise RoistreamError(
            f"The broker at {addresses} let us in, but the brokers it names do not; look at its "
            f"advertised.listeners ({type(error).__name__})."
        ) from error
    try:
        yield admin
    except KafkaError as error:
        raise RoistreamError(f"The broker at {addresses} does not do what was asked: {error}") from error
    finally:
        admin.close()


def wait_for_broker(settings: Settings, within_ms: int) -> None:
    """Return when a broker lets us in.

    Raises:
        RoistreamError: when none does in time, or at once when waiting cannot help; it names the setting.
    """
    with quiet_clients():
        asyncio.run(let_in(settings, within_ms))


def run(settings: Settings) -> int:
    """``roistream topics``: creates what is missing and prints each topic's state; 1 when some differ.

    Raises:
        RoistreamError: when the broker cannot be reached or refuses.
    """
    from rich.console import Console  # noqa: PLC0415 - a worker prints no table

    with connected_admin(settings, settings.broker_wait) as admin:
        survey = survey_topics(admin, settings, create=True)
    print_survey(survey, Console())
    return 1 if survey.differences else 0


def print_survey(survey: TopicSurvey, console: "Console") -> None:
    """A table of topics with ``created``, ``ok`` or ``differs``, and a sentence per difference."""
    from rich.table import Table  # noqa: PLC0415

    table = Table("topic", "partitions", "state")
    differing = {difference.topic for difference in survey.differences}
    for spec in survey.specs:
        state = "ok"
        if spec.name in differing:
            state = "[red]differs[/red]"
        elif spec.name in survey.created:
            state = "[green]created[/green]"
        table.add_row(spec.name, str(spec.partitions), state)
    console.print(table)
    for difference in survey.differences:
        # Whole lines: commands in them are there to be copied.
        console.print(difference.sentence, soft_wrap=True, markup=False)
