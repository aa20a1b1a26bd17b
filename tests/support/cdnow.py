"""Purchases of a real CD shop, first purchase in the first quarter of 1997, and the published sample of its customers."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import accumulate
from pathlib import Path

from metrics.records.events import Order

#: The first 39 weeks, on which the published models were fitted.
CALIBRATION_END = date(1997, 9, 30)
END = date(1998, 6, 30)


def sample() -> set[str]:
    """Ids in the master file of the customers of the published 1/10 sample."""
    text = Path(__file__).with_name("cdnow_sample.txt").read_text()
    steps = [int(part) for line in text.splitlines() if not line.startswith("#") for part in line.split()]
    return {f"{number:05}" for number in accumulate(steps)}


def spent_by_day(shared: Path, customers: set[str] | None = None) -> dict[str, dict[date, Decimal]]:
    """Dollars by customer and day; of all customers or of some."""
    found: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for line in (shared / "data/cdnow/CDNOW_master.txt").read_text().splitlines()[1:]:
        customer, day, _, dollars = line.split()
        if customers is None or customer in customers:
            found[customer][datetime.strptime(day, "%Y%m%d").date()] += Decimal(dollars)  # noqa: DTZ007 - a day
    return found


def orders(shared: Path, customers: set[str] | None = None) -> Iterator[Order]:
    """The same as records: one for each line, at the start of its day in UTC."""
    lines = (shared / "data/cdnow/CDNOW_master.txt").read_text().splitlines()[1:]
    for number, line in enumerate(lines):
        customer, day, _, dollars = line.split()
        if customers is None or customer in customers:
            at = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
            yield Order(f"e{number}", at, f"o{number}", revenue=Decimal(dollars), customer_id=customer)
