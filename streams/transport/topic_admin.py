"""Topics by the administration client: creates the missing, names the differences. The command is ``roistream topics``."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from metrics.values.errors import RoistreamError
from streams import catalogues
from streams.settings import Settings
from streams.topics import TopicSpec, specs
from streams.transport.client_options import kafka_python_options
from streams.transport.connection_check import let_in, quiet_clients
from streams.transport.topic_differences import FoundTopic, TopicDifference, differences

if TYPE_CHECKING:
    from rich.console import Console

_VISIBLE_WITHIN_MS = 30_000


@dataclass(frozen=True)
class TopicSurvey:
    """What ``survey_topics`` met and did."""

    specs: Sequence[TopicSpec]
    created: Sequence[str]
    differences: Sequence[TopicDifference]


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

    table = Table(catalogues.t("topic"), catalogues.t("partitions"), catalogues.t("state"))
    differing = {difference.topic for difference in survey.differences}
    for spec in survey.specs:
        state = catalogues.t("ok")
        if spec.name in differing:
            state = f"[red]{catalogues.t('differs')}[/red]"
        elif spec.name in survey.created:
            state = f"[green]{catalogues.t('created')}[/green]"
        table.add_row(spec.name, str(spec.partitions), state)
    console.print(table)
    for difference in survey.differences:
        # Whole lines: commands in them are there to be copied.
        console.print(catalogues.said(difference.sentence), soft_wrap=True, markup=False)
