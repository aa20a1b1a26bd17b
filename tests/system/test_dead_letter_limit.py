"""A source that has gone wrong stops the worker with a clear message; an operator can let it pass."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams import topics
from streams.embedded.broker import BrokerHandle
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import last_revisions, published, read_all, write
from tests.support.servers.worker import WorkerProcess, running_worker, variables, wait_for


def test_past_the_limit_the_worker_ends_and_accepted_letters_let_it_go_on(
    broker: BrokerHandle, settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = settings_for(broker, dead_letters_in_a_row=40)
    ensure_topics(settings, create=True)
    good: list[Any] = [("ad-clicks", b"v", _click(number)) for number in range(20)]
    bad: list[Any] = [("ad-clicks", b"v", b'{"broken":') for _ in range(60)]
    counts = write(settings, [*good[:10], *bad, *good[10:]])
    stopped = WorkerProcess(settings, tmp_path, "stopped")
    wait_for("the worker ends", lambda: stopped.process.poll() is not None)
    assert stopped.process.returncode == 1
    log = stopped.log.read_text()
    assert "40 records in a row were refused" in log
    assert "--accept-dead-letters" in log
    assert "Traceback" not in log
    with running_worker(settings, tmp_path, "passing", arguments=["--accept-dead-letters", "60"]) as worker:
        read_all([worker], settings, counts)
        wait_for("all good clicks count", lambda: _clicks(settings) == 20)
        wait_for("all letters are written", lambda: len(_letters(settings)) == 60)
        assert worker.samples()["roistream_dead_letters_total"]


def _click(number: int) -> dict[str, Any]:
    return {"event_id": f"e-{number}", "occurred_at": int(time.time()) * 1000, "campaign_id": "c"}


def _clicks(settings: Settings) -> int:
    total = last_revisions(published(settings)).get(("c", "total", None))
    return total["sums"]["clicks"] if total else 0


def _letters(settings: Settings) -> set[int]:
    return {letter["offset"] for letter in published(settings, topics.DEAD_LETTERS)}


def test_a_negative_acceptance_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams", "worker", "--accept-dead-letters", "-1"],
        env=variables(Settings()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
