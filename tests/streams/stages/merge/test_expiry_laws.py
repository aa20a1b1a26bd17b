"""What one merge partition drops as its windows go out: each pane once, when no fact can reach it any more."""

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.reports import Report
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import as_tallies
from metrics.values.time import DAY, HOUR, MINUTE, floor_to
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, RESOLUTIONS, TOTAL, WIDTHS, horizon
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from tests.support.examples import examples

T0 = 1_794_960_000_000

puts = st.tuples(
    st.sampled_from("abc"), st.sampled_from(RESOLUTIONS), st.integers(0, 40 * DAY), st.booleans()
)
steps = st.lists(
    st.one_of(puts, st.integers(0, 10 * MINUTE), st.integers(0, 9 * DAY), st.integers(0, HOUR)), max_size=40
)


def put(merge: MergeStage, campaign: str, resolution: int, back: int, now: int) -> None:
    start = 0 if resolution == TOTAL else floor_to(now - back, WIDTHS[resolution])
    codes = merge.campaign_codes.codes([campaign])
    merge.merged_windows.put(0, resolution, start, codes, as_tallies([Tally(clicks=1)]), horizon(now))


def reachable(merge: MergeStage, closed: int) -> bool:
    return all(
        start >= earliest or (resolution == DAYS and len(account.report_history))
        for account in merge.merged_windows.values()
        for resolution, earliest in enumerate(horizon(closed))
        for start in account.starts(resolution)
    )


def held(merge: MergeStage) -> set[tuple[str, int, int]]:
    return {
        (campaign, resolution, start)
        for campaign, account in merge.merged_windows.items()
        for resolution in (MINUTES, QUARTERS, DAYS)
        for start in account.starts(resolution)
    }


@examples(0.6)
@given(steps)
def test_panes_are_dropped_once_and_none_that_accepts_no_facts_is_left(found):
    options = MergeOptions(1, 60_000, 1_000, ZoneInfo("UTC"), "EUR")
    merge, now = MergeStage(0, options, CampaignRegistry("EUR"), Pace.of(5_000)), T0
    for step in found:
        if isinstance(step, int):
            now += step
            before = held(merge)
            dropped = [
                (merge.campaign_codes.names[code], resolution, start)
                for resolution, start, codes in merge.expire(now)
                for code in codes.tolist()
            ]
            assert len(set(dropped)) == len(dropped)
            assert held(merge) == before - set(dropped)
            assert set(dropped) <= before
            assert reachable(merge, now)
        else:
            campaign, resolution, back, has_report = step
            put(merge, campaign, resolution, back, now)
            if has_report:
                merge.merged_windows.reports_of(merge.campaign_codes.campaign(campaign)).put(
                    Report("s", None, 0, DAY, (0, 0, 0), 1, 1, 1, 0)
                )
