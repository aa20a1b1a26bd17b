"""CLV : CAC as a target: customers judge alone once cohorts are mature, by later looks only, and never by an old or unsure figure."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse
from metrics.budget.records import BudgetDecision
from metrics.budget.state import Board
from metrics.budget.views import card_of
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.funnel import Acquisition
from metrics.customers.worth_looks import level_of
from metrics.entities.campaigns import CampaignFacts, CampaignRegistry
from metrics.records.customer_kpi import ALL_COHORTS, CustomerWorth
from metrics.records.events import Campaign, Targets
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.values.errors import Rejection
from metrics.values.money import MICROS
from metrics.values.time import DAY, format_instant

NOW = 1_800_000_000_000
#: Customers are to bring in twelve months one and a half times what they cost, leads are to cost 2.
FACTS = CampaignFacts(
    "c", budget_micros=10_000 * MICROS, targets_micros={"cpl": 2 * MICROS}, worth_target_micros=1_500_000
)
NOTHING = dict.fromkeys(Sums.__struct_fields__, 0)


def reading(at=NOW, spend=100, leads=50):
    return CampaignKpi(
        campaign_id="c", channel=None, model="declared", window="total", window_start=None, window_end=None,
        stage="update", revision=at - NOW + 1, currency="EUR",
        sums=Sums(**(NOTHING | {"spend_micros": spend * MICROS, "leads": leads})),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0), kpis={},
        watermark=format_instant(at), published_at=format_instant(at),
    )  # fmt: skip


def customers(low, high, look=1, at=NOW, spend=100, cohort=ALL_COHORTS):
    """All customers of the campaign; ``look`` 0: they are too young."""
    version = CustomerVersion(at - NOW + 1, "EUR", format_instant(at), format_instant(at))
    record = compose_customers("c", cohort, {}, 0, Acquisition(spend * MICROS), version)
    told = (
        {
            "verdict": "inconclusive",
            "look": look,
            "level": level_of(look),
            "low": low,
            "high": high,
            "mean_low": low,
            "mean_high": high,
        }
        if look
        else {}
    )
    worth = CustomerWorth(
        **{"months": 12, "cohorts": 3, "expected_waits_for": None, "waits_for": None if look else "year",
           "verdict": None, "look": None, "level": None, "low": None, "high": None} | told
    )  # fmt: skip
    return replace(record, worth=worth)


class Play:
    """A board under ``enforce``, on which every result is ripe at once."""

    def __init__(self, facts=FACTS, **policy):
        given = {"mature_after": "0s", "cooldown": "0s", "hold_for": "1d", "max_holds": 5} | policy
        self.context = Context(parse(given), "enforce", True, "EUR", {"c": facts})
        self.board = Board()

    def step(self, *worths, at=NOW, words=(), **figures):
        inputs = Inputs([reading(at, **figures)], (), words, worths)
        self.board, actions = step(self.board, inputs, self.context, at)
        return [(action.verb, action.rule) for action in actions]

    @property
    def verdicts(self):
        return {name: each.verdict for name, each in self.board.campaigns["c"].evidence.items()}


def test_customers_that_surely_bring_less_than_the_target_pause_the_campaign_though_its_leads_are_cheap():
    play = Play()
    assert play.step(leads=50) == []
    board, actions = step(play.board, Inputs(worths=[customers(1.1, 1.4)]), play.context, NOW)
    (paused,) = actions
    assert (paused.verb, paused.rule) == ("pause", "evidence:clv_to_cac")
    assert (
        paused.reason
        == "CLV : CAC misses its target: 1.10 to 1.40 in the first twelve months by look 1, 1.50 wanted"
    )
    figures = {
        name: paused.evidence[f"clv_to_cac_{name}"] for name in ("verdict", "look", "level", "low", "high")
    }
    assert figures == {"verdict": "bad", "look": 1, "level": 0.025, "low": 1.1, "high": 1.4}
    card = card_of(board.campaigns["c"], FACTS, "EUR", "enforce")
    assert (card.targets_micros["clv_to_cac"], card.evidence["clv_to_cac"].interval) == (
        1_500_000,
        (1.1, 1.4),
    )


def test_before_cohorts_are_mature_the_other_targets_judge_and_then_no_more():
    """Leads at five times their target: bad, unless customers are known to bring enough."""
    young = Play()
    assert young.step(customers(0, 0, look=0), leads=10) == [("pause", "evidence:cpl")]
    mature = Play()
    mature.step(customers(1.6, 2.4), leads=40, spend=10)
    assert mature.step(at=NOW + DAY // 24, leads=40, spend=200) != [("pause", "evidence:cpl")]
    assert mature.verdicts == {"clv_to_cac": "good"}
    assert mature.board.campaigns["c"].column == "scale"


@pytest.mark.parametrize(("low", "high"), [(1.4, 1.6), (1.4, 1.5)])
def test_a_range_that_holds_the_target_does_nothing(low, high):
    play = Play()
    assert play.step(customers(low, high), leads=10) == []
    assert play.verdicts == {"clv_to_cac": "inconclusive"}


def test_a_campaign_that_returns_is_judged_by_a_later_look_only():
    play = Play()
    assert play.step(customers(1.1, 1.4, look=2)) == [("pause", "evidence:clv_to_cac")]
    back = NOW + DAY
    assert play.step(customers(1.1, 1.4, look=2, at=back), at=back) == [("resume", "hold expired")]
    for hour in range(1, 4):
        at = back + hour * DAY // 24
        assert play.step(customers(1.1, 1.39, look=2, at=at), at=at) == []
        assert play.verdicts == {"clv_to_cac": "inconclusive"}
    at = back + DAY
    assert play.step(customers(1.2, 1.4, look=3, at=at), at=at) == [("pause", "evidence:clv_to_cac")]


def test_a_person_who_lets_it_run_is_not_overruled_by_the_same_look():
    play = Play(hold_for="30d")
    play.step(customers(1.1, 1.4, look=2))
    at = NOW + DAY // 24
    resumed = BudgetDecision(campaign_id="c", decision_id="r", by="ada", verb="resume", occurred_at=at)
    assert play.step(at=at, words=[resumed]) == [("resume", "operator:resume")]
    assert play.step(at=at + 1) == []
    assert play.board.campaigns["c"].column == "test"


def test_an_old_figure_judges_nobody_unless_nothing_was_spent_since():
    later = NOW + 3 * DAY
    play = Play()
    play.step(customers(0, 0, look=0))
    record = customers(1.1, 1.4, at=NOW + 1)
    assert play.step(record, at=later, spend=140, leads=70) == []
    assert play.verdicts.keys() <= {"cpl"}
    resting = Play()
    resting.step()
    assert resting.step(record, at=later) == [("pause", "evidence:clv_to_cac")]


def test_a_verdict_that_is_taken_back_leaves_the_other_targets_to_judge():
    play = Play()
    play.step(customers(1.4, 1.6), leads=10)
    at = NOW + DAY // 24
    assert play.step(customers(0, 0, look=0, at=at), at=at, leads=10) == []
    at += DAY // 24
    assert play.step(at=at, leads=10) == [("pause", "evidence:cpl")]
    assert set(play.verdicts) == {"cpl"}


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4), st.floats(0, 3), st.floats(0, 3)), max_size=8)
)
def test_a_campaign_without_the_target_decides_as_if_nothing_were_known_of_its_customers(days):
    with_them, without = (Play(FACTS._replace(worth_target_micros=None)) for _ in range(2))
    for day, (leads, look, *ends) in enumerate(days):
        at = NOW + day * DAY // 4
        record = customers(min(ends), max(ends), look, at)
        figures = {"at": at, "spend": 100 + 30 * day, "leads": leads}
        assert with_them.step(record, **figures) == without.step(**figures)
        one, other = (play.board.campaigns["c"] for play in (with_them, without))
        assert (one.evidence, one.column, one.ledgers, one.reason) == (
            other.evidence,
            other.column,
            other.ledgers,
            other.reason,
        )


@pytest.mark.parametrize("cohort", ["2026-11"])
def test_a_record_of_one_month_judges_nobody(cohort):
    play = Play()
    assert play.step(customers(1.1, 1.4, cohort=cohort)) == []


def test_the_target_is_a_ratio_above_0():
    registry = CampaignRegistry("EUR")
    registry.register("c", Campaign("c", targets=Targets(clv_to_cac=Decimal("1.5"), cpl=Decimal(2))))
    facts = registry.facts("c")
    assert (facts.worth_target_micros, dict(facts.targets_micros)) == (1_500_000, {"cpl": 2 * MICROS})
    with pytest.raises(Rejection, match="above 0"):
        registry.register("c", Campaign("c", targets=Targets(clv_to_cac=Decimal(0))))
