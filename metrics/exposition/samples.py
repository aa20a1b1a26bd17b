"""From a snapshot to samples, family by family. Knows no text format."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import NamedTuple

from prometheus_client.utils import floatToGoString

from metrics.exposition import metric_families as table
from metrics.exposition.metric_families import MetricFamily
from metrics.exposition.series_limit import OTHER, SeriesLimit, folded_sums
from metrics.exposition.snapshot import (
    BoardSnapshot,
    CampaignSnapshot,
    CardSnapshot,
    CohortSnapshot,
    CustomerTotals,
    FoldedSnapshot,
    HistogramSnapshot,
    PipelineSnapshot,
    RollupSnapshot,
    WorkerSnapshot,
)
from metrics.kpis.catalogue import COUNTERS, KPI_FAMILIES, SUM_GAUGES
from metrics.records.customer_kpi import CustomerWorth
from metrics.records.kpi_reading import CampaignKpi, Completeness, RollupKpi
from metrics.values.money import MICROS

#: Control characters as the symbols that stand for them, so that a name cannot steer the terminal of who reads the page; a
#: line feed is escaped by the format.
_SHOWN = {code: 0x2400 + code for code in range(0x20) if code != 0x0A}
_SHOWN |= {0x7F: 0x2421, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)}


class Labels:
    """Label pairs that many samples share; their text is made once."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        """Take over the pairs."""
        self.pairs = dict(pairs)
        self._text: str | None = None  # functools.cached_property takes a lock, 6 times as dear

    @property
    def text(self) -> str:
        r"""Sorted and escaped, in braces; empty without labels.

        >>> Labels({"b": 'say "x"', "a": "1"}).text
        '{a="1",b="say \\"x\\""}'
        """
        if self._text is None:
            pairs = [f'{name}="{_escape(self.pairs[name])}"' for name in sorted(self.pairs)]
            self._text = "{" + ",".join(pairs) + "}" if pairs else ""
        return self._text


def _escape(value: str) -> str:
    if not value.isprintable():
        value = value.translate(_SHOWN)
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number(value: float) -> str:
    """A sample's value as Go writes it.

    >>> number(3), number(0.25), number(12_500_000)
    ('3.0', '0.25', '1.25e+07')
    """
    if -1e6 < value < 1e6:
        return repr(float(value))
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


class Sample(NamedTuple):
    """One line of a family: suffix after the family's name, labels, value."""

    suffix: str
    labels: Labels
    value: float


Samples = Iterable[Sample]
_NO_LABELS = Labels({})


class _Row(NamedTuple):
    """A reading with the labels its samples share."""

    reading: CampaignKpi | RollupKpi
    counted: Labels
    money: Labels


def worker_samples(snapshot: WorkerSnapshot, folding: SeriesLimit) -> Iterator[tuple[MetricFamily, Samples]]:
    """All families of the page in their order, each once; families without samples included."""
    kept, folded = folding.split(snapshot.campaigns, snapshot.now_ms)
    rows = [row for campaign in kept for row in _rows(campaign)]
    yield from _sum_gauges(rows, folded, snapshot.folded)
    yield from _kpi_gauges(rows)
    yield table.COMPLETENESS, [sample for campaign in kept for sample in _completeness(campaign)]
    yield table.SPREAD, [sample for row in rows for sample in _share(row, "spread_ratio")]
    yield table.UNREPORTED, [sample for row in rows for sample in _share(row, "unreported_ratio")]
    yield (
        table.UNCERTAIN_AMOUNTS,
        [*_uncertain(rows), *_folded_uncertain(folded, snapshot.folded)],
    )
    yield from _rollups(snapshot.rollups)
    yield from _customers(kept, folded, snapshot.folded)
    yield from _cohorts(snapshot.cohorts)
    yield from _counters(kept, snapshot.currency)
    yield from _campaign_gauges(kept, snapshot.currency)
    yield from _scope(snapshot, len(folded) + snapshot.folded.count)
    yield from _pipeline(snapshot.pipeline)
    yield from _board(snapshot.board, snapshot.currency)
    yield from _redis(snapshot.pipeline)


def _rows(campaign: CampaignSnapshot) -> Iterator[_Row]:
    for (model, window), reading in campaign.readings.items():
        yield _row(reading, {**_identity(campaign), "window": window, "model": model})


def _row(reading: CampaignKpi | RollupKpi, pairs: Mapping[str, str]) -> _Row:
    return _Row(reading, Labels(pairs), Labels({**pairs, "currency": reading.currency}))


def _identity(campaign: CampaignSnapshot) -> dict[str, str]:
    return {"campaign_id": campaign.campaign_id, "channel": campaign.channel or ""}


def _sum_gauges(
    rows: Sequence[_Row], folded: Sequence[CampaignSnapshot], others: FoldedSnapshot
) -> Iterator[tuple[MetricFamily, Samples]]:
    for spec in SUM_GAUGES:
        scale = MICROS if spec.is_money else 1
        samples = []
        for row in rows:
            value = getattr(row.reading.sums, spec.field)
            if value is not None:
                samples.append(Sample("", row.money if spec.is_money else row.counted, value / scale))
        samples += _folded_samples(folded_sums(folded, others, spec.field), is_money=spec.is_money)
        yield table.BY_NAME[spec.family], samples


def _folded_samples(folded: Mapping[tuple[str, str, str], float], *, is_money: bool) -> Samples:
    """Sums of the folded campaigns; counts of two currencies are one sample."""
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for (model, window, currency), value in folded.items():
        pairs = {"campaign_id": OTHER, "channel": "", "window": window, "model": model}
        if is_money:
            pairs["currency"] = currency
        key = tuple(pairs.items())
        sums[key] = sums.get(key, 0) + value
    scale = MICROS if is_money else 1
    return [Sample("", Labels(dict(key)), value / scale) for key, value in sums.items()]


def _kpi_gauges(rows: Sequence[_Row]) -> Iterator[tuple[MetricFamily, Samples]]:
    for family in KPI_FAMILIES:
        samples = []
        for kpi in family.kpis:
            for row in rows:
                value = row.reading.kpis.get(kpi.id)
                if value is None:
                    continue
                labels = row.money if kpi.is_money else row.counted
                if kpi.labels:
                    labels = Labels({**labels.pairs, **dict(kpi.labels)})
                samples.append(Sample("", labels, value))
        yield table.BY_NAME[family.name], samples


def _completeness(campaign: CampaignSnapshot) -> Iterator[Sample]:
    for (model, window), reading in campaign.readings.items():
        known = reading.completeness or Completeness(leads=None, orders=None)
        for conversion, share in (("lead", known.leads), ("order", known.orders)):
            if share is not None:
                own = {"window": window, "model": model, "conversion": conversion}
                yield Sample("", Labels({**_identity(campaign), **own}), share)


def _share(row: _Row, name: str) -> Iterator[Sample]:
    """Of a campaign's reading; a roll-up has none."""
    share = getattr(row.reading, name) if isinstance(row.reading, CampaignKpi) else None
    if share is not None:
        yield Sample("", row.counted, share)


def _uncertain(rows: Iterable[_Row]) -> Iterator[Sample]:
    return (Sample("", row.counted, 1) for row in rows if row.reading.has_uncertain_amounts)


def _folded_uncertain(folded: Iterable[CampaignSnapshot], others: FoldedSnapshot) -> Iterator[Sample]:
    """The sums of the folded campaigns are as uncertain as any of them."""
    views = {
        key
        for campaign in folded
        for key, reading in campaign.readings.items()
        if reading.has_uncertain_amounts
    }
    for model, window in sorted(views | others.uncertain):
        yield Sample("", Labels({"campaign_id": OTHER, "channel": "", "window": window, "model": model}), 1)


def _rollups(rollups: Sequence[RollupSnapshot]) -> Iterator[tuple[MetricFamily, Samples]]:
    """What campaigns have, of roll-ups; those without a campaign any more are left out."""
    rows, counts = [], []
    for each in rollups:
        names = {"dimension": each.dimension, "value": each.value}
        campaigns = max((reading.campaigns for reading in each.readings.values()), default=0)
        if campaigns:
            counts.append(Sample("", Labels(names), campaigns))
            rows += [
                _row(reading, {**names, "window": window, "model": model})
                for (model, window), reading in each.readings.items()
            ]
    for family, samples in (*_sum_gauges(rows, (), FoldedSnapshot()), *_kpi_gauges(rows)):
        yield table.BY_NAME[table.rollup_name(family.name)], samples
    yield table.ROLLUP_UNCERTAIN_AMOUNTS, list(_uncertain(rows))
    yield table.ROLLUP_CAMPAIGNS, counts


def _customers(
    kept: Sequence[CampaignSnapshot], folded: Sequence[CampaignSnapshot], others: FoldedSnapshot
) -> Iterator[tuple[MetricFamily, Samples]]:
    """Of each campaign with series of its own; sums of the others are one sample."""
    rows = [(_identity(campaign), campaign.customers) for campaign in kept if campaign.customers is not None]
    known = [(Labels({**names, "model": each.model}), each) for names, each in rows]
    money = [(Labels({**labels.pairs, "currency": each.currency}), each) for labels, each in known]
    counted, paid = known, money
    if rest := [*others.customers, *(each.customers for each in folded if each.customers is not None)]:
        counted, paid = list(known), list(money)
        for each in _folded_customers(rest):
            labels = {"campaign_id": OTHER, "channel": "", "model": each.model}
            counted.append((Labels(labels), each))
            paid.append((Labels({**labels, "currency": each.currency}), each))
    yield table.CUSTOMERS, [Sample("", labels, each.customers) for labels, each in counted]
    yield table.REPEAT_CUSTOMERS, [Sample("", labels, each.repeaters) for labels, each in counted]
    yield table.CUSTOMER_MARGIN, [Sample("", labels, each.margin_micros / MICROS) for labels, each in paid]
    yield (
        table.CUSTOMER_SPEND,
        [
            Sample("", labels, each.spend_micros / MICROS)
            for labels, each in paid
            if each.spend_micros is not None
        ],
    )
    for family, field in ((table.ACQUISITION_CLICKS, "clicks"), (table.ACQUISITION_LEADS, "leads")):
        numbers = [(labels, getattr(each, field)) for labels, each in counted]
        yield family, [Sample("", labels, each) for labels, each in numbers if each is not None]
    for kpi_id, family in table.CUSTOMER_KPIS.items():
        of_each = money if "currency" in family.labels else known
        values = [(labels, each.kpis.get(kpi_id)) for labels, each in of_each]
        yield family, [Sample("", labels, value) for labels, value in values if value is not None]
    yield (
        table.CUSTOMER_RETENTION,
        [
            Sample("", Labels({**labels.pairs, "age": str(age)}), share)
            for labels, each in known
            for age, share in each.retention.items()
        ],
    )
    for family, micros in (
        (table.CONTRACT_MRR, "mrr_micros"),
        (table.CONTRACT_BILLED, "billed_micros"),
    ):
        amounts = [(labels, getattr(each, micros)) for labels, each in paid]
        yield family, [Sample("", labels, each / MICROS) for labels, each in amounts if each is not None]
    yield (
        table.CUSTOMER_ENGAGEMENT,
        [
            Sample("", Labels({**labels.pairs, "kind": kind}), number)
            for labels, each in counted
            for kind, number in each.engagement.items()
        ],
    )
    of_family: dict[MetricFamily, list[Sample]] = {}
    for kpi_id, (family, own) in {**table.WORTH_KPIS, **table.ENGAGEMENT_KPIS}.items():
        samples = of_family.setdefault(family, [])
        for shown, each in money if "currency" in family.labels else known:
            is_shown = kpi_id in table.WORTH_KPIS or each.engagement
            value = each.kpis.get(kpi_id) if is_shown else None
            if value is not None:
                samples.append(Sample("", Labels({**shown.pairs, **own}), value))
    yield from of_family.items()
    yield from _worth([(labels, each.worth) for labels, each in known if each.worth is not None])


def _worth(known: Sequence[tuple[Labels, CustomerWorth]]) -> Iterator[tuple[MetricFamily, Samples]]:
    """What stands beside the KPIs of what customers are expected to bring, and the verdict."""
    yield (
        table.EXPECTED_PERIODS,
        [Sample("", labels, each.months) for labels, each in known if each.months is not None],
    )
    yield (
        table.WORTH_VERDICT,
        [
            Sample("", Labels({**labels.pairs, "verdict": each.verdict}), 1)
            for labels, each in known
            if each.verdict is not None
        ],
    )
    yield table.WORTH_LOOK, [Sample("", labels, each.look) for labels, each in known if each.look is not None]
    ends = [
        (labels, bound, end)
        for labels, each in known
        for bound, end in (("low", each.low), ("high", each.high))
    ]
    yield (
        table.WORTH_ENDS,
        [
            Sample("", Labels({**labels.pairs, "bound": bound}), end)
            for labels, bound, end in ends
            if end is not None
        ],
    )


def _folded_customers(campaigns: Sequence[CustomerTotals]) -> Iterator[CustomerTotals]:
    """Their sums by model and currency; spend, clicks and leads are unknown where those of one campaign are."""
    by: dict[tuple[str, str], list[CustomerTotals]] = {}
    for each in campaigns:
        by.setdefault((each.model, each.currency), []).append(each)
    for (model, currency), those in by.items():
        engagement: Counter[str] = Counter()
        for each in those:
            engagement.update(each.engagement)
        yield CustomerTotals(
            customers=sum(each.customers for each in those),
            repeaters=sum(each.repeaters for each in those),
            margin_micros=sum(each.margin_micros for each in those),
            spend_micros=_sum_of_all(each.spend_micros for each in those),
            clicks=_sum_of_all(each.clicks for each in those),
            leads=_sum_of_all(each.leads for each in those),
            currency=currency,
            model=model,
            engagement=engagement,
            mrr_micros=_sum_of_known(each.mrr_micros for each in those),
            billed_micros=_sum_of_known(each.billed_micros for each in those),
        )


def _sum_of_all(several: Iterable[int | None]) -> int | None:
    """None where one of them is unknown."""
    total = 0
    for each in several:
        if each is None:
            return None
        total += each
    return total


def _sum_of_known(several: Iterable[int | None]) -> int | None:
    known = [each for each in several if each is not None]
    return sum(known) if known else None


def _cohorts(cohorts: Sequence[CohortSnapshot]) -> Iterator[tuple[MetricFamily, Samples]]:
    named = [
        (
            Labels(
                {
                    "channel": each.channel,
                    "model": each.model,
                    "cohort": each.cohort,
                    "partition": str(each.partition),
                }
            ),
            each,
        )
        for each in cohorts
    ]
    yield table.COHORT_CUSTOMERS, [Sample("", labels, each.customers) for labels, each in named]
    yield table.COHORT_REPEATERS, [Sample("", labels, each.repeaters) for labels, each in named]
    yield (
        table.COHORT_MARGIN,
        [
            Sample("", Labels({**labels.pairs, "currency": each.currency}), each.margin_micros / MICROS)
            for labels, each in named
        ],
    )
    yield (
        table.COHORT_ACTIVE,
        [
            Sample("", Labels({**labels.pairs, "age": str(age)}), active)
            for labels, each in named
            for age, active in enumerate(each.active)
        ],
    )
    yield (
        table.COHORT_ENGAGED,
        [
            Sample("", Labels({**labels.pairs, "kind": kind}), number)
            for labels, each in named
            for kind, number in each.engaged.items()
        ],
    )


def _counters(kept: Sequence[CampaignSnapshot], currency: str) -> Iterator[tuple[MetricFamily, Samples]]:
    counted = [Labels(_identity(campaign)) for campaign in kept]
    money = [Labels({**_identity(campaign), "currency": currency}) for campaign in kept]
    for spec in COUNTERS:
        scale = MICROS if spec.is_money else 1
        yield (
            table.BY_NAME[spec.family.removesuffix("_total")],
            [
                Sample("_total", labels, getattr(campaign.counters, spec.field) / scale)
                for campaign, labels in zip(kept, money if spec.is_money else counted, strict=True)
            ],
        )


def _campaign_gauges(
    kept: Sequence[CampaignSnapshot], currency: str
) -> Iterator[tuple[MetricFamily, Samples]]:
    yield table.INFO, [Sample("", Labels(_info(campaign)), 1) for campaign in kept]
    yield table.BUDGET, _amounts(kept, "budget_micros", currency)
    yield table.STARTS, _instants(kept, "starts_at_ms")
    yield table.ENDS, _instants(kept, "ends_at_ms")
    for name, family in table.TARGETS.items():
        yield family, _targets(kept, name, {"currency": currency} if "currency" in family.labels else {})
    yield table.SPEND_SINCE_LAST_LEAD, _amounts(kept, "spend_since_last_lead_micros", currency)
    reported = [(campaign, campaign.overlap) for campaign in kept if campaign.overlap is not None]
    yield (
        table.COVERED_REPORTS,
        [Sample("", Labels(_identity(campaign)), overlap.covered) for campaign, overlap in reported],
    )
    yield (
        table.DISAGREEMENT,
        [
            Sample("", Labels(_identity(campaign)), overlap.difference_micros / overlap.compared_micros)
            for campaign, overlap in reported
            if overlap.compared_micros
        ],
    )
    yield table.WATERMARK, _instants(kept, "watermark_ms")
    yield table.SPEND_COMPLETE, _instants(kept, "spend_complete_ms")
    yield table.COMPLETE_SPEND, _amounts(kept, "complete_spend_micros", currency)


def _info(campaign: CampaignSnapshot) -> dict[str, str]:
    own = ("name", "target", "offer", "objective", "status")
    return {**_identity(campaign), **{name: getattr(campaign, name) or "" for name in own}}


def _amounts(kept: Sequence[CampaignSnapshot], field: str, currency: str) -> Samples:
    for campaign in kept:
        micros = getattr(campaign, field)
        if micros is not None:
            yield Sample("", Labels({**_identity(campaign), "currency": currency}), micros / MICROS)


def _instants(kept: Sequence[CampaignSnapshot], field: str) -> Samples:
    for campaign in kept:
        at_ms = getattr(campaign, field)
        if at_ms is not None:
            yield Sample("", Labels(_identity(campaign)), at_ms / 1_000)


def _targets(kept: Sequence[CampaignSnapshot], name: str, own: Mapping[str, str]) -> Samples:
    for campaign in kept:
        if name in campaign.targets_micros:
            labels = Labels({**_identity(campaign), **own})
            yield Sample("", labels, campaign.targets_micros[name] / MICROS)


def _scope(snapshot: WorkerSnapshot, folded: int) -> Iterator[tuple[MetricFamily, Samples]]:
    pipeline = snapshot.pipeline
    build = {"version": pipeline.version, "cluster": pipeline.cluster, "topic_prefix": pipeline.topic_prefix}
    yield table.BUILD, [Sample("", Labels(build), 1)]
    yield table.READY, [Sample("", _NO_LABELS, snapshot.pipeline.is_ready)]
    clock = pipeline.clock_ms
    yield table.CLOCK, [] if clock is None else [Sample("", _NO_LABELS, clock / 1_000)]
    yield table.LEDGER, list(_ledger(snapshot.pipeline))
    yield table.UNACCOUNTED, list(_unaccounted(snapshot.pipeline))
    yield table.LEDGER_DIFFERENCE, list(_differences(snapshot.pipeline))
    yield table.CAMPAIGNS, [Sample("", _NO_LABELS, len(snapshot.campaigns) + snapshot.folded.count)]
    yield table.FOLDED, [Sample("", _NO_LABELS, folded)]


def _ledger(pipeline: PipelineSnapshot) -> Samples:
    for row in pipeline.ledger:
        for outcome in ("applied", "duplicate", "rejected", "too_late", "conflict"):
            pairs = {"topic": row.topic, "partition": str(row.partition), "outcome": outcome}
            yield Sample("", Labels(pairs), getattr(row, outcome))


def _unaccounted(pipeline: PipelineSnapshot) -> Samples:
    for row in pipeline.ledger:
        yield Sample("", Labels({"topic": row.topic, "partition": str(row.partition)}), row.unaccounted)


def _differences(pipeline: PipelineSnapshot) -> Samples:
    for row in pipeline.differences:
        pairs = {"stage": row.stage, "partition": str(row.partition), "figure": row.figure}
        yield Sample("", Labels(pairs), row.value)


def _pipeline(health: PipelineSnapshot) -> Iterator[tuple[MetricFamily, Samples]]:
    yield (
        table.LAG,
        [
            Sample("", Labels({"topic": topic, "partition": str(partition)}), lag)
            for (topic, partition), lag in health.lag.items()
        ],
    )
    delays = {str(partition): delay / 1_000 for partition, delay in health.watermark_delays_ms.items()}
    yield table.WATERMARK_DELAY, _keyed("partition", delays)
    figures = {str(partition): delay / 1_000 for partition, delay in health.figures_delays_ms.items()}
    yield table.FIGURES_DELAY, _keyed("partition", figures)
    yield (
        table.STANDSTILL,
        [
            Sample("", Labels({"stage": stage, "partition": str(partition)}), seconds)
            for (stage, partition), seconds in health.standstills.items()
        ],
    )
    yield table.BATCH_RECORDS, _histograms(health.batch_records)
    yield table.BATCH_SECONDS, _histograms(health.batch_seconds)
    checkpoints = health.checkpoints
    yield table.CHECKPOINT_SECONDS, _histograms({stage: one.seconds for stage, one in checkpoints.items()})
    written = {stage: one.written_bytes for stage, one in checkpoints.items()}
    yield table.CHECKPOINT_BYTES, _keyed("stage", written, "_total")
    records = {stage: one.written_records for stage, one in checkpoints.items()}
    yield table.CHECKPOINT_RECORDS, _keyed("stage", records, "_total")
    took = {stage: one.seconds for stage, one in health.recoveries.items()}
    yield table.RECOVERY_SECONDS, _keyed("stage", took)
    read = {stage: one.records for stage, one in health.recoveries.items()}
    yield table.RECOVERY_RECORDS, _keyed("stage", read)
    yield table.PUBLISHED, _keyed("topic", health.published, "_total")
    yield table.PUBLISH_ERRORS, _keyed("topic", health.publish_errors, "_total")
    yield table.DEAD_LETTERS, _keyed("reason", health.dead_letters, "_total")
    yield table.REKEYED, _keyed("kind", health.rekeyed, "_total")
    split = {"order": health.split_orders, "event": health.split_events}
    yield table.SPLIT_IDENTITIES, [Sample("", Labels({"kind": kind}), count) for kind, count in split.items()]
    yield table.ALIKE_CAMPAIGNS, [Sample("", _NO_LABELS, health.alike_campaigns)]
    yield table.CHANGED, _keyed("topic", health.changed, "_total")
    yield (
        table.KEYS,
        [
            Sample("_total", Labels({"topic": topic, "key": key}), count)
            for (topic, key), count in health.keys.items()
        ],
    )
    yield table.PENDING_CANCELLATIONS, [Sample("", _NO_LABELS, health.pending_cancellations)]
    yield table.UNCERTAIN_COSTS, [Sample("", _NO_LABELS, health.uncertain_costs)]
    yield table.UNCERTAIN_ORDERS, [Sample("", _NO_LABELS, health.uncertain_orders)]
    yield table.REGISTRY, _keyed("registry", health.registry_sizes)
    yield table.REGISTRY_REFUSED, _keyed("registry", health.registry_refused)


def _keyed(label: str, values: Mapping[str, float], suffix: str = "") -> Samples:
    return [Sample(suffix, Labels({label: key}), value) for key, value in values.items()]


def _histograms(by_stage: Mapping[str, HistogramSnapshot]) -> Samples:
    for stage, one in by_stage.items():
        bounds = [*(number(bound) for bound in one.bounds), "+Inf"]
        for bound, count in zip(bounds, accumulate(one.counts), strict=True):
            yield Sample("_bucket", Labels({"stage": stage, "le": bound}), count)
        yield Sample("_count", Labels({"stage": stage}), sum(one.counts))
        yield Sample("_sum", Labels({"stage": stage}), one.total)


def _board(board: BoardSnapshot | None, currency: str) -> Iterator[tuple[MetricFamily, Samples]]:
    if board is None:
        return
    counts = {column: count for column, (count, _) in board.columns.items()}
    yield table.BOARD_CAMPAIGNS, _keyed("column", counts)
    yield (
        table.BOARD_CARDS,
        [
            Sample("", Labels({"column": column, "currency": currency}), money / MICROS)
            for column, (_, money) in board.columns.items()
        ],
    )
    committed = Labels({"currency": currency})
    yield table.BOARD_COMMITTED, [Sample("", committed, board.committed_micros / MICROS)]
    yield table.BOARD_LIVE, [Sample("", _NO_LABELS, board.is_live)]
    yield table.BOARD_BREAKER, [Sample("", _NO_LABELS, board.is_breaker_open)]
    yield (
        table.BUDGET_ACTIONS,
        [
            Sample("_total", Labels({"verb": verb, "mode": mode}), count)
            for (verb, mode), count in board.actions.items()
        ],
    )
    yield table.CAMPAIGN_ACTIONS, [sample for card in board.cards for sample in _actions(card)]
    yield (
        table.CAMPAIGN_COLUMN,
        [Sample("", Labels({**_place(card), "column": card.column}), 1) for card in board.cards],
    )
    yield table.CAMPAIGN_HOLD, [sample for card in board.cards for sample in _hold(card)]
    yield table.E_VALUE, [sample for card in board.cards for sample in _evidence(card, "e_value")]
    needed = [Sample("", Labels(_place(card)), card.e_value_needed) for card in board.cards if card.evidence]
    yield table.E_VALUE_NEEDED, needed
    yield table.MISSED, [sample for card in board.cards for sample in _evidence(card, "probability_bad")]


def _place(card: CardSnapshot) -> dict[str, str]:
    return {"campaign_id": card.campaign_id, "channel": card.channel or ""}


def _evidence(card: CardSnapshot, field: str) -> Samples:
    for name, evidence in card.evidence.items():
        yield Sample("", Labels({**_place(card), "target": name}), getattr(evidence, field))


def _actions(card: CardSnapshot) -> Samples:
    for (verb, mode), count in card.actions.items():
        yield Sample("_total", Labels({**_place(card), "verb": verb, "mode": mode}), count)


def _hold(card: CardSnapshot) -> Samples:
    if card.hold_owner is not None:
        ends = inf if card.hold_expires_ms is None else card.hold_expires_ms / 1_000
        yield Sample("", Labels({**_place(card), "owner": card.hold_owner}), ends)


def _redis(health: PipelineSnapshot) -> Iterator[tuple[MetricFamily, Samples]]:
    redis = health.redis
    if redis is None:
        return
    yield table.REDIS_UP, [Sample("", _NO_LABELS, redis.is_up)]
    yield table.REDIS_PENDING, [Sample("", _NO_LABELS, redis.pending)]
    yield table.REDIS_WRITTEN, [Sample("_total", _NO_LABELS, redis.written)]
    yield table.REDIS_ERRORS, [Sample("_total", _NO_LABELS, redis.errors)]
