"""What the views are given, and what they hold."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis

from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from streams.sinks.redis_readings import RedisViews

TTL_MS = 60_000
HASH = "roistream:kpis:declared:1h"


def reading(campaign_id: str, revision: int, window: str = "1h", clicks: int = 0) -> CampaignKpi:
    sums = dict.fromkeys(Sums.__struct_fields__, 0) | {"clicks": clicks}
    return CampaignKpi(
        campaign_id=campaign_id,
        channel="search",
        model="declared",
        window=window,
        window_start=None,
        window_end=None,
        stage="update",
        revision=revision,
        currency="EUR",
        sums=Sums(**sums),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0),
        kpis={"ctr": None},
        watermark=None,
        published_at="2026-11-21T10:00:00Z",
    )


@asynccontextmanager
async def views_on(url: str, on_refill: Callable[[], None] = lambda: None) -> AsyncIterator[RedisViews]:
    views = RedisViews(url, TTL_MS, on_refill, poll_seconds=0.05, back_off_seconds=(0.01, 0.05))
    await views.start()
    try:
        yield views
    finally:
        await views.stop()


async def eventually(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for a condition, at most so long."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.005)


async def written(views: RedisViews, count: int) -> None:
    await eventually(lambda: views.health.written >= count and not views.health.pending)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def held(store: redis.Redis, campaign_id: str = "c-1", window: str = "1h") -> dict[str, Any] | None:
    text = store.hget(f"roistream:kpis:declared:{window}", campaign_id)
    return None if text is None else json.loads(text)
