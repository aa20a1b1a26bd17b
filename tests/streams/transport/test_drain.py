"""Partials do not wait behind the clicks of the same fetch."""

from types import SimpleNamespace

from faust.types import TP

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
