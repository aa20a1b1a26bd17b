"""Gauges of customers: what channels add up to, whoever is archived, forgotten, moved away or beyond the limit."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from metrics.customers.calendar import month_name
from metrics.customers.cohort_sums import CohortMonth, CohortSums
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.funnel import Acquisition
from metrics.entities.campaigns import CampaignRegistry
from metrics.exposition import OTHER
from metrics.records.customer_kpi import ALL_COHORTS, CustomerKpi
from metrics.records.events import Campaign
from streams.sinks.customer_series import COHORTS_SHOWN, CustomerSeries
from streams.stages.merge.stage import MergeViews

FIRST = 2026 * 12
#: The first month that is not over.
OVER = FIRST + 4
CHANNELS = ("search", "social", "email")


def registry() -> CampaignRegistry:
    found = CampaignRegistry("EUR")
    for n, channel in enumerate(CHANNELS):
        found.register(f"c{n}", Campaign(f"c{n}", channel=channel))
    return found


def sums(month: int, customers: int, active: int, revenue: int) -> CohortSums:
    of_month = CohortMonth(active=active, orders=active, revenue=revenue)
    return CohortSums(customers=customers, repeaters=customers // 2, months={month: of_month})


def record(
    campaign: str, cohort: str, cohorts: dict[int, CohortSums], revision: int = 1, over: int = OVER
) -> CustomerKpi:
    version = CustomerVersion(revision, "EUR", None, "2026-05-02T00:00:00Z")
    return compose_customers(campaign, cohort, cohorts, over, Acquisition(), version)


def given_out(*records: CustomerKpi) -> MergeViews:
    return MergeViews((), (), None, customers=records)


cohorts_of_campaigns = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 1_000)),
    max_size=12,
)


@given(cohorts_of_campaigns, st.integers(1, 4))
def test_channels_add_up_to_all_customers_of_all_partitions(cohorts, most_channels):
    series = CustomerSeries(registry(), most_channels)
    for (campaign, age), (customers, active, revenue) in cohorts.items():
        month = FIRST + age
        one = record(f"c{campaign}", month_name(month), {month: sums(month, customers, active, revenue)})
        series.confirmed(campaign % 2, given_out(one))
        series.confirmed(campaign % 2, given_out(one))  # once more, as after a takeover: it counts once
    shown = series.cohorts()
    assert sum(each.customers for each in shown) == sum(customers for customers, _, _ in cohorts.values())
    assert sum(each.margin_micros for each in shown) == sum(revenue for _, _, revenue in cohorts.values())
    assert sum(each.active[0] for each in shown) == sum(active for _, active, _ in cohorts.values())
    channels = {each.channel for each in shown}
    assert len(channels - {OTHER}) <= most_channels
    places = [(each.channel, each.model, each.cohort, each.partition) for each in shown]
    assert len(places) == len(set(places))


def test_customers_of_an_archived_campaign_stay_in_their_channel_and_forgotten_ones_leave():
    campaigns = registry()
    series = CustomerSeries(campaigns, 50)
    cohort = {FIRST: sums(FIRST, 4, 4, 100)}
    one, total = record("c0", month_name(FIRST), cohort), record("c0", ALL_COHORTS, cohort)
    series.confirmed(0, given_out(one, total))
    campaigns.register("c0", None)
    (shown,) = series.cohorts()
    assert (shown.channel, shown.customers, list(shown.active)) == ("search", 4, [4, 0, 0, 0])
    known = series.of(0, "c0")
    assert known is not None
    assert (known.customers, known.retention[1], known.kpis["repeat_rate"]) == (4, 0.0, 0.5)
    series.confirmed(0, given_out(record("c0", month_name(FIRST), {}), record("c0", ALL_COHORTS, {})))
    assert series.cohorts() == []
    assert series.of(0, "c0") is None


def test_what_moves_away_is_shown_no_more_and_old_months_are_left_out():
    series = CustomerSeries(registry(), 50)
    for n in range(COHORTS_SHOWN + 2):
        cohort = {FIRST + n: sums(FIRST + n, 1, 1, 1)}
        series.confirmed(n % 2, given_out(record("c0", month_name(FIRST + n), cohort)))
    shown = {each.cohort for each in series.cohorts()}
    assert shown == {month_name(FIRST + n) for n in range(2, COHORTS_SHOWN + 2)}
    series.released([0])
    assert {each.partition for each in series.cohorts()} == {1}


def test_a_month_that_only_some_records_know_to_be_over_waits_for_the_others():
    series = CustomerSeries(registry(), 50)
    cohort = {FIRST: sums(FIRST, 2, 2, 1)}
    series.confirmed(0, given_out(record("c0", month_name(FIRST), cohort, over=FIRST + 2)))
    series.confirmed(0, given_out(record("c3", month_name(FIRST), cohort, over=FIRST + 1)))
    series.confirmed(0, given_out(record("c4", month_name(FIRST), cohort, over=FIRST + 2)))
    assert {each.channel: list(each.active) for each in series.cohorts()} == {"search": [2, 0], "": [4]}


def test_gauges_know_no_customers_of_models_who_are_those_of_declared_once_more():
    series = CustomerSeries(registry(), 50)
    cohort = {FIRST: sums(FIRST, 4, 4, 100)}
    records = [record("c0", name, cohort) for name in (month_name(FIRST), ALL_COHORTS)]
    series.confirmed(0, given_out(*records))
    known, shown = series.of(0, "c0"), series.cohorts()
    for of_model in ({FIRST: sums(FIRST, 9, 9, 900)}, {}):
        others = [record("c0", name, of_model) for name in (month_name(FIRST), ALL_COHORTS)]
        series.confirmed(0, given_out(*(replace(each, model="linear") for each in others)))
        assert series.of(0, "c0") == known
        assert series.cohorts() == shown
