"""What differs between topics as they should be and as they are, and what of it forbids a start."""

import pytest

from streams.settings import Settings
from streams.topics import TopicSpec
from streams.transport.topic_differences import FoundTopic, TopicDifference, differences, why_no_start

SPEC = TopicSpec("x-orders", 4, {"message.timestamp.type": "LogAppendTime"})
SETTINGS = Settings(topic_prefix="x-")


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
