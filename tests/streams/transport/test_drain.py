"""Partials do not wait behind the clicks of the same fetch."""

from types import SimpleNamespace

import pytest
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import OffsetOutOfRangeError
from faust.types import TP

from metrics.values.errors import StateError
from streams import topics
from streams.settings import Settings
from streams.transport.batch_consumer import _drain


def test_partials_are_handed_on_before_what_was_fetched_with_them():
    order = []

    def fetched(tp):
        return SimpleNamespace(check_raise=lambda: order.append(tp))

    clicks, partials = TP(f"x-{topics.CLICKS}", 0), TP(f"x-{topics.PARTIALS}", 1)
    fetcher = SimpleNamespace(
        _subscriptions=SimpleNamespace(reassignment_in_progress=False),
        _records={tp: fetched(tp) for tp in (clicks, partials)},
        _notify=lambda _future: None,
        _wait_consume_future=None,
    )
    assert _drain(fetcher, {clicks, partials}, Settings(topic_prefix="x-")) == {}
    assert order == [partials, clicks]


def test_records_that_are_gone_before_they_were_read_are_told_with_topic_and_offset():
    clicks = TP(f"x-{topics.CLICKS}", 1)
    fetcher = SimpleNamespace(
        _subscriptions=SimpleNamespace(reassignment_in_progress=False),
        _records={clicks: FetchError(error=OffsetOutOfRangeError({clicks: 44}), backoff=0)},
        _notify=lambda _future: None,
        _wait_consume_future=None,
    )
    with pytest.raises(
        StateError, match=r"x-ad-clicks-1: records from offset 44 .* Lengthen the topic's retention"
    ):
        _drain(fetcher, {clicks}, Settings(topic_prefix="x-"))
