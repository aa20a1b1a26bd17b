"""What is wrong with records as a whole is said before any is written; each finding names rows or values."""

import pytest

from tests.support.replaying import replayed, writer

#: A whole replay for each of them, which together take many seconds.
pytestmark = pytest.mark.slow

REPORTS = """
description = "reports"
[columns]
Spend = "number"
Day = "date"
[[select]]
topic = "campaigns"
sql = "SELECT Campaign AS campaign_id, 'reports' AS cost_basis FROM rows GROUP BY ALL"
[[select]]
topic = "ad-reports"
sql = '''SELECT Campaign AS campaign_id, 's' AS source, Day AS period_start, Day + 1 AS period_end, Spend AS spend, 'EUR' AS currency
FROM rows'''
"""
SUMMED = REPORTS.replace("Spend AS spend", "sum(Spend) AS spend").replace(
    "FROM rows'''", "FROM rows GROUP BY ALL'''"
)


@pytest.fixture
def run(tmp_path):
    return writer(tmp_path)


@pytest.mark.parametrize(
    "rows",
    [
        "Alpha,2026-07-01,10,Mobile\nAlpha,2026-07-01,20,Desktop\n",
        # Not side by side, and the figures are equal.
        "Alpha,2026-07-01,10,Mobile\nBeta,2026-07-01,10,Mobile\nAlpha,2026-07-01,10,Desktop\n",
        # Written in two ways.
        "Alpha,2026-07-01,10,Mobile\n Alpha ,2026-07-01 00:00:00,20,Desktop\n",
        "Alpha,2026-07-01,0,Mobile\nAlpha,2026-07-01,20,Desktop\nAlpha,2026-07-01,5,Tablet\n",
    ],
)
def test_two_rows_for_one_report_are_an_error_that_names_them_and_sums_are_none(run, rows):
    text = "Campaign,Day,Spend,Device\n" + rows
    said = run({"report.csv": text}, REPORTS).said("error")
    assert "of one campaign (Alpha) and period: report.csv:2" in said
    assert run({"report.csv": text}, SUMMED).said("error") == ""


def test_reports_without_their_campaign_are_warned_of(run):
    alone = REPORTS[: REPORTS.index("[[select]]")] + REPORTS[REPORTS.rindex("[[select]]") :]
    assert "their spend counts as 0" in run(
        {"a.csv": "Campaign,Day,Spend\nAlpha,2026-06-01,70.00\n"}, alone
    ).said("warning")
    events = REPORTS.replace("'reports' AS cost_basis", "'events' AS cost_basis")
    assert "their spend counts as 0" in run(
        {"a.csv": "Campaign,Day,Spend\nAlpha,2026-06-01,70.00\n"}, events
    ).said("warning")
    assert run({"a.csv": "Campaign,Day,Spend\nAlpha,2026-06-01,70.00\n"}, REPORTS).said() == ""


def test_reports_that_leave_the_spend_out_which_others_of_their_source_tell_are_warned_of(run):
    text = REPORTS.replace("Spend AS spend", "Spend AS spend, 1 AS clicks")
    head = "Campaign,Day,Spend\n"
    told = "Alpha,2026-06-01,70\nBeta,2026-06-01,0\n"
    assert run({"a.csv": head + told}, text).said() == ""
    said = run({"a.csv": head + told + "Alpha,2026-06-02,\nBeta,2026-06-02, --\n"}, text).said("warning")
    assert "2 reports of s tell no spend where others do (first a.csv:4)" in said
    # A source that never tells one, as sessions of a site: nothing is amiss.
    assert run({"a.csv": head + "Alpha,2026-06-02,\nBeta,2026-06-02,\n"}, text).said() == ""


def test_a_report_in_a_currency_without_a_smaller_unit_that_has_one_is_warned_of(run):
    yen = REPORTS.replace("'EUR'", "'JPY'")
    head = "Campaign,Day,Spend\n"
    fine = run({"a.csv": head + "Alpha,2026-06-01,70.00\n"}, yen, currency="JPY")
    assert "no smaller unit" not in fine.said()
    odd = run({"a.csv": head + "Alpha,2026-06-01,70\nAlpha,2026-06-02,70.25\n"}, yen, currency="JPY")
    assert "1 amounts in JPY, which has no smaller unit, have decimals (70.25, a.csv:3)" in odd.said(
        "warning"
    )


def test_periods_that_overlap_are_warned_of_and_those_that_meet_are_not(run):
    text = REPORTS.replace('Day = "date"', 'Day = "date"\nEnd = "date"').replace("Day + 1", '"End" + 1')
    head = "Campaign,Day,End,Spend\n"
    week = "A,2026-06-01,2026-06-07,70\n"
    assert "overlap" in run({"a.csv": head + week + "A,2026-06-03,2026-06-03,5\n"}, text).said("warning")
    assert "overlap" in run({"a.csv": head + "A,2026-06-07,2026-06-13,5\n" + week}, text).said("warning")
    assert "overlap" in run(
        {"a.csv": head + week + "A,2026-06-02,2026-06-02,5\nA,2026-06-05,2026-06-05,5\n"}, text
    ).said("warning")
    assert (
        run({"a.csv": head + week + "A,2026-06-08,2026-06-14,5\nB,2026-06-03,2026-06-03,5\n"}, text).said()
        == ""
    )


ORDERS = """
description = "orders"
[columns]
day = "date"
total = "number"
[[select]]
topic = "orders"
key = ["customer_id"]
id = ["order_id"]
sql = "SELECT left(number, 6) AS order_id, rows.day AS occurred_at, total AS revenue, currency, customer AS customer_id FROM rows"
"""
HEAD = "number,day,total,currency,customer\n"


def test_ids_that_a_rule_made_equal_are_an_error_and_equal_rows_are_none(run):
    said = run({"a.csv": HEAD + "shop1-1,2026-06-01,5,EUR,c\nshop1-2,2026-06-01,6,EUR,c\n"}, ORDERS).said(
        "error"
    )
    assert "2 different records of orders have one id" in said
    assert "a.csv:2, a.csv:3" in said
    assert run({"a.csv": HEAD + "s-1,2026-06-01,5,EUR,c\ns-1,2026-06-01,5,EUR,c\n"}, ORDERS).said() == ""


def test_campaigns_whose_names_a_slug_does_not_tell_apart_are_warned_of_and_name_id_does(run):
    text = REPORTS.replace(
        "Campaign AS campaign_id, 'reports'", "slug(Campaign) AS campaign_id, Campaign AS name, 'reports'"
    )
    text = text.replace("SELECT Campaign AS campaign_id, 's'", "SELECT slug(Campaign) AS campaign_id, 's'")
    rows = "Campaign,Day,Spend\nA/B,2026-06-01,1\nA-B,2026-06-02,1\n"
    assert "'A-B' and 'A/B'" in run({"a.csv": rows}, text).said("warning")
    apart = text.replace("slug(Campaign)", "name_id('p', Campaign)")
    assert run({"a.csv": rows + "東京,2026-06-02,1\n大阪,2026-06-02,1\n"}, apart).said() == ""
    assert run({"a.csv": "Campaign,Day,Spend\n東京,2026-06-02,1\n"}, text).left == {
        "ad-reports: refused": 1,
        "campaigns: refused": 1,
    }


@pytest.mark.parametrize("number", ["1.23457E+17", "1.2E+15", "1.2021000000000013e+17", "1.2021e17"])
def test_ids_that_were_taken_for_numbers_and_shortened_are_an_error(run, number):
    rows = f"{number},2026-06-01,5\n{number},2026-06-02,6\n"
    said = run({"a.csv": "Campaign,Day,Spend\n" + rows}, REPORTS).said("error")
    assert f"ids of 2 records of ad-reports were taken for numbers and shortened ({number}, a.csv:2)" in said
    text = REPORTS.replace("Campaign AS campaign_id", "'google-' || Campaign AS campaign_id")
    assert "shortened" in run({"a.csv": "Campaign,Day,Spend\n" + rows}, text).said("error")


@pytest.mark.parametrize(
    "name", ["SALE+17", "1E+3 reasons", "Model 1.5E+", "Model 1.5e", "v2.0e1 beta", "12345678901234567"]
)
def test_a_name_that_looks_a_little_like_a_shortened_number_is_none(run, name):
    rows = f"{name},2026-06-01,5\n"
    assert run({"a.csv": "Campaign,Day,Spend\n" + rows}, REPORTS).said("error") == ""


@pytest.mark.parametrize(
    ("rows", "currency", "said"),
    [
        ("s-1,2026-06-01,5,EUR,\n", "EUR", "no key (first a.csv:2)"),
        ("s-1,2026-06-01,5,GBP,c\n", "EUR", "ROISTREAM_REPORTING_CURRENCY=GBP"),
        ("s-1,2026-06-01,5.50,JPY,c\n", "JPY", "which has no smaller unit"),
    ],
)
def test_records_that_would_count_elsewhere_or_not_at_all_are_warned_of(run, rows, currency, said):
    assert said in run({"a.csv": HEAD + rows}, ORDERS, currency=currency).said("warning")


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        ("currency", "s-1,2026-06-01,5,EUR,c\ns-1,2026-06-01,6,USD,c\n"),
        ("customer", "s-1,2026-06-01,5,EUR,c\ns-1,2026-06-01,6,EUR,d\n"),
    ],
)
def test_a_group_that_mixes_what_it_takes_once_is_an_error(run, column, rows):
    text = ORDERS.replace(
        "total AS revenue, currency, customer",
        "sum(total) AS revenue, any_value(currency) AS currency, any_value(customer)",
    )
    text = text.replace("FROM rows", "FROM rows GROUP BY number, rows.day").replace(
        "left(number, 6)", "number"
    )
    assert f"several values of {column} (a.csv:2, a.csv:3)" in run({"a.csv": HEAD + rows}, text).said("error")


def test_a_currency_that_is_chosen_by_max_is_mixed_all_the_same(run):
    text = ORDERS.replace(
        "total AS revenue, currency, customer",
        "sum(total) AS revenue, max(currency) AS currency, max(customer)",
    )
    text = text.replace("FROM rows", "FROM rows GROUP BY number, rows.day")
    said = run({"a.csv": HEAD + "s-1,2026-06-01,5,EUR,c\ns-1,2026-06-01,6,USD,c\n"}, text).said("error")
    assert "several values of currency" in said


@pytest.mark.parametrize(
    "start",
    [
        "in_zone(Day, max(Zone))",
        "in_zone(min(Day), coalesce(known_zone(any_value(Zone)), 'UTC'))",
        "CAST(min(Day) AS TIMESTAMP) AT TIME ZONE min(Zone)",
        "timezone(first(trim(Zone)), CAST(Day AS TIMESTAMP))",
    ],
)
def test_a_group_that_mixes_time_zones_is_an_error(run, start):
    text = SUMMED.replace("Day AS period_start", f"{start} AS period_start")
    text = text.replace("FROM rows GROUP BY ALL'''", "FROM rows GROUP BY Campaign, Day'''")
    paris, london = "Alpha,2026-06-01,5,Europe/Paris\n", "Alpha,2026-06-01,6,Europe/London\n"
    said = run({"a.csv": "Campaign,Day,Spend,Zone\n" + paris + london}, text).said("error")
    assert "several values of" in said
    assert "(a.csv:2, a.csv:3)" in said
    one_zone = run({"a.csv": "Campaign,Day,Spend,Zone\n" + paris + paris.replace("5", "6")}, text)
    assert "several values of" not in one_zone.said("error")


def test_one_group_that_two_files_feed_is_warned_of(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "mine.toml").write_text(SUMMED)
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.csv").write_text("Campaign,Day,Spend\nAlpha,2026-06-01,70.00\n")
    assert "a.csv:2 and b.csv:2" in replayed([tmp_path / "in"], tmp_path / "mine.toml").said("warning")


def test_a_join_that_finds_several_partners_is_an_error(run):
    text = ORDERS.replace("FROM rows", "FROM rows CROSS JOIN (VALUES (1), (2)) t(x)").replace(
        "left(number, 6)", "number || x"
    )
    assert "one row gives several records (a.csv:2)" in run(
        {"a.csv": HEAD + "s,2026-06-01,5,EUR,c\n"}, text
    ).said("error")


@pytest.mark.parametrize(
    ("condition", "is_doubtful"),
    [
        ("total2 > '5'", True),
        ("'5' < total2", True),
        ("day2 >= '01/06/2026'", True),
        ("total > 5", False),
        ("name > 'm'", False),
    ],
)
def test_numbers_and_dates_that_are_compared_as_texts_are_warned_of(run, condition, is_doubtful):
    text = ORDERS.replace("FROM rows", f"FROM rows WHERE {condition}")
    rows = "number,day,total,currency,customer,total2,day2,name\ns-1,2026-06-01,50,EUR,c,50,15/06/2026,x\n"
    assert ("compared as a text" in run({"a.csv": rows}, text).said("warning")) is is_doubtful


@pytest.mark.parametrize(("when", "is_doubtful"), [("total2 < '9'", True), ("total2 = '9'", False)])
def test_a_skip_that_compares_numbers_as_texts_is_warned_of(run, when, is_doubtful):
    text = ORDERS.replace("[[select]]", f'[[skip]]\nreason = "small"\nwhen = "{when}"\n[[select]]')
    rows = "number,day,total,currency,customer,total2\ns-1,2026-06-01,50,EUR,c,10\n"
    assert (
        "mine: skip: total2 is compared as a text" in run({"a.csv": rows}, text).said("warning")
    ) is is_doubtful


def test_a_currency_column_that_the_select_leaves_out_is_warned_of(run):
    text = ORDERS.replace("currency, ", "")
    assert "has one" in run({"a.csv": HEAD + "s-1,2026-06-01,5,USD,c\n"}, text).said("warning")


def test_numbers_of_json_are_ids_with_all_their_digits(run):
    """jq 1.6 makes one campaign of the two, and jq 1.8 an id that is of neither."""
    rows = "".join(
        f'{{"Campaign":12021000000000012{digit},"Day":"2026-06-01","Spend":1}}\n' for digit in (3, 4)
    )
    found = run({"a.jsonl": rows}, REPORTS).values("ad-reports")
    assert sorted(each["campaign_id"] for each in found) == ["120210000000000123", "120210000000000124"]
