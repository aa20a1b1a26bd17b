"""A forecast as it is kept, and how it is scored when its campaign is over."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from metrics.forecast.outcomes import (
    COVERAGE,
    CampaignForecast,
    Figure,
    PastCampaign,
    actual,
    as_planned,
    forecast,
)
from metrics.values.errors import RoistreamError

_DECIMALS = 6
#: Figures that may be below 0, so that no logarithm says how far off they are.
_RATIOS = ("roi",)


class FigureRow(msgspec.Struct, frozen=True):
    """The median and the ends of an interval."""

    estimate: float
    low: float
    high: float


class ForecastReport(msgspec.Struct, frozen=True):
    """A forecast, as it is printed and kept, and read again to be scored."""

    campaign_id: str
    currency: str
    coverage: float
    campaigns: int
    figures: dict[str, FigureRow]
    leans_on: dict[str, float]
    unseen: list[str]
    seed: int


class CameRow(msgspec.Struct, frozen=True):
    """A figure of one forecast beside what came.

    Attributes:
        figure: its name.
        came: what the campaign brought; None where that is not known or not defined.
        held: whether the interval holds it; None without it.
    """

    figure: str
    estimate: float
    low: float
    high: float
    came: float | None
    held: bool | None


class ScoreRow(msgspec.Struct, frozen=True):
    """How good the forecasts of a figure were.

    Attributes:
        figure: its name.
        forecasts: how many.
        held: how many intervals held what came.
        error: mean absolute logarithm of forecast / what came, of those where both are above 0; 0.1 is about 10 %. None without one.
    """

    figure: str
    forecasts: int
    held: int
    error: float | None


def report(found: CampaignForecast, campaign: str, currency: str, seed: int) -> ForecastReport:
    """The forecast with what it was made of."""
    figures = {
        name: FigureRow(*(round(value, _DECIMALS) for value in (figure.estimate, figure.low, figure.high)))
        for name, figure in found.figures.items()
    }
    leans_on = {name: round(weight, _DECIMALS) for name, weight in found.leans_on.items()}
    return ForecastReport(
        campaign, currency, COVERAGE, found.campaigns, figures, leans_on, list(found.unseen), seed
    )


def leave_one_out(
    past: Sequence[PastCampaign],
    currency: str,
    seed: int,
    latest: int | None = None,
    say: Callable[[int, int], None] = lambda _number, _count: None,
) -> list[tuple[ForecastReport, PastCampaign]]:
    """A forecast of each campaign that spent, from all others.

    Args:
        past: campaigns that are over, the latest last.
        currency: of their money.
        seed: of the draws.
        latest: only so many of the latest are forecast; None: all.
        say: hears after each how many are done, of how many.

    Raises:
        RoistreamError: with too few campaigns.
    """
    asked = [each for each in past if each.spend > 0 and each.days > 0][-(latest or 0) :]
    if not asked:
        raise RoistreamError("No campaign of the archive spent anything.")
    found = []
    for number, campaign in enumerate(asked, 1):
        others = [each for each in past if each is not campaign]
        made = forecast(as_planned(campaign), others, np.random.default_rng(seed))
        found.append((report(made, campaign.campaign_id, currency, seed), campaign))
        say(number, len(asked))
    return found


def beside(made: ForecastReport, campaign: PastCampaign) -> list[CameRow]:
    """Each figure of a forecast beside what came.

    >>> made = ForecastReport("c", "EUR", 0.8, 9, {"leads": FigureRow(20, 10, 30), "cac": FigureRow(5, 4, 6)}, {}, [], 1)
    >>> for row in beside(made, PastCampaign("c", (None,) * 4, 10, 500_000_000, leads=35, new_customers=0)): print(row)
    CameRow(figure='leads', estimate=20, low=10, high=30, came=35, held=False)
    CameRow(figure='cac', estimate=5, low=4, high=6, came=None, held=None)
    """
    came = actual(campaign)
    return [
        CameRow(
            name,
            row.estimate,
            row.low,
            row.high,
            came.get(name),
            Figure(row.estimate, row.low, row.high).holds(came[name]) if name in came else None,
        )
        for name, row in made.figures.items()
    ]


def scored(made: Sequence[tuple[ForecastReport, PastCampaign]]) -> list[ScoreRow]:
    """How good forecasts were, by figure."""
    held: dict[str, list[bool]] = {}
    errors: dict[str, list[float]] = {}
    for each, campaign in made:
        for row in beside(each, campaign):
            if row.came is None or row.held is None:
                continue
            held.setdefault(row.figure, []).append(row.held)
            if row.estimate > 0 and row.came > 0 and row.figure not in _RATIOS:
                errors.setdefault(row.figure, []).append(abs(float(np.log(row.estimate / row.came))))
    return [
        ScoreRow(
            name,
            len(each),
            sum(each),
            round(float(np.mean(errors[name])), _DECIMALS) if name in errors else None,
        )
        for name, each in held.items()
    ]
