"""The cells that oracles fill: sums of a campaign in a window. Windows are aligned to the epoch, in UTC."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

Key = tuple[str, str, int | None]
Sums = dict[str, int | None]
Expected = dict[Key, Sums]

LENGTHS = {"1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}
#: Event time to windows: the three tumbling ones and the total.
ALL_WINDOWS = ("1m", "1h", "1d", "total")
FIELDS = (
    "impressions",
    "clicks",
    "leads",
    "mqls",
    "sqls",
    "orders",
    "new_customers",
    "cancelled_orders",
    "spend_micros",
    "revenue_micros",
    "refunds_micros",
    "cost_of_goods_micros",
)
COST_FIELDS = ("impressions", "clicks", "spend_micros")


def micros(amount: object) -> int:
    """Exact micros of an amount in units, as JSON number or text."""
    exact = Decimal(str(amount)) * 1_000_000
    whole = int(exact)
    assert whole == exact, f"{amount} has more than 6 decimals"
    return whole


def start_of(window: str, at_ms: int) -> int | None:
    return None if window == "total" else at_ms // LENGTHS[window] * LENGTHS[window]


def cell(cells: Expected, campaign: str, window: str, at_ms: int) -> Sums:
    return cells.setdefault((campaign, window, start_of(window, at_ms)), dict.fromkeys(FIELDS, 0))


def count(
    cells: Expected, campaign: str, at_ms: int, windows: Iterable[str] = ALL_WINDOWS, **sums: int
) -> None:
    """Add sums at an instant, in every window that holds it."""
    for window in windows:
        held = cell(cells, campaign, window, at_ms)
        for field, value in sums.items():
            held[field] = (held[field] or 0) + value


def spread(
    cells: Expected,
    campaign: str,
    piece: tuple[Any, int, int],
    windows: Iterable[str],
    fields: Iterable[str] = COST_FIELDS,
) -> None:
    """Add a piece of a report's time: windows take what had come by their end less what had come by their start."""
    report, begin, end = piece
    for window in windows:
        length = LENGTHS.get(window, end - begin)
        low = begin if window == "total" else begin // length * length
        while low < end:
            held = cell(cells, campaign, window, low)
            for field in fields:
                part = report.by(field, min(low + length, end)) - report.by(field, max(low, begin))
                held[field] = (held[field] or 0) + part
            low += length


def differences(expected: Expected, actual: Expected, fields: Iterable[str] = FIELDS) -> list[str]:
    """Every cell and field that differ, in words; a cell that one side lacks is all zeros there."""
    found: list[str] = []
    for key in sorted({*expected, *actual}, key=str):
        wanted, seen = expected.get(key, {}), actual.get(key, {})
        for field in fields:
            want, got = wanted.get(field, 0), seen.get(field, 0)
            # Null and 0 differ only where both sides have the cell.
            is_same = want == got or (not (want or got) and (key not in expected or key not in actual))
            if not is_same:
                found.append(f"{key} {field}: expected {want}, got {got}")
    return found
