"""Instants and durations: what is written is what was meant."""

import pytest

from metrics.values.time import (
    MAX_INSTANT,
    MIN_INSTANT,
    floor_to,
    format_duration,
    format_instant,
    parse_duration,
)


@pytest.mark.parametrize(
    ("text", "millis"),
    [("250ms", 250), ("90s", 90_000), ("1.5h", 5_400_000), ("7d", 604_800_000), (" 5m ", 300_000), ("0s", 0)],
)
def test_durations_are_read(text, millis):
    assert parse_duration(text) == millis


@pytest.mark.parametrize("text", ["", "5", "5 m", "-5m", "5w", "1h30m", "1e3s", "s", "٣s5"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="write it like"):
        parse_duration(text)


@pytest.mark.parametrize("millis", [0, 1, 250, 999, 1_000, 90_000, 5_400_000, 86_400_000, 604_800_000])
def test_a_spelt_duration_is_read_back(millis):
    assert parse_duration(format_duration(millis)) == millis


@pytest.mark.parametrize(
    ("millis", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (MIN_INSTANT, "0002-01-01T00:00:00Z"),
        (MAX_INSTANT, "9998-12-31T23:59:59.999Z"),
    ],
)
def test_instants_are_written_without_an_empty_fraction(millis, text):
    assert format_instant(millis) == text


def test_intervals_before_the_epoch_are_aligned_too():
    assert [floor_to(at, 10) for at in (-11, -10, -1, 0, 9)] == [-20, -10, -10, 0, 0]
