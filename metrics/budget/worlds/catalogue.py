"""The worlds of the table in docs/budget.md, by name. Data only."""

from metrics.budget.worlds.world import World

_OFFICE = (1.2, 1.25, 1.25, 1.2, 1.1, 0.5, 0.5)
_DAYTIME = tuple(0.2 if hour < 7 else 1.4 if 9 <= hour < 21 else 0.8 for hour in range(24))

_ALL = (
    World(name="plain"),
    World(name="plain, known board", has_history=True),
    World(name="plain, 1 a day", results_per_day=1.0),
    World(name="plain, 25 a day", results_per_day=25.0),
    World(name="scatter by day 2", day_dispersion=2.0),
    World(name="scatter by day 2, known board", day_dispersion=2.0, has_history=True),
    World(name="scatter by day 4", day_dispersion=4.0),
    World(name="clusters of 2", cluster_mean=2.0),
    World(name="weekdays, from Saturday", weekday=_OFFICE, starts_weekday=5),
    World(name="weekdays and hours", weekday=_OFFICE, hours=_DAYTIME),
    World(name="young board, from Saturday", weekday=_OFFICE, starts_weekday=5, is_young_board=True),
    World(name="learning phase", learning_days=7.0, learning_start=0.4),
    World(name="learning phase, known board", learning_days=7.0, learning_start=0.4, has_history=True),
    World(
        name="young board that learns, 25 a day",
        results_per_day=25.0,
        learning_days=7.0,
        learning_start=0.4,
        is_young_board=True,
    ),
    World(name="lag of 12 hours", lag_hours=12.0),
    World(name="lag of 12 hours, known board", lag_hours=12.0, has_history=True),
    World(name="lag of 3 days", lag_hours=72.0),
    World(name="lag of 3 days, 25 a day", lag_hours=72.0, results_per_day=25.0),
    World(name="daily reports", reports="daily"),
    World(name="daily reports, 12 h late", reports="daily", report_delay=12),
    World(name="hourly reports, 6 h late", reports="hourly", report_delay=6),
    World(name="restated reports", reports="restated"),
    World(name="drift 0.2", drift_sd=0.2),
    World(name="drift 0.2, known board", drift_sd=0.2, has_history=True),
    World(name="drift 0.5", drift_sd=0.5),
    World(name="wide campaign, narrow board", wide_share=0.02, wide_cluster=2.5),
    World(name="renewed monthly", renewed_days=30, horizon=450.0),
    World(name="turns bad after 300", turns_after=300.0, horizon=500.0),
    World(name="ROAS, σ 0.6", target="roas"),
    World(name="ROAS, σ 1.2", target="roas", value_shape=1.2),
    World(name="ROAS, half worth nothing", target="roas", zero_share=0.5),
    World(name="ROAS, Pareto 2.2", target="roas", values="pareto", value_shape=2.2),
    World(name="ROAS, Pareto 1.5", target="roas", values="pareto", value_shape=1.5),
    World(name="ROAS, whales", target="roas", whale_share=0.02),
    World(name="ROAS, 10 % refunds", target="roas", refund_share=0.1, horizon=250.0),
    World(name="ROAS, 30 % refunds", target="roas", refund_share=0.3, horizon=250.0),
    World(name="ROAS, wide campaign", target="roas", value_shape=0.4, wide_share=0.02, wide_shape=1.2),
    World(name="ROAS, lag of 3 days", target="roas", lag_hours=72.0),
    World(name="ROAS, daily reports, 12 h late", target="roas", reports="daily", report_delay=12),
    World(name="ROAS, scatter by day 2", target="roas", day_dispersion=2.0),
)

WORLDS = {world.name: world for world in _ALL}
