"""Who is asked to end does, also while it waits for a broker."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from streams.embedded.broker import BrokerHandle, embedded_broker
from streams.transport.topic_admin import ensure_topics
from tests.support.board_serving import TOKEN
from tests.support.servers.worker import WorkerProcess, variables, wait_for

_ESTABLISHED = "01"


def has_unread_request(broker: BrokerHandle) -> bool:
    """Whether somebody has sent what a broker has not read, by the kernel's table of connections."""
    port = f"{int(broker.url.rpartition(':')[2]):04X}"
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, queues, *_ = row.split()
            if (local.rpartition(":")[2], state) == (port, _ESTABLISHED) and queues.rpartition(":")[
                2
            ] != "00000000":
                return True
    return False


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
            wait_for("it waits for an answer", lambda: has_unread_request(broker))
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
