"""A board on real servers as the tests of its HTTP API talk to it, and what they say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, CookieJar
from aiokafka import AIOKafkaConsumer

from streams.board.notifications.notifier import Pauses
from streams.board.server import BoardServer
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options
from tests.support import board_seeding as seeding

ROOT = Path(__file__).parents[2]
TOKEN = "a token of these tests"  # noqa: S105
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Clock:
    """A wall clock that tests turn."""

    def __init__(self) -> None:
        self.ms = seeding.NOW_MS

    def __call__(self) -> int:
        return self.ms


@asynccontextmanager
async def serving(
    settings: Settings, clock: Clock | None = None, pauses: Pauses | None = None
) -> AsyncIterator[tuple[ClientSession, BoardServer]]:
    """A board and a client of it, that has a jar for cookies and no token yet."""
    board = BoardServer(settings, clock or Clock(), pauses)
    await board.start()
    try:
        address = f"http://127.0.0.1:{board.port}"
        async with ClientSession(address, cookie_jar=CookieJar(unsafe=True)) as session:
            await until(lambda: board.redis_subscriber.is_up)
            yield session, board
    finally:
        await board.stop()


async def until(claim: Callable[[], Any], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not claim():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 120))


async def recorded(settings: Settings, topic: str, count: int) -> list[Any]:
    """The records of a topic, read until there are as many as expected and then a moment longer."""
    found: list[Any] = []
    async with AIOKafkaConsumer(
        settings.topic(topic), **aiokafka_options(settings), auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(60):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        for records in (await consumer.getmany(timeout_ms=300)).values():
            found += records
    return found


async def login(session: ClientSession, name: str = "Ana") -> None:
    async with session.post("/api/session", json={"token": TOKEN, "name": name}) as answer:
        assert answer.status == 200


def decision(**fields: Any) -> dict[str, Any]:
    return {"campaign_id": "c-1", "verb": "pause", "reason": "too dear"} | fields


def alert(campaign_id: str = "c-1", status: str = "firing") -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "CampaignCplHigh", "campaign_id": campaign_id},
        "startsAt": "2026-11-22T10:00:00Z",
        "fingerprint": f"f-{campaign_id}",
    }


def webhook(*alerts: dict[str, Any]) -> dict[str, Any]:
    return {"version": "4", "status": "firing", "receiver": "board", "alerts": list(alerts)}
