"""Pace, room in a column, answers that do not come, and registrations that change: what an operator sees of each."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from metrics.budget.action_records import digest_of
from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse
from metrics.budget.records import AlertSignal, BudgetDecision
from metrics.budget.state import Board
from metrics.budget.views import card_of
from metrics.entities.campaigns import CampaignFacts, CampaignRegistry
from metrics.records.events import Campaign
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, format_instant

START = 1_800_000_000_000 // DAY * DAY
#: A flight of ten days; 100 a day is its even pace.
FACTS = CampaignFacts("c", budget_micros=1_000 * MICROS, starts_at=START, ends_at=START + 10 * DAY)
NOTHING = dict.fromkeys(Sums.__struct_fields__, 0)


def leads_stopped(campaign_id: str) -> AlertSignal:
    return AlertSignal(
        alert_id="f",
        campaign_id=campaign_id,
        rule="LeadsStopped",
        status="firing",
        starts_at=START,
        received_at=START,
    )


def reading(name, at, spend, leads=0, start=None):
    window = (
        ("total", None, None)
        if start is None
        else ("1h", format_instant(start), format_instant(start + HOUR))
    )
    return CampaignKpi(
        campaign_id=name, channel=None, model="declared", window=window[0], window_start=window[1],
        window_end=window[2], stage="update", revision=at - START + 1, currency="EUR",
        sums=Sums(**(NOTHING | {"spend_micros": round(spend * MICROS), "leads": leads})),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0), kpis={},
        watermark=format_instant(at), published_at=format_instant(at),
    )  # fmt: skip


class Play:
    """A board that is played on: readings in, words in, time passes."""

    def __init__(self, mode="enforce", facts=(FACTS,), **policy):
        self.context = Context(
            parse({"mature_after": "0s", "alert_rules": ["LeadsStopped"]} | policy), mode, True, "EUR", {each.campaign_id: each for each in facts},
            reached=lambda _: self.now,
        )  # fmt: skip
        self.board, self.now = Board(), START
        self.words = 0

    def step(self, *readings, at=None, words=(), signals=()):
        self.now = self.now if at is None else at
        self.board, actions = step(self.board, Inputs(readings, signals, words), self.context, self.now)
        return [(action.verb, action.rule, action.mode) for action in actions]

    def say(self, verb, name="c", **more):
        self.words += 1
        more = {"occurred_at": self.now} | more
        word = BudgetDecision(decision_id=f"w{self.words}", campaign_id=name, verb=verb, by="ada", **more)
        return self.step(words=[word])

    def spend_evenly(self, hours, an_hour, name="c", leads_an_hour=0):
        """Hours of even spend, one step at the end of each; the actions of the last."""
        done = []
        for hour in range(hours):
            at = START + (hour + 1) * HOUR
            done = self.step(
                reading(name, at, an_hour, start=at - HOUR),
                reading(name, at, an_hour * (hour + 1), leads_an_hour * (hour + 1)), at=at,
            )  # fmt: skip
            if done:
                break
        return done

    def __getitem__(self, name):
        return self.board.campaigns[name]


# --- pace --------------------------------------------------------------------------------------------


def test_a_campaign_ahead_of_its_pace_rests_until_its_plan_has_caught_up_and_keeps_its_evidence():
    play = Play()
    assert play.spend_evenly(40, 10) == [("pause", "pace", "enforce")]
    # After a day 240 are spent; the plan comes to that after 2.4 days, but no rest is longer than a day.
    assert play.now == START + DAY
    assert play["c"].hold.owner == "pace"
    assert play["c"].hold.expires_at == START + 2 * DAY
    assert "2,400.00 of 1,000.00" in play["c"].reason
    assert play.step(at=START + 2 * DAY) == [("resume", "hold expired", "enforce")]
    assert play["c"].column == "test"
    assert play["c"].baseline is None
    assert play["c"].bad_times == 0


def test_under_propose_a_rest_is_suggested_and_under_observe_only_said():
    for mode in ("propose", "observe"):
        play = Play(mode)
        assert play.spend_evenly(40, 10) == [("pause", "pace", mode)]
        assert play["c"].column == "test"
        assert play["c"].proposal.hold.expires_at == format_instant(START + 2 * DAY)


@pytest.mark.parametrize(
    ("an_hour", "leads", "facts", "policy"),
    [
        (5.0, 0, FACTS, {}),  # 1,200 by the end as projected: within the band
        (10.0, 0, FACTS, {"even_pace": False}),
        (10.0, 0, FACTS._replace(ends_at=None), {}),
        (10.0, 30, FACTS._replace(targets_micros={"cpl": 2 * MICROS}), {"grow_by": 0, "approve_above": 0}),
    ],
    ids=["within the band", "switched off", "no flight", "surely pays"],
)
def test_who_is_on_pace_has_no_flight_or_surely_pays_does_not_rest(an_hour, leads, facts, policy):
    play = Play(facts=[facts], **policy)
    play.spend_evenly(30, an_hour, leads_an_hour=leads)
    assert play["c"].hold is None


def test_a_busy_morning_is_no_pace():
    play = Play()
    assert play.spend_evenly(23, 12) == []


# --- room in a column --------------------------------------------------------------------------------

FULL = {"columns": {"test": {"limit_campaigns": 1}}}
TWO = tuple(CampaignFacts(name, budget_micros=1_000 * MICROS) for name in ("a", "b"))


def filled(mode="enforce"):
    """``a`` has the only place in test; ``b`` began when it was taken."""
    play = Play(mode, TWO, **FULL)
    play.step(reading("a", START, 10))
    play.step(reading("b", START + 1, 10), at=START + 1)
    assert [play[name].column for name in "ab"] == ["test", "backlog"]
    return play


def test_one_that_waits_for_room_is_pulled_when_there_is_some():
    play = filled()
    play.say("pause", "a")
    assert play["b"].column == "test"
    assert not play["b"].waits


def test_under_propose_the_pull_is_proposed():
    play = filled("propose")
    play.say("pause", "a")
    assert play["b"].proposal.rule == "pull"
    assert play["b"].column == "backlog"
    assert play.say("approve", "b") == [("move", "pull", "enforce")]
    assert play["b"].column == "test"


def test_one_that_has_spent_its_card_without_room_is_proposed_to_stop_and_comes_back_with_the_room():
    play = filled()
    card_is_spent = START + MINUTE
    found = play.step(reading("b", card_is_spent, 100), at=card_is_spent)
    assert found == [("pause", "wip", "propose")]
    assert "full: 1 of 1" in play["b"].proposal.reason
    assert play.say("approve", "b") == [("pause", "wip", "enforce")]
    later = START + 2 * HOUR
    assert play.step(at=later) == []
    # ``b`` is looked at after ``a``, whose pause makes room.
    assert play.say("pause", "a") == [("pause", "operator:pause", "enforce"), ("resume", "pull", "enforce")]
    assert play["b"].column == "test"
    assert play["b"].baseline is None


def test_an_operator_who_puts_a_campaign_into_the_backlog_is_not_overruled_by_a_pull():
    play = filled()
    play.say("move", "a", column="backlog")
    assert play.step(at=play.now + 2 * HOUR) == []
    assert play["a"].column == "backlog"
    assert play.say("set_budget", "a", budget=Decimal(900)) == [
        ("set_budget", "operator:set_budget", "enforce")
    ]
    assert not play["a"].may_spend
    assert play["a"].committed == 10 * MICROS
    assert play.say("resume", "a") == []
    assert play.say("move", "a", column="test") == []  # the other one has its place now
    assert "full" in play["a"].reason


# --- proposals ---------------------------------------------------------------------------------------

BAD = CampaignFacts("c", budget_micros=1_000 * MICROS, targets_micros={"cpl": 2 * MICROS})


def proposed(**policy):
    play = Play("propose", [BAD], **policy)
    assert play.step(reading("c", START, 100, 10)) == [("pause", "evidence:cpl", "propose")]
    return play


def test_a_proposal_nobody_answers_lapses_and_is_made_anew_with_the_figures_of_then():
    play = proposed(propose_for="6h")
    first = play["c"].proposal
    assert play.step(at=START + 6 * HOUR - 1) == []
    assert play.step(reading("c", START + 6 * HOUR, 140, 10), at=START + 6 * HOUR) == [
        ("pause", "evidence:cpl", "propose")
    ]
    assert play["c"].proposal.action_id != first.action_id
    assert play["c"].proposal.evidence["spent"] == "140"


def test_a_rejected_proposal_comes_back_only_after_as_long_as_it_would_have_waited():
    play = proposed(propose_for="6h")
    play.say("reject")
    for at in range(START + 10 * MINUTE, START + 6 * HOUR, 10 * MINUTE):
        assert play.step(reading("c", at, 101, 10), at=at) == []
    assert play.step(at=START + 6 * HOUR) == [("pause", "evidence:cpl", "propose")]


def test_rejecting_one_thing_does_not_keep_an_alert_from_pausing():
    play = Play("enforce", [BAD], grow_by=0.3, approve_above=0.1, total_ceiling=5_000)
    assert play.step(reading("c", START, 100, 120)) == [("move", "graduate", "propose")]
    play.say("reject")
    alert = leads_stopped("c")
    assert play.step(signals=[alert]) == [("pause", "alert:LeadsStopped", "enforce")]


# --- order values ------------------------------------------------------------------------------------


def test_an_action_says_the_scatter_and_the_error_budget_it_was_taken_with():
    facts = [
        CampaignFacts(name, budget_micros=10_000 * MICROS, targets_micros={"roas": 3 * MICROS})
        for name in "ab"
    ]
    play, revenue = Play(facts=facts), 0
    for number in range(1, 200):
        revenue += 300 if number % 10 == 0 else 10  # E[X²]/E[X]² is 6 of these
        at = START + number * HOUR
        orders = reading("a", at, 10 * number)
        orders.sums = replace(orders.sums, orders=number, revenue_micros=revenue * MICROS)
        play.step(orders, at=at)
    at = START + 200 * HOUR
    poor = reading("b", at, 9_000)
    poor.sums = replace(poor.sums, orders=100, revenue_micros=4_000 * MICROS)
    _, (action,) = step(play.board, Inputs([poor]), play.context, at)
    assert (action.campaign_id, action.column) == ("b", "hold")
    assert action.evidence["roas_scatter"] >= 1.5
    assert action.evidence["roas_e_value"] > action.evidence["e_value_needed"]
    assert action.evidence["roas_low"] < action.evidence["roas_high"] < action.evidence["roas_target"]
    assert (action.evidence["alpha"], action.evidence["alpha_of"]) == (0.1, "board")


# --- clocks ------------------------------------------------------------------------------------------


def test_a_breaker_opened_by_a_clock_that_was_ahead_does_not_stay_open_when_it_is_set_right():
    play = Play(facts=[BAD])
    play.board = replace(play.board, open_until=START + 365 * DAY)
    assert play.step(reading("c", START, 100, 10)) == [("pause", "evidence:cpl", "enforce")]


def test_a_word_from_the_future_is_not_done_and_the_card_says_why():
    play = Play()
    assert play.say("pause", occurred_at=START + DAY) == []
    assert "said in the future" in play["c"].reason


# --- registrations -----------------------------------------------------------------------------------


def test_a_campaign_that_is_withdrawn_takes_no_word_and_stands_where_it_stood_when_it_is_registered_again():
    play = Play(facts=[BAD])
    play.step(reading("c", START, 10, 5))
    play.say("pause")
    here = play.context
    play.context = here._replace(facts={}, archived=frozenset({"c"}))
    play.step()
    assert play["c"].column == "archived"
    assert play.say("move", column="test") == []
    assert "not registered any more" in play["c"].reason
    play.context = here
    play.step(reading("c", START + 1, 11, 5), at=START + 1)
    assert play["c"].column == "hold"
    assert play["c"].hold.owner == "registration"
    assert play["c"].budget == 1_000 * MICROS
    assert play.say("resume") == [("resume", "operator:resume", "enforce")]


def test_an_alert_that_comes_before_its_campaign_is_registered_waits_for_that():
    play = Play(facts=[BAD])
    here = play.context
    play.context = here._replace(facts={})
    alert = leads_stopped("c")
    assert play.step(signals=[alert]) == []
    play.board = msgspec.msgpack.decode(msgspec.msgpack.encode(play.board), type=Board)
    play.context = here
    later = START + MINUTE
    assert play.step(reading("c", later, 10, 5), at=later) == [("pause", "alert:LeadsStopped", "enforce")]
    assert play.board.early == ()


def test_an_alert_on_a_campaign_that_never_comes_is_forgotten():
    play = Play(facts=[])
    alert = leads_stopped("x")
    play.step(signals=[alert])
    assert play.board.early == (alert,)
    play.step(at=START + HOUR)
    assert play.board.early == ()


def test_what_an_operator_archived_stays_archived_when_it_is_registered_anew():
    play = Play(facts=[BAD])
    play.say("move", column="archived")
    here = play.context
    play.context = here._replace(facts={}, archived=frozenset({"c"}))
    play.step()
    play.context = here
    play.step(reading("c", START, 10, 5))
    assert play["c"].column == "archived"


def test_a_budget_in_a_currency_without_a_rate_changes_nothing_until_the_rate_comes():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c", Campaign(campaign_id="c", budget=Decimal(1_000), currency="EUR"))
    play = Play(facts=[campaign_registry.facts("c")])
    play.step(reading("c", START, 300))
    play.say("set_budget", budget=Decimal(700))
    campaign_registry.register("c", Campaign(campaign_id="c", budget=Decimal(1_000), currency="USD"))
    play.context = play.context._replace(facts={"c": campaign_registry.facts("c")})
    assert play.step(reading("c", START + 1, 301), at=START + 1) == []
    assert play["c"].budget == 700 * MICROS
    campaign_registry.set_rate("USD", 0, Decimal("0.9"))
    play.context = play.context._replace(facts={"c": campaign_registry.facts("c")})
    play.step(reading("c", START + 2, 302), at=START + 2)
    assert play["c"].budget == 600 * MICROS


def test_a_total_below_what_is_promised_lets_nothing_grow_and_what_stops_does_not_return():
    play = Play(facts=[BAD], total_ceiling=50)
    play.step(reading("c", START, 100, 120))
    assert play["c"].column == "scale"
    assert play["c"].budget == 1_000 * MICROS
    play.say("pause")
    assert play.say("resume") == []
    assert "no money is left under the total" in play["c"].reason
    assert play.say("set_budget", budget=Decimal(1_100)) == []


# --- policies ----------------------------------------------------------------------------------------


def test_an_action_names_the_policy_it_was_taken_under():
    play = Play(facts=[BAD])
    play.step(reading("c", START, 10, 5))
    changed = parse({"mature_after": "0s", "cooldown": "2h"})
    assert digest_of(play.context.policies.common) != digest_of(changed.common)
    play.context = play.context._replace(policies=changed)
    at = START + 20 * DAY
    board, (action,) = step(play.board, Inputs([reading("c", at, 400, 10)]), play.context, at)
    assert action.evidence["policy"] == digest_of(changed.of("c"))
    assert board.campaigns["c"].column == "hold"


def test_a_card_shows_targets_pace_and_how_long_its_proposal_waits():
    facts = FACTS._replace(targets_micros={"cpl": 2 * MICROS})
    play = Play("propose", [facts], propose_for="6h")
    play.spend_evenly(24, 10, leads_an_hour=5)
    shown = card_of(play["c"], facts, "propose", "EUR")
    assert shown.targets_micros == {"cpl": 2 * MICROS}
    assert (shown.pace.pace, shown.pace.projected_micros) == ("ahead", 2_400 * MICROS)
    assert shown.pace.ends_at == format_instant(START + 10 * DAY)
    assert shown.proposed_until == format_instant(START + DAY + 6 * HOUR)
    over = FACTS._replace(ends_at=START + DAY)
    assert card_of(play["c"], over, "propose", "EUR").pace is None


def test_a_card_says_that_amounts_of_its_figures_have_no_rate_until_they_have_one():
    play = Play()
    play.step(replace(reading("c", START, 1), has_uncertain_amounts=True))
    assert card_of(play["c"], FACTS, "propose", "EUR").has_uncertain_amounts
    play.step(reading("c", START + MINUTE, 1))
    assert not card_of(play["c"], FACTS, "propose", "EUR").has_uncertain_amounts


# --- holds of a person --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [{"verb": "pause"}, {"verb": "move", "column": "hold"}])
def test_a_hold_of_a_person_ends_when_the_person_said(words):
    play = Play()
    play.step(reading("c", START, 1))
    until = START + 3 * HOUR
    said = play.say(until=until, reason="the shop is closed", **words)
    assert [verb for verb, *_ in said] == [words["verb"]]
    card = card_of(play.board.campaigns["c"], FACTS, "enforce", "EUR")
    assert card.hold.expires_at == format_instant(until)
    assert play.step(reading("c", until - 1, 1), at=until - 1) == []
    assert [verb for verb, *_ in play.step(reading("c", until, 1), at=until)] == ["resume"]


def test_a_hold_that_would_end_before_it_begins_is_refused_with_the_reason():
    play = Play()
    play.step(reading("c", START, 1))
    assert play.say("pause", until=START) == []
    assert "before it begins" in play.board.campaigns["c"].reason
