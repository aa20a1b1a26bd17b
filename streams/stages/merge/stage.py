"""Stage two, one merge partition: sum the partitions' partials, keep windows, decide what is published.

Synchronous and free of I/O, like intake. A pane is the sum of whole values, one per source partition, so
a value that comes twice changes nothing; values of an epoch that has been succeeded are ignored.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from metrics.attribution.conversion_lag import LEAD, ORDER, ConversionLags, LagCounts
from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.reports import Report, ReportHistory, ReportKey
from metrics.kpis.compose import ReadingVersion
from metrics.kpis.compose_many import ReadingComposer
from metrics.records.kpi_reading import CampaignKpi, Dimension, Stage
from metrics.sums.tally_columns import Codes, Integers, Tallies
from metrics.windows.campaign_codes import CampaignCodes
from metrics.windows.campaign_windows import CampaignWindows, MergedWindows
from metrics.windows.open_windows import OpenWindows
from metrics.windows.panes import QUARTERS, TOTAL, DroppedPane, Horizon, horizon
from metrics.windows.publish_schedule import PublishAllowance, PublishSchedule, WindowCampaigns
from metrics.windows.watermark import CampaignClock
from metrics.windows.window_kinds import (
    ROLLING_NAMES,
    TOTAL_WINDOW,
    Span,
    rolling_spans,
    window_of,
    windows_of_report,
)
from streams.messages.pane_blocks import unpack
from streams.messages.partials import Bundle, PaneBlock, decode_bundle
from streams.messages.source_records import SourceRecord
from streams.stages.merge.latest import Latest
from streams.stages.merge.rollup_parts import ROLLING_KEY, Moment, RollupOptions, RollupParts
from streams.stages.merge.rollups import Rollups

#: How many publish intervals lie between two updates of a window.
PACE = {"1m": 1, "1h": 5, "1d": 10, TOTAL_WINDOW: 10, "rolling": 5}
#: The same of every model but ``declared``.
SLOWEST = 10


class MergeOptions(msgspec.Struct, frozen=True):
    """The settings that merging depends on; durations in milliseconds."""

    partitions: int
    grace: int
    publish_interval: int
    zone: ZoneInfo
    currency: str
    views: tuple[str, ...] = ()
    rollups: tuple[Dimension, ...] = ()
    max_rollup_values: int = 50
    max_series: int = 1_000


class Pace(NamedTuple):
    """How fast one worker publishes, all of its partitions together: updates, and campaigns' views."""

    updates: PublishAllowance
    views: PublishAllowance

    @classmethod
    def of(cls, max_publish_rate: int) -> "Pace":
        """A campaign's views are six readings, so fewer of them go out."""
        return cls(
            PublishAllowance(max_publish_rate),
            PublishAllowance(max(1, max_publish_rate // len(ROLLING_NAMES))),
        )


class MergeStage:
    """The state of one merge partition: the campaigns whose ids Kafka's partitioner sends here."""

    def __init__(
        self, partition: int, options: MergeOptions, campaign_registry: CampaignRegistry, pace: Pace
    ) -> None:
        self.partition = partition
        self.options = options
        self.campaign_registry = campaign_registry
        self.offset = 0
        self.sequence = 0
        self.subjects = CampaignCodes(options.views)
        self.accounts = MergedWindows(self.subjects)
        self._readings = ReadingComposer(self.accounts, campaign_registry)
        self.clock = CampaignClock(options.partitions)
        self.heard: dict[int, tuple[int, int]] = {}
        #: What each source partition last said of the lags of its conversions, by kind.
        self.lags: dict[int, dict[str, LagCounts]] = {}
        #: When each source partition last fitted the data-driven model.
        self.fits: dict[int, int] = {}
        self.windows = OpenWindows(options.grace)
        self.changed_reports: set[tuple[str, ReportKey]] = set()
        self.latest = Latest(options.max_series * (1 + len(options.views)))
        self.is_touched = False
        self._intervals = {name: pace * options.publish_interval for name, pace in PACE.items()}
        self._slow_interval = SLOWEST * options.publish_interval
        self.schedule = PublishSchedule(self._interval, pace.updates)
        self.views = PublishSchedule(self._interval, pace.views)
        self._spans: tuple[Span, ...] = ()
        self._limits = horizon(None)
        self._expired = self._limits
        told = RollupOptions(
            options.rollups, options.max_rollup_values, options.views, self._intervals, self._slow_interval
        )
        self.parts = RollupParts(told, campaign_registry, self.accounts)
        self.rollups = Rollups(options.partitions, options.grace, told)

    # --- taking in ---------------------------------------------------------------------------------

    def process(self, records: Sequence[SourceRecord]) -> None:
        """Take in bundles in order of offset; those already applied are dropped."""
        for record in records:
            if record.offset < self.offset:
                continue
            assert record.value is not None, "partials have values"
            self._take(decode_bundle(record.value))
            self.offset = record.offset + 1
            self.is_touched = True

    def advance(self, offset: int) -> None:
        """Everything below ``offset`` is read, control records included."""
        self.offset = max(offset, self.offset)

    def refresh(self, campaign_id: str) -> None:
        """A campaign's record changed: its open windows and its views are composed anew."""
        self.parts.regroup()
        code = self.subjects.find(campaign_id)
        if code is None:
            return
        codes = _only(code)
        self._mark(TOTAL_WINDOW, 0, codes)
        for window, start, _ in list(self.windows.of(codes)):
            self._mark(window, start, codes)

    def remark(self, resolution: int, start: int, codes: Codes, sequence: int | None = None) -> None:
        """A pane may have changed since its windows were last published, at ``sequence`` (None: now)."""
        self._mark(*window_of(resolution, start), codes, sequence)

    def remark_report(self, code: int, report: Report, sequence: int | None = None) -> None:
        """A report may have changed since the windows it counts in were last published."""
        self._mark(TOTAL_WINDOW, 0, _only(code), sequence)
        for window, start in self._windows_of(code, report):
            self._mark(window, start, _only(code), sequence)

    def offer_views(self) -> None:
        """The views of all campaigns go out again, since they may have been lost."""
        self.views.mark(ROLLING_KEY, 0, self.subjects.everyone, self.sequence)

    def restore(self, resolution: int, start: int, codes: Codes, parts: dict[int, Tallies]) -> None:
        """Put back a pane, and its window among those that still become final."""
        self.accounts.restore(resolution, start, codes, parts)
        if resolution != TOTAL:
            self._reopen(*window_of(resolution, start), codes)

    def reopen_report(self, code: int, report: Report) -> None:
        """Put the windows of a restored report among those that still become final."""
        for window, start in self._windows_of(code, report):
            self._reopen(window, start, _only(code))

    def catch_up(self) -> None:
        """Restored state accepts what it accepted when it was stored."""
        self._limits = horizon(self.clock.watermark)

    def _windows_of(self, code: int, report: Report) -> Iterator[tuple[str, int]]:
        account = CampaignWindows(self.accounts, code)
        found = windows_of_report(report)
        return ((kind.name, start) for kind, start in found if account.is_whole(kind, start))

    def _reopen(self, window: str, start: int, codes: Codes) -> None:
        """A window of a campaign is open in every view, also where nothing is credited in it."""
        if not self.windows.is_closed(window, start):
            self.windows.add(self.subjects.with_models(codes), window, start)

    def _take(self, bundle: Bundle) -> None:
        if bundle.rollups is not None:
            self.rollups.take(bundle, self.sequence + 1)
            return
        version = (bundle.epoch, bundle.sequence)
        if version < self.heard.get(bundle.source, (0, 0)):
            return  # of an owner that has been succeeded
        self.heard[bundle.source] = version
        changed = [self._take_block(bundle.source, block) for block in bundle.blocks]
        if any(map(len, changed)):
            self._mark_rolling(np.unique(np.concatenate(changed)))
        for campaign_id, report in bundle.reports:
            self._take_report(campaign_id, report)
        if bundle.lags is not None:
            self.lags[bundle.source] = bundle.lags
        if bundle.fitted_at is not None:
            self.fits[bundle.source] = bundle.fitted_at
        if bundle.status is not None:
            self.clock.update(bundle.source, bundle.status)
            self._limits = horizon(self.clock.watermark)

    def _take_block(self, source: int, block: PaneBlock) -> Codes:
        """Returns the campaigns that have changed for the first time since the last checkpoint."""
        codes, sums = self.subjects.codes(block.campaigns), unpack(block)
        if codes.min(initial=0) < 0:  # of a worker that computes other models
            kept = np.flatnonzero(codes >= 0)
            codes, sums = codes[kept], sums.part(kept)
        fresh = self.accounts.put(source, block.resolution, block.start, codes, sums, self._limits)
        if len(fresh):  # the windows of the others are marked, up to the next checkpoint
            self._mark_window(*window_of(block.resolution, block.start), fresh, self.sequence + 1)
        return fresh

    def _take_report(self, campaign_id: str, report: Report) -> None:
        code = self.subjects.campaign(campaign_id)
        report_history = self.accounts.report_histories.setdefault(code, ReportHistory())
        replaced, had_short = report_history.reports.get(report.key), report_history.has_short
        if report_history.put(report) is None:
            return
        self.changed_reports.add((campaign_id, report.key))
        for one in (replaced, report):
            if one is not None:
                self.remark_report(code, one)
        if report_history.has_short != had_short:
            # What reports say of an hour was null and is a number now, or the other way round.
            for start in CampaignWindows(self.accounts, code).starts(QUARTERS):
                self.remark(QUARTERS, start, _only(code))

    def _mark(self, window: str, start: int, codes: Codes, sequence: int | None = None) -> None:
        """A window changed; what its campaign spends counts in every view."""
        following = self.sequence + 1 if sequence is None else sequence
        self._mark_window(window, start, codes, following)
        self._mark_rolling(codes, following)

    def _mark_window(self, window: str, start: int, codes: Codes, sequence: int) -> None:
        everywhere = self.subjects.with_models(codes)
        if window != TOTAL_WINDOW and self.windows.is_closed(window, start):
            self.schedule.mark_urgent(window, start, everywhere, sequence)
        else:
            self.schedule.mark(window, start, everywhere, sequence)
            if window != TOTAL_WINDOW:
                self.windows.add(everywhere, window, start)
        self.parts.touch(window, start, codes, sequence)

    def _mark_rolling(self, codes: Codes, sequence: int | None = None) -> None:
        following = self.sequence + 1 if sequence is None else sequence
        self.views.mark(ROLLING_KEY, 0, self.subjects.with_models(codes), following)
        self.parts.touch(ROLLING_KEY, 0, codes, following)

    def _interval(self, window: str, codes: Codes) -> Integers:
        return np.where(self.subjects.are_models(codes), self._slow_interval, self._intervals[window])

    # --- giving out --------------------------------------------------------------------------------

    @property
    def has_pending(self) -> bool:
        """Whether anything waits to be written or published."""
        is_closing = self.windows.through != self.clock.watermark
        waiting = len(self.schedule) > 0 or len(self.views) > 0
        return self.is_touched or is_closing or waiting or self.parts.has_pending or self.rollups.has_pending

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits to be published."""
        waiting = (self.schedule.oldest(), self.parts.oldest(), self.rollups.oldest())
        return min((each for each in waiting if each is not None), default=None)

    @property
    def moment(self) -> Moment:
        """The state that parts of roll-ups are made of."""
        return Moment(self.clock.watermark, self._spans, self._expired, self.windows.is_closed)

    @property
    def due_at(self) -> int | None:
        """When something may be published next, in milliseconds; 0: already; None: nothing waits."""
        if self.windows.are_due(self.clock.watermark):
            return 0
        moments = [at for at in (self.schedule.due_at(), self.views.due_at()) if at is not None]
        return min(moments, default=None)

    def readings(self, stamp: ReadingVersion, now: int) -> list[CampaignKpi]:
        """The readings that go to ``campaign-kpis`` now: finals, corrections, updates that are due."""
        corrections, finals = self.schedule.take_urgent(), self._close()
        stages: tuple[tuple[Stage, list[WindowCampaigns]], ...] = (
            ("correction", corrections),
            ("final", finals),
            ("update", self.schedule.take(now)),
        )
        return [
            reading
            for stage, windows in stages
            for reading in self._readings.of_windows(windows, stage, stamp)
        ]

    def view_readings(self, stamp: ReadingVersion, now: int) -> list[CampaignKpi]:
        """The readings that go to Redis and the gauges now: rolling windows and totals that are due."""
        self._slide()
        found: list[CampaignKpi] = []
        for _, _, codes in self.views.take(now):
            for code, mine in zip(
                codes.tolist(), self._readings.of_rolling_windows(codes, self._spans, stamp), strict=True
            ):
                self.latest.put(self.subjects.names[code], mine)
                found += mine
        return found

    def keep_latest(self, campaigns: Collection[str] | None) -> None:
        """Of which campaigns the latest readings are kept, None: of all, while they are few; others come with their next."""
        self.latest.keep(campaigns)
        missing = [] if campaigns is None else [name for name in campaigns if name not in self.latest]
        if missing:
            codes = self.subjects.with_models(self.subjects.codes(missing))
            self.views.mark(ROLLING_KEY, 0, codes, self.sequence)

    def expire(self, closed: int | None) -> Iterator[DroppedPane]:
        """Drop the panes that no fact could reach at ``closed``, when their windows went out for sure."""
        limits = horizon(closed)
        for resolution, (earliest, before) in enumerate(zip(limits, self._expired, strict=True)):
            if earliest is not None and earliest != before:
                yield from self.accounts.drop_before(resolution, earliest)
        self._expired = limits

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes."""
        return (40 + 20 * self.options.partitions) * self.accounts.changes + 200 * (
            len(self.changed_reports) + len(self.rollups.changed)
        )

    def lags_now(self) -> ConversionLags | None:
        """Lags of all source partitions; None where no journeys are kept."""
        if not self.options.views:
            return None
        sums = {LEAD: LagCounts(), ORDER: LagCounts()}
        for lags in self.lags.values():
            for kind, counts in lags.items():
                sums[kind].add(counts)
        return ConversionLags(sums[LEAD], sums[ORDER])

    @property
    def limits(self) -> Horizon:
        """The panes that still accept facts."""
        return self._limits

    def _close(self) -> list[WindowCampaigns]:
        closed = self.windows.close(self.clock.watermark)
        for window, start, _ in closed:
            self.schedule.close(window, start)
        return closed

    def _slide(self) -> None:
        reached = self.clock.watermark
        if reached is None:
            return
        spans = rolling_spans(reached, self.options.zone)
        if spans == self._spans:
            return
        self._spans = spans
        having_reports = np.array(list(self.accounts.report_histories), dtype=np.int32)
        changed = np.union1d(self.accounts.slide(spans), having_reports).astype(np.int32)
        self.views.mark(ROLLING_KEY, 0, self.subjects.with_models(changed), self.sequence + 1)
        self.parts.touch(ROLLING_KEY, 0, changed, self.sequence + 1)


def _only(code: int) -> Codes:
    return np.array([code], dtype=np.int32)
