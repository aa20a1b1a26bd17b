"""Waiting for a broker has an end, whatever a client does with it."""

import asyncio

import pytest

from metrics.values.errors import RoistreamError
from streams.settings import Settings
from streams.transport import connection_check as diagnosis
from streams.transport.connection_check import ConnectionProblem, let_in


def test_a_client_that_swallows_the_cancellation_does_not_make_it_endless(monkeypatch):
    async def examine(_address, _options):
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            return ConnectionProblem("it is cleaning up", is_final=False)

    monkeypatch.setattr(diagnosis, "examine", examine)
    with pytest.raises(RoistreamError, match=r"No broker answers .*it is cleaning up"):
        asyncio.run(asyncio.wait_for(let_in(Settings(broker="kafka://127.0.0.1:1"), 20), 10))
