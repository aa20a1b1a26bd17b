"""Online Retail as sums per country, straight from its lines; amounts in GBP, the reporting currency.

An invoice of digits is an order of its lines' exact sum, ``C…`` a refund of an order nobody knows, ``A…``
bookkeeping. Invoices of nothing are neither. Local times are London's.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from tests.support.oracles.cells import Expected, count, micros

LONDON = ZoneInfo("Europe/London")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOWS = ("1d", "total")

INVOICES = """
    select InvoiceNo,
           min(cast(InvoiceDate as timestamp)),
           sum(cast(UnitPrice as decimal(18, 6)) * cast(Quantity as integer)),
           min(cast(CustomerID as varchar)),
           min(Country)
    from {source}
    where not starts_with(InvoiceNo, 'A')
    group by InvoiceNo
    having sum(cast(UnitPrice as decimal(18, 6)) * cast(Quantity as integer)) <> 0
"""


def expected(path: Path) -> Expected:
    """Sums per ``retail-<country>`` for ``total`` and every ``1d`` window.

    Args:
        path: the Parquet file or the CSV slice.
    """
    cells: Expected = {}
    orders: list[tuple[str, int, str | None, str]] = []
    for number, local, amount, customer, country in _invoices(path):
        campaign = "retail-" + country.lower().replace(" ", "-")
        at = (local.replace(tzinfo=LONDON) - EPOCH) // timedelta(milliseconds=1)
        if number.startswith("C"):
            count(cells, campaign, at, WINDOWS, refunds_micros=-micros(amount))
        else:
            count(cells, campaign, at, WINDOWS, orders=1, revenue_micros=micros(amount))
            orders.append((number, at, customer, campaign))
    _count_new_customers(cells, orders)
    return cells


def _invoices(path: Path) -> list[tuple]:
    reader = "read_parquet('{}')" if path.suffix == ".parquet" else "read_csv('{}', all_varchar = true)"
    return duckdb.sql(INVOICES.format(source=reader.format(path))).fetchall()


def _count_new_customers(cells: Expected, orders: list[tuple[str, int, str | None, str]]) -> None:
    seen: set[str] = set()
    for _, at, customer, campaign in sorted(orders, key=lambda order: (order[1], order[0])):
        if customer and customer not in seen:
            seen.add(customer)
            count(cells, campaign, at, WINDOWS, new_customers=1)
