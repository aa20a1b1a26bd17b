"""Rows as connectors write them, made by hand, and the exact records that they become.

``recorded/MAPPING.PROTOCOL.jsonl`` are a connector's lines, ``recorded/MAPPING.PROTOCOL.records.jsonl`` its records, the
rows that gave none, and what is said at the end.
"""

import json
from pathlib import Path

import pytest

from streams import topics
from streams.ingest.ingestion import Ingestion, check
from streams.ingest.protocols import ConnectorState
from streams.mapping.database import opened
from streams.mapping.loader import builtin_names, load
from streams.mapping.model import Frame

FOLDER = Path(__file__).with_name("recorded")
CASES = sorted(
    path.name.removesuffix(".jsonl") for path in FOLDER.glob("*.jsonl") if ".records." not in path.name
)
#: What is said outright of the account.
FRAMES = {
    "google_ads_connector": Frame(timezone="Europe/Paris", currency="EUR"),
    "tiktok_ads_connector": Frame(timezone="America/New_York"),
    "salesforce_connector": Frame(timezone="America/New_York"),
    "dynamics_connector": Frame(currency="EUR"),
    "exchange_rates_connector": Frame(currency="EUR"),
    "zoho_connector": Frame(timezone="Europe/Berlin"),
    "microsoft_ads_connector": Frame(timezone="America/Los_Angeles"),
}


class Kept:
    """A sink that keeps what is sent."""

    def __init__(self):
        self.records = []

    def send(self, record):
        self.records.append(record)

    def confirm(self):
        """All is written."""


def ingested(case):
    """What a file's lines become, in the shape of the file of records."""
    name, protocol = case.split(".")
    sink, mappings = Kept(), load(name)
    with opened() as database:
        check(database, mappings)
        ingestion = Ingestion(
            database,
            mappings,
            sink,
            ConnectorState(protocol),
            name,
            lambda: 0,
            frame=FRAMES.get(name, Frame()),
        )
        for line in (FOLDER / f"{case}.jsonl").read_bytes().splitlines(keepends=True):
            ingestion.take(line)
        ingestion.flush()
    records = [
        {"topic": record.topic, "key": record.key, "value": json.loads(record.value)}
        for record in sink.records
    ]
    return [*records, {"left": dict(ingestion.left), "said": sorted(ingestion.notes)}]


@pytest.mark.parametrize("case", CASES)
def test_the_rows_of_a_connector_become_exactly_these_records(case):
    wanted = (FOLDER / f"{case}.records.jsonl").read_text(encoding="utf-8").splitlines()
    found = ingested(case)
    assert found == [json.loads(line) for line in wanted]
    assert topics.DEAD_LETTERS not in {record.get("topic") for record in found}


def test_every_mapping_for_a_connector_has_recorded_rows():
    assert {case.split(".")[0] for case in CASES} | {"meta_connector"} == {
        name for name in builtin_names() if name.endswith("_connector")
    }
