"""``roistream apply``: dry run unless told to carry out. The only place that waits."""

import asyncio
import importlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, get_args

from rich.console import Console
from rich.table import Table

from metrics.budget.effects.caps import Caps
from metrics.budget.effects.machine import Patience
from metrics.budget.effects.records import BudgetEffect, EffectPart, Stage, Status
from metrics.records.events import Platform
from metrics.values.errors import SettingError
from metrics.values.money import MICROS
from metrics.values.time import parse_duration
from streams import catalogues
from streams.apply.apply_metrics import ApplyMetrics
from streams.apply.carrier import WATCH_EVERY, Carrier
from streams.apply.configuration import PlatformSettings, read_platforms
from streams.apply.guarded import DryClient, GuardedClient, SecretFilter
from streams.apply.kafka_world import KafkaWorld
from streams.apply.platform import PlatformClient
from streams.process import log_to_stderr, stop_signals
from streams.settings import Settings
from streams.sinks.http_server import HttpServer

#: By platform the module of its client, which imports the SDK, and the extra that installs it.
CLIENTS: dict[Platform, str] = {
    "google": "streams.apply.clients.google",
    "meta": "streams.apply.clients.meta",
    "linkedin": "streams.apply.clients.linkedin",
    "microsoft": "streams.apply.clients.microsoft",
    "tiktok": "streams.apply.clients.tiktok",
}
#: Loggers of SDKs and of what they are built on: their lines may hold whole requests.
_LIBRARIES = (
    "aiokafka",
    "urllib3",
    "requests",
    "google",
    "grpc",
    "suds",
    "facebook_business",
    "linkedin_api",
    "business_api_client",
)
_IDLE_S = 0.2
#: Texts of the table that are no literals.
TEXTS = frozenset((*get_args(Stage), *get_args(Status)))

_logger = logging.getLogger(__name__)


class ApplyOptions(NamedTuple):
    """What the command line says."""

    platforms: Path | None = None
    is_dry: bool = True
    once: bool = False
    caps: Caps = Caps()
    watch_every: int = WATCH_EVERY
    patience: Patience = Patience()


def run(
    settings: Settings,
    platforms: Path | None,
    *,
    carries_out: bool,
    once: bool,
    per_hour: int,
    per_day: int,
    watch_every: str,
) -> int:
    """Carry out actions until told to stop, or say what would be carried out.

    Args:
        settings: broker, security, prefix, reporting currency.
        platforms: the file that says how platforms are reached; None: none is.
        carries_out: whether platforms are asked to change anything.
        once: end when nothing is left to do now.
        per_hour: most writes within an hour.
        per_day: most writes within a day.
        watch_every: how often campaigns are looked at for what people change there, such as ``15m``.

    Returns:
        0 when it was told to stop, or has done what was to do.

    Raises:
        RoistreamError: when it cannot start or go on; one sentence that says what to do.
    """
    try:
        every = parse_duration(watch_every)
    except ValueError as error:
        raise SettingError(f"--watch-every: {error}.") from error
    if carries_out and platforms is None:
        raise SettingError("--carry-out needs --platforms FILE, which says how the ad platforms are reached.")
    options = ApplyOptions(platforms, not carries_out, once, Caps(per_hour, per_day), every)
    found = {} if platforms is None else read_platforms(platforms)
    log_to_stderr(settings.log_level, _LIBRARIES)
    hides = SecretFilter(list(found.values()))
    for handler in logging.getLogger().handlers:
        handler.addFilter(hides)
    clients = {name: GuardedClient(each, _connector(name)) for name, each in found.items()}
    return asyncio.run(apply(settings, options, clients))


def _connector(name: Platform) -> Callable[[PlatformSettings], PlatformClient]:
    """Makes clients of a platform."""
    if name not in CLIENTS:
        raise SettingError(
            f"--platforms: [{name}] cannot be carried out on yet; there are {', '.join(CLIENTS) or 'none'}."
        )
    try:
        connect: Callable[[PlatformSettings], PlatformClient] = importlib.import_module(CLIENTS[name]).connect
    except ImportError as error:
        raise SettingError(
            f"[{name}] needs its SDK ({error.name} is not installed); install it with: pip install 'roistream[{name}]'."
        ) from error
    return connect


async def apply(settings: Settings, options: ApplyOptions, clients: Mapping[Platform, PlatformClient]) -> int:
    """The same with clients that are connected already."""
    shown: dict[str, BudgetEffect] = {}
    metrics = ApplyMetrics(time.monotonic, lambda: time.time_ns() // 1_000_000)

    def on_effect(effect: BudgetEffect) -> None:
        shown[effect.action_id] = effect
        metrics.changed(effect)
        _logger.info(
            "%s of %s on %s: %s%s",
            *(effect.verb, effect.campaign_id, effect.platform or "no platform", effect.stage),
            f" ({effect.because}: {effect.detail})" if effect.because else "",
        )

    reached = {name: DryClient(each) for name, each in clients.items()} if options.is_dry else dict(clients)
    world = KafkaWorld(settings, reached, is_dry=options.is_dry, on_effect=on_effect)
    stop = asyncio.Event()
    try:
        effects = await world.start()
        metrics.known(effects)
        carrier = Carrier(world, options.caps, options.patience, effects, watch_every=options.watch_every)
        async with _page(settings, options, metrics):
            with stop_signals(stop.set):
                await _carry(world, carrier, options, stop, metrics.stepped)
    finally:
        await world.stop()
    if options.is_dry:
        _show(shown)
    return 0


@asynccontextmanager
async def _page(settings: Settings, options: ApplyOptions, metrics: ApplyMetrics) -> AsyncIterator[None]:
    """The page, where a port is set and something is carried out."""
    if settings.apply_metrics_port is None or options.is_dry:
        yield
        return
    host, port = settings.http_host, settings.apply_metrics_port
    server = HttpServer(host, port, metrics.page, metrics.ready, setting="ROISTREAM_APPLY_METRICS")
    await server.start()
    _logger.info("/metrics, /healthz and /readyz are at http://%s:%s/", host, server.port)
    try:
        yield
    finally:
        await server.stop()


async def _carry(
    world: KafkaWorld,
    carrier: Carrier,
    options: ApplyOptions,
    stop: asyncio.Event,
    stepped: Callable[[], None],
) -> None:
    while not stop.is_set():
        stepped()
        # All that is there is taken in before anything is sent: a later action may replace an earlier one.
        await carrier.take(await world.actions())
        if not await world.is_caught_up():
            continue
        done = await carrier.go_on()
        if options.once or options.is_dry:
            if not done and not carrier.index.open:
                return
            if not done and options.is_dry:
                return
        if not done:
            await asyncio.sleep(_IDLE_S)


def _budget(part: EffectPart) -> str:
    amount = catalogues.number((part.amount_micros or part.wished_micros or 0) / MICROS, 2)
    if part.is_daily:
        return catalogues.t("budget {amount} a day", amount=amount)
    return catalogues.t("budget {amount}", amount=amount)


def _show(effects: Mapping[str, BudgetEffect]) -> None:
    """What a dry run found, action by action."""
    console = Console(highlight=False, soft_wrap=True)
    headings = (
        catalogues.t("campaign"),
        catalogues.t("platform"),
        catalogues.t("action"),
        catalogues.t("asked"),
        catalogues.t("what would become of it"),
    )
    table = Table(*headings, box=None)
    for effect in sorted(effects.values(), key=lambda each: each.decided_at):
        if effect.because in {"superseded", "too_old"}:
            continue
        asked = ", ".join(
            catalogues.t(part.status) if part.status else _budget(part) for part in effect.parts
        )
        table.add_row(
            effect.campaign_id,
            effect.platform or "–",
            effect.verb,
            asked,
            catalogues.said(effect.detail) if effect.detail else catalogues.t(effect.stage),
        )
    left = sum(effect.because in {"superseded", "too_old"} for effect in effects.values())
    console.print(table if table.row_count else catalogues.t("No action is to be carried out."))
    text = catalogues.t(
        "Dry run: nothing was sent. {count} actions were replaced by later ones or are too old. --carry-out carries out.",
        count=left,
    )
    console.print(text)
