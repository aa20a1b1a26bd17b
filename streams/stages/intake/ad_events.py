"""Clicks and impressions, as columns: which of them stand, what they cost, and where they count."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from metrics.entities.ad_columns import CAMPAIGN, CHANNEL, CURRENCY, AdColumns, Booleans, Integers
from metrics.entities.campaigns import CampaignRegistry
from metrics.kernels import ids as kernels
from metrics.records.partition_keys import KEY_KINDS, KeyRule
from metrics.records.reserved_names import ReservedNames
from metrics.records.validation import decode, instant, not_in_future, not_too_early
from metrics.sums.applied_figures import AppliedFigures
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import LARGEST_PART
from metrics.values.currency import amount_in_micros, is_currency
from metrics.values.errors import Rejection
from metrics.values.hashing import VISITOR_SEED, Hashes, hash_id, hash_ids, partitions_of
from metrics.values.text_codes import TextCodes
from metrics.values.time import MIN_INSTANT, MINUTE
from metrics.windows.fold import fold_ads
from metrics.windows.foreign_spend import CAMPAIGNS_OWN, CampaignCurrency, ForeignSpend
from metrics.windows.panes import Horizon, Panes
from metrics.windows.watermark import PartitionClock
from streams import topics
from streams.messages.decoding import DECODERS
from streams.messages.source_records import ID_SEEDS, Record, SourceRecords
from streams.stages.intake.admission import Admission
from streams.stages.intake.attribution.attribution import NoAttribution
from streams.stages.intake.key_counts import KeyCounts

#: Hears of a record that does not stand.
Refuse = Callable[[Record, Rejection], None]


class AdEvents:
    """The handler of clicks or of impressions: columns, folded once per campaign and pane.

    Args:
        admission: verdicts.
        judge: of the same topic.
        clock: of the partition.
        panes: where sums are added.
        foreign_spend: costs in other currencies.
        attribution: remembers touches.
        keys: counts what the keys of the topic are to their records.
    """

    def __init__(
        self,
        admission: Admission,
        judge: "AdJudge",
        clock: PartitionClock,
        panes: Panes,
        foreign_spend: ForeignSpend,
        attribution: NoAttribution,
        keys: KeyCounts,
    ) -> None:
        self._foreign_spend = foreign_spend
        self._admission = admission
        self._judge = judge
        self._clock = clock
        self._panes = panes
        self._attribution = attribution
        self._keys = keys
        self._is_click = admission.topic == topics.CLICKS

    def take(self, source_records: SourceRecords, limits: Horizon, now: int) -> None:
        """Judge a slice, and add up what is new of it."""
        ads, large, is_foreign = self._judge.judge(
            source_records, lambda record, rejection: self._admission.refuse(record, rejection, now)
        )
        rows = np.flatnonzero(ads.plain)
        if not rows.size:
            return
        at, days_from = ads.at[rows], limits.days_from
        self._clock.advance(self._admission.topic, int(np.minimum(at, source_records.timestamps[rows]).max()))
        is_late = np.zeros(len(rows), dtype=np.bool_) if days_from is None else at < days_from
        fresh = self._admission.admit(source_records, rows, ads.ids[rows], is_late, at, now)
        applied = set(fresh.tolist()) if large else set()
        apart = [row for row in large if row in applied and not is_foreign[row]]
        if is_foreign.any():
            foreign = fresh[is_foreign[fresh]]
            self._add_foreign(ads, foreign, large, limits)
            ads.micros[foreign] = 0
        fold_ads(self._panes, ads, fresh, limits, is_click=self._is_click)
        self._attribution.touch(ads, fresh, is_click=self._is_click)
        self._keys.count(self._admission.topic, ads.kinds)
        self._count(ads, fresh, apart, large)
        costs = [
            Contribution(ads.campaign(row), int(ads.at[row]), _spent(large[row], ads, row)) for row in apart
        ]
        self._panes.fold(costs, limits)

    def _count(self, ads: AdColumns, fresh: Integers, apart: Sequence[int], large: Mapping[int, int]) -> None:
        """Note what the applied rows must have added; costs in other currencies follow their rates and are not among it."""
        count = len(fresh)
        micros = ads.micros if count == len(ads.micros) else ads.micros[fresh]
        spend = int(micros.sum()) + sum(large[row] for row in apart)
        clicks, impressions = (count, 0) if self._is_click else (0, count)
        figures = AppliedFigures(impressions, clicks, 0, spend)
        self._admission.figures = self._admission.figures.plus(figures)

    def _add_foreign(self, ads: AdColumns, rows: Integers, large: Mapping[int, int], limits: Horizon) -> None:
        """Add up costs in other currencies by campaign, currency and minute."""
        sums: dict[tuple[int, int, int], int] = {}
        minutes = (ads.at[rows] // MINUTE * MINUTE).tolist()
        columns = rows.tolist(), *ads.codes[[CAMPAIGN, CURRENCY]][:, rows].tolist(), ads.micros[rows].tolist()
        for minute, row, campaign, currency, micros in zip(minutes, *columns, strict=True):
            key = campaign, currency, minute
            sums[key] = sums.get(key, 0) + large.get(row, micros)
        for (campaign, currency, minute), micros in sums.items():
            named = ads.texts[CURRENCY][currency] if currency >= 0 else CAMPAIGNS_OWN
            paid_in = CampaignCurrency(ads.texts[CAMPAIGN][campaign], named)
            self._foreign_spend.add(paid_in, minute, micros, limits)
        self._foreign_spend.flush(limits)


def _spent(micros: int, ads: AdColumns, row: int) -> Tally:
    if ads.codes[CURRENCY, row] >= 0:
        return Tally(spend_micros=micros)
    return Tally(default_spend_micros=micros)


class AdJudge:
    """Judges the clicks or the impressions of one partition.

    Args:
        topic: the one or the other.
        campaign_registry: currencies of campaigns, and rates.
        max_future: milliseconds that an event time may lie ahead of the record's Kafka timestamp.
        earliest: the earliest event time, in epoch milliseconds.
        rule: that of the records' keys.
        names: texts that stand for missing names.
    """

    def __init__(
        self,
        topic: str,
        campaign_registry: CampaignRegistry,
        max_future: int,
        rule: KeyRule,
        names: ReservedNames,
        earliest: int = MIN_INSTANT,
    ) -> None:
        self._seed = ID_SEEDS[topic]
        self._topic = topic
        self._decoder = DECODERS[topic]
        self._campaign_registry = campaign_registry
        self._max_future = max_future
        self._earliest = earliest
        self._rule = rule
        self._names = names
        spellings = names.usual_spellings()
        self._absent_ids, self._nobody = _HashSet(spellings, self._seed), _HashSet(spellings, VISITOR_SEED)

    def judge(
        self, source_records: SourceRecords, refuse: Refuse
    ) -> tuple[AdColumns, dict[int, int], Booleans]:
        """The slice with ``plain`` in the rows that stand; the others are refused, in order.

        Returns:
            The columns, with costs in micros of their own currency (0 for none); the costs that are too
            large for a column, by row (the column has 0 for them); and which rows have a cost in another than the reporting
            currency.
        """
        ads, large = self._named(source_records.ads(self._topic, self._rule).copied()), dict[int, int]()
        ads.plain[:] &= ads.at <= source_records.timestamps + self._max_future
        ads.plain[:] &= ads.at >= self._earliest
        is_no_currency = self._is_no_currency(ads)
        for row in np.flatnonzero(~ads.plain | is_no_currency).tolist():
            try:
                micros = self._judge(source_records[row], ads, row)
            except Rejection as rejection:
                ads.plain[row] = False
                refuse(source_records[row], rejection)
                continue
            ads.plain[row] = True
            ads.micros[row] = micros if micros <= LARGEST_PART else 0
            if micros > LARGEST_PART:
                large[row] = micros
        for row in np.flatnonzero(ads.plain & (ads.micros > LARGEST_PART)).tolist():
            large[row], ads.micros[row] = int(ads.micros[row]), 0
        is_foreign = self._is_foreign(ads)
        np.maximum(ads.micros, 0, out=ads.micros)
        return ads, large, is_foreign

    def _named(self, ads: AdColumns) -> AdColumns:
        """The columns without texts that stand for missing names; rows without a campaign are left to be judged."""
        are_absent = self._names.are_no_campaigns(ads.texts[CAMPAIGN])
        if any(are_absent):
            ads.plain[:] &= ~np.array(are_absent)[ads.codes[CAMPAIGN]]
        ads.plain[:] &= ~self._absent_ids.contains(ads.ids)
        is_nobody = self._nobody.contains(ads.visitors)
        if is_nobody.any():
            ads.visitors[is_nobody], ads.homes[is_nobody] = 0, -1
        names = self._names
        ads = _renamed(ads, CHANNEL, [names.channel(text) for text in ads.texts[CHANNEL]])
        if names.aliases:
            ads = _renamed(ads, CAMPAIGN, [names.campaign(text) for text in ads.texts[CAMPAIGN]])
        return ads

    def _is_foreign(self, ads: AdColumns) -> Booleans:
        """Which plain rows have a cost in another than the reporting currency."""
        has_cost = ads.plain & (ads.micros >= 0)
        reporting, foreign = self._campaign_registry.rates.reporting, self._campaign_registry.foreign
        are_others = [text != reporting for text in ads.texts[CURRENCY]]
        if not foreign and not any(are_others):
            return np.zeros_like(has_cost)
        # The last one of each is for code -1, which means none.
        by_currency = np.array([*are_others, False])
        by_campaign = np.array([*(text in foreign for text in ads.texts[CAMPAIGN]), False])
        currency = ads.codes[CURRENCY]
        found: Booleans = has_cost & np.where(
            currency >= 0, by_currency[currency], by_campaign[ads.codes[CAMPAIGN]]
        )
        for row in np.flatnonzero(found & (currency < 0)).tolist():
            found[row] = self._campaign_registry.currency_of(ads.campaign(row), int(ads.at[row])) != reporting
        return found

    def _is_no_currency(self, ads: AdColumns) -> Booleans:
        """Which plain rows have a cost in what is no code of a currency."""
        are_none = [not is_currency(text) for text in ads.texts[CURRENCY]]
        if not any(are_none):
            return np.zeros_like(ads.plain)
        found: Booleans = ads.plain & (ads.micros >= 0) & np.array([*are_none, False])[ads.codes[CURRENCY]]
        return found

    def _judge(self, record: Record, ads: AdColumns, row: int) -> int:
        """Judge one record and fill its row; its cost in micros."""
        event = self._names.cleared(decode(self._decoder, record.value))
        at = instant(event.occurred_at, "occurred_at")
        not_too_early(at, record.timestamp, self._earliest)
        not_in_future(at, record.timestamp, self._max_future)
        micros = -1 if event.cost is None else amount_in_micros(event.cost, event.currency)
        ads.at[row] = at
        ads.ids[row] = hash_id(event.event_id, self._seed)
        ads.visitors[row] = 0 if event.visitor_id is None else hash_id(event.visitor_id, VISITOR_SEED)
        if event.visitor_id is not None and self._rule.partitions:
            others = event.event_id, event.campaign_id, event.ad_id
            person = self._rule.person(record.key, event.visitor_id, others)
            ads.kinds[row] = KEY_KINDS.index(self._rule.kind(record.key, event.visitor_id, others))
            ads.homes[row] = partitions_of([person], self._rule.partitions)[0]
        named = event.currency or None
        ads.codes[CURRENCY, row] = -1 if named is None else ads.texts[CURRENCY].code(named)
        ads.codes[CAMPAIGN, row] = ads.texts[CAMPAIGN].code(event.campaign_id)
        ads.codes[CHANNEL, row] = -1 if event.channel is None else ads.texts[CHANNEL].code(event.channel)
        return micros


def _renamed(ads: AdColumns, row: int, names: Sequence[str | None]) -> AdColumns:
    """The columns with other texts in one row of codes, in place of each of the present ones; None for none."""
    if names == ads.texts[row]:
        return ads
    texts = TextCodes()
    codes = np.array([*(-1 if each is None else texts.code(each) for each in names), -1], np.int32)
    ads.codes[row] = codes[ads.codes[row]]
    campaigns, currencies, channels = (texts if each == row else ads.texts[each] for each in range(3))
    return ads._replace(texts=(campaigns, currencies, channels))


class _HashSet:
    """Hashes of some ids, asked for a column at once."""

    def __init__(self, ids: Sequence[str], seed: int) -> None:
        hashes = hash_ids(ids, seed)
        self._slots = np.zeros(1 << (4 * len(hashes)).bit_length(), dtype=np.uint64)
        kernels.insert(self._slots, hashes)

    def contains(self, hashes: Hashes) -> Booleans:
        """For each hash, whether it is one of them."""
        return cast("Booleans", kernels.contains(self._slots, hashes))
