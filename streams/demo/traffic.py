"""The edge between the demo's world and Kafka: sends what happens, hands budget actions to the platform."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from metrics.values.errors import RoistreamError
from streams import topics
from streams.demo.delivery import Arrival
from streams.demo.world import DemoWorld
from streams.process import now_ms
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client
from streams.transport.log_offsets import bounds

#: How long the live loop rests between two looks at the clock.
_TICK_S = 0.05
#: How long records wait for others of their partition: those of one look at the clock travel together.
_LINGER_MS = 20
#: Records sent between two turns of the event loop, so that table and signals go on.
_SLICE = 500


@dataclass
class TrafficProgress:
    """How far the traffic is; whoever shows it reads it."""

    registered: asyncio.Event = field(default_factory=asyncio.Event)
    history_sent: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    actions_seen: int = 0
    actions_obeyed: int = 0
    #: Simulated milliseconds by which sending lags; near 0 while the rate can be kept.
    behind_ms: int = 0


async def run(
    settings: Settings,
    world: DemoWorld,
    *,
    seconds: float | None = None,
    stop: asyncio.Event,
    progress: TrafficProgress | None = None,
    now: Callable[[], int] = now_ms,
    obey_from_beginning: bool = True,
    on_action: Callable[[Mapping[str, Any]], None] = lambda _action: None,
) -> TrafficProgress:
    """Send rates and campaigns, then the history at full speed, then live traffic until told to stop.

    Args:
        settings: where the broker is.
        world: what happens; it is advanced, and its platform obeys ``budget-actions``.
        seconds: ends the traffic this long after its start; None leaves it to ``stop``.
        stop: ends it at once.
        progress: kept up to date while it runs.
        now: the real time in milliseconds.
        obey_from_beginning: whether actions that are in the topic already are obeyed, too; wanted
            where the topic is as young as the world.
        on_action: called with each action of ``budget-actions``.

    Raises:
        RoistreamError: when a record is not confirmed, or the broker cannot be reached.
    """
    progress = progress or TrafficProgress()
    deadline = None if seconds is None else now() + round(seconds * 1_000)
    try:
        async with (
            reader(settings, topics.BUDGET_ACTIONS, from_beginning=obey_from_beginning) as actions,
            _sender(settings, progress) as sender,
        ):
            if world.is_resumed:
                world.take_up(await registered_budgets(settings))
            await sender.send(world.registrations(), stop)
            await sender.confirm()
            progress.registered.set()
            await sender.send(world.advance(world.clock.live_ms), stop)
            await sender.confirm()
            progress.history_sent.set()
            while not stop.is_set() and (deadline is None or now() < deadline):
                target = world.clock.simulated(now())
                await sender.send(world.advance(target), stop)
                progress.behind_ms = world.clock.simulated(now()) - target
                await _obey(world, actions, progress, on_action)
                await _rest(stop)
            await sender.confirm()
    except (KafkaError, OSError) as error:
        raise RoistreamError(
            f"The demo's traffic stopped: {type(error).__name__}: {error}. "
            f"Is the broker at {settings.broker} alive and are its topics there (roistream topics)?"
        ) from error
    return progress


async def registered_budgets(settings: Settings) -> dict[str, Decimal]:
    """The budget of each campaign as it was registered last, in its currency."""
    found: dict[str, Decimal] = {}
    async with reader(settings, topics.CAMPAIGNS, from_beginning=True) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    budget = _decoded(record.value).get("budget")
                    if budget is not None:
                        found[record.key.decode()] = Decimal(str(budget))
    return found


async def records_in_sources(settings: Settings) -> int:
    """How many records the source topics have held so far.

    Raises:
        RoistreamError: when the broker cannot be reached.
    """
    sources = [
        (settings.topic(name), number) for name in topics.SOURCES for number in range(settings.partitions)
    ]
    try:
        ends = await bounds(settings, sources)
    except (KafkaError, OSError) as error:
        raise RoistreamError(
            f"The broker at {settings.broker} does not say how long its topics are: {error}."
        ) from error
    return sum(end for _, end in ends.values())


class TrafficSender:
    """Sends arrivals and remembers the first that was not confirmed."""

    def __init__(self, producer: AIOKafkaProducer, settings: Settings, progress: TrafficProgress) -> None:
        self._producer, self._settings, self._progress = producer, settings, progress
        self._failure: BaseException | None = None

    async def send(self, arrivals: Iterable[Arrival], stop: asyncio.Event) -> None:
        """Hand records to the producer in their order; returns early when told to stop.

        Raises:
            KafkaError: that of an earlier record which the broker did not confirm.
        """
        for number, arrival in enumerate(arrivals, 1):
            topic = self._settings.topic(arrival.topic)
            sent = await self._producer.send(topic, arrival.payload(), key=arrival.key.encode())
            sent.add_done_callback(self._confirmed)
            if number % _SLICE == 0:
                self._check()
                await asyncio.sleep(0)
                if stop.is_set():
                    return

    async def confirm(self) -> None:
        """Wait until everything sent is confirmed.

        Raises:
            KafkaError: when something was not.
        """
        await self._producer.flush()
        self._check()

    def _confirmed(self, sent: "asyncio.Future[Any]") -> None:
        failure = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        if failure is None:
            self._progress.sent += 1
        else:
            self._failure = self._failure or failure

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure


@contextlib.asynccontextmanager
async def _sender(settings: Settings, progress: TrafficProgress) -> AsyncIterator[TrafficSender]:
    producer = AIOKafkaProducer(
        **aiokafka_options(settings), acks="all", linger_ms=_LINGER_MS, max_batch_size=256 * 1024
    )
    try:
        await producer.start()
        yield TrafficSender(producer, settings, progress)
    finally:
        await stop_client(producer)


@contextlib.asynccontextmanager
async def reader(settings: Settings, topic: str, *, from_beginning: bool) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of all partitions of a topic; it has no group, because every reader sees every record."""
    consumer = AIOKafkaConsumer(
        settings.topic(topic),
        **aiokafka_options(settings),
        isolation_level="read_committed",
        auto_offset_reset="earliest" if from_beginning else "latest",
    )
    try:  # a start that fails leaves connections behind, so it is inside
        await consumer.start()
        yield consumer
    finally:
        await stop_client(consumer)


async def _obey(
    world: DemoWorld,
    actions: AIOKafkaConsumer,
    progress: TrafficProgress,
    on_action: Callable[[Mapping[str, Any]], None],
) -> None:
    """Hand what arrived on ``budget-actions`` to the platform; never waits."""
    for records in (await actions.getmany(timeout_ms=0)).values():
        for record in records:
            action = _decoded(record.value)
            progress.actions_seen += 1
            progress.actions_obeyed += world.platform.apply(action)
            on_action(action)


def _decoded(value: bytes | None) -> dict[str, Any]:
    """An action; an empty one where the record is none, which the platform ignores."""
    try:
        return msgspec.json.decode(value or b"{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


async def _rest(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), _TICK_S)
