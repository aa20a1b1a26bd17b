"""``roistream ingest`` on a broker: whoever is killed, no record is lost, none is new twice, and no state is ahead."""

import io
import json
import os
import random
import signal
import sys

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams import topics
from streams.ingest.run import EXIT_DONE, EXIT_FAILED, EXIT_REFUSED, _started, run
from streams.ingest.state_store import kept_state
from streams.transport.topic_admin import ensure_topics
from tests.support.servers.forked import ForkedProcess

MAPPING = """
description = "orders"
[columns]
at = "time"
amount = "number"
[[select]]
topic = "orders"
files = ["orders"]
key = ["order_id"]
id = ["order_id"]
sql = "SELECT rows.id AS order_id, rows.at AS occurred_at, amount AS revenue FROM rows"
"""
#: Says an order at a time from where it stood, and where it stands after every seventh; may kill who reads that, so many lines later.
TAP = """
import argparse, json, os, signal, sys, time
parser = argparse.ArgumentParser()
for name in ("--state", "--count", "--pause", "--fail", "--kill", "--wait"):
    parser.add_argument(name)
said = parser.parse_args()
at = json.load(open(said.state))["at"] if said.state else 0
print(json.dumps({"type": "SCHEMA", "stream": "orders", "schema": {}, "key_properties": ["id"]}))
for number in range(at, int(said.count)):
    print('{"type":"RECORD","stream":"orders","record":{"id":%d,"at":"2026-06-01T00:00:00Z","amount":0.10}}' % number)
    if number % 7 == 6:
        print(json.dumps({"type": "STATE", "value": {"at": number + 1}}))
    sys.stdout.flush()
    time.sleep(float(said.pause or 0))
    if said.kill and number == at + int(said.kill):
        time.sleep(float(said.wait))
        os.kill(os.getppid(), signal.SIGKILL)
        sys.exit()
print(json.dumps({"type": "STATE", "value": {"at": int(said.count)}}))
sys.exit(int(said.fail or 0))
"""


@pytest.fixture
def settings(broker, settings_for):
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    return settings


@pytest.fixture
def tap(tmp_path):
    (tmp_path / "shop.toml").write_text(MAPPING)
    (tmp_path / "tap.py").write_text(TAP)
    return tmp_path / "shop.toml", [sys.executable, str(tmp_path / "tap.py")]


@pytest.fixture
def kafka_records(settings):
    """Writes a record of a topic."""
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap)

    def write(topic, key, value):
        producer.send(settings.topic(topic), key=key.encode(), value=value, partition=0).get(60)

    yield write
    producer.close()


def orders(settings):
    name = settings.topic(topics.ORDERS)
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    partitions = [TopicPartition(name, number) for number in range(settings.partitions)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    found = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        found += [
            json.loads(record.value) for batch in consumer.poll(timeout_ms=500).values() for record in batch
        ]
    consumer.close()
    return found


def stands_at(settings):
    kept = kept_state(settings, "shop")
    return 0 if kept is None else json.loads(kept)["at"]


def test_a_second_run_goes_on_where_the_first_stood(settings, tap, capsys):
    mapping, command = tap
    assert run(settings, "singer", mapping, [*command, "--count", "10"]) == EXIT_DONE
    assert stands_at(settings) == 10
    assert run(settings, "singer", mapping, [*command, "--count", "15"]) == EXIT_DONE
    assert sorted(int(order["order_id"]) for order in orders(settings)) == list(range(15))
    assert "orders: 5 records" in capsys.readouterr().err
    run(settings, "singer", mapping, [], shows_state=True)
    assert json.loads(capsys.readouterr().out) == {"at": 15}


NAMING = MAPPING.replace(
    "amount AS revenue", "amount AS revenue, 'c' || (CAST(rows.id AS INTEGER) % 3) AS campaign_id"
)


def test_campaigns_that_nobody_registered_are_named_with_their_records(settings, tap, capsys, kafka_records):
    mapping, command = tap
    mapping.write_text(NAMING)
    kafka_records(topics.CAMPAIGNS, "c1", b'{"campaign_id": "c1"}')
    assert run(settings, "singer", mapping, [*command, "--count", "10"]) == EXIT_DONE
    said = capsys.readouterr().err
    assert "not registered, with their records: c0 (4), c2 (3). They" in said
    for name in ("c0", "c2"):
        kafka_records(topics.CAMPAIGNS, name, json.dumps({"campaign_id": name}).encode())
    assert run(settings, "singer", mapping, [*command, "--count", "12"]) == EXIT_DONE
    assert "not registered" not in capsys.readouterr().err
    kafka_records(topics.CAMPAIGNS, "c1", None)
    assert run(settings, "singer", mapping, [*command, "--count", "15"]) == EXIT_DONE
    assert "not registered, with their records: c1 (1). They" in capsys.readouterr().err


def test_an_alias_of_a_registered_campaign_and_a_text_for_none_are_not_named(
    settings, tap, tmp_path, capsys, kafka_records
):
    mapping, command = tap
    mapping.write_text(
        NAMING.replace(
            "'c' || (CAST(rows.id AS INTEGER) % 3)",
            "['C 0', '(not set)', 'c2'][CAST(rows.id AS INTEGER) % 3 + 1]",
        )
    )
    (tmp_path / "aliases.toml").write_text('"C 0" = "c0"')
    settings = settings.model_copy(update={"campaign_aliases": tmp_path / "aliases.toml"})
    kafka_records(topics.CAMPAIGNS, "c0", b'{"campaign_id": "c0"}')
    assert run(settings, "singer", mapping, [*command, "--count", "9"]) == EXIT_DONE
    assert "not registered, with their records: c2 (3). They" in capsys.readouterr().err


def test_a_connector_that_fails_keeps_what_it_said_and_says_so(settings, tap, capsys):
    mapping, command = tap
    assert run(settings, "singer", mapping, [*command, "--count", "8", "--fail", "3"]) == EXIT_FAILED
    assert "the connector ended with code 3" in capsys.readouterr().err
    assert (len(orders(settings)), stands_at(settings)) == (8, 8)


def test_a_state_of_megabytes_is_kept(settings, tap, monkeypatch):
    value = json.dumps({"at": 1, "streams": "x" * 3_000_000})
    lines = f'{{"type":"STATE","value":{value}}}\n'.encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert run(settings, "singer", tap[0], []) == EXIT_DONE
    assert kept_state(settings, "shop") == value.encode()


def test_a_connector_that_does_not_listen_is_ended_all_the_same(monkeypatch):
    monkeypatch.setattr("streams.ingest.run._ENDS_WITHIN_S", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); time.sleep(600)"
    with _started([sys.executable, "-c", deaf], None) as (output, ended):
        assert output.readline() == b"{}\n"
    assert ended() == -signal.SIGKILL


def test_lines_on_standard_input_are_read_and_what_is_refused_changes_the_exit_code(
    settings, tap, monkeypatch
):
    lines = b'{"type":"RECORD","stream":"orders","record":{"id":1,"at":"2026-06-01","amount":"many"}}\nno message\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert run(settings, "singer", tap[0], []) == EXIT_REFUSED


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        (["no-such-tap"], {}, "no-such-tap cannot be started"),
        ([], {"every": "15m"}, "--every needs a command"),
        (["tap"], {"every": "often"}, "is not a duration"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(settings, tap, capsys, command, options, said):
    assert run(settings, "singer", tap[0], command, **options) == EXIT_FAILED
    assert said in capsys.readouterr().err


#: How often it is killed for each seed.
KILLS = 4
#: More seeds of kills: ``INGEST_SEEDS=100``.
SEEDS = range(1, int(os.environ.get("INGEST_SEEDS", "3")))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.verify) for seed in SEEDS)])
def test_killed_at_any_line_it_loses_nothing_and_its_state_is_never_ahead(settings, tap, seed):
    mapping, command = tap
    count, rng = 120, random.Random(seed)
    wanted = [*command, "--count", str(count)]
    for _ in range(KILLS):
        # What was said is written a second later: some kills come before that, some meanwhile, some afterwards.
        pause, lines, wait = rng.uniform(0, 0.05), rng.randrange(count // KILLS), rng.uniform(0, 1.5)
        killing = [*wanted, "--pause", str(pause), "--kill", str(lines), "--wait", str(wait)]
        assert ForkedProcess(run, settings, "singer", mapping, killing).wait(300) == -signal.SIGKILL
        written = {int(order["order_id"]) for order in orders(settings)}
        assert set(range(stands_at(settings))) <= written
    assert run(settings, "singer", mapping, wanted) == EXIT_DONE
    found = orders(settings)
    assert {int(order["order_id"]) for order in found} == set(range(count))
    assert len({order["event_id"] for order in found}) == count  # what came twice has its id
    assert stands_at(settings) == count
