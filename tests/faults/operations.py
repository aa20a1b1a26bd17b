"""The operations by name: what is done to the cluster while no worker runs, what the next start must say, and the way on."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from streams import topics
from streams.settings import Settings
from streams.state.codec import encode
from streams.state.store import FORMAT, HEADER_KEY
from tests.faults.cluster import Cluster
from tests.faults.workload import Log, read_back
from tests.support.operations import delete_before, delete_oldest, ends_of, recreate, set_config
from tests.support.outside import Outgoing, write


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


def _truncated(topic: str) -> Callable[[Site], None]:
    """One topic alone is as the backup was."""

    def act(site: Site) -> None:
        (node,) = site.cluster.nodes
        node.stop()
        for partition in range(site.settings.partitions):
            name = f"{site.settings.topic(topic)}-{partition}"
            shutil.rmtree(node.folder / "data" / name)
            shutil.copytree(site.backup / name, node.folder / "data" / name)
        site.cluster.heal()

    return act


def _source_truncated(site: Site) -> None:
    """The clicks alone are as the backup was, and grow past where they were."""
    _truncated(topics.CLICKS)(site)
    site.write_more()


def _source_unread_lost(site: Site) -> None:
    """Of the clicks that no worker has read the older half is deleted, as by a retention that is too short."""
    before = {
        place: values for place, values in read_back(site.settings).items() if place[0] == topics.CLICKS
    }
    site.lost = before
    site.write_more()
    ends = ends_of(site.settings, topics.CLICKS)
    delete_before(
        site.settings,
        topics.CLICKS,
        {each: (len(before[topics.CLICKS, each]) + end) // 2 for each, end in ends.items()},
    )


def _set_to(**values: str) -> Callable[[Site], None]:
    """The next start has other settings."""

    def act(site: Site) -> None:
        site.overrides = {f"ROISTREAM_{name}": value for name, value in values.items()}

    return act


def _newer_format(site: Site) -> None:
    """A newer version has written the state of merge; the backup is of before that."""
    _backed_up(site)
    header = encode({"format": FORMAT + 1, "epoch": 1_000, "stage": "of another shape"})
    for partition in range(site.settings.partitions):
        write(site.settings, [(topics.MERGE_CHANGELOG, HEADER_KEY, header)], partition)


def _absurd_records(site: Site) -> None:
    """What no topic should hold, on every topic that a worker reads but the readings, which the oracle reads too."""
    campaign = {"campaign_id": "c-0", "cost_basis": "events"}
    targets = [
        b'{"cpl": 0.0000001}',
        b'{"roi": -7}',
        b'{"roi": NaN}',
        b'{"cpl": 1e13}',
        b"9",
    ]
    whole = json.dumps(campaign).encode()[:-1]
    records: list[Outgoing] = [
        (topics.CAMPAIGNS, b"c-0", whole + b', "targets": ' + each + b"}") for each in targets
    ]
    records += [(topics.CAMPAIGNS, b"c-0", whole + b', "budget": -1}')]
    records += [
        (topics.FX_RATES, b"USD", b'{"currency": "USD", "rate": ' + rate + b"}")
        for rate in (b"NaN", b"-1", b"0")
    ]
    words = {"decision_id": "absurd", "campaign_id": "c-0", "verb": "set_budget", "by": "operator"}
    words |= {"occurred_at": int(time.time() * 1000)}
    records += [(topics.BUDGET_DECISIONS, b"c-0", words | {"budget": each}) for each in (-1, 1e300, "NaN")]
    everywhere = {
        *topics.INTAKE_INPUTS,
        *topics.REGISTRIES,
        *(topics.PARTIALS, topics.BUDGET_DECISIONS, topics.BUDGET_ALERTS),
    }
    records += [
        (topic, b"c-0", value)
        for topic in sorted(everywhere)
        for value in (b"", b"{", b"[1e999]", b"\xff" * 99)
    ]
    write(site.settings, records)


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
    Operation(
        "other_currency", _set_to(REPORTING_CURRENCY="USD"), "REPORTING_CURRENCY=EUR", undo=_own_settings
    ),
    Operation(
        "intake_changelog_truncated",
        _truncated(topics.INTAKE_CHANGELOG),
        "it has lost its newest records, or is of an older backup",
        "--rebuild",
        prepare=_backed_up,
    ),
    Operation(
        "merge_changelog_truncated",
        _truncated(topics.MERGE_CHANGELOG),
        "it has lost its newest records, or is of an older backup",
        "--rebuild",
        prepare=_backed_up,
    ),
    Operation(
        "source_unread_lost", _source_unread_lost, "are lost. Lengthen the topic's retention", "--accept"
    ),
    Operation(
        "other_partitions", _set_to(PARTITIONS="3"), "has 2 partitions where 3 are needed", undo=_own_settings
    ),
    Operation(
        "newer_format",
        _newer_format,
        f"The state has format {FORMAT + 1}",
        undo=_truncated(topics.MERGE_CHANGELOG),
    ),
    Operation("absurd_records", _absurd_records, None),
)
