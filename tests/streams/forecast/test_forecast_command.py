"""``roistream forecast`` on files: plans, archives by campaign and by day, scores, and the sentence for what is wrong."""

import csv
import json
import re

import pytest
from typer.testing import CliRunner

from metrics.values.errors import RoistreamError
from streams.__main__ import app
from streams.forecast.files import read_archive, read_plan
from streams.forecast.run import run
from streams.settings import Settings

UNIT = 1_000_000
HEADER = "campaign_id,target,offer,channel,objective,spend,other_cost,leads,orders,new_customers,revenue,refunds,starts_at,ends_at"
PLAN = """campaign_id = "next"
target = "families"
channel = "search"
budget = "1000.00"
starts_at = 2026-09-01
ends_at = 2026-09-10
"""


@pytest.fixture
def archive(tmp_path):
    rows = [
        f"c{number},{'families' if number % 2 else 'students'},trial,search,leads,{900 + 20 * number},,{30 + 3 * number},{6 + number % 3},4,{600 + 9 * number},50,2026-0{1 + number % 8}-01,2026-0{1 + number % 8}-10"
        for number in range(8)
    ]
    path = tmp_path / "archive.csv"
    path.write_text("\n".join([HEADER, *rows]))
    return path


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "next.toml"
    path.write_text(PLAN)
    return path


@pytest.mark.slow
def test_a_plan_gives_figures_that_are_scored_when_the_campaign_is_over(archive, plan, tmp_path, capsys):
    assert run(Settings(), plan, [archive], as_json=True) == 0
    made = tmp_path / "next.json"
    made.write_text(capsys.readouterr().out)
    found = json.loads(made.read_text())
    assert set(found["figures"]) == {"leads", "orders", "new_customers", "cpl", "cac", "revenue", "roi"}
    assert found["campaigns"] == 8
    with pytest.raises(RoistreamError, match="next is not in the archive"):
        run(Settings(), None, [archive], score=made)
    archive.write_text(
        archive.read_text() + "\nnext,families,trial,search,leads,1000,,40,7,4,650,50,2026-09-01,2026-09-10"
    )
    assert run(Settings(), None, [archive], score=made, as_json=True) == 0
    rows = {row["figure"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["leads"]["forecasts"], rows["leads"]["held"]) == (1, 1)
    # The campaign's own row is not learned from when its plan is forecast again.
    run(Settings(), plan, [archive], as_json=True)
    assert json.loads(capsys.readouterr().out)["campaigns"] == 8


@pytest.mark.slow
def test_each_past_campaign_is_forecast_from_the_others(archive):
    result = CliRunner().invoke(app, ["forecast", "--check", "--archive", str(archive)])
    assert result.exit_code == 0
    assert re.search(r"leads +8 +[5-8] \(", result.output)
    assert "80% are to hold" in result.output


@pytest.mark.slow
def test_the_command_prints_a_table_and_what_the_figures_lean_on(archive, plan):
    plan.write_text(plan.read_text().replace("families", "[pilots]"))
    result = CliRunner().invoke(app, ["forecast", str(plan), "--archive", str(archive)])
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    assert "it leans most on c" in text
    assert "No past campaign has this target" in text


def test_rows_of_days_add_up_to_campaigns(tmp_path):
    path = tmp_path / "days.csv"
    path.write_text(
        "Campaign,day,Cost,leads,revenue,refunds\nb,2026-01-01,10.5,1,,\nb,2026-01-02,20,2,90,10\na,2026-02-01,5,,,\nb,2026-01-02,1,1,,\n"
    )
    (b, a), currency = read_archive([path], ["campaign_id=Campaign", "spend=Cost"], "EUR")
    assert (b.campaign_id, b.days, b.spend, b.leads, b.revenue) == ("b", 2, 31_500_000, 4, 80 * UNIT)
    assert (a.campaign_id, a.days, a.leads, a.revenue, currency) == ("a", 1, None, None, "EUR")


def test_a_plan_has_days_money_and_attributes(plan):
    its = read_plan(plan, "EUR")
    assert (its.days, its.budget, its.attributes) == (10, 1_000 * UNIT, ("families", None, "search", None))
    plan.write_text('budget = 12.5\ndays = 3\nother_cost = "1.25"')
    its = read_plan(plan, "EUR")
    assert (its.campaign_id, its.days, its.budget, its.other_cost) == ("next", 3, 12_500_000, 1_250_000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budget = ", "is no TOML"),
        ('budgets = "1"', "budgets is not known; a plan has"),
        ("days = 3", "budget is missing"),
        ('budget = "-1"\ndays = 3', "no amount of money of 0 or more"),
        ('budget = "0"\ndays = 3', "budget must be above 0"),
        ('budget = "1_000"\ndays = 3', "'1_000' is no amount of money of 0 or more"),
        ('budget = "much"\ndays = 3', "'much' is no amount of money of 0 or more"),
        ('budget = "1"', "say days"),
        ('budget = "1"\nstarts_at = 2026-02-01\nends_at = 2026-01-01', "say days"),
        ('budget = "1"\ndays = 3\ntarget = 5', "target must be a text"),
        ('budget = "1"\ndays = 3\ncurrency = "USD"', "the plan is in USD, the archive in EUR"),
    ],
)
def test_a_plan_that_cannot_be_is_said(plan, text, said):
    plan.write_text(text)
    with pytest.raises(RoistreamError, match=re.escape(said)):
        read_plan(plan, "EUR")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("campaign_id,cost\nc,1", "has no column spend; it has campaign_id, cost"),
        ("campaign_id,spend\n,1", ":2 names no campaign"),
        ("campaign_id,spend\nc,some", "'some' is no amount of money of 0 or more"),
        ("campaign_id,spend,leads\nc,1,1_0", "'1_0' is no count"),
        ("campaign_id,spend,leads\nc,1,few", "'few' is no count"),
        ("campaign_id,spend,leads\nc,1,-3", "'-3' is no count"),
        ("campaign_id,spend,day\nc,1,monday", "'monday' is no day"),
        ("campaign_id,spend,currency\nc,1,EUR\nd,1,USD", "The archive is in EUR, USD"),
        ("campaign_id,spend,target\nc,1,a\nc,1,b", "c has another target or offer"),
    ],
)
def test_an_archive_that_cannot_be_is_said(tmp_path, rows, said):
    path = tmp_path / "archive.csv"
    path.write_text(rows)
    with pytest.raises(RoistreamError, match=re.escape(said)):
        read_archive([path], [], "EUR")


def test_one_thing_is_asked_for(archive, plan):
    for options in ({"plan": None}, {"plan": plan, "check": True}):
        with pytest.raises(RoistreamError, match="one of the three"):
            run(Settings(), archive=[archive], **options)


@pytest.mark.slow
def test_months_of_real_campaigns_are_forecast_from_the_others(shared, tmp_path, capsys):
    """Clicks stand for leads: of what people buy the exports hold next to nothing."""
    folder = shared / "data" / "ad_platform_exports" / "dbt_ad_reporting"
    with (folder / "microsoft_ads_campaign_performance_daily_report_data.csv").open(
        encoding="utf-8-sig"
    ) as file:
        rows = [
            f"{row['campaign_id']} {row['date'][:7]},{row['campaign_id']},{row['date']},{row['spend'] or 0},{row['clicks'] or 0}"
            for row in csv.DictReader(file)
        ]
    months = tmp_path / "months.csv"
    months.write_text("\n".join(["campaign_id,channel,day,spend,leads", *rows]))
    assert run(Settings(), None, [months], check=True, as_json=True) == 0
    leads, cpl = json.loads(capsys.readouterr().out)
    assert (leads["forecasts"], leads["held"], cpl["held"]) == (19, 15, 15)
    assert 0.3 < leads["error"] < 0.45
