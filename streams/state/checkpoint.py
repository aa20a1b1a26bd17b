"""What a stage gives for one checkpoint: changelog entries, and the records that follow the append. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

from streams.state.codec import Entry


class Output(NamedTuple):
    """A record for another topic, by its short name."""

    topic: str
    partition: int
    key: bytes
    value: bytes


@dataclass
class Checkpoint:
    """One append: changed state with its source offsets, and the outputs that follow it."""

    sequence: int
    entries: list[Entry]
    outputs: list[Output] = field(default_factory=list)
