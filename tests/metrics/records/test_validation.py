"""What a time must satisfy, and which reason a record that does not is refused for."""

import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest

from metrics.records.events import Campaign, Lead, Order
from metrics.records.validation import (
    decode,
    instant,
    may_part_digits,
    not_in_future,
    not_too_early,
    required,
)
from metrics.values.errors import Reason, Rejection
from metrics.values.time import MAX_INSTANT, MIN_INSTANT

EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))


@pytest.mark.parametrize(
    ("value", "millis"),
    [
        (0, 0),
        (-1, -1),
        (MIN_INSTANT, MIN_INSTANT),
        (MAX_INSTANT, MAX_INSTANT),
        (datetime(1970, 1, 1, 0, 0, 0, 999, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(1970, 1, 1, 14, tzinfo=EAST), 0),
    ],
)
def test_instants_are_milliseconds_rounded_down(value, millis):
    assert instant(value, "occurred_at") == millis


@pytest.mark.parametrize(
    "value",
    [
        MIN_INSTANT - 1,
        MAX_INSTANT + 1,
        10**30,
        datetime(2026, 1, 1),  # noqa: DTZ001 - the very thing refused
        datetime(1, 1, 1, tzinfo=EAST),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, tzinfo=WEST),
    ],
)
def test_instants_that_no_window_can_hold_are_invalid(value):
    with pytest.raises(Rejection, match="occurred_at") as refused:
        instant(value, "occurred_at")
    assert refused.value.reason is Reason.INVALID_FIELD


def test_event_times_may_be_ahead_of_the_log_by_max_future_and_no_more():
    not_in_future(1_300, 1_000, 300)
    with pytest.raises(Rejection) as refused:
        not_in_future(1_301, 1_000, 300)
    assert refused.value.reason is Reason.FUTURE_TIMESTAMP


ORDER = {"event_id": "1_000", "occurred_at": 1, "order_id": "1_0", "campaign_id": "2_5", "currency": "EUR"}
#: What Python takes for a number besides what JSON writes.
PARTED = [
    *("1_000", "1_0.5", "_1", "1_", "1__0", " 1_0 ", "1_0e2", "1_e2", "-1_0", "1._5"),
    *("1_ ", "1_\t", "1_\u00a0", "1_\u0660", "\u0661_0", "1_\u0660\u0660_0"),
]


def escaped(text, which):
    """A text in JSON with characters of some kind as escapes, and all that cannot be printed."""
    return "".join(
        f"\\u{ord(each):04x}" if which(each) or not each.isprintable() else each for each in text
    ).encode()


@pytest.mark.parametrize("text", PARTED)
def test_an_amount_whose_digits_underscores_part_is_refused(text):
    assert Decimal(text) != 0
    ids = dict.fromkeys(("event_id", "order_id", "campaign_id"), "i")  # so that the amount alone has digits
    raw = msgspec.json.encode(ORDER | ids | {"revenue": "amount"})
    written = [escaped(text, which) for which in (str.isspace, "_".__eq__, str.isdigit, lambda _: True)]
    for value in (msgspec.json.encode(text)[1:-1], *written):
        with pytest.raises(
            Rejection, match=r"revenue .* is no number; write it with digits and a point"
        ) as refused:
            decode(msgspec.json.Decoder(Order), raw.replace(b"amount", value))
        assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize("piece", [b"_", b"_1", b"\\u005f", b"\\u0031_", b"_e", b':"_', b":_"])
def test_looking_for_underscores_takes_time_by_the_size_of_a_record_and_not_by_its_square(piece):
    """Of the processor: sixteen short texts, and one that is sixteen times as long."""
    short, long = (b'{"note":"' + piece * count + b'x"}' for count in (2_000, 32_000))
    times = []
    for text, looks in ((short, 16), (long, 1)):
        taken = []
        for _ in range(3):
            began = time.process_time()
            for _ in range(looks):
                may_part_digits(text)
            taken.append(time.process_time() - began)
        times.append(min(taken))
    assert times[1] < 5 * times[0]


@pytest.mark.parametrize("text", ["1000", " 12.5 ", "1e3", "-1", "+7", 1000, 0.5])
def test_ids_may_look_like_parted_digits_and_amounts_are_what_they_were(text):
    found = decode(msgspec.json.Decoder(Order), msgspec.json.encode(ORDER | {"revenue": text}))
    assert (found.event_id, found.revenue) == ("1_000", Decimal(str(text)))


def test_an_amount_within_a_record_s_part_is_judged_too():
    campaign = {"campaign_id": "c", "targets": {"cpl": "1_0"}}
    with pytest.raises(Rejection, match="cpl"):
        decode(msgspec.json.Decoder(Campaign), msgspec.json.encode(campaign))


def test_a_required_field_may_be_zero_but_not_absent():
    assert required(0, "revenue") == 0
    with pytest.raises(Rejection, match="revenue") as refused:
        required(None, "revenue")
    assert refused.value.reason is Reason.MISSING_FIELD


LEAD = msgspec.json.Decoder(Lead)


@pytest.mark.parametrize(
    "text", ["2016-12-31T23:59:60Z", "2016-12-31T15:59:60.5-08:00", "2017-01-01T00:59:60+01:00"]
)
def test_a_leap_second_is_the_last_millisecond_of_its_minute(text):
    event = decode(LEAD, b'{"event_id":"e","lead_id":"l","occurred_at":"%s"}' % text.encode())
    assert instant(event.occurred_at, "occurred_at") == 1_483_228_799_999


@pytest.mark.parametrize(
    "text", ["2016-12-31T22:59:60Z", "2016-12-31T23:59:61Z", "2016-13-31T23:59:60Z", "23:59:60Z"]
)
def test_other_seconds_beyond_59_are_refused(text):
    with pytest.raises(Rejection):
        decode(LEAD, b'{"event_id":"e","lead_id":"l","occurred_at":"%s"}' % text.encode())


@pytest.mark.parametrize(
    ("at", "hint"),
    [
        (1_780_000_000, "read as seconds, 1780000000 is 2026-05-28"),
        (0, "before EARLIEST_EVENT_TIME 1990-01-01T00:00:00Z"),
    ],
)
def test_times_before_the_floor_are_refused_and_seconds_are_recognised(at, hint):
    with pytest.raises(Rejection, match=hint):
        not_too_early(at, appended_at=1_780_000_000_000, earliest=631_152_000_000)
    not_too_early(631_152_000_000, appended_at=0, earliest=631_152_000_000)


@pytest.mark.parametrize(
    ("at", "unit"), [(1_780_000_000_000_000, "microseconds"), (1_780_000_000_000_000_000, "nanoseconds")]
)
def test_times_in_smaller_units_are_recognised(at, unit):
    with pytest.raises(Rejection, match=f"read as {unit}, it is 2026-05-28"):
        instant(at, "occurred_at")
