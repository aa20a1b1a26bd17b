"""What becomes of a few actions in a row, where nothing fails."""

import pytest

from metrics.budget.effects.caps import Caps
from metrics.budget.effects.machine import Patience
from metrics.values.time import DAY, HOUR, MINUTE
from streams.apply.carrier import Carrier
from tests.streams.apply.model_platform import KilledError, ModelPlatform, World, finished
from tests.streams.apply.test_carrier_laws import action_of


@pytest.fixture
def there():
    return ModelPlatform()


@pytest.fixture
def play(there):
    world = World(there)
    carrier = Carrier(world, Caps(), Patience())

    def decide(*verbs, column=None):
        """The reasons and stages of the actions, each decided when the one before it is settled."""
        found = []
        for verb in verbs:
            number = len(world.log)
            finished(carrier.take([(action_of(number, verb, world.at, column=column), number)]))
            for _ in range(4):
                finished(carrier.go_on())
                world.at += 10_000
            effect = world.log[f"a{number}"]
            found.append((effect.stage, effect.because))
        return found

    decide.carrier, decide.world = carrier, world
    return decide


def test_a_campaign_that_was_paused_twice_by_us_is_resumed(play, there):
    assert play("pause", "move", column="stopped") == [("confirmed", None), ("confirmed", "already_so")]
    assert play("resume") == [("confirmed", None)]
    assert there.status == "running"


def test_a_pause_of_a_campaign_that_a_person_had_paused_stays_the_persons(play, there):
    there.person("status", "paused")
    assert play("pause", "resume") == [("confirmed", "already_so"), ("refused", "paused_there")]
    assert there.status == "paused"


def test_what_a_person_changes_there_is_said_and_not_undone(play, there):
    assert play("pause") == [("confirmed", None)]
    there.person("status", "running")
    play.world.at += HOUR
    finished(play.carrier.go_on())
    play.world.at += HOUR
    finished(play.carrier.go_on())
    assert (play.world.log["a0"].stage, there.status, len(there.asked)) == ("drifted", "running", 1)
    there.person("status", "paused")
    play.world.at += HOUR
    finished(play.carrier.go_on())
    assert play.world.log["a0"].stage == "confirmed"
    # The pause that stands now is the person's.
    assert play("resume") == [("refused", "paused_there")]


def test_a_budget_that_the_campaign_does_not_have_there_is_refused_and_nothing_is_called_done(play, there):
    there.budget = None
    number = len(play.world.log)
    finished(play.carrier.take([(action_of(number, "set_budget", play.world.at, 900.0), number)]))
    finished(play.carrier.go_on())
    effect = play.world.log[f"a{number}"]
    assert (effect.stage, effect.because, there.asked) == ("refused", "no_total_budget", [])


def budget_of(play, number, budget, spent="400"):
    """The part of a budget action, after a step."""
    action = action_of(number, "set_budget", play.world.at, budget, spent=spent)
    finished(play.carrier.take([(action, number)]))
    finished(play.carrier.go_on())
    return play.world.log[f"a{number}"].parts[0]


def settled(play, number):
    for _ in range(4):
        play.world.at += 10_000
        finished(play.carrier.go_on())
    return play.world.log[f"a{number}"].parts[0]


def test_a_daily_budget_is_what_is_left_by_the_days_that_are_left(play, there):
    there.is_daily, there.ends_at = True, play.world.at + 4 * DAY + HOUR
    budget_of(play, 0, 900.0)
    part = settled(play, 0)
    assert (part.stage, part.amount_micros, part.is_daily) == ("confirmed", 100_000_000, True)
    assert (part.wished_micros, part.spent_micros, there.budget) == (900_000_000, 400_000_000, 100_000_000)


@pytest.mark.parametrize(
    ("end", "spent", "said"),
    [(None, "400", "does not say when it ends"), (-HOUR, "400", "has ended"), (DAY, None, "what is spent")],
)
def test_a_daily_budget_is_never_guessed(play, there, end, spent, said):
    there.is_daily, there.ends_at = True, None if end is None else play.world.at + end
    part = budget_of(play, 0, 900.0, spent)
    assert (part.stage, part.because, there.asked) == ("refused", "no_flight", [])
    assert said in part.detail


def test_of_a_budget_that_is_spent_no_day_is_left(play, there):
    there.is_daily, there.ends_at = True, play.world.at + DAY
    part = budget_of(play, 0, 400.0)
    assert (part.stage, part.because, there.asked) == ("refused", "too_small", [])


def test_what_waits_follows_a_campaign_whose_budget_becomes_one_of_the_other_kind(play, there):
    there.ends_at, there.fates = play.world.at + 10 * DAY, ["throttled"]
    assert budget_of(play, 0, 900.0).amount_micros == 900_000_000
    there.is_daily = True
    play.world.at += 30_000
    part = settled(play, 0)
    assert (part.stage, part.amount_micros, part.is_daily) == ("confirmed", 50_000_000, True)


def test_a_budget_of_the_same_amount_and_the_other_kind_is_a_change_there(play, there):
    budget_of(play, 0, 900.0)
    assert settled(play, 0).stage == "confirmed"
    there.is_daily = True
    for _ in range(2):
        play.world.at += HOUR
        finished(play.carrier.go_on())
    assert (play.world.log["a0"].stage, play.world.log["a0"].because) == ("drifted", "changed_there")


@pytest.mark.parametrize("verb", ["pause", "resume", "set_budget"])
@pytest.mark.parametrize("because", ["no_platform", "not_set_up"])
def test_an_order_that_nothing_here_can_carry_out_ends_as_refused_with_its_reason(play, there, verb, because):
    if because == "no_platform":
        play.world.registered = lambda _: None
    else:
        play.world.platform = lambda _: None
    finished(play.carrier.take([(action_of(0, verb, play.world.at, 900.0), 0)]))
    for _ in range(2):  # status and budget
        finished(play.carrier.go_on())
    effect = play.world.log["a0"]
    assert (effect.stage, effect.because, there.asked) == ("refused", because, [])
    assert effect.detail
    assert "c" not in play.carrier.index.open


class TakenOver(World):
    """Stands still for three minutes once something is written down as sent; another process takes over meanwhile."""

    def __init__(self, platform, meanwhile):
        super().__init__(platform)
        self.is_over, self.meanwhile = False, meanwhile

    async def keep(self, effects):
        if self.is_over:
            raise KilledError
        await super().keep(effects)
        if any(part.stage == "sent" for effect in self.log.values() for part in effect.parts):
            self.is_over = True
            self.at += 3 * MINUTE
            self.meanwhile(self)


def test_who_stood_still_before_it_asked_asks_nothing_that_another_process_has_settled(there):
    def meanwhile(world):
        later = World(there)
        later.log, later.at = world.log, world.at
        carrier = Carrier(later, Caps(), Patience(), later.log.values())
        for place in (0, 1):
            finished(carrier.take([(action_of(place, ("pause", "resume")[place], later.at), place)]))
            for _ in range(6):
                finished(carrier.go_on())
                later.at += 10_000

    world = TakenOver(there, meanwhile)
    carrier = Carrier(world, Caps(), Patience())
    finished(carrier.take([(action_of(0, "pause", world.at), 0)]))
    with pytest.raises(KilledError):
        finished(carrier.go_on())
    assert [each[1:3] for each in there.asked] == [("status", "paused"), ("status", "running")]
    assert (there.status, world.log["a0"].stage, world.log["a1"].stage) == (
        "running",
        "confirmed",
        "confirmed",
    )


def test_what_was_not_asked_in_time_is_asked_later(there):
    class Slow(World):
        slowness = 40_000

        async def keep(self, effects):
            await super().keep(effects)
            self.at, self.slowness = self.at + self.slowness, 0

    world = Slow(there)
    carrier = Carrier(world, Caps(), Patience())
    world.slowness, wait = 0, world.slowness
    finished(carrier.take([(action_of(0, "pause", world.at), 0)]))
    world.slowness = wait
    finished(carrier.go_on())
    (part,) = world.log["a0"].parts
    assert (there.asked, part.stage, part.because, part.sent_at) == ([], "requested", "unreachable", ())
    for _ in range(3):
        world.at += 10_000
        finished(carrier.go_on())
    assert (world.log["a0"].stage, len(there.asked)) == ("confirmed", 1)
