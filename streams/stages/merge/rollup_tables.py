"""Roll-ups as a part of stage two's changelog: what a checkpoint writes and sends of them, and how they are read back."""

from collections.abc import Iterable
from typing import Any

import msgspec

from metrics.attribution.conversion_credit import split_subject
from metrics.kpis.compose import ReadingVersion
from metrics.kpis.rollups import RollupGroup
from metrics.records.kpi_reading import RollupKpi
from metrics.windows.panes import Horizon
from streams import topics
from streams.messages.partials import RollupPartial, RollupStatus, rollup_bundles
from streams.stages.merge.rollup_parts import Moment, RollupParts
from streams.stages.merge.rollups import RollupKey, Rollups, owner_of
from streams.state.checkpoint import Output
from streams.state.codec import Entry, decoder, encode, state_key

#: Of keys: windows of roll-ups, and where campaigns count.
_WINDOW, _GROUPS = "u", "g"
KINDS = (_WINDOW, _GROUPS)
#: Milliseconds between two words of a partition about how far it has come.
_STATUS_INTERVAL = 1_000

_decode_window = decoder(tuple[int, dict[int, bytes]])
_decode_groups = decoder(tuple[int, tuple[RollupGroup, ...], tuple[RollupGroup, ...]])
_encode_reading = msgspec.json.Encoder().encode


class RollupMeta(msgspec.Struct, array_like=True):
    """What a checkpoint says of roll-ups: versions and statuses by merge partition, and what is final for sure."""

    heard: dict[int, tuple[int, int]]
    statuses: list[RollupStatus | None]
    closed: int | None


class RollupLog:
    """Reads and writes the roll-ups of one merge partition: the parts that it sends, and those that it adds up."""

    def __init__(self, parts: RollupParts, rollups: Rollups, partition: int, partitions: int) -> None:
        self.views: list[RollupKpi] = []
        self.has_unsent_status = False
        self._parts = parts
        self._rollups = rollups
        self._partition = partition
        self._partitions = partitions
        self._moves: list[tuple[str, set[RollupGroup], int]] = []
        self._closing: int | None = None
        self._closed: int | None = None
        self._status: RollupStatus | None = None
        self._status_at = 0

    # --- reading back -----------------------------------------------------------------------------

    def is_kept(self, key: list[Any]) -> bool:
        """Whether a changelog key belongs to roll-ups that there are."""
        if key[0] == _WINDOW:
            return self._rollups.is_kept(RollupKey(*key[1:]))
        return bool(self._parts.options.dimensions)

    def restore_meta(self, meta: RollupMeta | None) -> None:
        """Put back what a checkpoint said of itself."""
        if meta is not None:
            self._rollups.heard, self._rollups.statuses = meta.heard, meta.statuses
            self._rollups.closed_through = self._closing = self._closed = meta.closed

    def restore(self, key: list[Any], value: bytes, published: int) -> None:
        """Put back one entry; what may not have gone out is marked."""
        if key[0] == _WINDOW:
            window = RollupKey(*key[1:])
            sequence, parts = _decode_window(value)
            self._rollups.restore(window, parts)
            if sequence > published:
                self._rollups.remark(window, sequence)
            return
        sequence, now, former = _decode_groups(value)
        self._parts.restore(key[1], now)
        if sequence > published:
            self._moves.append((key[1], {*now} ^ {*former}, sequence))

    def catch_up(self, names: Iterable[str], sequence: int, kept: Horizon) -> None:
        """All is put back: campaigns that have moved, or were in no roll-up, are told anew."""
        for campaign_id, groups, moved_at in self._moves:
            self._parts.remark(campaign_id, groups, moved_at, kept)
        self._moves.clear()
        self._parts.adopt(dict.fromkeys(split_subject(name)[0] for name in names), sequence, kept)

    # --- writing ----------------------------------------------------------------------------------

    def outputs(
        self, epoch: int, stamp: ReadingVersion, sequence: int, at: Moment, closed: int | None
    ) -> list[Output]:
        """Parts for other partitions, and the readings that are due.

        Args:
            epoch: of the owner.
            stamp: of this checkpoint; its time paces what is sent.
            sequence: of this checkpoint.
            at: the state of the partition.
            closed: how far its windows are final, this checkpoint's included.
        """
        now = stamp.published_at
        if not self._parts.options.dimensions:
            return []
        by: list[list[RollupPartial]] = [[] for _ in range(self._partitions)]
        for partial in self._parts.take(sequence, now, at):
            by[owner_of(partial[0], partial[1], self._partitions)].append(partial)
        status, source = self._due_status(RollupStatus(at.watermark, closed), now), encode(self._partition)
        outputs = [
            Output(topics.PARTIALS, target, source, encode(bundle))
            for target in range(self._partitions)
            for bundle in rollup_bundles(self._partition, epoch, sequence, by[target], status)
        ]
        readings, self.views = self._rollups.readings(stamp, now)
        self._closing = self._rollups.closed_through
        return outputs + [self._published(reading) for reading in readings]

    def entries(self, sequence: int) -> list[Entry]:
        """Changelog records of what changed since the last call."""
        rollups, parts = self._rollups, self._parts
        changed, rollups.changed = rollups.changed, set()
        moved, parts.moved = parts.moved, {}
        gone = list(rollups.expire(self._closed))
        entries: list[Entry] = [
            (state_key(_WINDOW, *key), encode((sequence, rollups.windows[key])))
            for key in changed
            if key in rollups.windows
        ]
        entries += [
            (state_key(_GROUPS, campaign_id), encode((sequence, parts.groups[campaign_id], former)))
            for campaign_id, former in moved.items()
        ]
        return entries + [(state_key(_WINDOW, *key), None) for key in gone]

    def confirm(self) -> None:
        """What the last checkpoint made final has gone out for sure."""
        self._closed = self._closing

    def meta(self) -> RollupMeta:
        """What a checkpoint says of the roll-ups; taken before its outputs are made."""
        return RollupMeta(self._rollups.heard, self._rollups.statuses, self._closed)

    def _published(self, reading: RollupKpi) -> Output:
        key = f"{reading.dimension}|{reading.value}".encode()
        return Output(topics.ROLLUP_KPIS, self._partition, key, _encode_reading(reading))

    def _due_status(self, status: RollupStatus, now: int) -> RollupStatus | None:
        """The status when it has changed, but not too often."""
        self.has_unsent_status = status != self._status and 0 <= now - self._status_at < _STATUS_INTERVAL
        if status == self._status or self.has_unsent_status:
            return None
        self._status, self._status_at = status, now
        return status
