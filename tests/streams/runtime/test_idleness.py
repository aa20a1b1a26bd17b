"""Which topics are idle: read to their end and silent, as far as the broker vouches for it."""

from dataclasses import dataclass, field

import pytest

from metrics.entities.campaigns import CampaignRegistry
from streams import topics
from streams.runtime.partition_tasks import PartitionTasks, Ports
from streams.runtime.task_manager import TaskManager
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings

IDLE_AFTER_S = 30


@dataclass
class World:
    """A clock, and what the broker last said: each answer tells the end of the log."""

    now: float = 0.0
    answer: int = 0
    ends: dict[str, int] = field(default_factory=dict)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def processor(world) -> TaskManager:
    ports = Ports(
        now=lambda: 0,
        monotonic=lambda: world.now,
        highwater=lambda topic, _: world.ends.get(topic, 0),
        readable=lambda topic, _: world.ends.get(topic, 0),
        answered=lambda _topic, _partition: world.answer,
        fail=lambda _error: None,
    )
    made = TaskManager(
        Settings(idle_after=IDLE_AFTER_S * 1000), CampaignRegistry("EUR"), Telemetry("test"), ports
    )
    made.held[0] = made._tasks_of(0, generation=1)
    made.held[0].intake.stage.offsets = dict.fromkeys(topics.SOURCES, 0)
    return made


def look(processor: TaskManager, world: World, seconds: float, *, answers: bool = True) -> set[str]:
    """Look once, so much later; what is idle then."""
    world.now += seconds
    world.answer += answers
    processor.look_around()
    return set(holding(processor).intake.stage.idle)


def holding(processor: TaskManager) -> PartitionTasks:
    return processor.held[0]


def test_what_is_read_to_its_end_and_silent_for_idle_after_is_idle(processor, world):
    assert not [seen for _ in range(IDLE_AFTER_S) if (seen := look(processor, world, 1))]
    look(processor, world, 1)
    assert look(processor, world, 1) == set(topics.EVENT_SOURCES)


def test_a_backlog_is_not_idle_however_long_it_is_silent(processor, world):
    world.ends[topics.CLICKS] = 1
    for _ in range(2 * IDLE_AFTER_S):
        idle = look(processor, world, 1)
    assert idle == {*topics.EVENT_SOURCES} - {topics.CLICKS}


@pytest.mark.parametrize("is_answer_on_its_way", [False, True])
def test_a_worker_that_was_stopped_for_long_finds_nothing_idle_before_the_broker_has_spoken_again(
    processor, world, is_answer_on_its_way
):
    # look ─ look ─ SIGSTOP ····· an hour ····· SIGCONT ─ look ─ the answer to a question asked since
    for _ in range(3):
        look(processor, world, 1)
    assert look(processor, world, 3_600, answers=is_answer_on_its_way) == set()
    world.ends = dict.fromkeys(topics.SOURCES, 1)  # what came meanwhile
    assert look(processor, world, 1) == set()


def test_topics_of_a_broker_that_does_not_answer_are_not_idle(processor, world):
    for _ in range(3):
        look(processor, world, 1)
    assert not [seen for _ in range(100) if (seen := look(processor, world, 1, answers=False))]


def test_a_worker_that_was_stopped_finds_idle_what_stayed_silent_meanwhile(processor, world):
    look(processor, world, 1)
    look(processor, world, 3_600)
    assert look(processor, world, 1) == set(topics.EVENT_SOURCES)


def test_a_backlog_makes_checkpoints_of_both_stages_rare_and_its_end_makes_them_frequent_again(
    processor, world
):
    world.ends[topics.LEADS] = 150_000
    look(processor, world, 1)
    intake, merge = holding(processor).tasks[:2]
    assert (intake.is_behind, merge.is_behind, processor.is_behind) == (True, True, True)
    holding(processor).intake.stage.offsets[topics.LEADS] = 149_000
    look(processor, world, 1)
    assert not processor.is_behind
