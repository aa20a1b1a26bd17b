"""Clicks and impressions, as columns: which of them stand, what they cost in the reporting currency, and where they count."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np

from metrics.entities.ad_columns import CAMPAIGN, CHANNEL, CURRENCY, AdColumns, Booleans
from metrics.entities.campaigns import CampaignRegistry
from metrics.kernels import ids as kernels
from metrics.records.partition_keys import KEY_KINDS, KeyRule
from metrics.records.reserved_names import ReservedNames
from metrics.records.validation import decode, instant, not_in_future
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import LARGEST_PART
from metrics.values.errors import Rejection
from metrics.values.hashing import VISITOR_SEED, Hashes, hash_id, hash_ids, partitions_of
from metrics.values.text_codes import TextCodes
from metrics.windows.fold import fold_ads
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
        attribution: remembers touches.
        keys: counts what the keys of the topic are to their records.
    """

    def __init__(
        self,
        admission: Admission,
        judge: "AdJudge",
        clock: PartitionClock,
        panes: Panes,
        attribution: NoAttribution,
        keys: KeyCounts,
    ) -> None:
        self._admission = admission
        self._judge = judge
        self._clock = clock
        self._panes = panes
        self._attribution = attribution
        self._keys = keys
        self._is_click = admission.topic == topics.CLICKS

    def take(self, source_records: SourceRecords, limits: Horizon, now: int) -> None:
        """Judge a slice, and add up what is new of it."""
        ads, large = self._judge.judge(
            source_records, lambda record, rejection: self._admission.refuse(record, rejection, now)
        )
        rows = np.flatnonzero(ads.plain)
        if not rows.size:
            return
        at, days_from = ads.at[rows], limits.days_from
        self._clock.advance(self._admission.topic, int(np.minimum(at, source_records.timestamps[rows]).max()))
        is_late = np.zeros(len(rows), dtype=np.bool_) if days_from is None else at < days_from
        fresh = self._admission.admit(source_records, rows, ads.ids[rows], is_late, at, now)
        fold_ads(self._panes, ads, fresh, limits, is_click=self._is_click)
        self._attribution.touch(ads, fresh, is_click=self._is_click)
        self._keys.count(self._admission.topic, ads.kinds)
        costs = [
            Contribution(ads.campaign(row), int(ads.at[row]), Tally(spend_micros=large[row]))
            for row in large.keys() & set(fresh.tolist())
        ]
        self._panes.fold(costs, limits)


class AdJudge:
    """Judges the clicks or the impressions of one partition.

    Args:
        topic: the one or the other.
        campaign_registry: currencies of campaigns, and rates.
        max_future: milliseconds that an event time may lie ahead of the record's Kafka timestamp.
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
    ) -> None:
        self._seed = ID_SEEDS[topic]
        self._topic = topic
        self._decoder = DECODERS[topic]
        self._campaign_registry = campaign_registry
        self._max_future = max_future
        self._rule = rule
        self._names = names
        spellings = names.usual_spellings()
        self._absent_ids, self._nobody = _HashSet(spellings, self._seed), _HashSet(spellings, VISITOR_SEED)

    def judge(self, source_records: SourceRecords, refuse: Refuse) -> tuple[AdColumns, dict[int, int]]:
        """The slice with ``plain`` in the rows that stand; the others are refused, in order.

        Returns:
            The columns, with costs in micros of the reporting currency (0 for none), and the costs that are too
            large for a column, by row; the column has 0 for them.
        """
        ads, large = self._named(source_records.ads(self._topic, self._rule).copied()), dict[int, int]()
        ads.plain[:] &= ads.at <= source_records.timestamps + self._max_future
        is_foreign = self._is_foreign(ads)
        for row in np.flatnonzero(~ads.plain | is_foreign).tolist():
            try:
                micros = (
                    self._convert(ads, row) if is_foreign[row] else self._judge(source_records[row], ads, row)
                )
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
        np.maximum(ads.micros, 0, out=ads.micros)
        return ads, large

    def _named(self, ads: AdColumns) -> AdColumns:
        """The columns without texts that stand for missing names; rows without a campaign are left to be judged."""
        are_absent = self._names.are_no_campaigns(ads.texts[CAMPAIGN])
        if any(are_absent):
            ads.plain[:] &= ~np.array(are_absent)[ads.codes[CAMPAIGN]]
        ads.plain[:] &= ~self._absent_ids.contains(ads.ids)
        is_nobody = self._nobody.contains(ads.visitors)
        ads.visitors[is_nobody], ads.homes[is_nobody] = 0, -1
        met = ads.texts[CHANNEL]
        channels = [self._names.channel(text) for text in met]
        if channels == met:
            return ads
        texts = TextCodes()
        codes = np.array([*(-1 if each is None else texts.code(each) for each in channels), -1], np.int32)
        ads.codes[CHANNEL] = codes[ads.codes[CHANNEL]]
        return ads._replace(texts=(ads.texts[CAMPAIGN], ads.texts[CURRENCY], texts))

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
        return found

    def _convert(self, ads: AdColumns, row: int) -> int:
        code = ads.codes[CURRENCY, row]
        campaign = ads.texts[CAMPAIGN][ads.codes[CAMPAIGN, row]]
        currency = (
            ads.texts[CURRENCY][code]
            if code >= 0
            else self._campaign_registry.currency_of(campaign, int(ads.at[row]))
        )
        return self._campaign_registry.rates.converted(int(ads.micros[row]), currency, int(ads.at[row]))

    def _judge(self, record: Record, ads: AdColumns, row: int) -> int:
        """Judge one record and fill its row; its cost in micros."""
        event = self._names.cleared(decode(self._decoder, record.value))
        at = instant(event.occurred_at, "occurred_at")
        not_in_future(at, record.timestamp, self._max_future)
        micros = 0
        if event.cost is not None:
            currency = event.currency or self._campaign_registry.currency_of(event.campaign_id, at)
            micros = self._campaign_registry.rates.micros(event.cost, currency, at)
        ads.at[row] = at
        ads.ids[row] = hash_id(event.event_id, self._seed)
        ads.visitors[row] = 0 if event.visitor_id is None else hash_id(event.visitor_id, VISITOR_SEED)
        if event.visitor_id is not None and self._rule.partitions:
            others = event.event_id, event.campaign_id, event.ad_id
            person = self._rule.person(record.key, event.visitor_id, others)
            ads.kinds[row] = KEY_KINDS.index(self._rule.kind(record.key, event.visitor_id, others))
            ads.homes[row] = partitions_of([person], self._rule.partitions)[0]
        ads.codes[CAMPAIGN, row] = ads.texts[CAMPAIGN].code(event.campaign_id)
        ads.codes[CHANNEL, row] = -1 if event.channel is None else ads.texts[CHANNEL].code(event.channel)
        return micros


class _HashSet:
    """Hashes of some ids, asked for a column at once."""

    def __init__(self, ids: Sequence[str], seed: int) -> None:
        hashes = hash_ids(ids, seed)
        self._slots = np.zeros(1 << (4 * len(hashes)).bit_length(), dtype=np.uint64)
        kernels.insert(self._slots, hashes)

    def contains(self, hashes: Hashes) -> Booleans:
        """For each hash, whether it is one of them."""
        return cast("Booleans", kernels.contains(self._slots, hashes))
