"""A row of the catalogue of KPIs of customers."""

from collections.abc import Callable
from typing import Any, NamedTuple


class CustomerFigure(NamedTuple):
    """A KPI of customers: what it divides, when it is null, and how it is read from a cohort or a month."""

    title: str
    formula: str
    unit: str
    undefined: str
    read: Callable[[Any], float | None]
