"""A reading: one published value of a window, whole, versioned and self-describing."""

from typing import Literal

import msgspec

SCHEMA = "campaign-kpi/1"
ROLLUP_SCHEMA = "rollup-kpi/1"
#: Changes with any change of formula, model or window; values of two numbers are not compared.
DEFINITIONS = 1

TumblingWindow = Literal["1m", "1h", "1d", "total"]
RollingWindow = Literal["5m", "1h", "24h", "7d", "today", "total"]
Stage = Literal["update", "final", "correction"]
#: Credit in the attribution models is fractional, with up to 6 decimals.
Credit = int | float
Verdict = Literal["bad", "good", "inconclusive"]
#: What campaigns are rolled up by.
Dimension = Literal["channel", "target", "offer", "objective"]
#: The figures that a campaign can have a target for.
TargetName = Literal["cpl", "cpa", "cac", "roas", "roi", "clv_to_cac"]


class Sums(msgspec.Struct, kw_only=True, gc=False):
    """Additive sums of a window, cost basis applied; None where no report can count in the window."""

    impressions: int | None
    clicks: int | None
    leads: Credit
    mqls: Credit
    sqls: Credit
    orders: Credit
    new_customers: Credit
    cancelled_orders: Credit
    spend_micros: int | None
    other_cost_micros: int
    revenue_micros: int
    refunds_micros: int
    cost_of_goods_micros: int


class OtherBasis(msgspec.Struct, kw_only=True):
    """The cost figures of the basis the campaign does not use, for comparison only."""

    impressions: int | None
    clicks: int | None
    spend_micros: int | None


class Evidence(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """What is known of one target at this moment.

    ``e_value`` grows with the evidence that the target is missed and may be looked at as often as one likes;
    ``probability_bad`` and ``interval`` (of the figure, in its unit; None: without a bound) are for people. Without either
    bound nothing is said: less than a tenth of what the spend is to bring is due by now.
    """

    target: TargetName
    verdict: Verdict
    e_value: float
    probability_bad: float
    interval: tuple[float | None, float | None]
    completeness: float


class Completeness(msgspec.Struct, kw_only=True):
    """Share of the conversions of clicks of that age that have usually come, 0 to 1; None before any was seen."""

    leads: float | None
    orders: float | None


class KnownSpend(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """Up to when reports say what was spent, and what was spent in the day before: between ``since`` and ``until``.

    ``total_micros`` is all that was spent before ``until``: sources that are further ahead have told more.
    ``is_by_hour`` says whether windows of an hour hold spend: they do where a report is of an hour or less.
    """

    until: str
    since: str
    spend_micros: int
    total_micros: int
    is_by_hour: bool


class MatchedSums(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """The sums of a campaign's whole history up to an instant that both its reports and the watermark have reached.

    Results stand beside the spend of the same time here: those of later have no spend beside them yet.
    """

    until: str
    sums: Sums


class CampaignKpi(msgspec.Struct, kw_only=True):
    """One record of ``campaign-kpis``, and one field of the Redis views."""

    schema: str = SCHEMA
    campaign_id: str
    channel: str | None
    model: str
    window: str
    window_start: str | None
    window_end: str | None
    stage: Stage
    revision: int
    currency: str
    sums: Sums
    other_basis: OtherBasis
    #: Share of the spend that is an estimate: a report's money of a longer time than the window, taken to lie evenly in it.
    spread_ratio: float | None = None
    #: Share of the window's time, up to the watermark, of which no report says yet what was spent.
    unreported_ratio: float | None = None
    #: Whether amounts count whose worth is not known for sure: a rate is missing, or came too late to divide what it changes.
    has_uncertain_amounts: bool = False
    #: Of ``total`` where spend comes by reports: how far they reach. Null elsewhere, and before the first report.
    known_spend: KnownSpend | None = None
    #: Of the same: the sums as far as spend and results are both known, which are what evidence compares.
    matched_sums: MatchedSums | None = None
    kpis: dict[str, float | None]
    evidence: dict[str, Evidence] = {}
    completeness: Completeness | None = None
    fitted_at: str | None = None
    definitions: int = DEFINITIONS
    watermark: str | None
    published_at: str


class RollupKpi(msgspec.Struct, kw_only=True):
    """One record of ``rollup-kpis``, and one field of its Redis views: the campaigns of one channel, target, offer or objective."""

    schema: str = ROLLUP_SCHEMA
    dimension: Dimension
    value: str
    campaigns: int
    model: str
    window: str
    window_start: str | None
    window_end: str | None
    stage: Stage
    revision: int
    currency: str
    sums: Sums
    has_uncertain_amounts: bool = False
    kpis: dict[str, float | None]
    definitions: int = DEFINITIONS
    watermark: str | None
    published_at: str
