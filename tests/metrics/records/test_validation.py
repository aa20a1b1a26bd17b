"""What a time must satisfy, and which reason a record that does not is refused for."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from metrics.records.validation import instant, not_in_future, required
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


def test_a_required_field_may_be_zero_but_not_absent():
    assert required(0, "revenue") == 0
    with pytest.raises(Rejection, match="revenue") as refused:
        required(None, "revenue")
    assert refused.value.reason is Reason.MISSING_FIELD
