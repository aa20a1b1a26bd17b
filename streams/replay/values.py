"""From the text of a cell to a value: numbers, times, slugs, conditions. Exact; knows no file and no topic."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from metrics.values.time import EPOCH, parse_duration, to_millis
from streams.replay.mapping import Condition, template_slots

#: Orders rows of a key by a cell: its kind, then its number, then its text.
Version = tuple[int, Decimal, str]
#: Arithmetic that raises rather than rounds; amounts never come near 200 digits.
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_SHIFT = {"units": 0, "cents": -2, "micros": -6}
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f %z", "%Y-%m-%d %H:%M:%S %z")
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)


class Unusable(Exception):
    """A cell that cannot be used: a reason to count under, and what was found."""

    def __init__(self, reason: str, found: str) -> None:
        super().__init__(f"{reason}: {found}")
        self.reason = reason
        self.found = found


def number(text: str, *, decimal_comma: bool = False, thousands: str = "") -> Decimal:
    """The exact decimal that a text writes.

    Separators of thousands must stand where they separate thousands (or lakhs): ``12,50`` is no 1 250.

    Raises:
        Unusable: where it writes none.

    >>> number("1.234,50", decimal_comma=True, thousands=".")
    Decimal('1234.50')
    """
    before, point, after = text.strip().partition("," if decimal_comma else ".")
    bare = before.translate({ord(separator): None for separator in thousands})
    plain = f"{bare}.{after}" if point else bare
    if _NUMBER.fullmatch(plain) is None or (bare != before and not _in_groups(before, thousands)):
        raise Unusable("not a number", text)
    return Decimal(plain)


def _in_groups(text: str, separators: str) -> bool:
    first, *between, last = re.split(f"[{re.escape(separators)}]", text.lstrip("+-"))
    return len(last) == 3 and 1 <= len(first) <= 3 and all(2 <= len(group) <= 3 for group in between)


def in_units(amount: Decimal, unit: str, places: int | None = None) -> Decimal:
    """Currency units of an amount in ``units``, ``cents`` or ``micros``; rounded half-even where asked.

    >>> in_units(Decimal("36150000"), "micros")
    Decimal('36.150000')
    """
    exact = amount.scaleb(_SHIFT[unit], EXACT)
    return exact if places is None else round(exact, places)


def whole(amount: Decimal) -> int:
    """A count; ``"12.0"`` is 12.

    Raises:
        Unusable: where it is not a whole number.
    """
    if amount != amount.to_integral_value():
        raise Unusable("not a whole number", str(amount))
    return int(amount)


def flag(text: str) -> bool:
    """A boolean as exports write it.

    Raises:
        Unusable: for any other text.
    """
    spelled = text.strip().lower()
    if spelled in {"true", "t", "yes", "y", "1"}:
        return True
    if spelled in {"false", "f", "no", "n", "0"}:
        return False
    raise Unusable("not true or false", text)


@lru_cache(maxsize=65_536)
def instant(text: str, formats: tuple[str, ...], zone: str) -> int:
    """Milliseconds UTC of a written time.

    Args:
        text: what the cell holds.
        formats: ``strptime`` formats to try first, or ``epoch_s``, ``epoch_ms``; ISO 8601 is always understood.
        zone: time zone of times that carry no offset. A local time that occurs twice is its first occurrence.

    Raises:
        Unusable: where no format fits or the zone is unknown.

    >>> instant("2010-12-01 08:26:00", (), "Europe/London")
    1291191960000
    """
    parsed = _moment(text, formats, zone)
    if parsed is None:
        raise Unusable("not a time in a known format", text)
    return to_millis(parsed)


def version(text: str, formats: tuple[str, ...], zone: str) -> Version:
    """What a cell is compared by to say which of several rows is the latest: a number, a time, or its text.

    As texts ``10:00:00Z`` is after ``10:00:00.250Z``, and 9 after 10. Of cells of several kinds an empty one is before a
    text, a text before a number, and a number before a time.

    >>> version("2026-11-02T10:00:00Z", (), "UTC") < version("2026-11-02T10:00:00.250Z", (), "UTC")
    True
    """
    cell = text.strip()
    if _NUMBER.fullmatch(cell):
        return 2, Decimal(cell), ""
    moment = _moment(cell, formats, zone) if cell else None
    if moment is not None:
        return 3, Decimal((moment - EPOCH) // _MICROSECOND), ""
    return int(bool(cell)), Decimal(0), cell


def _moment(text: str, formats: tuple[str, ...], zone: str) -> datetime | None:
    cleaned = text.strip().removesuffix(" UTC")
    parsed = _parse(cleaned, formats)
    if parsed is not None and parsed.tzinfo is None:
        return parsed.replace(tzinfo=UTC if cleaned != text.strip() else _zone(zone))
    return parsed


def _parse(text: str, formats: tuple[str, ...]) -> datetime | None:
    for form in formats:
        if form in {"epoch_s", "epoch_ms"} and _NUMBER.fullmatch(text):
            millis = int(Decimal(text).scaleb(3 if form == "epoch_s" else 0))
            return EPOCH + millis * _MILLISECOND
    attempts = [partial(datetime.strptime, text, form) for form in formats if not form.startswith("epoch_")]
    attempts.append(partial(datetime.fromisoformat, text))
    attempts += [partial(datetime.strptime, text, form) for form in _FORMATS]
    for attempt in attempts:
        try:
            return attempt()
        except (ValueError, OverflowError):
            continue
    return None


@lru_cache(maxsize=65_536)
def later(millis: int, step: str, zone: str) -> int:
    """A time moved by a duration, or by ``1 day`` on the calendar of a zone (23 to 25 hours).

    >>> later(1_774_738_800_000, "1 day", "Europe/Paris") - 1_774_738_800_000  # 2026-03-29: 23 hours
    82800000
    """
    if step != "1 day":
        return millis + parse_duration(step)
    local = (EPOCH + timedelta(milliseconds=millis)).astimezone(_zone(zone))
    return to_millis((local.replace(fold=0) + timedelta(days=1)).astimezone(UTC))


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Unusable("not a time zone", name) from error


@lru_cache(maxsize=65_536)
def slug(text: str) -> str:
    """Lower-case ASCII words joined by hyphens.

    >>> slug("Channel Islands"), slug("Côte d'Or")
    ('channel-islands', 'cote-d-or')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


@lru_cache(maxsize=256)
def slots_of(template: str) -> tuple[tuple[str, bool, str], ...]:
    """(column, whether it is slugged, literal before it) for each slot of a template."""
    return tuple(
        (slot.removesuffix("|slug"), slot.endswith("|slug"), literal)
        for slot, literal in template_slots(template)
    )


def filled(template: str, row: dict[str, str]) -> str:
    """A template with the row's cells; empty where one of its cells is empty.

    >>> filled("retail-{Country|slug}", {"Country": "United Kingdom"})
    'retail-united-kingdom'
    """
    parts: list[str] = []
    for column, slugged, literal in slots_of(template):
        parts.append(literal)
        if not column:
            continue
        cell = row.get(column, "").strip()
        if not cell:
            return ""
        parts.append(slug(cell) if slugged else cell)
    return "".join(parts)


def holds(condition: Condition, row: dict[str, str]) -> bool:
    """Whether a condition is met by a row."""
    text = row.get(condition.column, "").strip()
    return _verdict(condition, text) is not condition.negate


def _verdict(condition: Condition, text: str) -> bool:
    # One expression that stops at the first part that fails: this runs for every row and condition.
    return (
        (condition.equals is None or text == condition.equals)
        and (condition.matches is None or re.search(condition.matches, text) is not None)
        and (condition.empty is None or (not text) is condition.empty)
        and (condition.one_of is None or text in condition.one_of)
        and (condition.less_than is None or _compared(text, condition.less_than) == -1)
        and (condition.greater_than is None or _compared(text, condition.greater_than) == 1)
    )


def _compared(text: str, bound: str) -> int | None:
    if _NUMBER.fullmatch(text) is None:
        return None
    return int(Decimal(text).compare(Decimal(bound)))
