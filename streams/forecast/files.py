"""Plans as TOML, and archives of past campaigns as files."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from metrics.forecast.outcomes import ATTRIBUTES, PastCampaign, Plan
from metrics.values.errors import RoistreamError
from metrics.values.money import plain_decimal, to_micros
from streams.mapping.model import Frame
from streams.replay.file_readers import Source, expand, sources

_TEXTS = ("campaign_id", *ATTRIBUTES)
_MONEY = ("spend", "other_cost", "revenue", "refunds")
_COUNTS = ("leads", "orders", "new_customers")
_DAYS = ("days", "starts_at", "ends_at", "day")
FIELDS = (*_TEXTS, *_MONEY, *_COUNTS, *_DAYS, "currency")
_PLAN = (*_TEXTS, "budget", "other_cost", "days", "starts_at", "ends_at", "currency")


def read_plan(path: Path, currency: str) -> Plan:
    """A plan of a campaign.

    Args:
        path: a TOML file with ``campaign_id``, ``budget``, ``days`` or ``starts_at`` and ``ends_at`` (both days count), and of ``target``, ``offer``, ``channel`` and
            ``objective`` what is known.
        currency: of the archive.

    Raises:
        RoistreamError: for a file that is none, an unknown key, or a value that cannot be; the text names it.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RoistreamError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RoistreamError(f"{path} is no TOML: {error}.") from error
    unknown = sorted(set(said) - set(_PLAN))
    if unknown:
        raise RoistreamError(f"{path}: {unknown[0]} is not known; a plan has {', '.join(_PLAN)}.")
    if said.get("currency", currency) != currency:
        raise RoistreamError(
            f"{path}: the plan is in {said['currency']}, the archive in {currency}; give the budget in {currency}."
        )
    if "budget" not in said:
        raise RoistreamError(f'{path}: budget is missing; write it like budget = "12000.00".')
    budget = _micros(said["budget"], f"{path}: budget")
    if budget <= 0:
        raise RoistreamError(f"{path}: budget must be above 0.")
    for name in _TEXTS:
        if not isinstance(said.get(name, ""), str):
            raise RoistreamError(f"{path}: {name} must be a text in quotes.")
    return Plan(
        said.get("campaign_id", path.stem),
        tuple(said.get(name) or None for name in ATTRIBUTES),
        _planned_days(path, said),
        budget,
        _micros(said.get("other_cost", 0), f"{path}: other_cost"),
    )


def _planned_days(path: Path, said: dict[str, Any]) -> float:
    days = said.get("days")
    if days is None and {"starts_at", "ends_at"} <= said.keys():
        start, end = (_day(said[name], f"{path}: {name}") for name in ("starts_at", "ends_at"))
        days = (end - start).days + 1
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= 3_660:
        raise RoistreamError(f"{path}: say days (1 to 3660), or starts_at and ends_at, both in the campaign.")
    return float(days)


def _day(value: Any, place: str) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value).strip()[:10])
    except ValueError as error:
        raise RoistreamError(f"{place}: {value!r} is no day; write it like 2026-07-01.") from error


def _micros(value: Any, place: str) -> int:
    try:
        return to_micros(plain_decimal(str(value).strip() or "0"))
    except ValueError as error:
        raise RoistreamError(f"{place}: {value!r} is no amount of money of 0 or more.") from error


def _count(value: str, place: str) -> float:
    try:
        count = float(plain_decimal(value))
    except ValueError as error:
        raise RoistreamError(f"{place}: {value!r} is no count.") from error
    if not 0 <= count < 1e15:
        raise RoistreamError(f"{place}: {value!r} is no count.")
    return count


def names_of(said: Iterable[str]) -> dict[str, str]:
    """The column of each field.

    Raises:
        RoistreamError: for what is not ``field=column``, or no field.
    """
    names = {name: name for name in FIELDS}
    for part in said:
        name, is_given, column = part.partition("=")
        if not is_given or not column or name not in names:
            raise RoistreamError(f"--column {part}: write field=column, with one of {', '.join(FIELDS)}.")
        names[name] = column
    return names


def read_archive(paths: Sequence[Path], said: Iterable[str], currency: str) -> tuple[list[PastCampaign], str]:
    """Past campaigns by their last day, and the currency of their money.

    Rows of one campaign add up, so that a file may have a row for each campaign or for each of its days (column ``day``).

    Args:
        paths: files or folders: CSV, JSON, Parquet, spreadsheets, also packed.
        said: ``field=column``.
        currency: of rows that name none.

    Raises:
        RoistreamError: for a file or a row that cannot be read, or several currencies; the text names it.
    """
    names = names_of(said)
    found: dict[str, PastCampaign] = {}
    days: dict[str, set[date]] = {}
    ends: dict[str, date] = {}
    currencies: set[str] = set()
    for path, _ in expand(paths):
        for source in sources(path, Frame(), [[names["campaign_id"], names["spend"]]]):
            for place, row in _rows(source, names):
                currencies.add((row["currency"] or currency).upper())
                past, row_days, last = _past(row, place)
                before = found.get(past.campaign_id)
                found[past.campaign_id] = past if before is None else _added(before, past, place)
                days.setdefault(past.campaign_id, set()).update(row_days)
                ends[past.campaign_id] = max(last, ends.get(past.campaign_id, last))
    if len(currencies) > 1:
        raise RoistreamError(
            f"The archive is in {', '.join(sorted(currencies))}; a forecast needs one currency. Give the campaigns of each alone."
        )
    if not found:
        raise RoistreamError("There is no campaign in the archive.")
    whole = [
        replace(past, days=float(len(days[name])) if days[name] else past.days)
        for name, past in found.items()
    ]
    whole.sort(key=lambda past: (ends[past.campaign_id], past.campaign_id))
    return whole, currencies.pop()


def _rows(source: Source, names: dict[str, str]) -> Iterable[tuple[str, dict[str, str | None]]]:
    for name in ("campaign_id", "spend"):
        if names[name] not in source.header:
            raise RoistreamError(
                f"{source.label} has no column {names[name]}; it has {', '.join(source.header)}. Name the column with --column {name}=…."
            )
    for lines, columns in source.batches:
        for index, line in enumerate(lines):
            cells = {
                name: (columns.get(column) or [None] * len(lines))[index] for name, column in names.items()
            }
            yield f"{source.label}:{line}", cells
    if source.left:
        line, reason, _ = source.left[0]
        raise RoistreamError(
            f"{len(source.left)} rows of {source.label} cannot be read (line {line}: {reason}); correct them."
        )


def _past(row: dict[str, str | None], place: str) -> tuple[PastCampaign, set[date], date]:
    campaign = (row["campaign_id"] or "").strip()
    if not campaign:
        raise RoistreamError(f"{place} names no campaign.")
    money = {name: _micros(row[name], f"{place}: {name}") for name in _MONEY if row[name]}
    counts = {name: _count(text, f"{place}: {name}") for name in _COUNTS if (text := row[name])}
    revenue = money["revenue"] - money.get("refunds", 0) if "revenue" in money else None
    seen: set[date] = set()
    length = 1.0
    last = _day(row["ends_at"], f"{place}: ends_at") if row["ends_at"] else date.min
    if row["day"]:
        last = _day(row["day"], f"{place}: day")
        seen.add(last)
    elif row["days"]:
        length = _count(row["days"], f"{place}: days")
    elif row["starts_at"] and row["ends_at"]:
        length = (last - _day(row["starts_at"], f"{place}: starts_at")).days + 1.0
    attributes = tuple(row[name] or None for name in ATTRIBUTES)
    past = PastCampaign(
        campaign,
        attributes,
        length,
        money.get("spend", 0),
        money.get("other_cost", 0),
        revenue=revenue,
        **counts,
    )
    return past, seen, last


def _added(before: PastCampaign, more: PastCampaign, place: str) -> PastCampaign:
    if before.attributes != more.attributes:
        raise RoistreamError(
            f"{place}: {more.campaign_id} has another {' or '.join(ATTRIBUTES)} than in an earlier row; a campaign has one of each."
        )

    def both(one: Any, other: Any) -> Any:
        return other if one is None else one if other is None else one + other

    return replace(
        before,
        days=before.days + more.days,
        spend=before.spend + more.spend,
        other_cost=before.other_cost + more.other_cost,
        **{name: both(getattr(before, name), getattr(more, name)) for name in (*_COUNTS, "revenue")},
    )
