"""Campaigns that are over, as their archive holds them; the same seed, the same campaigns."""

import random
from collections.abc import Iterable

import msgspec
from kafka import KafkaProducer

from metrics.archive.editions import ArchivedFigures, CampaignArchive
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.kpi_reading import Sums
from metrics.values.time import DAY, format_instant
from streams import topics
from streams.settings import Settings

MILLION = 1_000_000
#: 2026-11-01.
NOW = 20_758 * DAY
TARGETS, OFFERS, CHANNELS = ("families", "students"), ("trial", "discount"), ("search", "social", "email")


def campaigns(count: int, seed: int = 3) -> list[CampaignArchive]:
    """Campaigns of three months and more ago; students cost twice as much, one of them is young and one in dollars."""
    rng = random.Random(seed)
    return [_campaign(number, rng) for number in range(count)]


def _campaign(number: int, rng: random.Random) -> CampaignArchive:
    target, channel = TARGETS[number % 2], CHANNELS[number % 3]
    days, spend = rng.randrange(10, 40), rng.randrange(1_000, 9_000)
    leads = max(1, round(spend / (12 if target == "families" else 25) * rng.uniform(0.7, 1.4)))
    orders = max(1, round(leads * rng.uniform(0.1, 0.3)))
    revenue = orders * rng.randrange(60, 120)
    end = NOW - (number * 11 + 100) * DAY
    sums = Sums(
        impressions=leads * 900, clicks=leads * 20, leads=leads, mqls=0, sqls=0, orders=orders, new_customers=orders, cancelled_orders=0,
        spend_micros=spend * MILLION, other_cost_micros=50 * MILLION, revenue_micros=revenue * MILLION,
        refunds_micros=revenue * MILLION // 20, cost_of_goods_micros=revenue * MILLION // 4,
    )  # fmt: skip
    is_young, is_foreign = number == 7, number == 9
    return CampaignArchive(
        campaign_id=f"past-{number}", edition=2 if number == 4 else 1, archived_at=format_instant(NOW),
        name=f"Season {number}", channel=channel, target=target, offer=OFFERS[number // 3 % 2], objective="leads" if number % 4 else None,
        starts_at=format_instant(end - days * DAY), ends_at=format_instant(end), budget_micros=spend * MILLION, targets=None,
        currency="USD" if is_foreign else "EUR", models={"declared": ArchivedFigures(sums=sums, kpis=compute(KpiInputs(sums=sums, total=sums)))},
        evidence={}, actions={"pause": number % 3}, watermark=format_instant(end + (12 if is_young else 31) * DAY),
        changes=["models.declared.sums.refunds_micros: 0 → 4"] if number == 4 else [],
    )  # fmt: skip


def produce(settings: Settings, editions: Iterable[CampaignArchive]) -> None:
    """Put editions onto their topic."""
    producer = KafkaProducer(bootstrap_servers=settings.broker.removeprefix("kafka://"))
    try:
        sent = [
            producer.send(
                settings.topic(topics.CAMPAIGN_ARCHIVE),
                msgspec.json.encode(each),
                key=each.campaign_id.encode(),
                partition=0,
            )
            for each in editions
        ]
        for each in sent:
            each.get(timeout=30)
    finally:
        producer.close()
