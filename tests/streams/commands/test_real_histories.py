"""Campaign-days of others' accounts through every preset: who would have been paused, and what that would have earned.

The exports say what was spent and how many clicks came, and hardly any conversion, so a click stands for a result here and is worth the
target. A campaign whose target is its own mean cost per click meets it in the long run, with all the scatter, rhythm and drift of a real
account; under half of that target it costs twice as much as it may.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from metrics.budget import Simulation, simulate
from metrics.budget.policy import PRESETS, preset
from streams.commands.backtest import from_file
from streams.settings import Settings

#: By file: columns of the day, the spend and its unit in currency units.
_EXPORTS = {
    "microsoft_ads_campaign_performance_daily_report_data.csv": ("date", Decimal(1)),
    "reddit_ads_campaign_report_data.csv": ("date", Decimal("0.000001")),
}
#: Campaigns with fewer clicks say nothing by themselves.
_LEAST = 40


def _days(folder: Path) -> dict[str, dict[str, tuple[Decimal, int]]]:
    """Spend and clicks by campaign and day."""
    found: dict[str, dict[str, tuple[Decimal, int]]] = defaultdict(dict)
    for name, (day, unit) in _EXPORTS.items():
        with (folder / name).open(newline="") as file:
            for row in csv.DictReader(file):
                spend, clicks = found[row["campaign_id"]].get(row[day], (Decimal(), 0))
                more = Decimal(row["spend"] or 0) * unit
                found[row["campaign_id"]][row[day]] = spend + more, clicks + int(row["clicks"] or 0)
    return {name: days for name, days in found.items() if sum(n for _, n in days.values()) >= _LEAST}


def _rows(days: dict[str, dict[str, tuple[Decimal, int]]], share: Decimal) -> Iterator[dict[str, object]]:
    for name, by_day in days.items():
        spend, clicks = (sum(each) for each in zip(*by_day.values(), strict=True))
        target = round(share * spend / clicks, 6)
        for day, (spent, came) in sorted(by_day.items()):
            yield {
                "campaign_id": name,
                "hour": f"{day[:10]}T23:00:00Z",
                "spend": spent,
                "leads": came,
                "revenue": came * target,
                "target_cpl": target,
            }


def _replayed(folder: Path, share: Decimal, name: str, file: Path) -> Simulation:
    rows = list(_rows(_days(folder), share))
    with file.open("w", newline="") as written:
        writer = csv.DictWriter(written, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return simulate(preset(name), from_file(file, Settings(reporting_currency="USD")))


@pytest.mark.parametrize("name", PRESETS)
def test_real_campaigns_on_their_target_are_left_alone_and_those_at_twice_it_are_stopped_with_gain(
    name: str, shared: Path, tmp_path: Path
) -> None:
    folder = shared / "data" / "ad_platform_exports" / "dbt_ad_reporting"
    file = tmp_path / "days.csv"
    on, bad = (_replayed(folder, Decimal(share), name, file) for share in ("1", "0.5"))
    assert _paused(on) == set()
    assert len(on.campaigns) == len(_paused(bad)) == 7
    # Half of what is spent is lost under half of the target; most of it is not spent by then.
    assert bad.without.profit_micros == pytest.approx(-bad.without.spend_micros / 2, rel=1e-4)
    assert bad.profit_gained_micros > 0.76 * -bad.without.profit_micros


def _paused(found: Simulation) -> set[str]:
    return {action.campaign_id for action in found.actions if action.rule.startswith("evidence:")}
