"""Inputs to begin with: records as the contract gives them, the nasty ones of the laws, and whole record batches."""

from pathlib import Path

import msgspec
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams import topics
from streams.schema_export.asyncapi import CHANNELS
from tests.fuzz.law import written
from tests.streams.messages.test_decoding_laws import GOOD, NASTY

#: Parts of records that a mutation would not find soon.
WORDS = (
    *(
        "event_id",
        "occurred_at",
        "campaign_id",
        "visitor_id",
        "channel",
        "ad_id",
        "cost",
        "currency",
        "offer",
    ),
    *("segment", "report_id", "source", "period_start", "period_end", "reported_at", "impressions", "clicks"),
    *("spend", "conversions", "lead_id", "stage", "mql", "sql", "order_id", "kind", "placed", "refunded"),
    *(
        "cancelled",
        "revenue",
        "customer_id",
        "cost_of_goods",
        "is_new_customer",
        "null",
        "true",
        "1e-6",
        "\\u0000",
    ),
    *("score", "nps", "csat", "scale", "ticket_id", "opened", "responded", "resolved", "subscription_id"),
    *("started", "renewed", "term", "P1M", "P9999Y", "amount", "referrer_id"),
    *("2026-11-21T10:00:00.250Z", "+23:59", "999999999999.999999", "9223372036854775807", "-0", "\\ud800"),
)

#: UTF-8, right and wrong: two to four bytes, overlong ones, surrogates, above the last character.
_LETTERS = (
    *(b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\x9f\xbf"),
    *(b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80"),
)


def inputs() -> list[bytes]:
    """Seeds of the corpus."""
    found = [written(topic, [GOOD, GOOD], time=time) for topic in topics.SOURCES for time in range(5)]
    found += [
        written(topic, [value]) for topic in topics.SOURCES for value in NASTY if len(value or b"") < 2_000
    ]
    for channel in CHANNELS:
        if channel.topic in topics.SOURCES:
            example = msgspec.json.encode(channel.example)
            found += [written(channel.topic, [example, example]), written(channel.topic, [example[:-1]])]
            found.append(bytes([topics.SOURCES.index(channel.topic), 1, 1]) + _inside(example))
    found += [written(topics.CLICKS, [GOOD.replace(b'"c"', b'"c' + letter + b'"')]) for letter in _LETTERS]
    return found


def _inside(value: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    builder.append(0, 1, b"v", value, [("h", b"x")])
    return bytes(builder.build())[61:]


def write(folder: Path) -> None:
    """The seeds and a dictionary for libFuzzer."""
    (folder / "seeds").mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(inputs()):
        (folder / "seeds" / f"{number}").write_bytes(data)
    quoted = [word.replace("\\", "\\\\") for word in WORDS]
    quoted += ["".join(f"\\x{byte:02x}" for byte in letter) for letter in _LETTERS]
    (folder / "words").write_text("".join(f'"{word}"\n' for word in quoted))
