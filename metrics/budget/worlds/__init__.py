"""Worlds in which a policy is tried before it may act: what campaigns do there, and what the controller does to them. Pure."""

from metrics.budget.worlds.catalogue import WORLDS
from metrics.budget.worlds.trial import Outcome, Trial, run_trial
from metrics.budget.worlds.world import World

__all__ = ["WORLDS", "Outcome", "Trial", "World", "run_trial"]
