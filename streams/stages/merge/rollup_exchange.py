"""What merge partitions send each other for roll-ups, and the readings of the roll-ups that one of them owns."""

from collections.abc import Iterable

import msgspec

from metrics.kpis.compose import ReadingVersion
from metrics.records.kpi_reading import RollupKpi
from streams import topics
from streams.messages.partials import RollupPartial, RollupStatus, rollup_bundles
from streams.stages.merge.rollup_parts import Moment, RollupParts
from streams.stages.merge.rollup_tables import RollupGroupTable, RollupWindowTable
from streams.stages.merge.rollups import Rollups, owner_of
from streams.state.announcement import Announcement
from streams.state.checkpoint import Emitted, Output, Version
from streams.state.codec import encode

#: Milliseconds between two announcements of how far a partition has come.
_STATUS_INTERVAL = 1_000
_encode_reading = msgspec.json.Encoder().encode


class RollupHeader(msgspec.Struct, array_like=True):
    """Versions and statuses by merge partition, and how far windows of roll-ups are final for sure."""

    applied_versions: dict[int, tuple[int, int]]
    statuses: list[RollupStatus | None]
    closed: int | None


class RollupExchange:
    """The roll-ups of one merge partition: the parts that it sends, and those that it adds up."""

    def __init__(self, parts: RollupParts, rollups: Rollups, partition: int, partitions: int) -> None:
        self._parts = parts
        self._rollups = rollups
        self._partition = partition
        self._partitions = partitions
        self._status = Announcement[RollupStatus](_STATUS_INTERVAL)
        #: How far windows are final: by the last checkpoint, and by the last confirmed one.
        self._closing: int | None = None
        self._closed: int | None = None
        #: How far windows of campaigns are final and have gone out to roll-ups, by the last checkpoint.
        self.sent_through: int | None = None
        self._groups = RollupGroupTable(parts)
        self.tables = (RollupWindowTable(rollups, lambda: self._closed), self._groups)

    @property
    def is_waiting(self) -> bool:
        """Whether a status waits to be announced."""
        return self._status.is_waiting

    @property
    def has_more(self) -> bool:
        """Whether the last checkpoint left something that may go out at once."""
        return self._parts.has_more or self._rollups.has_more

    @property
    def is_behind(self) -> bool:
        """Whether final windows of campaigns wait to be told to roll-ups."""
        return self._parts.has_final

    def emit(self, version: Version, reading_version: ReadingVersion, at: Moment) -> Emitted:
        """Parts for other partitions, and the readings that are due.

        Args:
            version: of the checkpoint.
            reading_version: of its readings; the time of publication paces what is sent.
            at: the state of the partition, with what this checkpoint makes final.

        Returns:
            Outputs, and as views the readings for views.
        """
        now = reading_version.published_at
        if not self._parts.options.dimensions:
            self.sent_through = at.closed
            return Emitted(views=[])
        by: list[list[RollupPartial]] = [[] for _ in range(self._partitions)]
        for partial in self._parts.take(version.sequence, now, at):
            by[owner_of(partial[0], partial[1], self._partitions)].append(partial)
        self.sent_through = self._parts.sent_through(at, self.sent_through)
        status = self._status.take(RollupStatus(at.watermark, self.sent_through), now)
        source = encode(self._partition)
        outputs = [
            Output(topics.PARTIALS, target, source, encode(bundle))
            for target in range(self._partitions)
            for bundle in rollup_bundles(self._partition, *version, by[target], status)
        ]
        readings, views = self._rollups.readings(reading_version, now)
        self._closing = self._rollups.closed_through
        return Emitted(outputs + [self._published(reading) for reading in readings], views)

    def confirm(self) -> None:
        """What the last checkpoint made final has gone out for sure."""
        self._closed = self._closing

    def header(self) -> RollupHeader:
        """What a checkpoint says of the roll-ups."""
        return RollupHeader(self._rollups.applied_versions, self._rollups.statuses, self._closed)

    def restore(self, header: RollupHeader | None, shift: int) -> None:
        """Put back what a checkpoint said of the roll-ups.

        Args:
            header: None where there were none.
            shift: milliseconds by which the grace is longer than it was then.
        """
        if header is not None:
            self._rollups.applied_versions = header.applied_versions
            self._rollups.restore_closed(header.statuses, header.closed, shift)
            self._closing = self._closed = self._rollups.closed_through

    def restored(self, names: Iterable[str], sequence: int) -> None:
        """All is put back; ``names`` are those of all campaigns."""
        self._groups.catch_up(names, sequence)

    def _published(self, reading: RollupKpi) -> Output:
        key = f"{reading.dimension}|{reading.value}".encode()
        return Output(topics.ROLLUP_KPIS, self._partition, key, _encode_reading(reading))
