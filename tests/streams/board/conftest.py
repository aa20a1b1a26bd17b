"""Fixtures of the tests that talk to a board."""

from collections.abc import Iterator

import pytest

from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.transport.topic_admin import ensure_topics
from tests.support import board_seeding as seeding
from tests.support.board_serving import TOKEN


@pytest.fixture
def store(cache) -> Iterator[seeding.Store]:
    with seeding.Store.from_url(cache.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(broker, cache, store: seeding.Store, settings_for) -> Settings:
    made = settings_for(broker, redis_url=cache.url, board_port=0, board_token=TOKEN)
    store.names = RedisNames(made.topic_prefix)
    ensure_topics(made, create=True)
    return made
