"""Topics as they should be and as they are: the comparison, and the command on both brokers."""

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
from streams.transport.topic_admin import (
    FoundTopic,
    TopicDifference,
    TopicSurvey,
    connected_admin,
    differences,
    ensure_topics,
    print_survey,
    run,
    why_no_start,
)

SPEC = TopicSpec("x-orders", 4, {"message.timestamp.type": "LogAppendTime"})
SETTINGS = Settings(topic_prefix="x-")
CREDENTIALS = {"broker_sasl_username": "u", "broker_sasl_password": "p"}


def kinds(spec: TopicSpec, found: FoundTopic | None, settings: Settings = SETTINGS) -> list[str]:
    return [difference.kind for difference in differences(spec, found, settings)]


def test_a_topic_as_it_should_be_has_no_difference() -> None:
    assert kinds(SPEC, FoundTopic(4, 1, {"message.timestamp.type": "LogAppendTime"})) == []


def test_an_absent_topic_is_missing_and_the_sentence_names_the_command() -> None:
    (difference,) = differences(SPEC, None, SETTINGS)
    assert difference.kind == "missing"
    assert "x-orders does not exist" in difference.sentence
    assert "roistream topics" in difference.sentence


def test_another_number_of_partitions_asks_for_a_new_prefix_and_a_replay() -> None:
    found = FoundTopic(8, 1, {"message.timestamp.type": "LogAppendTime"})
    (difference,) = differences(SPEC, found, SETTINGS)
    assert difference.kind == "partitions"
    for words in (
        "has 8 partitions where 4 are needed",
        "ROISTREAM_TOPIC_PREFIX",
        "replay",
        "PARTITIONS to 8",
    ):
        assert words in difference.sentence


def test_topics_of_one_partition_do_not_advise_another_number_for_all() -> None:
    settings = Settings(topic_prefix="x-", partitions=1)
    (difference,) = differences(TopicSpec("x-campaigns", 1), FoundTopic(4, 1), settings)
    assert "ROISTREAM_PARTITIONS" not in difference.sentence
    assert "delete the topic" in difference.sentence


def test_a_wrong_config_gives_the_command_that_corrects_it() -> None:
    (difference,) = differences(SPEC, FoundTopic(4, 1, {"message.timestamp.type": "CreateTime"}), SETTINGS)
    assert difference.kind == "config"
    assert "--entity-name x-orders --add-config message.timestamp.type=LogAppendTime" in difference.sentence


def test_an_unreported_config_is_taken_for_kafkas_default() -> None:
    assert kinds(SPEC, FoundTopic(4, 1)) == ["config"]
    assert kinds(TopicSpec("x-kpis", 4, {"cleanup.policy": "delete"}), FoundTopic(4, 1)) == []


@pytest.mark.parametrize(
    ("name", "wanted", "actual", "is_enough"),
    [
        ("retention.ms", "604800000", "604800000", True),
        ("retention.ms", "604800000", "-1", True),
        ("retention.ms", "604800000", "700000000", True),
        ("retention.ms", "604800000", "3600000", False),
        ("max.message.bytes", "16777216", "20000000", True),
        ("max.message.bytes", "16777216", "1048588", False),
        ("segment.bytes", "67108864", "16777216", True),
        ("segment.bytes", "67108864", "1048576", False),  # a checkpoint may be larger
        ("segment.bytes", "67108864", "1073741824", False),
        ("segment.ms", "3600000", "600000", True),
        ("max.compaction.lag.ms", "86400000", "9223372036854775807", False),
        ("compression.type", "gzip", "zstd", True),
        ("compression.type", "gzip", "producer", False),
        ("cleanup.policy", "compact", "compact,delete", False),
        ("cleanup.policy", "delete", "compact", False),
    ],
)
def test_limits_may_be_wider_and_all_else_must_be_equal(name, wanted, actual, is_enough) -> None:
    found = FoundTopic(4, 1, {name: actual})
    assert (kinds(TopicSpec("x-t", 4, {name: wanted}), found) == []) is is_enough


def test_fewer_replicas_than_asked_for_differ() -> None:
    found = FoundTopic(4, 1, {"message.timestamp.type": "LogAppendTime"})
    three = Settings(topic_prefix="x-", replication_factor=3)
    assert kinds(SPEC, found, three) == ["replication"]


def test_the_first_topic_that_forbids_a_start_is_said_once_and_how_many_there_are() -> None:
    warning = TopicDifference("a", "config", "a has x=1; do this.")
    first, second = (TopicDifference(name, "partitions", f"{name} has 2; do that.") for name in "bc")
    assert why_no_start([warning]) is None
    assert why_no_start([warning, first]) == first.sentence
    several = "2 topics differ, which roistream topics lists; the first: b has 2; do that."
    assert why_no_start([warning, first, second]) == several


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
