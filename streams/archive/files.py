"""The archive as a file, and campaigns of it side by side."""

import asyncio
import csv
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from rich.console import Console
from rich.table import Table

from metrics.archive.comparing import COMPARED, length_days
from metrics.archive.editions import CampaignArchive
from metrics.values.errors import RoistreamError
from metrics.values.money import MICROS
from streams import catalogues, topics
from streams.archive.log import check_topics, read_editions
from streams.settings import Settings

_COUNTS = ("impressions", "clicks", "leads", "mqls", "sqls", "orders", "new_customers", "cancelled_orders")
_MONEY = ("spend", "other_cost", "revenue", "refunds", "cost_of_goods")
_TEXTS = ("name", "channel", "target", "offer", "objective", "starts_at", "ends_at", "currency")
#: As many campaigns have room beside each other; more are a list.
_SIDE_BY_SIDE = 4
_LISTED = ("days", "spend", "leads", "orders", "CPL", "CAC", "ROAS", "ROI")
#: Everything that is shown of a campaign, as its heading says.
HEADINGS = (
    *("target", "offer", "channel", "objective", "days", "spend", "leads", "orders", "revenue"),
    *("lead rate", "customer rate", "times paused", "currency", "edition"),
)


def read(settings: Settings) -> list[CampaignArchive]:
    """The last edition of each campaign, by id.

    Raises:
        RoistreamError: where the topic is missing, or nothing is archived yet.
    """
    check_topics(settings, topics.CAMPAIGN_ARCHIVE)
    found = asyncio.run(read_editions(settings))
    if not found:
        raise RoistreamError("Nothing is archived yet; roistream archive update does it.")
    return [found[name] for name in sorted(found)]


def export(settings: Settings, path: Path, model: str) -> int:
    """Write the archive as Parquet or CSV, a row for each campaign, as ``roistream forecast`` reads it.

    Raises:
        RoistreamError: for a name that ends in neither, a file that cannot be written, or a model that no campaign has.
    """
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise RoistreamError(f"{path}: the name must end in .parquet or .csv.")
    rows = [row for edition in read(settings) if (row := row_of(edition, model)) is not None]
    if not rows:
        raise RoistreamError(f"No archived campaign has figures under {model}.")
    try:
        if path.suffix.lower() == ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
        else:
            _write_parquet(rows, path)
    except (OSError, duckdb.Error) as error:
        raise RoistreamError(f"{path} cannot be written: {error}.") from error
    Console(highlight=False, soft_wrap=True).print(
        catalogues.t("{count} campaigns written to {path}.", count=len(rows), path=path), markup=False
    )
    return 0


def _safe(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )


def row_of(edition: CampaignArchive, model: str) -> dict[str, Any] | None:
    """A campaign as a row; money as exact decimals in currency units. None where it has no figures under the model."""
    figures = edition.models.get(model)
    if figures is None:
        return None
    sums = figures.sums
    money = {name: getattr(sums, f"{name}_micros") for name in _MONEY}
    return {
        "campaign_id": edition.campaign_id,
        **{name: getattr(edition, name) for name in _TEXTS},
        "days": length_days(edition),
        **{name: getattr(sums, name) for name in _COUNTS},
        **{name: None if micros is None else Decimal(micros) / MICROS for name, micros in money.items()},
        "model": model,
        "edition": edition.edition,
        "archived_at": edition.archived_at,
        "definitions": edition.definitions,
    }


def _write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    types = {
        **dict.fromkeys(_MONEY, "DECIMAL(20, 6)"),
        "days": "DOUBLE",
        "edition": "BIGINT",
        "definitions": "BIGINT",
    }
    types |= dict.fromkeys(_COUNTS, "DOUBLE")
    names = list(rows[0])
    columns = ", ".join(f'"{name}" {types.get(name, "VARCHAR")}' for name in names)
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE archive ({columns})")
        places = ", ".join("?" for _ in names)
        database.executemany(f"INSERT INTO archive VALUES ({places})", [list(row.values()) for row in rows])  # noqa: S608
        database.table("archive").write_parquet(str(path))


def compare(settings: Settings, names: Sequence[str], model: str, *, as_json: bool) -> int:
    """Show archived campaigns side by side; without names all of them.

    Raises:
        RoistreamError: for a campaign that is not archived.
    """
    found = read(settings)
    known = {edition.campaign_id: edition for edition in found}
    for name in names:
        if name not in known:
            raise RoistreamError(
                f"{name} is not archived; roistream archive compare without names shows those that are."
            )
    chosen = [known[name] for name in names] or found
    if as_json:
        sys.stdout.write(msgspec.json.encode(chosen).decode() + "\n")
    else:
        show(chosen, model, Console(highlight=False))
    return 0


def show(editions: Iterable[CampaignArchive], model: str, console: Console) -> None:
    """A few campaigns side by side, or a list of many with what matters most."""
    columns = [(edition, cells) for edition in editions if (cells := _cells(edition, model)) is not None]
    table = Table(box=None, pad_edge=False)
    if len(columns) <= _SIDE_BY_SIDE:
        table.add_column("")
        for edition, _ in columns:
            table.add_column(_escaped(edition.campaign_id), justify="right", overflow="fold")
        for name in columns[0][1] if columns else ():
            table.add_row(catalogues.t(name), *(_escaped(cells[name]) for _, cells in columns))
    else:
        table.add_column(catalogues.t("campaign"), overflow="fold")
        for name in _LISTED:
            table.add_column(catalogues.t(name), justify="right")
        for edition, cells in columns:
            table.add_row(_escaped(edition.campaign_id), *(cells[name] for name in _LISTED))
    console.print(table)


def _cells(edition: CampaignArchive, model: str) -> dict[str, str] | None:
    """What is shown of a campaign, by title; None where it has no figures under the model."""
    figures = edition.models.get(model)
    if figures is None:
        return None
    sums, length = figures.sums, length_days(edition)
    texts = {name: getattr(edition, name) or "–" for name in ("target", "offer", "channel", "objective")}
    return {
        **texts,
        "days": "–" if length is None else catalogues.number(length),
        "spend": _amount(sums.spend_micros),
        "leads": catalogues.number(sums.leads),
        "orders": catalogues.number(sums.orders),
        "revenue": _amount(sums.revenue_micros - sums.refunds_micros),
        **{
            _title(name): "–" if (value := figures.kpis.get(name)) is None else catalogues.number(value, 2)
            for name in COMPARED
        },
        "times paused": str(edition.actions.get("pause", 0)),
        "currency": edition.currency,
        "edition": str(edition.edition),
    }


def _title(name: str) -> str:
    return "ROI" if name == "roi_net_profit" else name.upper() if len(name) < 5 else name.replace("_", " ")


def _amount(micros: int | None) -> str:
    return "–" if micros is None else catalogues.number(micros / MICROS)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
