"""Mappings for connectors: what the connectors' own schemas say of the columns, and what their rows become.

``connector_columns.json`` holds the columns that mappings read, with the types that the packages' schemas give them. The
packages are read again with ``python -m tests.streams.ingest.test_connector_mappings`` (all, or those that are named),
which loads them into a folder of its own and ends with 1 where a column has vanished or has another type.
"""

import json
import re
import sys
from pathlib import Path

import pytest

from streams import topics
from streams.ingest.ingestion import Ingestion, check
from streams.ingest.protocols import ConnectorState
from streams.mapping.database import opened
from streams.mapping.headers import found_name, matches
from streams.mapping.loader import builtin, load
from streams.mapping.model import Frame, long_form
from streams.mapping.provenance import read_condition, traced
from tests.streams.ingest.connector_schemas import schemas_of

FACTS = json.loads(Path(__file__).with_name("connector_columns.json").read_text(encoding="utf-8"))
CASES = [
    (name, stream, columns)
    for mappings in FACTS.values()
    for name, streams in mappings.items()
    for stream, columns in streams.items()
]
#: Types of schemas that a column of a mapping reads.
READS = {
    "text": {"string", "integer", "array"},
    "number": {"number", "integer", "string"},
    "count": {"integer", "number", "string"},
    "date": {"date-time", "date"},
    "time": {"date-time", "integer", "string"},
    "flag": {"boolean"},
}


@pytest.mark.parametrize(("name", "stream", "columns"), CASES)
def test_a_mapping_reads_columns_that_the_connector_has_as_the_types_that_they_are(name, stream, columns):
    mapping = builtin(name)
    with opened() as database:
        used = set().union(
            *(
                traced(database, name, select.sql, with_hash=False).columns
                for select in mapping.select
                if matches(stream, select.files)
            ),
            *(read_condition(database, name, skip.when).columns for skip in mapping.skip),
        )
    # Names that the SQL gives itself, and members of its lists, are no columns of a row.
    text = " ".join(select.sql for select in mapping.select)
    own = set(re.findall(r"(?:\bAS|\blambda|\beach\.|\bquote\.) ?(\w+)", text))
    used -= own - set(columns) - set(mapping.column_specs)
    specs = (
        long_form({column: "text" for column in used if not column.startswith("_")}) | mapping.column_specs
    )
    specs = {column: spec for column, spec in specs.items() if column in used}
    read = {column: found_name(columns, spec) for column, spec in specs.items()}
    assert {column for column, found in read.items() if found is None} <= {
        column for column, spec in specs.items() if spec.optional
    }
    assert set(columns) == {found for found in read.values() if found is not None}
    for column, found in read.items():
        assert found is None or columns[found] in READS[specs[column].type]


def meta_row(stream, **fields):
    return json.dumps({"type": "RECORD", "stream": stream, "record": fields}).encode()


META = [
    meta_row(
        "ads_insights",
        campaign_id="11",
        campaign_name="Spring",
        adset_id="3",
        ad_id="7",
        date_start="2026-07-01T00:00:00.000000Z",
        date_stop="2026-07-01T00:00:00.000000Z",
        impressions=489,
        inline_link_clicks=5,
        spend=0.71,
    ),
    meta_row(
        "ads_insights",
        campaign_id="11",
        ad_id="8",
        date_start="2026-07-01T00:00:00.000000Z",
        impressions=3,
        spend=10.000001,
    ),
    meta_row(
        "ads_insights_age_and_gender",
        campaign_id="11",
        ad_id="7",
        date_start="2026-07-01T00:00:00.000000Z",
        spend=0.71,
    ),
    meta_row("leads", id="900", created_time="2026-07-01T10:00:00.000000Z", ad_id="7"),
]


class Sink:
    """What was sent."""

    def __init__(self):
        self.records = []

    def send(self, record):
        self.records.append(record)

    def confirm(self):
        """Everything is written."""


def test_insights_of_ads_are_reports_of_ads_once_and_lead_ads_are_leads():
    sink, mappings = Sink(), load("meta_connector")
    with opened() as database:
        check(database, mappings)
        ingestion = Ingestion(database, mappings, sink, ConnectorState("singer"), "meta", lambda: 0)
        for line in META:
            ingestion.take(line)
        ingestion.flush()
    values = [(record.topic, record.key, json.loads(record.value)) for record in sink.records]
    assert [
        (topic, key, value.get("ad_id"), value.get("spend"), value.get("clicks"))
        for topic, key, value in values
    ] == [
        (topics.CAMPAIGNS, "meta-11", None, None, None),
        (topics.REPORTS, "meta-11", "7", "0.71", 5),
        (topics.REPORTS, "meta-11", "8", "10.000001", None),
        (topics.LEADS, "900", None, None, None),
    ]
    assert {value["period_end"] for topic, _, value in values if topic == topics.REPORTS} == {
        "2026-07-02T00:00:00Z"
    }
    assert dict(ingestion.left) == {"ads_insights_age_and_gender: skipped: a stream that is not read": 1}


@pytest.mark.parametrize(
    ("frame", "start", "is_said"),
    [
        (Frame(), "2026-07-01T00:00:00Z", False),
        (Frame(timezone="Europe/Paris"), "2026-06-30T22:00:00Z", True),
    ],
)
def test_insights_of_airbyte_have_their_currency_and_days_of_the_zone_that_is_said(frame, start, is_said):
    data = '{"campaign_id":"11","ad_id":"7","date_start":"2026-07-01","spend":0.10,"account_currency":"USD"}'
    line = '{"type":"RECORD","record":{"stream":"ads_insights","data":' + data + ',"emitted_at":1}}'
    sink, mappings = Sink(), load("meta_connector")
    with opened() as database:
        ingestion = Ingestion(
            database, mappings, sink, ConnectorState("airbyte"), "meta", lambda: 0, frame=frame
        )
        ingestion.take(line.encode())
        ingestion.flush()
    (report,) = (json.loads(record.value) for record in sink.records if record.topic == topics.REPORTS)
    assert (report["period_start"], report["spend"], report["currency"]) == (start, "0.1", "USD")
    assert ("UTC is taken" in "".join(ingestion.notes)) is not is_said


def differences(package, mappings):
    """What a package's own schemas say otherwise than the facts."""
    schemas = schemas_of(package)
    for streams in mappings.values():
        for stream, columns in streams.items():
            for column, wanted in columns.items():
                types = schemas.get(stream, {}).get(column, set())
                if wanted not in types:
                    yield f"{package} {stream}.{column}: {wanted} was expected, its schema says {sorted(types) or 'nothing'}"


if __name__ == "__main__":
    chosen = {package: FACTS[package] for package in sys.argv[1:]} or FACTS
    wrong = [line for package, mappings in chosen.items() for line in differences(package, mappings)]
    sys.stdout.write("\n".join([*wrong, f"{len(chosen)} packages, {len(wrong)} differences"]) + "\n")
    raise SystemExit(bool(wrong))
