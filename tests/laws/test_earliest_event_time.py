"""What lies before the earliest event time is refused by every event source, and says so where it is in another unit."""

import pytest

from streams import topics
from tests.laws.machine import Machine

NOW = 1_795_000_000_000
FLOOR = 631_152_000_000
RECORDS = {
    topics.CLICKS: {"event_id": "e", "campaign_id": "c", "cost": "1"},
    topics.IMPRESSIONS: {"event_id": "e", "campaign_id": "c"},
    topics.LEADS: {"event_id": "e", "lead_id": "l"},
    topics.ORDERS: {"event_id": "e", "order_id": "o", "revenue": 1},
    topics.REPORTS: {"report_id": "r", "source": "s", "campaign_id": "c", "clicks": 1},
}


@pytest.mark.parametrize("topic", list(RECORDS))
def test_seconds_sent_as_milliseconds_are_refused_and_named(topic):
    machine = Machine(partitions=1, earliest=FLOOR)
    for at in (NOW // 1_000, FLOOR - 1, FLOOR):
        times = (
            {"period_start": at, "period_end": at + 1_000} if topic == topics.REPORTS else {"occurred_at": at}
        )
        machine.produce_to(0, topic, "c", RECORDS[topic] | times)
    machine.run()
    machine.check_books()
    first, second = machine.letters
    assert "read as seconds, 1795000000 is 2026-11-18" in first["detail"]
    assert "EARLIEST_EVENT_TIME 1990-01-01T00:00:00Z" in second["detail"]
    assert machine.intake(0).ledger[topic].applied == 1
