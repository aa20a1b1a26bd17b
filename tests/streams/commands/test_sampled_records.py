"""What the doctor says of the newest records."""

import msgspec

from streams import topics
from streams.commands.sampled_records import SampledRecord, judge_sample
from streams.messages.source_records import Record
from streams.settings import Settings

HOUR = 3_600_000
T0 = 1_794_960_000_000
SETTINGS = Settings(attribution_models=["linear"])


def sample(**by_topic):
    """Records by topic, each (partition, key, value)."""
    found = {
        name: [] for name in (topics.CLICKS, topics.IMPRESSIONS, topics.LEADS, topics.ORDERS, topics.REPORTS)
    }
    for topic, records in by_topic.items():
        for offset, (partition, key, value) in enumerate(records):
            record = Record(offset, T0, key, msgspec.json.encode(value))
            found[topic.replace("_", "-")].append(SampledRecord(partition, record))
    return found


def click(n, campaign="c-1", visitor="v-1"):
    return {"event_id": f"e{n}", "occurred_at": T0, "campaign_id": campaign, "visitor_id": visitor}


def said(found, settings=SETTINGS):
    return dict(judge_sample(found, settings))


def test_a_source_in_order_gives_no_cause_for_a_word():
    assert said(sample(ad_clicks=[(0, b"v-1", click(n)) for n in range(100)])) == {}


def test_a_source_whose_keys_are_not_the_visitors_is_named_with_what_to_set():
    found = sample(ad_clicks=[(0, f"session-{n}".encode(), click(n)) for n in range(100)])
    text = said(found)["keys"]
    assert text.startswith("ad-clicks: 100 %")
    assert "ROISTREAM_REKEY=visitor" in text
    assert said(found, Settings(rekey="visitor")) == {}


def test_framed_keys_of_the_visitor_are_the_visitors():
    assert said(sample(ad_clicks=[(0, b'"v-1"', click(n)) for n in range(100)])) == {}


def test_campaigns_that_are_spelt_alike_are_named():
    found = sample(
        ad_clicks=[
            (0, b"v-1", click(n, name)) for n, name in enumerate(["Spring%20Sale", "spring sale", "autumn"])
        ]
    )
    assert "'Spring%20Sale', 'spring sale'" in said(found)["campaigns"]


def test_event_ids_on_several_partitions_are_named():
    found = sample(ad_clicks=[(0, b"v-1", click(1)), (1, b"v-1", click(1)), (0, b"v-1", click(2))])
    assert said(found)["ids"].startswith("ad-clicks: 1 of the newest 2 event ids")


def order(n, kind="placed", event_id=None, **more):
    value = {"event_id": event_id or f"o{n}", "order_id": f"o{n}", "occurred_at": T0, "visitor_id": "v-1"}
    return value | {"kind": kind, "revenue": 10} | more


def test_orders_whose_records_are_on_several_partitions_are_named():
    refund = order(1, "refunded", "refund-1")
    found = sample(orders=[(0, b"v-1", order(1)), (1, b"v-1", refund), (0, b"v-1", order(2))])
    assert said(found)["ids"].startswith(
        "orders: 1 of the newest 2 orders have records on several partitions ('o1')"
    )
    assert said(sample(orders=[(0, b"v-1", order(1)), (0, b"v-1", refund)])) == {}
    of_another_shop = order(1, event_id="o1-b", source="b")
    assert "ids" not in said(sample(orders=[(0, b"v-1", order(1)), (1, b"v-1", of_another_shop)]))


def test_orders_whose_edit_leaves_out_what_the_goods_cost_are_named():
    placed = order(1, cost_of_goods="4")
    edited = order(1, event_id="o1-b", revenue=12, occurred_at=T0 + HOUR)
    text = said(sample(orders=[(0, b"v-1", edited), (0, b"v-1", placed)]))["orders"]
    assert text.startswith(
        "1 of the newest 1 orders leave out a cost_of_goods that an earlier record told ('o1')"
    )
    # Zero is said; a record of a refund tells no cost; a later edit may tell it again; another shop has orders of its own.
    refund = order(1, "refunded", "refund-1", occurred_at=T0 + 2 * HOUR)
    again = order(1, event_id="o1-c", cost_of_goods="5", occurred_at=T0 + 2 * HOUR)
    for fine in (
        [placed, edited | {"cost_of_goods": "0"}],
        [placed | {"cost_of_goods": "0"}, edited],
        [placed, refund],
        [placed, edited, again],
        [placed, edited | {"source": "b"}],
    ):
        assert said(sample(orders=[(0, b"v-1", each) for each in fine])) == {}


def report(report_id, start, end, spend, **more):
    value = {"report_id": report_id, "source": "ads", "campaign_id": "c-1", "period_start": T0 + start * HOUR}
    return value | {"period_end": T0 + end * HOUR, "reported_at": T0 + 48 * HOUR, "spend": spend} | more


def test_figures_that_a_later_report_of_the_period_leaves_out_are_named():
    later = {"reported_at": T0 + 50 * HOUR}
    told = report("r", 0, 1, "5", clicks=7)
    clicks_only = report("r", 0, 1, None, clicks=8) | later
    text = said(sample(ad_reports=[(0, b"c-1", told), (0, b"c-1", clicks_only)]))["reports"]
    assert text.startswith(
        "1 of the newest 1 reports leave out a figure that an earlier one of their period told"
    )
    assert "spend of ads on 'c-1' from 2026-11-18T00:00:00Z to 2026-11-18T01:00:00Z" in text
    # A zero is said; what was zero before, or was never told, is no loss; a later one may tell it again; an older one takes nothing.
    told_again = report("r", 0, 1, "6", clicks=8, reported_at=T0 + 51 * HOUR)
    for fine in (
        [told, report("r", 0, 1, "0", clicks=8) | later],
        [told | {"spend": "0"}, clicks_only],
        [told | {"spend": None}, clicks_only],
        [told, clicks_only, told_again],
        [told, clicks_only | {"reported_at": T0 + 47 * HOUR}],
        [told, report("s", 1, 2, None, clicks=8) | later],
    ):
        assert said(sample(ad_reports=[(0, b"c-1", each) for each in fine])) == {}


def test_covered_reports_are_named_with_their_source_and_time():
    hours = [(0, b"c-1", report(f"h{n}", n, n + 1, "1")) for n in range(24)]
    found = sample(ad_reports=[*hours, (0, b"c-1", report("day", 0, 24, "24"))])
    text = said(found)["reports"]
    assert text.startswith("1 of the newest 25 reports count nowhere")
    assert "ads on 'c-1' from 2026-11-18T00:00:00Z to 2026-11-19T00:00:00Z" in text
    assert said(sample(ad_reports=hours)) == {}
