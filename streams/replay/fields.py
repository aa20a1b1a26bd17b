"""One field of a record: from a row's cells to a value, and how a group of rows gathers it."""

from decimal import Decimal
from functools import partial

from streams.replay.mapping import Field, Kind, Mapping, ZoneOf, listed
from streams.replay.reading import Row
from streams.replay.values import EXACT, Unusable, filled, flag, in_units, instant, later, number, whole

#: Lookup tables by name: key to value.
Tables = dict[str, dict[str, str]]
Value = str | int | bool | Decimal


class FieldReader:
    """Reads one field as its mapping says."""

    def __init__(
        self, mapping: Mapping, name: str, spec: Field, *, kind: Kind, tables: Tables, notes: set[str]
    ) -> None:
        self.name = name
        self.spec = spec
        self._kind = kind
        self._tables = tables
        self._notes = notes
        self._columns = listed(spec.column)
        self._lookups = listed(spec.lookup)
        self._formats = (*listed(spec.format), *mapping.date_formats)
        self._zone: str | ZoneOf = spec.timezone or mapping.timezone
        self._day_zone: str | ZoneOf = spec.day_zone or self._zone
        self._number = partial(number, decimal_comma=mapping.decimal_comma, thousands=mapping.thousands)

    def gather(self, gathered: dict[str, Value | None], row: Row) -> None:
        """Fold a row of a group into what its earlier rows gave.

        Raises:
            Unusable: where the row's cells cannot be read.
        """
        if self.spec.aggregate == "count":
            gathered[self.name] = int(gathered.get(self.name) or 0) + 1
            return
        value, before = self.read(row), gathered.get(self.name)
        if self.name not in gathered or before is None:
            gathered[self.name] = value
        elif value is not None:
            gathered[self.name] = self._folded(before, value)

    def _folded(self, before: Value, value: Value) -> Value:
        if self.spec.aggregate == "sum":
            return (
                EXACT.add(Decimal(before), value) if isinstance(value, Decimal) else int(before) + int(value)
            )
        if self.spec.aggregate in {"min", "max"}:
            return (min if self.spec.aggregate == "min" else max)(before, value)
        return value if self.spec.aggregate == "last" else before

    def read(self, row: Row) -> Value | None:
        """The field's value in one row; None where there is none and no default.

        Raises:
            Unusable: the reason names the field.
        """
        try:
            return self._typed(row)
        except Unusable as verdict:
            raise Unusable(f"{self.name} is {verdict.reason}", verdict.found) from verdict
        except ArithmeticError as error:
            raise Unusable(f"{self.name} is too long a number", str(row)) from error

    def _typed(self, row: Row) -> Value | None:
        spec = self.spec
        if spec.product is not None or spec.total is not None:
            amount = self._computed(row)
            return None if amount is None else self._numeric(amount)
        if isinstance(spec.constant, bool):
            return spec.constant
        text = self._text(row)
        if not text:
            return None
        if self._kind == "time":
            return self._time(text, row)
        if self._kind == "flag":
            return flag(text)
        return text if self._kind == "text" else self._numeric(self._number(text))

    def _text(self, row: Row) -> str:
        spec = self.spec
        if spec.constant is not None:
            text = str(spec.constant)
        elif spec.template is not None:
            text = filled(spec.template, row)
        else:
            text = next((cell for name in self._columns if (cell := row.get(name, "").strip())), "")
        text = looked_up(text, self._lookups, self._tables)
        if spec.values is not None and text:
            text = self._replaced(text, spec.values)
        return (spec.prefix + text if text else spec.default) or ""

    def _replaced(self, text: str, values: dict[str, str]) -> str:
        if text in values:
            return values[text]
        if self.spec.otherwise is None:
            raise Unusable("not among the values of the mapping", text)
        return self.spec.otherwise

    def _computed(self, row: Row) -> Decimal | None:
        """Product or sum of columns; empty cells make a product empty, and count as 0 in a sum."""
        cells = [row.get(name, "").strip() for name in self.spec.product or self.spec.total or []]
        if self.spec.product is not None:
            if not all(cells):
                return None
            result = Decimal(1)
            for cell in cells:
                result = EXACT.multiply(result, self._number(cell))
            return result
        if not any(cells):
            return None
        return sum_exact([self._number(cell) for cell in cells if cell])

    def _numeric(self, amount: Decimal) -> Decimal | int:
        signed = (EXACT.minus if self.spec.negate else EXACT.plus)(amount)  # both turn -0 into 0
        scaled = in_units(signed, self.spec.unit, self.spec.round)
        return whole(scaled) if self._kind == "count" else scaled

    def _time(self, text: str, row: Row) -> int:
        millis = instant(text, self._formats, self._zone_name(self._zone, row))
        if self.spec.add is None:
            return millis
        return later(millis, self.spec.add, self._zone_name(self._day_zone, row))

    def _zone_name(self, zone: str | ZoneOf, row: Row) -> str:
        if isinstance(zone, str):
            return zone
        name = looked_up(row.get(zone.column, "").strip(), listed(zone.lookup), self._tables)
        if not name:
            shown = f"{zone.column} {row.get(zone.column, '')!r}"
            self._notes.add(f"no time zone known for {shown}, {zone.default} taken")
        return name or zone.default


def looked_up(text: str, lookups: list[str], tables: Tables) -> str:
    """A text taken through tables, one after the other; empty as soon as one does not hold it."""
    for name in lookups:
        text = tables[name].get(text, "") if text else ""
    return text


def sum_exact(amounts: list[Decimal]) -> Decimal:
    """Exact sum.

    >>> sum_exact([Decimal("0.1")] * 3)
    Decimal('0.3')
    """
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
