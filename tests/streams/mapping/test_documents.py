"""Documents are mapped as they come, by the mappings of files, and nothing of them stays."""

import json

import pytest

from streams.mapping.database import opened
from streams.mapping.documents import Refusal, map_documents
from streams.mapping.loader import builtin
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
