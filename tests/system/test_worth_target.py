"""CLV : CAC as a target, from orders of sixteen months to the pause: on a real broker, once, also over a kill."""

import json
import time
from typing import Any

import pytest

from metrics.values.time import DAY
from streams import topics
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import Outgoing, published, write
from tests.support.servers.worker import running_worker, wait_for

pytestmark = pytest.mark.verify

POLICY = {
    "stale_after": "5m",
    "hold_for": "never",
    "mature_after": "0s",
    "longest_lag": "0s",
    "learning_phase": "0s",
}
KEPT = {"ROISTREAM_CUSTOMER_RETENTION": "1000d", "ROISTREAM_BUDGET": json.dumps(POLICY)}
MONTHS, CUSTOMERS = 17, 4


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def campaign(name: str, **targets: Any) -> Outgoing:
    return (
        topics.CAMPAIGNS,
        name.encode(),
        {"campaign_id": name, "channel": "search", "budget": 10_000, "targets": targets},
    )


def orders(name: str) -> list[Outgoing]:
    """Customers of seventeen months who bring 20 each in their first month, and no more."""
    found: list[Outgoing] = []
    for month in range(MONTHS, 0, -1):
        for number in range(CUSTOMERS):
            who = f"{name}-{month}-{number}"
            order = {
                "event_id": who, "order_id": who, "customer_id": who, "campaign_id": name, "revenue": 20,
                "occurred_at": now_ms() - month * 30 * DAY,
            }  # fmt: skip
            found.append((topics.ORDERS, who.encode(), order))
    return found


def traffic(name: str, cost: int) -> list[Outgoing]:
    """A click for that money, with as many leads as a target of 2 for each wants three times over."""
    at = now_ms()
    leads: list[Outgoing] = [
        (topics.LEADS, b"v", {"event_id": f"{name}l{at}-{n}", "occurred_at": at, "lead_id": f"{name}{at}-{n}", "campaign_id": name})
        for n in range(2 * cost)
    ]  # fmt: skip
    click = {"event_id": f"{name}c{at}", "occurred_at": at, "campaign_id": name, "cost": cost}
    return [*leads, (topics.CLICKS, b"v", click)]


def test_a_campaign_whose_customers_bring_too_little_is_paused_once_and_one_without_the_target_is_not(
    broker, settings_for, tmp_path
):
    settings = settings_for(broker, budget_mode="enforce", partitions=1)
    ensure_topics(settings, create=True)
    # Each customer brings 20 and costs about 10: enough for 1, and too little for 4.
    cost = 9 * MONTHS * CUSTOMERS
    written = [
        campaign("dear", cpl=2, clv_to_cac=4),
        campaign("fair", cpl=2, clv_to_cac=1),
        campaign("plain", cpl=2),
    ]
    names = ("dear", "fair", "plain")
    history = sorted(
        (order for name in names for order in orders(name)), key=lambda each: each[2]["occurred_at"]
    )
    write(settings, written + history + [each for name in names for each in traffic(name, cost)])

    told: list[int] = []

    def pauses() -> list[tuple[str, str]]:
        return [
            (each["campaign_id"], each["rule"])
            for each in published(settings, topics.BUDGET_ACTIONS)
            if each["verb"] == "pause"
        ]

    def goes_on() -> bool:
        """Life goes on, so that the watermark does; spend is judged by a later reading, so campaigns go on, too."""
        if not told or now_ms() - told[-1] > 1_000:
            told.append(now_ms())
            write(settings, [each for name in names for each in traffic(name, 1)])
        write(settings, traffic("life", 1))
        return bool(pauses())

    with running_worker(settings, tmp_path, **KEPT) as worker:
        wait_for("the campaign is paused for its customers", goes_on, 120)
        worker.kill()
    before = len(published(settings, topics.CUSTOMER_KPIS))
    with running_worker(settings, tmp_path, "successor", **KEPT) as worker:
        wait_for(
            "the successor has told of customers",
            lambda: goes_on() and len(published(settings, topics.CUSTOMER_KPIS)) > before,
            120,
        )
        worker.kill()
    assert pauses() == [("dear", "evidence:clv_to_cac")]
    (action,) = [each for each in published(settings, topics.BUDGET_ACTIONS) if each["verb"] == "pause"]
    assert action["evidence"]["clv_to_cac_high"] < 4
