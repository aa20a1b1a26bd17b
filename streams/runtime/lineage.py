"""Whether states still fit together, and to the logs they were made from: what each knows is compared with the cluster."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from metrics.values.errors import StateError
from streams import topics
from streams.settings import Settings
from streams.stages.budget.stage import INPUTS
from streams.state.checkpoint import Version
from streams.state.lineage import (
    Difference,
    LogFacts,
    LogState,
    Named,
    compare_log,
    compare_registry,
    compare_states,
    registry_identity,
)
from streams.state.store import StateStore
from streams.transport.log_facts import log_facts

log = logging.getLogger(__name__)

INTAKE, MERGE, CONTROLLER = "intake", "merge", "controller"
#: By stage.
CHANGELOGS = {
    INTAKE: topics.INTAKE_CHANGELOG,
    MERGE: topics.MERGE_CHANGELOG,
    CONTROLLER: topics.CONTROLLER_CHANGELOG,
}
#: The topics that a stage reads in order, and may miss no record of.
_READ = {INTAKE: topics.INTAKE_INPUTS, MERGE: (topics.PARTIALS,)}

#: The topics that a stage writes, and does not write again.
_WRITTEN = {MERGE: (topics.CAMPAIGN_KPIS, topics.ROLLUP_KPIS, topics.CUSTOMER_KPIS)}
_INTERNAL = (topics.PARTIALS, topics.REKEYED)

#: The stores of one partition, by stage.
Stores = Mapping[str, StateStore[Any]]
Facts = Mapping[tuple[str, int], LogFacts]


class Found(NamedTuple):
    """What a comparison found: the logs as they are, and what differs, by partition."""

    facts: Facts
    differences: list[tuple[int, Difference]]

    @property
    def sentences(self) -> list[str]:
        """What differs, and what to do about each; a topic that the states of several partitions find other is named once."""
        return list(dict.fromkeys(each.sentence for _, each in self.differences))


def introduce(stores: Stores) -> None:
    """Let the stages of one partition know each other: each says in its checkpoints what it has seen of the others."""
    for name, store in stores.items():
        store.beside = {other: each for other, each in stores.items() if other != name}


async def compare(settings: Settings, restored: Mapping[int, Stores]) -> Found:
    """Compare restored states, by partition, with each other and with the logs of the cluster."""
    wanted: dict[tuple[str, int], int | None] = {
        (settings.topic(name), 0): None for name in topics.REGISTRIES
    }
    for partition, stores in restored.items():
        for stage, names in _READ.items():
            marks = stores[stage].marks.at(stores[stage].stage.positions)
            wanted |= {
                (settings.topic(name), partition): marks[name].offset if name in marks else None
                for name in names
            }
        others = [*_WRITTEN[MERGE], *(INPUTS if CONTROLLER in stores else ())]
        wanted |= {(settings.topic(name), partition): None for name in others}
    facts = await log_facts(settings, wanted)
    return Found(facts, states_and_logs(settings, restored, facts))


def states_and_logs(
    settings: Settings, restored: Mapping[int, Stores], facts: Facts
) -> list[tuple[int, Difference]]:
    """What states, by partition, know of each other and of their logs and is not so."""
    found: list[tuple[int, Difference]] = []
    for partition, stores in sorted(restored.items()):
        found += [(partition, each) for each in _between(settings, partition, stores)]
        for stage in _READ:
            found += [
                (partition, each) for each in _of_logs(settings, partition, stage, stores[stage], facts)
            ]
        found += [(partition, each) for each in _of_readings(settings, partition, stores[MERGE], facts)]
        found += [(partition, each) for each in _of_registries(settings, stores[MERGE], facts)]
    return found


def _between(settings: Settings, partition: int, stores: Stores) -> list[Difference]:
    states = {
        name: Named(f"{settings.topic(CHANGELOGS[name])}-{partition}", store.reached, store.others)
        for name, store in stores.items()
    }
    return compare_states(states)


def _of_logs(
    settings: Settings, partition: int, stage: str, store: StateStore[Any], facts: Facts
) -> list[Difference]:
    offsets = store.stage.positions if store.reached is not None else {}
    marks, found = store.marks.at(offsets), []
    for name in _READ[stage]:
        known = LogState(store.lineage.topic_ids.get(name), offsets.get(name), marks.get(name))
        full = settings.topic(name)
        difference = compare_log(name, partition, known, facts[full, partition], full)
        if difference is not None:
            # What one stage has sent another and is lost can only be computed anew.
            found.append(replace(difference, remedy="rebuild") if name in _INTERNAL else difference)
    return found


def _of_readings(
    settings: Settings, partition: int, merge: StateStore[Any], facts: Facts
) -> Iterator[Difference]:
    """Topics of merge that are not those that it has written to."""
    for name in _WRITTEN[MERGE]:
        known, found = merge.lineage.topic_ids.get(name), facts[settings.topic(name), partition].topic_id
        if known is not None and found is not None and known != found:
            what = f"{settings.topic(name)} was deleted and made anew: windows that do not change any more are missing from it."
            yield Difference(what, "rebuild")


def _of_registries(settings: Settings, merge: StateStore[Any], facts: Facts) -> Iterator[Difference]:
    for name in topics.REGISTRIES:
        full = settings.topic(name)
        difference = compare_registry(name, merge.lineage.topic_ids, facts[full, 0], full)
        if difference is not None:
            yield difference


def compare_shown(
    settings: Settings, partition: int, merge: StateStore[Any], shown: tuple[int, int] | None
) -> Difference | None:
    """Whether views were shown more of a merge partition than its state knows.

    Args:
        settings: the prefix of the topics.
        partition: of merge.
        merge: its state.
        shown: birth and revision up to which views were shown; None: unknown.
    """
    if shown is None or merge.reached is None:
        return None
    birth, epoch, sequence = merge.reached
    at, revision = Version(epoch, sequence).revision, shown[1]
    if birth != shown[0] or revision <= at:
        return None
    what = (
        f"{settings.topic(topics.MERGE_CHANGELOG)}-{partition} ends at revision {at}, and Redis was shown revision {revision}: the "
        "broker holds an older backup, and every reader of highest revisions would stay with the figures of before."
    )
    return Difference(what, "accept")


def refuse(found: Found) -> None:
    """Go no further where anything differs.

    Raises:
        StateError: one difference in a sentence, and how many more there are; where one can only be computed anew, that one, since
            the command for another would be refused.
    """
    if found.differences:
        more = len(found.sentences) - 1
        said = min((each for _, each in found.differences), key=lambda each: each.remedy != "rebuild")
        if more:
            raise StateError(f"{said.sentence} {more} more differ: roistream doctor lists them.")
        raise StateError(said.sentence)


def adopt(settings: Settings, restored: Mapping[int, Stores], facts: Facts) -> None:
    """Let states go on with the logs as they are: a log that is new to a state is read from its start."""
    for partition, stores in restored.items():
        for stage, names in _READ.items():
            store = stores[stage]
            for name in names:
                store.stage.begin(name, facts[settings.topic(name), partition].start)
            known = (*names, *_WRITTEN.get(stage, ()))
            store.lineage.know(_ids(settings, known, partition, facts))
        for name in topics.REGISTRIES:
            stores[MERGE].lineage.know(registry_identity(name, facts[settings.topic(name), 0]))
        board = stores.get(CONTROLLER)
        if board is not None:
            _read_anew(settings, board, facts, partition)


def _read_anew(settings: Settings, board: StateStore[Any], facts: Facts, partition: int) -> None:
    """What the board reads are whole values and words that are done once: a topic that was made anew is read from its start."""
    ids = _ids(settings, INPUTS, partition, facts)
    for name, topic_id in ids.items():
        if board.lineage.topic_ids.get(name, topic_id) != topic_id:
            log.warning("%s was made anew; the board reads it from its start.", settings.topic(name))
            board.stage.forget(name)
    board.lineage.know(ids)


def _ids(settings: Settings, names: Any, partition: int, facts: Facts) -> dict[str, bytes]:
    found = {name: facts[settings.topic(name), partition].topic_id for name in names}
    return {name: topic_id for name, topic_id in found.items() if topic_id is not None}
