"""What a state knows of the logs that it was made from, and what differs when they are looked at again. Pure.

A state is only right together with the logs that it has read and with the states of the other stages. So a header says of each
log up to where it was read, and which record batch stood there; of each other stage which of its checkpoints was confirmed.
The ids of the topics (KIP-516) are a record of their own, since they hardly change.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from streams.state.codec import Entry, decode_as, encode, state_key
from streams.state.table import Restored

#: What mends a difference: taking the logs as they are, or computing everything anew from the sources.
Remedy = Literal["accept", "rebuild"]
_COMMANDS: dict[Remedy, str] = {
    "accept": "roistream recover --accept",
    "rebuild": "roistream recover --rebuild",
}


class LogMark(NamedTuple):
    """A record batch by what tells it from any other.

    Attributes:
        offset: its first.
        leader_epoch: of the partition when the batch was appended; -1 unknown.
        checksum: CRC-32C of the batch.
    """

    offset: int
    leader_epoch: int
    checksum: int


class Reached(NamedTuple):
    """A state and its newest confirmed checkpoint, as another state knows them."""

    birth: int
    epoch: int
    sequence: int


class LogFacts(NamedTuple):
    """A partition of a topic as it is now.

    Attributes:
        topic_id: None where a broker gives none.
        start: of the log.
        end: of the log.
        mark: the batch that holds the offset of the mark that was asked for; None where nothing was asked, or nothing is there.
    """

    topic_id: bytes | None
    start: int
    end: int
    mark: LogMark | None = None


class LogState(NamedTuple):
    """A partition of a topic as a state knows it; None of what is unknown."""

    topic_id: bytes | None
    offset: int | None
    mark: LogMark | None


@dataclass(frozen=True)
class Difference:
    """What differs between a state and its logs, in a sentence, and what mends it.

    Attributes:
        what: the sentence; whatever it names is named in full.
        remedy: what mends it.
        offset: where a source is read on, when the difference is accepted.
        topic: of the source, by its short name.
    """

    what: str
    remedy: Remedy
    topic: str = ""
    offset: int | None = None

    @property
    def sentence(self) -> str:
        """What happened and what to do."""
        return f"{self.what} Stop all workers and run: {_COMMANDS[self.remedy]} (docs/operations.md)."


class LineageTable:
    """The ids of the topics that a stage reads, by short name, where registries begin and up to where they were followed: one record."""

    kind = "n"
    weight = 0

    def __init__(self) -> None:
        self.topic_ids: dict[str, bytes] = {}
        self._has_changed = False

    def know(self, topic_ids: Mapping[str, bytes]) -> None:
        """Topics are these from now on."""
        known = {**self.topic_ids, **topic_ids}
        self._has_changed = self._has_changed or known != self.topic_ids
        self.topic_ids = known

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the ids."""
        del confirmed
        for _, value in entries:
            self.topic_ids = decode_as(dict[str, bytes], value)
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """The record, when an id is new."""
        del sequence
        if not self._has_changed:
            return []
        self._has_changed = False
        return [(state_key(self.kind), encode(self.topic_ids))]


def registry_identity(name: str, facts: LogFacts) -> dict[str, bytes]:
    """What a state keeps of a registry, beside the ids of topics: its id where there is one, and where its log begins and ends."""
    found = {_begin_of(name): _bytes_of(facts.start)} | registry_read(name, facts.end)
    return found if facts.topic_id is None else {**found, name: facts.topic_id}


def registry_read(name: str, offset: int) -> dict[str, bytes]:
    """What a state keeps of a registry that was followed up to this offset: that of the next record."""
    return {_read_of(name): _bytes_of(offset)}


def compare_registry(name: str, known: Mapping[str, bytes], facts: LogFacts, full: str) -> Difference | None:
    """What a state knows of a registry and is not so. Compaction moves neither where a log begins nor where it ends.

    Args:
        name: of the topic, without its prefix.
        known: ids of topics, where registries begin and up to where they were followed, by the state.
        facts: of the log.
        full: name of the topic.
    """
    found = registry_identity(name, facts)
    if name in known and name in found and known[name] != found[name]:
        what = f"{full} was deleted and made anew: figures would follow what it holds now. Write its records again first."
        return Difference(what, "accept")
    begin = int.from_bytes(known.get(_begin_of(name), found[_begin_of(name)]), "big")
    if facts.start > begin:
        what = (
            f"{full} begins at {facts.start}, and began at {begin} for the state: records of it are gone, and figures would follow "
            "what is left. Write those that are missing again first."
        )
        return Difference(what, "accept")
    read = int.from_bytes(known.get(_read_of(name), b""), "big")
    return registry_truncated(full, facts.end, read) if facts.end < read else None


def registry_truncated(full: str, end: int, read: int) -> Difference:
    """A registry ends, or begins again, below the offset up to which it was followed."""
    what = (
        f"{full} ends at {end}, and was followed up to {read}: its newest records are gone, and figures would follow what is left. "
        "Write those that are missing again first."
    )
    return Difference(what, "accept")


def _begin_of(name: str) -> str:
    return f"{name} begins at"


def _read_of(name: str) -> str:
    return f"{name} read up to"


def _bytes_of(offset: int) -> bytes:
    return offset.to_bytes(8, "big")


class Marks:
    """Of each log that a stage reads, the batches that its next checkpoints may name.

    >>> marks = Marks(); marks.note("t", [LogMark(0, 1, 7), LogMark(10, 1, 8)])
    >>> marks.at({"t": 10}), marks.at({"t": 11})
    ({'t': LogMark(offset=0, leader_epoch=1, checksum=7)}, {'t': LogMark(offset=10, leader_epoch=1, checksum=8)})
    """

    def __init__(self) -> None:
        self._by_topic: dict[str, list[LogMark]] = {}

    def note(self, topic: str, marks: Sequence[LogMark]) -> None:
        """Batches of a log are taken in, in order of offset."""
        self._by_topic.setdefault(topic, []).extend(marks)

    def at(self, offsets: Mapping[str, int]) -> dict[str, LogMark]:
        """The last batch of each log that begins below the offset; earlier ones are forgotten."""
        found: dict[str, LogMark] = {}
        for topic, marks in self._by_topic.items():
            before = bisect_left(marks, (offsets.get(topic, 0),))
            if before > 1:
                del marks[: before - 1]
            if before:
                found[topic] = marks[0]
        return found

    def restore(self, marks: Mapping[str, LogMark]) -> None:
        """Put back what a header says."""
        self._by_topic = {topic: [mark] for topic, mark in marks.items()}

    def forget(self, topic: str) -> None:
        """A log is another one from now on."""
        self._by_topic.pop(topic, None)


class Named(NamedTuple):
    """What tells the state of one stage from another's.

    Attributes:
        name: of its changelog's partition, in full.
        reached: its newest checkpoint; None where the changelog holds nothing.
        others: what it knows of other stages, by name.
    """

    name: str
    reached: Reached | None
    others: Mapping[str, Reached]


def compare_states(states: Mapping[str, Named]) -> list[Difference]:
    """What the stages of one partition, by name, know of each other and is not so."""
    found: list[Difference] = []
    for one in states.values():
        for name, known in one.others.items():
            other = states.get(name)
            if other is not None and (why := _why_not(known, other, one)) is not None:
                found.append(Difference(why, "rebuild"))
    return found


def _why_not(known: Reached, other: Named, one: Named) -> str | None:
    """Why one cannot go on beside the other as it is; None where it can."""
    if other.reached is None:
        return f"{other.name} is empty, and {one.name} goes on from its checkpoint {known.sequence}: it was made anew or emptied."
    if other.reached.birth != known.birth:
        return f"{other.name} is not the one that {one.name} was made with: it was made anew."
    if other.reached[1:] < known[1:]:
        return (
            f"{other.name} ends with checkpoint {other.reached.sequence}, and {one.name} has seen its checkpoint "
            f"{known.sequence}: it has lost its newest records, or is of an older backup."
        )
    return None


def compare_log(name: str, partition: int, known: LogState, facts: LogFacts, full: str) -> Difference | None:
    """What a state knows of a log and is not so.

    Args:
        name: of the topic, without its prefix.
        partition: of the topic.
        known: by the state.
        facts: of the log, with the batch at the mark that is known.
        full: name of the topic.
    """
    at = f"{full}-{partition}"
    if known.topic_id is not None and facts.topic_id is not None and known.topic_id != facts.topic_id:
        what = f"{full} was deleted and made anew since the state read it: its records from {facts.start} on are not counted yet."
        return Difference(what, "accept", name, facts.start)
    if known.offset is None:
        return None
    if known.offset < facts.start:
        what = (
            f"{at}: the log begins at {facts.start}, the state ends at {known.offset}: {facts.start - known.offset} records are "
            "lost. Lengthen the topic's retention."
        )
        return Difference(what, "accept", name, facts.start)
    if known.offset > facts.end:
        what = (
            f"{at}: the state ends at {known.offset}, the log already at {facts.end}: it was truncated, made anew, or is of an "
            "older backup."
        )
        return Difference(what, "accept", name, facts.end)
    mark = known.mark
    if mark is not None and facts.start <= mark.offset and facts.mark != mark:
        what = (
            f"{at}: below {known.offset}, where the state goes on, the log holds other records than the state has read (at "
            f"{mark.offset}): it was truncated and has grown again, or was made anew."
        )
        return Difference(what, "rebuild", name)
    return None
