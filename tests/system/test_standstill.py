"""A stage that stands still while the others get on is heard of: page, log, alert, board."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from tests.support.outside import write
from tests.support.servers.worker import WorkerProcess, wait_for

WITHIN_S = 30


@contextmanager
def holdable_worker(settings: Any, folder: Path) -> Iterator[tuple[WorkerProcess, Path]]:
    """A worker that reads clicks and makes figures of them, and the file that holds a part of it still."""
    file = folder / "standstill"
    worker = WorkerProcess(
        settings, folder, module="tests.support.servers.standing_still", STANDSTILL=str(file)
    )
    try:
        worker.wait_ready()
        yield worker, file
    finally:
        if worker.process.poll() is None:
            worker.kill()


def click(settings: Any, number: int) -> None:
    now = int(time.time() * 1000)
    value = {"event_id": f"e-{number}", "occurred_at": now, "campaign_id": "c-1", "cost": 1}
    write(settings, [(topics.CLICKS, b"v", value)])


def counted(worker: WorkerProcess) -> float:
    return sum(worker.samples()["campaign_clicks_total"].values())


@pytest.mark.parametrize("part", ["consumer", "thread"])
def test_stage_two_held_still_is_named_by_readyz_the_log_and_the_metrics(
    broker, settings_for, tmp_path: Path, part: str
) -> None:
    settings = settings_for(broker, partitions=1)
    with holdable_worker(settings, tmp_path) as (worker, file):
        click(settings, 1)
        wait_for("the click is counted", lambda: counted(worker) == 1)
        wait_for("figures have a watermark", lambda: worker.samples()["roistream_figures_delay_seconds"])
        began = time.monotonic()
        file.write_text(part)
        numbers = iter(range(2, 1_000))

        def is_named() -> bool:
            click(settings, next(numbers))  # traffic goes on
            status, body = worker.get("/readyz")
            stage = "merge" if part == "consumer" else "intake"
            reasons = " ".join(json.loads(body)["reasons"]) if status else ""
            return status == 503 and f"stage {stage} of partition 0 stands still" in reasons

        wait_for("/readyz names the stage", is_named, WITHIN_S)
        log = worker.log.read_text()
        assert "stands still" in log
        assert "The worker ends when that lasts" in log
        samples = worker.samples()
        assert samples["roistream_ready"][()] == 0
        still = samples["roistream_stage_standstill_seconds"]
        stuck = "merge" if part == "consumer" else "intake"
        assert still[("partition", "0"), ("stage", stuck)] > 10
        if part == "consumer":
            assert still[("partition", "0"), ("stage", "intake")] < 10, "stage one gets on"
            assert (
                samples["roistream_consumer_lag_records"][("partition", "0"), ("topic", topics.PARTIALS)] > 0
            )
            delay = samples["roistream_figures_delay_seconds"][(("partition", "0"),)]
            assert delay > samples["roistream_watermark_delay_seconds"][(("partition", "0"),)]
        assert time.monotonic() - began < 2 * WITHIN_S
        file.unlink()
        if part == "consumer":
            wait_for("it is ready again", worker.is_ready)


def test_an_event_loop_that_stage_two_blocks_is_said_by_the_watchdog(
    broker, settings_for, tmp_path: Path
) -> None:
    settings = settings_for(broker, partitions=1)
    with holdable_worker(settings, tmp_path) as (worker, file):
        click(settings, 1)
        wait_for("the click is counted", lambda: counted(worker) == 1)
        file.write_text("loop")
        click(settings, 2)
        said = "The event loop has not turned"
        wait_for("the watchdog says so", lambda: said in worker.log.read_text(), WITHIN_S)
