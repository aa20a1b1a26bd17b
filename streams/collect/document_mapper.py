"""Documents of webhooks through the mapping room: what has come together is mapped in one call, beside the event loop.

A call takes tens of milliseconds whatever its number of documents, so deliveries that arrive while one runs share the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from metrics.records.dead_letters import dead_letter
from metrics.values.errors import Reason
from streams import topics
from streams.collect.campaign_rules import CampaignRule, place_of
from streams.collect.collect_file import OpenWebhook
from streams.collect.senders import Split
from streams.ingest.ingestion import check
from streams.mapping.database import opened
from streams.mapping.documents import CAMPAIGN, CHANNEL, RECEIVED, Refusal, map_documents
from streams.mapping.engine import MappedRecord
from streams.mapping.headers import matches
from streams.mapping.model import Mapping, MappingError
from streams.replay.file_readers import flat

#: Documents that are mapped at once.
_MOST = 2_000
_SKIPPED = "skipped: "

Row = dict[str, str | None]


@dataclass
class Mapped:
    """What deliveries became.

    Attributes:
        records: of sources and registries.
        letters: dead letters of documents that gave none.
        skipped: documents that were left out on purpose, by reason.
    """

    records: list[MappedRecord] = field(default_factory=list)
    letters: list[MappedRecord] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def map_split(
    database: Any, webhook: OpenWebhook, split: Split, rules: Sequence[CampaignRule], now_ms: int
) -> Mapped:
    """What documents become; one that gives no record has a letter with every reason.

    Args:
        database: from ``mapping.database.opened``.
        webhook: whose documents they are.
        split: their streams and the documents.
        rules: from fields to campaigns.
        now_ms: when they arrived, epoch milliseconds.
    """
    mapped = Mapped()
    by_stream: dict[str, list[Row]] = {}
    for stream, document in split:
        row = flat(document)
        place = place_of(rules, {name: text for name, text in row.items() if text})
        own: Row = {RECEIVED: str(now_ms), CAMPAIGN: place.campaign_id, CHANNEL: place.channel}
        by_stream.setdefault(stream, []).append(row | own)
    for stream, rows in by_stream.items():
        takers = [mapping for mapping in webhook.mappings if _takes(mapping, stream)]
        if not takers:
            mapped.skipped += ["a stream that is not read"] * len(rows)
        for mapping in takers:
            _map_rows(database, webhook, mapping, stream, rows, now_ms, mapped)
    return mapped


def _takes(mapping: Mapping, stream: str) -> bool:
    return any(not select.files or matches(stream, select.files) for select in mapping.select)


def _map_rows(
    database: Any,
    webhook: OpenWebhook,
    mapping: Mapping,
    stream: str,
    rows: list[Row],
    now_ms: int,
    mapped: Mapped,
) -> None:
    try:
        records, refusals = map_documents(database, mapping, rows, stream, webhook.frame)
    except MappingError as error:
        if len(rows) > 1:  # one of them does not fit: the others are not refused for it
            for row in rows:
                _map_rows(database, webhook, mapping, stream, [row], now_ms, mapped)
            return
        records, refusals = [], [Refusal(0, "refused", str(error))]
    mapped.records += records
    by_place: dict[int, list[Refusal]] = {}
    for refusal in refusals:
        by_place.setdefault(refusal.place, []).append(refusal)
    for place, found in by_place.items():
        wrong = [each for each in found if not each.reason.startswith(_SKIPPED)]
        if wrong:
            mapped.letters.append(_letter(webhook.name, stream, rows[place], wrong, now_ms))
        else:
            mapped.skipped.append(found[0].reason.removeprefix(_SKIPPED))


def _letter(name: str, stream: str, row: Row, wrong: list[Refusal], now_ms: int) -> MappedRecord:
    reasons = dict.fromkeys(f"{each.reason} ({each.found})" if each.found else each.reason for each in wrong)
    source = f"collect/{name}/{stream}"
    value = msgspec.json.encode({name: text for name, text in row.items() if text is not None})
    letter = dead_letter(source, 0, 0, None, value, Reason.INVALID_FIELD, "; ".join(reasons), now_ms)
    return MappedRecord(topics.DEAD_LETTERS, source, msgspec.json.encode(letter), None)


@dataclass(frozen=True)
class _Job:
    webhook: OpenWebhook
    split: Split
    done: "asyncio.Future[None]"


Write = Callable[[OpenWebhook, Mapped], Awaitable[None]]


class DocumentMapper:
    """Maps and writes deliveries of all webhooks; one call of the database after the other."""

    def __init__(self, rules: Sequence[CampaignRule], write: Write, now_ms: Callable[[], int]) -> None:
        """Nothing is opened before ``start``.

        Args:
            rules: from fields to campaigns.
            write: takes what one call gave; returns when the broker has it.
            now_ms: wall clock, epoch milliseconds.
        """
        self._rules = rules
        self._write = write
        self._now_ms = now_ms
        self._waiting: list[_Job] = []
        self._has_some = asyncio.Event()
        self._writing: set[asyncio.Task[None]] = set()
        self._aside = ThreadPoolExecutor(1, "collect-mapping")
        self._open = ExitStack()
        self._database: Any = None

    async def start(self, webhooks: Sequence[OpenWebhook]) -> None:
        """Open the database, and see that the mappings need one row for a record.

        Raises:
            MappingError: with what to do.
        """
        loop = asyncio.get_running_loop()
        self._database = await loop.run_in_executor(self._aside, lambda: self._open.enter_context(opened()))
        for webhook in webhooks:
            await loop.run_in_executor(self._aside, check, self._database, webhook.mappings)

    async def stop(self) -> None:
        """Close the database."""
        await asyncio.get_running_loop().run_in_executor(self._aside, self._open.close)
        self._aside.shutdown()

    async def take(self, webhook: OpenWebhook, split: Split) -> None:
        """Return when everything of a delivery is written.

        Raises:
            RoistreamError: when the broker did not confirm it.
        """
        job = _Job(webhook, split, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._has_some.set()
        await job.done

    async def run(self) -> None:
        """Map what comes, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            while self._waiting:
                webhook, jobs = self._next()
                split = [part for job in jobs for part in job.split]
                call = partial(map_split, self._database, webhook, split, self._rules, self._now_ms())
                try:
                    mapped = await loop.run_in_executor(self._aside, call)
                except Exception as error:  # noqa: BLE001 - whoever waits hears it
                    _tell(jobs, error)
                    continue
                writing = asyncio.create_task(self._confirm(webhook, jobs, mapped))
                self._writing.add(writing)
                writing.add_done_callback(self._writing.discard)

    async def _confirm(self, webhook: OpenWebhook, jobs: list[_Job], mapped: Mapped) -> None:
        try:
            await self._write(webhook, mapped)
        except Exception as error:  # noqa: BLE001 - whoever waits hears it
            _tell(jobs, error)
        else:
            _tell(jobs, None)

    def _next(self) -> tuple[OpenWebhook, list[_Job]]:
        """The deliveries of one webhook that fit into a call, the oldest first."""
        webhook, count = self._waiting[0].webhook, 0
        jobs: list[_Job] = []
        others: list[_Job] = []
        for job in self._waiting:
            if job.webhook is webhook and (not jobs or count + len(job.split) <= _MOST):
                jobs.append(job)
                count += len(job.split)
            else:
                others.append(job)
        self._waiting = others
        return webhook, jobs


def _tell(jobs: list[_Job], error: Exception | None) -> None:
    for job in jobs:
        if job.done.done():  # whoever sent it has gone
            continue
        if error is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(error)
