"""Records go out in order, at their pace, each confirmed; the command says what it did."""

import json

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.partitioner.default import murmur2

from streams import topics
from streams.mapping.engine import MappedRecord
from streams.replay.producer import ReplayPace, produce
from streams.replay.run import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_UNMAPPED,
    plain_progress,
    run,
)
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics

MAPPING = """
description = "orders of a shop"
[columns]
day = "time"
amount = "number"
[[records]]
topic = "campaigns"
value = { campaign_id = "shop" }
[[skip]]
reason = "test order"
when = "test = 'yes'"
[[select]]
topic = "orders"
key = ["customer_id"]
id = ["order_id"]
sql = '''SELECT id AS order_id, rows.day AS occurred_at, amount AS revenue, currency, customer AS customer_id,
  'shop' AS campaign_id FROM rows'''
"""
HEAD = "id,day,amount,currency,customer,test\n"


class FakeClock:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 100.0
        self.naps = []

    def read(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds


class ListSink:
    """Keeps what it is sent, and where it was asked to confirm."""

    def __init__(self):
        self.log = []

    def send(self, record):
        self.log.append(record.topic)

    def confirm(self):
        self.log.append("confirmed")


def order(at_ms, currency=None):
    body = {"currency": currency} if currency else {}
    return MappedRecord(topics.ORDERS, "k", json.dumps(body).encode(), at_ms)


CAMPAIGN = MappedRecord(topics.CAMPAIGNS, "c", b"{}", None)


@pytest.mark.parametrize(("speed", "lasts"), [(0, 0), (1, 10), (4, 2.5)])
def test_records_are_spaced_as_their_event_times_are_at_the_speed_asked_for(speed, lasts):
    clock = FakeClock()
    pace = ReplayPace(speed, clock.read, clock.sleep)
    seen = []
    produce(
        [CAMPAIGN, order(5_000), order(5_000), order(15_000)],
        ListSink(),
        pace,
        lambda _: seen.append(clock.now),
    )
    assert seen == [100, 100, 100, 100 + lasts]
    assert all(nap <= 1 for nap in clock.naps)


def test_a_slow_sink_does_not_shift_the_pace():
    clock = FakeClock()
    pace = ReplayPace(1, clock.read, clock.sleep)
    pace.wait(0)
    clock.now += 7  # the sink took seven seconds
    pace.wait(10_000)
    assert clock.now == 110


def test_registries_are_confirmed_before_the_first_source_record():
    sink = ListSink()
    counts = produce(
        [CAMPAIGN, order(1), order(2)], sink, ReplayPace(0, float, lambda _: None), lambda _: None
    )
    assert sink.log == ["campaigns", "confirmed", "orders", "orders", "confirmed"]
    assert counts == {"campaigns": 1, "orders": 2}


def test_plain_progress_writes_now_and_then_and_at_the_end():
    clock, lines = FakeClock(), []
    advance = plain_progress(3, clock.read, lines.append)
    advance(order(0))
    clock.now += 6
    advance(order(0))
    advance(order(1_000))
    assert lines == [
        "replayed 2 of 3 records, 1970-01-01T00:00:00Z",
        "replayed 3 of 3 records, 1970-01-01T00:00:01Z",
    ]


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.toml").write_text(MAPPING)

    def write(rows):
        (tmp_path / "orders.csv").write_text(HEAD + rows)
        return [tmp_path / "orders.csv"], tmp_path / "shop.toml"

    return write


GOOD = "2,2026-01-02T00:00:00Z,5,EUR,b,\n1,2026-01-01T00:00:00Z,5,EUR,a,\n"


def test_print_writes_json_lines_and_the_summary_apart_from_them(shop, capsys):
    paths, mapping = shop(GOOD + "3,2026-01-01,1,EUR,a,yes\n")
    assert run(Settings(), paths, mapping, print_only=True) == EXIT_DONE
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [(line["topic"], line["key"]) for line in lines] == [
        ("campaigns", "shop"),
        ("orders", "a"),
        ("orders", "b"),
    ]
    assert lines[1]["value"]["revenue"] == "5"
    assert "orders: 2 records" in printed.err
    assert "not mapped, 1 rows: skipped: test order; for example orders.csv:4" in printed.err


def test_a_row_that_cannot_be_mapped_is_shown_and_changes_the_exit_code(shop, capsys):
    paths, mapping = shop(GOOD + "3,2026-01-01,many,EUR,a,\n")
    assert run(Settings(), paths, mapping, print_only=True) == EXIT_UNMAPPED
    assert (
        "not mapped, 1 rows: orders: amount is not a number; for example orders.csv:4 (many)"
        in capsys.readouterr().err
    )


def test_what_cannot_be_done_is_said_in_a_sentence(shop, tmp_path, capsys):
    paths, mapping = shop(GOOD)
    assert run(Settings(), [tmp_path / "no.csv"], mapping) == EXIT_FAILED
    assert run(Settings(), paths, "no_mapping") == EXIT_FAILED
    assert run(Settings(), paths, mapping, speed=-1) == EXIT_FAILED
    assert run(Settings(broker="kafka://127.0.0.1:1", broker_wait="1s"), paths, mapping) == EXIT_FAILED
    said = capsys.readouterr().err
    for part in (
        "no.csv does not exist",
        "mapping no_mapping cannot be read",
        "--speed",
        "No broker answers at",
    ):
        assert part in said


@pytest.fixture
def settings(broker, settings_for):
    return settings_for(broker)


def consumed(settings, topic):
    name = settings.topic(topic)
    consumer = KafkaConsumer(bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    partitions = [
        TopicPartition(name, number) for number in range(settings.partitions if topic != "campaigns" else 1)
    ]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    records = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        records += [record for batch in consumer.poll(timeout_ms=500).values() for record in batch]
    consumer.close()
    return records


def test_records_arrive_whole_under_their_keys_on_the_partitions_that_java_clients_would_choose(
    shop, settings, capsys
):
    paths, mapping = shop("".join(f"{n},2026-01-01T00:00:{n:02}Z,1.5,EUR,who-{n % 7},\n" for n in range(60)))
    ensure_topics(settings, create=True)
    assert run(settings, paths, mapping) == EXIT_DONE
    records = consumed(settings, topics.ORDERS)
    assert sorted(json.loads(record.value)["order_id"] for record in records) == sorted(map(str, range(60)))
    for record in records:
        assert record.key.decode() == json.loads(record.value)["customer_id"]
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % settings.partitions
    assert [record.key for record in consumed(settings, topics.CAMPAIGNS)] == [b"shop"]
    assert "replayed 61 of 61 records" in capsys.readouterr().err


def test_topics_that_do_not_exist_stop_the_replay_with_what_to_do(shop, settings, capsys):
    paths, mapping = shop(GOOD)
    assert run(settings, paths, mapping) == EXIT_FAILED
    assert "run `roistream topics` first" in capsys.readouterr().err


def test_a_currency_without_a_rate_is_warned_of(shop, settings, capsys):
    paths, mapping = shop("1,2026-01-01,5,GBP,a,\n")
    ensure_topics(settings, create=True)
    assert run(settings, paths, mapping, progress=False) == EXIT_DONE
    assert "ROISTREAM_REPORTING_CURRENCY=GBP" in capsys.readouterr().err


REPORTS = """
description = "reports"
timezone = "UTC"
[columns]
starts = "date"
ends = "date"
spend = "number"
[[select]]
topic = "campaigns"
sql = "SELECT campaign AS campaign_id, 'reports' AS cost_basis FROM rows GROUP BY ALL"
[[select]]
topic = "ad-reports"
sql = "SELECT campaign AS campaign_id, 's' AS source, starts AS period_start, ends AS period_end, spend FROM rows"
"""


def test_reports_that_overlap_those_of_a_replay_before_are_warned_of_and_restated_ones_are_not(
    tmp_path, settings, capsys
):
    ensure_topics(settings, create=True)
    (tmp_path / "reports.toml").write_text(REPORTS)
    path = tmp_path / "reports.csv"

    def replay(starts, ends, spend, **options):
        path.write_text(f"campaign,starts,ends,spend\nA,{starts},{ends},{spend}\n")
        code = run(settings, [path], tmp_path / "reports.toml", progress=False, **options)
        return code, capsys.readouterr().err

    assert "overlap" not in replay("2026-06-01", "2026-06-08", "70")[1]
    assert "overlap" not in replay("2026-06-01", "2026-06-08", "71")[1]
    assert "overlap" not in replay("2026-06-08", "2026-06-15", "70")[1]
    code, said = replay("2026-06-03", "2026-06-04", "10", strict=True)
    assert code == EXIT_FAILED
    assert "reports.csv:2 (A, from 2026-06-01T00:00:00Z)" in said
    assert len(consumed(settings, topics.REPORTS)) == 3


SHOP = """
description = "SYSTEM"
timezone = "UTC"
[columns]
at = "time"
total = "number"
[[select]]
topic = "orders"
id = ["order_id"]
key = ["order_id"]
sql = "SELECT number AS order_id, kind, rows.at AS occurred_at, total AS revenue, 'EUR' AS currency FROM rows"
"""


def test_orders_of_a_second_system_that_numbers_alike_are_warned_of_and_a_source_parts_them(
    tmp_path, settings, capsys
):
    ensure_topics(settings, create=True)
    path = tmp_path / "orders.csv"

    def replay(system, *numbers, source=None, kind="placed"):
        mapping = tmp_path / f"{system}.toml"
        mapping.write_text(SHOP.replace("SYSTEM", system))
        rows = "".join(f"{number},{kind},2026-06-01T10:00:00Z,10\n" for number in numbers)
        path.write_text("number,kind,at,total\n" + rows)
        run(settings, [path], mapping, progress=False, frame=[f"source={source}"] if source else [])
        return " ".join(capsys.readouterr().err.split())

    elsewhere, anew = "already from elsewhere", "already under another source"
    first = replay("one", 1001, 1002)
    again = replay("one", 1001, 1002, 1003)
    refund = replay("one", 1001, kind="refunded")
    second = replay("two", 1002, 1003, 1004)
    parted = replay("two", 1002, 1003, source="two")
    assert [elsewhere in said for said in (first, again, refund, second, parted)] == [
        False,
        False,
        False,
        True,
        False,
    ]
    assert "2 records of orders" in second
    assert "under the source (none) (first 1002, orders.csv:2)" in second
    # Who names the source later counts anew what was replayed without.
    assert [anew in said for said in (first, again, refund, second, parted)] == [
        False,
        False,
        False,
        False,
        True,
    ]
    assert "2 records of orders" in parted
    assert "(first 1002, orders.csv:2, under (none))" in parted
    assert anew not in replay("two", 1002, 1003, source="two")


def registered(settings, budget):
    producer = KafkaProducer(bootstrap_servers=settings.bootstrap)
    value = {"campaign_id": "google-a", "budget": budget, "channel": "brand", "targets": {"cpl": "20"}}
    producer.send(settings.topic(topics.CAMPAIGNS), json.dumps(value).encode(), b"google-a").get(30)
    producer.close()
    return value


GOOGLE = "Campaign,Currency code,Impr.,Clicks,Cost,Day\nA,EUR,10,1,5,2026-07-01\nB,EUR,10,1,5,2026-07-01\n"


def test_a_download_of_a_platform_completes_what_a_person_registered(tmp_path, settings):
    ensure_topics(settings, create=True)
    value = registered(settings, "5000.00")
    path = tmp_path / "google.csv"
    path.write_text(GOOGLE)
    for _ in range(2):
        assert run(settings, [path], progress=False) == EXIT_DONE
    records = [json.loads(record.value) for record in consumed(settings, topics.CAMPAIGNS)]
    by_id = {record["campaign_id"]: record for record in records}
    assert by_id["google-a"] == value | {"name": "A", "cost_basis": "reports"}
    assert by_id["google-b"]["channel"] == "search"
    assert len(records) == 3  # the person's, and one of each campaign by the first replay


def test_what_a_mapping_of_ones_own_takes_from_a_registration_is_warned_of(tmp_path, settings, capsys):
    ensure_topics(settings, create=True)
    registered(settings, "5000.00")
    (tmp_path / "own.toml").write_text(REPORTS)
    path = tmp_path / "own.csv"
    path.write_text("campaign,starts,ends,spend\ngoogle-a,2026-06-01,2026-06-02,7\n")
    assert run(settings, [path], tmp_path / "own.toml", progress=False, strict=True) == EXIT_FAILED
    assert "google-a (budget, channel, targets)" in capsys.readouterr().err
    assert len(consumed(settings, topics.CAMPAIGNS)) == 1


def test_campaigns_that_nobody_registered_are_named_with_their_records(tmp_path, settings, capsys):
    ensure_topics(settings, create=True)
    registered(settings, "5000.00")
    (tmp_path / "own.toml").write_text(
        REPORTS.replace(
            "SELECT campaign AS campaign_id, 'reports' AS cost_basis FROM rows GROUP BY ALL",
            "SELECT 'new' AS campaign_id FROM rows GROUP BY ALL",
        )
    )
    path = tmp_path / "own.csv"
    rows = "".join(
        f"{name},2026-06-0{day},2026-06-0{day + 1},7\n"
        for name in ("google-a", "new", "lost")
        for day in (1, 2)
    )
    path.write_text(f"campaign,starts,ends,spend\n{rows}")
    assert run(settings, [path], tmp_path / "own.toml", progress=False) == EXIT_DONE
    assert "not registered, with their records: lost (2). They" in capsys.readouterr().err
