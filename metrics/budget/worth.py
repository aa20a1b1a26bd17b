"""CLV : CAC as a target: judged by the verdict on the customers that a campaign brought, once its cohorts are mature. Pure.

The interval is that of ``total`` on ``customer-kpis`` (``metrics.customers.worth_looks``): its n-th look has the level 0.05 / (n (n + 1)),
whatever ratio it is compared with, so that a campaign which meets its target is ever called bad with a chance of at most 5 %. From
then on the other targets judge no more: customers of a year say what leads and first orders only foretell.

A campaign that was stopped by a look is judged again by a later one: the same look would stop it at once, and says nothing new.
"""

from datetime import datetime

from msgspec.structs import replace

from metrics.budget.state import CampaignState, KnownWorth
from metrics.entities.campaigns import CLV_TO_CAC, CampaignFacts
from metrics.records.customer_kpi import ALL_COHORTS, CustomerKpi
from metrics.records.kpi_reading import Evidence, Verdict
from metrics.records.validation import instant
from metrics.values.money import MICROS
from metrics.values.target_verdicts import compared
from metrics.values.time import DAY

#: The e-value of a campaign that is bad: of those that meet the target at most 1 in 20 ever has it, so it is 1 on average at most.
_BAD = 20.0
#: A record that lies so far behind the campaign's figures, in ms, and was made when it had spent otherwise, is not judged by.
_STALE_AFTER = 2 * DAY


def apply_worth(state: CampaignState, record: CustomerKpi, facts: CampaignFacts) -> CampaignState:
    """A record of all customers of a campaign renews what they are worth, and the evidence where that is a target."""
    known = state.worth
    if record.model != "declared" or record.cohort != ALL_COHORTS or record.worth is None:
        return state
    if known is not None and record.revision <= known.revision:
        return state
    worth, watermark = record.worth, 0
    if record.watermark is not None:
        watermark = instant(datetime.fromisoformat(record.watermark), "watermark")
    # What is judged is the campaign: customers that it would bring from now on, too. Without ends for these nothing is.
    is_known = worth.mean_low is not None and worth.mean_high is not None
    found = KnownWorth(
        revision=record.revision,
        watermark=watermark,
        spent=record.sums.spend_micros or 0,
        look=worth.look if is_known and worth.look is not None else 0,
        level=worth.level or 0.0,
        low=worth.mean_low or 0.0,
        high=worth.mean_high or 0.0,
    )
    after = replace(state, worth=found)
    was_judged = CLV_TO_CAC in state.evidence
    if worth_evidence(after, facts) is None and not was_judged:
        return after
    return replace(after, evidence=judged_by_worth(after, facts, {} if was_judged else state.evidence))


def judged_by_worth(
    state: CampaignState, facts: CampaignFacts, others: dict[str, Evidence]
) -> dict[str, Evidence]:
    """What judges a campaign: CLV : CAC alone where that is a target and its cohorts are mature, else the other targets."""
    found = worth_evidence(state, facts)
    return others if found is None else {CLV_TO_CAC: found}


def worth_evidence(state: CampaignState, facts: CampaignFacts) -> Evidence | None:
    """What customers say of the target; None without one, before cohorts are mature, and where the record is old."""
    target, worth = facts.worth_target_micros, state.worth
    if target is None or worth is None or worth.look < 1 or _is_stale(state, worth):
        return None
    verdict: Verdict = "inconclusive"
    if worth.look > state.worth_after:
        verdict = compared(worth.low, worth.high, target / MICROS)
    chance = {"bad": 1 - worth.level, "good": worth.level, "inconclusive": 0.5}[verdict]
    return Evidence(
        target=CLV_TO_CAC,
        verdict=verdict,
        e_value=_BAD if verdict == "bad" else 0.0,
        probability_bad=chance,
        interval=(worth.low, worth.high),
        completeness=1.0,
    )


def _is_stale(state: CampaignState, worth: KnownWorth) -> bool:
    """A record is made anew when spend has changed: one of the same spend is no older than the figures, however long it lies back."""
    latest = state.latest
    if latest is None:
        return True
    return latest.watermark - worth.watermark > _STALE_AFTER and latest.spent_micros != worth.spent


def worth_reason(state: CampaignState, facts: CampaignFacts) -> str:
    """Why a campaign is paused whose customers surely do not bring what they were to."""
    worth, target = state.worth, facts.worth_target_micros
    assert worth is not None, "it was judged"
    assert target is not None, "it was judged"
    return (
        f"CLV : CAC misses its target: {worth.low:.2f} to {worth.high:.2f} in the first twelve months by look {worth.look}, "
        f"{target / MICROS:.2f} wanted"
    )


def shown_target(target: str) -> str:
    """A target as people write it.

    >>> shown_target("cpl"), shown_target("clv_to_cac")
    ('CPL', 'CLV : CAC')
    """
    return "CLV : CAC" if target == CLV_TO_CAC else target.upper()
