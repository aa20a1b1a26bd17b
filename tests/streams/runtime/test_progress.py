"""What waits and does not move is said of each stage and each log by itself."""

from streams import topics
from streams.runtime.progress import SAID_AFTER_S, Progress, Work
from tests.streams.runtime.test_idleness import World, look, processor, world

__all__ = ["processor", "world"]

READ = Work("merge", 1, "roistream-partials-1")
OWED = Work("merge", 1, None)


def seen(progress: Progress, *looks: tuple[float, int, int]) -> list[float]:
    found = []
    for now, place, waiting in looks:
        progress.look({READ: (place, waiting), OWED: (4, 0)}, now)
        found.append(progress.seconds("merge", 1))
    return found


def test_only_time_counts_in_which_work_waited_and_nothing_moved():
    # place    7     7      7     8 (moved)  8      8 (read)   8 (new)  8
    looks = [(0, 7, 0), (1, 7, 5), (2, 7, 5), (3, 8, 5), (4, 8, 5), (5, 8, 0), (6, 8, 1), (7, 8, 1)]
    assert seen(Progress(), *looks) == [0, 0, 1, 0, 1, 0, 0, 1]


def test_a_process_that_was_stopped_has_not_stood_still_for_as_long():
    assert seen(Progress(), (0, 7, 5), (3_600, 7, 5))[-1] < SAID_AFTER_S


def test_what_is_given_up_is_forgotten():
    progress = Progress()
    seen(progress, (0, 7, 5), (5, 7, 5), (10, 7, 5), (15, 7, 5))
    assert [each.work for each in progress.standstills()] == [READ]
    progress.look({OWED: (4, 0)}, 16)
    assert progress.standstills() == []
    progress.look({READ: (7, 5)}, 17)
    progress.forget()
    assert not list(progress.stages())


def test_each_log_that_a_stage_reads_is_looked_at_by_itself(processor, world: World):
    held = processor.held[0]
    held.board_positions[topics.CAMPAIGN_KPIS, 3] = 0
    processor.registry_positions = {(topics.CAMPAIGNS, 0): 0}
    read = {
        topics.CLICKS: "intake",
        topics.PARTIALS: "merge",
        topics.CAMPAIGN_KPIS: "controller",
        topics.CAMPAIGNS: "registry",
    }
    for topic, stage in read.items():
        world.ends = {topic: 12}
        for _ in range(13):
            look(processor, world, 1)
        (stuck,) = processor.stuck()
        assert stuck.seconds > 10
        sentence = stuck.sentence
        assert f"stage {stage} of partition 0 stands still: 12 records of {topic}-" in sentence
        standstills = processor.telemetry.standstills
        assert [key for key, seconds in standstills.items() if seconds] == [(stage, 0)]
        world.ends = {}
        look(processor, world, 1)
        assert processor.stuck() == []


def test_the_logs_of_all_stages_are_asked_for_and_their_lag_is_shown(processor, world: World):
    held = processor.held[0]
    held.board_positions |= {(topics.CAMPAIGN_KPIS, number): 0 for number in range(4)}
    named = {topic for topic, _ in processor.logs()}
    assert named == {*topics.SOURCES, topics.PARTIALS, topics.CAMPAIGN_KPIS}
    world.ends = {topics.PARTIALS: 3, topics.CAMPAIGN_KPIS: 5}
    look(processor, world, 1)
    assert processor.telemetry.lag[topics.PARTIALS, 0] == 3
    assert processor.telemetry.lag[topics.CAMPAIGN_KPIS, 2] == 5
