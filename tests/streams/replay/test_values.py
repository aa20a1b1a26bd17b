"""Cells become exact values or a reason."""

from decimal import Decimal

import pytest

from streams.replay.mapping import Condition
from streams.replay.values import (
    Unusable,
    filled,
    flag,
    holds,
    in_units,
    instant,
    later,
    number,
    version,
    whole,
)

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("36150000", {}, "36150000"),
        (" 1,234.50 ", {"thousands": ","}, "1234.50"),
        ("1.234,5", {"decimal_comma": True, "thousands": "."}, "1234.5"),
        ("1 234,5", {"decimal_comma": True, "thousands": " "}, "1234.5"),
        ("144.", {}, "144"),
        ("-.5", {}, "-0.5"),
        ("1e3", {}, "1000"),
    ],
)
def test_a_number_is_read_exactly(text, options, value):
    assert number(text, **options) == Decimal(value)


@pytest.mark.parametrize("text", ["", "-", "NaN", "Infinity", "1,5", "0x10", "1_000", "1e9999", "12 EUR"])
def test_what_is_no_number_is_said_to_be_none(text):
    with pytest.raises(Unusable, match="not a number"):
        number(text)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("12,50", {"thousands": ","}),
        ("12.50", {"decimal_comma": True, "thousands": "."}),
        ("1.234,56", {"thousands": ","}),
        ("1,2345", {"thousands": ","}),
        ("1,,234", {"thousands": ","}),
        (",123", {"thousands": ","}),
        ("1234,567,8", {"thousands": ","}),
    ],
)
def test_a_separator_that_separates_no_thousands_refuses_the_number(text, options):
    with pytest.raises(Unusable, match="not a number"):
        number(text, **options)


@pytest.mark.parametrize(
    ("text", "value"), [("-1,234,567.5", "-1234567.5"), ("1,23,45,678.9", "12345678.9"), ("1234", "1234")]
)
def test_thousands_and_lakhs_may_be_separated_or_not(text, value):
    assert number(text, thousands=",") == Decimal(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.125", "0.125"),
        ("1.500", "1.5"),
        ("-5.00", "-5"),
        ("007", "7"),
        ("12,345.678", None),
        ("(5.00)", None),
        ("4.05%", None),
        ("--", None),
        ("1_000", None),
    ],
)
def test_what_other_readers_make_another_figure_of_is_exact_or_refused(text, value):
    if value is not None:
        assert number(text) == Decimal(value)
        return
    with pytest.raises(Unusable):
        number(text)


@pytest.mark.parametrize("text", ["2026", "2026-11", "10", "March", "12:30"])
def test_a_time_without_its_day_is_refused_rather_than_completed(text):
    with pytest.raises(Unusable, match="not a time"):
        instant(text, (), "UTC")


def test_a_day_without_hyphens_is_that_day():
    assert instant("20261102", (), "UTC") == instant("2026-11-02", (), "UTC")


@pytest.mark.parametrize(
    ("earlier", "latest"),
    [
        ("2026-11-02T10:00:00Z", "2026-11-02T10:00:00.250Z"),
        ("2026-11-02T10:00:00.000001Z", "2026-11-02T10:00:00.000002Z"),
        ("2026-11-02T01:00:00+00:00", "2026-11-01T23:30:00-05:00"),
        ("2/11/2026", "11/11/2026"),
        ("9", "10"),
        ("a", "b"),
        ("", "a"),
        ("", "2026-11-02"),
    ],
)
def test_the_latest_row_is_told_by_time_or_number_before_text(earlier, latest):
    assert version(earlier, ("%d/%m/%Y",), "UTC") < version(latest, ("%d/%m/%Y",), "UTC")


def test_micros_and_cents_become_units_exactly():
    assert in_units(Decimal(36_150_001), "micros") == Decimal("36.150001")
    assert in_units(Decimal(1999), "cents") == Decimal("19.99")
    assert in_units(Decimal("0.00000025"), "units", 6) == Decimal(0)


def test_a_count_with_a_fraction_is_refused_rather_than_cut():
    assert whole(Decimal("12.0")) == 12
    with pytest.raises(Unusable, match="whole"):
        whole(Decimal("12.5"))


@pytest.mark.parametrize(
    ("text", "formats", "zone", "utc"),
    [
        ("2021-09-15 5:00:00", (), "Etc/GMT+5", "2021-09-15 10:00:00+00:00"),
        ("2022-05-29T10:00:00", (), "UTC", "2022-05-29 10:00:00+00:00"),
        ("2020-11-09 14:20:56.976 UTC", (), "Europe/Paris", "2020-11-09 14:20:56.976+00:00"),
        ("2023-05-20 08:00:00.000 +0000", (), "Europe/Paris", "2023-05-20 08:00:00+00:00"),
        ("2026-11-21T10:00:00+02:00", (), "Europe/Paris", "2026-11-21 08:00:00+00:00"),
        ("2021-02-01", (), "America/Los_Angeles", "2021-02-01 08:00:00+00:00"),
        ("12/1/2010 8:26", ("%m/%d/%Y %H:%M",), "Europe/London", "2010-12-01 08:26:00+00:00"),
        ("1/7/2011", ("%d/%m/%Y",), "Europe/London", "2011-06-30 23:00:00+00:00"),
        ("1291191960", ("epoch_s",), "Asia/Tokyo", "2010-12-01 08:26:00+00:00"),
        ("1291191960250", ("epoch_ms",), "Asia/Tokyo", "2010-12-01 08:26:00.250+00:00"),
        ("2026-10-25 02:30:00", (), "Europe/Paris", "2026-10-25 00:30:00+00:00"),  # the first of two
    ],
)
def test_a_time_is_taken_in_its_zone(text, formats, zone, utc):
    assert instant(text, formats, zone) == instant(utc, (), "UTC")


@pytest.mark.parametrize("text", ["soon", "2021-13-01", "1291191960"])
def test_what_is_no_time_is_said_to_be_none(text):
    with pytest.raises(Unusable, match="not a time"):
        instant(text, (), "UTC")


def test_an_unknown_zone_is_said_to_be_none():
    with pytest.raises(Unusable, match="not a time zone"):
        instant("2021-01-01", (), "PacificTime")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-06-01", 24), ("2026-10-25", 25)])
def test_a_day_is_as_long_as_the_calendar_says(day, hours):
    start = instant(day, (), "Europe/Paris")
    assert later(start, "1 day", "Europe/Paris") - start == hours * HOUR
    assert later(start, "24h", "Europe/Paris") - start == 24 * HOUR


def test_flags_are_read_as_exports_write_them():
    assert [flag(text) for text in ("TRUE", "t", "1", "False", "no", "0")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    with pytest.raises(Unusable):
        flag("perhaps")


def test_a_template_with_an_empty_cell_is_empty():
    assert filled("shop-{c|slug}/{n}", {"c": "Côte d'Or", "n": "7"}) == "shop-cote-d-or/7"
    assert filled("shop-{c|slug}", {"c": " "}) == ""


@pytest.mark.parametrize(
    ("condition", "text", "verdict"),
    [
        ({"equals": "a"}, "a", True),
        ({"equals": "a", "negate": True}, "a", False),
        ({"one_of": ["a", "b"]}, "c", False),
        ({"matches": "^C"}, "C536379", True),
        ({"empty": True}, " ", True),
        ({"empty": False}, "", False),
        ({"greater_than": "0"}, "0.000001", True),
        ({"less_than": "0"}, "-0", False),
        ({"less_than": "10", "greater_than": "9"}, "9.5", True),
        ({"greater_than": "0"}, "many", False),
    ],
)
def test_a_condition_holds_when_all_it_says_holds(condition, text, verdict):
    assert holds(Condition(column="x", **condition), {"x": text}) is verdict
