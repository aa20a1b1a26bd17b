"""``roistream customers`` on files: figures, tables, and the sentence for what cannot be computed."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from metrics.values.errors import RoistreamError
from streams.__main__ import app
from streams.customers.report import CohortRow, Expectation, MonthRow
from streams.customers.run import run
from streams.settings import Settings

#: Each reads files by a database of its own.
pytestmark = pytest.mark.slow
ORDERS = """customer_id,occurred_at,revenue,order_id,kind,campaign_id
ada,2026-01-05,100,o1,,spring
bob,2026-01-20,50,o2,,spring
cyd,2026-01-25,30,o3,,[autumn]
ada,2026-02-03,20,o4,placed,
bob,2026-02-10,10,o2,refunded,
dan,2026-02-11,60,o5,,spring
bob,2026-03-01,40,o6,,spring
bob,2026-03-04,,o6,cancelled,
dan,2026-03-09,70,o7,,spring
eve,2026-04-02,80,o8,,spring
"""
SPEND = "campaign_id,day,spend\nspring,2026-01-05,90\nspring,2026-02-05,40\n[autumn],2026-01-05,40\nwinter,2026-02-01,5\n"


def a_file(tmp_path, text, name="orders.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def found_in(capsys, *args, **options):
    code = run(Settings(), *args, draws=200, as_json=True, **options)
    return code, json.loads(capsys.readouterr().out)


def test_a_file_with_the_names_of_the_fields_needs_no_mapping(tmp_path, capsys):
    code, found = found_in(capsys, [a_file(tmp_path, ORDERS)], until="2026-04-15")
    assert code == 0
    assert (found["currency"], found["until"]) == ("EUR", "2026-04-15T00:00:00Z")
    january, february, april = found["cohorts"]
    assert (january["cohort"], january["customers"], january["repeat_rate"]) == ("2026-01", 3, 0.333333)
    assert january["retention"] == [1.0, 0.333333, 0.0]
    assert (january["revenue_micros"], january["refunds_micros"]) == (240_000_000, 50_000_000)
    assert january["clv_historic"] == 63.333333
    assert (april["retention"], april["clv_historic"]) == ([], 80.0)
    assert [row["month"] for row in found["months"]] == ["2026-01", "2026-02", "2026-03"]
    assert found["whole"]["customers"] == 5
    assert february["spend_micros"] is None


def test_spend_gives_costs_and_what_bought_nobody_is_said(tmp_path, capsys):
    spend = a_file(tmp_path, SPEND, "spend.csv")
    options = {"spend": [spend], "by": "campaign", "until": "2026-04-15"}
    _, found = found_in(capsys, [a_file(tmp_path, ORDERS)], **options)
    autumn, spring = found["cohorts"]
    assert (autumn["cohort"], autumn["cac"], autumn["clv_to_cac"]) == ("[autumn]", 40.0, 0.75)
    assert autumn["payback_months"] is None
    # 130 for four customers; each of those for whom January is over brought 150 / 2 in the first month, and so on.
    assert (spring["cac"], spring["clv_to_cac"], spring["payback_months"]) == (32.5, 2.846154, 1)
    assert found["left_out"]["spend_without_customers_micros"] == 5_000_000
    assert found["whole"]["spend_micros"] == 175_000_000


def test_a_row_may_be_a_refund_by_its_sign_and_an_order_without_a_number(tmp_path, capsys):
    text = (
        "Client,When,Total\nada,2026-01-05 10:00,10.50\nada,2026-01-05 10:00,10.50\nada,2026-01-07 09:00,-4\n"
    )
    columns = ["customer_id=Client", "occurred_at=When", "revenue=Total"]
    _, found = found_in(capsys, [a_file(tmp_path, text)], columns=columns)
    assert found["whole"]["orders"] == 2
    assert (found["whole"]["revenue_micros"], found["whole"]["refunds_micros"]) == (21_000_000, 4_000_000)
    assert found["until"] == "2026-01-08T00:00:00Z"


def test_few_customers_have_figures_so_far_and_a_reason_for_no_more(tmp_path, capsys):
    _, found = found_in(capsys, [a_file(tmp_path, ORDERS)])
    assert found["model"] is None
    assert "needs 10 customers who came back" in found["model_missing"]
    assert all(row["expected"] is None for row in found["cohorts"])


def a_shop(customers=400):
    """Customers who buy at rates of their own, and leave after a purchase now and then."""
    rng = np.random.default_rng(8)
    yield "customer_id,occurred_at,revenue"
    for number in range(customers):
        day, rate, leaving = rng.uniform(0, 90), rng.gamma(0.8, 0.05), rng.beta(0.8, 2.4)
        price = 60 / rng.gamma(3.7, 1)
        while day < 330:
            when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
            yield f"c{number},{when:%Y-%m-%d},{price * rng.gamma(6, 1 / 6):.2f}"
            if rng.random() < leaving:
                break
            day += rng.exponential(1 / rate)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another(tmp_path, capsys):
    path = a_file(tmp_path, "\n".join(a_shop()))
    one, same, other = (found_in(capsys, [path], seed=seed)[1] for seed in (1, 1, 2))
    assert one == same
    assert one["model"] is not None
    assert one["whole"]["expected"]["clv_low"] != other["whole"]["expected"]["clv_low"]
    assert one["whole"]["expected"]["clv"] == other["whole"]["expected"]["clv"]
    for row in (*one["cohorts"], one["whole"]):
        each = row["expected"]
        assert row["clv_historic"] <= each["clv_low"] < each["clv"] < each["clv_high"]
        assert each["clv"] == pytest.approx(row["clv_historic"] + each["to_come"], abs=2e-6)
        assert each["clv_to_cac"] is None


def test_tables_hold_cohorts_costs_retention_months_and_the_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = a_file(tmp_path, "\n".join(a_shop()))
    spend = a_file(tmp_path, "day,spend\n2026-01-05,900\n2026-03-05,1000\n", "spend.csv")
    assert run(Settings(), [path], spend=[spend], draws=50) == 0
    printed = capsys.readouterr()
    for text in (
        "Customers by month",
        "What they cost, in EUR",
        "paid back",
        "Retention: percent",
        "BG/NBD r",
    ):
        assert text in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80
    assert "  400  " in printed.out
    assert "rows of 1 files" in printed.err


def test_what_is_in_no_cohort_is_said(tmp_path, capsys):
    text = ORDERS + ",2026-02-01,7,o9,,spring\nzoe,2026-02-01,3,o10,refunded,\nada,2026-02-03,25,o4,placed,\n"
    assert run(Settings(), [a_file(tmp_path, text)]) == 0
    printed = capsys.readouterr().err
    assert "Orders and refunds that name nobody: 7.00 EUR" in printed
    assert "Refunds of customers without an order here: -3.00 EUR" in printed
    assert "1 orders were given again with another amount" in printed


def test_rows_that_cannot_be_read_are_said_and_give_another_exit_code(tmp_path, capsys):
    code, found = found_in(capsys, [a_file(tmp_path, ORDERS + "fay,2026-02-01,much,o9,,\n")])
    assert code == 1
    assert found["whole"]["customers"] == 5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"by": "day"}, "--by day is not known; write one of month, week, campaign"),
        ({"cohorts": "day"}, "--cohorts day is not known; write one of month, week"),
        (
            {"by": "month,campaign", "cohorts": "week"},
            "--by month,campaign and --cohorts week name two periods",
        ),
        ({"until": "soon"}, "--until soon is no day; write it like 2026-07-01"),
        ({"horizon": 0}, "--horizon is a number of months above 0"),
        ({"until": "2025-01-01"}, "No customer was acquired before 2025-01-01"),
        ({"columns": ["customer_id"]}, "write field=column, with one of the fields customer_id"),
        ({"columns": ["customer=x"]}, "write field=column"),
        ({"columns": ["revenue=Total"]}, "Total"),
        ({"mapping": "stripe_payments", "columns": ["revenue=revenue"]}, "not both"),
        ({"mapping": "google_ads"}, "google_ads"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_what_to_do(tmp_path, options, sentence):
    with pytest.raises(RoistreamError, match=sentence.replace("(", r"\(")):
        run(Settings(), [a_file(tmp_path, ORDERS)], **options)


def test_orders_of_two_currencies_are_refused(tmp_path):
    text = "customer_id,occurred_at,revenue,currency\nada,2026-01-05,10,EUR\nbob,2026-01-05,10,USD\n"
    with pytest.raises(RoistreamError, match="EUR, USD; values of customers need one currency"):
        run(Settings(), [a_file(tmp_path, text)])


def test_files_with_nothing_but_cancellations_have_no_orders(tmp_path):
    text = "customer_id,occurred_at,revenue,order_id,kind\nada,2026-01-05,,o1,cancelled\n"
    with pytest.raises(RoistreamError, match="There are no orders in these files"):
        run(Settings(), [a_file(tmp_path, text)])


@pytest.mark.parametrize(
    ("spend", "sentence"),
    [
        ("campaign_id,day,spend,currency\nspring,2026-01-05,90,USD\n", "in USD, the orders are in EUR"),
        ("campaign_id,day,spend\nspring,2026-01-05,90\nspring,2026-01-06,much\n", "could not be read"),
        ("campaign_id,date,cost\nspring,2026-01-05,90\n", "no built-in mapping knows spend.csv"),
    ],
)
def test_spend_that_does_not_fit_is_refused(tmp_path, spend, sentence):
    with pytest.raises(RoistreamError, match=sentence):
        run(Settings(), [a_file(tmp_path, ORDERS)], spend=[a_file(tmp_path, spend, "spend.csv")])


def test_spend_that_is_given_twice_is_refused(tmp_path):
    days, again = (a_file(tmp_path, SPEND, name) for name in ("spend.csv", "again.csv"))
    with pytest.raises(RoistreamError, match="errors in the files"):
        run(Settings(), [a_file(tmp_path, ORDERS)], spend=[days, again])


def test_the_page_has_a_row_for_every_figure_and_no_other():
    page = (Path(__file__).parents[3] / "docs/customers.md").read_text()
    table = page.partition("<!-- customer-figures:begin -->")[2].partition("<!-- customer-figures:end -->")[0]
    shown = re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)
    figures = {
        field.name
        for row in (CohortRow, MonthRow, Expectation)
        for field in msgspec.structs.fields(row)
        if field.type == float | None or field.name in {"retention", "payback_months", "to_come", "clv"}
    }
    assert sorted(shown) == sorted(figures - {"clv_to_cac_low", "clv_to_cac_high"})


def test_the_command_line_passes_everything_on(tmp_path):
    text = "Client,When,Total\nada,2026-01-05,10\n"
    names = ["--column", "customer_id=Client", "--column", "occurred_at=When", "--column", "revenue=Total"]
    spend = a_file(tmp_path, "tag,kosten\n2026-01-05,4\n", "spend.csv")
    costs = ["--spend", str(spend), "--spend-column", "day=tag", "--spend-column", "spend=kosten"]
    more = ["--by", "month,campaign", "--until", "2026-02-01", "--horizon", "6", "--seed", "3", "--json"]
    said = CliRunner().invoke(app, ["customers", str(a_file(tmp_path, text)), *names, *costs, *more])
    assert said.exit_code == 0, said.output
    found = json.loads(said.stdout)
    assert [row["cohort"] for row in found["cohorts"]] == ["2026-01 (none)"]
    assert (found["by"], found["whole"]["cac"], found["whole"]["payback_months"]) == (
        "month,campaign",
        4.0,
        1,
    )


INVOICES = """
CREATE TABLE invoices AS
SELECT InvoiceNo AS id, min(InvoiceDate) AS moment, any_value(CustomerID) AS customer,
  CAST(sum(Quantity * CAST(UnitPrice AS DECIMAL(18, 3))) * 1000000 AS BIGINT) AS micros, InvoiceNo LIKE 'C%' AS is_refund
FROM lines WHERE InvoiceNo NOT LIKE 'A%' GROUP BY InvoiceNo HAVING micros <> 0;
CREATE TABLE firsts AS
SELECT customer, min(date_trunc('month', moment)) AS cohort FROM invoices WHERE NOT is_refund AND customer IS NOT NULL GROUP BY 1;
CREATE TABLE dated AS
SELECT *, greatest(0, date_diff('month', cohort, date_trunc('month', moment))) AS age, date_trunc('month', moment) AS month
FROM invoices JOIN firsts USING (customer);
"""


@pytest.fixture(scope="module")
def retail(shared):
    """A year of a wholesaler, as the command says it and as a database of invoices."""
    path = shared / "data/online_retail/online_retail_2010_2011.parquet"
    variables = {
        "ROISTREAM_TIMEZONE": "Europe/London",
        "ROISTREAM_SHARED": None,
    }  # the latter is the tests' own
    out = CliRunner().invoke(app, ["customers", str(path), "--json"], env=variables)
    assert out.exit_code == 0, out.output
    with duckdb.connect() as database:
        database.execute("CREATE TABLE lines AS FROM read_parquet(?)", [str(path)])
        database.execute(INVOICES)
        yield json.loads(out.stdout), database


def test_cohorts_of_a_year_of_invoices_are_those_of_a_batch_computation_to_the_micro(retail):
    found, database = retail
    rows = database.execute(
        """
        WITH bought AS (SELECT customer, cohort, count(*) AS orders FROM dated WHERE NOT is_refund GROUP BY ALL)
        SELECT strftime(cohort, '%Y-%m'), (SELECT count(*) FROM bought b WHERE b.cohort = d.cohort),
          (SELECT count(*) FROM bought b WHERE b.cohort = d.cohort AND orders > 1),
          count(*) FILTER (NOT is_refund), sum(micros) FILTER (NOT is_refund), coalesce(-sum(micros) FILTER (is_refund), 0)
        FROM dated d GROUP BY cohort ORDER BY cohort
        """
    ).fetchall()
    ours = [
        (row["cohort"], row["customers"], round(row["repeat_rate"] * row["customers"]), row["orders"], row["revenue_micros"], row["refunds_micros"])
        for row in found["cohorts"]
    ]  # fmt: skip
    assert ours == rows
    for row, (_, customers, *_, revenue, refunds) in zip(found["cohorts"], rows, strict=True):
        assert row["clv_historic"] == float(round(Decimal(revenue - refunds) / customers / 10**6, 6))
    assert found["whole"]["customers"] == sum(row[1] for row in rows) == 4338


def test_the_retention_matrix_of_a_year_is_that_of_a_batch_computation(retail):
    found, database = retail
    active = {
        (cohort, age): count
        for cohort, age, count in database.execute(
            "SELECT strftime(cohort, '%Y-%m'), age, count(DISTINCT customer) FROM dated WHERE NOT is_refund GROUP BY ALL"
        ).fetchall()
    }
    margins = {
        (cohort, age): micros
        for cohort, age, micros in database.execute(
            "SELECT strftime(cohort, '%Y-%m'), age, sum(micros) FROM dated GROUP BY ALL"
        ).fetchall()
    }
    # December 2011 is not over on the 9th: the cohort of December 2010 has twelve months, and so on.
    for place, row in enumerate(found["cohorts"]):
        ages = range(12 - place)
        assert row["active"] == [active.get((row["cohort"], age), 0) for age in ages]
        assert row["eligible"] == [row["customers"]] * len(ages)
        assert row["margin_by_month_micros"] == [margins.get((row["cohort"], age), 0) for age in ages]


def test_calendar_months_of_a_year_and_what_is_in_no_cohort_are_those_of_a_batch_computation(retail):
    found, database = retail
    rows = database.execute(
        """
        SELECT strftime(month, '%Y-%m'), count(DISTINCT customer) FILTER (NOT is_refund),
          count(DISTINCT customer) FILTER (cohort = month), count(*) FILTER (NOT is_refund),
          sum(micros) FILTER (NOT is_refund), coalesce(-sum(micros) FILTER (is_refund), 0),
          (SELECT count(DISTINCT customer) FROM dated o WHERE NOT is_refund AND o.month = d.month
            AND customer IN (SELECT customer FROM dated p WHERE NOT is_refund AND p.month = d.month - INTERVAL 1 MONTH))
        FROM dated d WHERE month < '2011-12-01' GROUP BY month ORDER BY month
        """
    ).fetchall()
    names = ("month", "customers", "new_customers", "orders", "revenue_micros", "refunds_micros")
    assert [tuple(row[name] for name in names) for row in found["months"]] == [row[:6] for row in rows]
    for before, row, ours in zip(rows, rows[1:], found["months"][1:], strict=False):
        assert ours["retention_rate"] == round(row[6] / before[1], 6)
        assert ours["retention_rate_period"] == round(row[1] / (row[1] + before[1] - row[6]), 6)
    nobody, without = database.execute(
        """SELECT sum(micros) FILTER (customer IS NULL), sum(micros) FILTER (customer IS NOT NULL)
        FROM invoices ANTI JOIN firsts USING (customer)"""
    ).fetchone()
    assert found["left_out"]["of_nobody_margin_micros"] == nobody
    assert found["left_out"]["without_order_margin_micros"] == without
    assert nobody + without + found["whole"]["margin_micros"] == (10_655_622_484 - 896_812_490) * 1000


WEEKLY = """
WITH firsts AS (SELECT customer, min(date_trunc('week', moment)) AS cohort FROM invoices WHERE NOT is_refund AND customer IS NOT NULL GROUP BY 1),
weekly AS (
  SELECT customer, cohort, is_refund, micros, date_trunc('week', moment) AS week,
    greatest(0, date_diff('day', cohort, date_trunc('week', moment)) // 7) AS age
  FROM invoices JOIN firsts USING (customer))
"""


@pytest.fixture(scope="module")
def retail_by_week(shared):
    path = shared / "data/online_retail/online_retail_2010_2011.parquet"
    variables = {"ROISTREAM_TIMEZONE": "Europe/London", "ROISTREAM_SHARED": None}
    out = CliRunner().invoke(app, ["customers", str(path), "--cohorts", "week", "--json"], env=variables)
    assert out.exit_code == 0, out.output
    return json.loads(out.stdout)


def test_cohorts_of_weeks_of_a_year_are_those_of_a_batch_computation_to_the_micro(retail, retail_by_week):
    by_month, database = retail
    rows = database.execute(
        WEEKLY
        + """SELECT strftime(cohort, '%G-W%V'), age, count(DISTINCT customer) FILTER (NOT is_refund), sum(micros),
          (SELECT count(*) FROM firsts f WHERE f.cohort = w.cohort)
        FROM weekly w GROUP BY cohort, age ORDER BY cohort, age"""
    ).fetchall()
    found = {row["cohort"]: row for row in retail_by_week["cohorts"]}
    assert (retail_by_week["by"], retail_by_week["period"], by_month["period"]) == ("week", "week", "month")
    assert set(found) == {cohort for cohort, *_ in rows}
    for cohort, row in found.items():
        mine = {age: (active, micros) for name, age, active, micros, _ in rows if name == cohort}
        # The week from 5 December 2011 on is not over on the 9th.
        ages = range(len(row["active"]))
        assert row["active"] == [mine.get(age, (0, 0))[0] for age in ages]
        assert row["margin_by_month_micros"] == [mine.get(age, (0, 0))[1] for age in ages]
        assert row["margin_micros"] == sum(micros for _, micros in mine.values())
        assert row["customers"] == next(customers for name, *_, customers in rows if name == cohort)
    assert len(found["2010-W48"]["active"]) == 53
    assert len(found[max(found)]["active"]) <= 1
    assert retail_by_week["whole"]["margin_micros"] == by_month["whole"]["margin_micros"]


def test_calendar_weeks_of_a_year_are_those_of_a_batch_computation(retail, retail_by_week):
    _, database = retail
    rows = database.execute(
        WEEKLY
        + """SELECT strftime(week, '%G-W%V'), count(DISTINCT customer) FILTER (NOT is_refund),
          count(DISTINCT customer) FILTER (cohort = week), count(*) FILTER (NOT is_refund),
          coalesce(sum(micros) FILTER (NOT is_refund), 0), coalesce(-sum(micros) FILTER (is_refund), 0)
        FROM weekly WHERE week < '2011-12-05' GROUP BY week ORDER BY week"""
    ).fetchall()
    names = ("month", "customers", "new_customers", "orders", "revenue_micros", "refunds_micros")
    nothing = (0,) * 5
    known = {name: tuple(counts) for name, *counts in rows}
    ours = {row["month"]: tuple(row[name] for name in names[1:]) for row in retail_by_week["months"]}
    assert ours == {name: known.get(name, nothing) for name in ours}
    assert set(known) <= set(ours)


def test_cohorts_go_by_what_is_asked_for_else_by_the_setting(tmp_path, capsys):
    path = a_file(tmp_path, ORDERS)

    def cohorts(settings: Settings, **asked) -> list[str]:
        assert run(settings, [path], as_json=True, **asked) == 0
        return [row["cohort"] for row in json.loads(capsys.readouterr().out)["cohorts"]]

    weekly, monthly = Settings(customer_cohorts="week"), Settings()
    weeks = cohorts(monthly, cohorts="week")
    assert all("-W" in each for each in weeks)
    assert cohorts(weekly) == cohorts(monthly, by="week") == weeks
    assert cohorts(weekly, by="month") == cohorts(weekly, cohorts="month") == cohorts(monthly)
    assert cohorts(weekly, by="campaign") == cohorts(monthly, by="campaign")
    assert all("-W" in each and " " in each for each in cohorts(monthly, by="week,campaign"))


def test_tables_of_weeks_say_weeks_and_months_to_pay_back_stay_months(tmp_path, capsys):
    orders = a_file(tmp_path, "customer_id,occurred_at,revenue\nada,2026-01-05,10\nada,2026-02-16,90\n")
    spend = a_file(tmp_path, "day,spend\n2026-01-05,60\n", "spend.csv")
    asked = {"spend": [spend], "cohorts": "week", "until": "2026-03-02"}
    assert run(Settings(), [orders], **asked) == 0
    printed = capsys.readouterr().out
    for text in ("Customers by week of acquisition", "so many weeks after", "Calendar weeks", "weeks are shown", "2026-W02", "month 2"):  # fmt: skip
        assert text in printed
    assert run(Settings(), [orders], as_json=True, **asked) == 0
    (row,) = json.loads(capsys.readouterr().out)["cohorts"]
    assert row["payback_months"] == pytest.approx(7 * 7 * 12 / 365.2425, abs=1e-6)


ENGAGED = {
    "surveys": (
        "occurred_at,kind,score,customer_id,campaign_id\n"
        "2026-01-06,nps,10,ada,\n2026-01-06,nps,10,ada,\n2026-01-07,NPS,3,bob,\n2026-01-08,csat,4,bob,\n"
        "2026-01-09,nps,9,,search\n2026-01-09,nps,9,nobody,\n2026-01-09,csat,9,bob,\n"
    ),
    "tickets": (
        "occurred_at,ticket_id,stage,customer_id\n"
        "2026-01-05 10:00,t1,opened,ada\n2026-01-05 11:00,t1,responded,\n2026-01-06 10:00,t1,resolved,\n"
        "2026-01-05 10:00,t2,opened,bob\n"
    ),
    "subscriptions": (
        "occurred_at,subscription_id,kind,term,customer_id\n"
        "2026-01-05,s1,started,p1m,ada\n2026-02-05,s1,renewed,,\n2026-01-05,s2,started,P1M,bob\n"
    ),
    "referrals": "occurred_at,referrer_id,customer_id\n2026-01-07,ada,bob\n",
    "activations": "occurred_at,visitor_id,customer_id\n2026-01-07,,ada\n2027-01-01,,bob\n",
}


def engaged(tmp_path, *more: str):
    orders = (
        "customer_id,occurred_at,revenue,campaign_id\nada,2026-01-05,10,search\nbob,2026-01-06,10,social\n"
    )
    options = [
        part
        for topic, text in ENGAGED.items()
        for part in (f"--{topic}", str(a_file(tmp_path, text, f"{topic}.csv")))
    ]
    arguments = ["customers", str(a_file(tmp_path, orders)), *options, "--until", "2026-04-01", *more]
    return CliRunner().invoke(app, arguments)


def test_answers_tickets_and_contracts_count_with_the_customers_who_have_an_order(tmp_path):
    said = engaged(tmp_path, "--by", "campaign", "--json")
    assert said.exit_code == 1, said.output  # one rating is not of its scale
    found = json.loads(said.stdout)
    ada, bob = (row["engagement"] for row in found["cohorts"])
    everybody = found["whole"]["engagement"]
    assert (ada["kpis"]["nps"], bob["kpis"]["nps"], everybody["kpis"]["nps"]) == (1.0, -1.0, 0.333333)
    assert (ada["kpis"]["csat"], bob["kpis"]["csat"]) == (None, 1.0)
    assert ada["kpis"]["first_response_p50"] == pytest.approx(3_600, rel=0.01)
    assert ada["kpis"]["resolution_p90"] == pytest.approx(86_400, rel=0.01)
    assert (ada["kpis"]["resolution_rate"], bob["kpis"]["resolution_rate"]) == (1.0, 0.0)
    assert (ada["kpis"]["renewal_rate"], bob["kpis"]["renewal_rate"]) == (0.5, 0.0)
    assert (ada["referrers"], ada["kpis"]["k_factor"], everybody["kpis"]["k_factor"]) == (1, 1.0, 0.5)
    assert (ada["activated"], bob["activated"]) == (1, 0)  # bob was after --until
    churn = {row["month"]: row["engagement"]["contract_churn_rate"] for row in found["months"]}
    assert churn == {"2026-01": None, "2026-02": 0.5, "2026-03": 1.0}
    left = found["left_out"]
    assert (left["without_customer"], left["of_campaigns"]) == (1, 1)
    assert "surveys: a score of csat is from 1 to 5, not 9" in said.stderr
    assert "1 records of surveys, tickets and the like were there before" in said.stderr


def test_what_customers_do_is_shown_as_tables(tmp_path):
    said = engaged(tmp_path)
    shown = " ".join(said.stdout.split())
    assert "Answers and tickets" in shown
    assert "2026-01 2 1 (50.0%) 0 (0.0%) 1 (50.0%) 0.50 33.3%" in shown


def contracts_of(tmp_path, customers=300):
    """Customers who ordered once and hold a contract by the month since; who leaves, and when, differs between them."""
    rng = np.random.default_rng(9)
    orders, lines = (
        ["customer_id,occurred_at,revenue"],
        ["occurred_at,subscription_id,kind,term,amount,customer_id"],
    )
    for number in range(customers):
        begun, renewals = int(rng.integers(1, 9)), int(rng.geometric(rng.beta(0.8, 2.0))) - 1
        orders.append(f"c{number},2026-{begun:02}-05,10")
        lines.append(f"2026-{begun:02}-05,s{number},started,P1M,20,c{number}")
        months = range(begun + 1, min(begun + renewals, 12) + 1)
        lines += [f"2026-{month:02}-05,s{number},renewed,,,c{number}" for month in months]
    lines.append("2026-12-01,s-eur,started,P1Y,99,c1")
    return a_file(tmp_path, "\n".join(orders)), a_file(tmp_path, "\n".join(lines), "contracts.csv")


def test_contracts_are_expected_to_pay_by_the_shifted_beta_geometric_model(tmp_path, capsys):
    orders, contracts = contracts_of(tmp_path)
    events = {"subscriptions": [contracts]}
    code, found = found_in(capsys, [orders], events=events, until="2026-12-31", horizon=6.0)
    assert code == 0
    months, years = found["contract_models"]
    assert (months["term"], years["term"]) == ("P1M", "P1Y")
    assert "10 contracts that have ended (there are 0)" in years["missing"]

    def survival(terms: int) -> float:
        return np.prod([(months["beta"] + t) / (months["alpha"] + months["beta"] + t) for t in range(terms)])

    for row in (*found["cohorts"], found["whole"]):
        each, kpis = row["engagement"]["contracts"], row["engagement"]["kpis"]
        assert each["clv"] == pytest.approx(kpis["contract_clv_historic"] + each["to_come"], abs=2e-6)
        assert kpis["contract_clv_historic"] <= each["clv_low"] < each["clv_high"]
    # Who began in August may be renewed after the 4 times that they were, on the 5th of January to June.
    august = found["cohorts"][-1]
    each = august["engagement"]["contracts"]
    expected = sum(survival(4 + later) for later in range(1, 7)) / survival(4) * 20
    assert each["to_come"] == pytest.approx(each["valued"] * expected / august["customers"], rel=1e-6)
    whole = found["whole"]["engagement"]["contracts"]
    assert whole["running"] == whole["valued"] + 1  # that of a year has no model
    assert whole["running"] == sum(row["engagement"]["contracts"]["running"] for row in found["cohorts"])


def test_what_contracts_pay_is_a_table_and_a_sentence_or_a_reason(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    orders, contracts = contracts_of(tmp_path)
    assert run(Settings(), [orders], events={"subscriptions": [contracts]}, until="2026-12-31", draws=50) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "What contracts pay, for each customer of the cohort, in EUR" in shown
    assert "Contracts of P1M: shifted beta-geometric, α" in shown
    assert "renewals of the next 12 months" in shown
    assert "No expected value of contracts of P1Y: The model of contracts needs 10 contracts" in shown
    assert re.search(r"all \d+, \d+ valued", shown)
