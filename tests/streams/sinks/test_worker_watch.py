"""How old figures are and what holds them up, as a board knows it from what workers say."""

import msgspec
import pytest

from streams.sinks.redis_status import WorkerStatus
from streams.sinks.worker_watch import OLD_AFTER_MS, SILENT_AFTER_S, SplitIdentities, WorkerWatch

NOW_MS = 1_794_990_000_000
STILL = "stage merge of partition 1 stands still: 40 records of roistream-partials-1 have waited for 12 s"


def says(
    watch: WorkerWatch,
    now_s: float,
    partitions: list[int],
    *reasons: str,
    worker: str = "a",
    ago: int = 3_000,
):
    status = WorkerStatus(worker, partitions, dict.fromkeys(partitions, NOW_MS - ago), list(reasons))
    watch.take(msgspec.json.encode(status), now_s)


def test_workers_that_get_on_are_no_news():
    watch = WorkerWatch(2, 0.0)
    says(watch, 1.0, [0], worker="a")
    says(watch, 1.0, [1], worker="b", ago=5_000)
    health = watch.health(2.0, NOW_MS)
    assert (health.age_ms, health.problems) == (5_000, [])


def test_what_came_on_several_partitions_is_added_up_over_the_workers_that_are_heard_of():
    watch = WorkerWatch(2, 0.0)
    assert watch.split == SplitIdentities(0, 0)
    for number, name in enumerate("ab"):
        status = WorkerStatus(name, [number], {}, [], split_orders=2, split_events=3 * number)
        watch.take(msgspec.json.encode(status), 1.0)
    assert watch.split == SplitIdentities(4, 3)
    says(watch, 12.0, [0, 1], worker="c")
    watch.health(12.0, NOW_MS)
    assert watch.split == SplitIdentities(0, 0)


def test_a_board_that_has_just_started_says_nothing_before_it_can_know():
    watch = WorkerWatch(1, 100.0)
    assert watch.health(100.0 + SILENT_AFTER_S, NOW_MS).problems == []
    assert "No worker has been heard of for 11 s" in watch.health(111.0, NOW_MS).problems[0]


def test_a_worker_that_falls_silent_is_missed_also_where_others_speak():
    watch = WorkerWatch(2, 0.0)
    says(watch, 1.0, [0], worker="a")
    says(watch, 1.0, [1], worker="b")
    for second in range(2, 13):
        says(watch, float(second), [0], worker="a")
    assert watch.health(12.0, NOW_MS).problems == [
        "No worker holds partition 1: figures of its campaigns stand still."
    ]
    says(watch, 13.0, [0, 1], worker="a")
    assert watch.health(13.0, NOW_MS).problems == []


def test_what_a_worker_says_of_its_stages_is_said_and_a_surplus_worker_is_no_problem():
    watch = WorkerWatch(2, 0.0)
    says(watch, 1.0, [0, 1], STILL)
    says(watch, 1.0, [], "no partitions are assigned and recovered yet", worker="surplus")
    assert watch.health(1.0, NOW_MS).problems == [f"S{STILL[1:]} (worker a)."]


def test_a_silence_in_which_nobody_could_be_heard_says_nothing():
    watch = WorkerWatch(1, 0.0)
    says(watch, 1.0, [0])
    watch.not_listening(60.0)
    assert watch.health(61.0, NOW_MS).problems == []


def test_old_figures_are_said_where_nothing_else_is():
    watch = WorkerWatch(1, 0.0)
    says(watch, 1.0, [0], ago=OLD_AFTER_MS + 60_000)
    assert watch.health(1.0, NOW_MS).problems == [
        "Figures are complete up to 2 min ago: nothing newer has come, or it is not read yet."
    ]


def test_what_is_no_status_is_refused():
    with pytest.raises(msgspec.DecodeError):
        WorkerWatch(1, 0.0).take(b"{}", 0.0)
