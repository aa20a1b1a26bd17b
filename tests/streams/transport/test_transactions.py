"""A broker without transactions is told in one sentence at the start, with what to do."""

import asyncio
import re

import pytest

from streams.settings import Settings
from streams.transport.transactions import why_no_transactions
from tests.support.servers.without_transactions import (
    INVALID_TIMEOUT,
    NO_COORDINATOR,
    UNAUTHORIZED,
    UNKNOWN,
    refusing_broker,
)


def asked(address: str, within_ms: int = 10_000) -> str | None:
    settings = Settings(broker=f"kafka://{address}", topic_prefix="p-")
    return asyncio.run(why_no_transactions(settings, within_ms))


def test_nothing_stands_in_the_way_on_apache_kafka(broker) -> None:
    assert asked(broker.address) is None
    assert asked(broker.address) is None, "asking fences nobody who asks later"


@pytest.mark.parametrize(
    ("code", "within_ms", "says"),
    [
        (
            UNKNOWN,
            10_000,
            r"at 127\.0\.0\.1:\d+ has no transactions \(UnknownError\).*use Apache Kafka 3 or later",
        ),
        (
            UNAUTHORIZED,
            10_000,
            "grant it Write and Describe on transactional ids that begin with 'p-roistream-'",
        ),
        (INVALID_TIMEOUT, 10_000, "lower ROISTREAM_SESSION_TIMEOUT, or raise.*transaction.max.timeout.ms"),
        (
            NO_COORDINATOR,
            1_000,
            "no coordinator of transactions or no producer id within 1s.*transaction.state.log.replication.factor",
        ),
    ],
)
def test_each_refusal_is_a_sentence_that_says_what_to_do(code: int, within_ms: int, says: str) -> None:
    with refusing_broker(code) as address:
        found = asked(address, within_ms)
    assert found is not None
    assert found.endswith(".")
    assert re.search(says, found), found
