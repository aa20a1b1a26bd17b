"""A real Apache Kafka in KRaft mode from its Maven artifacts, one process, on loopback.

`start_kafka` is a function, so a test may have several, and may stop or kill one by its handle.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from streams.embedded.broker import answers_metadata
from streams.embedded.child_process import LOOPBACK, Command, Server, free_ports, server_folder

_POM = Path(__file__).with_name("pom.xml")
#: Ignored by git; the artifacts are fetched once per checkout and pom.xml.
_ARTIFACTS = Path(__file__).parents[3] / ".kafka"
_LOG4J = """\
log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c - %m%n
"""


class KafkaUnavailableError(Exception):
    """This machine cannot run Apache Kafka; the text says what is missing."""


@dataclass(frozen=True)
class Security:
    """Listeners with TLS and SASL beside the plain one, on which the broker talks to itself.

    `keystore` is a PEM file of the key and the certificate. Every user has one password, known to PLAIN
    and to both kinds of SCRAM; the latter are written when the storage is formatted.
    """

    keystore: Path
    users: Mapping[str, str]

    def properties(self) -> dict[str, str]:
        """Lines of server.properties, beside the listeners themselves."""
        known = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        modules = {"plain": plain, "scram-sha-256": scram, "scram-sha-512": scram}
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        } | {
            f"listener.name.{listener.lower()}.{mechanism}.sasl.jaas.config": module
            for listener in ("SASL_SSL", "SASL_PLAINTEXT")
            for mechanism, module in modules.items()
        }

    def format_options(self) -> list[str]:
        """Options of the storage tool."""
        return [
            f"--add-scram={mechanism}=[name={name},password={password}]"
            for name, password in self.users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]


@dataclass
class KafkaHandle:
    """A running Kafka; `restart` gives the same address, topics and records again.

    `ports` are those of the secured listeners, by security protocol.
    """

    port: int
    command: Command
    folder: Path
    server: Server
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"kafka://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        return self.server.pid

    def stop(self) -> None:
        self.server.stop(30)

    def kill(self) -> None:
        self.server.kill()

    def restart(self) -> None:
        self.stop()
        self.server = _run(self.command, self.folder, self.port)


@contextlib.contextmanager
def start_kafka(
    overrides: dict[str, str] | None = None, security: Security | None = None
) -> Iterator[KafkaHandle]:
    """A fresh Kafka with its data in a temporary folder; both are gone afterwards.

    `overrides` are lines of server.properties; `security` adds listeners.
    """
    libraries = fetch_artifacts()
    with server_folder("kafka") as folder:
        port, controller, *others = free_ports(5)
        ports = dict(zip(("SSL", "SASL_SSL", "SASL_PLAINTEXT"), others, strict=True)) if security else {}
        properties = _properties(folder, controller, {"PLAINTEXT": port} | ports)
        _write_configuration(
            folder, properties | (security.properties() if security else {}) | (overrides or {})
        )
        _format_storage(folder, libraries, security.format_options() if security else [])
        command = _java(folder, libraries, "kafka.Kafka", "server.properties")
        handle = KafkaHandle(port, command, folder, _run(command, folder, port), ports)
        try:
            yield handle
        finally:
            handle.stop()


def _run(command: Command, folder: Path, port: int) -> Server:
    server = Server("Apache Kafka", command, folder)
    server.wait_until(lambda: answers_metadata(port), 60)
    return server


@cache
def fetch_artifacts() -> Path:
    """The folder of Kafka's jars; fetched when absent or when pom.xml has changed."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise KafkaUnavailableError(f"{program} is not installed (Debian: default-jre-headless, maven)")
    _ARTIFACTS.mkdir(exist_ok=True)
    with (_ARTIFACTS / "lock").open("w") as lock:  # two test runs may begin at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = _ARTIFACTS / "pom.xml"
        if not (stamp.exists() and stamp.read_bytes() == _POM.read_bytes()):
            _copy_dependencies(_ARTIFACTS / "libs")
            shutil.copyfile(_POM, stamp)
    return _ARTIFACTS / "libs"


def _copy_dependencies(libraries: Path) -> None:
    shutil.rmtree(libraries, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={libraries}"]
    done = subprocess.run(
        ["mvn", "-q", "-B", "-f", str(_POM), *goal],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise KafkaUnavailableError(f"Maven cannot fetch Apache Kafka: {(done.stdout + done.stderr)[-500:]}")


def _java(folder: Path, libraries: Path, main: str, *arguments: str) -> Command:
    java = shutil.which("java")
    assert java is not None
    # A broker of a test lives for minutes: compiling it thoroughly costs more than it brings.
    tuning = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    options = [*tuning, f"-Dlog4j.configuration=file:{folder}/log4j.properties"]
    kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "HOME") if name in os.environ}
    return Command([java, *options, "-cp", f"{libraries}/*", main, *arguments], kept)


def _write_configuration(folder: Path, properties: dict[str, str]) -> None:
    (folder / "log4j.properties").write_text(_LOG4J)
    lines = [f"{name}={value}\n" for name, value in properties.items()]
    (folder / "server.properties").write_text("".join(lines))


def _format_storage(folder: Path, libraries: Path, options: list[str]) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # An id that begins with "-" would be read as an option.
    arguments = ["format", f"--cluster-id={cluster}", "--config", "server.properties", *options]
    command = _java(folder, libraries, "kafka.tools.StorageTool", *arguments)
    done = subprocess.run(
        command.arguments,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise KafkaUnavailableError(f"StorageTool format failed: {(done.stdout + done.stderr)[-500:]}")


def _properties(folder: Path, controller: int, ports: dict[str, int]) -> dict[str, str]:
    listeners = ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items())
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": listeners,
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(
            ["CONTROLLER:PLAINTEXT", *(f"{each}:{each}" for each in ports)]
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker may register again only when its old session is over.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "message.max.bytes": str(16 * 1024 * 1024),
        "replica.fetch.max.bytes": str(16 * 1024 * 1024),
        # As in production: a topic that nobody created is an error to see, not to hide.
        "auto.create.topics.enable": "false",
    }
