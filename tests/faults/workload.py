"""What is written during the faults: seeded records at a fixed pace, and what the source topics hold after."""

import asyncio
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaProducer

from streams import topics
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options, kafka_python_options
from tests.faults.journeys import Arrival, journeys, last_clicks
from tests.faults.patience import bootstrap_timeout_ms, patient
from tests.faults.words import BUDGET, BUDGETED, words
from tests.support.load import Load, generated, visitors

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
#: Their costs come from reports.
REPORTED = ("c-10", "c-11")
_POISON: list[Any] = [b"{", b"\xff\xfe", b"", {"event_id": 1, "occurred_at": 2}, b"[]"]
_JOURNEYS = 40
_ACKNOWLEDGED_WITHIN_S = 90
_READ_BACK_WITHIN_S = 60
#: Full topic name without prefix, partition: values by offset.
Log = dict[tuple[str, int], list[bytes | None]]


@dataclass(frozen=True)
class Shape:
    """How much is written, over how much event time, for how long."""

    records: int
    span_ms: int
    seconds: float
    idle_partition: int | None
    poison: int = 0

    @property
    def is_replay(self) -> bool:
        """Everything is written at once, before the workers start."""
        return self.seconds == 0


def registered() -> Load:
    """The records of ``campaigns``."""
    records = [{"campaign_id": name, "cost_basis": "reports"} for name in REPORTED]
    records += [{"campaign_id": name, "budget": BUDGET} for name in BUDGETED]
    return [(topics.CAMPAIGNS, str(record["campaign_id"]).encode(), record) for record in records]


def load_of(seed: int, shape: Shape, partitions: int, now: int) -> Load:
    """Seeded records in order of arrival, numbered per key, over an edge of an hour and of a day.

    The event times end a quarter of an hour before ``now`` or, where they are shorter than that, soon
    after the last midnight: then a day closes, too.
    """
    dice = random.Random(seed)
    idle = -1 if shape.idle_partition is None else shape.idle_partition
    people = visitors(partitions, idle_partition=idle, count=200)
    start = now // DAY_MS * DAY_MS - shape.span_ms // 2
    if start + shape.span_ms > now - 15 * MINUTE_MS:
        start -= DAY_MS
    load = generated(seed, shape.records, start, shape.span_ms, people)
    load = _mixed(dice, load, _reports(dice, start, shape.span_ms))
    load = _mixed(dice, load, _broken(dice, len(load) // 200, people))
    stories = journeys(dice, start, shape.span_ms, people[:_JOURNEYS], partitions)
    load = _told(load, stories, start, shape.span_ms)
    load = _repeated(dice, load) + last_clicks(start + shape.span_ms, people, partitions)
    at = dice.randrange(len(load))
    load[at:at] = _broken(dice, shape.poison, people[:1])
    return _mixed(dice, _numbered(load), words(dice, now))


def _mixed(dice: random.Random, load: Load, others: Load) -> Load:
    """Others in their order, at random places."""
    places = sorted(dice.randrange(len(load)) for _ in others)
    for place, other in zip(reversed(places), reversed(others), strict=True):
        load.insert(place, other)
    return load


def _told(load: Load, stories: list[Arrival], start: int, span_ms: int) -> Load:
    """Stories among the records of the time when they arrive."""
    found = list(load)
    for at, outgoing in reversed(stories):
        found.insert((at - start) * len(load) // span_ms, outgoing)
    return found


def _repeated(dice: random.Random, load: Load) -> Load:
    """Two in a hundred come again at any later time, so that restarts lie between a record and its repeat."""
    repeated = dice.sample(range(len(load)), len(load) // 50)
    again = [(dice.randrange(number, len(load)), number) for number in repeated]
    found = list(load)
    for place, number in sorted(again, reverse=True):
        found.insert(place + 1, load[number])
    return found


def _reports(dice: random.Random, start: int, span_ms: int) -> Load:
    """Quarters of an hour and a day of two campaigns, each twice, the later version being the higher.

    A day holds more than its quarters, as it does on a platform: where the day takes their place, a total rises.
    """
    found: Load = []
    length = max(15 * MINUTE_MS, span_ms // 24)
    day = start // DAY_MS * DAY_MS
    for campaign in REPORTED:
        whole = 0
        for begin in range(start, start + span_ms, length):
            clicks = dice.randrange(1_000)
            whole += 2 * clicks
            found += [
                _report(campaign, begin, begin + 15 * MINUTE_MS, word, clicks * word) for word in (1, 2)
            ]
        more = dice.randrange(1_000)
        found += [_report(campaign, day, day + DAY_MS, word, whole + more * word) for word in (1, 2)]
    return found


def _report(campaign: str, begin: int, end: int, word: int, clicks: int) -> tuple[str, bytes, dict[str, Any]]:
    record = {
        "report_id": f"r-{campaign}-{begin}-{end}-{word}",
        "source": "platform",
        "campaign_id": campaign,
        "period_start": begin,
        "period_end": end,
        "reported_at": end + word,
        "clicks": clicks,
        "impressions": clicks * 11,
        "spend": f"{clicks}.25",
    }
    return topics.REPORTS, campaign.encode(), record


def _broken(dice: random.Random, count: int, people: list[str]) -> Load:
    return [
        (dice.choice(topics.EVENT_SOURCES), dice.choice(people).encode(), dice.choice(_POISON))
        for _ in range(count)
    ]


def _numbered(load: Load) -> Load:
    """Each record that is not broken carries its number among those of its topic and key; a repeat keeps its own."""
    numbers: Counter[tuple[str, bytes | None]] = Counter()
    for topic, key, value in load:
        if is_whole(value) and "seq" not in value:
            value |= {"seq": numbers[topic, key], "key": (key or b"").decode()}
            numbers[topic, key] += 1
    return load


def is_whole(value: Any) -> bool:
    """Whether a value is a record and not a broken one."""
    return isinstance(value, dict) and isinstance(value.get("event_id", value.get("report_id")), str)


class Writer(threading.Thread):
    """Writes a load at a fixed pace, whatever happens to the brokers."""

    def __init__(self, settings: Settings, load: Load, seconds: float) -> None:
        super().__init__(name="writer", daemon=True)
        self._settings = settings
        self._load = load
        self._pause = seconds / len(load)
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:  # noqa: BLE001 - told to the one who waits
            self.error = error

    def finish(self) -> None:
        """Wait until everything is acknowledged; fails when something was not."""
        self.join(patient(_ACKNOWLEDGED_WITHIN_S + 60))
        assert not self.is_alive(), "the writer did not come to its end"
        if self.error is not None:
            raise self.error

    def _write(self) -> None:
        producer = KafkaProducer(
            acks="all",
            linger_ms=5,
            bootstrap_timeout_ms=bootstrap_timeout_ms(),
            reconnect_backoff_max_ms=500,
            request_timeout_ms=5_000,
            delivery_timeout_ms=round(patient(_ACKNOWLEDGED_WITHIN_S) * 1_000),
            max_block_ms=round(patient(_ACKNOWLEDGED_WITHIN_S) * 1_000),
            **kafka_python_options(self._settings),
        )
        started = time.monotonic()
        futures = []
        for number, (topic, key, value) in enumerate(self._load):
            due = started + number * self._pause
            if (early := due - time.monotonic()) > 0.01:
                time.sleep(early)
            raw = value if isinstance(value, bytes) else json.dumps(value).encode()
            futures.append(producer.send(self._settings.topic(topic), raw, key))
        producer.flush(patient(_ACKNOWLEDGED_WITHIN_S))
        for future in futures:
            future.get(patient(_ACKNOWLEDGED_WITHIN_S))
        producer.close()


def read_back(settings: Settings) -> Log:
    """What the source topics hold, offset by offset from the start of each log."""
    return asyncio.run(asyncio.wait_for(_read_back(settings), patient(_READ_BACK_WITHIN_S)))


async def _read_back(settings: Settings) -> Log:
    tps = [
        TopicPartition(settings.topic(name), each)
        for name in topics.SOURCES
        for each in range(settings.partitions)
    ]
    # Not `latest` and a seek: a reset on its way would move the position to the end after the seek.
    consumer = AIOKafkaConsumer(group_id=None, auto_offset_reset="earliest", **aiokafka_options(settings))
    consumer.assign(tps)
    await consumer.start()
    try:
        starts, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        found: Log = {(_short(settings, tp), tp.partition): [] for tp in tps}
        while any(starts[tp] + len(found[_short(settings, tp), tp.partition]) < ends[tp] for tp in tps):
            batches = await consumer.getmany(timeout_ms=1_000)
            for tp, records in batches.items():
                values = found[_short(settings, tp), tp.partition]
                for record in records:
                    due = starts[tp] + len(values)
                    assert record.offset == due, f"{tp}: offset {record.offset} where {due} is due"
                    values.append(record.value)
        return found
    finally:
        await consumer.stop()


def _short(settings: Settings, tp: TopicPartition) -> str:
    return str(tp.topic).removeprefix(settings.topic_prefix)


def parsed(value: bytes | None) -> Any:
    """The record in a value; None where it is broken."""
    try:
        found = json.loads(value or b"")
    except (ValueError, UnicodeDecodeError):
        return None
    return found if is_whole(found) and ("occurred_at" in found or "period_start" in found) else None


def latest_event(log: Log) -> int:
    """The watermark when everything is read and all partitions are idle."""
    records = (record for values in log.values() for record in map(parsed, values) if record is not None)
    return max(record["occurred_at"] for record in records if "occurred_at" in record)


def gaps(log: Log, load: Iterable[tuple[str, bytes | None, Any]]) -> list[str]:
    """Numbers that the log lacks: records that a broker acknowledged and lost."""
    held: dict[tuple[str, str], set[int]] = defaultdict(set)
    for (topic, _), values in log.items():
        for record in filter(None, map(parsed, values)):
            held[topic, record["key"]].add(record["seq"])
    return [
        f"the log of {topic} lacks number {value['seq']} of {key.decode() if key else None}"
        for topic, key, value in load
        if is_whole(value) and value["seq"] not in held[topic, value["key"]]
    ]
