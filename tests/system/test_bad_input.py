"""Bad input: each with a clear reason, nothing lost, and the good records beside it all counted."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from streams import topics
from streams.embedded.broker import BrokerHandle
from streams.settings import Settings
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import last_revisions, published, read_all, write
from tests.support.servers.worker import running_worker, wait_for

NOW_MS = int(time.time()) * 1000


def click(**fields: Any) -> dict[str, Any]:
    return {"event_id": "good", "occurred_at": NOW_MS, "campaign_id": "c"} | fields


def order(**fields: Any) -> dict[str, Any]:
    base = {"event_id": "good", "occurred_at": NOW_MS, "order_id": "o", "campaign_id": "c", "revenue": 5}
    return base | fields


def report(**fields: Any) -> dict[str, Any]:
    base = {"report_id": "r", "source": "s", "campaign_id": "c", "spend": 1}
    return base | {"period_start": NOW_MS - 3_600_000, "period_end": NOW_MS} | fields


CLICKS, ORDERS, LEADS, REPORTS = topics.CLICKS, topics.ORDERS, topics.LEADS, topics.REPORTS
#: What, topic, value, reason.
BAD: list[tuple[str, str, Any, str]] = [
    ("broken JSON", CLICKS, b'{"event_id": "x', "invalid_json"),
    ("not JSON at all", LEADS, b"hello", "invalid_json"),
    ("two objects in one record", CLICKS, b'{"event_id":"a"},{"event_id":"b"}', "invalid_json"),
    ("a list", CLICKS, b"[]", "invalid_field"),
    ("empty value", CLICKS, b"", "invalid_json"),
    ("null value", ORDERS, None, "invalid_json"),
    ("not UTF-8", CLICKS, b"\xff\xfe\x00", "invalid_json"),
    ("not UTF-8 inside a string", CLICKS, b'{"event_id":"\xff","occurred_at":1,"campaign_id":"c"}', "invalid_json"),
    ("a wrong type", CLICKS, click(event_id=5), "invalid_field"),
    ("an empty id", CLICKS, click(campaign_id=""), "invalid_field"),
    ("a long id", CLICKS, click(campaign_id="x" * 129), "invalid_field"),
    ("a missing field", CLICKS, {"event_id": "x", "occurred_at": NOW_MS}, "missing_field"),
    ("an order without revenue", ORDERS, order(revenue=None), "missing_field"),
    ("negative money", CLICKS, click(cost=-1), "invalid_field"),
    ("too many decimals", CLICKS, click(cost="0.1234567"), "invalid_field"),
    ("no number", ORDERS, order(revenue="NaN"), "invalid_field"),
    ("underscores in money", CLICKS, click(cost="1_000"), "invalid_field"),
    ("underscores in an amount", ORDERS, order(revenue="1_000"), "invalid_field"),
    ("too much money", ORDERS, order(revenue=10**12), "invalid_field"),
    ("what is no currency", ORDERS, order(currency="euro"), "unknown_currency"),
    ("the year 2099", CLICKS, click(occurred_at="2099-01-01T00:00:00Z"), "future_timestamp"),
    ("no offset", CLICKS, click(occurred_at="2026-01-01T00:00:00"), "invalid_field"),
    ("no instant", LEADS, {"event_id": "x", "occurred_at": "soon", "lead_id": "l"}, "invalid_field"),
    ("an unknown stage", LEADS, {"event_id": "x", "occurred_at": NOW_MS, "lead_id": "l", "stage": "vip"}, "invalid_field"),
    ("an empty period", REPORTS, report(period_end=NOW_MS - 3_600_000), "invalid_field"),
    ("a negative count", REPORTS, report(clicks=-1), "invalid_field"),
    ("300 KB", CLICKS, click(offer="x" * 300_000), "oversized"),
    ("2 MB", CLICKS, click(offer="x" * 2_000_000), "oversized"),
    ("deep nesting", CLICKS, b"[" * 5_000, "invalid_json"),
]  # fmt: skip


def test_each_bad_record_is_a_dead_letter_with_its_reason_and_good_ones_beside_it_count(
    broker: BrokerHandle, settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    _allow_large(settings)
    good = [
        (CLICKS, None, click(event_id="null key", cost="0.25")),
        (CLICKS, b"\xff", click(event_id="strange key", cost=0.5)),
        (CLICKS, b"v", click(event_id="unknown fields", surprise={"a": [1]}, cost="1")),
        (ORDERS, b"v", order(event_id="micro", order_id="big", revenue=999_999_999_999.99)),
    ]
    records = [(topic, f"k{number}".encode(), value) for number, (_, topic, value, _) in enumerate(BAD)]
    mixed: list[Any] = list(records)
    for number, record in enumerate(good):
        mixed.insert(7 * number, record)
    with running_worker(settings, tmp_path) as worker:
        counts = write(settings, mixed)
        read_all([worker], settings, counts)
        letters = wait_for("every bad record has its letter", lambda: _letters(settings))
        assert {int(letter["key"][1:]): letter["reason"] for letter in letters} == {
            number: reason for number, (_, _, _, reason) in enumerate(BAD)
        }
        assert all(letter["detail"] for letter in letters)
        assert {letter["topic"] for letter in letters} == {settings.topic(topic) for _, topic, _, _ in BAD}
        oversized = next(letter for letter in letters if letter.get("length", 0) > 2_000_000)
        assert oversized["truncated"]
        assert len(oversized["value"]) <= 65_536
        total = wait_for("the total is published", lambda: _total(settings))
        assert total["sums"]["clicks"] == 3
        assert total["sums"]["spend_micros"] == 1_750_000
        assert total["sums"]["revenue_micros"] == 999_999_999_999_990_000
        assert worker.process.poll() is None


def _letters(settings: Settings) -> list[dict[str, Any]]:
    letters = published(settings, topics.DEAD_LETTERS)
    return letters if len(letters) >= len(BAD) else []


def _total(settings: Settings) -> dict[str, Any] | None:
    total = last_revisions(published(settings)).get(("c", "total", None))
    return total if total and total["sums"]["clicks"] == 3 and total["sums"]["orders"] else None


def _allow_large(settings: Settings) -> None:
    """A source that lets 4 MB records through: refusing them is then roistream's to do."""
    admin = KafkaAdminClient(**kafka_python_options(settings))
    with contextlib.closing(admin):
        limits = {"max.message.bytes": "4194304"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic(CLICKS), limits)])
