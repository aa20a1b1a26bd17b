"""Fixtures of the tests that talk to a board."""

from collections.abc import Iterator

import pytest
import redis

from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.support.board_serving import TOKEN


@pytest.fixture
def store(cache) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(cache.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def settings(broker, cache, store: redis.Redis, settings_for) -> Settings:
    made = settings_for(broker, redis_url=cache.url, board_port=0, board_token=TOKEN)
    ensure_topics(made, create=True)
    return made
