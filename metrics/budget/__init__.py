"""The budget as cards on a kanban board: policy, guards, pacing, reallocation. Pure; knows no topic and no clock."""

from metrics.budget.simulation import History, Simulation, simulate

__all__ = ["History", "Simulation", "simulate"]
