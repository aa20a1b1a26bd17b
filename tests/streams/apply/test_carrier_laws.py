"""Whatever dies, is lost or comes late: no effect twice, nobody's pause is undone, caps hold, and everything is settled at the end."""

from collections import Counter
from decimal import Decimal

from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from metrics.budget.effects.caps import Caps
from metrics.budget.effects.machine import Patience
from metrics.budget.records import BudgetAction
from metrics.values.time import DAY, HOUR, MINUTE, format_instant
from streams.apply.carrier import Carrier
from tests.streams.apply.model_platform import FATES, KilledError, ModelPlatform, World, finished
from tests.support.examples import examples

CAPS, PATIENCE = Caps(per_hour=2, per_day=5), Patience()


def action_of(number, verb, at, budget=None, column=None, rule="evidence:cpl", spent=None):
    return BudgetAction(
        action_id=f"a{number}", campaign_id="c", verb=verb, column=column, budget_from=Decimal(1000), budget_to=Decimal(str(budget or 1000)),
        currency="EUR", mode="enforce", rule=rule, reason="", evidence={} if spent is None else {"spent": spent}, hold=None, decided_at=format_instant(at),
    )  # fmt: skip


class Carrying(RuleBasedStateMachine):
    @initialize(has_versions=some.booleans())
    def begin(self, has_versions):
        self.there = ModelPlatform(has_versions)
        self.world = World(self.there)
        self.actions, self.carrier = [], None
        self.restart()

    def restart(self):
        self.carrier = Carrier(self.world, CAPS, PATIENCE, self.world.log.values())

    def living(self, work):
        """Do something; whoever dies meanwhile starts again and reads the actions anew."""
        try:
            finished(work())
        except KilledError:
            self.restart()

    def take(self):
        self.living(lambda: self.carrier.take([(action, place) for place, action in enumerate(self.actions)]))

    @rule(
        verb=some.sampled_from(["pause", "resume", "set_budget", "move"]),
        budget=some.integers(1, 5_000),
        column=some.sampled_from(["test", "stopped"]),
        rule=some.sampled_from(["evidence:cpl", "evidence:cpl", "operator:pause"]),
        fates=some.lists(some.sampled_from(FATES), max_size=2),
        dies_in=some.none() | some.integers(0, 12),
        steps=some.integers(0, 3),
    )
    def decide(self, verb, budget, column, rule, fates, dies_in, steps):
        """An action, and some steps of what becomes of it."""
        amount = budget + 0.337 if verb in {"set_budget", "resume"} else None
        self.actions.append(action_of(len(self.actions), verb, self.world.at, amount, column, rule))
        self.there.fates, self.world.dies_in = fates, dies_in
        self.take()
        for _ in range(steps):
            self.go_on(7_500)

    @rule(pause=some.sampled_from([0, 7_500, 3 * MINUTE, 20 * MINUTE, 2 * HOUR, DAY]))
    def go_on(self, pause):
        if pause >= MINUTE:
            self.there.arrive()
        self.world.at += pause
        self.living(self.carrier.go_on)
        self.take()

    @rule(status=some.sampled_from(["running", "paused"]))
    def person_sets_status(self, status):
        self.there.arrive()  # what is on its way longer than a person cannot be told from what the person does
        self.there.person("status", status)

    @rule(budget=some.sampled_from([70_000_000, 1_000_000_000]))
    def person_sets_budget(self, budget):
        self.there.arrive()
        self.there.person("budget", budget)

    @precondition(lambda self: self.there.is_reachable)
    @rule()
    def connection_fails(self):
        self.there.is_reachable = False

    @precondition(lambda self: not self.there.is_reachable)
    @rule()
    def connection_is_back(self):
        self.there.is_reachable = True

    @invariant()
    def nothing_takes_effect_twice(self):
        counts = Counter((who, aspect) for who, aspect, _ in self.there.applied)
        assert not counts or max(counts.values()) == 1

    @invariant()
    def nobody_is_overruled(self):
        assert not [
            each for each in self.there.asked if each[1:3] == ("status", "running") and each[3] == "person"
        ]

    @invariant()
    def caps_hold(self):
        sent = sorted(
            at
            for effect in self.world.log.values()
            if not effect.rule.startswith("operator:")
            for at in self.carrier.index.sent_times_of(effect)
        )
        for most, width in ((CAPS.per_hour, HOUR), (CAPS.per_day, DAY)):
            assert all(later - first >= width for first, later in zip(sent, sent[most:], strict=False))

    def teardown(self):
        """With nothing in the way all ends, and what is confirmed stands so."""
        self.there.arrive()
        self.there.is_reachable, self.there.fates, self.world.dies_in = True, [], None
        self.take()
        for _ in range(200):
            if not finished(self.carrier.go_on()) and self.all_settled():
                break
            self.world.at += 10 * MINUTE
        assert self.all_settled()
        # The first look may only say when the next one is due.
        for _ in range(2):
            self.world.at += HOUR
            finished(self.carrier.go_on())
        for place in self.carrier.index.watched_of("c"):
            part = self.carrier.index.part(place)
            stands = self.there.status if part.aspect == "status" else self.there.budget
            wished = part.status or part.amount_micros
            assert (stands == wished) == (part.stage == "confirmed")

    def all_settled(self):
        effects = self.carrier.index.effects.values()
        return len(effects) == len(self.actions) and all(
            effect.stage not in {"requested", "sent"} for effect in effects
        )


TestCarrying = Carrying.TestCase
TestCarrying.settings = examples(1)
