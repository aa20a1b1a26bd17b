"""A connector's row completes what a person registered, and replaces nothing of it."""

import json

import pytest
from kafka import KafkaProducer

from metrics.records.reserved_names import ReservedNames
from streams import topics
from streams.mapping.engine import MappedRecord
from streams.replay.registrations import Registrations, Standing, unregistered
from streams.transport.topic_admin import ensure_topics

PERSON = {"campaign_id": "spring", "channel": "brand", "targets": {"cpl": 20}, "budget": 1000.10}
ROW = {
    "campaign_id": "spring", "name": "Spring", "channel": "social", "cost_basis": "reports", "platform": "meta",
    "platform_account_id": "77", "platform_campaign_id": "4242",
}  # fmt: skip
LATER = PERSON | {"valid_from": "2026-07-01T00:00:00Z"}


def row(**fields):
    return MappedRecord(topics.CAMPAIGNS, "spring", json.dumps(ROW | fields).encode(), None)


def standing(*records):
    found = Standing()
    for key, value in records:
        found.take(key, value if value is None or isinstance(value, bytes) else json.dumps(value).encode())
    return found


def written(found):
    return [(record.key, json.loads(record.value)) for record in found]


def test_a_campaign_that_nobody_registered_is_registered_as_the_row_says():
    assert standing().completed(row()) == [row()]


def test_what_a_person_registered_stays_and_what_is_open_is_filled_in():
    found = standing((b"spring", PERSON | {"name": "Mine", "cost_basis": "events"})).completed(row())
    assert written(found) == [("spring", ROW | PERSON | {"cost_basis": "events", "name": "Spring"})]


def test_an_amount_stays_the_text_that_it_was():
    value = b'{"campaign_id":"spring","budget":1000.100000000000000001}'
    (record,) = standing((b"spring", value)).completed(row())
    assert b'"budget":1000.100000000000000001' in record.value


def test_a_row_that_says_nothing_new_is_not_written():
    complete = standing((b"spring", ROW | PERSON))
    assert complete.completed(row(channel="another")) == []
    assert written(complete.completed(row(name="Summer"))) == [("spring", ROW | PERSON | {"name": "Summer"})]


def test_a_campaign_that_was_withdrawn_stays_withdrawn_until_somebody_registers_it_again():
    assert standing((b"spring", PERSON), (b"spring", None)).completed(row()) == []
    assert standing((b"spring", None)).completed(row()) == []
    again = standing((b"spring", PERSON), (b"spring", None), (b"spring", PERSON))
    assert written(again.completed(row())) == [("spring", ROW | PERSON | {"name": "Spring"})]


def test_each_record_of_a_campaign_is_completed_under_its_own_key():
    key = b"spring|2026-07-01T00:00:00Z"
    found = standing((b"spring", PERSON), (key, LATER)).completed(row())
    assert sorted(written(found)) == [("spring", ROW | PERSON), (key.decode(), ROW | LATER)]
    found = standing((b"spring", PERSON), (key, LATER), (key, None)).completed(row())
    assert [key for key, _ in written(found)] == ["spring"]


def test_another_spelling_of_a_key_is_the_same_record_and_the_newest_counts():
    found = standing((b"spring", PERSON), (b'"spring"', PERSON | {"budget": 7})).completed(row())
    assert written(found) == [('"spring"', ROW | PERSON | {"budget": 7})]


@pytest.mark.parametrize("value", [b"{", b'{"campaign_id":"spring","budget":"many"}', b'{"name":"no id"}'])
def test_a_record_that_workers_refuse_changes_nothing(value):
    assert written(standing((b"spring", PERSON), (b"spring", value)).completed(row())) == [
        ("spring", ROW | PERSON)
    ]


def test_of_many_campaigns_without_a_registration_those_with_most_records_are_named():
    standing = Standing()
    standing.take(b"a", b'{"campaign_id": "a"}')
    standing.take(b"b", b'{"campaign_id": "b"}')
    standing.take(b"b", None)
    (said,) = unregistered(
        {"a": 99, "b": 1, **{f"c{number}": number for number in range(2, 9)}}, standing, ReservedNames()
    )
    assert ": c8 (8), c7 (7), c6 (6), c5 (5), c4 (4) and 3 more. " in said
    assert list(unregistered({"a": 99}, standing, ReservedNames())) == []


def test_what_somebody_registers_meanwhile_is_completed_too(broker, settings_for):
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap)
    registrations = Registrations(settings)
    try:
        assert registrations.completed(row()) == [row()]
        topic = settings.topic(topics.CAMPAIGNS)
        producer.send(topic, json.dumps(PERSON).encode(), b"spring").get(30)
        assert written(registrations.completed(row())) == [("spring", ROW | PERSON)]
    finally:
        registrations.close()
        producer.close()
