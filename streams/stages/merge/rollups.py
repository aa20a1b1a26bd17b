"""Roll-ups of one merge partition: the parts of all merge partitions added up, and what of them is published.

A roll-up belongs to the partition that its name hashes to. Parts are whole values, one per merge partition, so one that comes
twice changes nothing. A window is final when it is final on every merge partition.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from metrics.kpis.compose import DECLARED, ReadingVersion
from metrics.kpis.rollups import RollupGroup, RollupPart, compose_rollup
from metrics.records.kpi_reading import RollupKpi, Stage
from metrics.windows.open_windows import final_at, is_past
from metrics.windows.panes import horizon
from metrics.windows.publish_schedule import KeyedSchedule, stride
from metrics.windows.window_kinds import BY_NAME, TOTAL_WINDOW, Span
from streams.messages.partials import Bundle, RollupStatus
from streams.stages.merge.rollup_parts import ROLLING_KEY, ROLLING_MARK, RollupOptions
from streams.state.codec import decoder, encode, partition_of

_decode_part = decoder(RollupPart)
#: Readings that one checkpoint makes, unless more windows end at one instant.
_MOST_READ = 1_000


class RollupKey(NamedTuple):
    """One window of a roll-up in one model."""

    dimension: str
    value: str
    model: str
    window: str
    start: int

    @property
    def is_tumbling(self) -> bool:
        """Whether it becomes final."""
        return self.window in BY_NAME

    @property
    def total(self) -> "RollupKey":
        """The whole history of the same."""
        return self._replace(window=TOTAL_WINDOW, start=0)


def owner_of(dimension: str, value: str, partitions: int) -> int:
    """The merge partition a roll-up belongs to."""
    return partition_of(f"{dimension}|{value}", partitions)


class Rollups:
    """The roll-ups that belong to one partition.

    Args:
        partitions: of the deployment.
        grace: milliseconds a window stays open.
        options: which roll-ups there are.
    """

    def __init__(self, partitions: int, grace: int, options: RollupOptions) -> None:
        #: Packed parts by merge partition, of each window that is kept.
        self.windows: dict[RollupKey, dict[int, bytes]] = {}
        self.applied_versions: dict[int, tuple[int, int]] = {}
        self.statuses: list[RollupStatus | None] = [None] * partitions
        self.closed_through: int | None = None
        self.changed: set[RollupKey] = set()
        self.latest: dict[tuple[RollupGroup, str], dict[str, RollupKpi]] = {}
        self._shows_all = False
        #: Whether the last checkpoint left something that may go out at once.
        self.has_more = False
        self._grace = grace
        self._options = options
        self._expired = horizon(None)
        self._open: dict[RollupKey, None] = {}
        self._pacing = KeyedSchedule(self._interval)

    # --- taking in ---------------------------------------------------------------------------------

    def take(self, bundle: Bundle, sequence: int) -> None:
        """Take in what a merge partition says; ``sequence`` is that of the checkpoint that will hold it."""
        version = (bundle.epoch, bundle.sequence)
        if version < self.applied_versions.get(bundle.source, (0, 0)):
            return  # of an owner that has been succeeded
        self.applied_versions[bundle.source] = version
        for dimension, value, model, window, start, part in bundle.rollups or ():
            key = RollupKey(dimension, value, model, window, start)
            self._put(key, bundle.source, encode(part), sequence)
        if bundle.rollup_status is not None:
            # What was final stays final, also where a successor has to say it again.
            known = self.statuses[bundle.source] or RollupStatus(None, None)
            mark, closed = bundle.rollup_status
            self.statuses[bundle.source] = RollupStatus(
                _later(known.watermark, mark), _later(known.closed, closed)
            )

    def is_kept(self, key: RollupKey) -> bool:
        """Whether it is one of the roll-ups that there are."""
        options = self._options
        return key.dimension in options.dimensions and key.model in (DECLARED, *options.models)

    def restore_closed(self, statuses: Sequence[RollupStatus | None], closed: int | None, shift: int) -> None:
        """Put back how far windows were final: what is final stays final, though the grace has changed.

        Args:
            statuses: of the merge partitions, each by its grace of then or by that of today; by which is not known.
            closed: how far windows of roll-ups were final by the grace of then.
            shift: milliseconds by which the grace of today is longer.
        """
        self.closed_through = None if closed is None else closed + shift
        self.statuses = [
            status
            and RollupStatus(
                status.watermark, None if status.closed is None else status.closed + min(shift, 0)
            )
            for status in statuses
        ]

    def restore(self, key: RollupKey, parts: dict[int, bytes]) -> None:
        """Put back a window."""
        self.windows[key] = parts
        if key.is_tumbling and not self._is_closed(key):
            self._open[key] = None

    def remark(self, key: RollupKey, sequence: int) -> None:
        """A window may have changed since it was last published."""
        self._pacing.mark(key, sequence)

    def offer_all(self, sequence: int) -> None:
        """What goes to views is offered again, since they may have been lost."""
        for key in self.windows:
            if not key.is_tumbling:
                self._pacing.mark(key, sequence)

    def show_all(self) -> None:
        """Let the next checkpoint give the latest readings of all roll-ups to views once more."""
        self._shows_all = len(self.latest) > 0

    def _put(self, key: RollupKey, source: int, part: bytes, sequence: int) -> None:
        if not self.is_kept(key):
            return  # of a worker with other settings
        earliest = horizon(self._watermark)[BY_NAME[key.window].resolution] if key.is_tumbling else None
        if earliest is not None and key.start < earliest:
            return
        parts = self.windows.setdefault(key, {})
        if parts.get(source) == part:
            return
        parts[source] = part
        self.changed.add(key)
        self._pacing.mark(key, sequence)
        if key.is_tumbling and not self._is_closed(key):
            self._open[key] = None

    # --- giving out --------------------------------------------------------------------------------

    @property
    def has_pending(self) -> bool:
        """Whether anything waits to be published."""
        return self._shows_all or len(self._pacing) > 0 or self._is_behind

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits."""
        return self._pacing.oldest()

    def readings(self, reading_version: ReadingVersion, now: int) -> tuple[list[RollupKpi], list[RollupKpi]]:
        """What goes to ``rollup-kpis`` and what to views now; the stamp's watermark is not that of roll-ups."""
        reading_version = reading_version._replace(watermark=self.watermark)
        self._close()
        finals = sorted(filter(self._is_closed, self._open))
        topic = []
        for key in finals:
            del self._open[key]
            self._pacing.forget(key)
            topic.append(self._reading(key, "final", reading_version))
        views = []
        due = self._pacing.take(now, self._is_closed, max(0, _MOST_READ - len(finals)))
        is_cut = len(self._pacing) > 0 and len(finals) + len(due) >= _MOST_READ
        self.has_more = is_cut or self._is_behind
        for key in due:
            is_late = key.is_tumbling and self._is_closed(key)
            reading = self._reading(key, "correction" if is_late else "update", reading_version)
            if key.is_tumbling or key.window == TOTAL_WINDOW:
                topic.append(reading)
            if not key.is_tumbling:
                views.append(reading)
                group = RollupGroup(reading.dimension, key.value)
                self.latest.setdefault((group, key.model), {})[reading.window] = reading
        if self._shows_all:
            views = [reading for latest in self.latest.values() for reading in latest.values()]
            self._shows_all = False
        return topic, views

    def expire(self, closed: int | None) -> Iterator[RollupKey]:
        """Forget the windows that no fact can reach any more."""
        limits = horizon(closed)
        if limits == self._expired:
            return
        self._expired = limits
        for key in [key for key in self.windows if key.is_tumbling]:
            earliest = limits[BY_NAME[key.window].resolution]
            if earliest is not None and key.start < earliest and key not in self._open:
                del self.windows[key]
                self._pacing.forget(key)
                yield key

    @property
    def watermark(self) -> int | None:
        """The least of the merge partitions' watermarks."""
        marks = [status.watermark if status else None for status in self.statuses]
        known = [mark for mark in marks if mark is not None]
        return min(known) if len(known) == len(marks) else None

    @property
    def _watermark(self) -> int | None:
        """How far every merge partition's windows are final."""
        marks = [status.closed if status else None for status in self.statuses]
        known = [mark for mark in marks if mark is not None]
        return min(known) if len(known) == len(marks) else self.closed_through

    @property
    def _is_behind(self) -> bool:
        watermark, closed = self._watermark, self.closed_through
        return watermark is not None and (closed is None or watermark > closed)

    def _close(self) -> None:
        """Windows become final up to where all that ends there fits into one checkpoint."""
        watermark = self._watermark
        if watermark is None or not self._is_behind:
            return
        ending = Counter(final_at(key.window, key.start, self._grace) for key in self._open)
        passed = {at: count for at, count in ending.items() if at <= watermark}
        self.closed_through = stride(passed, watermark, _MOST_READ)

    def _is_closed(self, key: RollupKey) -> bool:
        return key.is_tumbling and is_past(key.window, key.start, self._grace, self.closed_through)

    def _interval(self, key: RollupKey) -> int:
        is_rolling = key.window.startswith(ROLLING_MARK)
        fast = self._options.intervals[ROLLING_KEY if is_rolling else key.window]
        return fast if key.model == DECLARED else self._options.slow_interval

    def _reading(self, key: RollupKey, stage: Stage, reading_version: ReadingVersion) -> RollupKpi:
        part, total = self._sum(key), self._sum(key.total)
        span = part.span and Span(*part.span)
        if key.is_tumbling:
            span = Span(key.start, key.start + BY_NAME[key.window].length)
        group = RollupGroup(key.dimension, key.value)  # type: ignore[arg-type]
        name = key.window.removeprefix(ROLLING_MARK)
        return compose_rollup(group, key.model, name, span, part, total, stage, reading_version)

    def _sum(self, key: RollupKey) -> RollupPart:
        parts: Mapping[int, bytes] = self.windows.get(key, {})
        total = RollupPart()
        for packed in parts.values():
            total.add(_decode_part(packed))
        return total


def _later(one: int | None, other: int | None) -> int | None:
    return max((each for each in (one, other) if each is not None), default=None)
