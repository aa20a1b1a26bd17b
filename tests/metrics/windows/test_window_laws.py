"""Windows, shares and watermarks against naive computations."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.sums.tally import Tally
from metrics.values.apportion import share
from metrics.values.time import (
    DAY,
    HOUR,
    MAX_INSTANT,
    MIN_INSTANT,
    MINUTE,
    QUARTER,
    floor_to,
    format_instant,
    local_midnight,
    to_millis,
)
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL, horizon
from metrics.windows.publish_schedule import PublishAllowance, PublishSchedule
from metrics.windows.watermark import CampaignClock, PartitionClock, PartitionStatus
from metrics.windows.window_kinds import ROLLING, TUMBLING, rolling_spans
from tests.support.examples import examples
from tests.support.one_campaign import OneCampaign

bounded = examples(0.8)
T0 = 1_794_960_000_000
PARIS = ZoneInfo("Europe/Paris")
WIDTHS = (MINUTE, QUARTER, DAY)


def naive(facts, resolution, start, end):
    """Clicks of the last value of each (source, pane) in [start, end)."""
    last = {(source, res, at): clicks for source, res, at, clicks in facts}
    return sum(c for (_, res, at), c in last.items() if res == resolution and start <= at < end)


def drop_before(account, limits):
    for resolution, earliest in enumerate(limits):
        account.drop_before(resolution, earliest)


@bounded
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9 * 96), st.integers(0, 9)), max_size=40),
    st.lists(st.integers(0, 9 * 96), max_size=4),
)
def test_the_history_before_a_quarter_of_an_hour_is_what_came_before_it_as_long_as_its_quarters_are_kept(
    facts, instants
):
    account, last = OneCampaign(), {}
    for source, quarter, clicks in facts:
        last[source, quarter] = clicks
        at, day = T0 + quarter * QUARTER, T0 + quarter // 96 * DAY
        parts = [(c, q) for (s, q), c in last.items() if s == source]
        of_day = sum(c for c, q in parts if q // 96 == quarter // 96)
        for resolution, start, value in (
            (QUARTERS, at, clicks), (DAYS, day, of_day), (TOTAL, 0, sum(c for c, _ in parts)),
        ):  # fmt: skip
            account.put(source, resolution, start, Tally(clicks=value), horizon(None))
    windows, codes = account.merged_windows, np.array([account.code], dtype=np.int32)
    for quarter in instants:
        before = sum(clicks for (_, at), clicks in last.items() if at < quarter)
        assert windows.totals_before(np.array([T0 + quarter * QUARTER]), codes)[0].clicks == before
    kept_from = T0 + 2 * DAY
    dropped = account.drop_before(QUARTERS, kept_from)
    for quarter in instants:
        is_whole = bool(windows.are_whole_from(np.array([T0 + quarter * QUARTER]), codes)[0])
        assert is_whole == (T0 + quarter * QUARTER >= max((each + QUARTER for each in dropped), default=0))


@bounded
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 119), st.integers(0, 9)), max_size=40),
    st.lists(st.integers(0, 119), max_size=4),
    st.integers(0, 119),
)
def test_the_history_before_a_minute_is_what_came_before_it_as_long_as_minutes_are_kept_from_there_on(
    facts, instants, kept
):
    account, last = OneCampaign(), {}
    for source, minute, clicks in facts:
        last[source, minute] = clicks
        mine = [(at, count) for (of, at), count in last.items() if of == source]
        of_quarter = sum(count for at, count in mine if at // 15 == minute // 15)
        for resolution, start, value in (
            (MINUTES, T0 + minute * MINUTE, clicks),
            (QUARTERS, T0 + minute // 15 * QUARTER, of_quarter),
            (TOTAL, 0, sum(count for _, count in mine)),
        ):
            account.put(source, resolution, start, Tally(clicks=value), horizon(None))
    account.drop_before(MINUTES, T0 + kept * MINUTE)
    instants = [each for each in instants if each >= kept or each % 15 == 0]
    found = account.merged_windows.totals_before(
        T0 + np.array(instants, dtype=np.int64) * MINUTE, np.full(len(instants), account.code, dtype=np.int32)
    )
    assert [each.clicks for each in found] == [
        sum(clicks for (_, at), clicks in last.items() if at < minute) for minute in instants
    ]


puts = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 12), st.integers(0, 9))


@bounded
@given(
    st.lists(st.one_of(puts, st.integers(1, 5 * HOUR)), max_size=60), st.sampled_from(["UTC", "Europe/Paris"])
)
def test_rolling_windows_equal_the_sum_over_their_panes_at_every_slide(steps, zone):
    account, facts, watermark = OneCampaign(), [], T0
    for step in steps:
        if isinstance(step, int):
            watermark += step
            account.slide(rolling_spans(watermark, ZoneInfo(zone)))
            drop_before(account, horizon(watermark))
        else:
            source, resolution, back, clicks = step
            start = floor_to(watermark - (back - 2) * WIDTHS[resolution], WIDTHS[resolution])
            limits = horizon(watermark)
            account.put(source, resolution, start, Tally(clicks=clicks), limits)
            if limits[resolution] is None or start >= limits[resolution]:
                facts.append((source, resolution, start, clicks))
        for index, kind in enumerate(ROLLING):
            span, tally = account.rolling(index)
            assert tally.clicks == naive(facts, kind.resolution, *span)


@bounded
@given(st.lists(puts, max_size=60))
def test_tumbling_windows_equal_the_sum_over_their_panes_and_repetition_changes_nothing(steps):
    account, facts = OneCampaign(), []
    for source, resolution, at, clicks in steps + steps[-5:]:
        start = T0 + at * WIDTHS[resolution]
        facts.append((source, resolution, start, clicks))
        account.put(source, resolution, start, Tally(clicks=clicks), horizon(None))
        assert not account.put(source, resolution, start, Tally(clicks=clicks), horizon(None))
    for kind in TUMBLING:
        for start in range(T0, T0 + 13 * kind.length, kind.length):
            wanted = naive(facts, kind.resolution, start, start + kind.length)
            assert account.tumbling(kind, start).clicks == wanted


@bounded
@given(st.sampled_from(["2026-03-28", "2026-10-24", "2026-06-01"]), st.integers(0, 3 * DAY // QUARTER))
def test_today_holds_the_quarters_of_the_local_date_across_both_changes_of_the_clock(first, quarters):
    watermark = to_millis(datetime.fromisoformat(first).replace(tzinfo=PARIS)) + quarters * QUARTER
    today = [kind.name for kind in ROLLING].index("today")
    start, end = rolling_spans(watermark, PARIS)[today]

    def date_at(at):
        return datetime.fromtimestamp(at / 1000, PARIS).date()

    assert end == watermark + QUARTER
    assert {date_at(at) for at in range(start, end, QUARTER)} == {date_at(watermark)}
    assert date_at(start - QUARTER) < date_at(watermark)


def test_days_of_paris_have_23_24_and_25_hours():
    def length(day):
        begun = to_millis(datetime.fromisoformat(day).replace(tzinfo=PARIS))
        inside = begun + 12 * HOUR
        return (local_midnight(inside + DAY, PARIS) - local_midnight(inside, PARIS)) // HOUR

    assert [length(day) for day in ("2026-03-29", "2026-06-01", "2026-10-25")] == [23, 24, 25]


@bounded
@given(
    st.sampled_from(["America/Havana", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kathmandu", "Asia/Beirut"]),
    st.integers(0, 30 * 366),
    st.integers(0, DAY - 1),
)
def test_a_local_day_begins_with_its_first_instant_even_where_midnight_is_skipped_or_comes_twice(
    zone, day, rest
):
    at, tz = to_millis(datetime(1995, 1, 1, tzinfo=UTC)) + day * DAY + rest, ZoneInfo(zone)

    def date_of(millis):
        return datetime.fromtimestamp(millis / 1000, tz).date()

    start = local_midnight(at, tz)
    assert start <= at
    assert date_of(start) == date_of(at)
    assert date_of(start - 1) < date_of(at) or date_of(start - 2 * HOUR) < date_of(at)


@bounded
@given(
    st.integers(0, 10**19),
    st.integers(-(10**6), 10**6),
    st.integers(1, 10**6),
    st.lists(st.integers(-(2 * 10**6), 3 * 10**6), max_size=8),
)
def test_parts_of_a_value_over_adjoining_windows_add_up_exactly(value, start, length, cuts):
    edges = [start - 1, *sorted(cuts), start + length + 1]
    edges = sorted(edges)
    parts = [share(value, (start, start + length), pair) for pair in itertools.pairwise(edges)]
    assert sum(parts) == value
    assert min(parts) >= 0


TOPICS = ("a", "b", "c")
moves = st.one_of(
    st.tuples(st.sampled_from(TOPICS), st.integers(-50, 50)), st.frozensets(st.sampled_from(TOPICS))
)


@bounded
@given(st.lists(moves, max_size=40))
def test_the_watermark_of_a_partition_never_goes_back_and_never_passes_an_active_topic(steps):
    clock, idle, before = PartitionClock(TOPICS), frozenset(), None
    for step in steps:
        if isinstance(step, frozenset):
            idle = step
        else:
            clock.advance(*step)
        active = [clock.stream_times[topic] for topic in TOPICS if topic not in idle]
        known = [at for at in clock.stream_times.values() if at is not None]
        wanted = max(known, default=None) if not active else None if None in active else min(active)
        reached = clock.advance_watermark(idle)
        assert reached == max((at for at in (before, wanted) if at is not None), default=None)
        before = reached


@bounded
@given(st.lists(st.tuples(st.integers(0, 2), st.none() | st.integers(-9, 9), st.booleans()), max_size=40))
def test_the_watermark_of_campaigns_never_goes_back_and_waits_for_the_unheard(words):
    clock, before, said = CampaignClock(3), None, {}
    for partition, mark, is_idle in words:
        clock.update(partition, PartitionStatus(mark, is_idle))
        marks = [at for at in (mark, said.get(partition, (None, False))[0]) if at is not None]
        said[partition] = (max(marks, default=None), is_idle)
        assert clock.watermark is None or before is None or clock.watermark >= before
        if len(said) < 3:
            assert clock.watermark is None
        elif all(is_silent for _, is_silent in said.values()):
            assert clock.watermark == max((at for at, _ in said.values() if at is not None), default=None)
        before = clock.watermark


@bounded
@given(
    st.lists(
        st.one_of(st.tuples(st.sampled_from(["1m", "1h"]), st.integers(0, 1)), st.integers(0, 3_000)),
        max_size=60,
    ),
    st.integers(1, 4),
)
def test_a_schedule_keeps_intervals_and_rate_and_publishes_the_last_change(steps, rate):
    intervals = {"1m": 1_000, "1h": 5_000}
    schedule = PublishSchedule(
        lambda window, codes: np.full(len(codes), intervals[window]), PublishAllowance(rate)
    )
    now, taken, waiting = 0, {}, set()

    def take():
        return [(window, int(code)) for window, _, codes in schedule.take(now) for code in codes]

    for sequence, step in enumerate(steps):
        if isinstance(step, int):
            now += step
            due = take()
            assert len(due) <= rate
            for key in due:
                assert now - taken.get(key, -(10**9)) >= intervals[key[0]]
                taken[key] = now
                waiting.discard(key)
        else:
            window, code = step
            schedule.mark(window, 0, np.array([code], np.int32), sequence)
            waiting.add(step)
    for _ in range(20):
        now += 5_000
        waiting -= set(take())
    assert (waiting, len(schedule), schedule.oldest()) == (set(), 0, None)


@bounded
@given(st.integers(MIN_INSTANT, MAX_INSTANT))
def test_written_instants_are_read_back_as_the_same_millisecond(millis):
    text = format_instant(millis)
    assert to_millis(datetime.fromisoformat(text)) == millis
    assert text.endswith("Z")


@bounded
@given(st.integers(MIN_INSTANT, MAX_INSTANT), st.sampled_from(["UTC", "Pacific/Kiritimati", "America/Adak"]))
def test_every_window_around_an_accepted_instant_can_be_written(millis, zone):
    for span in rolling_spans(millis, ZoneInfo(zone)):
        assert format_instant(span.start) < format_instant(span.end)
    assert format_instant(floor_to(millis, DAY) + DAY + timedelta(days=1) // timedelta(milliseconds=1))


def test_quarters_tile_every_rolling_window_but_those_of_minutes():
    assert {kind.resolution for kind in ROLLING if kind.length and kind.length > HOUR} == {QUARTERS}
