"""Attribution as intake sees it: journeys, what leaves for the homes of persons, and the clock of all source partitions.

``NoAttribution`` is the null object where no model is computed and customers stay; ``Exchange`` sends customers home;
``Attribution`` is the whole. None has I/O.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from metrics.attribution.batch_credit import MOST
from metrics.attribution.conversion_lag import LagCounts
from metrics.attribution.models import AttributionRules
from metrics.entities.ad_columns import CAMPAIGN, CHANNEL, AdColumns, Integers
from metrics.entities.leads import LeadEntry
from metrics.entities.orders import FirstOrder, OrderEntry
from metrics.records.events import Erasure, Lead, Order
from metrics.records.partition_keys import KeyRule
from metrics.values.errors import Rejection
from metrics.values.time import MINUTE
from metrics.windows.panes import Horizon, Panes
from metrics.windows.watermark import PartitionStatus
from streams.messages.source_records import SourceRecord
from streams.stages.intake.attribution.facts import GreatestParts, TouchBatch
from streams.stages.intake.attribution.journeys import Journeys
from streams.stages.intake.attribution.tables import (
    ConversionTable,
    FitTable,
    LagTable,
    PersonTable,
    RuleHistoryTable,
    TouchpointTable,
    TouchTable,
)
from streams.stages.intake.attribution.updates import first_order_marks, ids_of, lead_update, order_update
from streams.stages.intake.customer_homes import CustomerHomes
from streams.stages.intake.joint_watermark import JointWatermark, SenderProgress
from streams.stages.intake.repartition import (
    Rekeyed,
    RekeyedOutput,
    Repartitioner,
    SourceProgress,
    counted_on,
    read_rekeyed,
)
from streams.stages.refusals import Refuse
from streams.stages.stage import Work
from streams.state.checkpoint import Output
from streams.state.table import Table


class NoAttribution:
    """No model is computed: nothing is remembered of anybody, and each partition follows its own clock."""

    #: Whether something waits for the next checkpoint.
    is_due = False
    #: Whether so much waits to be credited that it is credited at once.
    is_heavy = False
    #: Models whose sums in the changelog are whole.
    whole_models: Collection[str] = ()

    def __init__(self, homes: CustomerHomes) -> None:
        self.rules = RuleHistoryTable(lambda: None)
        self.tables: Sequence[Table] = ()
        #: Where customers are decided.
        self.customer_homes = homes

    @property
    def weight(self) -> int:
        """About how many bytes messages add to the next checkpoint."""
        return self.customer_homes.weight

    def count_into(self, sent: Counter[str]) -> None:
        """Count what leaves for other partitions, by kind."""
        self.customer_homes.sent = sent

    # --- taking in ---------------------------------------------------------------------------------

    def touch(self, ads: AdColumns, rows: Integers, *, is_click: bool) -> None:
        """Clicks or impressions were applied: those rows of the columns."""

    def lead(self, key: str, event: Lead, entry: LeadEntry, seen_at: int, home: int | None) -> None:
        """A lead's record was applied; ``home`` is the partition of its person."""

    def order(self, key: str, event: Order, entry: OrderEntry, seen_at: int, home: int | None) -> None:
        """An order's record was applied; ``home`` is the partition of its person."""

    def first_order(self, known: FirstOrder | None, first: FirstOrder) -> None:
        """Which order is a customer's first may have changed."""

    def erase(self, event: Erasure) -> None:
        """Forget a person."""

    def receive(self, records: Sequence[SourceRecord], refuse: Refuse) -> bool:
        """Take in messages of other partitions; whether one of these fell silent or spoke again.

        ``refuse`` hears of what is no message.
        """
        del records, refuse
        return False

    # --- time --------------------------------------------------------------------------------------

    def turn(self, status: PartitionStatus) -> None:
        """The partition itself has come so far."""

    def watermark(self, own: int | None) -> int | None:
        """The watermark that windows follow."""
        return own

    def is_idle(self, *, own: bool) -> bool:
        """Whether everything is idle that windows wait for."""
        return own

    def stream_times(self, own: Mapping[str, int | None]) -> Mapping[str, int | None]:
        """Stream times of everything that an erasure waits for."""
        return own

    # --- crediting ---------------------------------------------------------------------------------

    def settle(self, clicks: int | None, panes: Panes, limits: Horizon) -> None:
        """Credit what has changed; ``clicks`` is how far the clicks of the partition have come."""

    def take_greatest(self) -> list[GreatestParts]:
        """Orders that are counted and credited here, with greatest parts that are others than were told."""
        return []

    def is_credited_on(self, partition: int, key: str) -> bool:
        """Whether an order that is counted here is credited on a partition now."""
        del partition, key
        return False

    def is_expiring(self, watermark: int, retention: int) -> bool:
        """Whether a day has ended that is to be forgotten; all is credited first."""
        del watermark, retention
        return False

    def expire(self, watermark: int, retention: int) -> None:
        """Forget conversions and persons of the days that ended ``retention`` before the watermark."""

    def reopen(self) -> bool:
        """Let some conversions be credited anew by other rules; whether there are any."""
        return False

    def fit(self, now: int) -> None:
        """Fit the data-driven model a bit further, when its time has come."""

    def work(self) -> Work:
        """A part of a fit for another thread; None where there is none."""
        return None

    # --- giving out and keeping --------------------------------------------------------------------

    def lags(self, *, is_due: bool) -> tuple[dict[str, LagCounts], int | None] | None:
        """Lags of conversions and when the model was fitted, where they were not sent yet as they are, and it is time.

        Asked once for each checkpoint.
        """
        del is_due
        return None

    def outputs(self, sequence: int, progress: SourceProgress, now: int) -> list[Output]:
        """Messages for other partitions."""
        del sequence, progress, now
        return []

    def senders(self) -> dict[int, SenderProgress]:
        """What was applied of the messages of other partitions."""
        return {}

    def restore(self, senders: dict[int, SenderProgress], own: int | None, joint: int | None) -> None:
        """Put back what a checkpoint says of other partitions, and the watermarks of this one and of all."""

    def restored(self) -> None:
        """All tables are put back."""


class Exchange(NoAttribution):
    """No model is computed: partitions exchange customers alone, and each follows its own clock.

    Args:
        partition: its number.
        partitions: of the deployment.
        homes: where customers are decided.
        announced_to: the partitions that hear how far this one has come.
        announced_every: milliseconds between two announcements.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        homes: CustomerHomes,
        announced_to: Iterable[int] = (),
        announced_every: int = 0,
    ) -> None:
        super().__init__(homes)
        self._partition = partition
        self.joint = JointWatermark(partition, partitions)
        self._rekeyed = RekeyedOutput(self._take, partition, announced_to, announced_every)
        self.tables = (self._rekeyed.outbox,)

    @property
    def is_due(self) -> bool:  # type: ignore[override]
        """Whether something waits for the next checkpoint."""
        return self._rekeyed.is_waiting or self.customer_homes.is_due

    def receive(self, records: Sequence[SourceRecord], refuse: Refuse) -> bool:
        """Take in what other partitions sent of persons whose home is here; what came before is passed over."""
        has_changed = False
        for record in records:
            try:
                message = read_rekeyed(record.value, self.joint.senders)
            except Rejection as rejection:
                refuse(record, rejection)
                continue
            if not self.joint.take(message):
                continue
            self._receive(message)
            if message.customers is not None:
                self.customer_homes.receive(message.source, message.customers)
            if message.progress is not None:
                has_changed |= self.joint.update_sender(message.source, message.progress)
        return has_changed

    def outputs(self, sequence: int, progress: SourceProgress, now: int) -> list[Output]:
        """Messages for other partitions."""
        return self._rekeyed.outputs(sequence, progress, now)

    def senders(self) -> dict[int, SenderProgress]:
        """What was applied of the messages of other partitions."""
        return self.joint.senders

    def restore(self, senders: dict[int, SenderProgress], own: int | None, joint: int | None) -> None:
        """Put back what a checkpoint says of other partitions, and the watermarks of this one and of all."""
        del own
        self.joint.restore(senders, joint)

    def _receive(self, message: Rekeyed) -> None:
        """Take in what a message says of journeys: of nobody, where no model is computed."""

    def _take(self, sequence: int) -> list[tuple[int, Rekeyed]]:
        made = self._journey_messages(sequence)
        for target, mail in self.customer_homes.take():
            made.append((target, Rekeyed(self._partition, sequence, len(made), [], [], None, mail)))
        return made

    def _journey_messages(self, sequence: int) -> list[tuple[int, Rekeyed]]:
        del sequence
        return []


class Attribution(Exchange):
    """What one partition remembers of persons, and their credits.

    Args:
        partition: its number.
        partitions: of the deployment.
        rules: which models are computed, and how.
        key_rule: what journeys make of keys; without partitions each journey stays where its records came.
        refit_interval: milliseconds between two fits of the data-driven model.
        announced_every: milliseconds between two announcements of how far the partition has come.
    """

    def __init__(
        self,
        partition: int,
        partitions: int,
        rules: AttributionRules,
        key_rule: KeyRule,
        refit_interval: int,
        announced_every: int,
        homes: CustomerHomes | None = None,
    ) -> None:
        super().__init__(
            *(partition, partitions, homes or CustomerHomes(partition, 0)),
            *(range(key_rule.partitions), announced_every),
        )
        self.journeys = Journeys(rules)
        self.repartitioner = Repartitioner(partition, self.journeys)
        #: Whether touches may come from other partitions, so that credits wait for all of them.
        self._is_joint = key_rule.partitions > 0
        self._own_watermark: int | None = None
        self._greatest: list[GreatestParts] = []
        self._refit_interval = refit_interval
        self._has_unannounced_lags = True
        self.rules = rules_table = RuleHistoryTable(lambda: self.journeys.rule_history)
        self.tables = (
            ConversionTable(self.journeys, rules_table),
            PersonTable(self.journeys, rules_table),
            TouchpointTable(self.journeys, rules_table),
            TouchTable(self.journeys, rules_table, lambda: self.watermark(self._own_watermark)),
            LagTable(self.journeys, rules_table),
            FitTable(self.journeys, rules_table),
            self.repartitioner.homes,
            self._rekeyed.outbox,
        )

    @property
    def is_due(self) -> bool:  # type: ignore[override]
        """Whether something waits for the next checkpoint."""
        return self.journeys.is_due or super().is_due

    @property
    def is_heavy(self) -> bool:  # type: ignore[override]
        """Whether so much waits to be credited that it is credited at once."""
        return self.journeys.unsettled >= MOST

    @property
    def whole_models(self) -> Collection[str]:  # type: ignore[override]
        """Models that were computed all the time, by the history that was read back."""
        return (
            () if self.rules.found is None else set(self.journeys.rules.models) & set(self.rules.found.since)
        )

    @property
    def weight(self) -> int:
        """About how many bytes messages add to the next checkpoint."""
        return self.repartitioner.weight + super().weight

    def count_into(self, sent: Counter[str]) -> None:
        """Count what leaves for other partitions, by kind."""
        super().count_into(sent)
        self.repartitioner.sent = sent

    # --- taking in ---------------------------------------------------------------------------------

    def touch(self, ads: AdColumns, rows: Integers, *, is_click: bool) -> None:
        """Remember touches here, or send them to the homes of their visitors."""
        campaigns, channels = ads.codes[CAMPAIGN][rows], ads.codes[CHANNEL][rows]
        batch = TouchBatch(
            *(ads.visitors[rows], ads.at[rows], campaigns, ads.texts[CAMPAIGN], channels, ads.texts[CHANNEL])
        )
        self.repartitioner.touch(batch, ads.homes[rows], is_click=is_click)

    def lead(self, key: str, event: Lead, entry: LeadEntry, seen_at: int, home: int | None) -> None:
        """Credit a lead at its home."""
        self.repartitioner.convert(lead_update(key, event, entry, seen_at), home)

    def order(self, key: str, event: Order, entry: OrderEntry, seen_at: int, home: int | None) -> None:
        """Credit an order at its home."""
        self.repartitioner.convert(order_update(key, event, entry, seen_at), home)

    def first_order(self, known: FirstOrder | None, first: FirstOrder) -> None:
        """Credit first orders apart from others."""
        for partition, key, is_first in first_order_marks(known, first):
            if partition in (-1, self._partition):
                self.repartitioner.mark_first(key, is_first=is_first)
            else:
                self.customer_homes.send_first(partition, key, is_first=is_first)

    def erase(self, event: Erasure) -> None:
        """Forget touches of a person and whom the ids belong to; conversions keep their credits."""
        visitor, others = ids_of(event)
        for hashed in others if visitor is None else (visitor, *others):
            self.journeys.forget(hashed)

    def _receive(self, message: Rekeyed) -> None:
        self.repartitioner.receive(message)
        for key, is_first in () if message.customers is None else message.customers.firsts:
            self.repartitioner.mark_first(key, is_first=is_first)

    def _journey_messages(self, sequence: int) -> list[tuple[int, Rekeyed]]:
        return self.repartitioner.take(sequence)

    # --- time --------------------------------------------------------------------------------------

    def turn(self, status: PartitionStatus) -> None:
        """The partition itself has come so far."""
        self._own_watermark = status.watermark
        self.joint.turn(status)

    def watermark(self, own: int | None) -> int | None:
        """With re-keying, the watermark of all partitions that send here."""
        return self.joint.watermark if self._is_joint else own

    def is_idle(self, *, own: bool) -> bool:
        """With re-keying, whether all partitions are idle that send here."""
        return own and (not self._is_joint or self.joint.are_idle)

    def stream_times(self, own: Mapping[str, int | None]) -> Mapping[str, int | None]:
        """With re-keying, also the least stream time of each other partition."""
        return {**own, **self.joint.least()} if self._is_joint else own

    # --- crediting ---------------------------------------------------------------------------------

    def settle(self, clicks: int | None, panes: Panes, limits: Horizon) -> None:
        """Credit what has changed; conversions wait for the clicks of all partitions to reach their time."""
        clicks_through = self.joint.clicks(clicks) if self._is_joint else clicks
        changes = self.journeys.settle(clicks_through)
        changes.fold_into(panes, limits)
        for each in changes.greatest:
            partition, key = counted_on(each.key)
            if partition is None:
                self._greatest.append(each)
            else:
                self.customer_homes.send_greatest(partition, key, each.campaigns)

    def take_greatest(self) -> list[GreatestParts]:
        """Orders that are counted and credited here, with greatest parts that are others than were told."""
        taken, self._greatest = self._greatest, []
        return taken

    def is_credited_on(self, partition: int, key: str) -> bool:
        """Whether an order that is counted here is credited on a partition now."""
        return self.repartitioner.is_home(partition, key)

    def is_expiring(self, watermark: int, retention: int) -> bool:
        """Whether a day has ended that is to be forgotten; all is credited first."""
        return self.journeys.is_expiring(watermark, retention)

    def expire(self, watermark: int, retention: int) -> None:
        """Forget conversions, persons and homes of the days that ended ``retention`` before the watermark."""
        for _ in self.repartitioner.homes.expire(watermark - retention):
            pass
        self.journeys.expire(watermark, retention)

    def reopen(self) -> bool:
        """Let some conversions be credited anew by other rules; whether there are any."""
        if not self.journeys.has_stale:
            return False
        self.journeys.renew()
        return True

    def fit(self, now: int) -> None:
        """Begin a fit once an interval, and oftener until there is one; go on with one that has begun."""
        data_driven = self.journeys.data_driven
        fit, interval = data_driven.fit, self._refit_interval
        due = interval if fit.conversions else min(interval, MINUTE)
        is_due = fit.fitted_at is None or not 0 <= now - fit.fitted_at < due
        if is_due and data_driven.fitting is None:
            self.journeys.begin_fit(now)
        self.journeys.go_on_fitting()

    def work(self) -> Work:
        """A part of a fit for another thread; None where there is none."""
        fitting = self.journeys.data_driven.fitting
        return None if fitting is None else fitting.work

    # --- giving out and keeping --------------------------------------------------------------------

    def lags(self, *, is_due: bool) -> tuple[dict[str, LagCounts], int | None] | None:
        """Lags of conversions and when the model was fitted, where they were not sent yet as they are, and it is time."""
        self._has_unannounced_lags |= self.journeys.lags_changed or self.journeys.data_driven.has_changed
        if not is_due or not self._has_unannounced_lags:
            return None
        self._has_unannounced_lags = False
        return self.journeys.lags, self.journeys.data_driven.fit.fitted_at

    def restore(self, senders: dict[int, SenderProgress], own: int | None, joint: int | None) -> None:
        """Put back what a checkpoint says of other partitions, and the watermarks of this one and of all."""
        super().restore(senders, own, joint)
        self._own_watermark = own

    def restored(self) -> None:
        """All tables are put back: index the journeys, and let other rules' credits be made anew."""
        if self.rules.found is not None:
            self.journeys.catch_up(self.rules.found)


def attribution_of(
    partition: int,
    partitions: int,
    rules: AttributionRules,
    key_rule: KeyRule,
    refit_interval: int,
    announced_every: int,
    customer_partitions: int,
) -> NoAttribution:
    """What the rules ask for; ``customer_partitions`` are the homes of customers, 0 where these stay; others as of ``Attribution``."""
    homes = CustomerHomes(partition, customer_partitions)
    if rules.models:
        return Attribution(partition, partitions, rules, key_rule, refit_interval, announced_every, homes)
    return Exchange(partition, partitions, homes) if customer_partitions > 1 else NoAttribution(homes)
