"""Records of customers as the views hold them, and what the page of customers shows of them."""

from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from metrics.records.customer_kpi import CustomerKpi
from metrics.values.errors import UNREADABLE
from streams.sinks.redis_names import RedisNames

_decode = msgspec.json.Decoder(CustomerKpi).decode


class CustomerViews(NamedTuple):
    """The newest record of each campaign and cohort of a model, undecoded; and all models that there are records of."""

    records: list[bytes]
    models: list[str]


async def read_records(redis: Redis, names: RedisNames, model: str) -> CustomerViews:
    """The newest record of each campaign and cohort of a model.

    Raises:
        RedisError: when Redis does not answer as it should.
    """
    begin = "view:customers:"
    of_customers = [name for name in map(_text, await redis.hkeys(names.views)) if name.startswith(begin)]
    views = [
        name for name in of_customers if name.startswith(f"{begin}{model}:")
    ]  # the cohorts that there are or were
    models = sorted({name.removeprefix(begin).partition(":")[0] for name in of_customers})
    async with redis.pipeline(transaction=False) as pipeline:
        for view in views:
            pipeline.hvals(names.name(view.removeprefix("view:")))
        found = await pipeline.execute()
    return CustomerViews([value for values in found for value in values], models)


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
