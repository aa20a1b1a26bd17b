"""What people download is read without a mapping, ends well, and gives the figures that its rows show.

The inputs are made by hand after what the platforms write; only the names of the columns are theirs.
"""

from pathlib import Path

import msgspec
import pytest

from streams.mapping.loader import builtin, builtin_names, load
from streams.mapping.model import Frame, MappingError
from streams.mapping.recognition import unknown_header
from tests.support.replaying import replayed, writer

#: A whole replay for each of them, which together take many seconds.
pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[3] / "docs" / "replay.md"
BEGIN, END = (
    "<!-- mappings: held by tests/streams/mapping/test_builtin_mappings.py -->",
    "<!-- end of mappings -->",
)

DOWNLOADS = {
    "google_ads": (
        (
            'Campaign report\n"July 1, 2026 - July 2, 2026"\n'
            "Campaign status,Campaign,Currency code,Impr.,Clicks,Cost,Conversions,Day\n"
            'Enabled,Alpha,USD,"1,200",30,"1,045.10",2.00,2026-07-01\nEnabled,Beta,USD,800, --, --, --,2026-07-01\n'
            "Enabled,Alpha,USD,900,20,40.40,1.00,2026-07-02\n"
            'Total: Campaigns, --,USD,"2,900",50,"1,085.50",3.00, --\nTotal: Account, --,USD,"2,900",50,"1,085.50",3.00, --\n'
        ),
        {
            "google-alpha": {"spend": "1085.5", "clicks": "50", "impressions": "2100"},
            "google-beta": {"impressions": "800"},
        },
    ),
    "google_ads of a range of days": (
        (
            'Campaign report of July 1, 2026\n"June 1, 2026 - June 30, 2026"\n'
            "Campaign status,Campaign,Budget,Impr.,Interactions,Avg. cost,Cost,Currency code\n"
            'Enabled,Alpha,50.00,"1,200",30,0.10,"1,045.10",USD\nTotal: Campaigns, --, --,"1,200",30,0.10,"1,045.10",USD\n'
        ),
        {"google-alpha": {"spend": "1045.1", "impressions": "1200"}},
    ),
    "microsoft_ads": (
        (
            '"Report Name: Campaigns"\n"Report Time: 7/1/2026,7/2/2026"\n"Time Zone: (GMT-08:00) Pacific Time (US & Canada); Tijuana"\n'
            '"Report Aggregation: Daily"\n"Report Filter: "\n"Rows: 2"\n\n'
            '"TimePeriod","CampaignId","Impressions","Clicks","Ctr","Spend","CurrencyCode"\n'
            '"2026-07-01","5","1,000","30","3.00%","12.34","USD"\n"2026-07-02","5","2,000","50","2.50%","23.45","USD"\n'
            '"©2026 Microsoft Corporation. All rights reserved. "\n'
        ),
        {"microsoft-5": {"spend": "35.79", "clicks": "80", "impressions": "3000"}},
    ),
    "meta_ads": (
        (
            '"Reporting starts","Reporting ends","Campaign name","Age","Amount spent (USD)","Impressions","Link clicks"\n'
            "2026-06-01,2026-06-07,Alpha,18-24,70.00,700,70\n2026-06-01,2026-06-07,Alpha,25-34,30.50,300,\n"
            "2026-06-01,2026-06-07,,,100.50,1000,70\n"
        ),
        {"meta-alpha": {"spend": "100.5", "clicks": "70", "impressions": "1000"}},
    ),
    "meta_ads français": (
        (
            "Début des rapports;Fin des rapports;Nom de la campagne;Montant dépensé (USD);Impressions;Clics sur un lien\n"
            "2026-06-01;2026-06-01;Été 26;70,25;1700;70\n"
        ),
        {"meta-ete-26-dd5f23": {"spend": "70.25", "clicks": "70", "impressions": "1700"}},
    ),
    "meta_ads deutsch": (
        "Tag;Kampagnenname;Ausgegebener Betrag (USD);Impressionen;Link-Klicks\n2026-10-05;Winter;12,50;1.700;7\n",
        {"meta-winter": {"spend": "12.5", "clicks": "7", "impressions": "1700"}},
    ),
    "meta_ads_api": (
        (
            '{"data": [{"campaign_id":"11","date_start":"2026-07-01","impressions":"489","clicks":"5","spend":"0.71","account_currency":"USD"},'
            '{"campaign_id":"11","date_start":"2026-07-02","impressions":"511","clicks":"7","spend":"1.29","account_currency":"USD"}]}'
        ),
        {"meta-11": {"spend": "2", "clicks": "12", "impressions": "1000"}},
    ),
    "linkedin_ads": (
        (
            "Campaign Performance Report (in UTC)\nReport Start: 09/01/2026, Report End: 09/02/2026\n\n"
            "Start Date (in UTC)\tCampaign Name\tCampaign ID\tTotal Spent\tImpressions\tClicks\tCurrency\n"
            '9/1/2026\tLeads, B2B\t11\t"1,234.50"\t10000\t200\tUSD\n9/2/2026\tLeads, B2B\t11\t100.00\t2000\t4\tUSD\n'
        ).encode("utf-16"),
        {"linkedin-11": {"spend": "1334.5", "clicks": "204", "impressions": "12000"}},
    ),
    "tiktok_ads": (
        (
            "By Day,Campaign name,Ad name,Cost,Impressions,Clicks (destination)\n"
            '2026-10-03,Winter,a,"1,234.50","120,000","1,800"\n2026-10-03,Winter,b,0.5,10,1\nTotal of 2 results,-,-,"1,235.00","120,010","1,801"\n'
        ),
        {"tiktok-winter": {"spend": "1235", "clicks": "1801", "impressions": "120010"}},
    ),
    "x_ads": (
        (
            "ID,Campaign,Campaign URL,Time,Campaign start date,Campaign end date,Spend,Impressions,Engagements,Billed engagements,Clicks\n"
            '8wku2,"Leads, B2B",https://ads.x.com/c/8wku2,2026-07-01,2026-06-01,2026-08-01,"1,234.50","10,000",300,290,200\n'
            '8wku2,"Leads, B2B",https://ads.x.com/c/8wku2,2026-07-02,2026-06-01,2026-08-01,0.50,20,3,2,4\n'
        ),
        {"x-8wku2": {"spend": "1235", "clicks": "204", "impressions": "10020"}},
    ),
    "tiktok_ads_api": (
        (
            '{"dimensions":{"campaign_id":17,"stat_time_day":"2026-07-01 00:00:00"},"metrics":{"spend":"20.000","impressions":"4874","clicks":"65"}}\n'
            '{"dimensions":{"campaign_id":17,"stat_time_day":"2026-07-02 00:00:00"},"metrics":{"spend":"10.500","impressions":"12","clicks":"0"}}\n'
        ),
        {"tiktok-17": {"spend": "30.5", "clicks": "65", "impressions": "4886"}},
    ),
}


@pytest.fixture
def run(tmp_path):
    return writer(tmp_path)


def plain(sums):
    return {
        key: {name: text.rstrip("0").rstrip(".") if "." in text else text for name, text in value.items()}
        for key, value in sums.items()
    }


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_report_of_an_ad_platform_is_recognised_and_adds_up(run, name):
    content, wanted = DOWNLOADS[name]
    result = run({"download.csv": content}, currency="USD")
    assert f"mapping {name.split()[0]}" in result.found["download.csv"]
    assert plain(result.sums("spend", "clicks", "impressions")) == wanted
    assert {value["campaign_id"] for value in result.values("campaigns")} == set(wanted)
    doubt = (
        "1 reports of google_ads tell no spend where others do (first download.csv:5)"
        if name == "google_ads"
        else ""
    )
    assert result.exit_code == 0
    assert [each.text.partition("): ")[0] + ")" for each in result.findings] == ([doubt] if doubt else [])
    assert run({"download.csv": content}, currency="USD").records == result.records


X = "Id,Campaign,Campaign url,Time,Spend,Impressions,Clicks\n"


def test_hours_of_x_are_reports_of_their_day_in_the_zone_of_the_account(run):
    rows = "7,A,u,2026-07-01 00:00,1.10,100,5\n7,A,u,2026-07-01 23:00,2.20,,\n7,A,u,2026-07-02 00:00,4,9,1\n"
    result = run({"x.csv": X + rows}, currency="EUR", frame=Frame(timezone="Europe/Paris"))
    assert [(each["period_start"], each["period_end"], float(each["spend"])) for each in result.values("ad-reports")] == [
        ("2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z", 3.3), ("2026-07-01T22:00:00Z", "2026-07-02T22:00:00Z", 4.0)
    ]  # fmt: skip
    assert result.exit_code == 0


def test_a_day_of_x_without_a_zone_is_taken_for_one_of_utc_and_that_is_said(run):
    result = run({"x.csv": X + "7,A,u,2026-07-01,1.10,100,5\n"}, currency="EUR")
    assert [each["period_start"] for each in result.values("ad-reports")] == ["2026-07-01T00:00:00Z"]
    assert any("nothing says in which zone" in note for note in result.notes)


GOOGLE = "Campaign,Currency code,Impr.,Clicks,Cost\nAlpha,USD,1,1,1.00\n"
MICROSOFT = "TimePeriod,CampaignId,Impressions,Clicks,Spend,CurrencyCode\n2026-07-05,5,1,1,12.34,USD\n"


@pytest.mark.parametrize(
    ("content", "period"),
    [
        ('Campaign report\n"June 1, 2026 - June 30, 2026"\n' + GOOGLE, ("2026-06-01", "2026-07-01")),
        ("Campaign report\n1 September 2026 - 2 September 2026\n" + GOOGLE, ("2026-09-01", "2026-09-03")),
        ('Report of May 1, 2026\n"June 7, 2026"\n' + GOOGLE, ("2026-06-07", "2026-06-08")),
        (
            GOOGLE.replace("Cost\n", "Cost,Month\n").replace("1.00\n", "1.00,Feb 2026\n"),
            ("2026-02-01", "2026-03-01"),
        ),
        ('"Report Aggregation: Weekly"\n\n' + MICROSOFT, ("2026-07-05", "2026-07-12")),
        ('"Report Aggregation: WeeklyStartingMonday"\n\n' + MICROSOFT, ("2026-07-05", "2026-07-12")),
        ('"Report Aggregation: Monthly"\n\n' + MICROSOFT, ("2026-07-05", "2026-08-05")),
        (MICROSOFT, ("2026-07-05", "2026-07-06")),
        (
            (
                "Day,Reporting starts,Reporting ends,Campaign name,Amount spent (USD),Impressions\n"
                "2026-06-02,2026-06-01,2026-06-30,Alpha,5,7\n"
            ),
            ("2026-06-02", "2026-06-03"),
        ),
    ],
)
def test_a_report_covers_the_days_that_its_rows_or_the_lines_above_them_say(run, content, period):
    (report,) = run({"download.csv": content}, currency="USD").values("ad-reports")
    assert (report["period_start"], report["period_end"]) == tuple(f"{day}T00:00:00Z" for day in period)


@pytest.mark.parametrize(
    ("line", "frame", "start"),
    [
        ('"Time Zone: (GMT-08:00) Pacific Time (US & Canada); Tijuana"', None, "2026-07-05T07:00:00Z"),
        ('"Time Zone: (GMT) Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London"', None, "2026-07-04T23:00:00Z"),
        ("Time zone: Asia/Tokyo", None, "2026-07-04T15:00:00Z"),
        # What is said outright counts.
        ('"Time Zone: (GMT-08:00) Pacific Time (US & Canada); Tijuana"', "Europe/Paris", "2026-07-04T22:00:00Z"),
        ("Last Completed Available Hour: 7/5/2026 10:15:00 PM (GMT)", None, "2026-07-05T00:00:00Z"),
    ],
)  # fmt: skip
def test_days_are_of_the_zone_that_a_line_above_the_columns_says(run, line, frame, start):
    result = run({"download.csv": f"{line}\n\n{MICROSOFT}"}, currency="USD", frame=Frame(timezone=frame))
    (report,) = result.values("ad-reports")
    assert report["period_start"] == start
    is_said = frame is not None or "ime " in line
    assert any("nothing says in which zone" in note for note in result.notes) is not is_said


def test_a_zone_whose_name_is_not_known_and_files_of_two_zones_are_said(run, tmp_path):
    strange = run({"download.csv": f'"Time Zone: (GMT+99:00) Mars"\n\n{MICROSOFT}'}, currency="USD")
    assert any("a name that is not known ((GMT+99:00) Mars): UTC is taken" in note for note in strange.notes)
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, zone in zip(paths, ("Asia/Tokyo", "Europe/Paris"), strict=True):
        path.write_text(f"Time zone: {zone}\n\n{MICROSOFT}")
    with pytest.raises(MappingError, match=r"several time zones \(a.csv: Asia/Tokyo, b.csv: Europe/Paris\)"):
        replayed(paths)


@pytest.mark.parametrize("name", ["hubspot_deals", "zoho_deals"])
def test_a_deal_is_in_the_currency_that_its_row_names(run, name):
    content, _ = SALES[name]
    head, *rows = content.strip().split("\n")
    text = "\n".join([f"{head},Currency", *(f"{row},gbp" for row in rows)])
    result = run({"export.csv": text}, currency="GBP")
    assert ([value["currency"] for value in result.values()], result.said()) == (["GBP"], "")


@pytest.mark.parametrize(
    ("name", "amount"), [("woocommerce_orders", "12.5"), ("salesforce_opportunities", "99")]
)
def test_a_currency_that_is_said_is_that_of_every_amount_which_names_none(run, name, amount):
    content, _ = SALES[name]
    result = run({"export.csv": content}, currency="GBP", frame=Frame(currency="GBP"))
    assert {value["currency"] for value in result.values()} == {"GBP"}
    assert amount in {value["revenue"] for value in result.values()}
    assert not any("without a currency" in note for note in result.notes)


def test_a_currency_that_is_said_replaces_none_and_is_given_to_no_record_without_an_amount(run):
    head = "Name,Email,Financial Status,Currency,Total,Created at,Cancelled at\n"
    row = "#1,a@x.test,paid,USD,5.00,2026-06-01 10:00:00 +0200,2026-06-02 10:00:00 +0200\n"
    result = run({"orders.csv": head + row}, currency="USD", frame=Frame(currency="GBP"))
    assert [(value["kind"], value.get("currency")) for value in result.values()] == [
        ("placed", "USD"),
        ("cancelled", None),
    ]
    rates = run(
        {"rates.csv": "currency,rate,valid_from\nUSD,0.9,2026-01-01\n"},
        "fx_rates",
        frame=Frame(currency="GBP"),
    )
    assert [value["currency"] for value in rates.values()] == ["USD"]


def test_nothing_is_zero_where_the_platform_says_null_for_it(run):
    """A day of X without any delivery; on other platforms a row of nulls says nothing."""
    head = "campaign_id,account_id,date,impressions,clicks,billed_charge_local_micro,_fivetran_synced\n"
    rows = "7,1,2026-06-01T00:00:00Z,,,,2026-06-03T00:00:00Z\n7,1,2026-06-02T00:00:00Z,9,2,1500000,2026-06-03T00:00:00Z\n"
    campaigns = "id,name,currency,updated_at\n7,Alpha,EUR,2026-01-01T00:00:00Z\n"
    accounts = "id,timezone,updated_at\n1,UTC,2026-01-01T00:00:00Z\n"
    files = {
        "twitter_campaign_report_data.csv": head + rows,
        "twitter_campaign_history_data.csv": campaigns,
        "twitter_account_history_data.csv": accounts,
    }
    result = run(files, "twitter_ads_fivetran")
    figures = [
        tuple(value[name] for name in ("impressions", "clicks", "spend"))
        for value in result.values("ad-reports")
    ]
    assert [(shown, clicks, float(spend)) for shown, clicks, spend in figures] == [(0, 0, 0.0), (9, 2, 1.5)]
    assert result.left == {}


def test_a_report_that_names_no_days_is_refused_and_says_what_to_do(run):
    result = run({"download.csv": "Campaign report\nAll time\n" + GOOGLE}, currency="USD")
    assert result.exit_code == 1
    assert any("segment it by day" in note for note in result.notes)


CLAIMS = {
    "ga4_campaigns": (
        (
            "# Traffic acquisition: Session campaign\n# Account: Shop 20250101\n# Start date: 20260901\n# End date: 20260930\n"
            "Session campaign,Sessions,Engaged sessions,Event count,Key events,Total revenue\n"
            "spring-26,100,80,1000,5,120.5\n(direct),50,20,100,1,0\n(not set),3,1,3,0,0\n,153,101,1103,6,120.5\n"
        ),
        [("spring-26", "5", "2026-09-01", "2026-10-01")],
    ),
    "matomo_campaigns": (
        (
            "date,label,nb_uniq_visitors,nb_visits,nb_actions,nb_conversions,revenue\n2026-09-01,spring-26,9,10,30,2,0\n"
            '2026-09-02,"news, letter",4,5,6,1,0\n'
        ).encode("utf-16"),
        [("spring-26", "2", "2026-09-01", "2026-09-02"), ("news, letter", "1", "2026-09-02", "2026-09-03")],
    ),
    "matomo_campaigns of months": (
        "date,label,nb_visits,nb_conversions\n2026-09,spring-26,10,2\n",
        [("spring-26", "2", "2026-09-01", "2026-10-01")],
    ),
    "matomo_campaigns of weeks": (
        'date,label,nb_visits,nb_conversions\n"2026-08-31,2026-09-06",spring-26,10,2\n',
        [("spring-26", "2", "2026-08-31", "2026-09-07")],
    ),
    "matomo_campaigns deutsch": (
        (
            "Datum,Bezeichnung,Besuche,Aktionen,Konversionen,Metadaten: segment\n"
            "2026-09-01,spring-26,10,30,2,referrerType==campaign;referrerName==spring-26\n"
        ),
        [("spring-26", "2", "2026-09-01", "2026-09-02")],
    ),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_conversions_that_web_analytics_claims_are_reports_without_spend(run, name):
    content, wanted = CLAIMS[name]
    result = run({"export.csv": content})
    assert f"mapping {name.split()[0]}" in result.found["export.csv"]
    assert [
        (value["campaign_id"], value["conversions"], value["period_start"][:10], value["period_end"][:10])
        for value in result.values()
    ] == wanted
    assert all("spend" not in value for value in result.values())
    assert (result.exit_code, result.said()) == (0, "")


#: The names of columns are those of Matomo's own test of its download (ReportExporting_Referrers.getWebsites_exported.csv.txt, 5.x).
OF_ONE_PERIOD = (
    "Label,Visits,Actions,Conversions,Conversions (Goal idgoal=1),Metadata: segment\n"
    "spring-26,12,52,3,2,referrerType==campaign;referrerName==spring-26\n"
    '"news, letter",8,12,1,1,"referrerType==campaign;referrerName==news%2C+letter"\n'
).encode("utf-16")


def test_a_download_that_names_no_period_is_of_the_days_that_are_said(run):
    result = run({"export.csv": OF_ONE_PERIOD}, frame=Frame(days="2026-09-01..2026-09-30"))
    assert [(each["campaign_id"], each["conversions"], each["period_start"], each["period_end"]) for each in result.values()] == [
        (name, claimed, "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z")
        for name, claimed in (("spring-26", "3"), ("news, letter", "1"))
    ]  # fmt: skip
    assert result.exit_code == 0
    (of_a_day, _) = run({"export.csv": OF_ONE_PERIOD}, frame=Frame(days="2026-09-05")).values()
    assert (of_a_day["period_start"], of_a_day["period_end"]) == (
        "2026-09-05T00:00:00Z",
        "2026-09-06T00:00:00Z",
    )


def test_without_said_days_such_a_download_is_refused_and_says_what_to_do(run):
    result = run({"export.csv": OF_ONE_PERIOD})
    assert (result.exit_code, result.values()) == (1, [])
    assert any("--frame days=2026-07-01..2026-07-31" in note for note in result.notes)


def test_days_that_a_file_names_count_before_those_that_are_said(run):
    content, wanted = CLAIMS["matomo_campaigns"]
    result = run({"export.csv": content}, frame=Frame(days="2020-01-01..2020-12-31"))
    assert [value["period_start"][:10] for value in result.values()] == [start for *_, start, _ in wanted]


@pytest.mark.parametrize(
    "days", ["July", "2026-02-30", "2026-07-31..2026-07-01", "2026-07-01..", "2026-07-01..2026-07-32"]
)
def test_days_that_are_none_are_refused(run, days):
    with pytest.raises(MappingError, match=r"days=2026-07-01\.\.2026-07-31"):
        run({"export.csv": OF_ONE_PERIOD}, frame=Frame(days=days))


def test_another_report_of_matomo_is_not_taken_for_campaigns(run):
    sites = OF_ONE_PERIOD.decode("utf-16").replace("referrerType==campaign;", "")
    result = run({"export.csv": sites}, frame=Frame(days="2026-09-05"))
    assert result.values() == []
    assert result.left == {"skipped: a row of another report than that of campaigns": 2}


SALES = {
    "hubspot_contacts": (
        (
            "Record ID,First Name,Lifecycle Stage,Create Date,Became a Marketing Qualified Lead Date\n"
            "1,A,Lead,2026-04-01 17:32,\n2,B,Marketing Qualified Lead,2026-04-02 09:00,2026-04-03 10:00\n"
        ),
        [("1", "lead"), ("2", "lead"), ("2", "mql")],
    ),
    "hubspot_deals": (
        "Record ID,Deal Name,Deal Stage,Close Date,Amount\n7,Big,Closed Won,2026-04-15 10:00,1200.50\n8,Small,Proposal,2026-04-16 10:00,5\n",
        [("7", "placed", "1200.5")],
    ),
    "salesforce_opportunities": (
        (
            'Opportunity ID,Amount,Close Date,Stage\nO1,"1.200,50",31/12/2025,Closed Won\nO2,"99,00",05/01/2026,Closed Won\n\n'
            '"Grand Totals (2 records)"\n\n"Confidential Information - Do Not Distribute"\n"Copyright (c) 2000-2026 salesforce.com"\n'
        ),
        [("O1", "placed", "1200.5"), ("O2", "placed", "99")],
    ),
    "dynamics_leads": (
        "(Do Not Modify) Lead,(Do Not Modify) Row Checksum,Topic,Created On\n{0a},x,Talk,2026-04-01 17:32\n",
        [("{0a}", "lead")],
    ),
    "dynamics_opportunities": (
        "(Do Not Modify) Opportunity,Topic,Status,Actual Close Date,Actual Revenue\n{0b},T,Won,2026-04-01,3522.00\n{0c},T,Lost,2026-04-01,\n",
        [("{0b}", "placed", "3522")],
    ),
    "zoho_deals": (
        (
            '"Record Id","Deal Name","Account Name","Account Name.id","Stage","Closing Date","Amount"\n'
            '"487","Roof","Acme","9","Closed Won","2026-11-15","42,000.00"\n"488","Door","Acme","9","Proposal","2026-11-15","1,000.00"\n'
        ),
        [("487", "placed", "42000")],
    ),
    "sugar_leads": (
        (
            "id,date_entered,date_modified,converted,lead_source,campaign_id\na1,2026-04-01 10:00:00,2026-04-02 10:00:00,1,Web,spring\n"
            "a2,2026-04-01 11:00:00,2026-04-01 11:00:00,0,Web,\n"
        ),
        [("a1", "lead"), ("a2", "lead"), ("a1", "sql")],
    ),
    "marketo_leads": (
        "id,email,createdAt,updatedAt\n5,,2026-04-01T10:00:00Z,2026-04-02T10:00:00Z\n",
        [("5", "lead")],
    ),
    "vtiger_leads": (
        (
            '"Last Name", "Lead No", "Lead Source", "Lead Status", "Created Time"\r\n"A","LEA1","Web ""x""","Hot","15-01-2026 10:05 AM"\r\n'
            '"B","LEA2","","Cold","02-01-2026 11:00 PM"\r\n'
        ),
        [("LEA2", "lead"), ("LEA1", "lead")],
    ),
    "salesforce_leads": (
        (
            '"Id","IsDeleted","CreatedDate","Status","IsConverted","ConvertedDate"\n"00Q1","false","2026-04-01T10:00:00.000+0000","New","false",""\n'
            '"00Q2","false","2026-04-02T09:00:00.000+0000","Closed","true","2026-04-02"\n"00Q3","true","2026-04-02T09:00:00.000+0000","New","false",""\n'
        ),
        [("00Q1", "lead"), ("00Q2", "lead"), ("00Q2", "sql")],
    ),
    "zoho_leads": (
        "Record Id,Lead Name,Company,Created Time,Lead Source,Lead Status\nzcrm_1,A B,AB,2020-04-10 20:12:31,Facebook,Lost Lead\n",
        [("zcrm_1", "lead")],
    ),
    "zoho_leads of the API": (
        (
            "Id,Last_Name,Created_Time,Lead_Status,Converted_Date_Time\n1,A,2026-04-10T20:12:31+05:30,Contacted,\n"
            "2,B,2026-04-10T20:12:32+05:30,Contacted,2026-04-12T08:00:00+05:30\n"
        ),
        [("1", "lead"), ("2", "lead"), ("2", "sql")],
    ),
    "shopify_orders": (
        (
            "Name,Email,Financial Status,Currency,Total,Created at,Lineitem name,Note Attributes,Cancelled at,Refunded Amount,Landing Site\n"
            "#1,a@x.test,paid,USD,50.00,2026-06-01 10:00:00 +0200,Mug,,,0.00,/p?utm_source=meta&utm_campaign=spring-26&x=1\n"
            "#1,a@x.test,,,,2026-06-01 10:00:00 +0200,Cup,,,,\n"
            '#2,b@x.test,partially_refunded,USD,20.00,2026-06-02 10:00:00 +0200,Mug,"UTM source: meta\nUTM campaign: 1202",,5.00,\n'
            "#3,b@x.test,voided,USD,9.00,2026-06-02 10:00:00 +0200,Mug,,,0.00,\n"
        ),
        [("#1", "placed", "50", "spring-26"), ("#2", "placed", "20", "1202"), ("#2", "refunded", "5", None)],
    ),
    "woocommerce_orders": (
        (
            'Date,"Order #","N. Revenue (formatted)",Status,Customer,"Customer type",Product(s),"Items sold",Coupon(s),"N. Revenue"\n'
            '"2026-06-01 10:00:00",77,$12.50,completed,"A B",new,"1× Mug",1,,12.5\n"2026-06-01 11:00:00",78,$3.00,cancelled,"A B",returning,"1× Mug",1,,3\n'
        ),
        [("77", "placed", "12.5")],
    ),
    "stripe_payments": (
        (
            "id,Created date (UTC),Amount,Amount Refunded,Currency,Captured,Converted Amount,Converted Amount Refunded,Converted Currency,"
            "Refunded date (UTC),Status,Customer ID\n"
            "ch_1,2026-06-07 02:38:54,15.00,0.00,usd,true,534.80,0.00,thb,,Paid,cus_a\n"
            "ch_2,2026-06-07 03:00:00,9.00,4.00,usd,true,350.06,155.58,thb,2026-06-08 10:00:00,Partial Refund,cus_b\n"
            "ch_3,2026-06-07 04:00:00,9.00,0.00,eur,false,0.00,0.00,thb,,Failed,cus_c\n"
        ),
        [("ch_1", "placed", "15"), ("ch_2", "placed", "9"), ("ch_2", "refunded", "4")],
    ),
}


def test_an_order_that_lacks_its_total_is_no_further_article_of_another(run):
    head = "Name,Email,Financial Status,Currency,Total,Created at\n"
    text = (
        head
        + "#1,a@x.test,paid,USD,5.00,2026-06-01 10:00:00 +0200\n#2,a@x.test,paid,USD,,2026-06-01 10:00:00 +0200\n"
    )
    result = run({"orders.csv": text}, currency="USD")
    assert [value["order_id"] for value in result.values()] == ["#1"]
    assert result.left == {"orders: refused": 1}


def test_a_conversion_that_the_export_does_not_date_is_said(run):
    content, _ = SALES["sugar_leads"]
    assert any("conversions are not dated" in note for note in run({"export.csv": content}).notes)


def test_an_order_without_a_person_or_articles_keeps_the_campaign_of_its_link(run):
    text = (
        "Name,Total,Currency,Created at,Landing Site,Note Attributes\n"
        '#1,50.00,EUR,2026-06-01 10:00:00 +0200,/p?utm_source=meta&utm_campaign=spring-26&x=1,"UTM source: meta\nUTM campaign: 1202"\n'
    )
    result = run({"orders.csv": text})
    assert [(value["order_id"], value["campaign_id"]) for value in result.values()] == [("#1", "spring-26")]
    assert result.records[0].key == "#1"


@pytest.mark.parametrize(
    ("link", "campaign"),
    [
        ("/p?utm_campaign=%E9t%E9-26&x=1", "%E9t%E9-26"),  # Latin-1 of an old page: no UTF-8
        ("/p?utm_campaign=%C3%A9t%C3%A9-26", "été-26"),
        ("/p?UTM_Campaign=Big", "Big"),
        ("/p?utm_campaign=100%", "100%"),
        ("/p?utm_campaign=a%2Fb+c#top", "a/b c"),
        ("/p?utm_campaign=&utm_source=x", None),
        ("/p?my_utm_campaign=x", None),
    ],
)
def test_a_link_that_a_visitor_wrote_gives_its_campaign_and_never_ends_the_replay(run, link, campaign):
    text = f"Name,Total,Currency,Created at,Landing Site\n#1,50.00,EUR,2026-06-01 10:00:00 +0200,{link}\n"
    (order,) = run({"orders.csv": text}).values()
    assert order.get("campaign_id") == campaign


@pytest.mark.parametrize("name", SALES)
def test_an_export_of_a_crm_or_a_shop_is_recognised_and_every_row_is_accounted_for(run, name):
    content, wanted = SALES[name]
    result = run({"export.csv": content}, currency="USD")
    assert f"mapping {name.split()[0]}" in result.found["export.csv"]
    shown = [
        (value["lead_id"], value["stage"])
        if "lead_id" in value
        else (value["order_id"], value["kind"], value.get("revenue"), value.get("campaign_id"))[
            : len(wanted[0])
        ]
        for value in result.values()
    ]
    assert shown == wanted
    assert (result.exit_code, result.said("error")) == (0, "")
    assert all(record.key for record in result.records)
    assert run({"export.csv": content}, currency="USD").records == result.records


def test_a_header_that_nothing_fits_says_what_is_nearest_and_what_to_do(run):
    with pytest.raises(MappingError) as error:
        run({"a.csv": "Campaign,Currency code,Impr.,Clicks\nA,USD,1,1\n"})
    for part in ("Campaign, Currency code", "google_ads (lacks Cost", "mappings suggest a.csv"):
        assert part in str(error.value)


def test_no_mapping_of_a_webhook_is_near_to_a_file(run):
    with pytest.raises(MappingError) as error:
        run({"orders.csv": "id,at,total\n1,2026-06-01,5\n"})
    assert "webhook" not in str(error.value)


def test_two_mappings_that_lack_the_same_are_both_near():
    known = [msgspec.structs.replace(builtin("zoho_leads"), name=name) for name in ("b", "a")]
    text = str(unknown_header("leads.csv", ["Record Id"], known))
    assert text.index("a (lacks Created Time") < text.index("b (lacks Created Time")


def test_a_folder_gives_what_its_files_are_for_and_leaves_the_rest(tmp_path):
    for name in ("google_ads", "tiktok_ads"):
        content = DOWNLOADS[name][0]
        (tmp_path / f"{name}-download.csv").write_text(content)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    result = replayed([tmp_path], currency="USD")
    assert {value["source"] for value in result.values("ad-reports")} == {"google_ads", "tiktok_ads"}


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_mapping_is_sound_and_says_where_its_units_are_documented(name):
    assert all(part.description for part in load(name))
    mapping = builtin(name)
    assert mapping.source or name in {"ad_exports", "fx_rates"}


def table():
    lines = ["| mapping | gives | what it reads, units and periods |", "|---|---|---|"]
    for name in builtin_names():
        mapping = builtin(name)
        given = sorted({select.topic for part in load(name) for select in part.select})
        lines.append(f"| `{name}` | {', '.join(given)} | {mapping.description} |")
    return "\n".join(lines)


def test_the_documentation_lists_every_built_in_mapping():
    text = PAGE.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table()


def test_the_mapping_that_the_documentation_shows_is_sound_and_works(run, tmp_path):
    text = PAGE.read_text(encoding="utf-8").split("```toml")[1].split("```")[0]
    orders = "number;Created at;quantity;price;coupon;customer;test\n7;2026-06-01 10:00;2;1,25;SPRING;c;no\n7;2026-06-01 10:01;1;0,5;SPRING;c;no\n"
    coupons = "code,campaign,changed_at\nSPRING,spring,2026-01-01\n"
    (order,) = run({"orders.csv": orders, "coupons.csv": coupons}, text).values("orders")
    assert (order["revenue"], order["campaign_id"], order["occurred_at"]) == (
        "3",
        "spring",
        "2026-06-01T08:00:00Z",
    )
