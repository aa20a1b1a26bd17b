"""Starting a worker where something is wrong: one sentence that says what, and the right exit code."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient, NewTopic

from streams.embedded.broker import BrokerHandle, embedded_broker
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import last_revisions, published, write
from tests.support.servers.worker import WorkerProcess, running_worker, variables, wait_for

SettingsFor = Callable[..., Settings]


def refused(settings: Settings, **overrides: str) -> tuple[int, str]:
    """Exit code and standard error of a worker that must not start."""
    done = subprocess.run(
        [sys.executable, "-m", "streams", "worker"],
        env=variables(settings, **overrides),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ROISTREAM_PARTITIONS", "none", "ROISTREAM_PARTITIONS"),
        ("ROISTREAM_GRACE", "soon", "ROISTREAM_GRACE"),
        ("ROISTREAM_TIMEZONE", "Mars/Olympus", "ROISTREAM_TIMEZONE"),
        ("ROISTREAM_REPORTING_CURRENCY", "euro", "ROISTREAM_REPORTING_CURRENCY"),
        ("ROISTREAM_BROKER", "http://x", "ROISTREAM_BROKER"),
        ("ROISTREAM_GAUGE_WINDOWS", "1h,2h", "ROISTREAM_GAUGE_WINDOWS"),
        ("ROISTREAM_REDIS_URL", "nonsense", "ROISTREAM_REDIS_URL"),
        ("ROISTREAM_WINDOW", "1h", "ROISTREAM_WINDOW"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence_that_names_it(
    broker: BrokerHandle, settings_for: SettingsFor, name: str, value: str, says: str
) -> None:
    code, error = refused(settings_for(broker), **{name: value})
    assert code == 2
    last = error.strip().splitlines()[-1]
    assert says in last
    assert "Traceback" not in error


def test_an_absent_broker_is_named_retried_and_given_up(settings_for: SettingsFor) -> None:
    port = free_ports(1)[0]
    nowhere = Settings(broker=f"kafka://127.0.0.1:{port}", broker_wait="3s")
    code, error = refused(nowhere)
    assert code == 2
    assert f"127.0.0.1:{port}" in error
    assert "Traceback" not in error


def test_topics_with_another_number_of_partitions_are_refused(
    broker: BrokerHandle, settings_for: SettingsFor
) -> None:
    settings = settings_for(broker)
    admin = KafkaAdminClient(**kafka_python_options(settings))
    admin.create_topics([NewTopic(settings.topic("leads"), 7, 1)])
    admin.close()
    code, error = refused(settings)
    assert code == 2
    assert "leads" in error
    assert "7" in error


def test_a_state_made_with_another_number_of_partitions_is_refused(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker, partitions=2)
    with running_worker(settings, tmp_path) as worker:
        assert worker.terminate() == 0
    more = settings.model_copy(update={"partitions": 3})
    code, error = refused(more)
    assert code == 2
    assert "ROISTREAM_TOPIC_PREFIX" in error or "partitions" in error


def test_a_taken_port_is_named(broker: BrokerHandle, settings_for: SettingsFor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, error = refused(settings_for(broker), ROISTREAM_HTTP_PORT=str(port))
    assert code == 2
    assert str(port) in error


def test_without_redis_kpis_flow_on_and_readyz_tells(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    port = free_ports(1)[0]
    settings = settings_for(broker, redis_url=f"redis://:secret@127.0.0.1:{port}/0")
    ensure_topics(settings, create=True)
    with running_worker(settings, tmp_path) as worker:
        write(
            settings,
            [("ad-clicks", b"v", {"event_id": "e", "occurred_at": 1_790_000_000_000, "campaign_id": "c"})],
        )
        wait_for(
            "the click is published", lambda: ("c", "total", None) in last_revisions(published(settings))
        )
        facts = wait_for("readyz tells of redis", lambda: _facts_with(worker, "down"))
        assert "secret" not in json.dumps(facts)
        assert "secret" not in worker.log.read_text()


def test_a_worker_leaves_nothing_where_it_was_started(
    broker: BrokerHandle,
    settings_for: SettingsFor,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    started = tmp_path_factory.mktemp("started")
    monkeypatch.chdir(started)
    with running_worker(settings_for(broker), tmp_path) as worker:
        assert worker.terminate() == 0
    assert list(started.iterdir()) == []


def _facts_with(worker: WorkerProcess, redis: str) -> dict[str, object] | None:
    facts = worker.facts()
    return facts if facts["redis"] == redis else None


def test_readyz_tells_when_the_broker_goes_away(settings_for: SettingsFor, tmp_path: Path) -> None:
    with embedded_broker() as handle:
        settings = settings_for(handle)
        with running_worker(settings, tmp_path) as worker:
            handle.stop()
            wait_for("readyz tells of the broker", lambda: _is_unready(worker, "broker"), 30)


def _is_unready(worker: WorkerProcess, word: str) -> bool:
    status, body = worker.get("/readyz")
    return status == 503 and word in body
