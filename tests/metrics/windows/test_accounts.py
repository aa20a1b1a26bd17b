"""One campaign's account: late values, dropped panes, spend since the last lead."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.reports import Report
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.values.time import DAY, HOUR, MINUTE, QUARTER
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL, Panes, horizon
from metrics.windows.window_kinds import BY_NAME, ROLLING, Span, rolling_span
from tests.metrics.windows.test_panes import NOW
from tests.support.one_campaign import OneCampaign


def test_a_value_too_late_for_its_pane_changes_nothing():
    account = OneCampaign()
    assert not account.put(0, MINUTES, NOW - 5 * HOUR, Tally(clicks=1), horizon(NOW))
    assert account.starts(MINUTES) == []
    assert account.put(0, TOTAL, 0, Tally(clicks=1), horizon(NOW))


def test_a_window_is_whole_until_one_of_its_panes_is_dropped():
    account, kind = OneCampaign(), BY_NAME["1h"]
    account.put(0, QUARTERS, QUARTER, Tally(clicks=1), horizon(None))
    account.put(0, QUARTERS, HOUR, Tally(clicks=1), horizon(None))
    assert account.is_whole(kind, 0)
    assert account.drop_before(QUARTERS, HOUR) == [QUARTER]
    assert [account.is_whole(kind, start) for start in (0, HOUR)] == [False, True]


def test_days_of_a_campaign_with_reports_are_kept():
    account = OneCampaign()
    account.put(0, DAYS, 0, Tally(clicks=1), horizon(None))
    account.report(Report("s", None, 0, DAY, (0, 0, 0), 1, 1, 1, 0))
    assert account.drop_before(DAYS, DAY) == []
    assert account.starts(DAYS) == [0]
    assert account.is_whole(BY_NAME["1d"], 0)


#  a window ends at the end of the pane that holds the watermark
@pytest.mark.parametrize(
    ("name", "watermark", "span"),
    [
        ("5m", 0, (-4 * MINUTE, MINUTE)),
        ("1h", HOUR - 1, (0, HOUR)),
        ("1h", HOUR, (MINUTE, HOUR + MINUTE)),
        ("24h", DAY, (QUARTER, DAY + QUARTER)),
        ("7d", 7 * DAY - 1, (0, 7 * DAY)),
    ],
)
def test_rolling_windows_slide_by_their_panes(name, watermark, span):
    kind = next(kind for kind in ROLLING if kind.name == name)
    assert rolling_span(kind, watermark, ZoneInfo("UTC")) == Span(*span)


moments = st.integers(0, 100 * MINUTE).map(lambda back: NOW - back)


@given(st.lists(st.tuples(moments, st.booleans()), max_size=20))
def test_spend_since_the_last_lead_is_what_the_minutes_after_its_minute_spent(facts):
    panes, account = Panes(), OneCampaign()
    for at, is_lead in facts:
        tally = Tally(leads=1) if is_lead else Tally(spend_micros=7)
        panes.fold([Contribution("c", at, tally)], horizon(None))
    for (_, resolution, start), tally in panes.tallies.items():
        account.put(0, resolution, start, tally, horizon(NOW))
    last = max((at // MINUTE for at, is_lead in facts if is_lead), default=-1)
    assert account.spend_since_last_lead() == sum(
        7 for at, is_lead in facts if not is_lead and at // MINUTE > last
    )
