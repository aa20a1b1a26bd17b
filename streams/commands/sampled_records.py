"""What the newest records of each source say of their keys, names, ids and reports: a sample for ``roistream doctor``."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import aiokafka
from aiokafka import TopicPartition

from metrics.entities.report_overlaps import choose
from metrics.entities.reports import Report, ReportKey
from metrics.records.campaign_spellings import CampaignSpellings
from metrics.records.events import AdReport
from metrics.records.validation import decode, instant
from metrics.values.errors import Rejection
from metrics.values.intervals import Interval
from metrics.values.time import format_instant
from streams import topics
from streams.messages.decoding import DECODERS
from streams.messages.source_records import Record
from streams.runtime.key_watch import judge_keys
from streams.settings import Settings
from streams.stages.intake.conversions import other_ids
from streams.stages.intake.reports import judge_report
from streams.transport.client_options import log_options
from streams.transport.client_stop import stop_client

#: Records of each partition; and how many of them say something of a source.
_NEWEST, _ENOUGH = 1_000, 50
_READ_WITHIN_S = 10
_SAMPLED = (topics.CLICKS, topics.IMPRESSIONS, topics.LEADS, topics.ORDERS, topics.REPORTS)
_SHOWN = 3
#: Figures of a report that count; of each the newest report of a period that tells it.
_FIGURES = ("impressions", "clicks", "spend")


class SampledRecord(NamedTuple):
    """One of the newest records of a source."""

    partition: int
    record: Record


Sample = Mapping[str, Sequence[SampledRecord]]


async def read_newest(settings: Settings) -> Sample:
    """The newest records of every source partition, by topic."""
    consumer = aiokafka.AIOKafkaConsumer(**log_options(settings))
    full = {settings.topic(name): name for name in _SAMPLED}
    partitions = [TopicPartition(name, each) for name in full for each in range(settings.partitions)]
    consumer.assign(partitions)
    found: dict[str, list[SampledRecord]] = {name: [] for name in _SAMPLED}
    try:
        await consumer.start()
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, max(begins[tp], ends[tp] - _NEWEST))
        loop = asyncio.get_running_loop()
        until = loop.time() + _READ_WITHIN_S
        while loop.time() < until:
            behind = [tp for tp in partitions if await consumer.position(tp) < ends[tp]]
            if not behind:
                break
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                found[full[tp.topic]] += [
                    SampledRecord(tp.partition, Record(each.offset, each.timestamp, each.key, each.value))
                    for each in records
                ]
    finally:
        await stop_client(consumer)
    return found


class Events(NamedTuple):
    """Decoded records of a sample, with where they came."""

    partition: int
    record: Record
    event: Any


def decoded(sample: Sample, settings: Settings) -> dict[str, list[Events]]:
    """What of a sample can be read, without texts that stand for missing names."""
    found: dict[str, list[Events]] = {}
    for topic, records in sample.items():
        found[topic] = []
        for partition, record in records:
            try:
                event = settings.reserved_names.cleared(decode(DECODERS[topic], record.value))
            except Rejection:
                continue
            found[topic].append(Events(partition, record, event))
    return found


def judge_sample(sample: Sample, settings: Settings) -> Iterator[tuple[str, str]]:
    """What is worth a word: a subject, and a sentence that says what to do."""
    events = decoded(sample, settings)
    yield from (("keys", said) for said in _keys(events, settings))
    yield from (("campaigns", said) for said in _campaigns(events))
    yield from (("ids", said) for said in _split_ids(events))
    yield from (("orders", said) for said in _left_out_costs(events[topics.ORDERS]))
    judged = list(_reports(events[topics.REPORTS], settings))
    yield from (("reports", said) for said in _left_out_figures(judged))
    yield from (("reports", said) for said in _covered_reports(judged, settings))


def _keys(events: Mapping[str, Sequence[Events]], settings: Settings) -> Iterator[str]:
    if settings.rekey == "visitor":
        return
    rule = settings.key_rule
    for topic in (topics.CLICKS, topics.IMPRESSIONS, topics.LEADS, topics.ORDERS):
        kinds = Counter(
            rule.kind(each.record.key, each.event.visitor_id, _others(each.event))
            for each in events[topic]
            if each.event.visitor_id is not None
        )
        said = judge_keys(topic, kinds["other"], kinds.total() - kinds["none"], _ENOUGH)
        if said is not None:
            yield said


def _others(event: Any) -> tuple[str | None, ...]:
    if hasattr(event, "ad_id"):
        return event.event_id, event.campaign_id, event.ad_id
    return other_ids(event)


def _campaigns(events: Mapping[str, Sequence[Events]]) -> Iterator[str]:
    spellings = CampaignSpellings()
    for some in events.values():
        spellings.note(each.event.campaign_id for each in some if each.event.campaign_id is not None)
    alike = spellings.alike()
    if alike:
        shown = "; ".join(", ".join(map(repr, group[:4])) for group in alike[:_SHOWN])
        yield (
            f"{len(alike)} campaigns have ids that differ only in case, spaces or encoding, and are counted apart: {shown}. "
            "Let the source write one of them, or join them by ROISTREAM_CAMPAIGN_ALIASES."
        )


def _split_ids(events: Mapping[str, Sequence[Events]]) -> Iterator[str]:
    for topic, some in events.items():
        if topic == topics.REPORTS:
            continue
        where: dict[tuple[str | None, str], set[int]] = defaultdict(set)
        for each in some:
            where[getattr(each.event, "source", None), each.event.event_id].add(each.partition)
        split = [event_id for (_, event_id), partitions in where.items() if len(partitions) > 1]
        if split:
            yield (
                f"{topic}: {len(split)} of the newest {len(where)} event ids are on several partitions ({split[0]!r}), and count "
                "once on each. Give all records of one event_id the same key, such as the visitor_id."
            )
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    for each in events[topics.ORDERS]:
        places[each.event.source, each.event.order_id].add(each.partition)
    orders = [order_id for (_, order_id), partitions in places.items() if len(partitions) > 1]
    if orders:
        yield (
            f"orders: {len(orders)} of the newest {len(places)} orders have records on several partitions ({orders[0]!r}): changes "
            "and refunds do not find their order there. Give all records of an order the same key, such as the visitor_id."
        )


def _left_out_costs(orders: Sequence[Events]) -> Iterator[str]:
    """Orders whose newest version leaves out what the goods cost, and an earlier one told it: an edit says all, so the cost is 0."""
    by_order: dict[tuple[str | None, str], list[tuple[int, Any]]] = defaultdict(list)
    for _, _, event in orders:
        if event.kind == "placed":
            try:
                by_order[event.source, event.order_id].append(
                    (instant(event.occurred_at, "occurred_at"), event)
                )
            except Rejection:
                continue
    found = []
    for (_, order_id), versions in by_order.items():
        *earlier, (_, newest) = sorted(versions, key=lambda each: each[0])
        if newest.cost_of_goods is None and any(each.cost_of_goods for _, each in earlier):
            found.append(order_id)
    if found:
        yield (
            f"{len(found)} of the newest {len(by_order)} orders leave out a cost_of_goods that an earlier record told ({found[-1]!r}): "
            "an edit says all that an order is worth, so it costs 0 now and profit is too high. Let the shop send the "
            "cost_of_goods with every record of an order."
        )


class JudgedReport(NamedTuple):
    """A report as a worker keeps it, with its figures as they came."""

    campaign: str
    report: Report
    event: AdReport


def _reports(events: Sequence[Events], settings: Settings) -> Iterator[JudgedReport]:
    for partition, record, event in events:
        try:
            # Spend is compared in its own currency, since the registry is not read.
            delay = settings.delays_by_source.get(event.source, 0)
            yield JudgedReport(event.campaign_id, judge_report(event, record, partition, delay), event)
        except Rejection:
            continue


def _left_out_figures(judged: Sequence[JudgedReport]) -> Iterator[str]:
    """Figures that the newest report of a period leaves out, and an earlier one told: they are as old as that one."""
    by_key: dict[tuple[str, ReportKey], list[JudgedReport]] = defaultdict(list)
    for each in sorted(judged, key=lambda each: each.report.version):
        by_key[each.campaign, each.report.key].append(each)
    found = []
    for *earlier, newest in by_key.values():
        names = [
            name
            for name in _FIGURES
            if getattr(newest.event, name) is None and any(getattr(each.event, name) for each in earlier)
        ]
        if names:
            found.append((names, newest))
    if found:
        shown = "; ".join(f"{', '.join(names)} of {_shown(*newest[:2])}" for names, newest in found[-_SHOWN:])
        yield (
            f"{len(found)} of the newest {len(by_key)} reports leave out a figure that an earlier one of their period told, which "
            f"stays as that one told it: {shown}. Let the source say 0 where it means zero, and tell every figure again that may "
            "have changed."
        )


def _covered_reports(judged: Sequence[JudgedReport], settings: Settings) -> Iterator[str]:
    """Reports that count nowhere, since others about the same time count."""
    by_campaign: dict[str, dict[ReportKey, Report]] = defaultdict(dict)
    for campaign, report, _ in judged:
        known = by_campaign[campaign].get(report.key)
        if known is None or known.version < report.version:
            by_campaign[campaign][report.key] = report
    covered, total = [], 0
    for campaign, reports in by_campaign.items():
        total += len(reports)
        clips = choose(reports.values(), settings.report_rules, _spend).clips
        covered += [(campaign, reports[key]) for key, where in clips.items() if not where]
    if covered:
        newest = sorted(covered, key=lambda pair: pair[1].version)[-_SHOWN:]
        shown = "; ".join(_shown(campaign, each) for campaign, each in newest)
        yield (
            f"{len(covered)} of the newest {total} reports count nowhere, since others of their time do: {shown}. That is as it "
            "should be where one platform sends several grains; else see ROISTREAM_REPORT_GRAIN and _SOURCES."
        )


def _shown(campaign: str, report: Report) -> str:
    start, end = format_instant(report.period_start), format_instant(report.period_end)
    return f"{report.source} on {campaign!r} from {start} to {end}"


def _spend(report: Report, part: Interval) -> int:
    length = report.period_end - report.period_start
    return report.spend_micros * (part[1] - part[0]) // length
