"""Stage two, one merge partition: sum the partitions' partials, keep windows, decide what is published.

Synchronous and free of I/O, like intake. A pane is the sum of whole values, one per source partition, so
a value that comes twice changes nothing; values of an epoch that has been succeeded are ignored.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from metrics.attribution.crediting import split_subject, subject
from metrics.attribution.lag import LagCounts, Lags
from metrics.campaigns import Book
from metrics.composing import Stamp, View, compose, credited
from metrics.open_windows import OpenWindows
from metrics.panes import DAYS, QUARTERS, TOTAL, ByStart, Horizon, horizon
from metrics.reading import CampaignKpi, Dimension, Stage
from metrics.reports import Report, ReportKey
from metrics.schedule import Allowance, Schedule, WindowKey
from metrics.tally import Tally
from metrics.timeline import floor_to
from metrics.watermark import CampaignClock
from metrics.windows import (
    BY_NAME,
    ROLLING,
    ROLLING_NAMES,
    TOTAL_WINDOW,
    TUMBLING,
    Account,
    Span,
    rolling_spans,
    window_of,
)
from streams.journeys import LEAD, ORDER
from streams.leftovers import is_kept
from streams.pane_blocks import unpack
from streams.rollup_parts import ROLLING_KEY, Moment, RollupOptions, RollupParts
from streams.rollups import Rollups
from streams.slab import SourceRecord
from streams.wire import Bundle, PanePartial, decode_bundle

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


class Pace(NamedTuple):
    """How fast one worker publishes, all of its partitions together: updates, and campaigns' views."""

    updates: Allowance
    views: Allowance

    @classmethod
    def of(cls, max_publish_rate: int) -> "Pace":
        """A campaign's views are six readings, so fewer of them go out."""
        return cls(Allowance(max_publish_rate), Allowance(max(1, max_publish_rate // len(ROLLING_NAMES))))


class Merge:
    """The state of one merge partition: the campaigns whose ids Kafka's partitioner sends here."""

    def __init__(self, partition: int, options: MergeOptions, book: Book, pace: Pace) -> None:
        self.partition = partition
        self.options = options
        self.book = book
        self.offset = 0
        self.sequence = 0
        self.accounts: dict[str, Account] = {}
        self.clock = CampaignClock(options.partitions)
        self.heard: dict[int, tuple[int, int]] = {}
        #: What each source partition last said of the lags of its conversions, by kind.
        self.lags: dict[int, dict[str, LagCounts]] = {}
        #: When each source partition last fitted the data-driven model.
        self.fits: dict[int, int] = {}
        self.windows = OpenWindows(options.grace)
        self.changed_panes: set[tuple[str, int, int]] = set()
        self.changed_reports: set[tuple[str, ReportKey]] = set()
        self.latest: dict[str, dict[str, CampaignKpi]] = {}
        self.is_touched = False
        intervals = {name: pace * options.publish_interval for name, pace in PACE.items()}
        self._slow_interval = SLOWEST * options.publish_interval
        self.schedule = Schedule(intervals, pace.updates, self._interval_of)
        self.views = Schedule(intervals, pace.views, self._interval_of)
        self._spans: tuple[Span, ...] = ()
        self._limits = horizon(None)
        self._expired = self._limits
        self._by_start = ByStart()
        told = RollupOptions(
            options.rollups, options.max_rollup_values, options.views, intervals, self._slow_interval
        )
        self.parts = RollupParts(told, book, self.accounts)
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
        if campaign_id not in self.accounts:
            return
        self._mark((campaign_id, TOTAL_WINDOW, 0))
        for key in list(self.windows.of(campaign_id)):
            self._mark(key)

    def remark(self, campaign_id: str, resolution: int, start: int, sequence: int | None = None) -> None:
        """A pane may have changed since its windows were last published, at ``sequence`` (None: now)."""
        self._mark((campaign_id, *window_of(resolution, start)), sequence)

    def remark_report(self, campaign_id: str, report: Report, sequence: int | None = None) -> None:
        """A report may have changed since the windows it counts in were last published."""
        self._mark((campaign_id, TOTAL_WINDOW, 0), sequence)
        for key in self._windows_of(campaign_id, report):
            self._mark(key, sequence)

    def restore(self, campaign_id: str, resolution: int, start: int, parts: dict[int, Tally]) -> None:
        """Put back a pane, and its window among those that still become final."""
        self.account(campaign_id).restore(resolution, start, parts)
        if resolution != TOTAL:
            self._by_start.add(campaign_id, resolution, start)
            self._reopen((campaign_id, *window_of(resolution, start)))

    def reopen_report(self, campaign_id: str, report: Report) -> None:
        """Put the windows of a restored report among those that still become final."""
        for key in self._windows_of(campaign_id, report):
            self._reopen(key)

    def catch_up(self) -> None:
        """Restored state accepts what it accepted when it was stored."""
        self._limits = horizon(self.clock.reached)

    def _windows_of(self, campaign_id: str, report: Report) -> Iterator[WindowKey]:
        kinds = (TUMBLING[QUARTERS], TUMBLING[DAYS]) if report.is_short else (TUMBLING[DAYS],)
        account = self.accounts[campaign_id]
        for kind in kinds:
            first = floor_to(report.period_start, kind.length)
            for start in range(first, report.period_end, kind.length):
                if account.is_whole(kind, start):
                    yield campaign_id, kind.name, start

    def _reopen(self, key: WindowKey) -> None:
        """A window of a campaign is open in every view, also where nothing is credited in it."""
        campaign_id, name, start = key
        if not self.windows.is_closed(name, start):
            self.windows.add(self._with_views(campaign_id), name, start)

    def _take(self, bundle: Bundle) -> None:
        if bundle.rollups is not None:
            self.rollups.take(bundle, self.sequence + 1)
            return
        version = (bundle.epoch, bundle.sequence)
        if version < self.heard.get(bundle.source, (0, 0)):
            return  # of an owner that has been succeeded
        self.heard[bundle.source] = version
        for block in bundle.blocks:
            for partial in unpack(block):
                self._take_pane(bundle.source, partial)
        for campaign_id, report in bundle.reports:
            self._take_report(campaign_id, report)
        if bundle.lags is not None:
            self.lags[bundle.source] = bundle.lags
        if bundle.fitted_at is not None:
            self.fits[bundle.source] = bundle.fitted_at
        if bundle.status is not None:
            self.clock.hear(bundle.source, bundle.status)
            self._limits = horizon(self.clock.reached)

    def _take_pane(self, source: int, partial: PanePartial) -> None:
        campaign_id, resolution, start, tally = partial
        if not is_kept(campaign_id, self.options.views):
            return  # of a worker that computes other models
        pane = (campaign_id, resolution, start)
        is_changed = self.put(campaign_id, source, resolution, start, tally, self._limits)
        if (
            is_changed and pane not in self.changed_panes
        ):  # else its windows are marked, up to the next checkpoint
            self.changed_panes.add(pane)
            self.remark(*pane)

    def _take_report(self, campaign_id: str, report: Report) -> None:
        shelf = self.account(campaign_id).shelf
        replaced, had_short = shelf.reports.get(report.key), shelf.has_short
        if shelf.put(report) is None:
            return
        self.changed_reports.add((campaign_id, report.key))
        for one in (replaced, report):
            if one is not None:
                self.remark_report(campaign_id, one)
        if shelf.has_short != had_short:
            # What reports say of an hour was null and is a number now, or the other way round.
            for start in self.account(campaign_id).panes[QUARTERS]:
                self.remark(campaign_id, QUARTERS, start)

    def put(
        self, campaign_id: str, source: int, resolution: int, start: int, tally: Tally, limits: Horizon
    ) -> bool:
        """Take in a source's whole value of a pane; False when nothing changed or it is too late."""
        account = self.account(campaign_id)
        if resolution == TOTAL:
            return account.put(source, TOTAL, 0, tally, limits)
        panes = account.panes[resolution]
        before = len(panes)
        is_changed = account.put(source, resolution, start, tally, limits)
        if len(panes) > before:
            self._by_start.add(campaign_id, resolution, start)
        return is_changed

    def account(self, campaign_id: str) -> Account:
        """Everything kept of a campaign."""
        found = self.accounts.get(campaign_id)
        if found is None:
            found = self.accounts[campaign_id] = Account()
            if self._spans:
                found.slide(self._spans)
        return found

    def _mark(self, key: WindowKey, sequence: int | None = None) -> None:
        """A window changed; what its campaign spends counts in every view."""
        following = self.sequence + 1 if sequence is None else sequence
        for name in self._with_views(key[0]):
            self._mark_one((name, key[1], key[2]), following)
        self._touch(key, following)
        self._touch((key[0], ROLLING_KEY, 0), following)

    def _touch(self, key: WindowKey, sequence: int) -> None:
        """The roll-ups of a campaign changed, at least in the models."""
        if not self.options.rollups:
            return
        campaign_id, view = split_subject(key[0])
        self.parts.touch((campaign_id, key[1], key[2]), sequence, is_credited=view is not None)

    def _with_views(self, name: str) -> Iterator[str]:
        yield name
        if self.options.views and split_subject(name)[1] is None:
            for view in self.options.views:
                yield subject(name, view)

    def _mark_one(self, key: WindowKey, following: int) -> None:
        campaign_id, name, start = key
        self.views.mark((campaign_id, ROLLING_KEY, 0), following)
        if name != TOTAL_WINDOW:
            if self.windows.is_closed(name, start):
                self.schedule.mark_urgent(key, following)
                return
            self.windows.add((campaign_id,), name, start)
        self.schedule.mark(key, following)

    def _interval_of(self, name: str) -> int | None:
        return None if split_subject(name)[1] is None else self._slow_interval

    # --- giving out --------------------------------------------------------------------------------

    @property
    def has_pending(self) -> bool:
        """Whether anything waits to be written or published."""
        is_closing = self.windows.through != self.clock.reached
        waiting = len(self.schedule) > 0 or len(self.views) > 0
        return self.is_touched or is_closing or waiting or self.parts.has_pending or self.rollups.has_pending

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits to be published."""
        waiting = (self.schedule.oldest(), self.parts.oldest(), self.rollups.oldest())
        return min((each for each in waiting if each is not None), default=None)

    @property
    def moment(self) -> Moment:
        """The state that parts of roll-ups are made of."""
        return Moment(self.clock.reached, self._spans, self._expired, self.windows.is_closed)

    @property
    def due_at(self) -> int | None:
        """When something may be published next, in milliseconds; 0: already; None: nothing waits."""
        if self.windows.are_due(self.clock.reached):
            return 0
        moments = [at for at in (self.schedule.due_at(), self.views.due_at()) if at is not None]
        return min(moments, default=None)

    def readings(self, stamp: Stamp, now: int) -> list[CampaignKpi]:
        """The readings that go to ``campaign-kpis`` now: finals, corrections, updates that are due."""
        found = [self._reading(key, "correction", stamp) for key in self.schedule.take_urgent()]
        found += [self._reading(key, "final", stamp) for key in self._close()]
        found += [self._reading(key, "update", stamp) for key in self.schedule.take(now)]
        return found

    def view_readings(self, stamp: Stamp, now: int) -> list[CampaignKpi]:
        """The readings that go to Redis and the gauges now: rolling windows and totals that are due."""
        self._slide()
        found: list[CampaignKpi] = []
        for campaign_id, _, _ in self.views.take(now):
            mine = self._views_of(campaign_id, stamp)
            self.latest[campaign_id] = {reading.window: reading for reading in mine}
            found += mine
        return found

    def expire(self, closed: int | None) -> Iterator[tuple[str, int, int]]:
        """Drop the panes that no fact could reach at ``closed``, when their windows went out for sure."""
        limits = horizon(closed)
        for resolution, (earliest, before) in enumerate(zip(limits, self._expired, strict=True)):
            if earliest is not None and earliest != before:
                yield from self._expire_before(resolution, earliest)
        self._expired = limits

    def _expire_before(self, resolution: int, earliest: int) -> Iterator[tuple[str, int, int]]:
        for start, campaigns in self._by_start.take_before(resolution, earliest):
            for campaign_id in campaigns:
                if self._may_drop(campaign_id, resolution) and self.accounts[campaign_id].drop(
                    resolution, start
                ):
                    yield campaign_id, resolution, start
                else:
                    self._by_start.add(campaign_id, resolution, start)

    def _may_drop(self, name: str, resolution: int) -> bool:
        """The days of a view stay as long as those of its campaign, which late reports still reach."""
        campaign_id, view = split_subject(name)
        return view is None or resolution != DAYS or not len(self.account(campaign_id).shelf)

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes."""
        return 60 * (1 + self.options.partitions) * len(self.changed_panes) + 200 * (
            len(self.changed_reports) + len(self.rollups.changed)
        )

    def lags_now(self) -> Lags | None:
        """Lags of all source partitions; None where no journeys are kept."""
        if not self.options.views:
            return None
        sums = {LEAD: LagCounts(), ORDER: LagCounts()}
        for lags in self.lags.values():
            for kind, counts in lags.items():
                sums[kind].add(counts)
        return Lags(sums[LEAD], sums[ORDER])

    @property
    def limits(self) -> Horizon:
        """The panes that still accept facts."""
        return self._limits

    def _close(self) -> list[WindowKey]:
        closed = self.windows.close(self.clock.reached)
        for key in closed:
            self.schedule.close(key)
        return closed

    def _slide(self) -> None:
        reached = self.clock.reached
        if reached is None:
            return
        spans = rolling_spans(reached, self.options.zone)
        if spans == self._spans:
            return
        self._spans = spans
        for campaign_id, account in self.accounts.items():
            if account.slide(spans) or len(account.shelf):
                for name in self._with_views(campaign_id):
                    self.views.mark((name, ROLLING_KEY, 0), self.sequence + 1)
                self._touch((campaign_id, ROLLING_KEY, 0), self.sequence + 1)

    def _reading(self, key: WindowKey, stage: Stage, stamp: Stamp) -> CampaignKpi:
        name, window, start = key
        if window == TOTAL_WINDOW:
            return self._compose(name, window, None, lambda account: account.total.sum, stage, stamp)
        kind = BY_NAME[window]
        span = Span(start, start + kind.length)
        return self._compose(name, window, span, lambda account: account.tumbling(kind, start), stage, stamp)

    def _views_of(self, name: str, stamp: Stamp) -> list[CampaignKpi]:
        def rolling(index: int) -> Callable[[Account], Tally]:
            return lambda account: account.rolling(index)[1]

        found = [self._compose(name, TOTAL_WINDOW, None, lambda account: account.total.sum, "update", stamp)]
        for index, (kind, span) in enumerate(zip(ROLLING, self._spans, strict=False)):
            found.append(
                self._compose(name, kind.name, span, rolling(index), "update", stamp, is_rolling=True)
            )
        return found

    def _compose(
        self,
        name: str,
        window: str,
        span: Span | None,
        sums_of: Callable[[Account], Tally],
        stage: Stage,
        stamp: Stamp,
        *,
        is_rolling: bool = False,
    ) -> CampaignKpi:
        """The reading of a campaign, or of a campaign in a view."""
        campaign_id, model = split_subject(name)
        account, facts = self.account(campaign_id), self.book.facts(campaign_id)
        if model is None:
            tally = sums_of(account)
            return compose(account, facts, window, span, tally, stage, stamp, is_rolling=is_rolling)
        mine = self.account(name)
        view = View(model, credited(account.total.sum, mine.total.sum))
        tally = credited(sums_of(account), sums_of(mine))
        return compose(account, facts, window, span, tally, stage, stamp, view)
