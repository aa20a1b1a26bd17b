"""Customers whose orders declare no campaign: a model says on a real broker who acquired them, also after the worker is killed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from metrics.records.customer_kpi import ALL_COHORTS
from metrics.records.events import NO_CAMPAIGN
from metrics.values.time import DAY, HOUR, format_instant
from streams import topics
from streams.embedded.broker import BrokerHandle
from streams.embedded.cache import CacheHandle
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import Outgoing, customers_in_redis, published, read_all, write
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

pytestmark = pytest.mark.verify

NOW_MS = int(time.time()) * 1000
CUSTOMERS = 9
MODELS = {
    "ROISTREAM_CUSTOMER_RETENTION": "1000d",
    "ROISTREAM_ATTRIBUTION_MODELS": "linear,last_touch",
    "ROISTREAM_CUSTOMER_MODELS": "linear,last_touch",
}


def journeys() -> list[Outgoing]:
    """Nine people who clicked on c-1 and then on c-2, each third of them on c-2 twice more; their orders have no key of theirs."""
    found: list[Outgoing] = []
    for number in range(CUSTOMERS):
        visitor = f"v-{number}"
        touched = ["c-1", "c-2", *(["c-2", "c-2"] if number % 3 == 0 else [])]
        for n, campaign in enumerate(touched):
            event = {
                "event_id": f"click-{number}-{n}",
                "occurred_at": format_instant(NOW_MS - 3 * DAY + n * HOUR),
                "visitor_id": visitor,
                "campaign_id": campaign,
            }
            found.append((topics.CLICKS, visitor.encode(), event))
    for number in range(CUSTOMERS):
        order = {
            "event_id": f"order-{number}",
            "occurred_at": format_instant(NOW_MS - DAY),
            "order_id": f"o-{number}",
            "kind": "placed",
            "customer_id": f"cust-{number}",
            "visitor_id": f"v-{number}",
            "revenue": 20,
        }
        found.append((topics.ORDERS, f"o-{number}".encode(), order))
    for number in range(12):  # strangers, so that the clicks of every partition have come to the present
        event = {"event_id": f"now-{number}", "occurred_at": format_instant(NOW_MS)}
        stranger = {"visitor_id": f"w-{number}", "campaign_id": "c-3"}
        found.append((topics.CLICKS, f"w-{number}".encode(), event | stranger))
    return found


def acquired(records: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Customers by model and campaign, of the newest records."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for each in records:
        key = each["model"], each["campaign_id"]
        if each["cohort"] == ALL_COHORTS and each["revision"] >= newest.get(key, each)["revision"]:
            newest[key] = each
    found: dict[str, dict[str, int]] = {}
    for (model, campaign), each in newest.items():
        if each["sums"]["customers"]:
            found.setdefault(model, {})[campaign] = each["sums"]["customers"]
    return found


EXPECTED = {
    "declared": {NO_CAMPAIGN: CUSTOMERS},
    "linear": {"c-1": 6, "c-2": 3},  # of halves the first touch
    "last_touch": {"c-2": CUSTOMERS},
}


def test_topic_and_redis_tell_who_acquired_customers_in_models_also_after_a_kill(
    broker: BrokerHandle, settings_for: Callable[..., Settings], cache: CacheHandle, tmp_path: Path
) -> None:
    settings = settings_for(broker, redis_url=cache.url, partitions=3)
    ensure_topics(settings, create=True)
    client = redis.Redis.from_url(cache.url)
    client.flushall()

    def in_redis() -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for model in EXPECTED:
            for each in customers_in_redis(settings, model):
                if each.cohort == ALL_COHORTS and each.sums.customers:
                    found.setdefault(model, {})[each.campaign_id] = each.sums.customers
        return found

    def on_topic() -> dict[str, dict[str, int]]:
        return acquired(published(settings, topics.CUSTOMER_KPIS, None))

    def is_told() -> bool:
        return in_redis() == EXPECTED and on_topic() == EXPECTED

    def gauged(worker: WorkerProcess) -> dict[str, float]:
        return {
            dict(labels)["campaign_id"]: n for labels, n in worker.samples()["campaign_customers"].items()
        }

    with running_worker(settings, tmp_path, **MODELS) as worker:
        read_all([worker], settings, write(settings, journeys()))
        wait_for("topic and Redis tell who acquired customers in each model", is_told)
        worker.kill()
    client.flushall()  # views are filled again by the successor
    with running_worker(settings, tmp_path, "successor", **MODELS) as worker:
        wait_for("Redis is filled again", is_told)
        late = {
            "event_id": "late",
            "occurred_at": format_instant(NOW_MS - 2 * DAY),
            "visitor_id": "v-1",
            "campaign_id": "c-2",
        }
        write(settings, [(topics.CLICKS, b"v-1", late)])
        moved = {**EXPECTED, "linear": {"c-1": 5, "c-2": 4}}
        wait_for("a late click has moved one", lambda: in_redis() == moved)
        assert on_topic() == moved
        assert gauged(worker) == {NO_CAMPAIGN: CUSTOMERS}
    # Without the setting cohorts in models are taken back, and those of declared stay.
    without = {name: value for name, value in MODELS.items() if name != "ROISTREAM_CUSTOMER_MODELS"}
    with running_worker(settings, tmp_path, "without", **without):
        alone = {"declared": EXPECTED["declared"]}
        wait_for("models have no customers any more", lambda: in_redis() == alone)
        assert on_topic() == alone
