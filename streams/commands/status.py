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
from metrics.budget.records import BoardCard, CardHold, Column
from metrics.budget.worth import shown_target
from metrics.kpis.catalogue import KPIS
from metrics.records.kpi_reading import CampaignKpi, Evidence, RollingWindow
from metrics.values.errors import UNREADABLE, RoistreamError, SettingError
from metrics.values.money import MICROS
from streams import catalogues
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
    attention = list(map(catalogues.said, report.health.problems))
    if waiting:
        text = catalogues.t(
            "{count} decision(s) wait for a person: {names}.", count=len(waiting), names=_listed(waiting)
        )
        attention.append(text)
    if missing:
        text = catalogues.t(
            "{count} running campaign(s) surely miss a target: {names}.",
            count=len(missing),
            names=_listed(missing),
        )
        attention.append(text)
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
        yield catalogues.t(
            "The records of {count} order(s) came on several partitions: changes and refunds did not find them. "
            "Give all records of an order one key, such as the visitor_id.",
            count=split.orders,
        )
    if split.events:
        yield catalogues.t(
            "{count} event(s) came on several partitions, and counted on each. "
            "Give all records of one event_id one key, such as the visitor_id.",
            count=split.events,
        )


def _misses(card: BoardCard) -> bool:
    return any(each.verdict == "bad" for each in card.evidence.values())


def _listed(names: list[str], most: int = 5) -> str:
    """The first of some names.

    >>> _listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    if len(names) <= most:
        return shown
    return catalogues.t("{names} and {count} more", names=shown, count=len(names) - most)


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
        catalogues.t("unknown: no worker has told it")
        if found.figures_age_ms is None
        else catalogues.t(
            "complete up to {seconds} s ago", seconds=catalogues.number(found.figures_age_ms / 1_000)
        )
    )
    placed = ", ".join(f"{catalogues.t(column)} {count}" for column, count in found.columns.items())
    modes = ", ".join(map(catalogues.t, sorted(found.modes)))
    lines = [
        _row(
            catalogues.t("Cluster"),
            found.cluster or catalogues.t("unknown: no worker has written to this Redis"),
        ),
        _row(catalogues.t("Workers"), str(len(found.workers))),
        *map(_worker_line, found.workers),
        _row(catalogues.t("Figures"), age),
        _row(catalogues.t("Board"), placed or catalogues.t("no card yet")),
        _row(catalogues.t("Mode"), modes or catalogues.t("none")),
    ]
    if not found.attention:
        return [*lines, catalogues.t("Nothing needs attention.")]
    return [*lines, catalogues.t("Attention"), *(f"  - {sentence}" for sentence in found.attention)]


def _row(name: str, value: str) -> str:
    return f"{name:<9} {value}"


def _worker_line(worker: WorkerStatus) -> str:
    state = catalogues.t("ready")
    if worker.reasons:
        reasons = "; ".join(map(catalogues.said, worker.reasons))
        state = catalogues.t("not ready: {reasons}", reasons=reasons)
    held = ", ".join(map(str, worker.partitions)) or catalogues.t("none")
    return f"  {worker.worker:<24} {catalogues.t('partitions')} {held:<14} {state}"


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
        sentence = catalogues.t(
            "No worker said anything for {seconds} s: none runs, or none uses this Redis.",
            seconds=catalogues.number(listen_s),
        )
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
        text = catalogues.t(
            "{campaign} has no card: nobody registered it, so it has no budget and no target.",
            campaign=found.campaign_id,
        )
        lines.append(text)
    declared = found.readings.get("declared", {})
    for window in ("24h", "total"):
        reading = declared.get(window)
        if reading is not None:
            lines += ["", *_reading_lines(reading, window)]
    others = {model: windows["24h"] for model, windows in found.readings.items() if "24h" in windows}
    if len(others) > 1:
        lines += ["", catalogues.t("By attribution model, 24h"), *map(_model_line, others, others.values())]
    return lines


def _model_line(model: str, reading: CampaignKpi) -> str:
    revenue = reading.sums.revenue_micros / MICROS
    return f"  {model:<16} " + catalogues.t(
        "leads {leads}  orders {orders}  revenue {revenue} {currency}",
        leads=catalogues.figure(reading.sums.leads, 6),
        orders=catalogues.figure(reading.sums.orders, 6),
        revenue=catalogues.number(revenue, 2),
        currency=reading.currency,
    )


def _card_lines(card: BoardCard) -> list[str]:
    name = f"{card.name} ({card.campaign_id})" if card.name else card.campaign_id
    heading = catalogues.t(
        "{name}: in {column}, mode {mode}; {spent} of {budget} {currency} spent",
        name=name,
        column=catalogues.t(card.column),
        mode=catalogues.t(card.mode),
        spent=catalogues.number(card.spent_micros / MICROS, 2),
        budget=catalogues.number(card.budget_micros / MICROS, 2),
        currency=card.currency,
    )
    lines = [heading]
    if card.hold is not None:
        lines.append(f"  {_hold(card.hold)}")
    if card.proposal is not None:
        reason = catalogues.said(card.proposal.reason)
        lines.append(
            "  " + catalogues.t("Proposed: {verb}: {reason}", verb=card.proposal.verb, reason=reason)
        )
    if card.reason:
        lines.append("  " + catalogues.t("Last said: {reason}", reason=catalogues.said(card.reason)))
    lines += [f"  {_evidence(each, card)}" for each in card.evidence.values()]
    return lines


def _hold(hold: CardHold) -> str:
    values = {"owner": hold.owner, "reason": catalogues.said(hold.reason)}
    if hold.expires_at is None:
        return catalogues.t("Held by {owner} until someone resumes it: {reason}", **values)
    return catalogues.t(
        "Held by {owner} until {time}: {reason}", time=catalogues.moment_in_words(hold.expires_at), **values
    )


def _evidence(one: Evidence, card: BoardCard) -> str:
    goal = card.targets_micros.get(one.target)
    low, high = (("…" if end is None else catalogues.figure(end)) for end in one.interval)
    words = {
        "bad": catalogues.t("surely misses its target"),
        "good": catalogues.t("surely meets its target"),
    }.get(one.verdict, catalogues.t("is not decided yet"))
    target = (
        "" if goal is None else catalogues.t(", target {target}", target=catalogues.figure(goal / MICROS, 6))
    )
    return catalogues.t(
        "{kpi} {verdict}: likely {low} to {high}{target}; e-value {e_value}, {share} complete",
        kpi=shown_target(one.target),
        verdict=words,
        low=low,
        high=high,
        target=target,
        e_value=catalogues.figure(one.e_value, 3),
        share=catalogues.percent(one.completeness),
    )


def _reading_lines(reading: CampaignKpi, window: str) -> list[str]:
    """The sums of a window, and each KPI with its formula."""
    sums = {
        name.removesuffix("_micros"): value / MICROS if name.endswith("_micros") else value
        for name, value in msgspec.structs.asdict(reading.sums).items()
        if value is not None
    }
    made_of = ", ".join(f"{name} {_plain(value)}" for name, value in sums.items() if value)
    upto = (
        catalogues.t("complete up to {time}", time=catalogues.moment_in_words(reading.watermark))
        if reading.watermark
        else catalogues.t("completeness unknown")
    )
    lines = [
        catalogues.t(
            "{window}, revision {revision}, {upto}", window=window, revision=reading.revision, upto=upto
        ),
        "  "
        + catalogues.t(
            "sums: {sums} (amounts in {currency})",
            sums=made_of or catalogues.t("nothing yet"),
            currency=reading.currency,
        ),
    ]
    if reading.spread_ratio:
        text = catalogues.t(
            "{share} of the spend is an estimate: a report of a longer time, taken to lie evenly in it",
            share=catalogues.percent(reading.spread_ratio),
        )
        lines.append(f"  {text}")
    if reading.unreported_ratio:
        text = catalogues.t(
            "no report says yet what {share} of the window's time cost: its results are in the sums without their spend",
            share=catalogues.percent(reading.unreported_ratio),
        )
        lines.append(f"  {text}")
    if reading.has_uncertain_amounts:
        text = catalogues.t(
            "amounts count whose worth is not known for sure: in a currency without a rate on fx-rates, as 0 until it comes"
        )
        lines.append(f"  {text}")
    for spec in KPIS:
        value = reading.kpis.get(spec.id)
        if value is not None:
            shown = (
                f"{catalogues.number(value, 2)} {reading.currency}"
                if spec.is_money
                else catalogues.figure(value)
            )
            said = catalogues.t(
                "{title}: {value} = {formula}",
                title=catalogues.t(spec.title),
                value=shown,
                formula=spec.formula,
            )
            lines.append(f"  {said}")
    return lines


def _plain(value: float) -> str:
    """A sum, without the cents of a whole one."""
    return catalogues.number(value, 0 if f"{value:.2f}".endswith(".00") else 2)


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
