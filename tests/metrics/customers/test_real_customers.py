"""Two real shops: summaries, cohorts and forecasts against independent computations."""

from collections import defaultdict
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest

from metrics.customers.histories import histories
from metrics.customers.lifetime_value import fitted, repeat_buying
from metrics.values.time import to_millis
from tests.support import cdnow

pytestmark = pytest.mark.slow
UTC_ZONE = ZoneInfo("UTC")


def midnight_after(day: date) -> int:
    return to_millis(datetime(day.year, day.month, day.day, tzinfo=UTC)) + 86_400_000


CALIBRATED = midnight_after(cdnow.CALIBRATION_END)


@pytest.fixture(scope="module")
def sample(shared):
    return histories(cdnow.orders(shared, cdnow.sample())).customers


def test_the_recency_frequency_summary_of_every_customer_is_that_of_a_query(shared):
    customers = histories(cdnow.orders(shared)).customers
    found = repeat_buying(customers, UTC_ZONE, CALIBRATED)
    rows = duckdb.execute(
        """
        WITH lines AS (
          SELECT regexp_extract_all(line, '\\S+') AS part FROM (
            SELECT unnest(string_split(content, chr(10))) AS line FROM read_text(?)) WHERE line LIKE ' 0%' OR line LIKE ' 1%' OR line LIKE ' 2%'),
        days AS (
          SELECT part[1] AS id, strptime(part[2], '%Y%m%d')::DATE AS day, sum(part[4]::DECIMAL(12, 2)) AS dollars
          FROM lines GROUP BY ALL),
        calibration AS (SELECT *, min(day) OVER (PARTITION BY id) AS first FROM days WHERE day <= DATE '1997-09-30')
        SELECT id, count(*) - 1, date_diff('day', any_value(first), max(day)),
          date_diff('day', any_value(first), DATE '1997-09-30'),
          (coalesce(sum(dollars) FILTER (day > first), 0) * 1000000)::BIGINT
        FROM calibration GROUP BY id ORDER BY id
        """,
        [str(shared / "data/cdnow/CDNOW_master.txt")],
    ).fetchall()
    assert len(rows) == len(customers) == 23_570
    buying = found.buying
    ours = zip(
        (history.customer[1] for history in customers),
        buying.frequency.tolist(),
        np.rint(buying.recency * 7).astype(int).tolist(),
        np.rint(buying.age * 7).astype(int).tolist(),
        found.repeat_micros,
        strict=True,
    )
    assert [tuple(row) for row in ours] == rows


def test_purchases_of_weeks_40_to_78_are_those_that_the_model_of_the_first_39_expects(sample):
    repeats = repeat_buying(sample, UTC_ZONE, CALIBRATED)
    model = fitted(repeats, margin_ratio=1.0)
    assert [round(float(value), 3) for value in model.purchasing.estimate.values] == [
        0.243,
        4.414,
        0.793,
        2.426,
    ]
    until = midnight_after(cdnow.END)
    later = repeat_buying(sample, UTC_ZONE, until).buying.frequency - repeats.buying.frequency
    expected = model.purchasing.model.expected_purchases(repeats.buying, 39.0)
    bins = np.minimum(repeats.buying.frequency, 7)
    real = np.bincount(bins, later) / np.bincount(bins)
    predicted = np.bincount(bins, expected) / np.bincount(bins)
    # The paper's Figure 3: customers of 0, 1, … 7 and more purchases in calibration.
    assert predicted == pytest.approx(real, abs=0.4)
    assert np.all(np.diff(predicted) > 0)
    # 1 653 expected, 1 882 came: the model is known to be a few percent low on all 78 weeks.
    assert (round(expected.sum()), later.sum()) == (1653, 1882)


def test_the_interval_of_what_groups_of_customers_bring_holds_what_they_brought(sample):
    """Ten groups by chance of the sample: 80 % intervals hold about eight of them, and are no wider than they must be."""
    repeats = repeat_buying(sample, UTC_ZONE, CALIBRATED)
    model = fitted(repeats, margin_ratio=1.0)
    groups = np.random.default_rng(1).integers(0, 10, len(sample))
    forecast = model.forecast(repeats, groups, 10, 39.0, np.random.default_rng(2), draws=400)
    until = midnight_after(cdnow.END)
    spent = defaultdict(float)
    for group, history in zip(groups, sample, strict=True):
        spent[group] += (
            sum(change.revenue for change in history.money if CALIBRATED <= change.at < until) / 1e6
        )
    real = np.array([*(spent[group] for group in range(10)), sum(spent.values())])
    inside = (forecast.group_low <= real) & (real <= forecast.group_high)
    assert inside[:10].sum() >= 6
    assert np.all(forecast.group_low < forecast.group_expected)
    assert np.all(forecast.group_expected < forecast.group_high)
