"""Ad platform exports as sums per campaign, straight from their CSV files; the reporting currency is USD.

Every account is in USD or says no currency, except one of TikTok's, whose currency is written ``CAN``: there is
no rate for it, so that its money counts as 0 until one comes. What each platform means by its columns is written down here a second time, on purpose.
"""

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.oracles.cells import COST_FIELDS, Expected, spread
from tests.support.oracles.reports import Standing, Version

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOWS = ("1d", "total")
Row = dict[str, str]


@dataclass(frozen=True)
class Platform:
    """One export: its file, and how a row is read."""

    file: str
    prefix: str
    campaign: str
    date: str
    impressions: tuple[str, ...]
    clicks: tuple[str, ...]
    spend: str
    micros_per_unit: int = 1_000_000  # what one of the column's units is in micros
    hours: int = 24
    #: Time zone of the account of a row.
    zone: Callable[[Path, Row], str] = lambda _folder, _row: "UTC"
    #: Whether the date is already an instant in UTC, and only the length of the day is local.
    is_instant: bool = False
    #: Currency of the account of a row, "" where the export does not say.
    currency: Callable[[Path, Row], str] = lambda _folder, _row: ""


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _newest(path: Path, key: str, version: str, wanted: str, column: str) -> str:
    """The value of the newest history row of an id."""
    rows = [row for row in rows_of(path) if row[key] == wanted and row.get(column)]
    return max(rows, key=lambda row: row.get(version, ""))[column] if rows else ""


def _microsoft_zone(folder: Path, row: Row) -> str:
    path = folder / "microsoft_ads_account_history_data.csv"
    name = _newest(path, "id", "last_modified_time", row["account_id"], "time_zone")
    return {"PacificTimeUSCanadaTijuana": "America/Los_Angeles", "": "UTC"}[name]


def _google_zone(folder: Path, row: Row) -> str:
    path = folder / "google_ads_account_history_data.csv"
    return _newest(path, "id", "updated_at", row["customer_id"], "time_zone") or "UTC"


def _tiktok_advertiser(folder: Path, row: Row, column: str) -> str:
    history = folder / "tiktok_campaign_history_data.csv"
    advertiser = _newest(history, "campaign_id", "updated_at", row["CAMPAIGN_ID"], "advertiser_id")
    return _newest(folder / "tiktok_advertiser_data.csv", "id", "", advertiser, column)


def _tiktok_zone(folder: Path, row: Row) -> str:
    return _tiktok_advertiser(folder, row, "timezone") or "UTC"


def _tiktok_currency(folder: Path, row: Row) -> str:
    return _tiktok_advertiser(folder, row, "currency")


def _amazon_zone(folder: Path, row: Row) -> str:
    history = folder / "amazon_ads_campaign_history_data.csv"
    profile = _newest(history, "id", "last_updated_date", row["campaign_id"], "profile_id")
    return _newest(folder / "amazon_ads_profile_data.csv", "id", "", profile, "timezone") or "UTC"


def _twitter_zone(folder: Path, row: Row) -> str:
    path = folder / "twitter_account_history_data.csv"
    return _newest(path, "id", "updated_at", row["account_id"], "timezone") or "UTC"


ONE = 1  # the column is in micros already
PLATFORMS = (
    Platform(
        "google_ads_campaign_stats_data.csv",
        "google",
        "id",
        "date",
        ("impressions",),
        ("clicks",),
        "cost_micros",
        ONE,
        zone=_google_zone,
    ),
    Platform(
        "microsoft_ads_campaign_performance_daily_report_data.csv",
        "microsoft",
        "campaign_id",
        "date",
        ("impressions",),
        ("clicks",),
        "spend",
        zone=_microsoft_zone,
    ),
    Platform(
        "linkedin_ad_analytics_by_campaign_data.csv",
        "linkedin",
        "campaign_id",
        "day",
        ("impressions",),
        ("clicks",),
        "cost_in_local_currency",
    ),
    Platform(
        "tiktok_campaign_report_hourly_data.csv",
        "tiktok",
        "CAMPAIGN_ID",
        "STAT_TIME_HOUR",
        ("IMPRESSIONS",),
        ("CLICKS",),
        "SPEND",
        hours=1,
        zone=_tiktok_zone,
        currency=_tiktok_currency,
    ),
    Platform(
        "snapchat_campaign_hourly_report_data.csv",
        "snapchat",
        "campaign_id",
        "date",
        ("impressions",),
        ("swipes",),
        "spend",
        ONE,
        hours=1,
    ),
    Platform(
        "pinterest_campaign_report_data.csv",
        "pinterest",
        "campaign_id",
        "date",
        ("impression_1", "impression_2"),
        ("clickthrough_1", "clickthrough_2"),
        "spend_in_micro_dollar",
        ONE,
    ),
    Platform(
        "reddit_ads_campaign_report_data.csv",
        "reddit",
        "campaign_id",
        "date",
        ("impressions",),
        ("clicks",),
        "spend",
        ONE,  # its account is on GMT
    ),
    Platform(
        "twitter_campaign_report_data.csv",
        "x",
        "campaign_id",
        "date",
        ("impressions",),
        ("clicks",),
        "billed_charge_local_micro",
        ONE,
        zone=_twitter_zone,
        is_instant=True,
    ),
    Platform(
        "apple_search_campaign_report_data.csv",
        "apple",
        "id",
        "date",
        ("impressions",),
        ("taps",),
        "local_spend_amount",  # its organization is on UTC
    ),
    Platform(
        "amazon_ads_campaign_level_report_data.csv",
        "amazon",
        "campaign_id",
        "date",
        ("impressions",),
        ("clicks",),
        "cost",
        zone=_amazon_zone,
    ),
)


def expected(folder: Path) -> Expected:
    """Sums of every platform's campaigns for ``total`` and every ``1d`` window.

    Args:
        folder: the folder that holds all exports.
    """
    cells: Expected = {}
    for platform in PLATFORMS:
        for (campaign, period), sums in _platform(folder, platform).items():
            spread(cells, campaign, _whole(period, sums), WINDOWS)
    for (campaign, period), sums in _facebook(folder).items():
        spread(cells, campaign, _whole(period, sums), WINDOWS)
    return cells


def _whole(period: tuple[int, int], sums: dict[str, int]) -> tuple[Standing, int, int]:
    """A report of a period that is over."""
    values = dict.fromkeys(COST_FIELDS, 0) | sums
    return Standing([Version("ads", *period, (0,), period[1], values)]), *period


def _platform(folder: Path, platform: Platform) -> dict[tuple[str, tuple[int, int]], dict[str, int]]:
    """Per campaign and period the sums of all its rows."""
    grouped: dict[tuple[str, tuple[int, int]], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows_of(folder / platform.file):
        period = _period(row[platform.date], platform, platform.zone(folder, row))
        sums = grouped[f"{platform.prefix}-{row[platform.campaign]}", period]
        sums["impressions"] += sum(int(row[column] or 0) for column in platform.impressions)
        sums["clicks"] += sum(int(row[column] or 0) for column in platform.clicks)
        spend = Decimal(row[platform.spend] or 0) * platform.micros_per_unit
        assert spend == int(spend)
        sums["spend_micros"] += int(spend) if platform.currency(folder, row) in {"USD", ""} else 0
    return grouped


def _period(text: str, platform: Platform, zone: str) -> tuple[int, int]:
    local = _written(text)
    if platform.is_instant:
        local = local.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    later = local + timedelta(hours=platform.hours)
    return _millis(local, zone), _millis(later, zone)


def _written(text: str) -> datetime:
    day, _, clock = text.replace("T", " ").partition(" ")
    hour = int(clock.split(":")[0]) if clock else 0
    year, month, date = map(int, day.split("-"))
    return datetime(year, month, date, hour)  # noqa: DTZ001 - local to an account


def _millis(local: datetime, zone: str) -> int:
    return (local.replace(tzinfo=ZoneInfo(zone)) - EPOCH) // timedelta(milliseconds=1)


def _facebook(folder: Path) -> dict[tuple[str, tuple[int, int]], dict[str, int]]:
    """Facebook reports by ad; the campaign of an ad is that of its newest history row. UTC days add up exactly."""
    history = folder / "facebook_ads_ad_history_data.csv"
    grouped: dict[tuple[str, tuple[int, int]], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows_of(folder / "facebook_ads_basic_ad_data.csv"):
        campaign = "meta-" + _newest(history, "id", "updated_time", row["ad_id"], "campaign_id")
        local = _written(row["date"])
        sums = grouped[campaign, (_millis(local, "UTC"), _millis(local + timedelta(days=1), "UTC"))]
        sums["impressions"] += int(row["impressions"])
        sums["clicks"] += int(row["inline_link_clicks"])
        sums["spend_micros"] += int(Decimal(row["spend"]) * 1_000_000)
    return grouped
