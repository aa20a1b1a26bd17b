"""Forecasts of the board: learned from the archive as ``roistream forecast`` learns from its export."""

from collections.abc import Iterable

import msgspec
import numpy as np

from metrics.archive.comparing import ATTRIBUTES, length_days
from metrics.archive.editions import DECLARED, CampaignArchive
from metrics.forecast.outcomes import PastCampaign, Plan, forecast
from metrics.forecast.report import (
    CameRow,
    ForecastReport,
    ScoreRow,
    beside,
    leave_one_out,
    report,
    scored,
)
from metrics.values.errors import RoistreamError

#: The same plan and the same archive give the same figures.
SEED = 1
#: So many of the latest campaigns are forecast to say how good forecasts are: each takes half a second of a core.
CHECKED = 30


class ForecastScore(msgspec.Struct, frozen=True):
    """A kept forecast beside what came, figure by figure."""

    campaign_id: str
    currency: str
    rows: list[CameRow]


class ForecastCheck(msgspec.Struct, frozen=True):
    """How good forecasts of past campaigns would have been.

    Attributes:
        campaigns: how many were forecast, the latest.
        coverage: how often an interval is to hold what comes.
    """

    currency: str
    campaigns: int
    coverage: float
    rows: list[ScoreRow]


def past_campaigns(editions: Iterable[CampaignArchive], currency: str) -> list[PastCampaign]:
    """Archived campaigns in one currency with known spend, by their last day; figures are those declared."""
    found = []
    for edition in editions:
        figures = edition.models.get(DECLARED)
        if figures is None or figures.sums.spend_micros is None or edition.currency != currency:
            continue
        sums, length = figures.sums, length_days(edition)
        past = PastCampaign(
            edition.campaign_id,
            tuple(getattr(edition, name) for name in ATTRIBUTES),
            1.0 if length is None else length,
            figures.sums.spend_micros,
            sums.other_cost_micros,
            leads=float(sums.leads),
            orders=float(sums.orders),
            new_customers=float(sums.new_customers),
            revenue=sums.revenue_micros - sums.refunds_micros,
        )
        found.append(((edition.ends_at or "")[:10], edition.campaign_id, past))
    return [past for _, _, past in sorted(found, key=lambda each: each[:2])]


def forecast_of(plan: Plan, editions: Iterable[CampaignArchive], currency: str) -> ForecastReport:
    """What a planned campaign may bring; takes half a second of a core.

    Args:
        plan: a campaign of its own id is not learned from.
        editions: of the archive.
        currency: of the plan; campaigns in others are not learned from.

    Raises:
        RoistreamError: where the archive has too little to learn from.
    """
    past = [each for each in past_campaigns(editions, currency) if each.campaign_id != plan.campaign_id]
    found = forecast(plan, past, np.random.default_rng(SEED))
    return report(found, plan.campaign_id, currency, SEED)


def score_of(made: ForecastReport, editions: Iterable[CampaignArchive]) -> ForecastScore:
    """A forecast that was kept beside what came.

    Raises:
        RoistreamError: where its campaign is not archived, or in another currency.
    """
    for campaign in past_campaigns(editions, made.currency):
        if campaign.campaign_id == made.campaign_id:
            return ForecastScore(made.campaign_id, made.currency, beside(made, campaign))
    raise RoistreamError(
        f"{made.campaign_id} is not archived in {made.currency}; a forecast is scored when its campaign is over and roistream archive update has run."
    )


def check_of(editions: Iterable[CampaignArchive], currency: str) -> ForecastCheck:
    """How good forecasts of the latest campaigns would have been, each from all others; takes seconds.

    Raises:
        RoistreamError: with too few campaigns.
    """
    made = leave_one_out(past_campaigns(editions, currency), currency, SEED, CHECKED)
    return ForecastCheck(currency, len(made), made[0][0].coverage, scored(made))
