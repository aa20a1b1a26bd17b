"""The controller as a pure state machine: (board, inputs, context, now) → (board, actions).

Everything that comes is received first: registrations, readings, alerts, decisions. Then, at the live edge only, operators'
words are done, and the rules look at every campaign. Each wish passes the gate (``metrics.budget.desk``).
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from metrics.budget.desk import Context, Desk
from metrics.budget.hearing import apply_waiting, collect
from metrics.budget.receiving import receive
from metrics.budget.records import AlertSignal, BudgetAction, BudgetDecision
from metrics.budget.reviewing import review
from metrics.budget.state import Board
from metrics.records.kpi_reading import CampaignKpi

__all__ = ["Context", "Inputs", "slices", "step"]


class Inputs(NamedTuple):
    """What has come since the last step, each in the order of its log."""

    readings: Sequence[CampaignKpi] = ()
    signals: Sequence[AlertSignal] = ()
    decisions: Sequence[BudgetDecision] = ()


def step(board: Board, inputs: Inputs, context: Context, now: int) -> tuple[Board, list[BudgetAction]]:
    """One step: everything that came, and the passing of time.

    Args:
        board: as the last step left it.
        inputs: what has come since.
        context: policies, mode, registry.
        now: processing time in epoch ms.

    Returns:
        The new board, and the actions in the order they were taken.
    """
    work = slices(board, inputs, context, now)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: tuple[Board, list[BudgetAction]] = end.value
            return found


def slices(
    board: Board, inputs: Inputs, context: Context, now: int
) -> Generator[None, None, tuple[Board, list[BudgetAction]]]:
    """The same step with pauses in it, so that a caller with thousands of campaigns can do other work meanwhile.

    ``board`` stays as it is until the end.
    """
    desk = Desk(board, context, now)
    yield from receive(desk, inputs.readings, inputs.signals)
    collect(desk, inputs.decisions)
    if context.is_live:
        apply_waiting(desk)
        yield from review(desk)
    return desk.board, desk.actions
