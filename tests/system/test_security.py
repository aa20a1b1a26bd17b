"""Kafka with TLS and SASL: every command works through it, and every way to be kept out is told at once."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from metrics.values.errors import RoistreamError
from streams.embedded.broker import BrokerHandle
from streams.embedded.child_process import free_ports
from streams.runtime import process_tuning
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options
from streams.transport.topic_admin import ensure_topics, wait_for_broker
from tests.support.servers.certificates import Authority
from tests.support.servers.kafka import Security, secured_broker
from tests.support.servers.worker import running_worker, variables

SettingsFor = Callable[..., Settings]

USER, PASSWORD = "roi", "pass'w/rd+of:kafka@7"
WRONG = "wr0ng-and-still-secret"
#: Less than the minute for which these tests wait for a broker, and more than a start takes on a machine with much to do.
AT_ONCE_S = 50
MAPPING = """
description = "orders"
[columns]
occurred_at = "time"
revenue = "number"
[[select]]
topic = "orders"
key = ["customer_id"]
id = ["order_id"]
sql = "SELECT order_id, occurred_at, revenue, customer_id FROM rows"
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "kafka")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that has signed nothing here."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def kafka(authority: Authority) -> Iterator[BrokerHandle]:
    certificate = authority.sign("broker", addresses=("127.0.0.1",))
    with secured_broker(Security(certificate.combined, {USER: PASSWORD})) as handle:
        yield handle


@pytest.fixture
def secured(kafka: BrokerHandle, authority: Authority, settings_for: SettingsFor) -> Callable[..., Settings]:
    """Settings for one of the listeners, complete; keywords win."""

    def make(protocol: str, *, at: str | None = None, host: str = "127.0.0.1", **overrides: Any) -> Settings:
        port = ({"PLAINTEXT": kafka.port} | kafka.ports)[at or protocol]
        values: dict[str, Any] = {
            "broker": f"kafka://{host}:{port}",
            "broker_security_protocol": protocol,
            "broker_wait": "60s",
        }
        if protocol.endswith("SSL"):
            values["broker_ssl_cafile"] = authority.cafile
        if protocol.startswith("SASL"):
            values |= {"broker_sasl_username": USER, "broker_sasl_password": PASSWORD}
        return settings_for(None, **(values | overrides))

    return make


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams", *arguments],
        env=variables(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def first_line(settings: Settings, *arguments: str) -> str:
    """What a command that does not end by itself prints first; it is then asked to end."""
    with subprocess.Popen(
        [sys.executable, "-m", "streams", *arguments],
        env=variables(settings),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    return line


LISTENERS = [
    ("SSL", "PLAIN"),  # the mechanism plays no part
    ("SASL_SSL", "PLAIN"),
    ("SASL_SSL", "SCRAM-SHA-256"),
    ("SASL_SSL", "SCRAM-SHA-512"),
    ("SASL_PLAINTEXT", "SCRAM-SHA-512"),
]


@pytest.mark.parametrize(("protocol", "mechanism"), LISTENERS)
def test_every_command_works_through_a_secured_listener(
    secured: Callable[..., Settings], tmp_path: Path, protocol: str, mechanism: str
) -> None:
    settings = secured(protocol, broker_sasl_mechanism=mechanism, log_level="DEBUG")
    (tmp_path / "orders.toml").write_text(MAPPING)
    (tmp_path / "orders.csv").write_text(
        "order_id,occurred_at,revenue,customer_id\no-1,2026-11-21T10:00:00Z,12.5,v\n"
    )
    done = [command(settings, "topics")]
    with running_worker(settings, tmp_path) as worker:
        done.append(
            command(
                settings, "replay", str(tmp_path / "orders.csv"), "--mapping", str(tmp_path / "orders.toml")
            )
        )
        line = first_line(settings, "tail", "--from-beginning", "--json", "--window", "total")
        done.append(command(settings, "doctor"))
        pages = worker.get("/metrics")[1] + worker.get("/readyz")[1]
        assert worker.terminate() == 0
    assert [(each.returncode, each.stderr) for each in (done[0], done[2])] == [(0, "")] * 2
    assert done[1].returncode == 0, done[1].stderr
    assert json.loads(line)["sums"]["revenue_micros"] == 12_500_000
    told = "".join(each.stdout + each.stderr for each in done) + pages + worker.log.read_text()
    assert "roistream_ledger_events" in told
    assert PASSWORD not in told


# Who is kept out: protocol, what is different, and what the sentence must name.
KEPT_OUT = {
    "wrong password, PLAIN": (
        "SASL_SSL",
        {"broker_sasl_mechanism": "PLAIN", "broker_sasl_password": WRONG},
        f"refuses user '{USER}'; correct ROISTREAM_BROKER_SASL_USERNAME, _PASSWORD",
    ),
    "wrong password, SCRAM-SHA-256": (
        "SASL_SSL",
        {"broker_sasl_mechanism": "SCRAM-SHA-256", "broker_sasl_password": WRONG},
        f"refuses user '{USER}'",
    ),
    "wrong password, SCRAM-SHA-512": (
        "SASL_SSL",
        {"broker_sasl_password": WRONG},
        f"refuses user '{USER}'",
    ),
    "unknown user": ("SASL_PLAINTEXT", {"broker_sasl_username": "nobody"}, "refuses user 'nobody'"),
    "the system's authorities": (
        "SSL",
        {"broker_ssl_cafile": None},
        "is not trusted (unable to get local issuer certificate); set ROISTREAM_BROKER_SSL_CAFILE",
    ),
    "another name": ("SSL", {"host": "localhost"}, "is for another name"),
    "plaintext to TLS": (
        "PLAINTEXT",
        {"at": "SSL"},
        "speaks TLS; set ROISTREAM_BROKER_SECURITY_PROTOCOL to SSL,",
    ),
    "TLS to plaintext": (
        "SSL",
        {"at": "PLAINTEXT"},
        "does not speak TLS; set ROISTREAM_BROKER_SECURITY_PROTOCOL to PLAINTEXT,",
    ),
    "TLS without a user to SASL_SSL": (
        "SSL",
        {"at": "SASL_SSL"},
        "wants a user; set ROISTREAM_BROKER_SECURITY_PROTOCOL to SASL_SSL,",
    ),
    "plaintext without a user to SASL_PLAINTEXT": (
        "PLAINTEXT",
        {"at": "SASL_PLAINTEXT"},
        "wants a user; set ROISTREAM_BROKER_SECURITY_PROTOCOL to SASL_PLAINTEXT,",
    ),
    "a user to SSL": (
        "SASL_SSL",
        {"at": "SSL"},
        "takes no users there; set ROISTREAM_BROKER_SECURITY_PROTOCOL to SSL,",
    ),
    "an authority's file that is none": (
        "SSL",
        {"broker_ssl_cafile": __file__},
        "ROISTREAM_BROKER_SSL_CAFILE",
    ),
    "no password": ("SASL_SSL", {"broker_sasl_password": None}, "ROISTREAM_BROKER_SASL_PASSWORD"),
}


@pytest.mark.parametrize("case", KEPT_OUT)
def test_who_is_kept_out_is_told_in_one_sentence_and_at_once(
    secured: Callable[..., Settings], case: str
) -> None:
    protocol, changes, says = KEPT_OUT[case]
    began = time.monotonic()
    with pytest.raises(RoistreamError) as caught:
        wait_for_broker(secured(protocol, **changes), 60_000)
    assert time.monotonic() - began < AT_ONCE_S
    assert says in str(caught.value)
    assert "ROISTREAM_" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (PASSWORD, WRONG))


def test_a_certificate_of_another_authority_is_not_trusted(
    secured: Callable[..., Settings], stranger: Authority
) -> None:
    with pytest.raises(RoistreamError, match=r"is not trusted .* ROISTREAM_BROKER_SSL_CAFILE"):
        wait_for_broker(secured("SSL", broker_ssl_cafile=stranger.cafile), 60_000)


REFUSED = [
    (["worker"], 2),
    (["topics"], 2),
    (["tail"], 2),
    (["replay", "orders.csv", "--mapping", "orders.toml"], 2),
    (["doctor"], 1),
]


@pytest.mark.parametrize(("arguments", "code"), REFUSED, ids=[each[0][0] for each in REFUSED])
def test_each_command_ends_at_once_at_a_wrong_password_and_keeps_it_for_itself(
    secured: Callable[..., Settings], tmp_path: Path, arguments: list[str], code: int
) -> None:
    (tmp_path / "orders.toml").write_text(MAPPING)
    (tmp_path / "orders.csv").write_text(
        "order_id,occurred_at,revenue,customer_id\no,2026-11-21T10:00:00Z,1,v\n"
    )
    paths = [str(tmp_path / each) if each.startswith("orders.") else each for each in arguments]
    began = time.monotonic()
    done = command(secured("SASL_SSL", broker_sasl_password=WRONG), *paths)
    told = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in told, WRONG in told) == (code, False, False), told
    assert told.count(f"refuses user '{USER}'; correct ROISTREAM_BROKER_SASL_USERNAME") == 1
    assert len(done.stderr.splitlines()) == (0 if code == 1 else 1), done.stderr
    assert time.monotonic() - began < AT_ONCE_S


def test_an_absent_broker_is_waited_for(kafka: BrokerHandle, secured: Callable[..., Settings]) -> None:
    settings = secured("SASL_SSL")
    kafka.stop()
    with subprocess.Popen(
        [sys.executable, "-m", "streams", "topics"],
        env=variables(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as waiting:
        kafka.restart()
        output, errors = waiting.communicate(timeout=60)
    assert (waiting.returncode, errors) == (0, b"")
    assert b"created" in output


def test_what_answers_nothing_is_given_up_in_time(settings_for: SettingsFor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for protocol in ("PLAINTEXT", "SSL"):
            settings = Settings(broker=f"kafka://127.0.0.1:{port}", broker_security_protocol=protocol)
            began = time.monotonic()
            with pytest.raises(
                RoistreamError, match=r"within 2s \(what listens there does not answer\); start it"
            ):
                wait_for_broker(settings, 2_000)
            assert time.monotonic() - began < 20


def test_one_of_several_addresses_is_enough(kafka: BrokerHandle, secured: Callable[..., Settings]) -> None:
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    wait_for_broker(secured("SSL", host=f"{nowhere},127.0.0.1"), 10_000)
    with pytest.raises(RoistreamError, match=rf"{nowhere} within 1s \(connection refused\)"):
        wait_for_broker(Settings(broker=nowhere), 1_000)


def test_connections_over_tls_are_closed_within_seconds(
    kafka: BrokerHandle, secured: Callable[..., Settings]
) -> None:
    # Left alone, uvloop waits half a minute for a goodbye on some of them; recovery opens and closes many.
    settings = secured("SSL")
    ensure_topics(settings, create=True)

    async def read_and_close(number: int) -> None:
        consumer = AIOKafkaConsumer(group_id=None, fetch_max_wait_ms=50, **aiokafka_options(settings))
        consumer.assign([TopicPartition(settings.topic("leads"), number % settings.partitions)])
        await consumer.start()
        await consumer.getmany(timeout_ms=100)
        async with asyncio.timeout(10):
            await consumer.stop()

    async def many() -> None:
        await asyncio.gather(*(read_and_close(number) for number in range(24)))

    with asyncio.Runner(loop_factory=process_tuning.new_event_loop) as runner:
        runner.run(many())
