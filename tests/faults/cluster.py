"""Apache Kafka with one broker or three, whose brokers can be killed and whose second listener is proxied."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient

from streams.embedded.broker import (
    COMMON_PROPERTIES,
    answers_metadata,
    format_storage,
    kafka_command,
    new_cluster_id,
    write_configuration,
)
from streams.embedded.child_process import LOOPBACK, Command, Server, free_ports, server_folder
from tests.faults.patience import bootstrap_timeout_ms, patient
from tests.faults.proxy import Proxy, running_proxy

_HEAP_MB = {1: 512, 3: 320}
_START_WITHIN_S = 90


@dataclass
class Node:
    """One broker and controller."""

    number: int
    port: int
    controller_port: int
    proxied_port: int
    proxy_port: int
    folder: Path
    command: Command
    server: Server | None = None

    @property
    def is_running(self) -> bool:
        return self.server is not None and self.server.is_running

    def start(self) -> None:
        if not self.is_running:
            self.server = Server(f"Kafka broker {self.number}", self.command, self.folder)

    def wait(self) -> None:
        assert self.server is not None, "started"
        self.server.wait_until(lambda: answers_metadata(self.port), patient(_START_WITHIN_S))

    def kill(self) -> None:
        if self.server is not None:
            self.server.kill()

    def stop(self) -> None:
        """End it in order; its data is whole."""
        if self.server is not None:
            self.server.stop(patient(_START_WITHIN_S))


class Cluster:
    """The nodes, and the proxy that one worker reaches them through."""

    def __init__(self, nodes: list[Node], proxy: Proxy) -> None:
        self.nodes = nodes
        self.proxy = proxy

    @property
    def url(self) -> str:
        return ",".join(f"kafka://{LOOPBACK}:{node.port}" for node in self.nodes)

    @property
    def proxied_url(self) -> str:
        return ",".join(f"kafka://{LOOPBACK}:{node.proxy_port}" for node in self.nodes)

    def leader(self, topic: str, partition: int) -> Node:
        """The node that leads a partition."""
        with self.admin() as admin:
            (found,) = admin.describe_topics([topic])
        leaders = {each["partition_index"]: each["leader_id"] for each in found["partitions"]}
        return next(node for node in self.nodes if node.number == leaders[partition])

    def controller(self) -> Node:
        """The node that leads the metadata quorum."""
        with self.admin() as admin:
            quorum = admin.describe_metadata_quorum()
        (metadata,) = quorum["topics"][0]["partitions"]
        return next(node for node in self.nodes if node.number == metadata["leader_id"])

    def heal(self) -> None:
        """Start what is down, and wait until all answer."""
        self.proxy.mend()
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait()

    @contextlib.contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        living = [f"{LOOPBACK}:{node.port}" for node in self.nodes if node.is_running]
        admin = KafkaAdminClient(bootstrap_servers=living, bootstrap_timeout_ms=bootstrap_timeout_ms())
        try:
            yield admin
        finally:
            admin.close()

    def delete_topics(self, prefix: str) -> None:
        """A sequence is over: its topics go, so that the next ones find a small cluster."""
        with self.admin() as admin:
            admin.delete_topics([name for name in admin.list_topics() if name.startswith(prefix)])


@contextlib.contextmanager
def running_cluster(size: int) -> Iterator[Cluster]:
    """A fresh cluster of `size` nodes in a temporary folder; enter it from the main thread."""
    with server_folder("cluster") as folder, contextlib.ExitStack() as stack:
        nodes = _nodes(size, folder)
        proxy = stack.enter_context(running_proxy({node.proxy_port: node.proxied_port for node in nodes}))
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        for node in nodes:
            node.wait()
        yield Cluster(nodes, proxy)


def _nodes(size: int, folder: Path) -> list[Node]:
    ports = iter(free_ports(4 * size))
    cluster = new_cluster_id()
    nodes = []
    for number in range(1, size + 1):
        home = folder / f"node-{number}"
        home.mkdir()
        command = kafka_command(home, "kafka.Kafka", "server.properties", heap_mb=_HEAP_MB[size])
        nodes.append(Node(number, next(ports), next(ports), next(ports), next(ports), home, command))
    for node in nodes:
        write_configuration(node.folder, {**COMMON_PROPERTIES, **_properties(node, nodes)})
        format_storage(node.folder, cluster)
    return nodes


def _properties(node: Node, nodes: list[Node]) -> dict[str, str]:
    copies = str(len(nodes))
    least = str(max(1, len(nodes) - 1))
    listeners = {"PLAINTEXT": node.port, "PROXIED": node.proxied_port, "CONTROLLER": node.controller_port}
    advertised = {"PLAINTEXT": node.port, "PROXIED": node.proxy_port}
    return {
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(
            f"{each.number}@{LOOPBACK}:{each.controller_port}" for each in nodes
        ),
        "listeners": _addresses(listeners),
        "advertised.listeners": _addresses(advertised),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
        "log.dirs": str(node.folder / "data"),
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": least,
        "default.replication.factor": copies,
        "min.insync.replicas": least,
        # A transaction of a killed worker is aborted soon after its timeout, not up to 10 s later.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    }


def _addresses(ports: dict[str, int]) -> str:
    return ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items())
