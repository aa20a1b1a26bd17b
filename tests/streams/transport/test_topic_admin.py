"""Topics by the administration client: the command, its table, and brokers that cannot be reached."""

import io
import time

import pytest
from kafka import KafkaAdminClient
from rich.console import Console

from metrics.values.errors import RoistreamError, SettingError
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.topics import TopicSpec, specs
from streams.transport.client_options import aiokafka_options, kafka_python_options
from streams.transport.topic_admin import TopicSurvey, connected_admin, ensure_topics, print_survey, run
from streams.transport.topic_differences import TopicDifference

CREDENTIALS = {"broker_sasl_username": "u", "broker_sasl_password": "p"}


def test_the_table_says_created_ok_or_differs() -> None:
    names = ("a", "b", "c")
    wrong = TopicDifference("c", "partitions", "c has [8] partitions where 4 are needed; do this.")
    survey = TopicSurvey([TopicSpec(name, 4) for name in names], ["b"], [wrong])
    out = io.StringIO()
    print_survey(survey, Console(file=out, width=40))
    lines = out.getvalue().splitlines()
    states = [next(line for line in lines if f" {name} " in line).split()[5] for name in names]
    assert states == ["ok", "created", "differs"]
    assert lines[-1] == wrong.sentence


# --- on both brokers ------------------------------------------------------------------------------


def test_missing_topics_are_created_once_and_then_found_as_they_should_be(
    broker, settings_for, capsys
) -> None:
    settings = settings_for(broker, partitions=3)
    names = [spec.name for spec in specs(settings.topic_prefix, 3)]
    assert [each.topic for each in ensure_topics(settings, create=False)] == names
    assert run(settings) == 0
    assert capsys.readouterr().out.count("created") == len(names)
    assert run(settings) == 0
    assert "created" not in capsys.readouterr().out
    assert ensure_topics(settings, create=False) == []


def test_an_existing_topic_that_differs_is_left_alone_and_named(broker, settings_for, capsys) -> None:
    settings = settings_for(broker, partitions=3)
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    admin.create_topics({settings.topic("orders"): {"num_partitions": 5, "replication_factor": 1}})
    admin.wait_for_topics([settings.topic("orders")])
    admin.close()
    found = ensure_topics(settings, create=True)
    assert [each.kind for each in found] == ["partitions", "config"]
    assert {each.topic for each in found} == {settings.topic("orders")}
    assert run(settings) == 1
    assert "has 5 partitions where 3 are needed" in capsys.readouterr().out


def test_too_many_replicas_are_refused_with_the_setting_to_correct(broker, settings_for) -> None:
    settings = settings_for(broker, replication_factor=3)
    with pytest.raises(RoistreamError, match=r"refuses to create .*ROISTREAM_REPLICATION_FACTOR"):
        ensure_topics(settings, create=True)


# --- connections ----------------------------------------------------------------------------------


def test_an_absent_broker_is_an_error_that_names_the_address_after_the_wait(capfd) -> None:
    (port,) = free_ports(1)
    settings = Settings(broker=f"kafka://127.0.0.1:{port}", broker_wait="300ms")
    began = time.monotonic()
    with pytest.raises(
        RoistreamError, match=rf"127\.0\.0\.1:{port} within 300ms \(connection refused\).*ROISTREAM_BROKER"
    ):
        ensure_topics(settings, create=False)
    assert time.monotonic() - began < 10
    assert capfd.readouterr().err == ""


def test_an_unknown_host_is_called_unknown() -> None:
    settings = Settings(broker="kafka://no-such-host.invalid:9092")
    with (
        pytest.raises(RoistreamError, match=r"no-such-host\.invalid is unknown"),
        connected_admin(settings, 200),
    ):
        pass


def test_plain_connections_have_no_credentials() -> None:
    settings = Settings(broker="kafka://a:1,kafka://b:2", **CREDENTIALS)
    expected = {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}
    assert kafka_python_options(settings) == aiokafka_options(settings) == expected


def test_sasl_over_ssl_has_credentials_and_checks_certificates() -> None:
    settings = Settings(broker_security_protocol="SASL_SSL", **CREDENTIALS)
    options = aiokafka_options(settings)
    assert options["ssl_context"].check_hostname
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("u", "p")


@pytest.mark.parametrize("missing", ["broker_sasl_username", "broker_sasl_password"])
def test_sasl_without_credentials_names_the_setting(missing) -> None:
    given = CREDENTIALS | {missing: None}
    with pytest.raises(SettingError, match=f"ROISTREAM_{missing.upper()}"):
        kafka_python_options(Settings(broker_security_protocol="SASL_PLAINTEXT", **given))


def test_a_wrong_ca_file_names_the_setting(tmp_path) -> None:
    cafile = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content is not None:
            cafile.write_text(content)
        with pytest.raises(SettingError, match="ROISTREAM_BROKER_SSL_CAFILE"):
            kafka_python_options(Settings(broker_security_protocol="SSL", broker_ssl_cafile=cafile))
