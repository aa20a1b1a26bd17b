"""Documents are mapped as they come, by the mappings of files, and nothing of them stays."""

import json

import pytest

from streams.mapping.database import opened
from streams.mapping.documents import Refusal, map_documents
from streams.mapping.loader import builtin, load
from streams.mapping.model import MappingError
from streams.replay.file_readers import flat

DAY = {
    "dimensions": {"campaign_id": 17, "stat_time_day": "2026-07-01 00:00:00"},
    "metrics": {"spend": "20.000", "impressions": "4874", "clicks": "65"},
}


def test_documents_give_the_records_that_a_file_of_them_gives_again_and_again():
    later = json.loads(json.dumps(DAY).replace("07-01", "07-02"))
    with opened() as database:
        calls = [
            map_documents(database, builtin("tiktok_ads_api"), [flat(DAY), flat(later)]) for _ in range(3)
        ]
    assert calls[0] == calls[1] == calls[2]
    records, refusals = calls[0]
    assert [(record.topic, record.key) for record in records] == [
        ("campaigns", "tiktok-17"),
        ("ad-reports", "tiktok-17"),
        ("ad-reports", "tiktok-17"),
    ]
    assert [json.loads(record.value).get("spend") for record in records] == [None, "20", "20"]
    assert refusals == []


def test_a_document_that_gives_no_record_is_named_by_its_place():
    broken = json.loads(json.dumps(DAY).replace("20.000", "many").replace("07-01", "07-03"))
    with opened() as database:
        records, refusals = map_documents(database, builtin("tiktok_ads_api"), [flat(DAY), flat(broken)])
    assert len(records) == 2
    assert refusals == [Refusal(1, "ad-reports: spend is not a number", "many")]


def test_documents_that_the_mapping_does_not_fit_are_refused_whole():
    with opened() as database:
        with pytest.raises(MappingError, match=r"metrics\.spend"):
            map_documents(
                database,
                builtin("tiktok_ads_api"),
                [
                    {
                        "dimensions.campaign_id": "1",
                        "dimensions.stat_time_day": "2026-07-01",
                        "metrics.clicks": "1",
                        "metrics.impressions": "2",
                    }
                ],
            )
        records, _ = map_documents(database, builtin("tiktok_ads_api"), [flat(DAY)])
    assert len(records) == 2


ORDERS = """
description = "orders"
[columns]
at = "time"
amount = "number"
[[select]]
topic = "campaigns"
sql = "SELECT campaign AS campaign_id FROM rows GROUP BY ALL"
[[select]]
topic = "orders"
id = ["order_id"]
sql = '''SELECT rows.id AS order_id, rows.at AS occurred_at, amount AS revenue, 'EUR' AS currency, 'shop-' || visitor AS visitor_id,
customer AS customer_id, campaign AS campaign_id, note AS source FROM rows'''
"""


def row(**said):
    return {
        "id": "o",
        "at": "2026-06-01T00:00:00Z",
        "amount": "10",
        "visitor": "v",
        "customer": "c",
        "campaign": "x",
        "note": "n",
    } | said


@pytest.fixture
def orders(tmp_path):
    (tmp_path / "mine.toml").write_text(ORDERS)
    (mapping,) = load(tmp_path / "mine.toml")
    return mapping


@pytest.mark.parametrize("name", ["id", "visitor", "customer", "campaign"])
@pytest.mark.parametrize("number", ["1.23457E+17", "1.2021000000000013e+17", "1.2021E17", "1e+17"])
def test_a_document_whose_id_was_taken_for_a_number_and_shortened_is_refused(orders, name, number):
    with opened() as database:
        records, refusals = map_documents(database, orders, [row(), row(**{"id": "p", name: number})])
    orders_of = [json.loads(record.value)["order_id"] for record in records if record.topic == "orders"]
    assert orders_of == ["o"]
    assert [record.key for record in records if record.topic == "campaigns"] == ["x"]
    refused = {refusal for refusal in refusals if refusal.reason.startswith("orders: ")}
    assert {(refusal.place, refusal.found) for refusal in refused} == {(1, number)}
    assert "an id was taken for a number and shortened" in next(iter(refused)).reason


def test_a_text_that_is_no_id_may_be_a_shortened_number(orders):
    with opened() as database:
        records, refusals = map_documents(database, orders, [row(note="1.2e+17")])
    assert [record.topic for record in records] == ["campaigns", "orders"]
    assert refusals == []
