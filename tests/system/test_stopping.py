"""Who is asked to end does, also while it waits for a broker."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from streams.embedded.broker import embedded_broker
from streams.transport.topic_admin import ensure_topics
from tests.support.board_serving import TOKEN
from tests.support.servers.worker import WorkerProcess, variables, wait_for


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
            os.kill(broker.pid, signal.SIGCONT)


def test_a_board_whose_broker_never_answers_ends_when_asked(settings_for) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"kafka://127.0.0.1:{silent.getsockname()[1]}"
        told = {"board_token": TOKEN, "board_port": 0, "redis_url": "redis://127.0.0.1:1"}
        settings = settings_for(SimpleNamespace(url=url), **told)
        board = subprocess.Popen([sys.executable, "-m", "streams", "board"], env=variables(settings))
        try:
            silent.settimeout(30)
            connection, _ = silent.accept()
            with connection:
                board.send_signal(signal.SIGTERM)
                assert board.wait(10) == -signal.SIGTERM
        finally:
            board.kill()
            board.wait(10)
