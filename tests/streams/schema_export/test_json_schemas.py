"""What is published equals what the code says, and accepts what the code accepts."""

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from metrics.kpis.catalogue import KPIS
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.events import AdClick, AdReport, Order
from metrics.records.glossary import FIELDS
from metrics.records.kpi_reading import CampaignKpi
from streams import setting_changes, topics
from streams.schema_export import kpi_tables
from streams.schema_export.asyncapi import CHANNELS, document
from streams.schema_export.json_schemas import (
    OUTPUTS,
    SOURCES,
    VIEWS,
    generate,
    record_schema,
    with_table,
    write,
)

ROOT = Path(__file__).resolve().parents[3]
RECORDS = {**SOURCES, **OUTPUTS, **VIEWS}
INTERNAL = {
    topics.PARTIALS,
    topics.REKEYED,
    topics.BUDGET_ALERTS,
    topics.INGEST_STATE,
    topics.INTAKE_CHANGELOG,
    topics.MERGE_CHANGELOG,
    topics.CONTROLLER_CHANGELOG,
}


def validator(name):
    return Draft202012Validator(
        record_schema(RECORDS[name], is_output=name not in SOURCES), format_checker=FormatChecker()
    )


@pytest.mark.parametrize("name", generate())
def test_the_disk_holds_what_the_code_generates(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == generate()[name], (
        "run `python -m streams.schema_export.json_schemas` and commit what it writes"
    )


@pytest.mark.parametrize(
    ("page", "name", "table"),
    [
        ("README.md", "kpis", kpi_tables.table()),
        ("docs/operations.md", "settings", setting_changes.table()),
    ],
)
def test_a_page_holds_the_table_the_code_generates(page, name, table):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert f"<!-- {name}:begin -->" in text
    assert text == with_table(text, name, table), (
        "run `python -m streams.schema_export.json_schemas` and commit what it writes"
    )


def test_the_table_goes_between_the_markers_and_nowhere_else():
    begin, end = "<!-- t:begin -->", "<!-- t:end -->"
    once = with_table(f"# Title\n\n{begin}\nold\n{end}\n\nThe end.\n", "t", "| id |\n")
    assert once == f"# Title\n\n{begin}\n| id |\n{end}\n\nThe end.\n"
    assert with_table(once, "t", "| id |\n") == once
    assert with_table("no markers", "t", "| id |\n") == "no markers"


def test_writing_twice_writes_once(tmp_path):
    (tmp_path / "README.md").write_text("<!-- kpis:begin -->\n<!-- kpis:end -->\n", encoding="utf-8")
    assert set(write(tmp_path)) == {*generate(), "README.md"}
    assert write(tmp_path) == []


@pytest.mark.parametrize("name", RECORDS)
def test_every_schema_is_a_schema_and_describes_every_field(name):
    schema = record_schema(RECORDS[name], is_output=name not in SOURCES)
    Draft202012Validator.check_schema(schema)
    for shape in (schema, *schema.get("$defs", {}).values()):
        assert shape["description"]
        assert all(field["description"] for field in shape.get("properties", {}).values())


def test_no_sentence_of_the_glossary_is_left_over():
    fields = set()
    for name, record in RECORDS.items():
        schema = record_schema(record, is_output=name not in SOURCES)
        for title, shape in [(schema["title"], schema), *schema.get("$defs", {}).items()]:
            for field in shape.get("properties", {}):
                fields.add(f"{title}.{field}" if f"{title}.{field}" in FIELDS else field)
    assert fields == set(FIELDS)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.topic)
def test_every_example_satisfies_its_schema_and_its_type(channel):
    validator(channel.record).validate(channel.example)
    msgspec.json.decode(json.dumps(channel.example), type=RECORDS[channel.record])


def test_the_example_reading_is_what_its_sums_compute():
    example = next(each.example for each in CHANNELS if each.topic == topics.CAMPAIGN_KPIS)
    reading = msgspec.convert(example, CampaignKpi)
    assert reading.kpis == compute(KpiInputs(sums=reading.sums, total=reading.sums))


@pytest.mark.parametrize(
    ("name", "record", "change"),
    [
        ("ad-click", AdClick, {"event_id": ""}),
        ("ad-click", AdClick, {"campaign_id": "c" * 129}),
        ("ad-click", AdClick, {"occurred_at": 1.5}),
        ("ad-report", AdReport, {"clicks": -1}),
        ("order", Order, {"kind": "returned"}),
        ("order", Order, {"is_new_customer": "yes"}),
    ],
)
def test_what_the_type_refuses_the_schema_refuses(name, record, change):
    example = next(each.example for each in CHANNELS if each.record == name)
    with pytest.raises(ValidationError):
        validator(name).validate(example | change)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(example | change), type=record)


@pytest.mark.parametrize("cost", [-1, 10**12, "-0.1", "1,5", "0.0000001", True])
def test_amounts_outside_the_rules_of_money_fail_the_schema(cost):
    example = next(each.example for each in CHANNELS if each.record == "ad-click")
    with pytest.raises(ValidationError):
        validator("ad-click").validate(example | {"cost": cost})


@pytest.mark.parametrize("field", ["schema", "definitions", "kpis", "watermark"])
def test_a_reading_without_one_of_its_fields_fails_the_schema(field):
    example = next(each.example for each in CHANNELS if each.topic == topics.CAMPAIGN_KPIS)
    with pytest.raises(ValidationError):
        validator("campaign-kpi").validate({key: value for key, value in example.items() if key != field})


@pytest.mark.parametrize("kpi", KPIS, ids=lambda kpi: kpi.id)
def test_a_reading_without_one_of_its_kpis_fails_the_schema(kpi):
    example = next(each.example for each in CHANNELS if each.topic == topics.CAMPAIGN_KPIS)
    kpis = {key: value for key, value in example["kpis"].items() if key != kpi.id}
    with pytest.raises(ValidationError):
        validator("campaign-kpi").validate(example | {"kpis": kpis})


# --- AsyncAPI ------------------------------------------------------------------------------------


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(reference):
    if reference.startswith("./"):
        return json.loads((ROOT / "docs" / reference).read_text(encoding="utf-8"))
    place = document()
    for part in reference.removeprefix("#/").split("/"):
        place = place[part]
    return place


def test_every_reference_resolves():
    found = list(references(document()))
    assert len(found) == 4 * len(CHANNELS)
    for reference in found:
        assert resolve(reference)


def test_every_topic_that_outsiders_see_is_a_channel():
    seen = {spec.name for spec in topics.specs("", 4)} - INTERNAL
    assert {channel["address"] for channel in document()["channels"].values()} == seen


def test_what_roistream_writes_it_sends_and_the_rest_it_receives():
    sent = {
        each["channel"]["$ref"].rpartition("/")[2]
        for each in document()["operations"].values()
        if each["action"] == "send"
    }
    kpis = {topics.CAMPAIGN_KPIS, topics.ROLLUP_KPIS, topics.CUSTOMER_KPIS}
    budget = {topics.BUDGET_ACTIONS, topics.BUDGET_EFFECTS}
    assert sent == {*kpis, *budget, topics.DEAD_LETTERS, topics.CAMPAIGN_ARCHIVE}


def test_the_bindings_repeat_the_configuration_of_the_topics():
    for spec in topics.specs("", 4):
        channel = document()["channels"].get(spec.name)
        if channel is not None:
            kafka = channel["bindings"]["kafka"]
            assert kafka["partitions"] == spec.partitions
            assert set(kafka.get("topicConfiguration", {})) == set(spec.config)


def test_the_page_of_the_topics_reads_back_as_the_document():
    assert yaml.safe_load(generate()["docs/asyncapi.yaml"]) == document()
