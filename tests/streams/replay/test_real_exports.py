"""The built-in mappings on real exports: what they produce adds up to what the oracles read in the raw files."""

import json
from collections import Counter
from decimal import Decimal

import pytest

from tests.support.oracles import ad_exports, online_retail, stream
from tests.support.oracles.cells import differences
from tests.support.replaying import replayed


def days_and_totals(records, currency):
    cells = stream.expected([(record.topic, json.loads(record.value)) for record in records], currency)
    return {key: sums for key, sums in cells.items() if key[1] in {"1d", "total"}}


@pytest.fixture(scope="module")
def data(shared):
    folder = shared / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data sets at {folder}")
    return folder


@pytest.fixture(scope="module")
def retail(data):
    return replayed([data / "online_retail" / "slice_2010-12.csv"], "online_retail")


@pytest.mark.slow
def test_a_month_of_invoices_gives_the_sums_of_its_lines(retail, data):
    wanted = online_retail.expected(data / "online_retail" / "slice_2010-12.csv")
    assert len(wanted) > 100
    assert differences(wanted, days_and_totals(retail.records, "GBP")) == []


@pytest.mark.slow
def test_every_invoice_line_is_mapped_or_left_out_for_a_reason_of_the_mapping(retail):
    assert set(retail.left) == {"skipped: invoice without revenue (stock written off, samples)"}


@pytest.mark.verify
def test_the_whole_year_adds_up_to_the_published_sum(data):
    path = data / "online_retail" / "online_retail_2010_2011.parquet"
    records = replayed([path], "online_retail").records
    amounts = {"placed": Decimal(0), "refunded": Decimal(0)}
    for record in records:
        if record.topic == "orders":
            value = json.loads(record.value)
            amounts[value["kind"]] += Decimal(value["revenue"])
    bad_debt = Decimal("-11062.06")  # three A… lines, left out
    assert amounts["placed"] - amounts["refunded"] + bad_debt == Decimal("9747747.934")
    assert differences(online_retail.expected(path), days_and_totals(records, "GBP")) == []


@pytest.mark.slow
def test_ad_exports_give_the_sums_of_their_rows_in_the_days_of_their_accounts(data):
    folder = data / "ad_platform_exports" / "dbt_ad_reporting"
    conversion = replayed([folder], "ad_exports")
    wanted = ad_exports.expected(folder)
    assert {key[0].split("-")[0] for key in wanted} == {
        *("amazon", "apple", "google", "linkedin", "meta", "microsoft"),
        *("pinterest", "reddit", "snapchat", "tiktok", "x"),
    }
    assert differences(wanted, days_and_totals(conversion.records, "USD")) == []
    assert conversion.left == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder", "records"),
    [
        ("shopify_fivetran", "dbt_shopify", {"orders": 8}),
        ("hubspot_fivetran", "dbt_hubspot", {"leads": 22}),
        ("salesforce_fivetran", "dbt_salesforce", {"leads": 2}),
        ("google_ads_fivetran", "dbt_google_ads", {"ad-reports": 16, "campaigns": 1}),
        ("facebook_ads_fivetran", "dbt_facebook_ads", {"ad-reports": 10, "campaigns": 4}),
    ],
)
def test_other_exports_are_read_as_they_are(data, name, folder, records):
    conversion = replayed([data / "ad_platform_exports" / folder], name)
    assert dict(Counter(record.topic for record in conversion.records)) == records
    assert all(reason.startswith("skipped: ") for reason in conversion.left)


SHOP_ORDERS = """id,test,created_at,cancelled_at,total_price,currency,customer_id
1,FALSE,2025-05-01 08:00:00.000,,100.01,USD,7
2,FALSE,2025-05-02 08:00:00.000,2025-05-03 09:00:00.000,50,USD,8
3,TRUE,2025-05-02 08:00:00.000,,50,USD,8
"""
SHOP_TRANSACTIONS = """id,test,order_id,kind,status,amount,currency,created_at
10,FALSE,1,sale,success,100.01,USD,2025-05-01 08:00:00.000
11,FALSE,1,refund,success,40,USD,2025-05-04 08:00:00.000
12,FALSE,1,refund,failure,60.01,USD,2025-05-05 08:00:00.000
"""
SHOP_TAGS = "key,order_id,value\nutm_medium,1,email\nutm_campaign,1,spring\n"


def test_shop_orders_refunds_and_cancellations_meet_under_the_customer(tmp_path):
    (tmp_path / "shopify_order_data.csv").write_text(SHOP_ORDERS)
    (tmp_path / "shopify_transaction_data.csv").write_text(SHOP_TRANSACTIONS)
    (tmp_path / "shopify_order_url_tag_data.csv").write_text(SHOP_TAGS)
    conversion = replayed([tmp_path], "shopify_fivetran")
    shown = [
        (record.key, value["kind"], value["order_id"], value.get("revenue"), value.get("campaign_id"))
        for record in conversion.records
        for value in [json.loads(record.value)]
    ]
    assert shown == [
        ("7", "placed", "1", "100.01", "spring"),
        ("8", "placed", "2", "50", None),
        ("8", "cancelled", "2", None, None),
        ("7", "refunded", "1", "40", None),
    ]
    assert sum(conversion.left.values()) == 3


CONTACTS = (
    "id,_fivetran_deleted,property_createdate,property_hs_lifecyclestage_marketingqualifiedlead_date\n"
    "1,FALSE,2021-04-01 17:32:47,2021-04-03 10:00:00\n2,FALSE,2021-04-02 17:32:47,\n3,TRUE,2021-04-02 17:32:47,\n"
)


def test_contacts_become_leads_with_the_stages_that_the_export_dates(tmp_path):
    (tmp_path / "contact_data.csv").write_text(CONTACTS)
    leads = [json.loads(record.value) for record in replayed([tmp_path], "hubspot_fivetran").records]
    assert [(lead["lead_id"], lead["stage"]) for lead in leads] == [
        ("1", "lead"),
        ("2", "lead"),
        ("1", "mql"),
    ]
    assert len({lead["event_id"] for lead in leads}) == 3


#: By mapping the files of an export: the report, and where the account or the campaign of a row is looked up.
ON_THE_PLATFORM = {
    "facebook_ads_fivetran": {
        "facebook_ads_basic_ad_data.csv": "ad_id,date,account_id,impressions,inline_link_clicks,spend\n7,2025-05-01,11,9,3,1.50\n",
        "facebook_ads_ad_history_data.csv": "id,campaign_id,updated_time\n7,22,2025-05-01 08:00:00\n",
        "facebook_ads_campaign_history_data.csv": "id,name,updated_time\n22,Spring,2025-05-01 08:00:00\n",
    },
    "google_ads_fivetran": {
        "campaign_stats_data.csv": "customer_id,date,_fivetran_synced,id,impressions,clicks,cost_micros,conversions\n"
        "11,2025-05-01,2025-05-02 08:00:00,22,9,3,1500000,1\n",
        "account_history_data.csv": "id,time_zone,currency_code,updated_at\n11,Europe/Paris,EUR,2025-05-01 08:00:00\n",
        "campaign_history_data.csv": "id,name,updated_at\n22,Spring,2025-05-01 08:00:00\n",
    },
    "linkedin_ads_fivetran": {
        "linkedin_ad_analytics_by_campaign_data.csv": "campaign_id,day,_fivetran_synced,impressions,clicks,cost_in_local_currency,external_website_conversions\n"
        "22,2025-05-01 00:00:00,2025-05-02 08:00:00,9,3,1.50,1\n",
        "linkedin_ad_campaign_history_data.csv": "id,name,account_id,last_modified_time\n22,Spring,11,2025-05-01 08:00:00\n",
        "linkedin_ad_account_history_data.csv": "id,currency,last_modified_time\n11,EUR,2025-05-01 08:00:00\n",
    },
    "microsoft_ads_fivetran": {
        "microsoft_ads_campaign_performance_daily_report_data.csv": "date,account_id,campaign_id,currency_code,impressions,clicks,spend,conversions\n"
        "2025-05-01,11,22,EUR,9,3,1.50,1\n",
        "microsoft_ads_account_history_data.csv": "id,time_zone,last_modified_time\n11,EasternTimeUSCanada,2025-05-01 08:00:00\n",
        "microsoft_ads_campaign_history_data.csv": "id,name,modified_time\n22,Spring,2025-05-01 08:00:00\n",
    },
    "tiktok_ads_fivetran": {
        "tiktok_campaign_report_hourly_data.csv": "CAMPAIGN_ID,STAT_TIME_HOUR,IMPRESSIONS,CLICKS,SPEND,CONVERSION,_FIVETRAN_SYNCED\n"
        "22,2025-05-01 05:00:00,9,3,1.50,1,2025-05-02 08:00:00\n",
        "tiktok_campaign_history_data.csv": "campaign_id,advertiser_id,updated_at\n22,11,2025-05-01 08:00:00\n",
        "tiktok_advertiser_data.csv": "id,timezone,currency,_fivetran_synced\n11,Europe/Paris,EUR,2025-05-01 08:00:00\n",
    },
    "twitter_ads_fivetran": {
        "twitter_campaign_report_data.csv": "account_id,campaign_id,date,_fivetran_synced,impressions,clicks,billed_charge_local_micro\n"
        "11,22,2025-05-01 00:00:00,2025-05-02 08:00:00,9,3,1500000\n",
        "twitter_account_history_data.csv": "id,timezone,updated_at\n11,UTC,2025-05-01 08:00:00\n",
        "twitter_campaign_history_data.csv": "id,name,currency,updated_at\n22,Spring,EUR,2025-05-01 08:00:00\n",
    },
}
PLATFORMS = {"facebook": "meta", "twitter": "x"}


@pytest.mark.parametrize("name", sorted(ON_THE_PLATFORM))
def test_connector_tables_say_where_a_campaign_is_on_its_platform(tmp_path, name):
    for file, text in ON_THE_PLATFORM[name].items():
        (tmp_path / file).write_text(text)
    found = [
        json.loads(record.value)
        for record in replayed([tmp_path], name).records
        if record.topic == "campaigns"
    ]
    begin = name.partition("_")[0]
    platform = PLATFORMS.get(begin, begin)
    assert [
        (value["campaign_id"], value["platform"], value["platform_account_id"], value["platform_campaign_id"])
        for value in found
    ] == [(f"{platform}-22", platform, "11", "22")]
