"""Merge, of one merge partition: sum the partitions' partials, keep windows, decide what is published.

Synchronous and free of I/O, like intake. A pane is the sum of whole values, one per source partition, so
a value that comes twice changes nothing; values of an epoch that has been succeeded are ignored.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from metrics.attribution.conversion_lag import LEAD, ORDER, ConversionLags, LagCounts
from metrics.customers.calendar import CohortPeriod, CustomerCalendar
from metrics.customers.cohort_sums import CohortKey
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.funnel import Acquisition, acquisition_of
from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.report_overlaps import ReportRules
from metrics.entities.report_spend import ReportedSpend
from metrics.entities.reports import Report
from metrics.kpis.compose import DECLARED, ReadingVersion
from metrics.kpis.compose_many import ReadingComposer
from metrics.records.campaign_model import split_campaign_model
from metrics.records.customer_kpi import ALL_COHORTS, CustomerKpi
from metrics.records.kpi_reading import CampaignKpi, Dimension, RollupKpi, Stage
from metrics.sums.applied_figures import APPLIED_FIELDS, AppliedFigures
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes, Integers, Tallies, TallyColumns
from metrics.values.errors import Rejection
from metrics.values.time import format_instant
from metrics.windows.campaign_codes import CampaignCodes
from metrics.windows.campaign_windows import CampaignWindows, MergedWindows
from metrics.windows.open_windows import OpenWindows
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL, DroppedPane, Horizon, horizon
from metrics.windows.publish_schedule import PublishAllowance, PublishSchedule, WindowCampaigns
from metrics.windows.watermark import CampaignClock, PartitionStatus
from metrics.windows.window_kinds import (
    ROLLING_NAMES,
    TOTAL_WINDOW,
    Span,
    rolling_spans,
    window_of,
    windows_of_report,
)
from streams import topics
from streams.messages.bundle_check import read_bundle
from streams.messages.pane_blocks import unpack
from streams.messages.partials import Bundle, PaneBlock
from streams.messages.source_records import SourceRecord
from streams.stages.merge.cohort_parts import ALL, KINDS, MODEL_KINDS, CohortParts
from streams.stages.merge.figure_facts import FigureFactsTable
from streams.stages.merge.forgotten_cohorts import ForgottenCohorts, ModelCohorts
from streams.stages.merge.report_worth import ReportWorth
from streams.stages.merge.rollup_exchange import RollupExchange, RollupHeader
from streams.stages.merge.rollup_parts import ROLLING_KEY, Moment, RollupOptions, RollupParts
from streams.stages.merge.rollups import Rollups
from streams.stages.merge.tables import (
    DroppedBeforeTable,
    MergedPaneTable,
    ReportFiguresTable,
    ReportSpendTable,
    ReportTable,
)
from streams.stages.refusals import Refusals
from streams.stages.stage import Work
from streams.state.checkpoint import Emitted, Output, Version
from streams.state.store import Header

_encode_reading = msgspec.json.Encoder().encode
#: How many publish intervals lie between two updates of a window.
PACE = {"1m": 1, "1h": 5, "1d": 10, TOTAL_WINDOW: 10, "rolling": 5}
#: The same of every model but ``declared``.
SLOWEST = 10
#: Windows that one checkpoint marks since a rate or a registration has changed: a rate changes those of every campaign, a report
#: of years counts in thousands of them.
_MOST_MARKED = 5_000
#: Cohorts that records of one checkpoint are made of, for their topic and for views; each takes a tenth of a millisecond.
_MOST_COHORTS = 500
#: Campaigns with cohorts whose spend one checkpoint compares with what was published of it.
_MOST_COMPARED = 200


class MergeOptions(msgspec.Struct, frozen=True):
    """The settings that merging depends on; durations in milliseconds."""

    partitions: int
    grace: int
    publish_interval: int
    zone: ZoneInfo
    currency: str
    models: tuple[str, ...] = ()
    rollups: tuple[Dimension, ...] = ()
    max_rollup_values: int = 50
    report_rules: ReportRules = ReportRules()
    topic_prefix: str = ""
    #: How long after its last month a cohort of customers is kept; 0: none is.
    customer_retention: int = 0
    #: What those cohorts go by.
    customer_cohorts: CohortPeriod = "month"
    #: In which models there are cohorts beside those that orders declare.
    customer_models: tuple[str, ...] = ()


class Pace(NamedTuple):
    """How fast one worker publishes, all of its partitions together: updates, and readings of rolling windows."""

    updates: PublishAllowance
    rolling: PublishAllowance

    @classmethod
    def of(cls, max_publish_rate: int) -> "Pace":
        """A campaign has six readings of rolling windows, so fewer campaigns go out."""
        return cls(
            PublishAllowance(max_publish_rate),
            PublishAllowance(max(1, max_publish_rate // len(ROLLING_NAMES))),
        )


class MergeHeader(msgspec.Struct, array_like=True):
    """The part of merge in a checkpoint's header.

    Attributes:
        closed: how far windows are final, and have gone out for sure.
        offset: the next one of the partials.
        applied_versions: epoch and sequence of the newest bundle, by source partition.
        statuses: what each source partition last said of its watermark.
        watermark: the least of theirs.
        lags: of conversions, by source partition and kind.
        fits: when the data-driven model was last fitted, by source partition.
        rollups: of roll-ups; None where there were none yet.
        grace: by which windows became final, in milliseconds; None in a state of a build that did not say.
    """

    closed: int | None
    offset: int
    applied_versions: dict[int, tuple[int, int]]
    statuses: list[PartitionStatus | None]
    watermark: int | None
    lags: dict[int, dict[str, LagCounts]] = {}
    fits: dict[int, int] = {}
    rollups: RollupHeader | None = None
    grace: int | None = None


class MergeViews(NamedTuple):
    """What views show of a checkpoint: readings of rolling windows and of the whole history, and how far they are complete.

    ``watermark`` is that of the campaigns of the partition, in epoch ms; None before the first.
    """

    readings: Sequence[CampaignKpi]
    rollups: Sequence[RollupKpi]
    watermark: int | None
    #: By source partition, what it has counted, less what has arrived here.
    differences: Mapping[int, AppliedFigures] = MappingProxyType({})
    #: Records of cohorts of customers: those that were published, and those that only views are given.
    customers: Sequence[CustomerKpi] = ()


class MergeStage:
    """The state of one merge partition: the campaigns whose ids Kafka's partitioner sends here."""

    header_type = MergeHeader
    format_1 = (0, 1, 2, 4, 5)

    def __init__(
        self, partition: int, options: MergeOptions, campaign_registry: CampaignRegistry, pace: Pace
    ) -> None:
        self.partition = partition
        self.partitions = options.partitions
        self.options = options
        self.campaign_registry = campaign_registry
        self.offset = 0
        self.sequence = 0
        #: Records of the partials that are none.
        self.refusals = Refusals(partition, options.topic_prefix)
        self.campaign_codes = CampaignCodes(options.models)
        self.merged_windows = MergedWindows(self.campaign_codes, options.report_rules)
        self._readings = ReadingComposer(self.merged_windows, campaign_registry)
        self.clock = CampaignClock(options.partitions)
        self.applied_versions: dict[int, tuple[int, int]] = {}
        #: What each source partition last said of the lags of its conversions, by kind.
        self.lags: dict[int, dict[str, LagCounts]] = {}
        #: What each source partition has counted, less what has arrived of it.
        self._differences: dict[int, AppliedFigures] = {}
        #: When each source partition last fitted the data-driven model.
        self.fits: dict[int, int] = {}
        self.windows = OpenWindows(options.grace)
        self.is_touched = False
        self._intervals = {name: pace * options.publish_interval for name, pace in PACE.items()}
        self._slow_interval = SLOWEST * options.publish_interval
        self.schedule = PublishSchedule(self._interval, pace.updates)
        self.rolling_schedule = PublishSchedule(self._interval, pace.rolling)
        self._spans: tuple[Span, ...] = ()
        self._limits = horizon(None)
        self._expired = self._limits
        rollup_options = RollupOptions(
            options.rollups, options.max_rollup_values, options.models, self._intervals, self._slow_interval
        )
        self.parts = RollupParts(rollup_options, campaign_registry, self.merged_windows)
        self.rollups = Rollups(options.partitions, options.grace, rollup_options)
        self._exchange = RollupExchange(self.parts, self.rollups, partition, options.partitions)
        #: How far windows are final: by the last checkpoint, and by the last confirmed one.
        self._closing: int | None = None
        self._closed: int | None = None
        #: How far they are final for roll-ups too, by the last confirmed checkpoint; panes are needed until then.
        self._sent: int | None = None
        #: Whole histories by code as last confirmed: what is shown as a counter, since a crash takes back what was
        #: merely taken in.
        self._totals = TallyColumns()
        self._panes = MergedPaneTable(
            self, options.models, options.partitions, lambda: self.expire(self._reachable())
        )
        self.report_worth = ReportWorth(self.merged_windows, campaign_registry)
        self._reports = ReportTable(self)
        dropped = DroppedBeforeTable(self, self._panes)
        self._figure_facts = FigureFactsTable(campaign_registry)
        #: The revision of the registry that readings follow, and how many names of campaigns are compared with the registry.
        self._followed = 0
        self._compared = 0
        #: Campaigns whose records have changed, and whose windows are not marked yet, in their order.
        self._unfollowed: dict[str, None] = {}
        self._calendar = CustomerCalendar(options.zone, options.customer_cohorts)
        self.cohorts = CohortParts(
            *(self._calendar, self._intervals[TOTAL_WINDOW], options.customer_retention),
            options.customer_models,
        )
        self._forgotten = [
            ForgottenCohorts(CustomerCalendar(options.zone, period), kind)
            for period in KINDS
            for kind in (KINDS[period], MODEL_KINDS[period])
            if not (self.cohorts.is_kept and kind in (self.cohorts.kind, self.cohorts.model_kind))
        ]
        if self.cohorts.is_kept:
            self._forgotten.append(ModelCohorts(self._calendar, self.cohorts))
        self.tables = (
            *(self._panes, dropped, self._reports),
            *(ReportFiguresTable(self, self._reports), ReportSpendTable(self, self._reports)),
            self._figure_facts,
            *self._exchange.tables,
            *((self.cohorts,) if self.cohorts.is_kept else ()),
            *self._forgotten,
        )

    # --- taking in ---------------------------------------------------------------------------------

    def process(self, records: Sequence[SourceRecord]) -> None:
        """Take in bundles in order of offset; those already applied are dropped, what is no bundle is refused."""
        for record in records:
            if record.offset < self.offset:
                continue
            try:
                bundle = read_bundle(record.value, self.partitions, self.campaign_codes.known.keys())
            except Rejection as rejection:
                self.refusals.refuse(topics.PARTIALS, record, rejection)
            else:
                self._take(bundle)
            self.offset = record.offset + 1
            self.is_touched = True

    def advance(self, offset: int) -> None:
        """Everything below ``offset`` is read, control records included."""
        self.offset = max(offset, self.offset)

    def refresh(self, campaign_id: str) -> None:
        """A campaign's record changed: its open windows and its views are composed anew."""
        self.parts.regroup()
        code = self.campaign_codes.find(campaign_id)
        if code is None:
            return
        codes = _only(code)
        self._mark(TOTAL_WINDOW, 0, codes)
        for window, start, _ in list(self.windows.of(codes)):
            self._mark(window, start, codes)

    def _follow_registry(self) -> None:
        """Compose anew every window that is kept of campaigns whose figures depend on what has changed of their records."""
        registry, names = self.campaign_registry, self.campaign_codes.names
        fresh = self._campaigns(self._compared)
        self._compared = len(names)
        changed = set() if self._followed == registry.revision else registry.changed_since(self._followed)[0]
        self._followed = registry.revision
        marked = 0
        for code, report in self.report_worth.follow():
            self._reports.changed.add((names[code], report.key))
            marked += self.remark_report(code, report)
            if marked >= _MOST_MARKED:
                break
        for campaign_id in fresh:  # their windows are marked already, as new ones
            self._figure_facts.compare(campaign_id)
        self._unfollowed.update(dict.fromkeys(sorted(self._known_campaigns(changed))))
        while self._unfollowed and marked < _MOST_MARKED:
            campaign_id = next(iter(self._unfollowed))
            del self._unfollowed[campaign_id]
            # What a checkpoint remembers of a campaign it has marked the windows of: after a crash the others are found again.
            is_untold, since = self._figure_facts.compare(campaign_id)
            marked += 1 + (self._remark_all(campaign_id, since) if is_untold else 0)

    def _campaigns(self, first: int = 0) -> list[str]:
        """Campaigns by code, from a code on."""
        codes, names = self.campaign_codes, self.campaign_codes.names
        return [names[code] for code in range(first, len(names)) if codes.model(code) is None]

    def _known_campaigns(self, campaigns: Iterable[str]) -> set[str]:
        return {each for each in campaigns if self.campaign_codes.find(each) is not None}

    def _remark_all(self, campaign_id: str, sequence: int | None) -> int:
        """Every window that is kept of a campaign may have changed, at a sequence (None: now); how many windows these are."""
        code = self.campaign_codes.campaign(campaign_id)
        self._mark(TOTAL_WINDOW, 0, _only(code), sequence)
        windows, marked = CampaignWindows(self.merged_windows, code), 0
        for resolution in (MINUTES, QUARTERS, DAYS):
            for start in windows.starts(resolution):
                self.remark(resolution, start, _only(code), sequence)
                marked += 1
        for report in list(windows.report_history.reports.values()):
            marked += self.remark_report(code, report, sequence)
        return marked

    def remark(self, resolution: int, start: int, codes: Codes, sequence: int | None = None) -> None:
        """A pane may have changed since its windows were last published, at ``sequence`` (None: now)."""
        self._mark(*window_of(resolution, start), codes, sequence)

    def remark_report(self, code: int, report: Report, sequence: int | None = None) -> int:
        """A report may have changed since the windows it counts in were last published; how many these are."""
        codes, following = _only(code), self.sequence + 1 if sequence is None else sequence
        windows = [(TOTAL_WINDOW, 0), *self._windows_of(code, report)]
        for window, start in windows:
            self._mark_window(window, start, codes, following)
        self._mark_rolling(codes, following)  # once: a report of years counts in thousands of windows
        return len(windows)

    def show_all(self) -> None:
        """Let the next checkpoints have the readings for views of all campaigns, and of roll-ups as they were last."""
        self.rolling_schedule.mark(ROLLING_KEY, 0, self.campaign_codes.everyone, self.sequence)
        self.rollups.show_all()
        self.cohorts.show_all()

    def show(self, campaigns: Iterable[str]) -> None:
        """Let the next checkpoints have the readings for views of some campaigns, in every model."""
        codes = self.campaign_codes.with_models(self.campaign_codes.codes(campaigns))
        self.rolling_schedule.mark(ROLLING_KEY, 0, codes, self.sequence)

    def put_back(self, resolution: int, start: int, codes: Codes, parts: dict[int, Tallies]) -> None:
        """Put back a pane, and its window among those that still become final."""
        self.merged_windows.restore(resolution, start, codes, parts)
        if resolution != TOTAL:
            self._reopen(*window_of(resolution, start), codes)

    def reopen_report(self, code: int, report: Report) -> None:
        """Put the windows of a restored report among those that still become final."""
        for window, start in self._windows_of(code, report):
            self._reopen(window, start, _only(code))

    def _windows_of(self, code: int, report: Report) -> Iterator[tuple[str, int]]:
        campaign_windows = CampaignWindows(self.merged_windows, code)
        return (
            (kind.name, start)
            for kind, start in windows_of_report(campaign_windows.report_history, report)
            if campaign_windows.is_whole(kind, start)
        )

    def _reopen(self, window: str, start: int, codes: Codes) -> None:
        """A window of a campaign is open in every model, also where nothing is credited in it."""
        if not self.windows.is_closed(window, start):
            self.windows.add(self.campaign_codes.with_models(codes), window, start)

    def _take(self, bundle: Bundle) -> None:
        if bundle.rollups is not None:
            self.rollups.take(bundle, self.sequence + 1)
            return
        version = (bundle.epoch, bundle.sequence)
        if version < self.applied_versions.get(bundle.source, (0, 0)):
            return  # of an owner that has been succeeded
        self.applied_versions[bundle.source] = version
        changed = [self._take_block(bundle.source, block) for block in bundle.blocks]
        if any(map(len, changed)):
            self._mark_rolling(np.unique(np.concatenate(changed)))
        for place, (campaign_id, report) in enumerate(bundle.reports):
            self._take_report(campaign_id, report, bundle.spent.get(place), bundle.omitted.get(place, 0))
        if bundle.cohorts is not None:
            self.cohorts.take(bundle.source, bundle.cohorts, self.sequence + 1)
        if bundle.lags is not None:
            self.lags[bundle.source] = bundle.lags
        if bundle.fitted_at is not None:
            self.fits[bundle.source] = bundle.fitted_at
        if bundle.status is not None:
            self.clock.update(bundle.source, bundle.status)
            if bundle.figures is not None:
                self._count_back(bundle.source, bundle.figures)
            self._limits = horizon(self.clock.watermark)

    def _count_back(self, source: int, said: AppliedFigures) -> None:
        """Compare what a source says it has counted with what has arrived of it in whole histories."""
        everyone = self.campaign_codes.everyone
        campaigns = everyone[~self.campaign_codes.are_models(everyone)]
        arrived = self.merged_windows.total_of_source(source, campaigns).added_up(APPLIED_FIELDS)
        self._differences[source] = said.plus(AppliedFigures(*arrived), -1)

    def _take_block(self, source: int, block: PaneBlock) -> Codes:
        """Returns the campaigns that have changed for the first time since the last checkpoint."""
        codes, sums = self.campaign_codes.codes(block.campaigns), unpack(block)
        if codes.min(initial=0) < 0:  # of a worker that computes other models
            kept = np.flatnonzero(codes >= 0)
            codes, sums = codes[kept], sums.part(kept)
        fresh = self.merged_windows.put(source, block.resolution, block.start, codes, sums, self._limits)
        if len(fresh):  # the windows of the others are marked, up to the next checkpoint
            self._mark_window(*window_of(block.resolution, block.start), fresh, self.sequence + 1)
        return fresh

    def _take_report(
        self, campaign_id: str, report: Report, spend: ReportedSpend | None, omitted: int
    ) -> None:
        code = self.campaign_codes.campaign(campaign_id)
        report, spend = self.report_worth.valued(code, report, spend)
        history = self.merged_windows.reports_of(code)
        short_figures = history.short_figures
        if not history.put(report, spend, omitted):
            return
        self._reports.changed.add((campaign_id, report.key))
        self.remark_report(code, report)
        if history.short_figures != short_figures:
            # A figure that reports tell of an hour was null and is a number now, or the other way round.
            for start in CampaignWindows(self.merged_windows, code).starts(QUARTERS):
                self.remark(QUARTERS, start, _only(code))

    def _mark(self, window: str, start: int, codes: Codes, sequence: int | None = None) -> None:
        """A window changed; what its campaign spends counts in every model."""
        following = self.sequence + 1 if sequence is None else sequence
        self._mark_window(window, start, codes, following)
        self._mark_rolling(codes, following)

    def _mark_window(self, window: str, start: int, codes: Codes, sequence: int) -> None:
        everywhere = self.campaign_codes.with_models(codes)
        if window != TOTAL_WINDOW and self.windows.is_closed(window, start):
            self.schedule.mark_urgent(window, start, everywhere, sequence)
        else:
            self.schedule.mark(window, start, everywhere, sequence)
            if window != TOTAL_WINDOW:
                self.windows.add(everywhere, window, start)
        self.parts.touch(window, start, codes, sequence)

    def _mark_rolling(self, codes: Codes, sequence: int | None = None) -> None:
        following = self.sequence + 1 if sequence is None else sequence
        self.rolling_schedule.mark(ROLLING_KEY, 0, self.campaign_codes.with_models(codes), following)
        self.parts.touch(ROLLING_KEY, 0, codes, following)

    def _interval(self, window: str, codes: Codes) -> Integers:
        return np.where(self.campaign_codes.are_models(codes), self._slow_interval, self._intervals[window])

    # --- keeping -----------------------------------------------------------------------------------

    @property
    def positions(self) -> Mapping[str, int]:
        """The next offset of the partials."""
        return {topics.PARTIALS: self.offset}

    def begin(self, topic: str, offset: int) -> None:
        """The partials begin at an offset, if nothing is read of them yet."""
        assert topic == topics.PARTIALS, "nothing else is read"
        self.offset = self.offset or offset

    def header(self) -> MergeHeader:
        """Offset, clock, and what is final for sure."""
        return MergeHeader(
            self._closed,
            self.offset,
            self.applied_versions,
            self.clock.statuses,
            self.clock.watermark,
            self.lags,
            self.fits,
            self._exchange.header(),
            self.options.grace,
        )

    def restore(self, header: Header[MergeHeader]) -> None:
        """Put back what the header says; restored state accepts what it accepted when it was stored."""
        kept = header.stage
        self.sequence = header.sequence
        shift = self.windows.restore(kept.closed, kept.grace)
        self._closed = self.windows.through
        self.offset, self.applied_versions = kept.offset, kept.applied_versions
        self.clock.statuses, self.clock.watermark = kept.statuses, kept.watermark
        self.lags, self.fits = kept.lags, kept.fits
        self._exchange.restore(kept.rollups, shift)
        self._limits = horizon(self.clock.watermark)

    def restored(self) -> None:
        """All panes are there: whole histories, and which campaigns count in which roll-ups."""
        everyone = self.campaign_codes.everyone
        self._totals.put(everyone, self.campaign_codes.room, self.merged_windows.total(everyone))
        self._exchange.restored(self.merged_windows, self.sequence)
        self._followed, self._compared = self.campaign_registry.revision, len(self.campaign_codes.names)
        # What may not have gone out comes first: until it has, no checkpoint says so.
        campaigns = self._campaigns()
        self._unfollowed = dict.fromkeys([*self._figure_facts.restored(campaigns), *campaigns])
        self.report_worth.restored()

    def take_over(self) -> None:
        """All views are offered again, since they may have been lost."""
        self.rolling_schedule.mark(ROLLING_KEY, 0, self.campaign_codes.everyone, self.sequence)
        self.rollups.offer_all(self.sequence)
        self.cohorts.offer_all(self.sequence)
        self.cohorts.show_all()

    def confirm(self) -> None:
        """What the last checkpoint made final has gone out for sure, and its totals count."""
        self._closed, self._sent = self._closing, self._exchange.sent_through
        self._exchange.confirm()
        for table in self._forgotten:
            table.confirm()
        codes, totals = self._panes.totals
        self._totals.put(codes, self.campaign_codes.room, totals)

    def totals(self, codes: Codes) -> list[Tally]:
        """The whole history of campaigns as last confirmed."""
        found = self._totals.sums(codes).as_list()
        for tally in found:
            tally.round_spend()
        return found

    # --- giving out --------------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        """Whether anything waits to be written or published."""
        is_closing = self.windows.is_behind(self.clock.watermark)
        waiting = len(self.schedule) > 0 or len(self.rolling_schedule) > 0 or self._exchange.is_waiting
        is_behind = self._followed != self.campaign_registry.revision or self.report_worth.is_behind
        is_behind |= bool(self._unfollowed)
        is_pending = self.parts.has_pending or self.rollups.has_pending
        is_pending |= len(self.cohorts.schedule) > 0
        is_pending |= not (self.cohorts.are_shown and self.cohorts.are_looked_at)
        is_pending |= any(table.is_waiting for table in self._forgotten)
        return self.is_touched or is_closing or waiting or is_behind or is_pending

    def work(self, now: int) -> Iterator[Work]:
        """None: a checkpoint of this stage is made without a pause."""
        del now
        return iter(())

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes besides its tables: what is refused."""
        return self.refusals.weight

    def emit(self, version: Version, now: int) -> Emitted:
        """Readings that are due for topics and for views, and parts of roll-ups."""
        self._follow_registry()
        self.cohorts.turn(self.clock.watermark, self.sequence + 1)
        pending = self.oldest()
        self.sequence = version.sequence
        self.is_touched = False
        fitted_at = min(self.fits.values(), default=None)
        reading_version = ReadingVersion(
            *(version.revision, self.clock.watermark, now, self.options.currency), self.lags_now(), fitted_at
        )
        readings = self.readings(reading_version, now)
        views = self.rolling_readings(reading_version, now)
        rollups = self._exchange.emit(version, reading_version, self.moment)
        self._compare_acquisitions(reading_version)
        due, shown = self.cohorts.take_due(now, _MOST_COHORTS)
        customers = [
            *self._customers(due, reading_version, now),
            *self._forgotten_customers(reading_version, now),
        ]
        self._closing = self.windows.through
        published = self.sequence if pending is None else pending - 1
        return Emitted(
            [
                *(self._published(reading) for reading in readings),
                *rollups.outputs,
                *(self._published_customers(each) for each in customers),
                *self.refusals.outputs(now),
            ],
            MergeViews(
                *(views, rollups.views, self.clock.watermark, dict(self._differences)),
                [*customers, *self._customers(shown, reading_version, now)],
            ),
            min(published, self.sequence - 1),
        )

    def _published(self, reading: CampaignKpi) -> Output:
        key = reading.campaign_id.encode()
        return Output(topics.CAMPAIGN_KPIS, self.partition, key, _encode_reading(reading))

    def _customers(
        self, cohorts: Sequence[CohortKey], reading_version: ReadingVersion, now: int
    ) -> Iterator[CustomerKpi]:
        if not cohorts:
            return
        over = 0 if reading_version.watermark is None else self._calendar.of(reading_version.watermark)
        version = _customer_version(reading_version, now)
        for key in cohorts:
            acquisition = Acquisition()
            if key.month == ALL:
                (acquisition,) = self._acquisitions([key.campaign], reading_version)
                self.cohorts.publish_acquired(key.campaign, acquisition)
            campaign, model = split_campaign_model(key.campaign)
            yield compose_customers(
                *(campaign, _cohort_name(key, self._calendar), self.cohorts.of(key), over),
                *(acquisition, version, self._calendar.period, model or DECLARED),
            )

    def _forgotten_customers(self, reading_version: ReadingVersion, now: int) -> Iterator[CustomerKpi]:
        """Records without customers, of cohorts that are kept no more: the older ones would stand beside those of the same people anew."""
        version = _customer_version(reading_version, now)
        for table in self._forgotten:
            for key in table.take(_MOST_COHORTS):
                if key.month == ALL and self.cohorts.has(key.campaign):
                    continue  # all cohorts of the other period together
                name = _cohort_name(key, table.calendar)
                campaign, model = split_campaign_model(key.campaign)
                yield compose_customers(
                    *(campaign, name, {}, 0, Acquisition(), version),
                    *(table.calendar.period, model or DECLARED),
                )

    def _compare_acquisitions(self, reading_version: ReadingVersion) -> None:
        campaigns = self.cohorts.take_unlooked(_MOST_COMPARED)
        acquisitions = self._acquisitions(campaigns, reading_version)
        for campaign, acquisition in zip(campaigns, acquisitions, strict=True):
            self.cohorts.mark_acquired(campaign, acquisition, self.sequence)

    def _acquisitions(self, campaigns: Sequence[str], reading_version: ReadingVersion) -> list[Acquisition]:
        """What campaigns have spent so far and what came of it, by their cost basis."""
        if not campaigns:
            return []
        codes = np.array([self.campaign_codes.campaign(each) for each in campaigns], dtype=np.int32)
        total = WindowCampaigns(TOTAL_WINDOW, 0, codes)
        readings = self._readings.of_windows([total], "update", reading_version)
        return [acquisition_of(reading) for reading in readings]

    def _published_customers(self, record: CustomerKpi) -> Output:
        return Output(
            topics.CUSTOMER_KPIS, self.partition, record.campaign_id.encode(), _encode_reading(record)
        )

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits to be published."""
        waiting = (
            *(self.schedule.oldest(), self.parts.oldest(), self.rollups.oldest()),
            *(self.cohorts.schedule.oldest(), self._figure_facts.oldest()),
        )
        return min((each for each in waiting if each is not None), default=None)

    @property
    def moment(self) -> Moment:
        """The state that parts of roll-ups are made of."""
        return Moment(
            self.clock.watermark, self._spans, self._expired, self.windows.through, self.options.grace
        )

    @property
    def due_at(self) -> int | None:
        """When something may be published next, in milliseconds; 0: already; None: nothing waits."""
        if self.windows.are_due(self.clock.watermark) or self._exchange.has_more:
            return 0
        moments = [at for at in (self.schedule.due_at(), self.rolling_schedule.due_at()) if at is not None]
        return min(moments, default=None)

    def readings(self, reading_version: ReadingVersion, now: int) -> list[CampaignKpi]:
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
            for reading in self._readings.of_windows(windows, stage, reading_version)
        ]

    def rolling_readings(self, reading_version: ReadingVersion, now: int) -> list[CampaignKpi]:
        """The readings that go to Redis and the gauges now: rolling windows and totals that are due."""
        self._slide()
        found: list[CampaignKpi] = []
        for _, _, codes in self.rolling_schedule.take(now):
            for readings in self._readings.of_rolling_windows(codes, self._spans, reading_version):
                found += readings
        return found

    def expire(self, closed: int | None) -> Iterator[DroppedPane]:
        """Drop the panes that no fact could reach at ``closed``, when their windows went out for sure."""
        limits = horizon(closed)
        for resolution, (earliest, before) in enumerate(zip(limits, self._expired, strict=True)):
            if earliest is not None and earliest != before:
                yield from self.merged_windows.drop_before(resolution, earliest)
        self._expired = limits

    def _reachable(self) -> int | None:
        """How far panes are needed no more: by the watermark too, which a longer grace leaves behind what is final."""
        if self._sent is None or self.clock.watermark is None:
            return None
        return min(self._sent, self.clock.watermark)

    def lags_now(self) -> ConversionLags | None:
        """Lags of all source partitions; None where no journeys are kept."""
        if not self.options.models:
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
        if self._exchange.is_behind:
            return []  # a backlog does not become final faster than roll-ups can be told
        closed = self.windows.close(self.clock.watermark)
        for window, start, _ in closed:
            self.schedule.close(window, start)
        return closed

    def _slide(self) -> None:
        watermark = self.clock.watermark
        if watermark is None:
            return
        spans = rolling_spans(watermark, self.options.zone)
        if spans == self._spans:
            return
        self._spans = spans
        having_reports = np.array(list(self.merged_windows.report_histories), dtype=np.int32)
        changed = np.union1d(self.merged_windows.slide(spans), having_reports).astype(np.int32)
        self.rolling_schedule.mark(
            ROLLING_KEY, 0, self.campaign_codes.with_models(changed), self.sequence + 1
        )
        self.parts.touch(ROLLING_KEY, 0, changed, self.sequence + 1)


def _customer_version(reading_version: ReadingVersion, now: int) -> CustomerVersion:
    at = reading_version.watermark
    return CustomerVersion(
        reading_version.revision,
        reading_version.currency,
        None if at is None else format_instant(at),
        format_instant(now),
    )


def _cohort_name(key: CohortKey, calendar: CustomerCalendar) -> str:
    return ALL_COHORTS if key.month == ALL else calendar.name(key.month)


def _only(code: int) -> Codes:
    return np.array([code], dtype=np.int32)
