"""``roistream backtest``: what a policy would have saved or lost over recorded hours, against doing nothing.

The hours come from ``campaign-kpis`` as it stands in Kafka, or from a file: JSON Lines of its records, or a CSV with a
row per campaign and hour.
"""

import asyncio
import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import msgspec
from rich.console import Console
from rich.table import Table

from metrics.budget import History, Simulation, simulate
from metrics.budget.policy import Policies
from metrics.entities.campaigns import CampaignFacts, CampaignRegistry
from metrics.records.events import NO_CAMPAIGN
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.records.validation import instant
from metrics.values.errors import UNREADABLE, Rejection, RoistreamError
from metrics.values.money import MICROS, plain_decimal, to_micros
from metrics.values.time import HOUR, floor_to, format_instant
from streams import catalogues, topics
from streams.runtime.registry import Registry
from streams.settings import Settings
from streams.transport.log_reader import read_whole
from streams.transport.topic_admin import ensure_topics

_COUNTS = ("clicks", "leads", "orders", "new_customers")
_MONEY = ("spend", "revenue", "refunds", "cost_of_goods", "other_cost")
_TARGETS = ("cpl", "cpa", "cac", "roas", "roi")
_SHOWN_ACTIONS = 20
#: Campaigns that are named as left out.
_SHOWN_LEFT_OUT = 10
#: Most records are of minutes and of models: they are told apart by a search, which costs a tenth of decoding them.
_WANTED = (b'"model":"declared"', b'"window":"1h"')
_reading = msgspec.json.Decoder(CampaignKpi)


def run(settings: Settings, path: Path | None, policies: Policies, *, as_json: bool = False) -> int:
    """Read the history, replay it, print the outcome; 0 when there was one.

    Args:
        settings: broker and currency; the broker is asked only without a path.
        path: a CSV or JSON Lines file; None reads the topic.
        policies: what would have been allowed.
        as_json: print the whole outcome as one JSON object.

    Raises:
        RoistreamError: when there is nothing to replay, a row is wrong, or the broker is not there or lacks a topic.
    """
    if path is None:
        _check_topics(settings)
        history = asyncio.run(from_topics(settings))
    else:
        history = from_file(path, settings)
    if not history.readings:
        raise RoistreamError(
            "There are no recorded hours: campaign-kpis holds no 1h record, or the file no row. Hours are "
            "published as campaigns run, and kept for 7 days."
        )
    found = simulate(policies, history)
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.print(msgspec.json.encode(found).decode(), markup=False)
    else:
        show(found, history, console)
    return 0


def _check_topics(settings: Settings) -> None:
    """What is read must be there, with as many partitions as the settings say."""
    read = {settings.topic(name) for name in (topics.CAMPAIGN_KPIS, *topics.REGISTRIES)}
    for difference in ensure_topics(settings, create=False):
        if difference.topic in read and difference.kind in ("missing", "partitions"):
            raise RoistreamError(difference.sentence)


async def from_topics(settings: Settings) -> History:
    """The hours in ``campaign-kpis`` and the campaigns as registered now."""
    campaign_registry = CampaignRegistry(settings.reporting_currency)
    registry = Registry(settings, campaign_registry, lambda _: None)
    await registry.start()
    await registry.stop()
    readings: list[CampaignKpi] = []
    for partition in range(settings.partitions):
        async for entries in read_whole(settings, topics.CAMPAIGN_KPIS, partition):
            readings += [found for _, value in entries if (found := _hour_of(value)) is not None]
    return History(campaign_registry.campaigns, readings, settings.reporting_currency)


def _hour_of(value: bytes | None) -> CampaignKpi | None:
    """A record of the topic that is an hour; None for others and for what cannot be read: the topic is not only ours."""
    if value is None or not all(part in value for part in _WANTED):
        return None
    try:
        return _reading.decode(value)
    except UNREADABLE:
        return None


def from_file(path: Path, settings: Settings) -> History:
    """The hours of a file; the campaigns of a CSV are what its rows say of them.

    Raises:
        RoistreamError: names the file, and the row that is wrong.
    """
    try:
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                return _from_rows(path, csv.DictReader(file), settings.reporting_currency)
        readings = [_reading.decode(line) for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise RoistreamError(f"{path} cannot be read ({error.strerror}).") from error
    except UNREADABLE as error:
        raise RoistreamError(f"{path}: a line is no record of campaign-kpis: {error}.") from error
    names = {reading.campaign_id for reading in readings} - {NO_CAMPAIGN}
    facts = {name: CampaignFacts(name) for name in names}
    return History(facts, readings, settings.reporting_currency)


def _from_rows(path: Path, rows: "csv.DictReader[str]", currency: str) -> History:
    facts: dict[str, CampaignFacts] = {}
    readings = []
    for number, row in enumerate(rows, 2):
        try:
            reading = _hour(row, currency, number)
            readings.append(reading)
            facts[reading.campaign_id] = _facts(row)
        except (KeyError, ValueError, Rejection) as error:
            raise RoistreamError(
                f"{path}, line {number}: {error}. A row needs campaign_id, hour (RFC 3339), spend and any of "
                f"{', '.join((*_COUNTS, *_MONEY[1:]))}, budget, {', '.join(f'target_{name}' for name in _TARGETS)}."
            ) from error
    return History(facts, readings, currency)


def _hour(row: Mapping[str, str], currency: str, number: int) -> CampaignKpi:
    start = floor_to(instant(datetime.fromisoformat(row["hour"]), "hour"), HOUR)
    given: dict[str, int] = dict.fromkeys(Sums.__struct_fields__, 0)
    given |= {name: _count(row.get(name) or "0") for name in _COUNTS}
    given |= {f"{name}_micros": to_micros(plain_decimal(row.get(name) or "0")) for name in _MONEY}
    return CampaignKpi(
        campaign_id=row["campaign_id"],
        channel=row.get("channel") or None,
        model="declared",
        window="1h",
        window_start=format_instant(start),
        window_end=format_instant(start + HOUR),
        stage="final",
        revision=number,
        currency=currency,
        sums=msgspec.convert(given, Sums),
        other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0),
        kpis={},
        watermark=format_instant(start + HOUR),
        published_at=format_instant(start + HOUR),
    )


def _count(text: str) -> int:
    plain_decimal(text)  # refuses what Python would take besides, as underscores
    return int(text)


def _facts(row: Mapping[str, str]) -> CampaignFacts:
    targets = {
        name: int(plain_decimal(row[f"target_{name}"]) * MICROS)
        for name in _TARGETS
        if row.get(f"target_{name}")
    }
    budget = to_micros(plain_decimal(row["budget"])) if row.get("budget") else None
    return CampaignFacts(row["campaign_id"], budget_micros=budget, targets_micros=MappingProxyType(targets))


def show(found: Simulation, history: History, console: Console) -> None:
    """The outcome as a table, the actions, and one sentence."""
    table = Table(
        title=catalogues.t(
            "{hours} hours ({start} to {end}), {count} campaigns, in {currency}",
            hours=catalogues.number(found.hours),
            start=catalogues.moment_in_words(history.start),
            end=catalogues.moment_in_words(history.end),
            count=catalogues.number(len(found.campaigns)),
            currency=found.currency,
        )
    )
    with_policy = catalogues.t("with policy")
    # Campaigns of one beginning must be told apart, however narrow the terminal is.
    for name in (catalogues.t("campaign"), catalogues.t("ends in")):
        table.add_column(name, overflow="fold")
    for name in (
        catalogues.t("actions"),
        catalogues.t("spend"),
        with_policy,
        catalogues.t("profit"),
        with_policy,
    ):
        table.add_column(name, justify="right", overflow="fold")
    for row in _rows(found):
        table.add_row(*row)
    console.print(table)
    for action in found.actions[:_SHOWN_ACTIONS]:
        reason = catalogues.said(action.reason)
        line = f"{catalogues.moment(action.decided_at)}  {action.verb:<10} {action.campaign_id}: {reason}"
        console.print(line, markup=False)
    if len(found.actions) > _SHOWN_ACTIONS:
        more = len(found.actions) - _SHOWN_ACTIONS
        console.print(catalogues.t("… and {count} more; --json has all of them.", count=more))
    console.print(_sentence(found), markup=False)
    if found.left_out:
        names = ", ".join(found.left_out[:_SHOWN_LEFT_OUT]) + (
            " …" if len(found.left_out) > _SHOWN_LEFT_OUT else ""
        )
        text = catalogues.t(
            "Left out, since no hour says what they cost (their reports are of longer times): {names}.",
            names=names,
        )
        console.print(text, markup=False)


def _rows(found: Simulation) -> Iterator[tuple[str, ...]]:
    for each in found.campaigns:
        yield (
            each.campaign_id.replace("[", r"\["),
            catalogues.t(each.column),
            str(each.actions),
            *(_amount(arm.spend_micros) for arm in (each.without, each.with_policy)),
            *(_amount(arm.profit_micros) for arm in (each.without, each.with_policy)),
        )


def _sentence(found: Simulation) -> str:
    gained = found.profit_gained_micros
    if not found.actions:
        return catalogues.t(
            "The policy would have done nothing in these hours: of no campaign they say enough, either way."
        )
    values = {
        "amount": _amount(abs(gained)),
        "currency": found.currency,
        "avoided": _amount(found.spend_avoided_micros),
        "before": _percent(found.without.roi),
        "after": _percent(found.with_policy.roi),
        "elasticity": catalogues.figure(found.elasticity),
    }
    if gained >= 0:
        return catalogues.t(
            "Against doing nothing the policy would have gained {amount} {currency} of profit, with {avoided} less spend; "
            "ROI {before} → {after} (results ∝ spend^{elasticity}).",
            **values,
        )
    return catalogues.t(
        "Against doing nothing the policy would have lost {amount} {currency} of profit, with {avoided} less spend; "
        "ROI {before} → {after} (results ∝ spend^{elasticity}).",
        **values,
    )


def _amount(micros: int) -> str:
    return catalogues.number(micros / MICROS, 2)


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else catalogues.percent(ratio, 1, is_signed=True)
