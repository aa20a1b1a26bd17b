"""What a stage gives for one checkpoint: changelog entries, records that follow the append, values for views. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from streams.state.codec import Entry


class Output(NamedTuple):
    """A record for another topic, by its short name."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class Version(NamedTuple):
    """The owner and the number of a checkpoint; of two values of one thing the one with the higher version is the newer."""

    epoch: int
    sequence: int

    @property
    def revision(self) -> int:
        """The version as one number."""
        return (self.epoch << 32) + self.sequence


@dataclass
class Emitted:
    """What a stage gives out with one checkpoint.

    Attributes:
        outputs: records for topics.
        views: what sinks show of the checkpoint, of a type of the stage's own.
        confirmed: the sequence up to which every change has gone out, where older changes may still wait; None: the last
            confirmed checkpoint.
    """

    outputs: list[Output] = field(default_factory=list)
    views: Any = None
    confirmed: int | None = None


@dataclass
class Checkpoint:
    """One append: changed state with its source offsets, the outputs that follow it, and what sinks then show.

    Attributes:
        sequence: its number.
        entries: records of the changelog; the last one is the header.
        outputs: records for topics.
        views: as the stage emitted them.
        partition: of the stage.
        birth: creation time of the state, in epoch ms.
        epoch: of the owner.
    """

    sequence: int
    entries: list[Entry]
    outputs: list[Output] = field(default_factory=list)
    views: Any = None
    partition: int = 0
    birth: int = 0
    epoch: int = 0


class Sink(Protocol):
    """Whoever shows what is confirmed."""

    def confirmed(self, checkpoint: Checkpoint) -> None:
        """The append and the outputs of a checkpoint are confirmed by the broker; returns at once."""
        ...

    def released(self, partitions: Iterable[int]) -> None:
        """Partitions were given up: nothing of them may be shown any more."""
        ...
