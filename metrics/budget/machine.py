"""The controller as a pure state machine: (board, inputs, context, now) → (board, actions).

Everything that comes is applied to the board first: registrations, readings, alerts, decisions. Then, at the live edge only, operators'
decisions are applied, and the rules look at every campaign. Each request passes the gate (``metrics.budget.board_step``).
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from metrics.budget.board_step import BoardStep, Context
from metrics.budget.input_updates import apply_inputs
from metrics.budget.operator_decisions import apply_decisions, queue_decisions
from metrics.budget.records import AlertSignal, BudgetAction, BudgetDecision
from metrics.budget.rule_evaluation import evaluate_rules
from metrics.budget.state import Board
from metrics.records.customer_kpi import CustomerKpi
from metrics.records.kpi_reading import CampaignKpi

__all__ = ["Context", "Inputs", "slices", "step"]


class Inputs(NamedTuple):
    """What has come since the last step, each in the order of its log."""

    readings: Sequence[CampaignKpi] = ()
    signals: Sequence[AlertSignal] = ()
    decisions: Sequence[BudgetDecision] = ()
    worths: Sequence[CustomerKpi] = ()


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
    board_step = BoardStep(board, context, now)
    yield from apply_inputs(board_step, inputs.readings, inputs.signals, inputs.worths)
    queue_decisions(board_step, inputs.decisions)
    if context.is_live:
        apply_decisions(board_step)
        yield from evaluate_rules(board_step)
    return board_step.board, board_step.actions
