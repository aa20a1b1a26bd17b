"""``roistream archive update``: campaigns that are over go onto ``campaign-archive``, each once, and again where they were corrected."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from redis import Redis
from redis.exceptions import RedisError
from rich.console import Console

from metrics.archive.editions import CampaignArchive, archived, next_edition, why_not_yet
from metrics.values.errors import RoistreamError
from metrics.values.time import parse_duration
from streams import catalogues, topics
from streams.archive.log import CampaignLogs, check_topics, read_editions, read_logs
from streams.process import now_ms
from streams.settings import Settings
from streams.sinks.redis_names import OWNER, RedisNames
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client
from streams.transport.topic_admin import cluster_id

_REDIS_WITHIN_S = 10
_READ = (topics.CAMPAIGN_KPIS, topics.BUDGET_ACTIONS, *topics.REGISTRIES, topics.CAMPAIGN_ARCHIVE)


def run(settings: Settings, after: str, asked: str | None = None) -> int:
    """Archive what is over, and say what was done.

    Args:
        settings: broker, topics, and Redis where there is one.
        after: how long after its end a campaign has what is to come, such as ``30d``.
        asked: one campaign, which is archived whether it is over or not; None: all that are over.

    Returns:
        0; 1 where the campaign that was asked for could not be archived.

    Raises:
        RoistreamError: where the broker does not answer or confirm.
    """
    try:
        after_ms = parse_duration(after)
    except ValueError as error:
        raise RoistreamError(f"--after {after} is no duration; write it like 30d.") from error
    check_topics(settings, *_READ)
    written, waiting = asyncio.run(_update(settings, after_ms, asked))
    console = Console(highlight=False, soft_wrap=True)
    for edition in written:
        what = (
            catalogues.t("archived")
            if edition.edition == 1
            else catalogues.t(
                "edition {number}: {changes}", number=edition.edition, changes="; ".join(edition.changes[:3])
            )
        )
        console.print(f"{edition.campaign_id}: {what}", markup=False)
    console.print(catalogues.t("{count} editions written.", count=len(written)), markup=False)
    for reason, count in sorted(waiting.items()):
        console.print(
            catalogues.t("{count} campaigns: each {reason}.", count=count, reason=catalogues.said(reason)),
            markup=False,
        )
    return 1 if asked is not None and waiting else 0


async def _update(
    settings: Settings, after_ms: int, asked: str | None
) -> tuple[list[CampaignArchive], Counter[str]]:
    # A second update is fenced off from here on, so that each reads what the one before wrote.
    producer = AIOKafkaProducer(
        **aiokafka_options(settings), acks="all", transactional_id=settings.topic("roistream-archive")
    )
    try:
        await producer.start()
        logs = await read_logs(settings)
        for value in _views(settings, await asyncio.to_thread(cluster_id, settings)):
            logs.take_reading(value)
        found, waiting = editions(logs, await read_editions(settings), after_ms, now_ms(), asked)
        if found:
            async with producer.transaction():
                for edition in found:
                    await producer.send_and_wait(
                        settings.topic(topics.CAMPAIGN_ARCHIVE),
                        msgspec.json.encode(edition),
                        key=edition.campaign_id.encode(),
                        partition=0,
                    )
    except (KafkaError, OSError) as error:
        raise RoistreamError(
            f"{settings.broker} did not confirm the archive ({error!r}); ask again: what is written already is not written twice."
        ) from error
    finally:
        await stop_client(producer)
    return found, waiting


def editions(
    logs: CampaignLogs, last: dict[str, CampaignArchive], after_ms: int, now: int, asked: str | None = None
) -> tuple[list[CampaignArchive], Counter[str]]:
    """The editions to write, and why other campaigns have to wait.

    Args:
        logs: what is known of campaigns.
        last: their last editions.
        after_ms: how long after its end a campaign is archived.
        now: epoch milliseconds.
        asked: one campaign; None: all.

    Raises:
        RoistreamError: for a campaign that is not registered.
    """
    if asked is not None and asked not in logs.campaigns:
        raise RoistreamError(f"{asked} is not registered; a campaign is archived before it is withdrawn.")
    found, waiting = [], Counter[str]()
    for name in sorted(logs.campaigns) if asked is None else [asked]:
        facts, readings = logs.campaigns[name], logs.readings.get(name, {})
        is_asked = (
            asked is not None or name in last
        )  # what was archived once is corrected whenever it changes
        reason = why_not_yet(facts, readings, after_ms, is_asked=is_asked)
        if reason is not None:
            if not (name in last and not readings):  # nothing new of it
                waiting[reason] += 1
            continue
        # A model whose readings are gone from the topic keeps its figures.
        kept = last[name].models if name in last else {}
        made = archived(facts, readings, logs.actions.get(name, {}), now)
        made = msgspec.structs.replace(made, models=dict(sorted({**kept, **made.models}.items())))
        edition = next_edition(last.get(name), made)
        if edition is not None:
            found.append(edition)
    return found, waiting


def _views(settings: Settings, owner: str) -> Iterator[bytes]:
    """Readings of whole campaigns in Redis, which keeps those that ``campaign-kpis`` no longer holds.

    Raises:
        RoistreamError: where Redis does not answer, or is that of another deployment.
    """
    if settings.redis_url is None:
        return
    names = RedisNames(settings.topic_prefix, owner)
    try:
        with contextlib.closing(
            Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=_REDIS_WITHIN_S)
        ) as redis:
            owner_there: Any = redis.hget(names.views, OWNER)
            names.check(None if owner_there is None else owner_there.decode(errors="replace"))
            for model in ("declared", *settings.attribution_models):
                values: Any = redis.hvals(names.readings(model, "total"))
                yield from values
    except RedisError as error:
        raise RoistreamError(
            f"Redis does not answer ({type(error).__name__}); readings that are older than a week are only there. Mend it, or unset ROISTREAM_REDIS_URL."
        ) from error
