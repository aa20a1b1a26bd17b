"""The seven boards."""

from grafana.boards import budget, campaigns_now, compare, customers, funnel, one_campaign, pipeline
from grafana.spec import Dashboard

BOARDS: tuple[Dashboard, ...] = (
    campaigns_now.BOARD,
    one_campaign.BOARD,
    compare.BOARD,
    budget.BOARD,
    customers.BOARD,
    funnel.BOARD,
    pipeline.BOARD,
)
