"""What becomes of a few actions in a row, where nothing fails."""

import pytest

from metrics.budget.effects.caps import Caps
from metrics.budget.effects.machine import Patience
from metrics.values.time import HOUR
from streams.apply.carrier import Carrier
from tests.streams.apply.model_platform import ModelPlatform, World, finished
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
