"""What an event costs is no more than on record: exact counts, and a ratio of processor times of the same minute."""

import json
from itertools import islice

import pytest

from tests.bench.costs import (
    RATIO,
    RECORD,
    TOLERATED_RATIO,
    calls,
    click_ratios,
    fold,
    measure,
    too_dear,
)

_MOST_RUNS = 60


@pytest.fixture(scope="module")
def on_record() -> dict[str, float]:
    return json.loads(RECORD.read_text())


@pytest.mark.slow
def test_calls_and_bytes_have_not_grown(on_record):
    found = measure()
    assert set(found) | {RATIO} == set(on_record), "python -m tests.bench.costs --record"
    assert too_dear(found, on_record) == []


@pytest.mark.verify
def test_a_click_takes_no_more_of_the_time_of_a_hand_written_loop(on_record):
    limit = TOLERATED_RATIO * on_record[RATIO]
    assert any(ratio <= limit for ratio in islice(click_ratios(), _MOST_RUNS))


def test_calls_of_a_piece_of_work_are_counted():
    few, many = (calls(lambda n=n: [abs(x) for x in map(hash, range(n))]) for n in (10, 20))
    assert many - few == 10


def test_the_hand_written_loop_adds_up():
    click = b'{"campaign_id":"c","occurred_at":%d,"cost":"0.25"}'
    assert fold([[click % 0, click % 59_999], [click % 60_000]]) == {
        ("c", 0): [2, 500_000],
        ("c", 1): [1, 250_000],
    }
