"""Weeks and months of a zone: whole, in order, named as ISO 8601 names them, and never taken for each other."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.calendar import CustomerCalendar
from metrics.values.time import DAY, to_millis

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")
instants = st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1), timezones=st.just(UTC)).map(to_millis)  # noqa: DTZ001


@given(instants, st.sampled_from(ZONES), st.sampled_from(["month", "week"]))
def test_an_instant_lies_in_its_period_and_the_next_begins_where_it_ends(at, name, period):
    calendar = CustomerCalendar(ZoneInfo(name), period)
    found = calendar.of(at)
    assert calendar.start(found) <= at < calendar.start(found + 1)
    assert calendar.of(calendar.start(found) - 1) == found - 1
    assert calendar.counts(found)
    assert not CustomerCalendar(ZoneInfo(name), "week" if period == "month" else "month").counts(found)


@given(instants, st.sampled_from(ZONES))
def test_a_week_is_named_as_iso_8601_names_it(at, name):
    calendar = CustomerCalendar(ZoneInfo(name), "week")
    local = datetime.fromtimestamp(at / 1000, ZoneInfo(name))
    assert calendar.name(calendar.of(at)) == local.strftime("%G-W%V")


@pytest.mark.parametrize("period", ["month", "week"])
def test_the_first_period_has_a_begin_in_every_zone(period):
    for name in ZONES:
        calendar = CustomerCalendar(ZoneInfo(name), period)
        assert calendar.start(calendar.first) < calendar.start(calendar.first + 1) < -(700_000 * DAY)
