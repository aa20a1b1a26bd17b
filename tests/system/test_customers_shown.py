"""From orders of three months to the page: topic, gauges, Redis and the board tell the same customers, also after the worker is killed."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from metrics.customers.side_by_side import CohortLine, CustomersShown, side_by_side
from metrics.values.time import DAY, format_instant
from streams import topics
from streams.embedded.broker import BrokerHandle
from streams.embedded.cache import CacheHandle
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import Outgoing, customers_in_redis, published, read_all, write
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

pytestmark = pytest.mark.verify

NOW_MS = int(time.time()) * 1000
CUSTOMERS = 10
KEPT = {"ROISTREAM_CUSTOMER_RETENTION": "1000d"}


def orders() -> list[Outgoing]:
    """Ten customers of one campaign, acquired 100 days ago; half of them order again some 60 days ago, one order is refunded."""
    found: list[Outgoing] = []

    def add(number: int, days_ago: int, kind: str = "placed", **more: Any) -> None:
        order_id, customer = f"o{number}-{days_ago}", f"cust-{number}"
        event = {"event_id": f"{kind}{order_id}", "occurred_at": format_instant(NOW_MS - days_ago * DAY)}
        order = {
            "order_id": order_id,
            "customer_id": customer,
            "campaign_id": "c-1",
            "kind": kind,
            "revenue": 20,
        }
        found.append((topics.ORDERS, customer.encode(), event | order | more))  # fmt: skip

    for number in range(CUSTOMERS):
        add(number, 100)
    for number in range(0, CUSTOMERS, 2):
        add(number, 60)
    add(0, 60, "refunded", refund=20)
    add(99, 0, campaign_id="c-2")  # somebody else's first order: the present
    return found


def came_back(line: CohortLine) -> float:
    """The share of a cohort that ordered in later months, which is in one of them here."""
    return sum(share or 0 for share in line.retention[1:])


def gauges(worker: WorkerProcess) -> dict[str, float]:
    """Gauges of the customers of c-1 and of the oldest cohort, by name."""
    samples = worker.samples()
    found = {
        name: value
        for name, by_labels in samples.items()
        for labels, value in by_labels.items()
        if "customer" in name + "retention" and ("campaign_id", "c-1") in labels and name.startswith("campaign_")
    }  # fmt: skip
    cohorts = samples["cohort_customers"]
    if cohorts:
        oldest = min(dict(labels)["cohort"] for labels in cohorts)
        found |= {"cohort": sum(v for labels, v in cohorts.items() if ("cohort", oldest) in labels)}
    return found


def test_topic_gauges_redis_and_page_tell_the_same_customers_also_after_a_kill(
    broker: BrokerHandle, settings_for: Callable[..., Settings], cache: CacheHandle, tmp_path: Path
) -> None:
    settings = settings_for(broker, redis_url=cache.url, partitions=1)
    ensure_topics(settings, create=True)
    client = redis.Redis.from_url(cache.url)
    client.flushall()

    def shown() -> CustomersShown:
        return side_by_side(customers_in_redis(settings), "c-1", "declared")

    def is_told(worker: WorkerProcess) -> bool:
        found = gauges(worker)
        if (found.get("campaign_customers"), found.get("campaign_repeat_customers"), found.get("cohort")) != (
            CUSTOMERS, CUSTOMERS / 2, CUSTOMERS
        ):  # fmt: skip
            return False
        told = {each.campaign_id: each for each in shown().campaigns}
        return "c-1" in told and (told["c-1"].customers, told["c-1"].repeat_rate) == (CUSTOMERS, 0.5)

    def settle(worker: WorkerProcess) -> None:
        wait_for("gauges and Redis tell all customers", lambda: is_told(worker))
        assert gauges(worker)["campaign_customer_margin"] == 20 * (CUSTOMERS + CUSTOMERS / 2 - 1)

    with running_worker(settings, tmp_path, **KEPT) as worker:
        read_all([worker], settings, write(settings, orders()))
        settle(worker)
        worker.kill()
    client.flushall()  # views are filled again by the successor
    with running_worker(settings, tmp_path, "successor", **KEPT) as worker:
        settle(worker)
        # A record of each cohort follows by itself.
        wait_for(
            "the matrix has who came back", lambda: [came_back(line) for line in shown().cohorts] == [0.5]
        )
        (line,) = shown().cohorts
        assert line.customers == CUSTOMERS
        records = [
            json.loads(json.dumps(each))
            for each in published(settings, topics.CUSTOMER_KPIS)
            if each["campaign_id"] == "c-1" and each["cohort"] == "total"
        ]
        last = max(records, key=lambda each: each["revision"])
        assert (last["sums"]["customers"], last["sums"]["repeaters"]) == (CUSTOMERS, CUSTOMERS / 2)
