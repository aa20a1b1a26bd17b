"""A worker that is asked to end does, wherever it is."""

import os
import signal
import time
from pathlib import Path

from streams.administration import ensure_topics
from streams.embedded.broker import embedded_broker
from tests.servers.worker import WorkerProcess, wait_for


def test_a_worker_whose_broker_falls_silent_while_it_starts_ends_when_asked(
    settings_for, tmp_path: Path
) -> None:
    with embedded_broker() as broker:
        settings = settings_for(broker)
        ensure_topics(settings, create=True)
        worker = WorkerProcess(settings, tmp_path)
        try:
            wait_for("it is starting", lambda: "BatchConsumerThread" in worker.log.read_text())
            os.kill(broker.pid, signal.SIGSTOP)
            time.sleep(2)
            assert worker.get("/readyz")[0] == 503
            assert worker.terminate() == 0
        finally:
            worker.kill()
