"""A broker without transactions is told in one sentence at the start, with what to do."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from aiokafka import errors
from aiokafka.producer.transaction_manager import TransactionManager

from streams.settings import Settings
from streams.transport.transactions import refusal, why_no_transactions
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


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_why_a_transaction_ended_is_what_the_broker_said_also_where_the_client_names_nothing(
    is_wrapped: bool,
) -> None:
    said: errors.KafkaError = errors.InvalidProducerEpoch()
    if is_wrapped:  # as aiokafka's task of sending does with what it does not expect
        said, cause = errors.KafkaError("Unexpected error during batch delivery"), said
        said.__cause__ = cause

    async def found() -> BaseException:
        manager = TransactionManager("t", 1_000)
        manager.set_pid_and_epoch(1, 0)
        manager.begin_transaction()
        manager.fatal_error(said)
        return refusal(SimpleNamespace(_txn_manager=manager), errors.IllegalOperation("Not in transaction"))

    assert isinstance(asyncio.run(found()), errors.InvalidProducerEpoch)
    unknown = errors.KafkaError("no reason")
    assert refusal(None, unknown) is unknown
