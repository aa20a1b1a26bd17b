"""Rows become records: groups, ids, keys, order, and what is not mapped."""

import json

import pytest

from streams.replay.conversion import convert
from streams.replay.loading import load
from streams.replay.mapping import MappingError

INVOICES = """
description = "invoices"
timezone = "Europe/London"
[[skip]]
reason = "adjustment"
when = [{ column = "invoice", matches = "^A" }]
[[output]]
topic = "orders"
when = [{ column = "invoice", matches = "^[0-9]" }]
group_by = ["invoice"]
key = ["customer_id", "order_id"]
[[output.having]]
reason = "nothing sold"
when = [{ column = "revenue", equals = "0" }]
[output.fields]
order_id = "invoice"
occurred_at = { column = "at", aggregate = "min" }
revenue = { product = ["quantity", "price"], aggregate = "sum" }
customer_id = "customer"
[[output]]
topic = "orders"
when = [{ column = "invoice", matches = "^C" }]
group_by = ["invoice"]
key = ["customer_id"]
[output.fields]
order_id = "invoice"
kind = { constant = "refunded" }
occurred_at = { column = "at", aggregate = "min" }
revenue = { product = ["quantity", "price"], aggregate = "sum", negate = true }
customer_id = "customer"
"""
CLICKS = """
description = "clicks"
[lookups.campaign]
files = ["ads.csv"]
key = "ad"
value = "campaign"
latest_by = "version"
[[output]]
topic = "ad-clicks"
files = ["clicks.csv"]
[output.fields]
occurred_at = "at"
campaign_id = { column = "ad", lookup = "campaign" }
visitor_id = "who"
cost = { column = "cost", unit = "cents" }
"""


@pytest.fixture
def converted(tmp_path):
    def run(mapping, name="data.csv", **files):
        (tmp_path / "mine.toml").write_text(mapping)
        for stem, text in files.items():
            (tmp_path / f"{stem}.csv").write_text(text)
        return convert(load(tmp_path / "mine.toml"), [tmp_path / name])

    return run


def values(conversion, topic=None):
    return [json.loads(record.value) for record in conversion.records if topic in {None, record.topic}]


HEAD = "invoice,at,quantity,price,customer\n"


def test_the_lines_of_an_invoice_become_one_order_with_their_exact_sum(converted):
    lines = "1,2011-07-01 10:01:00,3,0.1,7\n1,2011-07-01 10:00:00,1,0.001,7\n1,2011-07-01 10:01:00,3,0.1,7\n"
    (order,) = values(converted(INVOICES, data=HEAD + lines))
    event_id = order.pop("event_id")
    assert len(event_id) == 32
    assert order == {
        "order_id": "1",
        "occurred_at": "2011-07-01T09:00:00Z",
        "revenue": "0.601",
        "customer_id": "7",
    }


def test_a_credit_note_is_a_refund_of_the_positive_amount(converted):
    conversion = converted(INVOICES, data=HEAD + "C2,2011-01-01 10:00:00,-2,4.5,7\n")
    (refund,) = values(conversion)
    assert (refund["kind"], refund["revenue"]) == ("refunded", "9")
    assert conversion.records[0].key == "7"


def test_records_come_in_the_order_of_event_time(converted):
    lines = "2,2011-01-02 10:00:00,1,1,7\n3,2011-01-01 10:00:00,1,1,\nC4,2011-01-01 12:00:00,-1,1,7\n"
    conversion = converted(INVOICES, data=HEAD + lines)
    assert [value["order_id"] for value in values(conversion)] == ["3", "C4", "2"]
    assert [record.key for record in conversion.records] == ["3", "7", "7"]


def test_one_bad_line_refuses_its_whole_invoice_and_no_other(converted):
    lines = "1,2011-01-01 10:00:00,1,1,7\n1,2011-01-01 10:00:00,x,1,7\n2,2011-01-01 10:00:00,1,1,7\n"
    conversion = converted(INVOICES, data=HEAD + lines)
    assert [value["order_id"] for value in values(conversion)] == ["2"]
    assert conversion.unmapped.counts == {"orders: revenue is not a number": 2}
    assert conversion.unmapped.examples == {"orders: revenue is not a number": ["data.csv:3 (x)"]}


def test_every_row_is_mapped_or_counted_under_a_reason(converted):
    lines = (
        "A1,2011-01-01 10:00:00,1,1,7\n"  # left out by the mapping
        "5,2011-01-01 10:00:00,-3,0,7\n"  # an invoice of nothing
        "X6,2011-01-01 10:00:00,1,1,7\n"  # nobody's
        "7,2011-01-01 10:00:00\n"  # torn
        "8,someday,1,1,7\n"
        "9,2011-01-01 10:00:00,-1,5,7\n"  # negative without being a credit note
        "10,2011-01-01 10:00:00,1,0.0000001,7\n"
    )
    conversion = converted(INVOICES, data=HEAD + lines)
    assert values(conversion) == []
    assert conversion.rows == 7
    assert conversion.unmapped.counts == {
        "skipped: adjustment": 1,
        "skipped: nothing sold": 1,
        "no output takes this row": 1,
        "unreadable row": 1,
        "orders: occurred_at is not a time in a known format": 1,
        "orders: revenue is no amount": 2,
    }


def test_the_same_row_always_has_the_same_id_and_an_equal_line_is_its_duplicate(converted):
    text = "at,ad,who,cost\n2026-01-01,1,v,10\n2026-01-01,1,v,10\n2026-01-01,1,w,10\n"
    ads = "ad,campaign,version\n1,old,1\n1,new,10\n1,older,9\n"
    first, second = (values(converted(CLICKS, name="clicks.csv", clicks=text, ads=ads)) for _ in range(2))
    assert first == second
    ids = [value["event_id"] for value in first]
    assert ids[0] == ids[1] != ids[2]
    assert first[0] | {"event_id": ""} == {
        "occurred_at": "2026-01-01T00:00:00Z",
        "campaign_id": "new",
        "visitor_id": "v",
        "cost": "0.1",
        "event_id": "",
    }


def test_an_id_that_no_lookup_knows_leaves_the_row_unmapped(converted):
    conversion = converted(CLICKS, name="clicks.csv", clicks="at,ad,who,cost\n2026-01-01,9,v,10\n")
    (reason,) = conversion.unmapped.counts
    assert reason == "ad-clicks: refused"
    assert "campaign_id" in conversion.unmapped.examples[reason][0]


def test_a_column_that_the_file_lacks_stops_with_its_name(converted):
    with pytest.raises(MappingError, match="has no column 'customer'"):
        converted(INVOICES, data="invoice,at,quantity,price\n1,2011-01-01,1,1\n")


def test_a_named_file_that_no_output_reads_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a\n1\n")
    with pytest.raises(MappingError, match="does not read"):
        convert(load("ad_exports"), [tmp_path / "other.csv"])
    with pytest.raises(MappingError, match="does not read any file of the folder"):
        convert(load("ad_exports"), [tmp_path])


REPORTS = """
description = "reports and constants"
decimal_comma = true
thousands = "."
[[records]]
topic = "campaigns"
value = { campaign_id = "c-9", budget = 100.5, cost_basis = "reports" }
[[records]]
topic = "fx-rates"
value = { currency = "USD", rate = "0.87654321", valid_from = 2026-01-01T00:00:00Z }
[[output]]
topic = "campaigns"
group_by = ["campaign"]
[output.fields]
campaign_id = "campaign"
[[output]]
topic = "ad-reports"
group_by = ["campaign", "day"]
[output.fields]
campaign_id = "campaign"
source = { constant = "x" }
period_start = { column = "day", timezone = { column = "zone" } }
period_end = { column = "day", add = "1 day", timezone = { column = "zone" } }
clicks = { total = ["paid", "earned"], aggregate = "sum" }
spend = { column = "spend", aggregate = "sum" }
currency = { column = "currency", values = { "$" = "USD" } }
"""
REPORT_ROWS = (
    "campaign;day;zone;paid;earned;spend;currency\n"
    "c-1;2026-03-29;Europe/Paris;1;2;1.000,50;$\n"
    "c-1;2026-03-29;Europe/Paris;3;;0,25;$\n"
    "c-2;2026-03-29;;1;;1;$\n"
    "c-3;2026-03-29;;1;;1;€\n"
)


def test_registries_come_first_and_constants_are_among_them(converted):
    conversion = converted('delimiter = ";"\n' + REPORTS, data=REPORT_ROWS)
    keys = [(record.topic, record.key) for record in conversion.records]
    assert keys[0] == ("fx-rates", "USD|2026-01-01T00:00:00Z")
    assert keys[1:5] == [("campaigns", f"c-{number}") for number in (9, 1, 2, 3)]
    assert sorted(keys[5:]) == [("ad-reports", "c-1"), ("ad-reports", "c-2")]


def test_reports_are_summed_over_the_day_of_their_account(converted):
    conversion = converted('delimiter = ";"\n' + REPORTS, data=REPORT_ROWS)
    report = next(value for value in values(conversion, "ad-reports") if value["campaign_id"] == "c-1")
    assert report.pop("report_id")
    assert report == {
        "campaign_id": "c-1",
        "source": "x",
        "period_start": "2026-03-28T23:00:00Z",
        "period_end": "2026-03-29T22:00:00Z",
        "clicks": 6,
        "spend": "1000.75",
        "currency": "USD",
    }
    assert conversion.unmapped.notes == {"no time zone known for zone '', UTC taken"}
    assert conversion.unmapped.examples == {
        "ad-reports: currency is not among the values of the mapping": ["data.csv:5 (€)"]
    }


def test_a_restated_report_has_another_id_and_an_equal_one_the_same(converted):
    def ids(text):
        conversion = converted('delimiter = ";"\n' + REPORTS, data=text)
        return {value["campaign_id"]: value["report_id"] for value in values(conversion, "ad-reports")}

    before, same, after = ids(REPORT_ROWS), ids(REPORT_ROWS), ids(REPORT_ROWS.replace("0,25", "0,26"))
    assert before == same
    assert before["c-1"] != after["c-1"]
    assert before["c-2"] == after["c-2"]


def test_a_wrong_constant_is_refused(converted):
    text = 'description = "x"\n[[records]]\ntopic = "campaigns"\nvalue = { name = "n" }\n'
    with pytest.raises(MappingError, match="campaign_id"):
        converted(text, data="a\n1\n")
