"""Stage one, one source partition: judge each record, dedupe it, fold it into panes, keep the ledger.

Everything here is synchronous and free of I/O: ``process`` takes records, ``checkpoint`` gives what must
be appended and sent. Offsets advance in the same step as the state they belong to, so a checkpoint can
never cut a slice in two (D1).
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
import numpy as np

from metrics.attribution.batch_credit import MOST
from metrics.attribution.models import AttributionRules
from metrics.entities.ad_columns import CAMPAIGN, CHANNEL
from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.dedupe import SeenIds
from metrics.entities.leads import LeadEntry
from metrics.entities.orders import FirstOrder, OrderEntry
from metrics.kernels import ids
from metrics.records.events import AdReport, Lead, Order
from metrics.records.partition_keys import KeyRule
from metrics.records.refusal_limit import Acceptance, RefusalLimit
from metrics.records.validation import instant, not_in_future
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.values.errors import Rejection
from metrics.values.hashing import hash_ids
from metrics.values.time import HOUR, MINUTE
from metrics.windows.fold import fold_ads
from metrics.windows.panes import DroppedPane, Horizon, Panes, horizon
from metrics.windows.watermark import PartitionClock, PartitionStatus
from streams import topics
from streams.messages.decoding import DECODERS, decode_slice
from streams.messages.partials import ReportPartial
from streams.messages.source_records import ADS, ID_SEEDS, SourceRecord, SourceRecords
from streams.stages.intake.ad_events import AdJudge
from streams.stages.intake.attribution.facts import TouchBatch
from streams.stages.intake.attribution.journeys import Journeys
from streams.stages.intake.conversions import Apply, Conversions, homes_of
from streams.stages.intake.dead_letters import DeadLetters
from streams.stages.intake.erasures import PendingErasures
from streams.stages.intake.joint_watermark import EVER, JointWatermark
from streams.stages.intake.ledger import LedgerCounts
from streams.stages.intake.repartition import Repartitioner, SourceProgress, decode_rekeyed
from streams.stages.intake.reports import judge_report
from streams.state.keyed_table import KeyedTable


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


#: Before every event time.
NEVER = -(1 << 62)


class IntakeStage:
    """The state of one source partition."""

    def __init__(
        self,
        partition: int,
        options: IntakeOptions,
        campaign_registry: CampaignRegistry,
        acceptance: Acceptance | None = None,
    ) -> None:
        self.partition = partition
        self.options = options
        self.campaign_registry = campaign_registry
        self.offsets: dict[str, int] = {}
        self.ledger = {topic: LedgerCounts() for topic in topics.SOURCES}
        #: Records taken in since the start of the state; counted apart from the verdicts.
        self.received: Counter[str] = Counter()
        self.clock = PartitionClock(topics.EVENT_SOURCES)
        self.idle: set[str] = set()
        self.panes = Panes()
        self.seen = SeenIds(options.dedupe_max_events, options.dedupe_window)
        self.leads: KeyedTable[LeadEntry] = KeyedTable("l", LeadEntry)
        self.orders: KeyedTable[OrderEntry] = KeyedTable("o", OrderEntry)
        self.customers: KeyedTable[FirstOrder] = KeyedTable("c", FirstOrder)
        #: None where no attribution model is computed.
        self.journeys = Journeys(options.rules) if options.rules.models else None
        #: What leaves for the partitions of visitors, and how far those who send here have come; None as journeys are.
        self.rekeying = None if self.journeys is None else Repartitioner(partition, self.journeys)
        self.neighbours = None if self.journeys is None else JointWatermark(partition, options.partitions)
        #: They, where credits wait for them.
        self._awaited = self.neighbours if options.key_rule.partitions else None
        self.conversions = Conversions(
            self.leads, self.orders, self.customers, campaign_registry, self.rekeying
        )
        self.forgetting = PendingErasures()
        self._ad_judges = {
            topic: AdJudge(topic, campaign_registry, options.max_future, options.key_rule) for topic in ADS
        }
        self.reports: list[ReportPartial] = []
        self.is_touched = False
        self._limits = horizon(None)
        self._settled_at = 0
        granted = acceptance or Acceptance(0)
        self.refusing = DeadLetters(
            partition, options.topic_prefix, options.refusal_limit, granted, self.ledger
        )

    def process(self, topic: str, records: Sequence[SourceRecord], now: int) -> None:
        """Take in records of one topic in order of offset; ``now`` dates dead letters.

        Records below the offset already applied are dropped: they were judged before.

        Raises:
            TooManyRefusedError: past the limit of refusals; the state must not be stored any more.
        """
        start = self.offsets.get(topic, 0)
        slab = records if isinstance(records, SourceRecords) else SourceRecords.of(records)
        if len(slab) and slab.offsets[0] < start:
            slab = slab[int(np.searchsorted(slab.offsets, start)) :]
        if not len(slab):
            return
        self.is_touched = True
        self._set_limits()
        if topic in ADS:
            self._fold_ads(topic, slab, now)
        elif topic == topics.ERASURES:
            self._erase_each(list(slab), now)
        elif topic == topics.REKEYED:
            self._take_rekeyed(list(slab))
        else:
            self._apply_each(topic, list(slab), now)
        if topic in self.ledger:
            self.received[topic] += len(slab)
            self.refusing.read(topic, len(slab))
        self.offsets[topic] = int(slab.offsets[-1]) + 1
        self.idle.discard(topic)
        if self.journeys is not None and self.journeys.unsettled >= MOST:
            self.settle()
        self._forget_passed()
        self._turn_clock()

    @property
    def reached(self) -> int | None:
        """The watermark that windows follow: with re-keying, that of all who send here."""
        return self.clock.watermark if self._awaited is None else self._awaited.watermark

    @property
    def is_idle(self) -> bool:
        """Whether all event topics are, and those of all who send here."""
        return self._is_silent and (self._awaited is None or self._awaited.are_idle)

    def own_reached(self) -> SourceProgress:
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
        if self.neighbours is not None:
            self.neighbours.turn(PartitionStatus(self.clock.watermark, self._is_silent))

    def unaccounted(self, topic: str) -> int:
        """Records of a topic that were taken in without a verdict; 0 while the ledger adds up."""
        return self.received[topic] - self.ledger[topic].read

    def advance(self, topic: str, offset: int) -> None:
        """Everything of a topic below ``offset`` is read, control records included."""
        self.offsets[topic] = max(offset, self.offsets.get(topic, 0))

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes."""
        entries = sum(table.changes for table in (self.leads, self.orders, self.customers))
        return (
            80 * self.panes.changes
            + 8 * self.seen.fresh
            + 300 * (entries + len(self.reports))
            + self.refusing.weight
            + (self.journeys.weight if self.journeys is not None else 0)
            + (self.rekeying.weight if self.rekeying is not None else 0)
        )

    def set_idle(self, idle: Collection[str]) -> None:
        """Take in which event topics are read to their end and silent."""
        if set(idle) != self.idle:
            self._set_limits()
            self.idle = set(idle)
            self.is_touched = True
            self.settle()
            self._forget_passed()
        self._turn_clock()

    def expire(self) -> list[DroppedPane]:
        """Forget what no fact can reach any more and is sent; return the panes dropped."""
        reached = self.reached
        if reached is None:
            return []
        if self.journeys is not None and self.journeys.is_expiring(reached, self.options.order_retention):
            self.settle()
        self.conversions.expire(reached - self.options.order_retention)
        if self.journeys is not None:
            self.journeys.expire(reached, self.options.order_retention)
        return self.panes.expire(horizon(reached))

    def renew(self, now: int) -> None:
        """Credit some of what waits for it; fit the data-driven model when its time has come.

        That is once an interval, and oftener until it has a fit.
        """
        if self.journeys is None:
            return
        if self.journeys.has_stale:
            self.journeys.renew()
            self._set_limits()
            self.settle()
        fit, interval = self.journeys.data_driven.fit, self.options.refit_interval
        due = interval if fit.conversions else min(interval, MINUTE)
        is_due = fit.fitted_at is None or not 0 <= now - fit.fitted_at < due
        if is_due and self.journeys.data_driven.fitting is None:
            self.journeys.begin_fit(now)
        self.journeys.go_on_fitting()

    def settle(self) -> None:
        """Credit what the journeys have changed; conversions wait for the clicks to reach their time.

        Many at once cost a fraction of one by one; so this is put off for ``credit_interval``, but never past a change
        of the horizon: credits reach the panes that the records have reached, before the windows are final.
        """
        if self.journeys is None:
            return
        reached = self._own_clicks
        if self._awaited is not None:
            reached = self._awaited.clicks(reached)
        self.journeys.settle(reached).fold_into(self.panes, self._limits)

    def settle_due(self, now: int) -> None:
        """Settle at a checkpoint, when it is time, or when the watermark vouches for another minute."""
        is_early = 0 <= now - self._settled_at < self.options.credit_interval
        if not is_early or horizon(self.reached) != self._limits:
            self.settle()
            self._settled_at = now

    def _set_limits(self) -> None:
        """Which panes accept what comes now."""
        limits = horizon(self.reached)
        if limits != self._limits:
            self.settle()
            self._limits = limits

    def _fold_ads(self, topic: str, slab: SourceRecords, now: int) -> None:
        """Clicks and impressions: columns, folded once per campaign and pane."""
        judge = self._ad_judges[topic]
        ads, large = judge.judge(
            slab, lambda record, rejection: self.refusing.refuse(topic, record, rejection, now)
        )
        rows = np.flatnonzero(ads.plain)
        if not rows.size:
            return
        at, days_from = ads.at[rows], self._limits.days_from
        self.clock.advance(topic, int(np.minimum(at, slab.timestamps[rows]).max()))
        is_late = np.zeros(len(rows), dtype=np.bool_) if days_from is None else at < days_from
        verdicts = self.seen.admit(ads.ids[rows], is_late, at)
        for row in rows[verdicts == ids.LATE].tolist():
            self.refusing.refuse_late(topic, slab[row], now)
        fresh = rows[verdicts == ids.FRESH]
        self.ledger[topic].applied += len(fresh)
        self.ledger[topic].duplicate += int((verdicts == ids.DUPLICATE).sum())
        fold_ads(self.panes, ads, fresh, self._limits, is_click=topic == topics.CLICKS)
        if self.rekeying is not None:
            columns = ads.visitors[fresh], ads.at[fresh]
            campaigns, channels = ads.codes[CAMPAIGN][fresh], ads.codes[CHANNEL][fresh]
            batch = TouchBatch(*columns, campaigns, ads.texts[CAMPAIGN], channels, ads.texts[CHANNEL])
            self.rekeying.touch(batch, ads.homes[fresh], is_click=topic == topics.CLICKS)
        costs = [
            Contribution(ads.campaign(row), int(ads.at[row]), Tally(spend_micros=large[row]))
            for row in large.keys() & set(fresh.tolist())
        ]
        self.panes.fold(costs, self._limits)

    def _apply_each(self, topic: str, records: Sequence[SourceRecord], now: int) -> None:
        """Leads, orders and reports: one by one, they are few."""
        events = decode_slice(DECODERS[topic], records)
        judge: Callable[[SourceRecord, Any, int | None], Apply]
        judge = self._judge_report if topic == topics.REPORTS else self._judge_conversion
        judged: list[tuple[SourceRecord, str, Apply]] = []
        homes = homes_of(self.options.key_rule, topic, records, events)
        for record, event, home in zip(records, events, homes, strict=True):
            try:
                if isinstance(event, Rejection):
                    raise event
                identity = event.report_id if topic == topics.REPORTS else event.event_id
                judged.append((record, identity, judge(record, event, home)))
            except Rejection as rejection:
                self.refusing.refuse(topic, record, rejection, now)
        hashes = hash_ids([identity for _, identity, _ in judged], ID_SEEDS[topic])
        seen = set(hashes[self.seen.contains(hashes)].tolist())
        fresh: list[int] = []
        found: list[Contribution] = []
        latest = NEVER
        for (record, _, apply), hashed in zip(judged, hashes.tolist(), strict=True):
            if hashed in seen:
                self.ledger[topic].duplicate += 1
                continue
            contributions = apply(self._limits)
            if contributions is None:
                self.refusing.refuse_late(topic, record, now)
                continue
            found += contributions
            seen.add(hashed)
            fresh.append(hashed)
            latest = max(latest, record.timestamp)
            self.ledger[topic].applied += 1
        self.panes.fold(found, self._limits)
        for resolution, met in enumerate(self.conversions.take_customers()):
            if met:
                self.panes.add_to(resolution, met, self._limits)
        self.seen.remember(np.array(fresh, dtype=np.uint64), latest)

    def _take_rekeyed(self, records: Sequence[SourceRecord]) -> None:
        """What other partitions sent of persons whose home is here; what came before is passed over."""
        has_changed = False
        for record in records:
            message = decode_rekeyed(record.value or b"")
            if self.rekeying is None or self.neighbours is None or not self.neighbours.take(message):
                continue
            self.rekeying.receive(message)
            if message.reached is not None:
                has_changed |= self.neighbours.hear(message.source, message.reached)
        if has_changed:  # as when topics of its own fall silent: no further word may come
            self.settle()

    def _erase_each(self, records: Sequence[SourceRecord], now: int) -> None:
        """Erasures: what waits is credited before, and nothing of the person waits after."""
        self.settle()
        for record, event in zip(records, decode_slice(DECODERS[topics.ERASURES], records), strict=True):
            try:
                if isinstance(event, Rejection):
                    raise event
                self.conversions.erase(event)
                asked_at = instant(event.requested_at, "requested_at")
                self.forgetting.note(event, min(asked_at, record.timestamp))
            except Rejection as rejection:
                self.refusing.refuse(topics.ERASURES, record, rejection, now)
            else:
                self.ledger[topics.ERASURES].applied += 1
        self.settle()

    def _forget_passed(self) -> None:
        """Erase once more whom everything has been read of that was written before the request."""
        if not self.forgetting.waiting:
            return
        times = self.clock.stream_times
        if self._awaited is not None:
            times = {**times, **self._awaited.least()}
        erasures = self.forgetting.take(times, self.idle)
        if erasures:
            self.settle()
            for each in erasures:
                self.conversions.erase(each)
            self.settle()

    def _judge_conversion(self, record: SourceRecord, event: Lead | Order, home: int | None) -> Apply:
        at = instant(event.occurred_at, "occurred_at")
        not_in_future(at, record.timestamp, self.options.max_future)
        if isinstance(event, Lead):
            topic, apply = topics.LEADS, self.conversions.lead(event, at, home)
        else:
            topic, apply = topics.ORDERS, self.conversions.order(event, at, home)
        self.clock.advance(topic, min(at, record.timestamp))
        return apply

    def _judge_report(self, record: SourceRecord, event: AdReport, home: int | None) -> Apply:
        del home
        report = judge_report(event, record.offset, self.partition, self._micros)

        def apply(limits: Horizon) -> list[Contribution]:
            del limits  # reports do not obey the watermark
            self.reports.append((event.campaign_id, report))
            return []

        return apply

    def _micros(self, amount: Any, currency: str | None, campaign: str | None, at: int) -> int:
        return self.campaign_registry.rates.micros(
            amount, currency or self.campaign_registry.currency_of(campaign), at
        )
