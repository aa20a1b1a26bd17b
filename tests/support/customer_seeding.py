"""Records of customers of campaigns as workers publish them, and as the views hold them; the same seed, the same customers."""

import random
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from metrics.customers.calendar import CohortPeriod, CustomerCalendar
from metrics.customers.cohort_sums import CohortMonth, CohortSums
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.engagement import FIRST_RESPONSE, RESOLUTION, Kind, of_time
from metrics.customers.funnel import Acquisition
from metrics.records.customer_kpi import ALL_COHORTS, CustomerKpi
from metrics.values.time import HOUR, MINUTE, to_millis
from tests.support.board_seeding import MILLION, Store

#: The month and the week of the first cohort have it.
FIRST = datetime(2025, 11, 1, 12, tzinfo=UTC)


def cohorts(rng: random.Random, months: int, over: int) -> dict[int, CohortSums]:
    """Cohorts of so many months up to ``over``; fewer of a cohort come back from month to month."""
    found = {}
    for acquired in range(over - months, over):
        customers, shrinking = rng.randrange(60, 240), rng.uniform(0.16, 0.3)
        by_month = {}
        for age in range(over - acquired):
            active = customers if age == 0 else round(customers * shrinking * 0.92**age)
            revenue = active * rng.randrange(30, 60) * MILLION
            by_month[acquired + age] = CohortMonth(
                active=active, orders=active, revenue=revenue, refunds=revenue // 20, cost_of_goods=revenue // 2
            )  # fmt: skip
        counts = {
            Kind.PROMOTERS: 12, Kind.PASSIVES: 5, Kind.DETRACTORS: 3, Kind.RATINGS: 10, Kind.SATISFIED: 8,
            Kind.TICKETS: 6, Kind.ANSWERED: 6, Kind.RESOLVED: 5, Kind.CONTRACTS: 20, Kind.TERMS: 10,
            Kind.ENDED: 2 if acquired > over - months else 0, Kind.VALUED: 17, Kind.MONTHLY: 17 * 19 * MILLION, Kind.BILLED: 17 * 120 * MILLION,
            Kind.RENEWALS: 9, Kind.REFERRALS: 4, Kind.ACTIVATIONS: 30,
            of_time(FIRST_RESPONSE, 90 * MINUTE): 6, of_time(RESOLUTION, 5 * HOUR): 5,
        }  # fmt: skip
        persons = {Kind.REFERRALS: 3, Kind.ACTIVATIONS: 30}
        found[acquired] = CohortSums(
            customers, round(customers * 0.35), by_month, {acquired: counts}, persons
        )
    return found


def records(
    campaigns: dict[str, int | None], months: int = 13, seed: int = 3, period: CohortPeriod = "month"
) -> list[CustomerKpi]:
    """Of each campaign all customers and each cohort; ``campaigns`` by id, with what each has spent in currency units."""
    calendar = CustomerCalendar(ZoneInfo("UTC"), period)
    rng, over = random.Random(seed), calendar.of(to_millis(FIRST)) + months
    version = CustomerVersion(1, "EUR", "2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z")
    found = []
    for campaign, spend in campaigns.items():
        of_each = cohorts(rng, months, over)
        micros = None if spend is None else spend * MILLION
        found.append(
            compose_customers(
                campaign, ALL_COHORTS, of_each, over, Acquisition(micros, 40_000, 4_000), version, period
            )
        )
        for month, sums in of_each.items():
            found.append(
                compose_customers(
                    campaign, calendar.name(month), {month: sums}, over, Acquisition(), version, period
                )
            )
    return found


def fill(store: Store, found: list[CustomerKpi]) -> None:
    """Put them into the views."""
    for each in found:
        view = f"customers:{each.model}:{each.cohort}"
        store.hset(store.names.name(view), each.campaign_id, msgspec.json.encode(each))
        store.hset(store.names.views, f"view:{view}", 1)
