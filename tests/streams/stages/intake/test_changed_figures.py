"""What tools before roistream make of figures (docs/sources.md) is refused in a report where a report can show it."""

import pytest

from metrics.values.errors import Reason, Rejection
from streams import topics
from streams.messages.decoding import DECODERS, decode
from streams.messages.source_records import Record
from streams.stages.intake.reports import judge_report

REPORT = (
    '"report_id":"r","source":"s","campaign_id":"spring","period_end":"2026-11-03T00:00:00Z","currency":"EUR"'
)


def judged(figures: str, start: str = '"2026-11-02T00:00:00Z"'):
    value = f'{{{REPORT},"period_start":{start},{figures}}}'.encode()
    record = Record(0, 1_793_836_800_000, b"spring", value)
    return judge_report(decode(DECODERS[topics.REPORTS], value), record, 0)


@pytest.mark.parametrize(
    "figures",
    [
        '"clicks":false',  # csvkit 2.0.1, of a column of 0 and 1
        '"clicks":12.9',  # which fastavro 1.13.1 would cut
        '"clicks":-1294967296',  # Kafka Connect 4.1.1, Cast of 3 000 000 000 to int32
        '"spend":-1294967296',
        '"spend":"12,50"',  # dbt-core 1.11.16, gspread 6.2.1: 1250
        '"spend":"250%"',  # dbt-core 1.11.16, csvkit 2.0.1: 250
        '"spend":"€5.00"',
    ],
)
def test_a_figure_that_was_changed_on_its_way_is_refused_where_it_shows(figures):
    with pytest.raises(Rejection) as refused:
        judged(figures)
    assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    "start", ['"2026-11-02 00:00:00.999999"', '"2026-13-02T00:00:00Z"', '"2026-02-30T00:00:00Z"']
)
def test_a_time_without_a_zone_or_of_no_day_is_refused_and_not_moved(start):
    with pytest.raises(Rejection) as refused:
        judged('"clicks":1', start)
    assert refused.value.reason is Reason.INVALID_FIELD


def test_six_decimals_of_a_second_are_a_fraction_of_it():
    """Kafka Connect 4.1.1 (TimestampConverter) reads them as 999 999 milliseconds."""
    assert judged('"clicks":1', '"2026-11-02T10:00:00.999999Z"').period_start == 1_793_613_600_999


@pytest.mark.parametrize("spend", ["12.3", '"12.3"', '"12.30"', "12.300000", "1.23E+1", '"1.23E+1"'])
def test_an_amount_is_what_it_is_worth_however_many_places_it_is_written_with(spend):
    """avro 1.12.2 writes 12.3 in a decimal of two places as 1.23."""
    assert judged(f'"spend":{spend}').spend_micros == 12_300_000


def test_an_amount_of_more_places_than_micros_is_refused_and_not_rounded():
    """hamba/avro 2.31.0 and goavro 2.15.0 write 12.349 in a decimal of two places as 12.34, and its refund as -12.35."""
    with pytest.raises(Rejection) as refused:
        judged('"spend":"12.3490001"')
    assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize("customer", ["42", "42.0"])
def test_an_id_that_is_a_number_is_refused_since_it_may_be_written_in_several_ways(customer):
    """datasketches 5.2.0 counts 42, 42.0 and "42" as three customers."""
    order = '"event_id":"e","order_id":"o","occurred_at":"2026-11-02T00:00:00Z","campaign_id":"c","revenue":1'
    with pytest.raises(Rejection) as refused:
        decode(DECODERS[topics.ORDERS], f'{{{order},"customer_id":{customer}}}'.encode())
    assert refused.value.reason is Reason.INVALID_FIELD
    assert decode(DECODERS[topics.ORDERS], f'{{{order},"customer_id":"42"}}'.encode()).customer_id == "42"
