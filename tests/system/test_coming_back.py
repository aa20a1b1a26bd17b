"""A worker that ends and comes back under its identity keeps its partitions; two under one identity are told apart."""

import re
import time
from pathlib import Path
from typing import Any

from streams import topics
from tests.support.outside import write
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

#: The default; a rebalance would wait for it.
SESSION = "30s"


def assignments(worker: WorkerProcess) -> list[tuple[str, str, int]]:
    """Partitions, identity and generation of each assignment that a worker had."""
    found = re.findall(
        r"Partitions (\[.*\]) are assigned to (\S+) in generation (\d+)", worker.log.read_text()
    )
    return [(partitions, name, int(generation)) for partitions, name, generation in found]


def click(settings: Any, number: int) -> None:
    value = {
        "event_id": f"e-{number}",
        "occurred_at": int(time.time() * 1000),
        "campaign_id": f"c-{number}",
        "cost": 1,
    }
    write(settings, [(topics.CLICKS, b"v-%d" % number, value)])


def counted(*workers: WorkerProcess) -> float:
    return sum(sum(each.samples()["campaign_clicks_total"].values()) for each in workers)


def test_a_worker_that_is_killed_and_comes_back_has_its_partitions_without_a_rebalance(
    broker, settings_for, tmp_path: Path
) -> None:
    settings = settings_for(broker, partitions=2, session_timeout=SESSION)
    with running_worker(settings, tmp_path, "first") as first:
        click(settings, 1)
        wait_for("the click is counted", lambda: counted(first) == 1)
        first.kill()
        click(settings, 2)
        with running_worker(settings, tmp_path, "again") as again:
            ((*before, generation),) = assignments(first)
            assert assignments(again) == [(*before, generation)], "no rebalance"
            wait_for("both clicks are counted", lambda: counted(again) == 2)


def test_the_others_keep_theirs_while_one_comes_back(broker, settings_for, tmp_path: Path) -> None:
    settings = settings_for(broker, partitions=2, session_timeout=SESSION)
    with running_worker(settings, tmp_path, "stays") as stays:
        first = WorkerProcess(settings, tmp_path, "first")
        try:
            wait_for(
                "both have a partition", lambda: assignments(first) and first.is_ready() and stays.is_ready()
            )
            before = assignments(stays)
            first.kill()
            with running_worker(settings, tmp_path, "again") as again:
                assert assignments(again)[-1] == assignments(first)[-1]
                assert assignments(stays) == before, "nobody else let go of anything"
                for number in range(20):
                    click(settings, number)
                wait_for("all clicks are counted", lambda: counted(stays, again) == 20)
        finally:
            if first.process.poll() is None:
                first.kill()


def test_who_ends_in_order_is_not_waited_for(broker, settings_for, tmp_path: Path) -> None:
    settings = settings_for(broker, partitions=1, session_timeout=SESSION)
    with running_worker(settings, tmp_path, "first") as first:
        surplus = WorkerProcess(settings, tmp_path, "surplus")
        try:
            (held,) = wait_for("the other is in the group", lambda: assignments(surplus))
            assert held[0] == "[]", "one partition is one worker's"
            assert first.terminate() == 0
            # Well within the session timeout.
            wait_for("the other has the partition", surplus.is_ready, 20)
        finally:
            surplus.kill()


def test_a_second_worker_under_one_name_on_this_machine_is_refused(
    broker, settings_for, tmp_path: Path
) -> None:
    settings = settings_for(broker, partitions=1, instance_id="twin")
    with running_worker(settings, tmp_path, "first") as first:
        second = WorkerProcess(settings, tmp_path, "second")
        assert second.process.wait(60) != 0
        assert "another worker of this deployment runs as 'twin' on this machine" in second.tail()
        assert first.is_ready()


def test_of_two_workers_under_one_name_on_two_machines_one_ends_with_the_reason_and_figures_are_right(
    broker, settings_for, tmp_path: Path
) -> None:
    settings = settings_for(broker, partitions=1, instance_id="twin")
    elsewhere = {"module": "tests.support.servers.elsewhere"}
    first = WorkerProcess(settings, tmp_path, "first")
    second: WorkerProcess | None = None
    try:
        first.wait_ready()
        click(settings, 1)
        wait_for("the click is counted", lambda: counted(first) == 1)
        second = WorkerProcess(settings, tmp_path, "second", **elsewhere)
        numbers = iter(range(2, 10_000))
        sent = 1

        def one_has_ended() -> bool:
            nonlocal sent
            sent = next(numbers)
            click(settings, sent)
            return first.process.poll() is not None or second.process.poll() is not None

        wait_for("one has ended", one_has_ended, 90)
        ended, stays = (first, second) if first.process.poll() is not None else (second, first)
        assert "two workers run under one ROISTREAM_INSTANCE_ID (here 'twin')" in ended.log.read_text()
        wait_for("the other is ready", stays.is_ready)
        wait_for("each click is counted once", lambda: counted(stays) == sent)
    finally:
        for each in (first, second):
            if each is not None and each.process.poll() is None:
                each.kill()
