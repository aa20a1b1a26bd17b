"""The operations by name: what is done to the cluster while no worker runs, what the next start must say, and the way on."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from streams import topics
from streams.settings import Settings
from tests.faults.cluster import Cluster
from tests.faults.workload import Log, read_back
from tests.support.operations import delete_oldest, recreate, set_config


@dataclass
class Site:
    """What operations act on.

    Attributes:
        cluster: one broker.
        settings: of the deployment.
        backup: a folder for a copy of the broker's data.
        write_more: writes records that no worker has read.
        overrides: settings that the next start has besides.
        lost: records that were counted, and are in no log any more, by topic and partition.
    """

    cluster: Cluster
    settings: Settings
    backup: Path
    write_more: Callable[[], None]
    overrides: dict[str, str] = field(default_factory=dict)
    lost: Log = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """What is done, and what comes of it.

    Attributes:
        name: in the tables.
        act: does it.
        says: words of the refusal; None: the start is not refused.
        way: option of `roistream recover`; None: ``undo`` mends it.
        undo: takes it back.
        prepare: what is done before the last records are counted, such as a backup.
    """

    name: str
    act: Callable[[Site], None]
    says: str | None
    way: str | None = None
    undo: Callable[[Site], None] = lambda _: None
    prepare: Callable[[Site], None] = lambda _: None


def _recreated(topic: str) -> Callable[[Site], None]:
    return lambda site: recreate(site.settings, topic)


def _oldest_gone(topic: str) -> Callable[[Site], None]:
    return lambda site: delete_oldest(site.settings, topic, 0.9)


def _policy(topic: str, policy: str) -> Callable[[Site], None]:
    return lambda site: set_config(site.settings, topic, "cleanup.policy", policy)


def _source_recreated(site: Site) -> None:
    """Clicks are deleted and made anew, and grow past where they were."""
    before = read_back(site.settings)
    site.lost = {place: values for place, values in before.items() if place[0] == topics.CLICKS}
    recreate(site.settings, topics.CLICKS)
    site.write_more()


def _backed_up(site: Site) -> None:
    """A copy of the broker's data as of one instant."""
    (node,) = site.cluster.nodes
    node.stop()
    shutil.rmtree(site.backup, ignore_errors=True)
    shutil.copytree(node.folder / "data", site.backup)
    site.cluster.heal()


def _restored(site: Site) -> None:
    """The whole broker is as the backup was."""
    (node,) = site.cluster.nodes
    node.stop()
    shutil.rmtree(node.folder / "data")
    shutil.copytree(site.backup, node.folder / "data")
    site.cluster.heal()


def _source_truncated(site: Site) -> None:
    """The clicks alone are as the backup was, and grow past where they were."""
    (node,) = site.cluster.nodes
    node.stop()
    for partition in range(site.settings.partitions):
        name = f"{site.settings.topic(topics.CLICKS)}-{partition}"
        shutil.rmtree(node.folder / "data" / name)
        shutil.copytree(site.backup / name, node.folder / "data" / name)
    site.cluster.heal()
    site.write_more()


def _other_currency(site: Site) -> None:
    site.overrides = {"ROISTREAM_REPORTING_CURRENCY": "USD"}


def _own_settings(site: Site) -> None:
    site.overrides = {}


def _nothing(site: Site) -> None:
    del site


_LOST = "it has lost some"
_ANEW = "was deleted and made anew"
OPERATIONS: tuple[Operation, ...] = (
    Operation("nothing", _nothing, None),
    Operation("intake_changelog_lost", _oldest_gone(topics.INTAKE_CHANGELOG), _LOST, "--rebuild"),
    Operation("merge_changelog_lost", _oldest_gone(topics.MERGE_CHANGELOG), _LOST, "--rebuild"),
    Operation("intake_changelog_anew", _recreated(topics.INTAKE_CHANGELOG), "is empty, and", "--rebuild"),
    Operation("merge_changelog_anew", _recreated(topics.MERGE_CHANGELOG), "is empty, and", "--rebuild"),
    Operation("board_changelog_anew", _recreated(topics.CONTROLLER_CHANGELOG), "is empty, and", "--rebuild"),
    Operation("partials_anew", _recreated(topics.PARTIALS), _ANEW, "--rebuild"),
    Operation("readings_anew", _recreated(topics.CAMPAIGN_KPIS), _ANEW, "--rebuild"),
    Operation("source_anew", _source_recreated, _ANEW, "--accept"),
    Operation(
        "source_truncated",
        _source_truncated,
        "the log holds other records than the state has read",
        "--rebuild",
        prepare=_backed_up,
    ),
    Operation(
        "broker_restored", _restored, "the broker holds an older backup", "--accept", prepare=_backed_up
    ),
    Operation(
        "changelog_policy",
        _policy(topics.INTAKE_CHANGELOG, "delete"),
        "has cleanup.policy=delete where compact is needed",
        undo=_policy(topics.INTAKE_CHANGELOG, "compact"),
    ),
    Operation(
        "source_policy",
        _policy(topics.CLICKS, "compact"),
        "has cleanup.policy=compact where delete is needed",
        undo=_policy(topics.CLICKS, "delete"),
    ),
    Operation("other_currency", _other_currency, "REPORTING_CURRENCY=EUR", undo=_own_settings),
)
