"""The controller's rules one by one: what an operator sees when they meet a campaign."""

from decimal import Decimal

import pytest

from metrics.budget.guards import GuardContext
from metrics.budget.machine import Context, Inputs, step
from metrics.budget.pacing import project
from metrics.budget.policy import parse
from metrics.budget.records import AlertSignal, BudgetDecision
from metrics.budget.state import Board, KnownDay
from metrics.budget.views import card_of
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import CampaignKpi, Completeness, OtherBasis, Sums
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, format_instant

NOW = 1_800_000_000_000
FACTS = {"c": CampaignFacts("c", budget_micros=1_000 * MICROS, targets_micros={"cpl": 2 * MICROS})}


def reading(spend, leads, at=NOW, revision=1, watermark=""):
    nothing = dict.fromkeys(Sums.__struct_fields__, 0)
    return CampaignKpi(
        campaign_id="c", channel=None, model="declared", window="total", window_start=None, window_end=None,
        stage="update", revision=revision, currency="EUR",
        sums=Sums(**(nothing | {"spend_micros": round(spend * MICROS), "leads": leads})),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0), kpis={},
        watermark=format_instant(at) if watermark == "" else watermark, published_at=format_instant(at),
    )  # fmt: skip


def context(mode="enforce", *, is_live=True, completeness=1.0, **policy):
    ripe_at_once = {"mature_after": 0, "alert_rules": ["LeadsStopped"]} | policy
    return Context(parse(ripe_at_once), mode, is_live, "EUR", FACTS, completeness={"c": completeness})


def decision(verb, at=NOW, **more):
    given = {"decision_id": f"{verb}-{at}", "by": "ada", "occurred_at": at} | more
    return BudgetDecision(campaign_id="c", verb=verb, **given)


def alert(status, at=NOW, starts_at=NOW):
    return AlertSignal(
        alert_id=f"f|{starts_at}|{status}", campaign_id="c", rule="LeadsStopped", status=status,
        starts_at=starts_at, received_at=at,
    )  # fmt: skip


def play(*steps, board=None):
    """Steps of (inputs, context, now); the last board and the actions of each step."""
    board, taken = board or Board(), []
    for inputs, told, now in steps:
        board, actions = step(board, inputs, told, now)
        taken.append(actions)
    return board, taken


BAD = Inputs(readings=[reading(100, 10)])
GOOD = Inputs(readings=[reading(100, 120)])


def test_a_campaign_that_surely_misses_its_target_is_held_and_comes_back_with_new_evidence():
    later = NOW + DAY
    again = Inputs(readings=[reading(101, 11, at=later, revision=2)])
    board, (paused, resumed) = play((BAD, context(), NOW), (again, context(), later))
    assert [(a.verb, a.rule, a.mode, a.column) for a in paused] == [
        ("pause", "evidence:cpl", "enforce", "hold")
    ]
    assert paused[0].evidence["cpl_e_value"] > 20
    assert paused[0].hold.expires_at == format_instant(later)
    assert [(a.verb, a.rule) for a in resumed] == [("resume", "hold expired")]
    assert board.campaigns["c"].evidence == {}


@pytest.mark.parametrize(("leads", "begins_anew"), [(42, False), (10, True)])
def test_a_person_who_pauses_and_resumes_a_campaign_takes_back_what_is_known_only_where_it_is_bad(
    leads, begins_anew
):
    told, later = context("propose"), NOW + MINUTE
    paused, resumed = decision("pause"), decision("resume", at=later)
    steps = [(Inputs(readings=[reading(100, leads)]), told, NOW), (Inputs(decisions=[paused]), told, NOW)]
    board, _ = play(*steps)
    held = board.campaigns["c"]
    assert held.column == "hold"
    board, _ = play((Inputs(decisions=[resumed]), told, later), board=board)
    back = board.campaigns["c"]
    assert back.column == "test"
    assert (back.baseline is not None) == begins_anew
    assert (back.ledgers == held.ledgers) == (not begins_anew)


@pytest.mark.parametrize(("leads", "said"), [(42, "the evidence goes on"), (10, "the evidence begins anew")])
def test_a_pause_until_an_instant_says_at_its_end_what_becomes_of_the_evidence(leads, said):
    told, later = context("enforce", max_holds=3), NOW + 2 * HOUR
    given = Inputs(readings=[reading(100, leads)], decisions=[decision("pause", until=later)])
    again = Inputs(readings=[reading(100, leads, at=later, revision=2)])
    _, (_, resumed) = play((given, told, NOW), (again, told, later))
    assert [action.rule for action in resumed][:1] == ["hold expired"]
    assert said in resumed[0].reason


def test_a_campaign_that_is_bad_again_after_its_hold_is_stopped():
    later = NOW + DAY
    steps = [(BAD, context(), NOW)]
    steps.append((Inputs(readings=[reading(101, 11, at=later, revision=2)]), context(), later))
    for day in range(1, 9):  # spend that is a day old has brought what it brings
        at, spent = later + day * DAY, 101 + 40 * day
        steps.append((Inputs(readings=[reading(spent, 11, at=at, revision=2 + day)]), context(), at))
    board, taken = play(*steps)
    assert [(a.verb, a.column) for actions in taken[2:] for a in actions] == [("move", "stopped")]
    assert board.campaigns["c"].column == "stopped"


@pytest.mark.parametrize(
    ("told", "now", "reason"),
    [
        (context(is_live=False), NOW, ""),
        (context(), NOW + HOUR, "stale"),
        (context(completeness=0.6, min_completeness=0.65), NOW, "immature"),
        (context(actions_per_hour=0), NOW, "circuit breaker"),
    ],
)
def test_nothing_is_done_before_the_live_edge_on_stale_or_immature_figures_or_past_the_breaker(
    told, now, reason
):
    board, (actions,) = play((BAD, told, now))
    assert actions == []
    assert reason in board.campaigns["c"].reason
    assert board.campaigns["c"].column == "test"


@pytest.mark.parametrize("watermark", [None, format_instant(0)])
@pytest.mark.parametrize("mode", ["observe", "propose", "enforce"])
def test_readings_without_a_watermark_lead_to_nothing_however_fresh_their_partition_is(mode, watermark):
    told = context(mode)._replace(reached=lambda _: NOW)
    unheard = [reading(100, 0, revision=n, watermark=watermark, at=NOW + n) for n in (1, 2)]
    steps = [(Inputs(readings=[each]), told, NOW + 2) for each in unheard]
    steps.append((Inputs(signals=[alert("firing")]), told, NOW + 3))
    board, taken = play(*steps)
    assert taken == [[], [], []]
    assert board.campaigns["c"].evidence == {}
    assert "no watermark" in board.campaigns["c"].reason


def test_clicks_that_were_read_before_their_leads_are_judged_only_once_the_watermark_has_passed_them():
    told = context("propose")
    behind = format_instant(NOW - MINUTE)
    catching_up = [
        reading(100, 0, watermark=behind),
        reading(200, 0, at=NOW + 10, revision=2, watermark=behind),
    ]
    steps = [(Inputs(readings=[each]), told, NOW + 10) for each in catching_up]
    # The leads of the first 100 have come; those of the rest are still to be read.
    at_edge = reading(200, 60, at=NOW + 20, revision=3, watermark=format_instant(NOW + 5))
    steps.append((Inputs(readings=[at_edge]), told, NOW + 20))
    board, taken = play(*steps)
    assert taken == [[], [], []]
    assert board.campaigns["c"].evidence["cpl"].verdict != "bad"
    assert board.campaigns["c"].evidence["cpl"].completeness == pytest.approx(0.5, abs=1e-3)


def test_a_campaign_that_is_bad_is_caught_as_soon_as_the_watermark_has_passed_its_spend():
    first = reading(100, 10, watermark=format_instant(NOW - MINUTE))
    later = reading(101, 10, at=NOW + MINUTE, revision=2, watermark=format_instant(NOW))
    _, (early, due) = play(
        (Inputs(readings=[first]), context(), NOW), (Inputs(readings=[later]), context(), NOW + MINUTE)
    )
    assert early == []
    assert [a.rule for a in due] == ["evidence:cpl"]


def test_leads_that_were_read_before_their_clicks_praise_nobody():
    first = reading(10, 120, watermark=format_instant(NOW - MINUTE))
    later = reading(240, 120, at=NOW + MINUTE, revision=2, watermark=format_instant(NOW))
    board, taken = play(
        (Inputs(readings=[first]), context(), NOW), (Inputs(readings=[later]), context(), NOW + MINUTE)
    )
    assert taken == [[], []]
    assert board.campaigns["c"].evidence["cpl"].verdict == "inconclusive"


def test_a_long_catch_up_keeps_a_short_trail_and_still_ends_in_a_judgement():
    behind = format_instant(NOW - DAY)
    steps = [
        (Inputs(readings=[reading(n, 0, at=NOW + n, revision=n, watermark=behind)]), context(), NOW + n)
        for n in range(1, 300)
    ]
    board, taken = play(*steps)
    assert not any(taken)
    assert len(board.campaigns["c"].trail) <= 32
    last = reading(300, 0, at=NOW + 300, revision=300, watermark=format_instant(NOW + 299))
    _, (due,) = play((Inputs(readings=[last]), context(), NOW + 300), board=board)
    assert [a.rule for a in due] == ["evidence:cpl"]


def test_money_and_time_are_judged_on_immature_figures_since_a_held_campaign_never_matures():
    told = context(mature_after="6h")
    _, (spent,) = play((Inputs(readings=[reading(1_000, 500)]), told, NOW))
    assert [a.rule for a in spent] == ["budget"]
    firing = Inputs(readings=[reading(10, 5)], signals=[alert("firing")])
    _, (held, back) = play(
        (firing, told, NOW), (Inputs(), told._replace(reached=lambda _: NOW + DAY), NOW + DAY)
    )
    assert [a.rule for a in held] == ["alert:LeadsStopped"]
    assert [a.rule for a in back] == ["hold expired"]


def test_conversions_that_usually_come_later_do_not_speak_against_a_campaign():
    young = reading(100, 10)
    young.completeness = Completeness(leads=0.2, orders=None)
    board, (actions,) = play((Inputs(readings=[young]), context(min_completeness=0.1), NOW))
    assert actions == []
    assert board.campaigns["c"].evidence["cpl"].completeness == 0.2
    young.completeness = Completeness(leads=0.9, orders=0.1)
    _, (ripe,) = play((Inputs(readings=[young]), context(), NOW))
    assert [a.rule for a in ripe] == ["evidence:cpl"]


@pytest.mark.parametrize("name", ["(none)", "unheard-of"])
def test_what_is_not_registered_has_no_card_and_gets_no_decision(name):
    stranger = reading(100, 0)
    stranger.campaign_id = name
    word = BudgetDecision(decision_id="w", campaign_id=name, verb="pause", by="ada", occurred_at=NOW)
    signal = AlertSignal(
        alert_id="f", campaign_id=name, rule="LeadsStopped", status="firing", starts_at=NOW, received_at=NOW
    )
    board, (actions,) = play((Inputs([stranger], [signal], [word]), context(), NOW))
    assert actions == []
    assert set(board.campaigns) == {"c"}


def test_a_word_that_comes_before_its_campaign_is_registered_waits_for_it():
    word = Inputs(decisions=[decision("pause")])
    unknown = context()._replace(facts={})
    steps = [(word, unknown, NOW), (Inputs(readings=[reading(10, 5)]), context(), NOW + MINUTE)]
    _, (early, known) = play(*steps)
    assert early == []
    assert [a.verb for a in known] == ["pause"]
    board, _ = play((word, unknown, NOW), (Inputs(), unknown, NOW + HOUR))
    assert board.waiting == ()


def test_a_campaign_that_is_no_longer_registered_is_left_alone():
    board, _ = play((Inputs(readings=[reading(100, 60)]), context(), NOW))
    gone = context()._replace(facts={})
    board, (actions,) = play((Inputs(readings=[reading(190, 60, revision=2)]), gone, NOW), board=board)
    assert actions == []
    assert board.campaigns["c"].spent == 100 * MICROS


def test_an_alert_that_fires_and_resolves_within_one_step_pauses_as_if_a_step_lay_between():
    calm = Inputs(readings=[reading(10, 5)])
    brief = Inputs(signals=[alert("firing"), alert("resolved")])
    board, (_, actions, after) = play(
        (calm, context(), NOW), (brief, context(), NOW), (Inputs(), context(), NOW)
    )
    assert [a.rule for a in actions] == ["alert:LeadsStopped"]
    assert after == []
    assert board.campaigns["c"].firing == {}


def test_an_alert_that_passes_before_anything_could_be_done_leaves_a_reason():
    stale = Inputs(readings=[reading(10, 5, at=NOW - HOUR)], signals=[alert("firing"), alert("resolved")])
    board, (nothing,) = play((stale, context(), NOW))
    assert nothing == []
    assert "LeadsStopped" in board.campaigns["c"].reason
    assert "stale" in board.campaigns["c"].reason
    assert "has resolved since" in board.campaigns["c"].reason
    fresh = Inputs(readings=[reading(10, 6, revision=2)])
    _, (later,) = play((fresh, context(), NOW), board=board)
    assert later == []
    unread = context(is_live=False)
    both = Inputs(readings=[reading(10, 5)], signals=[alert("firing"), alert("resolved")])
    board, (early, live) = play((both, unread, NOW), (Inputs(), context(), NOW))
    assert early == live == []
    assert "LeadsStopped has resolved" in board.campaigns["c"].reason


def test_spend_that_is_too_young_to_have_brought_results_does_not_speak_against_a_campaign():
    told = context(mature_after="10m")
    steps = [(Inputs(readings=[reading(100, 60)]), told, NOW)]
    burst = NOW + 11 * MINUTE
    steps.append((Inputs(readings=[reading(190, 60, at=burst, revision=2)]), told, burst))
    ripe = burst + 11 * MINUTE
    steps.append((Inputs(readings=[reading(191, 60, at=ripe, revision=3)]), told, ripe))
    _, taken = play(*steps)
    assert taken == [[], [], []]


def test_where_results_are_known_to_come_at_once_a_burst_without_any_is_seen_at_once():
    told = context(longest_lag="0s")
    first = (Inputs(readings=[reading(100, 60)]), told, NOW)
    burst = (Inputs(readings=[reading(190, 60, at=NOW + MINUTE, revision=2)]), told, NOW + MINUTE)
    _, (calm, paused) = play(first, burst)
    assert calm == []
    assert [a.rule for a in paused] == ["evidence:cpl"]


def test_spend_whose_results_may_still_be_on_their_way_speaks_once_they_no_longer_can():
    told = context()
    steps = [(Inputs(readings=[reading(100, 60)]), told, NOW)]
    for number, at in enumerate((NOW + HOUR, NOW + 2 * HOUR, *(NOW + day * DAY for day in range(1, 30))), 2):
        spent = 100 + 15 * number
        steps.append((Inputs(readings=[reading(spent, 60, at=at, revision=number)]), told, at))
    board, taken = play(*steps)
    days = [index for index, actions in enumerate(taken) if actions]
    assert 3 < days[0] < 14  # neither at once nor never
    assert board.campaigns["c"].column in ("hold", "stopped")


def test_inconclusive_figures_do_nothing():
    _, (actions,) = play((Inputs(readings=[reading(4, 0)]), context(), NOW))
    assert actions == []


def test_a_good_campaign_moves_to_scale_and_grows_within_its_caps():
    board, (actions,) = play((GOOD, context(total_ceiling=1_100), NOW))
    assert [(a.verb, a.column, a.budget_to) for a in actions] == [("move", "scale", 1_100.0)]
    assert board.campaigns["c"].column == "scale"


def test_a_large_growth_waits_for_approval_and_is_then_done():
    told = context(grow_by=0.3, approve_above=0.1, total_ceiling=5_000)
    board, (proposed,) = play((GOOD, told, NOW))
    assert [(a.mode, a.budget_to) for a in proposed] == [("propose", 1_300.0)]
    assert board.campaigns["c"].budget == 1_000 * MICROS
    word = Inputs(decisions=[decision("approve")])
    board, (done,) = play((word, told, NOW), board=board)
    assert [(a.mode, a.budget_to, a.column) for a in done] == [("enforce", 1_300.0, "scale")]
    assert board.campaigns["c"].proposal is None


def test_under_observe_the_same_thing_is_said_once_and_nothing_changes():
    more = Inputs(readings=[reading(110, 11, revision=2)])
    board, (first, second) = play((BAD, context("observe"), NOW), (more, context("observe"), NOW))
    assert [a.mode for a in first] == ["observe"]
    assert second == []
    assert board.campaigns["c"].column == "test"
    assert board.campaigns["c"].proposal is not None


def test_a_rejected_proposal_is_gone_and_does_not_come_back_at_once():
    word = Inputs(decisions=[decision("reject")])
    more = Inputs(readings=[reading(110, 11, revision=2)])
    told = context("propose")
    board, (_, rejected, again) = play((BAD, told, NOW), (word, told, NOW), (more, told, NOW + MINUTE))
    assert rejected == again == []
    assert board.campaigns["c"].proposal is None


def test_an_alert_pauses_once_however_often_it_is_repeated_and_resolved_never_resumes():
    calm = Inputs(readings=[reading(10, 5)])
    firing = Inputs(signals=[alert("firing")])
    resolved = Inputs(signals=[alert("resolved")])
    fresh = Inputs(readings=[reading(10, 6, at=NOW + 2 * HOUR, revision=2)])
    board, taken = play(
        (calm, context(), NOW), (firing, context(), NOW), (firing, context(), NOW),
        (resolved, context(), NOW), (fresh, context(), NOW + 2 * HOUR),
    )  # fmt: skip
    assert [[a.verb for a in actions] for actions in taken] == [[], ["pause"], [], [], []]
    assert board.campaigns["c"].column == "hold"


def test_an_alert_that_no_policy_names_notifies_and_pauses_nothing():
    calm = Inputs(readings=[reading(10, 5)])
    _, taken = play(
        (calm, context(alert_rules=[]), NOW),
        (Inputs(signals=[alert("firing")]), context(alert_rules=[]), NOW),
    )
    assert taken == [[], []]
    assert parse({}).common.alert_rules == ()


def test_an_alert_that_comes_while_figures_are_stale_pauses_when_they_are_fresh_unless_it_resolved():
    stale = Inputs(readings=[reading(10, 5, at=NOW - HOUR)], signals=[alert("firing")])
    fresh = Inputs(readings=[reading(10, 6, revision=2)])
    _, (at_once, later) = play((stale, context(), NOW), (fresh, context(), NOW))
    assert at_once == []
    assert [a.rule for a in later] == ["alert:LeadsStopped"]


def test_a_person_can_always_stop_the_spend_and_lets_it_flow_only_on_fresh_figures():
    told, late = context(), NOW + 5 * HOUR
    board, (_, paused) = play(
        (Inputs(readings=[reading(10, 5)]), told, NOW),
        (Inputs(decisions=[decision("pause", at=late)]), told, late),
    )
    assert [(a.verb, a.hold.owner) for a in paused] == [("pause", "ada")]
    board, (resumed,) = play((Inputs(decisions=[decision("resume", at=late)]), told, late), board=board)
    assert resumed == []
    assert "stale" in board.campaigns["c"].reason


def test_a_word_that_comes_twice_is_done_once_and_an_old_one_not_at_all():
    word = Inputs(readings=[reading(10, 5)], decisions=[decision("pause"), decision("pause")])
    _, (actions,) = play((word, context(), NOW))
    assert len(actions) == 1
    old = Inputs(decisions=[decision("pause", at=NOW - HOUR)])
    board, (nothing,) = play((old, context(), NOW))
    assert nothing == []
    assert "too old" in board.campaigns["c"].reason


def test_a_comment_is_no_decision_and_leaves_the_card_as_it_is():
    before, _ = play((GOOD, context(), NOW))
    after, (actions,) = play(
        (Inputs(decisions=[decision("comment", reason="@ben look")]), context(), NOW), board=before
    )
    assert actions == []
    assert after.campaigns == before.campaigns


def test_a_decision_made_on_an_action_is_refused_once_another_was_done():
    figures, moved = Inputs(readings=[reading(10, 5)]), decision("move", column="scale")
    board, (_, (first,)) = play(
        (figures, context(cooldown=0), NOW), (Inputs(decisions=[moved]), context(cooldown=0), NOW)
    )
    back = decision("move", NOW + 1, column="test", expected_action_id=first.action_id)
    between = decision("pause", NOW + 2)
    undone, (alone,) = play((Inputs(decisions=[back]), context(cooldown=0), NOW + 1), board=board)
    assert ([a.column for a in alone], undone.campaigns["c"].column) == (["test"], "test")
    # The other decision is quicker, be it in the step before or in the same one.
    later = [
        (Inputs(decisions=[between]), context(cooldown=0), NOW + 2),
        (Inputs(decisions=[back]), context(cooldown=0), NOW + 2),
    ]
    for steps in (later, [(Inputs(decisions=[between, back]), context(cooldown=0), NOW + 2)]):
        board_after, taken = play(*steps, board=board)
        assert [a.verb for actions in taken for a in actions] == ["pause"]
        assert board_after.campaigns["c"].column == "hold"
        assert board_after.campaigns["c"].reason == "something was done since: move by ada"


def test_a_word_that_comes_before_the_live_edge_waits_for_it():
    word = Inputs(decisions=[decision("pause")])
    _, (waiting, done) = play((word, context(is_live=False), NOW), (Inputs(), context(), NOW + MINUTE))
    assert waiting == []
    assert [a.verb for a in done] == ["pause"]


def test_an_operators_budget_beyond_a_cap_is_refused_with_the_bounds():
    word = Inputs(readings=[reading(10, 5)], decisions=[decision("set_budget", budget=Decimal(5_000))])
    board, (actions,) = play((word, context(), NOW))
    assert actions == []
    assert "between 700.00 and 1,000.00" in board.campaigns["c"].reason


@pytest.mark.parametrize(
    "policy", [{}, {"total_ceiling": 1_100}, {"max_step": 0.2}, {"floor": 950, "ceiling": 1_050}]
)
def test_a_card_says_beforehand_which_budgets_the_guards_let_a_person_set(policy):
    begun = Inputs(readings=[reading(10, 5)])
    board, _ = play((begun, context(**policy), NOW))
    state, at = board.campaigns["c"], NOW + MINUTE
    guard_context = GuardContext(board, context(**policy).policies, "enforce", is_live=True, now=at)
    shown = card_of(state, CampaignFacts("c"), "enforce", "EUR", guard_context).budget_range
    assert shown.as_of == format_instant(at)
    assert shown.low_micros <= state.budget <= shown.high_micros
    for micros in (shown.low_micros - 1, shown.low_micros, shown.high_micros, shown.high_micros + 1):
        is_within = shown.low_micros <= micros <= shown.high_micros
        word = decision("set_budget", budget=Decimal(micros) / MICROS)
        after, _ = step(board, Inputs(decisions=[word]), context(**policy), at)
        assert ("may now be between" in after.campaigns["c"].reason) is not is_within


def test_the_same_decision_after_a_restart_has_the_same_action_id():
    _, (one,) = play((BAD, context(), NOW))
    _, (other,) = play((BAD, context(), NOW + 90_000))
    assert one[0].action_id == other[0].action_id
    assert one[0].decided_at != other[0].decided_at


def test_cards_are_pulled_as_the_money_is_spent():
    board, _ = play((Inputs(readings=[reading(350, 175)]), context(), NOW))
    assert board.campaigns["c"].card == 100 * MICROS
    assert board.campaigns["c"].pulled == 4


def test_a_spent_budget_ends_the_spend():
    _, (actions,) = play((Inputs(readings=[reading(1_000, 490)]), context(), NOW))
    assert [(a.verb, a.rule) for a in actions] == [("pause", "budget")]


def test_the_band_of_the_pace_tightens_towards_the_end():
    early = project(100 * MICROS, KnownDay(0, HOUR, 10 * MICROS, 10 * MICROS), (0, 10 * HOUR))
    late = project(100 * MICROS, KnownDay(0, 9 * HOUR, 90 * MICROS, 110 * MICROS), (0, 10 * HOUR))
    assert early.pace == "on"
    assert early.high - early.low > late.high - late.low
    assert late.pace == "ahead"
