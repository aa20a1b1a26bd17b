"""Ten thousand random histories of a board: no path passes a cap, acts on bad data, or acts before the live edge."""

import random
from collections import Counter
from decimal import Decimal

import pytest

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse
from metrics.budget.records import AlertSignal, BudgetDecision
from metrics.budget.state import Board
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.values.money import MICROS, to_micros
from metrics.values.time import HOUR, MINUTE, format_instant
from tests.support.examples import rounds

HISTORIES = rounds(10_000)
CAMPAIGNS = ("a", "b", "c", "d")
START = 1_800_000_000_000
POLICIES = parse(
    {
        "columns": {"test": {"limit": 25}, "scale": {"limit_campaigns": 1}},
        "floor": 20,
        "ceiling": 180,
        "total_ceiling": 420,
        "cooldown": "20m",
        "hold_for": "1h",
        "actions_per_hour": 3,
        "max_step": 0.3,
        "max_change_per_day": 0.5,
        "min_completeness": 0.4,
        "alert_rules": ["LeadsStopped"],
        "stale_after": "10m",
        "mature_after": "0s",
        "longest_lag": "0s",
    }
)
FACTS = {
    name: CampaignFacts(name, budget_micros=100 * MICROS, targets_micros={"cpl": 2 * MICROS})
    for name in CAMPAIGNS
}
NO_SUMS = dict.fromkeys(Sums.__struct_fields__, 0)


def reading(name, spend, leads, watermark, published, revision):
    sums = Sums(**(NO_SUMS | {"spend_micros": round(spend * MICROS), "leads": leads}))
    return CampaignKpi(
        campaign_id=name, channel=None, model="declared", window="total", window_start=None, window_end=None,
        stage="update", revision=revision, currency="EUR", sums=sums,
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0), kpis={},
        watermark=format_instant(watermark), published_at=format_instant(published),
    )  # fmt: skip


class History:
    """One random course of events, with what the checks need to know of it."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.now = START
        self.board = Board()
        self.spend = dict.fromkeys(CAMPAIGNS, 0.0)
        self.leads = dict.fromkeys(CAMPAIGNS, 0)
        self.revision = 0
        self.ids = set()
        self.seen = Counter()
        self.gone = frozenset()

    def run(self, events):
        for _ in range(events):
            # Now and then a clock that was ahead is set right.
            self.now += self.rng.choice((MINUTE, MINUTE, 21 * MINUTE, 21 * MINUTE, 2 * HOUR, 2 * HOUR, -HOUR))
            before, is_live = self.board, self.rng.random() < 0.8
            self.gone = frozenset(self.rng.sample(CAMPAIGNS, 1) if self.rng.random() < 0.1 else ())
            facts = {name: each for name, each in FACTS.items() if name not in self.gone}
            context = Context(POLICIES, self.rng.choice(("observe", "propose", "enforce", "enforce", "enforce")),
                              is_live, "EUR", facts, self.gone, completeness={"b": 0.3, "c": 0.9})  # fmt: skip
            self.board, actions = step(before, self.inputs(), context, self.now)
            self.check(before, actions, context)

    def inputs(self):
        rng, name = self.rng, self.rng.choice(CAMPAIGNS)
        kind = rng.random()
        if kind < 0.6:
            return Inputs(readings=[self.reading(each) for each in rng.sample(CAMPAIGNS, 2)])
        if kind < 0.75:
            return Inputs(signals=[self.signal(name)])
        return Inputs(decisions=[self.decision(name)], readings=[self.reading(name)])

    def reading(self, name):
        rng = self.rng
        state = self.board.campaigns.get(name)
        more = rng.uniform(0, 30) if state is None or state.may_spend else 0.0  # the platform obeys
        self.spend[name] += more
        self.leads[name] += round(more * rng.choice((0.0, 0.2, 0.5, 1.5)))
        self.revision += 1
        # Some come from a backlog that is still being read, some have no watermark at all.
        watermark, published = self.now - rng.choice((0, 0, MINUTE, 5 * HOUR, self.now)), self.now
        if rng.random() < 0.4:
            published = watermark
        return reading(name, self.spend[name], self.leads[name], watermark, published, self.revision)

    def signal(self, name):
        status = self.rng.choice(("firing", "resolved"))
        return AlertSignal(
            alert_id=f"{name}|{self.rng.randrange(3)}|{status}", campaign_id=name, rule="LeadsStopped",
            status=status, starts_at=self.now, received_at=self.now,
        )  # fmt: skip

    def decision(self, name):
        rng = self.rng
        return BudgetDecision(
            decision_id=f"d{rng.randrange(40)}", campaign_id=name,
            verb=rng.choice(("approve", "reject", "pause", "resume", "move", "set_budget", "comment")),
            column=rng.choice(("backlog", "test", "scale", "hold", "stopped")),
            budget=rng.choice((None, *map(Decimal, (10, 80, 120, 150, 1_000)))), by="ada",
            occurred_at=self.now - rng.choice((0, 0, HOUR)),
        )  # fmt: skip

    def check(self, before, actions, context):
        board = self.board
        cards = [state.card for state in board.within("test")]
        assert sum(cards) <= 25 * MICROS
        assert sum(1 for _ in board.within("scale")) <= 1
        assert context.is_live or not actions
        self.check_proposals(before, actions, context)
        assert len({action.action_id for action in actions} | self.ids) == len(actions) + len(self.ids)
        for action in actions:
            assert action.campaign_id not in self.gone
            self.ids.add(action.action_id)
            self.seen[action.verb, action.mode, action.rule.partition(":")[0]] += 1
            self.check_action(action, before, context)

    def check_proposals(self, before, actions, context):
        """None outlives its time, none is there that was rejected lately, and none without being said."""
        for name, state in self.board.campaigns.items():
            if context.is_live and name not in self.gone:
                assert state.proposal is None or state.proposed_until > self.now
        for action in actions:
            was = before.campaigns.get(action.campaign_id)
            if was is not None and action.mode != "enforce" and "approved by" not in action.reason:
                assert was.rejected.get(f"{action.verb}|{action.rule}", 0) <= self.now
            if action.rule == "wip" and action.mode == "enforce":
                assert "approved by" in action.reason

    def check_action(self, action, before, context):
        state, is_operator = self.board.campaigns[action.campaign_id], "operator" in action.rule
        is_word = is_operator or "approved by" in action.reason
        before_state = before.campaigns.get(action.campaign_id)
        money = None if action.budget_to is None else to_micros(action.budget_to)
        assert (
            context.mode == "enforce" or action.mode != "enforce" or (is_word and context.mode == "propose")
        )
        assert not is_word or action.mode in ("enforce", "observe")
        if not is_word:
            assert self.now - state.latest.watermark <= 10 * MINUTE
            assert state.latest.completeness >= 0.4 or action.rule in (
                "budget",
                "hold expired",
                "alert:LeadsStopped",
                "pull",
                "wip",
            )
            assert state.latest.watermark > 0
            assert not action.rule.startswith("evidence") or state.settled is not None
            assert before_state is None or before_state.changed_at is None or (
                not 0 <= self.now - before_state.changed_at < 20 * MINUTE
            )  # fmt: skip
        if action.verb == "resume":
            assert is_operator or action.rule in ("hold expired", "pull")
        if (
            money is not None
            and before_state is not None
            and money > before_state.budget
            and before_state.budget
        ):
            assert money <= 180 * MICROS
            assert self.board.committed <= 420 * MICROS or action.mode != "enforce"
            assert money <= before_state.budget * 1.3 + 1


@pytest.mark.slow
@pytest.mark.law
def test_ten_thousand_histories_keep_every_cap():
    seen = Counter()
    for seed in range(HISTORIES):
        history = History(seed)
        history.run(8)
        seen += history.seen
    # The histories reach what they are to guard.
    for verb in ("pause", "resume", "move", "set_budget"):
        assert sum(count for key, count in seen.items() if key[:2] == (verb, "enforce")) > HISTORIES // 100
    for rule in (
        "alert",
        "evidence",
        "hold expired",
        "graduate",
        "operator",
        "grow",
        "budget",
        "pull",
        "wip",
    ):
        assert sum(count for key, count in seen.items() if key[2] == rule) > HISTORIES // 2_000, rule
    assert sum(count for key, count in seen.items() if key[1] == "propose") > HISTORIES // 100


def test_the_same_history_gives_the_same_actions():
    one, other = History(7), History(7)
    one.run(60)
    other.run(60)
    assert one.ids == other.ids
    assert one.board == other.board


def test_a_history_goes_on_after_a_restart_as_if_nothing_had_been():
    import msgspec  # noqa: PLC0415

    one, other = History(11), History(11)
    one.run(60)
    for _ in range(6):
        other.run(10)
        other.board = msgspec.msgpack.decode(msgspec.msgpack.encode(other.board), type=Board)
    assert one.ids == other.ids
