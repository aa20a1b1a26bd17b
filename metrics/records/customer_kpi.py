"""What the customers of a campaign are worth, as published: whole, versioned and self-describing."""

from typing import Literal

import msgspec

from metrics.records.kpi_reading import DEFINITIONS, Credit

CUSTOMER_SCHEMA = "customer-kpi/1"
#: The cohort that is all customers of the campaign, whenever they were acquired.
ALL_COHORTS = "total"


class CustomerSums(msgspec.Struct, kw_only=True, gc=False):
    """What the customers of a cohort have done so far; money in micros of the reporting currency."""

    customers: int
    repeaters: int
    orders: int
    revenue_micros: int
    refunds_micros: int
    cost_of_goods_micros: int
    spend_micros: int | None
    promoters: int
    passives: int
    detractors: int
    ratings: int
    satisfied: int
    tickets: int
    tickets_responded: int
    tickets_resolved: int
    contracts: int
    terms_ended: int
    terms_renewed: int
    contracts_running: int
    contracts_valued: int
    mrr_micros: int
    billed_micros: int
    activated: int
    referrers: int
    referrals: int
    #: Of records that were written before they were counted: unknown.
    clicks: int | None = None
    leads: Credit | None = None


class CohortAge(msgspec.Struct, kw_only=True, gc=False):
    """A month after that of the acquisition, of the customers for whom it is over."""

    age: int
    eligible: int
    active: int
    margin_micros: int
    retention: float | None


class CustomerMonthKpi(msgspec.Struct, kw_only=True, gc=False):
    """A calendar month that is over, of all customers of a campaign."""

    month: str
    customers: int
    new: int
    before: int | None
    stayed: int
    orders: int
    revenue_micros: int
    refunds_micros: int
    kpis: dict[str, float | None]


class CustomerWorth(msgspec.Struct, kw_only=True, gc=False):
    """How far what customers are expected to bring is known, and whether they bring in a year what they cost."""

    #: How many months `clv_expected` covers, and how many older cohorts it is learned from.
    months: int | None
    cohorts: int | None
    expected_waits_for: Literal["cohorts", "spend"] | None
    verdict: Literal["good", "bad", "inconclusive"] | None
    waits_for: Literal["year", "spend", "rates", "customers", "looks"] | None
    look: int | None
    level: float | None
    #: CLV : CAC of the first twelve months at that level.
    low: float | None
    high: float | None
    #: The same of the mean that its customers come from. Of records of before it was published: null.
    mean_low: float | None = None
    mean_high: float | None = None


class CustomerKpi(msgspec.Struct, kw_only=True):
    """One record of ``customer-kpis``: the customers whom a campaign acquired in a month, or ever."""

    schema: str = CUSTOMER_SCHEMA
    campaign_id: str
    model: str
    cohort: str
    revision: int
    currency: str
    sums: CustomerSums
    has_uncertain_amounts: bool
    kpis: dict[str, float | None]
    ages: list[CohortAge]
    months: list[CustomerMonthKpi]
    #: What cohorts, `ages` and `months` go by; of records that were written before it could be another: the month.
    period: Literal["month", "week"] = "month"
    #: Of `total`; null in the others, and in records of before it was published.
    worth: CustomerWorth | None = None
    definitions: int = DEFINITIONS
    watermark: str | None
    published_at: str
