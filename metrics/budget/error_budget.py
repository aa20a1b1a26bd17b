"""How strong evidence must be: the errors that may be made are shared out over targets, restarts and campaigns. Pure.

**Targets.** Each of a campaign's targets has an equal share.

**Restarts.** After a hold the evidence begins anew; the first test has most of the share and each later one a fixed part of
the one before, so that all tests of a campaign together keep within it.

**Campaigns.** Under ``alpha_of = "board"`` the e-values of all campaigns are judged together by e-BH (Wang and Ramdas, *False
discovery rate control with e-values*, *J. R. Stat. Soc. B* 84, 2022): of n campaigns those k are paused whose e-values are n/(αk)
or more, for the largest such k. Of those paused at most α are healthy on average, however their figures hang together.
"""

from collections.abc import Iterable
from typing import NamedTuple

from metrics.budget.policy import Policy
from metrics.budget.state import CampaignState
from metrics.entities.campaigns import CampaignFacts

#: Share of the first test of a campaign, and of each later one in what is left.
_FIRST = 0.9
#: Less is not told from 0.
_LEAST = 1e-300


class JointEvidence(NamedTuple):
    """What is judged together: campaigns, and their e-values, the largest first."""

    campaigns: int = 1
    e_values: tuple[float, ...] = ()

    def threshold(self, alpha: float) -> float:
        """The e-value from which on one more campaign is paused.

        >>> JointEvidence(50, (1200.0, 520.0)).threshold(0.05), JointEvidence(1).threshold(0.05)
        (333.3333333333333, 20.0)
        """
        paused = 0
        for rank, e_value in enumerate(self.e_values, 1):
            if e_value >= self.campaigns / (alpha * rank):
                paused = rank
        return max(1.0, self.campaigns / (paused + 1)) / alpha


def joint_evidence(states: Iterable[CampaignState]) -> JointEvidence:
    """The campaigns of a board that evidence judges."""
    campaigns, found = 0, []
    for state in states:
        if state.ledgers and state.column != "archived":
            campaigns += 1
            if (e_value := share_of(state)) > 1:
                found.append(e_value)
    return JointEvidence(max(1, campaigns), tuple(sorted(found, reverse=True)))


def share_of(state: CampaignState) -> float:
    """The e-value of a campaign over all its targets and restarts, as far as it counts among others."""
    best = 0.0
    for each in state.evidence.values():
        best = max(best, each.e_value)
    return best and best / max(1, len(state.ledgers)) * _share(state.bad_times)


def thresholds(
    state: CampaignState, facts: CampaignFacts, policy: Policy, threshold: float
) -> tuple[float, float]:
    """E-values from which on one of its targets counts as surely missed, and as surely exceeded.

    Args:
        state: of the campaign.
        facts: its targets.
        policy: what it is judged by.
        threshold: ``JointEvidence.threshold`` of what is judged together with it.
    """
    targets = max(1, len(facts.targets_micros))
    return threshold * targets / _share(state.bad_times), targets / policy.alpha


def _share(restarts: int) -> float:
    return max(_LEAST, _FIRST * (1 - _FIRST) ** restarts)
