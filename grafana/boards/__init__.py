"""The five boards."""

from grafana.boards import budget, campaigns_now, compare, one_campaign, pipeline
from grafana.spec import Board

BOARDS: tuple[Board, ...] = (
    campaigns_now.BOARD,
    one_campaign.BOARD,
    compare.BOARD,
    budget.BOARD,
    pipeline.BOARD,
)
