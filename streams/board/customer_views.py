"""Records of customers as the views hold them, and what the page of customers shows of them."""

from typing import Any

import msgspec
from redis.asyncio import Redis

from metrics.records.customer_kpi import CustomerKpi
from metrics.values.errors import UNREADABLE
from streams.sinks.redis_names import RedisNames

_decode = msgspec.json.Decoder(CustomerKpi).decode


async def read_records(redis: Redis, names: RedisNames, model: str) -> list[bytes]:
    """The newest record of each campaign and cohort, undecoded.

    Raises:
        RedisError: when Redis does not answer as it should.
    """
    begin = f"view:customers:{model}:"
    views = [
        name for name in map(_text, await redis.hkeys(names.views)) if name.startswith(begin)
    ]  # the cohorts that there are or were
    async with redis.pipeline(transaction=False) as pipeline:
        for view in views:
            pipeline.hvals(names.name(view.removeprefix("view:")))
        found = await pipeline.execute()
    return [value for values in found for value in values]


def decoded(values: list[bytes]) -> list[CustomerKpi]:
    """Records; those of another version of roistream that cannot be read are left out."""
    found = []
    for value in values:
        try:
            found.append(_decode(value))
        except UNREADABLE:
            continue
    return found


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
