"""The demo's eyes: follows ``campaign-kpis`` and the worker's pages into the table's state."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from streams import topics
from streams.demo.table_state import TableState
from streams.demo.traffic import reader
from streams.settings import Settings
from streams.stages.intake.ledger import LedgerCounts

_LEDGER = "roistream_ledger_events"
_PATIENCE = aiohttp.ClientTimeout(total=5)


async def follow_readings(settings: Settings, state: TableState, now: Callable[[], int]) -> None:
    """Offer every reading to the state, from the beginning of the topic, until cancelled."""
    decoder = msgspec.json.Decoder(dict[str, Any])
    async with reader(settings, topics.CAMPAIGN_KPIS, from_beginning=True) as consumer:
        while True:
            for records in (await consumer.getmany(timeout_ms=250)).values():
                for record in records:
                    state.offer(decoder.decode(record.value), now())
                await asyncio.sleep(0)


async def readiness(session: aiohttp.ClientSession, url: str) -> tuple[bool, str]:
    """Whether ``/readyz`` says yes, and what it says."""
    try:
        async with session.get(url, timeout=_PATIENCE) as response:
            return response.status == 200, " ".join((await response.text()).split())
    except (aiohttp.ClientError, TimeoutError) as error:
        return False, f"no answer yet ({type(error).__name__})"


async def read_ledger(session: aiohttp.ClientSession, url: str) -> LedgerCounts | None:
    """The ledger from ``/metrics``, or None when the page does not answer."""
    try:
        async with session.get(url, timeout=_PATIENCE, headers={"Accept": "text/plain"}) as response:
            return ledger_totals(await response.text()) if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


def ledger_totals(page: str) -> LedgerCounts:
    """Sums of ``roistream_ledger_events`` by outcome.

    >>> ledger_totals('roistream_ledger_events{topic="leads",partition="0",outcome="applied"} 3.0').read
    3
    """
    lines = "\n".join(line for line in page.splitlines() if line.startswith(_LEDGER + "{"))
    totals: Counter[str] = Counter()
    for family in text_string_to_metric_families(lines + "\n"):
        for sample in family.samples:
            totals[sample.labels["outcome"]] += int(sample.value)
    return LedgerCounts(
        **{name: totals[name] for name in ("applied", "duplicate", "rejected", "too_late", "conflict")}
    )
