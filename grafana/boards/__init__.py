"""The five boards."""

from grafana.boards import budget, campaigns_now, compare, one_campaign, pipeline
from grafana.spec import Dashboard

BOARDS: tuple[Dashboard, ...] = (
    campaigns_now.BOARD,
    one_campaign.BOARD,
    compare.BOARD,
    budget.BOARD,
    pipeline.BOARD,
)
