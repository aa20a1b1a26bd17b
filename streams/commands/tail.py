"""``roistream tail``: follows ``campaign-kpis`` as a readable table, as lines, or as JSON.

It reads as any reader outside should: committed records only, and of each window the highest revision.
Knows the records and the screen; computes no KPI.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TextIO, get_args

import msgspec
from kafka import KafkaConsumer, TopicPartition
from rich.console import Console
from rich.live import Live

from metrics.records.kpi_reading import CampaignKpi, TumblingWindow
from metrics.values.errors import UNREADABLE, RoistreamError
from streams import catalogues
from streams.commands.tail_table import CurrentReadings, line
from streams.settings import Settings
from streams.topics import CAMPAIGN_KPIS
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import connected_admin

_POLL_MS = 250
_decoder = msgspec.json.Decoder(CampaignKpi)

Key = tuple[str, str, str, str | None]


class Newest:
    """The fold of every reader: of each window, the highest revision wins.

    A record holds the whole value of its window, so a lower or equal revision is a repetition and is
    dropped. Only revisions are kept, for the ``limit`` windows heard from last.

    >>> newest = Newest(); key = ("c-1", "declared", "1m", "2026-11-21T10:00:00Z")
    >>> [newest.offer(key, revision) for revision in (1, 3, 2, 3, 4)]
    [True, True, False, False, True]
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._revisions: dict[Key, int] = {}

    def offer(self, key: Key, revision: int) -> bool:
        """Whether this is news of its window."""
        known = self._revisions.pop(key, None)
        is_news = known is None or revision > known
        self._revisions[key] = revision if known is None else max(known, revision)
        if len(self._revisions) > self._limit:
            del self._revisions[next(iter(self._revisions))]
        return is_news


class Wanted(NamedTuple):
    """Which readings to show; None shows all."""

    campaign: str | None = None
    window: str | None = None

    def holds(self, reading: CampaignKpi) -> bool:
        """Whether a reading is among them."""
        return self.campaign in (None, reading.campaign_id) and self.window in (None, reading.window)


class Screen(Protocol):
    """Where readings are shown."""

    def show(self, raw: bytes, reading: CampaignKpi) -> None:
        """Take in one reading that is news."""

    def refresh(self) -> None:
        """Bring what is seen up to date; called after each batch."""


class JsonLines:
    """One record per line, with every field it came with."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, raw: bytes, reading: CampaignKpi) -> None:
        """Write the record."""
        del reading
        self._out.write(msgspec.json.format(raw, indent=-1).decode() + "\n")

    def refresh(self) -> None:
        """Let a pipe see it now."""
        self._out.flush()


class PlainLines:
    """One readable line per reading, for pipes and logs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, raw: bytes, reading: CampaignKpi) -> None:
        """Write the line."""
        del raw
        self._out.write(line(reading) + "\n")

    def refresh(self) -> None:
        """Let a pipe see it now."""
        self._out.flush()


class LiveTable:
    """A table that stays in place and holds the newest window of each campaign."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._current = CurrentReadings()

    def show(self, raw: bytes, reading: CampaignKpi) -> None:
        """Take the reading into the table."""
        del raw
        self._current.take(reading)

    def refresh(self) -> None:
        """Draw the table as high as the terminal is."""
        self._live.update(self._current.table(self._live.console.height), refresh=True)


def follow(
    batches: Iterable[list[bytes]], wanted: Wanted, screen: Screen, complain: Callable[[str], None]
) -> None:
    """Show what is news in each batch, until the batches end.

    Args:
        batches: values of ``campaign-kpis`` as read; an empty batch only refreshes.
        wanted: which readings to show.
        screen: where.
        complain: told about values that are no readings, which are passed over.
    """
    newest = Newest()
    for batch in batches:
        for raw in batch:
            try:
                reading = _decoder.decode(raw)
            except UNREADABLE as error:
                complain(
                    catalogues.t(
                        "passed over a record that is not of {topic}: {error}",
                        topic=CAMPAIGN_KPIS,
                        error=error,
                    )
                )
                continue
            if wanted.holds(reading) and newest.offer(_key(reading), reading.revision):
                screen.show(raw, reading)
        screen.refresh()


def _key(reading: CampaignKpi) -> Key:
    return reading.campaign_id, reading.model, reading.window, reading.window_start


def run(
    settings: Settings, *, campaign: str | None, window: str | None, from_beginning: bool, json: bool
) -> int:
    """Follow the topic until Ctrl-C, SIGTERM or the end of the pipe; returns the exit code.

    Args:
        settings: broker, security and prefix.
        campaign: only this campaign.
        window: only this window, one of ``1m``, ``1h``, ``1d``, ``total``.
        from_beginning: read what the topic still holds first, else only what comes.
        json: write JSON Lines.

    Raises:
        RoistreamError: for a window that is not on the topic, without a broker, or without the topic.
    """
    if window is not None and window not in get_args(TumblingWindow):
        raise RoistreamError(
            f"--window {window} is not on {CAMPAIGN_KPIS}; choose {', '.join(get_args(TumblingWindow))}."
        )
    with (
        _stop_signals() as stopped,
        _consumer(settings, from_beginning=from_beginning) as consumer,
        _screen(json=json) as screen,
    ):
        try:
            follow(_batches(consumer, stopped), Wanted(campaign, window), screen, _complain)
        except BrokenPipeError:
            # The reader of our pipe has what it wanted; Python would complain again at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _complain(sentence: str) -> None:
    sys.stderr.write(catalogues.t("roistream tail: {sentence}", sentence=sentence) + "\n")


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that the loop ends between two batches."""
    stopped = threading.Event()
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, lambda *_: stopped.set())
    try:
        yield stopped
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def _consumer(settings: Settings, *, from_beginning: bool) -> Iterator[Any]:
    """A consumer of all partitions outside any group: it commits nothing and disturbs nobody."""
    topic = settings.topic(CAMPAIGN_KPIS)
    with connected_admin(settings, settings.broker_wait) as admin:
        found = {each["name"]: len(each["partitions"]) for each in admin.describe_topics()}
    if topic not in found:
        raise RoistreamError(
            f"There is no topic {topic}; create it with roistream topics, or correct ROISTREAM_TOPIC_PREFIX."
        )
    consumer = KafkaConsumer(
        **kafka_python_options(settings),
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    try:
        partitions = [TopicPartition(topic, number) for number in range(found[topic])]
        consumer.assign(partitions)
        (consumer.seek_to_beginning if from_beginning else consumer.seek_to_end)(*partitions)
        yield consumer
    finally:
        consumer.close()


def _batches(consumer: Any, stopped: threading.Event) -> Iterator[list[bytes]]:
    while not stopped.is_set():
        polled = consumer.poll(timeout_ms=_POLL_MS)
        yield [record.value for records in polled.values() for record in records if record.value is not None]


@contextlib.contextmanager
def _screen(*, json: bool) -> Iterator[Screen]:
    console = Console()
    if json:
        yield JsonLines(sys.stdout)
    elif not console.is_terminal:
        yield PlainLines(sys.stdout)
    else:
        with Live(console=console, auto_refresh=False) as live:
            yield LiveTable(live)
