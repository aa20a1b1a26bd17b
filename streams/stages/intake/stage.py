"""Intake, of one source partition: each record gets a verdict, and counts in panes; what changed goes to merge partitions.

Everything here is synchronous and free of I/O. Offsets advance in the same step as the state they belong to, so a
checkpoint can never cut a slice in two.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from msgspec.structs import replace

from metrics.attribution.models import AttributionRules
from metrics.customers.calendar import CohortPeriod, CustomerCalendar
from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.dedupe import SeenIds
from metrics.entities.leads import LeadEntry
from metrics.entities.orders import FirstOrder, OrderEntry
from metrics.records.dead_letters import DeadLetter
from metrics.records.events import Erasure
from metrics.records.partition_keys import KeyRule
from metrics.records.refusal_limit import Acceptance, RefusalLimit
from metrics.records.reserved_names import ReservedNames
from metrics.sums.applied_figures import AppliedFigures
from metrics.values.time import HOUR, MIN_INSTANT
from metrics.windows.foreign_spend import ForeignSpend
from metrics.windows.panes import DroppedPane, Horizon, Panes, horizon
from metrics.windows.watermark import PartitionClock, PartitionStatus
from streams import topics
from streams.messages.partials import OmittedPartial, ReportPartial, SpendPartial
from streams.messages.source_records import ADS, SourceRecord, SourceRecords
from streams.stages.intake.ad_events import AdEvents, AdJudge
from streams.stages.intake.admission import Admission
from streams.stages.intake.attribution.attribution import attribution_of
from streams.stages.intake.conversions import Conversions, ConversionSource
from streams.stages.intake.customer_accounts import CustomerAccounts
from streams.stages.intake.customer_events import CustomerEvents
from streams.stages.intake.dead_letters import DeadLetters
from streams.stages.intake.erasures import Erasures
from streams.stages.intake.foreign_spend_table import ForeignSpendTable
from streams.stages.intake.joint_watermark import SenderProgress
from streams.stages.intake.key_counts import KeyCounts
from streams.stages.intake.ledger import LedgerCounts
from streams.stages.intake.partial_output import PartialOutput
from streams.stages.intake.record_by_record import RecordByRecord, RecordSource
from streams.stages.intake.repartition import EVER, SourceProgress
from streams.stages.intake.reports import ReportSource
from streams.stages.intake.tables import PaneTable, SeenIdTable
from streams.stages.refusals import Refusals
from streams.stages.stage import Work
from streams.state.checkpoint import Emitted, Output, Version
from streams.state.keyed_table import KeyedTable
from streams.state.outbox import Outbox
from streams.state.store import Header
from streams.state.table import Table

_encode_letter = msgspec.json.Encoder().encode
#: No watermark, where a state does not say.
_UNKNOWN = -1
#: Milliseconds between two counts of the histories back to the ledger: a pass over all campaigns.
_COUNTED_EVERY = 10_000


class IntakeOptions(msgspec.Struct, frozen=True):
    """The settings that intake depends on; durations in milliseconds."""

    partitions: int
    max_future: int
    dedupe_window: int
    dedupe_max_events: int
    order_retention: int
    max_watermark_interval: int = 1_000
    rules: AttributionRules = AttributionRules()
    refit_interval: int = HOUR
    credit_interval: int = 0
    topic_prefix: str = ""
    refusal_limit: RefusalLimit = RefusalLimit(in_a_row=1_000, share=0.5)
    key_rule: KeyRule = KeyRule()
    #: By source of reports, how long its figures take to be complete.
    report_delays: dict[str, int] = {}
    names: ReservedNames = ReservedNames()
    #: Event times before this are refused, in epoch milliseconds.
    earliest: int = MIN_INSTANT
    #: Whether customers are decided on the partition of their id, whatever partition their orders come on.
    are_customers_sent_home: bool = True
    #: How long after its latest event the account of a customer is kept; 0: no accounts are kept.
    customer_retention: int = 0
    #: Whose calendar cohorts go by, and what they go by.
    zone: ZoneInfo = ZoneInfo("UTC")
    customer_cohorts: CohortPeriod = "month"

    @property
    def customer_homes(self) -> int:
        """How many partitions are homes of customers; 0 where customers stay."""
        return self.partitions if self.are_customers_sent_home and self.partitions > 1 else 0


class IntakeHeader(msgspec.Struct, array_like=True):
    """The part of intake in a checkpoint's header.

    Attributes:
        offsets: the next one to read, by source topic.
        stream_times: by event topic.
        watermark: the partition's own.
        ledger: verdicts, by source topic.
        erasures: those that are done once more, with the stream time up to which they hold.
        senders: what was applied of the messages of other partitions.
        joint: the watermark of all partitions that send here; a state from before re-keying has none, and takes its own.
        figures: what the applied records must have counted; a state from before they were kept takes what it has counted.
        customer_stream_times: by topic of customers.
    """

    offsets: dict[str, int]
    stream_times: dict[str, int | None]
    watermark: int | None
    ledger: dict[str, LedgerCounts]
    erasures: list[tuple[int, Erasure]] = []
    senders: dict[int, SenderProgress] = {}
    joint: int | None = _UNKNOWN
    figures: AppliedFigures | None = None
    customer_stream_times: dict[str, int | None] = {}


class IntakeViews(NamedTuple):
    """What is shown of a checkpoint: the ledger."""

    ledger: Mapping[str, LedgerCounts]
    #: What was applied, less the sums of whole histories.
    difference: AppliedFigures = AppliedFigures()


class SourceHandler(Protocol):
    """Takes in the records of one source topic."""

    def take(self, source_records: SourceRecords, limits: Horizon, now: int) -> None:
        """Give each record of a slice its verdict, and apply those that stand.

        Args:
            source_records: records in order of offset.
            limits: which panes accept facts.
            now: dates dead letters.
        """
        ...


class IntakeStage:
    """The state of one source partition.

    Args:
        partition: its number.
        options: settings.
        campaign_registry: campaigns and rates.
        acceptance: how many more records an operator lets be refused.
    """

    header_type = IntakeHeader
    format_1 = (0, 1, 2, 3, 4)
    #: Always due: what waits here has not reached merge.
    due_at = 0

    def __init__(
        self,
        partition: int,
        options: IntakeOptions,
        campaign_registry: CampaignRegistry,
        acceptance: Acceptance | None = None,
    ) -> None:
        self.partition = partition
        self.partitions = options.partitions
        self.options = options
        self.campaign_registry = campaign_registry
        self.offsets: dict[str, int] = {}
        self.ledger = {topic: LedgerCounts() for topic in topics.SOURCES}
        #: Records taken in since the start of the state; counted apart from the verdicts.
        self.received: Counter[str] = Counter()
        self.clock = PartitionClock(topics.EVENT_SOURCES)
        #: Event topics that are read to their end and silent, and topics of customers that are.
        self.idle: set[str] = set()
        self.quiet: set[str] = set()
        self.panes = Panes()
        self.foreign_spend = ForeignSpend(self.panes, campaign_registry)
        self.seen = SeenIds(options.dedupe_max_events, options.dedupe_window)
        self.attribution = attribution_of(
            *(partition, options.partitions, options.rules, options.key_rule),
            *(options.refit_interval, options.max_watermark_interval, options.customer_homes),
        )
        granted = acceptance or Acceptance(0)
        self.dead_letters = DeadLetters(
            partition, options.topic_prefix, options.refusal_limit, granted, self.ledger
        )
        #: Messages of other partitions that are none.
        self.refusals = Refusals(partition, options.topic_prefix)
        self.leads = KeyedTable("l", LeadEntry)
        self.orders = KeyedTable("o", OrderEntry)
        self.customers = KeyedTable("c", FirstOrder)
        self.accounts = CustomerAccounts(
            *(partition, self.orders, self.attribution.customer_homes),
            *(options.customer_homes, options.customer_retention),
            CustomerCalendar(options.zone, options.customer_cohorts),
            options.rules.customer_models,
        )
        self.conversions = Conversions(
            *(self.leads, self.orders, self.customers, campaign_registry, self.attribution, self.accounts)
        )
        self.orders.on_restored = self.conversions.restored
        self.customer_events = CustomerEvents(
            self.accounts, options.max_future, options.earliest, campaign_registry.rates.reporting
        )
        self.keys = KeyCounts()
        self._reports = ReportSource(partition, campaign_registry, options.report_delays, options.earliest)
        self._admissions: dict[str, Admission] = {}
        self._erasures = Erasures(self._admission(topics.ERASURES), self.conversions, self.settle)
        self._handlers = self._handlers_by_topic()
        self._panes = PaneTable(self.panes, lambda: self.attribution.whole_models)
        self._report_outbox: Outbox[ReportPartial] = Outbox("r", list[ReportPartial])
        self._spend_outbox: Outbox[SpendPartial] = Outbox("rs", list[SpendPartial])
        self._omitted_outbox: Outbox[OmittedPartial] = Outbox("rf", list[OmittedPartial])
        self._letter_outbox: Outbox[DeadLetter] = Outbox("d", list[DeadLetter])
        self._partials = PartialOutput(
            partition, options.partitions, self.panes.names, options.max_watermark_interval
        )
        self.tables: Sequence[Table] = (
            self.attribution.rules,
            self._panes,
            ForeignSpendTable(self.foreign_spend),
            *(self.leads, self.orders, self.customers),
            *self.accounts.tables,
            SeenIdTable(self.seen, lambda: self.clock.watermark),
            *self.attribution.tables,
            *(self._report_outbox, self._spend_outbox, self._omitted_outbox, self._letter_outbox),
        )
        self.is_touched = False
        self._limits = horizon(None)
        self._figures_before: AppliedFigures | None = AppliedFigures()
        self._difference = AppliedFigures()
        self._counted_at = 0
        self._settled_at = 0

    def _handlers_by_topic(self) -> dict[str, SourceHandler]:
        options = self.options
        conversions = self._conversion_source = ConversionSource(
            *(self.conversions, self.clock, self.panes, options.max_future, options.key_rule, self.keys),
            options.earliest,
        )
        sources: dict[str, RecordSource] = {
            topics.LEADS: conversions,
            topics.ORDERS: conversions,
            topics.REPORTS: self._reports,
            **dict.fromkeys(topics.CUSTOMER_SOURCES, self.customer_events),
        }
        found: dict[str, SourceHandler] = {
            topic: RecordByRecord(self._admission(topic), source, self.panes, options.names)
            for topic, source in sources.items()
        }
        for topic in ADS:
            judge = AdJudge(
                *(topic, self.campaign_registry, options.max_future, options.key_rule, options.names),
                options.earliest,
            )
            found[topic] = AdEvents(
                *(self._admission(topic), judge, self.clock, self.panes),
                *(self.foreign_spend, self.attribution, self.keys),
            )
        return {**found, topics.ERASURES: self._erasures, topics.REKEYED: _Rekeyed(self)}

    def _admission(self, topic: str) -> Admission:
        made = Admission(topic, self.seen, self.ledger[topic], self.dead_letters)
        return self._admissions.setdefault(topic, made)

    # --- taking in ---------------------------------------------------------------------------------

    def process(self, topic: str, records: Sequence[SourceRecord], now: int) -> None:
        """Take in records of one topic in order of offset; ``now`` dates dead letters.

        Records below the offset already applied are dropped: they were judged before.

        Raises:
            TooManyRefusedError: past the limit of refusals; the state must not be stored any more.
        """
        start = self.offsets.get(topic, 0)
        source_records = records if isinstance(records, SourceRecords) else SourceRecords.of(records)
        if len(source_records) and source_records.offsets[0] < start:
            source_records = source_records[int(np.searchsorted(source_records.offsets, start)) :]
        if not len(source_records):
            return
        self.is_touched = True
        self._advance_horizon()
        self._handlers[topic].take(source_records, self._limits, now)
        if topic in self.ledger:
            self.received[topic] += len(source_records)
            self.dead_letters.read(topic, len(source_records))
        self.offsets[topic] = int(source_records.offsets[-1]) + 1
        self.idle.discard(topic)
        self.quiet.discard(topic)
        if self.attribution.is_heavy:
            self.settle()
        self._repeat_erasures()
        self._turn_clock()

    def advance(self, topic: str, offset: int) -> None:
        """Everything of a topic below ``offset`` is read, control records included."""
        self.offsets[topic] = max(offset, self.offsets.get(topic, 0))

    def unaccounted(self, topic: str) -> int:
        """Records of a topic that were taken in without a verdict; 0 while the ledger adds up."""
        return self.received[topic] - self.ledger[topic].read

    def set_idle(self, idle: Collection[str]) -> None:
        """Take in which topics with event times are read to their end and silent."""
        silent = set(idle).intersection(topics.EVENT_SOURCES)
        quiet = set(idle) - silent
        has_changed, self.quiet = quiet != self.quiet, quiet
        if silent != self.idle:
            self._advance_horizon()
            self.idle = silent
            self.is_touched = True
            self.settle()
            self._repeat_erasures()
        elif has_changed:
            self._repeat_erasures()
        self._turn_clock()

    def _repeat_erasures(self) -> None:
        """Erase once more whom everything has been read of that was written before the request."""
        pending = self._erasures.pending
        if pending.waiting:
            times = self.attribution.stream_times(self.clock.stream_times)
            if self.accounts.is_kept:
                times = {**times, **self.customer_events.stream_times}
            self._erasures.repeat(pending.take(times, self.idle | self.quiet))

    # --- time --------------------------------------------------------------------------------------

    @property
    def watermark(self) -> int | None:
        """The watermark that windows follow: with re-keying, that of all partitions that send here."""
        return self.attribution.watermark(self.clock.watermark)

    @property
    def is_idle(self) -> bool:
        """Whether all event topics are idle, and with re-keying all partitions that send here."""
        return self.attribution.is_idle(own=self._is_silent)

    def progress(self) -> SourceProgress:
        """How far the partition's own records have come."""
        active = [at for topic, at in self.clock.stream_times.items() if topic not in self.idle]
        known = [at for at in active if at is not None]
        least = min(known, default=EVER) if len(known) == len(active) else None
        return SourceProgress(self.clock.watermark, self._is_silent, self._own_clicks, least)

    @property
    def _is_silent(self) -> bool:
        return len(self.idle) == len(topics.EVENT_SOURCES)

    @property
    def _own_clicks(self) -> int | None:
        return EVER if topics.CLICKS in self.idle else self.clock.stream_times[topics.CLICKS]

    def _turn_clock(self) -> None:
        self.clock.advance_watermark(self.idle)
        self.attribution.turn(PartitionStatus(self.clock.watermark, self._is_silent))

    # --- crediting ---------------------------------------------------------------------------------

    def settle(self) -> None:
        """Credit what has changed in journeys; conversions wait for the clicks to reach their time.

        Many at once cost a fraction of one by one; so this is put off for ``credit_interval``, but never past a change
        of the horizon: credits reach the panes that the records have reached, before the windows are final.
        """
        self.attribution.settle(self._own_clicks, self.panes, self._limits)
        self.conversions.tell_greatest(self.partition, self.attribution.take_greatest())

    def _advance_horizon(self) -> None:
        """Follow the watermark with the panes that accept facts; credits that wait are settled before."""
        limits = horizon(self.watermark)
        if limits != self._limits:
            self.settle()
            self._limits = limits
            self.foreign_spend.coarsen(limits)

    def _settle_due(self, now: int) -> None:
        """Settle at a checkpoint, when it is time, or when the watermark vouches for another minute."""
        is_early = 0 <= now - self._settled_at < self.options.credit_interval
        if not is_early or horizon(self.watermark) != self._limits:
            self.settle()
            self._settled_at = now

    def _follow_registry(self) -> None:
        """Value anew what changed rates and registrations are about."""
        if self._is_behind_registry:
            self._advance_horizon()
            self.foreign_spend.follow(self._limits)
            self.panes.fold(self.conversions.follow_registry(), self._limits)

    @property
    def _is_behind_registry(self) -> bool:
        return self.foreign_spend.is_behind or self.conversions.worth.is_behind

    def receive_rekeyed(self, records: Sequence[SourceRecord], limits: Horizon) -> None:
        """Take in what other partitions sent: of journeys, and of customers whose home is here."""
        has_silence_changed = self.attribution.receive(
            records, lambda record, rejection: self.refusals.refuse(topics.REKEYED, record, rejection)
        )
        self.panes.fold(self.conversions.receive_customers(), limits)
        self._conversion_source.finish(limits)
        if has_silence_changed:  # as when own topics fall silent: no further message may come
            self.settle()

    def _expire(self) -> list[DroppedPane]:
        """Forget what no fact can reach any more and is sent; return the panes dropped."""
        watermark, retention = self.watermark, self.options.order_retention
        if watermark is None:
            return []
        if self.attribution.is_expiring(watermark, retention):
            self.settle()
        self.conversions.expire(watermark - retention)
        self.accounts.expire(watermark)
        self.attribution.expire(watermark, retention)
        return self.panes.expire(horizon(watermark))

    def _renew(self, now: int) -> None:
        """Credit some of what other rules credited, and fit the data-driven model when its time has come."""
        if self.attribution.reopen():
            self._advance_horizon()
            self.settle()
        self.attribution.fit(now)

    # --- giving out --------------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to write or to give out."""
        is_waiting = self._partials.is_waiting or self._is_behind_registry
        return self.is_touched or is_waiting or self.attribution.is_due

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes besides its tables."""
        refused = self.dead_letters.weight + self.refusals.weight
        reports = 300 * len(self._reports.gathered) + 70 * len(self._reports.spent)
        reports += 30 * len(self._reports.omitted)
        return reports + refused + self.attribution.weight

    def work(self, now: int) -> Iterator[Work]:
        """What a fit leaves to another thread; the checkpoint itself is made without a pause."""
        del now
        work = self.attribution.work()
        if work is not None:
            yield work

    def emit(self, version: Version, now: int) -> Emitted:
        """Changed sums for merge partitions, dead letters, and messages for the homes of persons."""
        self.is_touched = False
        self._follow_registry()
        self.conversions.move_misplaced()
        self._settle_due(now)
        dropped = self._expire()
        self._renew(now)
        changes = self._panes.collect(dropped)
        fresh, spent, omitted = self._reports.take()
        reports, spends = self._report_outbox.take(fresh), dict(self._spend_outbox.take(spent))
        without = dict(self._omitted_outbox.take(omitted))
        letters = self._letter_outbox.take(self.dead_letters.take())
        status = self._partials.due_status(PartitionStatus(self.watermark, self.is_idle), now)
        lags = self.attribution.lags(is_due=status is not None)
        counted = self._counted_back(now) if status is not None else None
        outputs = self._partials.outputs(
            *(version, changes, reports, spends, status, lags, counted),
            *(self.accounts.changed_cohorts(), without),
        )
        outputs += [
            Output(topics.DEAD_LETTERS, self.partition, letter.topic.encode(), _encode_letter(letter))
            for letter in letters
        ]
        outputs += self.refusals.outputs(now)
        outputs += self.attribution.outputs(version.sequence, self.progress(), now)
        ledger = {topic: replace(each) for topic, each in self.ledger.items()}
        return Emitted(outputs, IntakeViews(ledger, self._difference))

    @property
    def figures(self) -> AppliedFigures:
        """What the applied records must have added to whole histories since the start of the state."""
        found = (self._figures_before or AppliedFigures()).plus(
            AppliedFigures(orders=self.conversions.placed)
        )
        for topic in ADS:
            found = found.plus(self._admissions[topic].figures)
        return found

    def _counted_back(self, now: int) -> list[AppliedFigures] | None:
        """The histories by merge partition, now and then; they are compared with what was applied."""
        if 0 <= now - self._counted_at < _COUNTED_EVERY:
            return None
        self._counted_at = now
        counted = self._partials.figures(self.panes)
        difference = self.figures
        for each in counted:
            difference = difference.plus(each, -1)
        if self.foreign_spend.slots:  # their worth follows rates
            difference = difference._replace(spend_micros=0)
        self._difference = difference
        return counted

    # --- keeping -----------------------------------------------------------------------------------

    @property
    def positions(self) -> Mapping[str, int]:
        """The next offset of each topic."""
        return self.offsets

    def begin(self, topic: str, offset: int) -> None:
        """A topic of which nothing is read yet begins at an offset."""
        self.offsets.setdefault(topic, offset)

    def header(self) -> IntakeHeader:
        """Offsets, clocks and the ledger."""
        return IntakeHeader(
            self.offsets,
            self.clock.stream_times,
            self.clock.watermark,
            self.ledger,
            self._erasures.pending.waiting,
            self.attribution.senders(),
            self.watermark,
            self.figures,
            self.customer_events.stream_times,
        )

    def restore(self, header: Header[IntakeHeader]) -> None:
        """Put back what the header says."""
        kept = header.stage
        self.accounts.model_cohorts.begin(header.epoch + 1)
        self.offsets = kept.offsets
        self.clock.stream_times.update(kept.stream_times)
        self.clock.watermark = kept.watermark
        for topic, counts in kept.ledger.items():
            known = self.ledger[topic]
            for name in counts.__struct_fields__:
                setattr(known, name, getattr(counts, name))
        self.received.update({topic: counts.read for topic, counts in kept.ledger.items()})
        self._erasures.pending.waiting = kept.erasures
        self.customer_events.stream_times.update(kept.customer_stream_times)
        self._figures_before = kept.figures
        joint = kept.watermark if kept.joint == _UNKNOWN else kept.joint
        self.attribution.restore(kept.senders, kept.watermark, joint)

    def restored(self) -> None:
        """All tables are put back; a state from before figures were kept has counted what it has counted."""
        self.attribution.restored()
        self.accounts.restored()
        if self._figures_before is None:
            self._figures_before = AppliedFigures()
            for each in self._partials.figures(self.panes):
                self._figures_before = self._figures_before.plus(each)
        self.conversions.look_for_misplaced()

    def take_over(self) -> None:
        """What may be unsent is marked already; views are emitted with every checkpoint."""

    def confirm(self) -> None:
        """Nothing here depends on it: outboxes and panes go by the sequence."""


class _Rekeyed:
    """The handler of messages from other partitions."""

    def __init__(self, stage: IntakeStage) -> None:
        self._stage = stage

    def take(self, source_records: SourceRecords, limits: Horizon, now: int) -> None:
        """Take in touches, conversions and customers whose home is here."""
        del now
        self._stage.receive_rekeyed(list(source_records), limits)
