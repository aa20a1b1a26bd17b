"""The embedded broker: Apache Kafka in KRaft mode, one node, on loopback. It is for the demo, the stack and the tests.

Small where a deployment is large: little heap, few threads, internal topics of few partitions. What it answers is what
any Apache Kafka of its version answers.
"""

import contextlib
import fcntl
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from metrics.values.errors import RoistreamError
from streams.embedded.child_process import (
    LOOPBACK,
    Command,
    Server,
    ServerError,
    free_ports,
    is_listening,
    server_folder,
    start_server,
)
from streams.embedded.jars import kafka_jars
from streams.embedded.java import java_program

#: The serial collector and the first compiler alone: fewest threads and pages, and the start is fastest.
_TUNING = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
#: Megabytes of heap. Enough for some hundreds of partitions; taken whole, so that it does not grow for hours.
_HEAP_MB = 160
_START_WITHIN_S = 60
_FORMAT_WITHIN_S = 60
_DATA = "data"
_STOP_WITHIN_S = 30
_LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c - %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""
#: Lines of server.properties that hold for every broker here.
COMMON_PROPERTIES: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    # A killed broker may register again only when its old session is over.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "message.max.bytes": str(16 * 1024 * 1024),
    "replica.fetch.max.bytes": str(16 * 1024 * 1024),
    # It is taken from the heap at the start, 128 MB by default.
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
    # As in production: a topic that nobody created is an error to see, not to hide.
    "auto.create.topics.enable": "false",
}


@dataclass
class BrokerHandle:
    """A running embedded broker; ``restart`` gives the same address, topics and records again.

    Attributes:
        port: of the listener without security.
        server: the process.
        ports: of further listeners, by their names.
    """

    port: int
    server: Server
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address, as ``ROISTREAM_BROKER`` names it."""
        return f"kafka://{self.address}"

    @property
    def address(self) -> str:
        """Its address as client libraries want it: ``host:port``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        return self.server.pid

    def stop(self) -> None:
        """End it; what it holds stays in its folder."""
        self.server.stop(_STOP_WITHIN_S)

    def kill(self) -> None:
        """End it as a crash would."""
        self.server.kill()

    def restart(self) -> None:
        """Start it again, on its data.

        Raises:
            ServerError: when it does not start.
        """
        self.stop()
        self.server.start_again()
        self.server.wait_until(lambda: answers_metadata(self.port), _START_WITHIN_S)


@contextlib.contextmanager
def embedded_broker(
    keep: Path | None = None,
    properties: Mapping[str, str] | None = None,
    listeners: Sequence[str] = (),
    format_options: Sequence[str] = (),
    heap_mb: int = _HEAP_MB,
) -> Iterator[BrokerHandle]:
    """A broker on free ports for as long as the context lasts.

    Enter it from a thread that lives as long as the broker is needed: it ends with that thread.

    Args:
        keep: the folder of its data, which stays, and is taken up again when it holds some; None: a temporary one.
        properties: further lines of server.properties.
        listeners: security protocols of listeners beside the plain one.
        format_options: further options of Kafka's storage tool.
        heap_mb: megabytes of heap; one broker of a whole test suite holds thousands of partitions.

    Raises:
        RoistreamError: when Java or the jars cannot be had, or the broker does not start; the text says what to do.
    """
    java_program(), kafka_jars()  # what may be missing is said before anything is made
    ports: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(server_folder("broker") if keep is None else _taken(keep))
        command = kafka_command(folder, "kafka.Kafka", "server.properties", heap_mb=heap_mb)

        def command_at(port: int) -> Command:
            controller, *others = free_ports(1 + len(listeners))
            ports.update(zip(listeners, others, strict=True))
            own = _single_node(folder, controller, {"PLAINTEXT": port, **ports})
            write_configuration(folder, {**COMMON_PROPERTIES, **own, **(properties or {})})
            if not (folder / _DATA / "meta.properties").exists():
                format_storage(folder, new_cluster_id(), format_options)
            return command

        server, port = start_server("embedded broker", command_at, answers_metadata, folder, _START_WITHIN_S)
        handle = BrokerHandle(port, server, ports)
        stack.callback(handle.stop)
        yield handle


@contextlib.contextmanager
def _taken(folder: Path) -> Iterator[Path]:
    """A folder of the user's, for as long as the context lasts nobody else's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "in-use").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder.resolve()
    except BlockingIOError as error:
        raise RoistreamError(
            f"{folder} is in use by another embedded broker; end that one, or name another folder with --keep."
        ) from error


def _single_node(folder: Path, controller: int, ports: Mapping[str, int]) -> dict[str, str]:
    addresses = ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items())
    protocols = ",".join(["CONTROLLER:PLAINTEXT", *(f"{name}:{name}" for name in ports)])
    return {
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "listeners": f"{addresses},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": addresses,
        "listener.security.protocol.map": protocols,
        "log.dirs": str(folder / _DATA),
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }


def kafka_command(folder: Path, main: str, *arguments: str, heap_mb: int = _HEAP_MB) -> Command:
    """A program of Apache Kafka: the broker, or one of its tools.

    Args:
        folder: where it runs; libraries of C that it unpacks go there too.
        main: the Java class.
        arguments: of the program.
        heap_mb: its heap.

    Raises:
        RoistreamError: when Java or the jars cannot be had.
    """
    own = [f"-Dlog4j2.configurationFile={folder}/log4j2.properties", f"-Djava.io.tmpdir={folder}"]
    path = ":".join(map(str, kafka_jars()))
    return Command(
        [java_program(), f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m", *_TUNING, *own, "-cp", path, main, *arguments]
    )


def write_configuration(folder: Path, properties: Mapping[str, str]) -> None:
    """The files of a broker: ``server.properties``, and its logging."""
    (folder / "log4j2.properties").write_text(_LOG4J)
    lines = [f"{name}={value}\n" for name, value in properties.items()]
    (folder / "server.properties").write_text("".join(lines))


def new_cluster_id() -> str:
    """An id as Kafka makes them; never beginning with a hyphen, which would be read as an option."""
    return "c" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]


def format_storage(folder: Path, cluster_id: str, options: Sequence[str] = ()) -> None:
    """Make the data folder that ``server.properties`` names.

    Raises:
        ServerError: when Kafka refuses; the text holds what it says.
    """
    arguments = ["format", f"--cluster-id={cluster_id}", "--config", "server.properties", *options]
    command = kafka_command(folder, "kafka.tools.StorageTool", *arguments)
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            command.arguments,
            cwd=folder,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_FORMAT_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"Kafka's storage tool did not end within {_FORMAT_WITHIN_S} s.") from error
    if done.returncode != 0:
        raise ServerError(f"Kafka's storage tool refuses {folder}: {(done.stdout + done.stderr)[-500:]}")


def answers_metadata(port: int) -> bool:
    """Whether a Kafka broker there answers a metadata request."""
    if not is_listening(port):  # quiet: a client would log each refused connection
        return False
    try:
        admin = KafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{port}", bootstrap_timeout_ms=5_000)
    except KafkaError:
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()
