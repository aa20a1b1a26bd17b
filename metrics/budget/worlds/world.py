"""What can happen to a campaign, as one description: scatter, rhythm, lag, values, refunds, drift, reports. Shapes only."""

from typing import Literal

import msgspec

Values = Literal["lognormal", "pareto"]


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One world. Everything is relative to a campaign that meets its target exactly in the long run.

    Attributes:
        name: as tables show it.
        target: what campaigns are judged by; a result is a lead under ``cpl``, an order under ``roas``.
        results_per_day: expected on target.
        day_dispersion: variance over mean of the results of a day, by one random factor a day.
        cluster_mean: results come in clusters of this mean size, geometric.
        weekday: results per spend by weekday, Monday first; its mean is made 1.
        hours: results per spend by hour of the day; its mean is made 1.
        lag_hours: mean of the exponential lag between spend and result.
        learning_days, learning_start: results per spend rise in a straight line from ``learning_start`` to 1 in so many days.
        values, value_shape: law of an order's value: σ of a log-normal law, or the exponent of a Pareto law.
        zero_share: share of the orders that are worth nothing.
        refund_share, refund_days: share of the orders refunded, and after how many days.
        whale_share: share of the orders that are worth twenty times the others.
        drift_sd, drift_days: results per spend wander around 1 with this standard deviation (of its logarithm) and memory.
        reports: spend as it comes; by a report of each hour or day at its end; or of a day, first 15 % too high, set right a day later.
        report_delay: hours after the end of its period in which a report comes.
        wide_share: share of the campaigns that have ``wide_shape`` or ``wide_cluster`` instead.
        wide_shape, wide_cluster: of those campaigns.
        starts_weekday: weekday on which every campaign begins, 0 for Monday; None: any.
        has_history: whether the board has seen as many campaigns before, which have ended when the first of these begins.
        is_young_board: whether all campaigns begin with the board; else they begin over four weeks.
        renewed_days: an operator pauses and resumes each campaign every so many days; 0: never.
        horizon: spend in targets up to which a campaign is watched.
        turns_after: spend in targets after which a bad campaign turns bad; until then it costs ``good_ratio`` of the target.
        good_ratio: cost over target before that.
    """

    name: str
    target: Literal["cpl", "roas"] = "cpl"
    results_per_day: float = 5.0
    day_dispersion: float = 1.0
    cluster_mean: float = 1.0
    weekday: tuple[float, ...] = ()
    hours: tuple[float, ...] = ()
    lag_hours: float = 0.0
    learning_days: float = 0.0
    learning_start: float = 1.0
    values: Values = "lognormal"
    value_shape: float = 0.6
    zero_share: float = 0.0
    refund_share: float = 0.0
    refund_days: float = 21.0
    whale_share: float = 0.0
    drift_sd: float = 0.0
    drift_days: float = 7.0
    reports: Literal["live", "hourly", "daily", "restated"] = "live"
    report_delay: int = 0
    wide_share: float = 0.0
    wide_shape: float = 0.0
    wide_cluster: float = 0.0
    starts_weekday: int | None = None
    has_history: bool = False
    is_young_board: bool = False
    renewed_days: int = 0
    horizon: float = 100.0
    turns_after: float = 0.0
    good_ratio: float = 1.0

    def known_hours(self, hours: int) -> int:
        """How many of a campaign's first ``hours`` its reports have told of by then."""
        period = 24 if self.reports in ("daily", "restated") else 1
        return max(0, hours - self.report_delay) // period * period

    @property
    def days(self) -> int:
        """Days a campaign takes to spend its horizon, rounded up."""
        return int(-(-self.horizon // self.results_per_day))
