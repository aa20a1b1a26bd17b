"""What roistream says to itself: bundles of partials, and keys and values of the changelogs. MessagePack.

A bundle carries whole values of one source partition for one merge partition, with the epoch and
sequence of the checkpoint that vouches for them; the status closes the last bundle of a checkpoint, so
that a watermark never comes before what it vouches for (DESIGN 2.5).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec

from metrics.attribution.conversion_lag import LagCounts
from metrics.entities.reports import Report
from metrics.kpis.rollups import RollupPart
from metrics.sums.tally import Tally
from metrics.values.hashing import partitions_of
from metrics.windows.watermark import PartitionStatus

T = TypeVar("T")

#: A Kafka batch stays below the default limit of a broker's topic (1 MiB).
MAX_BATCH_BYTES = 900_000
MAX_BUNDLE_BYTES = 400_000
_ITEMS_PER_BUNDLE = 4_000

PanePartial = tuple[str, int, int, Tally]
ReportPartial = tuple[str, Report]
#: What a merge partition adds to a roll-up's window: dimension, value, model, window, start, part.
RollupPartial = tuple[str, str, str, str, int, RollupPart]
#: A changelog record, or one of an output: key and value, None for a tombstone.
Entry = tuple[bytes, bytes | None]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
#: The one byte that never begins MessagePack marks JSON, which has no largest integer.
_IS_JSON = b"\xc1"


def encode(value: Any) -> bytes:
    """MessagePack; JSON after a mark where a sum has outgrown MessagePack's 64 bits."""
    try:
        return _pack(value)
    except OverflowError:
        return _IS_JSON + msgspec.json.encode(value)


def decoder(shape: type[T]) -> Callable[[bytes], T]:
    """The inverse of ``encode`` for values of one shape."""
    packed, text = msgspec.msgpack.Decoder(shape).decode, msgspec.json.Decoder(shape).decode

    def decode(value: bytes) -> T:
        return text(value[1:]) if value[:1] == _IS_JSON else packed(value)

    return decode


class PaneBlock(msgspec.Struct, array_like=True):
    """Whole values of campaigns in one pane.

    Attributes:
        resolution: of the pane.
        start: of the pane.
        campaigns: whose values they are.
        fields: fields of ``Tally`` that are not 0 everywhere.
        sums: int64, little-endian, for each field a row of values by campaign.
        beyond: values that do not fit, by the index of their campaign.
    """

    resolution: int
    start: int
    campaigns: list[str]
    fields: list[int]
    sums: bytes
    beyond: dict[int, Tally] = {}


class RollupStatus(NamedTuple):
    """What one merge partition last said of its roll-ups: its watermark, and how far its windows are final."""

    watermark: int | None
    closed: int | None


class Bundle(msgspec.Struct, array_like=True):
    """Whole values of one source partition for one merge partition.

    ``rollups`` are from a merge partition, which ``source`` is then; epoch and sequence are its own.
    """

    source: int
    epoch: int
    sequence: int
    blocks: list[PaneBlock]
    reports: list[ReportPartial]
    status: PartitionStatus | None = None
    lags: dict[str, LagCounts] | None = None
    fitted_at: int | None = None
    rollups: list[RollupPartial] | None = None
    rollup_status: RollupStatus | None = None


decode_bundle = decoder(Bundle)


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


def state_key(kind: str, *parts: Any) -> bytes:
    """The changelog key of a piece of state."""
    return encode((kind, *parts))


def read_key(key: bytes) -> list[Any]:
    """Kind and parts of a changelog key."""
    found: list[Any] = _unpack(key)
    return found


#: Of the record that ends each checkpoint; its value begins with the epoch of the owner that wrote it.
META_KEY = state_key("@")


def epoch_of(entries: Sequence[Entry]) -> int | None:
    """The epoch of a checkpoint; None where compaction has left no record of it."""
    for key, value in reversed(entries):
        if key == META_KEY and value is not None:
            epoch: int = decode_as(list[Any], value)[0]
            return epoch
    return None


def decode_as(shape: type[T], value: bytes) -> T:
    """A changelog value as the shape it was written in."""
    return decoder(shape)(value) if value[:1] == _IS_JSON else msgspec.msgpack.decode(value, type=shape)


def partition_of(key: str, partitions: int) -> int:
    """The partition Kafka's default partitioner gives a text key."""
    return int(partitions_of((key.encode(),), partitions)[0])


def bundles(
    source: int, epoch: int, sequence: int, blocks: Iterable[PaneBlock], reports: list[ReportPartial]
) -> Iterator[Bundle]:
    """Bundles small enough for a broker's default limits; none when there is nothing to say."""
    some: list[PaneBlock] = []
    size = 0
    for block in blocks:
        if some and size + _weight(block) > MAX_BUNDLE_BYTES:
            yield Bundle(source, epoch, sequence, some, [])
            some, size = [], 0
        some.append(block)
        size += _weight(block)
    if some:
        yield Bundle(source, epoch, sequence, some, [])
    for first in range(0, len(reports), _ITEMS_PER_BUNDLE):
        yield Bundle(source, epoch, sequence, [], reports[first : first + _ITEMS_PER_BUNDLE])


def rollup_bundles(
    source: int, epoch: int, sequence: int, parts: list[RollupPartial], status: RollupStatus | None
) -> list[Bundle]:
    """The same of a merge partition's roll-ups; the status closes the last, after all that it vouches for."""
    chunks = (parts[at : at + _ITEMS_PER_BUNDLE] for at in range(0, len(parts), _ITEMS_PER_BUNDLE))
    made = [Bundle(source, epoch, sequence, [], [], rollups=some) for some in chunks]
    if status is not None:
        made = made or [Bundle(source, epoch, sequence, [], [], rollups=[])]
        made[-1].rollup_status = status
    return made


def _weight(block: PaneBlock) -> int:
    """About how many bytes a block takes."""
    names = sum(len(name) if name.isascii() else 4 * len(name) for name in block.campaigns)
    return names + 5 * len(block.campaigns) + len(block.sums) + 300 * len(block.beyond) + 40
