"""A connector's rows become records; a state is written when all before it is confirmed, and never sooner."""

import json

import pytest

from metrics.values.errors import RoistreamError
from streams import topics
from streams.ingest.ingestion import BATCH, Ingestion, check
from streams.ingest.protocols import ConnectorState
from streams.ingest.run import summary
from streams.mapping.database import opened
from streams.mapping.loader import load
from streams.mapping.model import MappingError
from streams.mapping.shortened_ids import SHORTENED

DEALS = """
description = "deals"
[columns]
"properties.amount" = "number"
closed = "time"
[[skip]]
reason = "lost"
when = "stage = 'lost'"
[[select]]
topic = "campaigns"
files = ["deals"]
sql = "SELECT campaign AS campaign_id FROM rows GROUP BY ALL"
[[select]]
topic = "orders"
files = ["deals"]
key = ["order_id"]
id = ["order_id"]
sql = '''SELECT rows.id AS order_id, closed AS occurred_at, "properties.amount" AS revenue, 'EUR' AS currency, campaign AS campaign_id
FROM rows'''
"""


class ListSink:
    """What was sent, in its order, with a mark where it was confirmed; fails at the confirmation that is named."""

    def __init__(self, fails_at=None):
        self.log = []
        self.confirmed = 0
        self.fails_at = fails_at

    def send(self, record):
        self.log.append(record)

    def confirm(self):
        self.confirmed += 1
        if self.confirmed == self.fails_at:
            raise RoistreamError("the broker did not answer")
        self.log.append("confirmed")

    def of(self, topic):
        return [record for record in self.log if record != "confirmed" and record.topic == topic]


@pytest.fixture
def database():
    with opened() as database:
        yield database


@pytest.fixture
def begun(database, tmp_path):
    def begin(sink, mapping=DEALS, **options):
        (tmp_path / "mine.toml").write_text(mapping)
        mappings = load(tmp_path / "mine.toml")
        check(database, mappings)
        return Ingestion(database, mappings, sink, ConnectorState("singer"), "crm", lambda: 0, **options)

    return begin


def deal(number, stream="deals", amount="1.10", stage="won"):
    record = f'{{"id":{number},"closed":"2026-06-01T00:00:00Z","campaign":"spring","stage":"{stage}","properties":{{"amount":{amount}}}}}'
    return f'{{"type":"RECORD","stream":"{stream}","record":{record}}}\n'.encode()


def state(at):
    return b'{"type":"STATE","value":{"at":%d}}\n' % at


def test_a_row_whose_id_a_program_has_shortened_is_a_letter_with_its_reason_and_is_counted(begun):
    sink = ListSink()
    ingestion = begun(sink)
    for number in ("1.2021000000000013e+17", 120210000000000130):
        ingestion.take(deal(number))
    ingestion.flush()
    assert [json.loads(record.value)["order_id"] for record in sink.of(topics.ORDERS)] == [
        "120210000000000130"
    ]
    (letter,) = (json.loads(record.value) for record in sink.of(topics.DEAD_LETTERS))
    assert letter["detail"] == f"orders: {SHORTENED} (1.2021000000000013e+17)"
    assert ingestion.refused == 1
    words = [line for line in summary(ingestion) if "shortened" in line]
    assert words == [f"  not mapped, 1 rows: deals: orders: {SHORTENED}"]


@pytest.mark.parametrize("mark", ["_sdc_deleted_at", "_ab_cdc_deleted_at"])
def test_a_row_that_was_deleted_at_its_source_is_no_sale(begun, mark):
    gone = deal(2).replace(b'"id":2', f'"id":2,"{mark}":"2026-06-25T10:00:00Z"'.encode())
    alive = deal(3).replace(b'"id":3', f'"id":3,"{mark}":null'.encode())
    run = begun(sink := ListSink())
    for line in (deal(1), gone, alive):
        run.take(line)
    run.flush()
    assert [record.key for record in sink.of(topics.ORDERS)] == ["1", "3"]
    (letter,) = sink.of(topics.DEAD_LETTERS)
    assert (
        f"deleted at its source, which the mapping does not read; cancel what the row has told, or read the mark as a column ({mark})"
        in json.loads(letter.value)["detail"]
    )
    assert run.refused == 1


def test_a_mapping_may_say_what_a_deletion_means(begun):
    reads = DEALS.replace(
        'closed = "time"', 'closed = "time"\n_sdc_deleted_at = {type = "time", optional = true}'
    )
    reads = reads.replace(
        "when = \"stage = 'lost'\"", "when = \"stage = 'lost' OR _sdc_deleted_at IS NOT NULL\""
    )
    run = begun(sink := ListSink(), reads)
    run.take(deal(1).replace(b'"id":1', b'"id":1,"_sdc_deleted_at":"2026-06-25T10:00:00Z"'))
    run.flush()
    assert (sink.of(topics.ORDERS), sink.of(topics.DEAD_LETTERS), run.refused) == ([], [], 0)


def test_rows_become_records_with_exact_amounts_and_a_campaign_is_named_once(begun):
    sink = ListSink()
    ingestion = begun(sink)
    for number in range(3):
        ingestion.take(deal(number, amount="0.1000000"))
        ingestion.flush()
    assert [json.loads(record.value)["revenue"] for record in sink.of(topics.ORDERS)] == ["0.1"] * 3
    assert len(sink.of(topics.CAMPAIGNS)) == 1


def test_a_state_is_written_after_the_confirmation_of_all_before_it(begun):
    sink = ListSink()
    ingestion = begun(sink)
    for line in (deal(1), state(1), deal(2), state(2), deal(3)):
        ingestion.take(line)
    ingestion.flush()
    (kept,) = sink.of(topics.INGEST_STATE)
    assert (kept.key, kept.value) == ("crm", b'{"at":2}')
    assert sink.log.index("confirmed") < sink.log.index(kept)
    assert all(sink.log.index(record) < sink.log.index("confirmed") for record in sink.of(topics.ORDERS))
    ingestion.flush()
    assert len(sink.of(topics.INGEST_STATE)) == 1


@pytest.mark.parametrize("place", [1, 3])
def test_a_state_is_not_written_where_a_record_before_it_was_not(begun, place):
    sink = ListSink(fails_at=place)
    ingestion = begun(sink)

    def take_both():
        for at in (1, 2):
            ingestion.take(deal(at))
            ingestion.take(state(at))
            ingestion.flush()

    with pytest.raises(RoistreamError):
        take_both()
    assert [record.value for record in sink.of(topics.INGEST_STATE)] == [b'{"at":1}'][: place // 3]


def test_many_rows_are_written_before_the_connector_pauses(begun):
    sink = ListSink()
    ingestion = begun(sink)
    for number in range(BATCH + 1):
        ingestion.take(deal(number))
    assert len(sink.of(topics.ORDERS)) == BATCH
    assert ingestion.is_waiting


def test_what_cannot_be_mapped_goes_to_the_dead_letters_with_its_stream_line_and_reason(begun):
    sink = ListSink()
    ingestion = begun(sink)
    lines = [
        deal(1),
        deal(2, amount='"many"'),
        b"INFO starting\n",
        deal(3, stage="lost"),
        b'{"type":"RECORD","stream":"deals","record":{"name":"x"}}\n',
    ]
    for line in lines:
        ingestion.take(line)
    ingestion.flush()
    letters = [json.loads(record.value) for record in sink.of(topics.DEAD_LETTERS)]
    assert [(letter["topic"], letter["offset"], letter["reason"]) for letter in letters] == [
        ("ingest/crm", 3, "invalid_json"),
        ("ingest/crm/deals", 2, "invalid_field"),
        ("ingest/crm/deals", 5, "invalid_field"),
    ]
    assert letters[1]["value"] == lines[1].decode().strip()
    assert "properties.amount is not a number (many)" in letters[1]["detail"]
    assert len(sink.of(topics.ORDERS)) == 1
    assert (ingestion.refused, ingestion.left["deals: skipped: lost"]) == (3, 1)


def test_rows_that_lack_a_column_altogether_are_dead_letters_and_not_the_end(begun):
    sink = ListSink()
    ingestion = begun(sink)
    ingestion.take(b'{"type":"RECORD","stream":"deals","record":{"id":1}}\n')
    ingestion.flush()
    (letter,) = sink.of(topics.DEAD_LETTERS)
    assert "no row of deals has the column" in json.loads(letter.value)["detail"]


@pytest.mark.parametrize("streams", [frozenset(), frozenset({"contacts"})])
def test_streams_that_no_mapping_reads_are_counted_and_left(begun, streams):
    sink = ListSink()
    ingestion = begun(sink, streams=streams)
    ingestion.take(deal(1, stream="owners"))
    if streams:
        ingestion.take(deal(2))
    ingestion.flush()
    assert sink.of(topics.ORDERS) == sink.of(topics.DEAD_LETTERS) == []
    assert ingestion.left.total() == 1 + bool(streams)


def test_a_mapping_that_adds_rows_up_or_looks_up_files_is_refused(begun):
    summed = DEALS.replace('"properties.amount" AS revenue', 'sum("properties.amount") AS revenue').replace(
        "FROM rows\n'''", "FROM rows GROUP BY ALL\n'''"
    )
    with pytest.raises(MappingError, match="a report could hold a part"):
        begun(
            ListSink(),
            summed.replace(
                "campaign AS campaign_id\nFROM rows'''", "campaign AS campaign_id\nFROM rows GROUP BY ALL'''"
            ),
        )
    looked = DEALS + '[lookups.a]\nfiles = ["a.csv"]\nkey = "k"\ncolumns = { k = "text" }\n'
    with pytest.raises(MappingError, match="looks up files"):
        begun(ListSink(), looked)
