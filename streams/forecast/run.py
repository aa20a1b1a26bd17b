"""``roistream forecast``: a plan and an archive in, figures out. The only place of this room that prints."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from metrics.forecast.outcomes import COVERAGE, PastCampaign, forecast
from metrics.forecast.report import ForecastReport, ScoreRow, leave_one_out, report, scored
from metrics.values.errors import RoistreamError
from streams import catalogues
from streams.forecast.files import read_archive, read_plan
from streams.replay.run import reading_progress
from streams.settings import Settings

_RATIOS = ("roi",)
_MONEY = ("revenue", "cpl", "cac")
#: Figures as people read them.
TITLES = {
    "cpl": "CPL",
    "cac": "CAC",
    "roi": "ROI",
    "leads": "leads",
    "orders": "orders",
    "revenue": "revenue",
    "new_customers": "new customers",
}


def run(
    settings: Settings,
    plan: Path | None,
    archive: Sequence[Path],
    *,
    columns: Sequence[str] = (),
    check: bool = False,
    score: Path | None = None,
    seed: int = 1,
    as_json: bool = False,
) -> int:
    """Say what a plan may bring, or how good forecasts are.

    Args:
        settings: reporting currency; no broker is asked.
        plan: a TOML file.
        archive: files or folders of past campaigns.
        columns: ``field=column``.
        check: forecast each campaign of the archive from the others instead.
        score: compare a forecast that ``--json`` printed with what came instead.
        seed: of the draws.
        as_json: print JSON.

    Returns:
        0.

    Raises:
        RoistreamError: where nothing can be said; the text says what to do.
    """
    if (plan is not None) + check + (score is not None) != 1:
        raise RoistreamError("Give a plan, or --check, or --score FORECAST.json; one of the three.")
    past, currency = read_archive(archive, columns, settings.reporting_currency)
    out = Console(highlight=False, soft_wrap=True)
    if plan is not None:
        its = read_plan(plan, currency)
        others = [each for each in past if each.campaign_id != its.campaign_id]
        found = report(forecast(its, others, np.random.default_rng(seed)), its.campaign_id, currency, seed)
        _write(found) if as_json else show(found, out)
        return 0
    rows = scored(
        [made_earlier(score, past, currency)] if score else _each_from_the_others(past, currency, seed)
    )
    if as_json:
        _write(rows)
    else:
        show_score(rows, out)
    return 0


def _write(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _each_from_the_others(
    past: Sequence[PastCampaign], currency: str, seed: int
) -> list[tuple[ForecastReport, PastCampaign]]:
    with reading_progress(Console(stderr=True)) as say:
        return leave_one_out(
            past, currency, seed, say=lambda number, count: say(f"{number} of {count} campaigns")
        )


def made_earlier(
    path: Path, past: Sequence[PastCampaign], currency: str
) -> tuple[ForecastReport, PastCampaign]:
    """A forecast that was written as JSON, with the campaign that it was for.

    Raises:
        RoistreamError: where the file is no forecast, or its campaign is not in the archive.
    """
    try:
        made = msgspec.json.decode(path.read_bytes(), type=ForecastReport)
    except OSError as error:
        raise RoistreamError(f"{path} cannot be read: {error.strerror}.") from error
    except msgspec.MsgspecError as error:
        raise RoistreamError(f"{path} is no forecast of roistream forecast --json: {error}.") from error
    if made.currency != currency:
        raise RoistreamError(f"The forecast is in {made.currency}, the archive in {currency}.")
    for campaign in past:
        if campaign.campaign_id == made.campaign_id:
            return made, campaign
    raise RoistreamError(
        f"{made.campaign_id} is not in the archive; a forecast is scored when its campaign is over."
    )


def show(found: ForecastReport, console: Console) -> None:
    """The figures as a table, and what they lean on."""
    table = Table(box=None, pad_edge=False)
    table.add_column(
        catalogues.t("{campaign}, in {currency}", campaign=found.campaign_id, currency=found.currency),
        overflow="fold",
    )
    for name in (catalogues.t("expected"), catalogues.t("low"), catalogues.t("high")):
        table.add_column(name, justify="right")
    for name, row in found.figures.items():
        table.add_row(_title(name), *(_written(name, value) for value in (row.estimate, row.low, row.high)))
    console.print(table)
    console.print()
    said = [
        catalogues.t(
            "Intervals hold what comes {share} of the time, if campaigns go on as they did.",
            share=catalogues.percent(found.coverage),
        )
    ]
    leaning = ", ".join(f"{name} ({catalogues.percent(weight)})" for name, weight in found.leans_on.items())
    said.append(
        catalogues.t(
            "Learned from {count} campaigns; it leans most on {names}.", count=found.campaigns, names=leaning
        )
    )
    if found.unseen:
        unseen = ", ".join(found.unseen)
        said.append(
            catalogues.t("No past campaign has this {fields}; the intervals are wider for it.", fields=unseen)
        )
    for line in said:
        console.print(line, markup=False)


def show_score(rows: Sequence[ScoreRow], console: Console) -> None:
    """How many intervals held, and how far the medians were off."""
    table = Table(box=None, pad_edge=False)
    table.add_column(catalogues.t("figure"))
    for name in (
        catalogues.t("forecasts"),
        catalogues.t("intervals that held"),
        catalogues.t("typical error"),
    ):
        table.add_column(name, justify="right")
    for row in rows:
        error = "–" if row.error is None else f"× {catalogues.number(float(np.exp(row.error)), 2)}"
        table.add_row(
            _title(row.figure),
            str(row.forecasts),
            f"{row.held} ({catalogues.percent(row.held / row.forecasts)})",
            error,
        )
    console.print(table)
    said = catalogues.t(
        "Of intervals {share} are to hold. An error of × {error} is {excess} above, or as much below.",
        share=catalogues.percent(COVERAGE),
        error=catalogues.number(1.3, 2),
        excess=catalogues.percent(0.3),
    )
    console.print(f"\n{said}")


def _title(name: str) -> str:
    return catalogues.t(TITLES.get(name, name))


def _written(name: str, value: float) -> str:
    if name in _RATIOS:
        return catalogues.percent(value, is_signed=True)
    return catalogues.number(value, 2 if name in _MONEY else 0)
