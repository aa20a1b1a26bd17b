"""Columns become exact numbers and instants, judged as a whole; what cannot be read is a fault of its row."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from streams.mapping.model import Frame, MappingError
from tests.support.replaying import writer

#: A whole replay for each of them, which together take many seconds.
pytestmark = pytest.mark.slow

NUMBERS = """
description = "rates: the one topic that takes any decimals"
[columns]
rate = "number"
valid_from = "time"
[[select]]
topic = "fx-rates"
sql = "SELECT currency, rate, valid_from FROM rows"
"""
COUNTS = """
description = "impressions"
[columns]
n = "count"
[[select]]
topic = "ad-reports"
sql = '''SELECT id AS campaign_id, 's' AS source, DATE '2026-01-01' AS period_start, DATE '2026-01-02' AS period_end, n AS impressions
FROM rows'''
"""
CODES = ["EUR", "USD", "GBP", "CHF", "SEK"]


@pytest.fixture
def run(tmp_path):
    return writer(tmp_path)


def numbers(run, cells, **frame):
    rows = "".join(f'{code};"{cell}";2026-01-01\n' for code, cell in zip(CODES, cells, strict=False))
    result = run({"rates.csv": "currency;rate;valid_from\n" + rows}, NUMBERS, frame=Frame(**frame))
    found = {value["currency"]: value["rate"] for value in result.values()}
    return [found.get(code) for code in CODES[: len(cells)]]


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["36150000", "1"], ["36150000", "1"]),
        (["1,234.50", "12.5"], ["1234.5", "12.5"]),
        (["1.234,5", "12,50"], ["1234.5", "12.5"]),
        (["1 234,5", "1 234", "1\u202f234\u202f567,5"], ["1234.5", "1234", "1234567.5"]),
        (["1'234.50", "1\u2019234"], ["1234.5", "1234"]),
        (["0.567", "1.234"], ["0.567", "1.234"]),  # a leading 0 is no group, so the point is for decimals
        (["1,234,567", "2.5"], ["1234567", "2.5"]),
        (["144.", ".5", "+3"], ["144", "0.5", "3"]),
        (["1e3", "2.5E-3"], ["1000", "0.0025"]),
        (["$1,045.10", "$2"], ["1045.1", "2"]),
        (["12,50 €", "1.000,00 €"], ["12.5", "1000"]),
        ([" 12.5\u00a0", "\u20073\u3000"], ["12.5", "3"]),
        (["USD 1,200.50", "3"], ["1200.5", "3"]),
        (["0.123456789012345678", "3"], ["0.123456789012345678", "3"]),
    ],
)
def test_a_column_is_read_exactly_by_the_style_that_all_of_it_has(run, cells, read):
    assert numbers(run, cells) == read


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1,234", "2,500"], "'1,234' (rates.csv:2) and '2,500' (rates.csv:3)"),
        (["20.000", "10.500"], "'20.000' (rates.csv:2) and '10.500' (rates.csv:3)"),
        (["1,045.10", "12,50"], "'1,045.10' (rates.csv:2) and '12,50' (rates.csv:3)"),
        (["$5", "€5"], "mixes $ and €"),
    ],
)
def test_a_column_that_can_be_read_in_two_ways_is_an_error_that_shows_two_cells(run, cells, said):
    with pytest.raises(MappingError) as error:
        numbers(run, cells)
    assert said in str(error.value)


def test_the_decimal_mark_can_be_said_outright(run):
    assert numbers(run, ["1,234", "2,500"], decimal=".") == ["1234", "2500"]
    assert numbers(run, ["1,234", "2,500"], decimal=",") == ["1.234", "2.5"]


@pytest.mark.parametrize("cell", ["12,50", "1,23,456", "12,3456", "1,234,56", "0,123", "1.234.567"])
def test_groups_have_three_digits(run, cell):
    assert numbers(run, [cell, "7.25"], decimal=".") == [None, "7.25"]


@pytest.mark.parametrize(
    "cell", ["many", "NaN1", "0x10", "1_000", "1e999", "12 EUR x", "1.2.3", "--5", "3.00%", "9" * 40]
)
def test_what_is_no_number_is_a_fault_of_its_row(run, cell):
    result = run(
        {"rates.csv": f"currency,rate,valid_from\nEUR,{cell},2026-01-01\nUSD,7.25,2026-01-01\n"}, NUMBERS
    )
    assert result.left == {"fx-rates: rate is not a number": 1}
    assert [value["rate"] for value in result.values()] == ["7.25"]


@pytest.mark.parametrize(
    ("cells", "read"),
    [(["1,200", "900"], [1200, 900]), (["1.200", "900"], [1200, 900]), (["12.0", "3"], [12, 3])],
)
def test_counts_are_whole_so_a_mark_before_three_digits_groups_them(run, cells, read):
    rows = "".join(f'c{place};"{cell}"\n' for place, cell in enumerate(cells))
    assert [value["impressions"] for value in run({"a.csv": "id;n\n" + rows}, COUNTS).values()] == read


@pytest.mark.parametrize("cells", [["1,000"], ["1.000", "2.000"], ["1,200", "1.300"]])
def test_counts_that_would_be_whole_either_way_are_doubtful(run, cells):
    rows = "".join(f'c{place};"{cell}"\n' for place, cell in enumerate(cells))
    with pytest.raises(MappingError, match="two ways"):
        run({"a.csv": "id;n\n" + rows}, COUNTS)


def test_a_count_with_a_fraction_is_refused_rather_than_cut(run):
    result = run({"a.csv": "id,n\nc1,12.5\nc2,3\n"}, COUNTS)
    assert [value["impressions"] for value in result.values()] == [3]
    assert list(result.left) == ["ad-reports: refused"]


def test_columns_settle_each_other(run):
    text = COUNTS.replace('n = "count"', 'n = "count"\ncost = "number"').replace(
        "AS impressions", "AS impressions, cost AS spend"
    )
    result = run({"a.csv": 'id;n;cost\nc1;"1,000";"12.34"\n'}, text)
    assert [(value["impressions"], value["spend"]) for value in result.values()] == [(1000, "12.34")]
    with pytest.raises(MappingError, match=r"two ways: .*a\.csv:2.*a\.csv:2"):
        run({"a.csv": 'id;n;cost\nc1;"1.000,5";"12.34"\n'}, text)


def test_two_files_with_other_decimals_keep_all_of_them(run, tmp_path):
    (tmp_path / "in").mkdir()
    from tests.support.replaying import replayed  # noqa: PLC0415

    (tmp_path / "mine.toml").write_text(NUMBERS)
    (tmp_path / "in" / "a.csv").write_text("currency,rate,valid_from\nEUR,1.25,2026-01-01\n")
    (tmp_path / "in" / "b.csv").write_text("currency,rate,valid_from\nUSD,1.23456789,2026-01-01\n")
    result = replayed([tmp_path / "in"], tmp_path / "mine.toml")
    assert {value["currency"]: value["rate"] for value in result.values()} == {
        "EUR": "1.25",
        "USD": "1.23456789",
    }


TIMES = """
description = "leads"
timezone = "{zone}"
[columns]
seen = {{ type = "time", formats = {formats} }}
[[select]]
topic = "leads"
key = ["lead_id"]
sql = "SELECT id AS lead_id, seen AS occurred_at FROM rows"
"""


def times(run, cells, zone="UTC", formats="[]", **frame):
    rows = "".join(f"{place};{cell}\n" for place, cell in enumerate(cells))
    result = run(
        {"a.csv": "id;seen\n" + rows}, TIMES.format(zone=zone, formats=formats), frame=Frame(**frame)
    )
    found = {value["lead_id"]: value["occurred_at"] for value in result.values()}
    return [found.get(str(place)) for place in range(len(cells))]


@pytest.mark.parametrize(
    ("cells", "zone", "formats", "utc"),
    [
        (["2021-09-15 5:00:00"], "Etc/GMT+5", "[]", ["2021-09-15T10:00:00Z"]),
        (
            ["2022-05-29T10:00:00", "2022-05-29"],
            "UTC",
            "[]",
            ["2022-05-29T10:00:00Z", "2022-05-29T00:00:00Z"],
        ),
        (["2020-11-09 14:20:56.976 UTC"], "Europe/Paris", "[]", ["2020-11-09T14:20:56.976Z"]),
        (
            ["2023-05-20 08:00:00.000 +0000", "2023-05-20 08:00"],
            "Europe/Paris",
            "[]",
            ["2023-05-20T08:00:00Z", "2023-05-20T06:00:00Z"],
        ),
        (["2026-11-21T10:00:00+02:00"], "Europe/Paris", "[]", ["2026-11-21T08:00:00Z"]),
        (["2026-06-01 10:00:00 +0200"], "Asia/Tokyo", "[]", ["2026-06-01T08:00:00Z"]),
        (["2021-02-01"], "America/Los_Angeles", "[]", ["2021-02-01T08:00:00Z"]),
        (
            ["12/1/2010 8:26", "12/31/2010 23:59"],
            "Europe/London",
            "[]",
            ["2010-12-01T08:26:00Z", "2010-12-31T23:59:00Z"],
        ),
        (["31/7/2011", "1/7/2011"], "Europe/London", "[]", ["2011-07-30T23:00:00Z", "2011-06-30T23:00:00Z"]),
        (["Jul 1, 2026", "July 12, 2026"], "UTC", "[]", ["2026-07-01T00:00:00Z", "2026-07-12T00:00:00Z"]),
        (["01.07.2026 14:05"], "UTC", '["%d.%m.%Y %H:%M"]', ["2026-07-01T14:05:00Z"]),
        (
            ["1291191960", "1291191961.5"],
            "Asia/Tokyo",
            '["epoch_s"]',
            ["2010-12-01T08:26:00Z", "2010-12-01T08:26:01.500Z"],
        ),
        (["1291191960250"], "Asia/Tokyo", '["epoch_ms"]', ["2010-12-01T08:26:00.250Z"]),
        (["2026-10-25 02:30:00"], "Europe/Paris", "[]", ["2026-10-25T00:30:00Z"]),  # the first of two
        (
            ["2026-04-05 01:45:00"],
            "Australia/Lord_Howe",
            "[]",
            ["2026-04-04T14:45:00Z"],
        ),  # half an hour twice
    ],
)
def test_a_time_is_taken_in_its_zone(run, cells, zone, formats, utc):
    assert times(run, cells, zone, formats) == utc


@pytest.mark.parametrize(
    "zone", ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
def test_times_are_pythons_own_also_where_clocks_change(run, zone):
    cells = [
        f"2026-{month:02}-{day:02} {hour:02}:30:00"
        for month, day in ((3, 8), (3, 29), (4, 5), (10, 4), (10, 25), (11, 1))
        for hour in range(5)
    ]
    wanted = [
        datetime.fromisoformat(cell)
        .replace(tzinfo=ZoneInfo(zone))
        .astimezone(ZoneInfo("UTC"))
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        for cell in cells
    ]
    assert times(run, cells, zone) == wanted


@pytest.mark.parametrize("cells", [["01/02/2026", "03/04/2026"], ["1.2.2026"], ["02/03/26 10:00"]])
def test_a_day_and_a_month_that_can_change_places_are_an_error_that_shows_cells(run, cells):
    with pytest.raises(MappingError, match="day-first"):
        times(run, [cell.replace(".", "/") for cell in cells])


def test_the_order_of_day_and_month_can_be_said_outright(run):
    assert times(run, ["01/02/2026"], dates="day-first") == ["2026-02-01T00:00:00Z"]
    assert times(run, ["01/02/2026"], dates="month-first") == ["2026-01-02T00:00:00Z"]


@pytest.mark.parametrize("cell", ["soon", "2021-13-01", "1291191960", "2021-02-30"])
def test_what_is_no_time_is_a_fault_of_its_row(run, cell):
    assert times(run, [cell, "2021-01-01"]) == [None, "2021-01-01T00:00:00Z"]


@pytest.mark.parametrize("cells", [["2026-11"], ["2026-11", "2026-12-03"]])
def test_a_month_is_no_instant(run, cells):
    assert times(run, cells)[0] is None


PERIODS = """
description = "by month or week"
timezone = "Europe/Paris"
[columns]
Cost = "number"
Starts = "date"
[[select]]
topic = "ad-reports"
sql = '''SELECT Campaign AS campaign_id, 's' AS source, Starts AS period_start, Starts + INTERVAL 1 {step} AS period_end, Cost AS spend
FROM rows'''
"""


@pytest.mark.parametrize(
    ("step", "start", "end"),
    [
        ("MONTH", "2026-01-01", "2026-01-31T23:00:00Z"),
        ("MONTH", "2026-03-01", "2026-03-31T22:00:00Z"),
        ("WEEK", "2026-03-23", "2026-03-29T22:00:00Z"),
        ("DAY", "2026-10-25", "2026-10-25T23:00:00Z"),
        ("QUARTER", "2026-01-01", "2026-03-31T22:00:00Z"),
        ("YEAR", "2024-02-29", "2025-02-27T23:00:00Z"),
    ],
)
def test_periods_are_as_long_as_the_calendar_of_their_zone_says(run, step, start, end):
    (report,) = run(
        {"a.csv": f"Campaign,Starts,Cost\nA,{start},310.00\n"}, PERIODS.format(step=step)
    ).values()
    assert report["period_end"] == end


def test_a_month_is_its_first_day_where_all_of_a_column_is_months_and_else_a_day_that_was_cut_off(run):
    rows = "Campaign,Starts,Cost\nA,2026-01,1\n"
    months = PERIODS.format(step="MONTH")
    (report,) = run({"a.csv": rows}, months).values()
    assert (report["period_start"], report["period_end"]) == ("2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z")
    result = run({"a.csv": rows + "B,2026-01-02,1\n"}, months)
    assert [value["campaign_id"] for value in result.values()] == ["B"]
    assert result.left == {"ad-reports: Starts is not a time in a known format": 1}


def test_a_date_with_a_time_of_day_is_a_date_only_at_midnight(run):
    result = run(
        {"a.csv": "Campaign,Starts,Cost\nA,2026-01-01 00:00:00,1\nB,2026-01-01 10:00:00,1\n"},
        PERIODS.format(step="DAY"),
    )
    assert [value["campaign_id"] for value in result.values()] == ["A"]
    assert list(result.left) == ["ad-reports: Starts is not a time in a known format"]
