"""The topics of customers on a real broker: what `customer-kpis` says equals a batch computation, also after kills, repeated records and an erasure."""

import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
import redis

from metrics.customers.calendar import CustomerCalendar, local_time, month_start
from metrics.customers.cohorts import by_month
from metrics.customers.customer_events import CustomerEventCounts
from metrics.customers.engagement_figures import COHORT_ENGAGEMENT, MONTH_ENGAGEMENT
from metrics.customers.histories import OrderHistories
from metrics.customers.run_off import CohortRun, expected_value
from metrics.exposition.metric_families import CUSTOMER_ENGAGEMENT, ENGAGEMENT_KPIS, WORTH_KPIS
from metrics.values.time import DAY, HOUR
from streams import topics
from streams.commands import erase
from streams.customers.report import Asked, CustomerReport, report
from streams.embedded.broker import BrokerHandle
from streams.embedded.cache import CacheHandle
from streams.messages.decoding import DECODERS
from streams.process import now_ms
from streams.settings import Settings
from streams.sinks.customer_series import ENGAGEMENT
from streams.sinks.redis_names import RedisNames
from streams.transport.topic_admin import ensure_topics
from tests.support.oracles.customer_events import CustomerSumsExpected
from tests.support.outside import Outgoing, ledgers, published, read_all, write
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

pytestmark = pytest.mark.verify

ZONE = ZoneInfo("Europe/Paris")
MONTHS = CustomerCalendar(ZONE)
CAMPAIGNS = ("c-1", "c-2")
CUSTOMERS = 24
GONE = "cust-3"
KEPT = {"ROISTREAM_CUSTOMER_RETENTION": "1000d", "ROISTREAM_TIMEZONE": ZONE.key}
Record = tuple[str, str, dict]


class Story:
    """What customers of two campaigns do in the four months before ``over``, in the order in which it happens."""

    def __init__(self, over: int) -> None:
        self._rng = random.Random(20)
        self._first = month_start(over - 4, ZONE)
        self._hours = (month_start(over, ZONE) - self._first) // HOUR
        self.records: list[Record] = []
        for number in range(CUSTOMERS):
            self._customer(number)
        for number in range(8):
            fields = {"score": self._rng.randint(0, 10), "campaign_id": CAMPAIGNS[number % 2]}
            self._add(topics.SURVEYS, CAMPAIGNS[number % 2], self._rng.randrange(self._hours), fields)
        self.records.sort(key=lambda each: each[2]["occurred_at"])

    def _customer(self, number: int) -> None:
        rng, who = self._rng, f"cust-{number}"
        start = rng.randrange(self._hours * 9 // 10)
        for hour in (start, *(rng.randrange(start, self._hours) for _ in range(rng.randrange(3)))):
            fields = {
                "order_id": f"o{len(self.records)}", "customer_id": who, "campaign_id": CAMPAIGNS[number % 2],
                "revenue": f"{rng.randint(1_000, 9_000) / 100}", "cost_of_goods": "4.20",
            }  # fmt: skip
            self._add(topics.ORDERS, who, hour, fields)
        self._add(topics.SURVEYS, who, self._after(start), {"score": rng.randint(0, 10), "customer_id": who})
        rating = {"kind": "csat", "score": rng.randint(1, 5), "customer_id": who}
        self._add(topics.SURVEYS, who, self._after(start), rating)
        hour = start
        for stage in ("opened", "responded", "resolved")[: rng.randint(1, 3)]:
            fields = {"ticket_id": f"t{number}", "stage": stage, "customer_id": who}
            self._add(topics.TICKETS, f"t{number}", hour, fields)
            hour = min(self._hours - 1, hour + rng.randint(1, 60))
        self._contract(number, who, start)
        if number % 3 == 0:
            brought = f"visitor-{number}"
            fields = {"referrer_id": who, "visitor_id": brought}
            self._add(topics.REFERRALS, brought, self._after(start), fields)
        if number % 4:
            self._add(topics.ACTIVATIONS, who, self._after(start), {"customer_id": who})

    def _contract(self, number: int, who: str, hour: int) -> None:
        kind, left = "started", self._rng.randint(1, 3)
        while hour < self._hours and left:
            fields = {
                "subscription_id": f"s{number}", "kind": kind, "term": "P1M", "amount": f"{4 + number % 3 + left}.90", "customer_id": who
            }  # fmt: skip
            self._add(topics.SUBSCRIPTIONS, f"s{number}", hour, fields)
            kind, left = "renewed" if number % 5 or left > 2 else "cancelled", left - 1
            hour += 29 * 24

    def _after(self, hour: int) -> int:
        return self._rng.randrange(hour, self._hours)

    def _add(self, topic: str, key: str, hour: int, fields: dict) -> None:
        value = {
            "event_id": f"e{len(self.records)}",
            "occurred_at": self._first + hour * HOUR + self._rng.randrange(HOUR),
        }
        self.records.append((topic, key, value | fields))


def outgoing(records: list[Record]) -> list[Outgoing]:
    return [(topic, key.encode(), value) for topic, key, value in records]


def without(records: list[Record], who: str) -> list[Record]:
    """What is left of the records when somebody is forgotten; whom others brought stays brought."""
    return [each for each in records if who not in (each[2].get("customer_id"), each[2].get("referrer_id"))]


def batch(records: list[Record], campaign: str, over: int) -> CustomerReport:
    """What `roistream customers` computes of the customers of one campaign."""
    mine = {value["customer_id"] for topic, _, value in records if (topic, value.get("campaign_id")) == (topics.ORDERS, campaign)}  # fmt: skip
    orders, counted = OrderHistories(), CustomerEventCounts(MONTHS, "EUR")
    for topic, _, value in records:
        event = DECODERS[topic].decode(msgspec.json.encode(value))
        who = value.get("referrer_id") or value.get("customer_id")
        if who not in mine and value.get("campaign_id") != campaign:
            continue
        if topic == topics.ORDERS:
            orders.take(event)
        else:
            counted.take(event)
    asked = Asked("month", by_month, CustomerCalendar(ZONE), month_start(over, ZONE), 12, 1, 5)
    return report(orders.base(), "EUR", 0, None, asked, lambda _: None, counted)


def wanted_of(records: list[Record], over: int, gone: str | None) -> dict[tuple[str, str], dict]:
    """What a batch computation and a plain pass find, by campaign and cohort and by name of the figure."""
    wanted: dict[tuple[str, str], dict] = {}
    for campaign in CAMPAIGNS:
        found = batch(records if gone is None else without(records, gone), campaign, over)
        for row in (found.whole, *found.cohorts):
            cohort = "total" if row is found.whole else row.cohort
            assert row.engagement is not None
            wanted[campaign, cohort] = {
                **{f"kpis.{name}": row.engagement.kpis[name] for name in COHORT_ENGAGEMENT},
                "kpis.clv_historic": row.clv_historic,
                "kpis.repeat_rate": row.repeat_rate,
                "sums.customers": row.customers,
                "sums.orders": row.orders,
                "sums.revenue_micros": row.revenue_micros,
                "sums.repeaters": row.engagement.repeaters,
            }
        wanted[campaign, "total"] |= _foreseen(found)
        for month in found.months:
            assert month.engagement is not None
            for name in MONTH_ENGAGEMENT:
                wanted[campaign, "total"][f"{month.month}.{name}"] = month.engagement[name]
    plain = CustomerSumsExpected(records, MONTHS, gone).sums
    assert plain.keys() >= wanted.keys()
    for key, values in wanted.items():
        values |= {f"sums.{name}": number for name, number in plain[key].items()}
    return wanted


def _foreseen(found: CustomerReport) -> dict[str, object]:
    """What the customers of a campaign are expected to bring, by the cohorts of the batch computation."""
    expected = expected_value(
        [CohortRun(row.customers, row.margin_by_month_micros) for row in found.cohorts], None
    )
    assert expected is not None, "the story is long enough to tell"
    return {
        "kpis.clv_expected": round(expected.value, 6),
        "kpis.clv_expected_low": round(expected.low, 6),
        "kpis.clv_expected_high": round(expected.high, 6),
        "kpis.clv_expected_to_cac": None,
        "worth.months": expected.months,
        "worth.waits_for": "year",
    }


def differences(settings: Settings, wanted: dict[tuple[str, str], dict]) -> list[str]:
    """What the newest records of `customer-kpis` say otherwise."""
    last: dict[tuple[str, str], dict] = {}
    for each in published(settings, topics.CUSTOMER_KPIS):
        key = each["campaign_id"], each["cohort"]
        if key not in last or each["revision"] > last[key]["revision"]:
            last[key] = each
    shown = {key: each for key, each in last.items() if key[0] in CAMPAIGNS and each["sums"]["customers"]}
    if shown.keys() != wanted.keys():
        return [f"records of {sorted(shown.keys() ^ wanted.keys())}"]
    return [
        f"{key} {name}: {said!r}, not {value!r}"
        for key, values in wanted.items()
        for name, value in values.items()
        if (said := _said(shown[key], name)) != value
    ]


def _said(record: dict, name: str) -> object:
    part, _, field = name.partition(".")
    if part in {"kpis", "sums", "worth"}:
        return record[part][field]
    months = {each["month"]: each["kpis"] for each in record["months"]}
    return months.get(part, {}).get(field, "no such month")


def test_topics_of_customers_equal_a_batch_computation_after_kills_repeated_records_and_an_erasure(
    broker: BrokerHandle, cache: CacheHandle, settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = settings_for(broker, redis_url=cache.url, partitions=2)
    ensure_topics(settings, create=True)
    today = local_time(now_ms(), ZONE)
    over = today.year * 12 + today.month - 3  # the month before last: nothing hangs on the day of the test
    records = Story(over).records
    # Orders of somebody else's, in both partitions: all months of the story are over.
    present = month_start(over, ZONE) + 10 * DAY
    later = [
        (topics.ORDERS, f"later-{n}", {"event_id": f"l{n}", "occurred_at": present, "order_id": f"l{n}", "customer_id": f"later-{n}", "campaign_id": "c-9", "revenue": 1})
        for n in range(8)
    ]  # fmt: skip
    third = len(records) // 3
    written: Counter[tuple[str, int]] = Counter()

    with running_worker(settings, tmp_path, **KEPT) as worker:
        written += write(settings, outgoing(records[:third]))
        wait_for("some of it is read", lambda: any(any(each.values()) for each in ledgers([worker]).values()))
        worker.kill()
    # What was written twice, and what comes before what it follows: the end of the story before its middle.
    records_again = records[2 * third :] + records[: third // 2] + records[third : 2 * third]
    written += write(settings, outgoing(records_again + later))
    with running_worker(settings, tmp_path, "second", **KEPT) as worker:
        outcomes = read_all([worker], settings, written)
        assert sum(each.get("rejected", 0) for each in outcomes.values()) == 0
        assert sum(each.get("duplicate", 0) for each in outcomes.values()) == third // 2
        _settles(settings, records, over)
        erase.run(settings, None, GONE, None)
        _settles(settings, records, over, GONE)
        worker.kill()
    with running_worker(settings, tmp_path, "third", **KEPT) as worker:
        # A ticket of who is forgotten goes on, and so does one of somebody else.
        more = [
            (topics.TICKETS, f"t{n}", {"event_id": f"more{n}", "occurred_at": present, "ticket_id": f"t{n}", "stage": "resolved", "customer_id": f"cust-{n}"})
            for n in (3, 4)
        ]  # fmt: skip
        written += write(settings, outgoing(more))
        read_all([worker], settings, written)
        wanted = _settles(settings, records + more[1:], over, GONE)
        wait_for("/metrics shows the same", lambda: not on_the_page(worker, wanted))
        wait_for("Redis has the same", lambda: not in_redis(cache, settings, wanted))


def on_the_page(worker: WorkerProcess, wanted: dict[tuple[str, str], dict]) -> list[str]:
    """What gauges of the campaigns say otherwise."""
    samples, wrong = worker.samples(), []
    for campaign in CAMPAIGNS:
        values = wanted[campaign, "total"]
        newest = max(name[:7] for name in values if name[4] == "-")
        for name, value in values.items():
            part, _, field = name.partition(".")
            family, own = (
                (WORTH_KPIS | ENGAGEMENT_KPIS).get(field, (None, {}))
                if part in {"kpis", newest}
                else (None, {})
            )
            if part == "sums" and field in ENGAGEMENT:
                family, own = CUSTOMER_ENGAGEMENT, {"kind": field}
            if family is None or (part == newest) != (field == "contract_churn_rate"):
                continue
            shown = [
                seen
                for labels, seen in samples[family.name].items()
                if {("campaign_id", campaign), *own.items()} <= {*labels}
            ]
            if shown != ([] if value is None else [value]):
                wrong.append(f"{campaign} {name}: {shown}, not {value}")
    return wrong


def in_redis(cache: CacheHandle, settings: Settings, wanted: dict[tuple[str, str], dict]) -> list[str]:
    """What the views say otherwise."""
    names, wrong = RedisNames(settings.topic_prefix), []
    with contextlib.closing(redis.Redis.from_url(cache.url)) as client:
        for (campaign, cohort), values in wanted.items():
            raw = client.hget(names.name(f"customers:declared:{cohort}"), campaign)
            record = {} if raw is None else json.loads(raw)
            wrong += [f"{campaign} {cohort} {name}" for name, value in values.items() if not record or _said(record, name) != value]  # fmt: skip
    return wrong


def _settles(
    settings: Settings, records: list[Record], over: int, gone: str | None = None
) -> dict[tuple[str, str], dict]:
    """Wait until nothing differs from what is wanted; fail with the first differences."""
    wanted = wanted_of(records, over, gone)
    last: list[str] = ["nothing was read"]

    def is_settled() -> bool:
        last[:] = differences(settings, wanted)
        return not last

    try:
        wait_for("customer-kpis equals the batch computation", is_settled, 120)
    except AssertionError:
        pytest.fail("\n".join(last[:20]) + f"\n({len(last)} differences)")
    return wanted
