"""``roistream status`` and ``roistream explain``: one screen of what runs, and why one campaign stands where it stands.

Both read what the workers keep in Redis, as the board does, and change nothing.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec
import redis
from rich.console import Console

from metrics.attribution.models import MODELS
from metrics.budget.records import BoardCard, Column
from metrics.kpis.catalogue import KPIS
from metrics.records.kpi_reading import CampaignKpi, Evidence, RollingWindow
from metrics.values.errors import UNREADABLE, RoistreamError, SettingError
from metrics.values.money import MICROS
from streams.process import now_ms
from streams.settings import Settings
from streams.sinks.redis_names import OWNER, RedisNames
from streams.sinks.redis_status import EVERY_S, WorkerStatus
from streams.sinks.worker_watch import FiguresHealth, SplitIdentities, WorkerWatch

#: Every worker has said something within two of its turns.
_LISTEN_S = 2 * EVERY_S + 0.5
_SOCKET_S = 5.0
_PROBLEMS = 1
T = TypeVar("T")
_READINGS = ("declared", *MODELS)
_COLUMNS: tuple[Column, ...] = get_args(Column)
_WINDOWS: tuple[str, ...] = get_args(RollingWindow)

_card = msgspec.json.Decoder(BoardCard)
_reading = msgspec.json.Decoder(CampaignKpi)


class WorkersReport(NamedTuple):
    """What workers said of themselves, and how old figures are by it."""

    workers: list[WorkerStatus]
    health: FiguresHealth
    split: SplitIdentities


class Deployment(msgspec.Struct, frozen=True):
    """What ``roistream status --json`` prints.

    Attributes:
        workers: each with its partitions and why it is not ready.
        figures_age_ms: from the least watermark to now; None: no worker has told one.
        attention: what needs somebody, in sentences.
        columns: campaigns in each column.
        modes: campaigns in each mode of the controller.
        waiting: campaigns whose proposal waits for a decision.
        cluster: id of the Kafka cluster whose figures Redis holds; None: no worker has written there.
    """

    workers: list[WorkerStatus]
    figures_age_ms: int | None
    attention: list[str]
    columns: dict[str, int]
    modes: dict[str, int]
    waiting: list[str]
    cluster: str | None


def deployment_of(report: WorkersReport, cards: Mapping[str, BoardCard], cluster: str | None) -> Deployment:
    """One picture of workers and campaigns. Pure."""
    placed = Counter(card.column for card in cards.values())
    waiting = sorted(
        name for name, card in cards.items() if card.proposal is not None and card.mode == "propose"
    )
    missing = sorted(
        name for name, card in cards.items() if _misses(card) and card.column in {"test", "scale"}
    )
    attention = list(report.health.problems)
    if waiting:
        attention.append(f"{len(waiting)} decision(s) wait for a person: {_listed(waiting)}.")
    if missing:
        attention.append(f"{len(missing)} running campaign(s) surely miss a target: {_listed(missing)}.")
    attention += _split_sentences(report.split)
    return Deployment(
        report.workers,
        report.health.age_ms,
        attention,
        {column: placed[column] for column in _COLUMNS if placed[column]},
        dict(Counter(card.mode for card in cards.values())),
        waiting,
        cluster,
    )


def _split_sentences(split: SplitIdentities) -> Iterator[str]:
    if split.orders:
        yield (
            f"The records of {split.orders} order(s) came on several partitions: changes and refunds did not find them. "
            "Give all records of an order one key, such as the visitor_id."
        )
    if split.events:
        yield (
            f"{split.events} event(s) came on several partitions, and counted on each. "
            "Give all records of one event_id one key, such as the visitor_id."
        )


def _misses(card: BoardCard) -> bool:
    return any(each.verdict == "bad" for each in card.evidence.values())


def _listed(names: list[str], most: int = 5) -> str:
    """The first of some names.

    >>> _listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def status(settings: Settings, *, as_json: bool, listen_s: float = _LISTEN_S) -> int:
    """Print what runs and what needs attention.

    Args:
        settings: where Redis is.
        as_json: one JSON object (``Deployment``) instead of lines.
        listen_s: how long workers are listened to.

    Returns:
        0 when nothing stands between figures and now, else 1.

    Raises:
        RoistreamError: without a Redis, or when Redis does not answer.
    """
    names = RedisNames(settings.topic_prefix)
    with _client(settings) as client:
        report = _asked(lambda: _listen(client, names, settings.partitions, listen_s))
        cards = _asked(lambda: _cards(client, names))
        cluster = _asked(lambda: _cluster(client, names))
    found = deployment_of(report, cards, cluster)
    _show(found, _status_lines(found), as_json=as_json)
    return _PROBLEMS if report.health.problems else 0


def _status_lines(found: Deployment) -> list[str]:
    age = (
        "unknown: no worker has told it"
        if found.figures_age_ms is None
        else f"complete up to {found.figures_age_ms / 1_000:.0f} s ago"
    )
    lines = [f"Cluster   {found.cluster or 'unknown: no worker has written to this Redis'}"]
    lines.append(f"Workers   {len(found.workers)}")
    for each in found.workers:
        state = "ready" if not each.reasons else f"not ready: {'; '.join(each.reasons)}"
        held = ", ".join(map(str, each.partitions)) or "none"
        lines.append(f"  {each.worker:<24} partitions {held:<14} {state}")
    lines.append(f"Figures   {age}")
    placed = ", ".join(f"{column} {count}" for column, count in found.columns.items()) or "no card yet"
    modes = ", ".join(sorted(found.modes)) or "none"
    lines += [f"Board     {placed}", f"Mode      {modes}"]
    if not found.attention:
        return [*lines, "Nothing needs attention."]
    return [*lines, "Attention", *(f"  - {sentence}" for sentence in found.attention)]


def _listen(client: "redis.Redis", names: RedisNames, partitions: int, listen_s: float) -> WorkersReport:
    began = time.monotonic()
    watch = WorkerWatch(partitions, began)
    workers: dict[str, WorkerStatus] = {}
    subscription: Any = client
    with subscription.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(names.workers)
        while (left := began + listen_s - time.monotonic()) > 0:
            message = channel.get_message(timeout=left)
            if message is None:
                continue
            try:
                said = msgspec.json.decode(message["data"], type=WorkerStatus)
            except UNREADABLE:
                continue
            workers[said.worker] = said
            watch.take(message["data"], time.monotonic())
    health = watch.health(time.monotonic(), now_ms())
    if not workers:
        sentence = f"No worker said anything for {listen_s:.0f} s: none runs, or none uses this Redis."
        health = FiguresHealth(health.age_ms, [sentence])
    return WorkersReport(sorted(workers.values(), key=lambda each: each.worker), health, watch.split)


def _cards(client: "redis.Redis", names: RedisNames) -> dict[str, BoardCard]:
    cards = {}
    found: Any = client.hgetall(names.board)
    for name, value in found.items():
        try:
            cards[name.decode()] = _card.decode(value)
        except UNREADABLE:
            continue
    return cards


def _cluster(client: "redis.Redis", names: RedisNames) -> str | None:
    found: Any = client.hget(names.views, OWNER)
    return None if found is None else str(found.decode(errors="replace"))


# --- one campaign -------------------------------------------------------------------------------------


class Explanation(msgspec.Struct, frozen=True):
    """What ``roistream explain --json`` prints: the card, and the readings of each model and window."""

    campaign_id: str
    card: BoardCard | None
    readings: dict[str, dict[str, CampaignKpi]]


def explain(settings: Settings, campaign_id: str, *, as_json: bool) -> int:
    """Print why a campaign stands where it stands, and what its figures are made of.

    Raises:
        RoistreamError: without a Redis, when Redis does not answer, or when nothing is known of the campaign.
    """
    with _client(settings) as client:
        found = _asked(lambda: _explanation(client, RedisNames(settings.topic_prefix), campaign_id))
    if found.card is None and not found.readings:
        raise RoistreamError(
            f"Nothing is known of campaign {campaign_id!r} in this Redis; roistream tail shows which campaigns have figures."
        )
    _show(found, explanation_lines(found), as_json=as_json)
    return 0


def _explanation(client: "redis.Redis", names: RedisNames, campaign_id: str) -> Explanation:
    asked = [(model, window) for model in _READINGS for window in _WINDOWS]
    with client.pipeline(transaction=False) as pipeline:
        pipeline.hget(names.board, campaign_id)
        for model, window in asked:
            pipeline.hget(names.readings(model, window), campaign_id)
        card, *values = pipeline.execute()
    readings: dict[str, dict[str, CampaignKpi]] = {}
    for (model, window), value in zip(asked, values, strict=True):
        if value is not None:
            readings.setdefault(model, {})[window] = _reading.decode(value)
    return Explanation(campaign_id, None if card is None else _card.decode(card), readings)


def explanation_lines(found: Explanation) -> list[str]:
    """The explanation in lines. Pure."""
    lines = [] if found.card is None else list(_card_lines(found.card))
    if found.card is None:
        lines.append(
            f"{found.campaign_id} has no card: nobody registered it, so it has no budget and no target."
        )
    declared = found.readings.get("declared", {})
    for window in ("24h", "total"):
        reading = declared.get(window)
        if reading is not None:
            lines += ["", *_reading_lines(reading, window)]
    others = {model: windows["24h"] for model, windows in found.readings.items() if "24h" in windows}
    if len(others) > 1:
        lines += ["", "By attribution model, 24h"]
        lines += [
            f"  {model:<16} leads {each.sums.leads:g}  orders {each.sums.orders:g}  revenue {each.sums.revenue_micros / MICROS:,.2f} {each.currency}"
            for model, each in others.items()
        ]
    return lines


def _card_lines(card: BoardCard) -> list[str]:
    name = f"{card.name} ({card.campaign_id})" if card.name else card.campaign_id
    money = f"{card.spent_micros / MICROS:,.2f} of {card.budget_micros / MICROS:,.2f} {card.currency} spent"
    lines = [f"{name}: in {card.column}, mode {card.mode}; {money}"]
    if card.hold is not None:
        until = f"until {card.hold.expires_at}" if card.hold.expires_at else "until someone resumes it"
        lines.append(f"  Held by {card.hold.owner} {until}: {card.hold.reason}")
    if card.proposal is not None:
        lines.append(f"  Proposed: {card.proposal.verb}: {card.proposal.reason}")
    if card.reason:
        lines.append(f"  Last said: {card.reason}")
    lines += [f"  {_evidence(each, card)}" for each in card.evidence.values()]
    return lines


def _evidence(one: Evidence, card: BoardCard) -> str:
    goal = card.targets_micros.get(one.target)
    target = "" if goal is None else f", target {goal / MICROS:g}"
    low, high = (("…" if end is None else f"{end:.4g}") for end in one.interval)
    words = {"bad": "surely misses its target", "good": "surely meets its target"}.get(
        one.verdict, "is not decided yet"
    )
    return f"{one.target.upper()} {words}: likely {low} to {high}{target}; e-value {one.e_value:.3g}, {one.completeness:.0%} complete"


def _reading_lines(reading: CampaignKpi, window: str) -> list[str]:
    """The sums of a window, and each KPI with its formula."""
    sums = {
        name.removesuffix("_micros"): value / MICROS if name.endswith("_micros") else value
        for name, value in msgspec.structs.asdict(reading.sums).items()
        if value is not None
    }
    made_of = ", ".join(f"{name} {value:,.2f}".removesuffix(".00") for name, value in sums.items() if value)
    upto = f"complete up to {reading.watermark}" if reading.watermark else "completeness unknown"
    lines = [
        f"{window}, revision {reading.revision}, {upto}",
        f"  sums: {made_of or 'nothing yet'} (amounts in {reading.currency})",
    ]
    if reading.spread_ratio:
        lines.append(
            f"  {reading.spread_ratio:.0%} of the spend is an estimate: a report of a longer time, taken to lie evenly in it"
        )
    if reading.has_uncertain_amounts:
        lines.append(
            "  amounts count whose worth is not known for sure: in a currency without a rate on fx-rates, as 0 until it comes"
        )
    for spec in KPIS:
        value = reading.kpis.get(spec.id)
        if value is not None:
            shown = f"{value:,.2f} {reading.currency}" if spec.is_money else f"{value:.4g}"
            lines.append(f"  {spec.title}: {shown} = {spec.formula}")
    return lines


# --- Redis --------------------------------------------------------------------------------------------


def _show(found: msgspec.Struct, lines: list[str], *, as_json: bool) -> None:
    """Print what was found, for a machine or for a person."""
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.out(msgspec.json.encode(found).decode(), highlight=False)
    else:
        for line in lines:
            console.print(line, markup=False)


def _client(settings: Settings) -> "redis.Redis":
    if settings.redis_url is None:
        raise SettingError(
            "ROISTREAM_REDIS_URL: this command reads what workers keep in Redis; set it to the Redis that they write to."
        )
    try:
        return redis.Redis.from_url(
            settings.redis_url.get_secret_value(), socket_timeout=_SOCKET_S, socket_connect_timeout=_SOCKET_S
        )
    except (ValueError, TypeError):
        raise SettingError(
            "ROISTREAM_REDIS_URL: this is no address of a Redis; write it like redis://:password@host:6379/0."
        ) from None  # the cause may quote the password


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except (redis.RedisError, OSError) as error:
        raise RoistreamError(
            f"Redis does not answer ({type(error).__name__}); look at it, and try again."
        ) from error
