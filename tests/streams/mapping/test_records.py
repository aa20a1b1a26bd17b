"""Rows become records by SQL: groups, ids, keys, order, and the reason of every row without a record."""

import gzip
import json
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from metrics.values.time import DAY, format_instant, local_midnight, to_millis
from streams.mapping.database import opened
from streams.mapping.model import MappingError
from tests.support.replaying import replayed, writer

INVOICES = """
description = "invoices"
timezone = "Europe/London"
[columns]
at = "time"
quantity = "number"
price = "number"
[[skip]]
reason = "adjustment"
when = "invoice LIKE 'A%'"
[[select]]
topic = "orders"
key = ["customer_id", "order_id"]
id = ["order_id"]
sql = '''
SELECT invoice AS order_id, min(rows.at) AS occurred_at, sum(quantity * price) AS revenue, any_value(customer) AS customer_id,
  CASE WHEN sum(quantity * price) = 0 THEN 'nothing sold' END AS skipped
FROM rows WHERE regexp_matches(invoice, '^[0-9]') GROUP BY invoice
'''
[[select]]
topic = "orders"
key = ["customer_id"]
id = ["order_id"]
sql = '''
SELECT invoice AS order_id, 'refunded' AS kind, min(rows.at) AS occurred_at, -sum(quantity * price) AS revenue,
  any_value(customer) AS customer_id
FROM rows WHERE invoice LIKE 'C%' GROUP BY invoice
'''
"""
CLICKS = """
description = "clicks"
[columns]
at = "time"
cost = "number"
[lookups.ads]
files = ["ads.csv"]
key = "ad"
latest = "version"
columns = { ad = "text", campaign = "text", version = "number" }
[[select]]
topic = "ad-clicks"
files = ["clicks.csv"]
sql = '''SELECT rows.at AS occurred_at, ads.campaign AS campaign_id, who AS visitor_id, cost * 0.01 AS cost
FROM rows LEFT JOIN ads ON ads.ad = rows.ad'''
"""
HEAD = "invoice,at,quantity,price,customer\n"


@pytest.fixture
def run(tmp_path):
    return writer(tmp_path)


def test_the_lines_of_an_invoice_become_one_order_with_their_exact_sum(run):
    lines = "1,2011-07-01 10:01:00,3,0.1,7\n1,2011-07-01 10:00:00,1,0.001,7\n1,2011-07-01 10:01:00,3,0.1,7\n"
    (order,) = run({"data.csv": HEAD + lines}, INVOICES).values()
    assert len(order.pop("event_id")) == 32
    assert order == {
        "order_id": "1",
        "occurred_at": "2011-07-01T09:00:00Z",
        "revenue": "0.601",
        "customer_id": "7",
    }


def test_a_credit_note_is_a_refund_of_the_positive_amount(run):
    result = run({"data.csv": HEAD + "C2,2011-01-01 10:00:00,-2,4.5,7\n"}, INVOICES)
    (refund,) = result.values()
    assert (refund["kind"], refund["revenue"], result.records[0].key) == ("refunded", "9", "7")


def test_records_come_in_the_order_of_event_time(run):
    lines = "2,2011-01-02 10:00:00,1,1,7\n3,2011-01-01 10:00:00,1,1,\nC4,2011-01-01 12:00:00,-1,1,7\n"
    result = run({"data.csv": HEAD + lines}, INVOICES)
    assert [value["order_id"] for value in result.values()] == ["3", "C4", "2"]
    assert [record.key for record in result.records] == ["3", "7", "7"]


def test_one_bad_line_refuses_its_whole_invoice_and_no_other(run):
    lines = "1,2011-01-01 10:00:00,1,1,7\n1,2011-01-01 10:00:00,x,1,7\n2,2011-01-01 10:00:00,1,1,7\n"
    result = run({"data.csv": HEAD + lines}, INVOICES)
    assert [value["order_id"] for value in result.values()] == ["2"]
    assert result.left == {"orders: quantity is not a number": 2}
    assert result.every_left == [
        ("data.csv", 2, "orders: quantity is not a number", "in one record with 3"),
        ("data.csv", 3, "orders: quantity is not a number", "x"),
    ]


def test_every_row_is_mapped_or_counted_under_a_reason(run):
    lines = (
        "A1,2011-01-01 10:00:00,1,1,7\n"  # left out by the mapping
        "5,2011-01-01 10:00:00,-3,0,7\n"  # an invoice of nothing
        "X6,2011-01-01 10:00:00,1,1,7\n"  # nobody's
        "7,2011-01-01 10:00:00\n"  # torn
        "8,someday,1,1,7\n"
        "9,2011-01-01 10:00:00,-1,5,7\n"  # negative without being a credit note
        "10,2011-01-01 10:00:00,1,0.0000001,7\n"
    )
    result = run({"data.csv": HEAD + lines}, INVOICES)
    assert result.values() == []
    assert result.rows == 7
    assert result.left == {
        "skipped: adjustment": 1,
        "skipped: nothing sold": 1,
        "no select takes this row": 1,
        "unreadable row": 1,
        "orders: at is not a time in a known format": 1,
        "orders: refused": 2,
    }
    assert {line for _, line, _, _ in result.every_left} == set(range(2, 9))


def test_the_same_row_always_has_the_same_id_and_an_equal_line_is_its_duplicate(run):
    text = "at,ad,who,cost\n2026-01-01,1,v,10\n2026-01-01,1,v,10\n2026-01-01,1,w,10\n"
    ads = "ad,campaign,version\n1,newest,10\n1,new,9\n1,older,0\n"
    first, second = (run({"clicks.csv": text, "ads.csv": ads}, CLICKS).values() for _ in range(2))
    assert first == second
    ids = [value.pop("event_id") for value in first]
    assert ids[0] == ids[1] != ids[2]
    assert first[0] == {
        "occurred_at": "2026-01-01T00:00:00Z",
        "campaign_id": "newest",
        "visitor_id": "v",
        "cost": "0.1",
    }


def test_csv_and_json_of_the_same_data_have_the_same_ids(run):
    ads = "ad,campaign,version\n1,new,1\n"
    csv = run({"clicks.csv": "at,ad,who,cost\n2026-01-01,1,v,10\n", "ads.csv": ads}, CLICKS).values()
    text = CLICKS.replace('"clicks.csv"', '"clicks.jsonl"')
    assert (
        run(
            {"clicks.jsonl": '{"who": "v", "ad": 1, "cost": 10, "at": "2026-01-01"}\n', "ads.csv": ads}, text
        ).values()
        == csv
    )


def test_an_id_that_no_lookup_knows_leaves_the_row_unmapped(run):
    result = run(
        {"clicks.csv": "at,ad,who,cost\n2026-01-01,9,v,10\n", "ads.csv": "ad,campaign,version\n1,a,1\n"},
        CLICKS,
    )
    assert result.left == {"ad-clicks: refused": 1}
    assert "campaign_id" in result.examples["ad-clicks: refused"][0]


ADS = "ad,campaign,version\n1,newer,10\n1,older,9\n"
CLICK = "at,ad,cost,who\n2026-06-01,1,12,v\n"


def test_the_latest_row_of_a_lookup_is_the_greatest_number_and_not_the_greatest_text(run):
    (click,) = run({"clicks.csv": CLICK, "ads.csv": ADS}, CLICKS).values()
    assert click["campaign_id"] == "newer"


@pytest.mark.parametrize("kind", ["text", "flag"])
def test_a_lookup_whose_latest_is_compared_as_a_text_is_refused(run, kind):
    with pytest.raises(MappingError, match="lookup ads cannot tell the latest by 'version'"):
        run(
            {"clicks.csv": CLICK, "ads.csv": ADS},
            CLICKS.replace('version = "number"', f'version = "{kind}"'),
        )


def test_a_cell_of_a_lookup_that_cannot_be_read_is_an_error_and_not_an_older_value(run):
    files = {"clicks.csv": CLICK, "ads.csv": ADS + "1,newest,11x\n"}
    with pytest.raises(MappingError, match=r"lookup ads: version is not a number: '11x' \(ads.csv:4\)"):
        run(files, CLICKS)
    (click,) = run(
        files, CLICKS.replace('latest = "version"', 'latest = "version"\nwhere = "campaign <> \'newest\'"')
    ).values()
    assert click["campaign_id"] == "newer"


def test_a_lookup_and_the_rows_may_read_a_file_with_different_columns_of_one_name(run):
    mapping = """
description = "steps with the time of their order"
[columns]
at = { name = "step_at", type = "time" }
total = "number"
[lookups.orders]
files = ["steps.csv"]
key = "order"
columns = { order = "text", at = { name = "order_at", type = "time" } }
[[select]]
topic = "orders"
files = ["steps.csv"]
key = ["order_id"]
id = ["order_id"]
sql = '''SELECT rows."order" AS order_id, rows.at AS occurred_at, total AS revenue, CAST(orders.at AS VARCHAR) AS campaign_id
FROM rows LEFT JOIN orders ON orders."order" = rows."order"'''
"""
    (order,) = run(
        {"steps.csv": "order,order_at,step_at,total\n1,2026-05-01,2026-06-01,5\n"}, mapping
    ).values()
    assert order["occurred_at"] == "2026-06-01T00:00:00Z"
    assert order["campaign_id"].startswith("2026-05-01")


def test_rows_are_traced_through_subqueries_joins_windows_and_unions(run):
    text = """
description = "traced"
[columns]
n = "number"
[[select]]
topic = "leads"
key = ["lead_id"]
id = ["lead_id"]
sql = '''
WITH named AS (SELECT id, upper(name) AS name, n FROM rows WHERE n < 10),
  grouped AS (SELECT name, min(id) AS id, sum(n) AS n FROM named GROUP BY ALL)
SELECT g.id AS lead_id, DATE '2026-01-01' AS occurred_at, CASE WHEN g.n > 3 THEN 'mql' ELSE 'lead' END AS stage
FROM (SELECT *, row_number() OVER (ORDER BY name) AS place FROM grouped) g
UNION ALL
SELECT id, DATE '2026-01-02', 'sql' FROM rows WHERE n >= 10
'''
"""
    result = run({"a.csv": "id,name,n\n1,a,1\n2,A,2\n3,b,9\n4,c,12\n5,d,x\n"}, text)
    assert [(value["lead_id"], value["stage"]) for value in result.values()] == [
        ("1", "lead"),
        ("3", "mql"),
        ("4", "sql"),
    ]
    assert [line for _, line, _, _ in result.every_left] == [6]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC id FROM rows", "the SQL is wrong"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("SELECT 'a' AS lead_id", "does not read from rows"),
        ("SELECT DISTINCT id AS lead_id FROM rows", "GROUP BY ALL"),
        ("SELECT id AS lead_id FROM rows LIMIT 1", "LIMIT"),
        ("SELECT id AS lead_id, n AS occurred_at FROM rows", "declare its column as date or time"),
        (
            "SELECT id AS lead_id, DATE '2026-01-01' AS occurred_at, 1 AS turnover FROM rows",
            "no such field: turnover",
        ),
        ("SELECT id AS lead_id FROM rows", "lacks occurred_at"),
        ("SELECT idd AS lead_id, DATE '2026-01-01' AS occurred_at FROM rows", "has the column 'idd'"),
        ("SELECT id AS lead_id, CAST(id AS TIMESTAMP) AS occurred_at FROM rows", "under [columns]"),
        (
            "SELECT id AS lead_id, max(DATE '2026-01-01') AS occurred_at FROM rows GROUP BY id",
            "say which columns make the id",
        ),
    ],
)
def test_sql_that_cannot_be_is_refused_with_what_to_do(run, sql, said):
    text = f"description = 'x'\n[[select]]\ntopic = 'leads'\nsql = '''{sql}'''\n"
    with pytest.raises(MappingError, match="mapping mine") as error:
        run({"a.csv": "id,n\na,1\n"}, text)
    assert said in str(error.value)


def test_an_amount_that_has_lost_its_decimals_is_refused(run):
    text = INVOICES.replace("sum(quantity * price) AS revenue", "sum(quantity * price) / 100 AS revenue")
    with pytest.raises(MappingError, match="DOUBLE"):
        run({"data.csv": HEAD + "1,2011-07-01 10:01:00,3,0.1,7\n"}, text)


REPORTS = """
description = "reports and constants"
[columns]
day = "date"
paid = "count"
earned = "count"
spend = "number"
[[records]]
topic = "campaigns"
value = { campaign_id = "c-9", budget = 100.5, cost_basis = "reports" }
[[records]]
topic = "fx-rates"
value = { currency = "USD", rate = "0.87654321", valid_from = 2026-01-01T00:00:00Z }
[[select]]
topic = "campaigns"
sql = "SELECT campaign AS campaign_id FROM rows GROUP BY ALL"
[[select]]
topic = "ad-reports"
sql = '''
SELECT campaign AS campaign_id, 'x' AS source, in_zone(day, coalesce(known_zone(zone), 'UTC')) AS period_start,
  in_zone(day + INTERVAL 1 DAY, coalesce(known_zone(zone), 'UTC')) AS period_end,
  sum(coalesce(paid, 0) + coalesce(earned, 0)) AS clicks, sum(spend) AS spend, currency,
  CASE WHEN known_zone(zone) IS NULL THEN 'no time zone known for ' || campaign || ', UTC taken' END AS note
FROM rows GROUP BY ALL
'''
"""
REPORT_ROWS = (
    "campaign;day;zone;paid;earned;spend;currency\n"
    "c-1;2026-03-29;Europe/Paris;1;2;1.000,50;USD\nc-1;2026-03-29;Europe/Paris;3;;0,25;USD\nc-2;2026-03-29;Mars;1;;1;USD\n"
    "c-3;2026-03-29;;1;;1;usd\n"
)


def test_registries_come_first_and_constants_are_among_them(run):
    result = run({"data.csv": REPORT_ROWS}, REPORTS)
    keys = [(record.topic, record.key) for record in result.records]
    assert keys[0] == ("fx-rates", "USD|2026-01-01T00:00:00Z")
    assert sorted(keys[1:5]) == [("campaigns", f"c-{number}") for number in (1, 2, 3, 9)]
    assert sorted(keys[5:]) == [("ad-reports", "c-1"), ("ad-reports", "c-2")]


#: Days that begin where clocks change at midnight, and when: libraries for JavaScript differ on them (dayjs 1.11.23, luxon 3.7.2 and others, docs/sources.md).
DAYS_OF_CHANGE = [
    ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"),
    ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z"),
    ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"),
    ("America/Santiago", "2026-04-05", "2026-04-05T04:00:00Z"),
    ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"),
    ("Atlantic/Azores", "2026-10-25", "2026-10-25T00:00:00Z"),
    ("Antarctica/Casey", "2020-03-08", "2020-03-07T13:00:00Z"),
    ("Antarctica/Vostok", "2023-12-18", "2023-12-17T17:00:00Z"),
    ("Asia/Magadan", "2014-10-26", "2014-10-25T12:00:00Z"),
]


@pytest.mark.parametrize(("zone", "day", "start"), DAYS_OF_CHANGE)
def test_a_day_begins_with_its_first_instant_in_files_as_in_windows(run, zone, day, start):
    before = date.fromisoformat(day) - timedelta(days=1)
    rows = "".join(f"c-1;{each};{zone};1;;1;USD\n" for each in (before, day))
    result = run({"data.csv": REPORT_ROWS.partition("\n")[0] + "\n" + rows}, REPORTS)
    periods = sorted((value["period_start"], value["period_end"]) for value in result.values("ad-reports"))
    assert (periods[0][1], periods[1][0]) == (start, start)
    noon = to_millis(datetime.combine(date.fromisoformat(day), time(12), ZoneInfo(zone)))
    assert format_instant(local_midnight(noon, ZoneInfo(zone))) == start
    assert periods[1][1] == format_instant(local_midnight(noon + DAY, ZoneInfo(zone)))


#: Of each kind of change: by half an hour to three hours, at midnight, across it and at another hour, once and each year.
CHANGING_ZONES = [
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Antarctica/Vostok",
    "Asia/Chita",
    "Asia/Pyongyang",
    "America/Caracas",
    "America/Havana",
    "Africa/Cairo",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Paris",
]


def days_of_change(zone):
    """The local dates between 2000 and 2027 on which, or on the eve of which, the clock is set."""
    at = datetime(2000, 1, 1, 12, tzinfo=UTC)
    while at.year < 2028:
        if at.astimezone(zone).utcoffset() != (at + timedelta(days=1)).astimezone(zone).utcoffset():
            yield from (at.date() + timedelta(days=n) for n in (-1, 0, 1, 2))
        at += timedelta(days=1)


@pytest.mark.parametrize("name", CHANGING_ZONES)
def test_a_local_time_is_its_first_instant_however_far_the_clock_goes_back(name):
    zone = ZoneInfo(name)
    days = sorted(set(days_of_change(zone)))
    halves = [datetime.combine(day, time()) + n * timedelta(minutes=30) for day in days for n in range(48)]
    first = {local: to_millis(local.replace(tzinfo=zone)) for local in halves}
    there = [
        local
        for local in halves
        if local == datetime.fromtimestamp(first[local] / 1000, zone).replace(tzinfo=None)
    ]
    assert len(there) > 100
    noons = {day: to_millis(datetime.combine(day, time(15), zone)) for day in days}
    with opened() as database:

        def instants(locals_):
            found = database.execute(
                "SELECT epoch_ms(in_zone(local, ?)) FROM (SELECT unnest(CAST(? AS TIMESTAMP[])) AS local)",
                [name, [local.isoformat() for local in locals_]],
            ).fetchall()
            return [at for (at,) in found]

        assert instants(there) == [first[local] for local in there]
        begun = instants([datetime.combine(day, time()) for day in days])
        assert begun == [local_midnight(noons[day], zone) for day in days]


def test_reports_are_summed_over_the_day_of_their_account(run):
    result = run({"data.csv": REPORT_ROWS}, REPORTS)
    report = next(value for value in result.values("ad-reports") if value["campaign_id"] == "c-1")
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
    assert "no time zone known for c-2, UTC taken" in result.notes
    # A currency that a worker would not know is refused here, with what to do.
    assert "upper" in result.examples["ad-reports: refused"][0]


def test_a_restated_report_has_another_id_and_an_equal_one_the_same(run):
    def ids(text):
        return {
            value["campaign_id"]: value["report_id"]
            for value in run({"data.csv": text}, REPORTS).values("ad-reports")
        }

    before, same, after = ids(REPORT_ROWS), ids(REPORT_ROWS), ids(REPORT_ROWS.replace("0,25", "0,26"))
    assert before == same
    assert before["c-1"] != after["c-1"]
    assert before["c-2"] == after["c-2"]


def test_a_row_without_any_figure_is_left_out_for_its_reason_and_one_of_zeros_is_a_report(run):
    text = """
description = "days"
[columns]
day = "date"
cost = "number"
clicks = "count"
[[select]]
topic = "ad-reports"
sql = "SELECT campaign AS campaign_id, 'x' AS source, day AS period_start, day + 1 AS period_end, SUMS FROM rows GROUP BY ALL"
"""
    rows = "campaign,day,cost,clicks\n" + "".join(
        f"{campaign},2026-03-02,{cost},{clicks}\n"
        for campaign, cost, clicks in (
            ("told", 1, 2),
            ("zero", 0, 0),
            ("cost", 0, ""),
            ("nothing", "", ""),
            ("nothing", " --", "null"),
            ("unreadable", "one", ""),
        )
    )
    result = run({"data.csv": rows}, text.replace("SUMS", "sum(cost) AS spend, sum(clicks) AS clicks"))
    assert {value["campaign_id"] for value in result.values()} == {"told", "zero", "cost"}
    silent = "skipped: a report without any figure, which says nothing and no zero (a zero is 0)"
    assert result.left == {silent: 2, "ad-reports: cost is not a number": 1}
    assert result.examples[silent] == ["data.csv:5", "data.csv:6"]
    said = "gives none of impressions, clicks, spend and conversions"
    with pytest.raises(MappingError, match=said):
        run({"data.csv": rows}, text.replace("SUMS", "'EUR' AS currency"))


HOURLY = """
description = "hours of an ad platform"
timezone = "Europe/Berlin"
[columns]
hour = "time"
cost = "number"
[[select]]
topic = "ad-reports"
sql = '''SELECT campaign AS campaign_id, 'x' AS source, rows.hour AS period_start, rows.hour + INTERVAL 1 HOUR AS period_end,
  cost AS spend FROM rows'''
"""
BY_INSTANT = HOURLY.replace("cost AS spend FROM rows", "sum(cost) AS spend FROM rows GROUP BY ALL")
BY_LOCAL_HOUR = BY_INSTANT.replace('hour = "time"', 'hour = "local"')


def hours(day: str, *spends: tuple[str, int]) -> str:
    return "campaign,hour,cost\n" + "".join(f"c-1,{day} {hour},{spend}\n" for hour, spend in spends)


#: October's hour twice (Berlin), March's missing one (as a file of UTC hours in local clothes has it), and half an hour (Lord Howe).
AUTUMN = hours("2026-10-25", ("01:00", 1), ("02:00", 10), ("02:00", 100), ("03:00", 1_000))
SPRING = hours("2026-03-29", ("01:00", 1), ("02:00", 10), ("03:00", 100), ("04:00", 1_000))


@pytest.mark.parametrize(
    ("text", "lost"), [(AUTUMN, 110), (SPRING, 110), (AUTUMN.replace(",100\n", ",10\n"), 20)]
)
def test_reports_of_local_hours_that_fall_on_one_instant_are_refused_and_never_overwritten(run, text, lost):
    result = run({"data.csv": text}, HOURLY)
    whole = sum(int(line.split(",")[2]) for line in text.splitlines()[1:])
    assert sum(int(float(value["spend"])) for value in result.values()) == whole - lost
    ((reason, rows),) = result.left.items()
    assert rows == 2
    assert "comes twice or does not exist" in reason
    assert "Europe/Berlin" in reason
    assert {line for _, line, _, _ in result.every_left} == {3, 4}
    assert result.exit_code == 1


@pytest.mark.parametrize("text", [AUTUMN, SPRING])
def test_rows_of_such_hours_that_are_added_up_lose_nothing(run, text):
    result = run({"data.csv": text}, BY_INSTANT)
    assert result.left == {}
    assert [int(float(value["spend"])) for value in result.values()] == [1, 110, 1_000]


def test_rows_that_are_added_up_by_their_local_hour_are_two_hours_in_october_and_refused_in_march(run):
    autumn = run({"data.csv": AUTUMN}, BY_LOCAL_HOUR)
    (twice,) = [value for value in autumn.values() if value["spend"] == "110"]
    assert (twice["period_start"], twice["period_end"]) == ("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z")
    spring = run({"data.csv": SPRING}, BY_LOCAL_HOUR)
    assert sum(spring.left.values()) == 1
    assert sum(int(value["spend"]) for value in spring.values()) == 1_101


def test_an_hour_that_comes_twice_and_is_said_with_its_offset_is_two_hours(run):
    text = hours("2026-10-25", ("02:00:00+02:00", 10), ("02:00:00+01:00", 100))
    result = run({"data.csv": text}, HOURLY)
    assert result.left == {}
    starts = [(value["period_start"], value["spend"]) for value in result.values()]
    assert starts == [("2026-10-25T00:00:00Z", "10"), ("2026-10-25T01:00:00Z", "100")]


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (
            "Europe/Berlin",
            AUTUMN.replace("c-1,2026-10-25 02:00,100", "c-2,2026-10-25 02:00,100"),
        ),  # another campaign
        (
            "Europe/Berlin",
            hours("2026-10-26", ("02:00", 10), ("02:00", 100)),
        ),  # no change of the clock: a restatement
        ("UTC", AUTUMN),
        ("Asia/Tokyo", AUTUMN),
        ("Europe/Berlin", hours("2026-10-25", ("02:00", 10))),
        ("Europe/Berlin", hours("2026-03-29", ("02:00", 10))),
    ],
)
def test_other_hours_are_taken_as_they_come(run, zone, text):
    result = run({"data.csv": text}, HOURLY.replace("Europe/Berlin", zone))
    assert result.left == {}
    assert len(result.values()) == text.count("\n") - 1


def test_the_half_hour_of_lord_howe_is_found_too(run):
    text = hours("2026-04-05", ("01:00", 1), ("01:30", 10), ("01:30", 100))
    result = run({"data.csv": text}, HOURLY.replace("Europe/Berlin", "Australia/Lord_Howe"))
    assert list(result.left.values()) == [2]


def test_a_wrong_constant_is_refused(run):
    text = REPORTS.replace('campaign_id = "c-9", ', "")
    with pytest.raises(MappingError, match="campaign_id"):
        run({"data.csv": REPORT_ROWS}, text)


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        (
            "clicks",
            "a.jsonl",
            '{"id":"11","day":"2026-07-01","click":5}\n{"id":"12","day":"2026-07-01","click":7}\n',
        ),
        ("clicks", "a.csv", "id,day,click\n11,2026-07-01,5\n"),
        ("metrics.clicks", "a.jsonl", '{"id":"11","day":"2026-07-01","metrics":{"click":5}}\n'),
        ("clicks", "a.json", '[{"id":"11","day":"2026-07-01"},{"id":"12","day":"2026-07-01"}]'),
    ],
)
def test_a_column_that_no_row_has_is_an_error_that_names_it_and_one_that_some_rows_lack_is_none(
    run, name, file, text
):
    mapping = f"""
description = "reports"
[columns]
clicks = {{ name = "{name}", type = "count" }}
day = "date"
[[select]]
topic = "ad-reports"
sql = "SELECT id AS campaign_id, 's' AS source, rows.day AS period_start, rows.day + 1 AS period_end, 1 AS impressions, clicks FROM rows"
"""
    with pytest.raises(MappingError, match=rf"no row of {file} has the column"):
        run({file: text}, mapping)
    if "click" in text:
        (first, *_) = run({file: text.replace("click", "clicks")}, mapping).values()
        assert first["clicks"] == 5
    some = (
        '{"id":"11","day":"2026-07-01"}\n{"id":"12","day":"2026-07-01","clicks":7,"metrics":{"clicks":7}}\n'
    )
    assert [value.get("clicks") for value in run({"b.jsonl": some}, mapping).values()] == [None, 7]


def test_the_functions_for_mappings_say_what_they_promise(run):
    text = """
description = "functions"
[[select]]
topic = "campaigns"
sql = '''
SELECT id AS campaign_id, to_json([name_id('p', name), slug(name), url_param(url, 'utm_campaign'),
  CAST(from_minor(1234, code) AS VARCHAR)]) AS name FROM rows
'''
"""
    rows = (
        "id,name,url,code\n1,Spring Sale,https://x.y/p?a=1&utm_campaign=spring%2026+x#top,JPY\n2,Côte d'Or,/p?utm_campaign=b,kwd\n"
        "3,東京,utm_campaign=c d,EUR\n4,A/B,/p?utm_campaigns=no,EUR\n"
    )
    found = {value["campaign_id"]: json.loads(value["name"]) for value in run({"a.csv": rows}, text).values()}
    assert found["1"] == ["p-spring-sale", "spring-sale", "spring 26 x", "1234.000"]
    assert found["2"][0].startswith("p-cote-d-or-")
    assert found["2"][1:] == ["cote-d-or", "b", "1.234"]
    assert found["3"][0].startswith("p-")
    assert (len(found["3"][0]), found["3"][1], found["3"][2]) == (14, "", "c")
    assert found["4"][2:] == [None, "12.340"]


def test_a_named_file_that_no_select_reads_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MappingError, match="does not read"):
        replayed([tmp_path / "other.csv"], "ad_exports")
    with pytest.raises(MappingError, match="does not read"):
        replayed([tmp_path], "ad_exports")


def test_a_packed_file_is_read_by_the_select_that_its_name_is_for(run):
    mapping = CLICKS.replace("sql = '''SELECT rows.at", "key = [\"visitor_id\"]\nsql = '''SELECT rows.at")
    mapping += """
[[select]]
topic = "leads"
files = ["leads.csv"]
key = ["lead_id"]
id = ["lead_id"]
sql = "SELECT who AS lead_id, 'lead' AS stage, rows.at AS occurred_at FROM rows"
"""
    result = run({"clicks.csv.gz": gzip.compress(CLICK.encode()), "ads.csv": ADS}, mapping)
    assert [value["visitor_id"] for value in result.values("ad-clicks")] == ["v"]
    assert result.left == {}


def test_an_empty_file_has_no_column(run):
    with pytest.raises(MappingError, match=r"no row of clicks.csv has the column '.+'; it has none\."):
        run({"clicks.csv": "", "ads.csv": ADS}, CLICKS)
