"""`roistream erase` against brokers: every partition is asked, and a wrong request says what to do."""

import pytest
from kafka import KafkaConsumer, TopicPartition

from metrics.records.events import Erasure
from metrics.values.errors import RoistreamError
from streams import topics
from streams.commands.erase import erasure, run
from streams.messages.decoding import DECODERS
from streams.transport.topic_admin import ensure_topics


def test_the_request_is_written_to_every_partition(broker, settings_for, capsys):
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    assert run(settings, "v-1", None, "l-1") == 0
    assert f"{settings.partitions} partitions" in capsys.readouterr().out
    found = [DECODERS[topics.ERASURES].decode(value) for value in consumed(settings)]
    assert len(found) == settings.partitions
    assert {(type(each), each.visitor_id, each.customer_id, each.lead_id) for each in found} == {
        (Erasure, "v-1", None, "l-1")
    }


def consumed(settings):
    wanted = [TopicPartition(settings.topic(topics.ERASURES), p) for p in range(settings.partitions)]
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest")
    try:
        consumer.assign(wanted)
        values: list[bytes] = []
        for _ in range(30):
            for records in consumer.poll(timeout_ms=1_000).values():
                values += [record.value for record in records]
            if len(values) >= len(wanted):
                break
        return values
    finally:
        consumer.close()


def test_without_its_topic_nothing_is_asked(broker, settings_for):
    with pytest.raises(RoistreamError, match="roistream topics"):
        run(settings_for(broker), "v-1", None, None)


@pytest.mark.parametrize("ids", [(None, None, None), ("", None, None)])
def test_a_request_that_names_nobody_is_refused(ids):
    with pytest.raises(RoistreamError, match="--visitor"):
        erasure(*ids, now=0)


def test_an_id_that_is_too_long_is_refused():
    with pytest.raises(RoistreamError, match="128"):
        erasure("v" * 129, None, None, now=0)
