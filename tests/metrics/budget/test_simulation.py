"""What a policy would have done over a history; and the closed loop: control against a control arm, seed by seed."""

import numpy as np
import pytest
from msgspec.structs import replace

from metrics.budget import History, simulate
from metrics.budget.policy import parse
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.values.money import MICROS
from metrics.values.time import HOUR, format_instant

START = 1_800_000_000_000 // HOUR * HOUR
HOURS = 7 * 24
CAMPAIGNS = 12
#: Cost per lead of each campaign as a multiple of its target of 5.
QUALITIES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.6, 2.0, 2.5, 3.0)
SEEDS = range(20)
POLICIES = parse({"preset": "bold"})


def hour_reading(name, start, sums, revision=1):
    return CampaignKpi(
        campaign_id=name, channel=None, model="declared", window="1h", window_start=format_instant(start),
        window_end=format_instant(start + HOUR), stage="final", revision=revision, currency="EUR", sums=sums,
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0), kpis={},
        watermark=format_instant(start + HOUR), published_at=format_instant(start + HOUR),
    )  # fmt: skip


def world(seed):
    """Campaigns that spend 20 an hour; a lead is worth 8, by orders of log-normal value."""
    rng = np.random.default_rng(seed)
    facts, readings = {}, []
    for number, quality in enumerate(rng.permutation(QUALITIES)):
        name = f"c-{number}"
        facts[name] = CampaignFacts(
            name, budget_micros=30 * HOURS * MICROS, targets_micros={"cpl": 5 * MICROS},
            starts_at=START, ends_at=START + HOURS * HOUR,
        )  # fmt: skip
        for index in range(HOURS):
            leads = int(rng.poisson(20 / (5 * quality)))
            orders = int(rng.binomial(leads, 0.2))
            revenue = int(rng.lognormal(np.log(80) - 0.08, 0.4, orders).sum() * MICROS)
            given = dict.fromkeys(Sums.__struct_fields__, 0) | {
                "clicks": 40, "leads": leads, "orders": orders, "new_customers": orders,
                "spend_micros": 20 * MICROS, "revenue_micros": revenue, "cost_of_goods_micros": revenue // 2,
            }  # fmt: skip
            readings.append(hour_reading(name, START + index * HOUR, Sums(**given)))
    return History(facts, readings)


@pytest.mark.slow
def test_control_beats_the_arm_that_does_nothing_over_twenty_seeds():
    gains, differences = [], []
    for seed in SEEDS:
        found = simulate(POLICIES, world(seed))
        gains.append(found.profit_gained_micros / MICROS)
        differences.append(found.with_policy.roi - found.without.roi)
    # The 95 % interval of the mean, by Student's t with 19 degrees of freedom.
    for values in (gains, differences):
        half = 2.093 * np.std(values, ddof=1) / np.sqrt(len(values))
        assert np.mean(values) - half > 0
    assert min(differences) > 0


def test_a_history_without_bad_campaigns_is_hardly_touched():
    facts, readings = world(3)[:2]
    leads = dict.fromkeys(facts, 0)
    for reading in readings:
        leads[reading.campaign_id] += reading.sums.leads
    fine = {name for name, count in leads.items() if 20 * HOURS / count < 4.9}
    found = simulate(
        parse({"grow_by": 0}),
        History({n: facts[n] for n in fine}, [r for r in readings if r.campaign_id in fine]),
    )
    assert {a.verb for a in found.actions if a.mode == "enforce"} <= {"move"}
    assert found.profit_gained_micros == 0


@pytest.mark.slow
def test_repeated_and_older_revisions_of_an_hour_change_nothing():
    history = world(5)
    shuffled = [*history.readings, *history.readings[:200]][::-1]
    assert simulate(POLICIES, History(history.facts, shuffled)) == simulate(POLICIES, history)


def test_hours_whose_cost_nobody_knows_are_no_hours_without_cost():
    facts, readings = world(5)[:2]
    unknown = [replace(each, sums=replace(each.sums, spend_micros=None)) for each in readings]
    two = [each for each in readings if each.campaign_id == "c-0"]
    two += [each for each in unknown if each.campaign_id == "c-1"]
    reported = {name: each._replace(is_reported=True) for name, each in facts.items()}
    found = simulate(POLICIES, History(reported, two))
    assert found.left_out == ["c-1"]
    assert [each.campaign_id for each in found.campaigns] == ["c-0"]
    alone = simulate(POLICIES, History(facts, [each for each in readings if each.campaign_id == "c-0"]))
    assert (found.without, found.with_policy, found.actions) == (
        alone.without,
        alone.with_policy,
        alone.actions,
    )


def test_an_elasticity_out_of_range_is_refused():
    with pytest.raises(ValueError, match="elasticity"):
        simulate(POLICIES, History({}, []), elasticity=0)
