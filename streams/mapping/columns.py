"""Typed columns: how a column of a file writes numbers and times, judged as a whole, and the SQL that reads it.

A cell that cannot be read becomes null here and is a fault of its row (``Reading.fault``); records that use the
row are then refused. A column that can be read in two ways is an error that shows two cells.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from streams import catalogues
from streams.mapping.cells import LINE, Cells, literal
from streams.mapping.model import Column, Frame, MappingError

#: Texts that stand for nothing where a number or a time is meant.
NULLS = (
    *("-", "--", "–", "—", "null", "NULL", "Null", "(null)", r"\N", "(not set)", "(none)"),
    *("N/A", "n/a", "#N/A", "NA", "NaN", "nan", "None", "none", "nil", "<null>"),
)
#: Those of them that are no text either: no name is written so.
TEXT_NULLS = ("--", r"\N", "null", "NULL", "(null)", "<null>", "(not set)", "#N/A")
_MOST_DECIMALS, _MOST_DIGITS = 18, 15
_PLAIN = r"[+-]?\d{1,15}(\.\d{1,18})?"
#: Plain, but three digits after the point could be thousands.
_TWO_WAYS = r"[+-]?[1-9]\d{0,2}\.\d{3}"
_EXPONENT = r"[+-]?\d{1,15}(\.\d{1,18})?[eE][+-]?\d{1,2}"
_SYMBOL = r"[A-Z]{3}|[A-Z]{0,2}[$€£¥₹]|kr|zł|Kč|R\$"
_ISO = (
    r"\d{4}-\d{2}-\d{2}([ T]\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)?\s?(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
)
_OFFSET = r".*\d{1,2}:\d{2}.*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})"
_DAYS = {
    "day-first": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y"),
    "month-first": ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%m-%d-%y"),
    "": (
        *("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
        *("%d-%b-%Y", "%d-%b-%y", "%b %d %Y", "%a, %b %d, %Y", "%a %b %d %Y", "%d %b, %Y"),
    ),
}
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M:%S", ", %H:%M", ", %I:%M %p"),
    *(", %I:%M:%S %p", " %H:%M:%S.%f", " %H:%M:%S %z", "T%H:%M:%S", ":%H", " %H"),
)
#: A month is its first day where every cell of a column of days is a month; beside days it is a day that was cut off.
_MONTHS = ("%Y-%m", "%b %Y", "%B %Y")
_EPOCHS = {"epoch_s": 1_000, "epoch_ms": 1}
_SAMPLE = 2_000


class Ambiguous(MappingError):
    """A column can be read in two ways; ``is_number`` says whether another column's decimal mark would settle it."""

    def __init__(self, text: str, *, is_number: bool) -> None:
        super().__init__(text)
        self.is_number = is_number


@dataclass(frozen=True)
class Reading:
    """A column of one file as SQL reads it."""

    value: str
    #: True where the cell holds something that cannot be read.
    fault: str
    #: The cell's text.
    text: str
    scale: int = 0
    #: How it is written, for people; "" where that says nothing.
    found: str = ""
    #: Decimal mark that the column proves, and a cell that does.
    mark: str = ""
    example: str = ""
    #: Whether times have no offset, so that a zone decides.
    is_local: bool = False


def reading(database: Any, cells: Cells, place: str, spec: Column, frame: Frame, zone: str) -> Reading:
    """How a column is read.

    Args:
        database: a DuckDB connection that holds the cells.
        cells: the file.
        place: the column of its table.
        spec: what the mapping says of it.
        frame: what is known of the file.
        zone: time zone of times without an offset.

    Raises:
        MappingError: where the column can be read in two ways.
    """
    column = _Column(database, cells, place, spec, frame)
    if spec.type == "text":
        return Reading(column.nothing(TEXT_NULLS), "false", place)
    if spec.type in {"number", "count"}:
        return column.number()
    if spec.type == "flag":
        return column.flag()
    return column.time(zone)


class _Column:
    def __init__(self, database: Any, cells: Cells, place: str, spec: Column, frame: Frame) -> None:
        self._database = database
        self._cells = cells
        self._place = place
        self._spec = spec
        self._frame = frame

    def nothing(self, usual: Iterable[str]) -> str:
        """The text, null where it stands for nothing."""
        usual = usual if self._frame.nulls is None else self._frame.nulls
        words = self._cells.nulls(self._database, self._place, tuple(usual)) if usual else []
        return (
            f"CASE WHEN {self._place} NOT IN ({', '.join(map(literal, words))}) THEN {self._place} END"
            if words
            else self._place
        )

    @cached_property
    def _text(self) -> str:
        return self.nothing(NULLS)

    def _one(self, sql: str) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self._database.execute(sql).fetchone()
        return found

    def _counted(self, text: str, *conditions: str) -> list[int]:
        counts = ", ".join(f"count(*) FILTER ({condition})" for condition in conditions)
        return list(self._one(f"SELECT {counts} FROM (SELECT {text} AS v FROM {self._cells.table})"))

    def _two(self, text: str, first: str, second: str) -> str:
        """Two cells with their places, one for each condition (the same condition: two of its cells)."""
        shown: list[tuple[int, str]] = []
        for condition in (first, second):
            taken = ", ".join(literal(cell) for _, cell in shown) or "''"
            shown += self._database.execute(
                f"SELECT _row, v FROM (SELECT _row, {text} AS v FROM {self._cells.table}) "
                f"WHERE v NOT IN ({taken}) AND ({condition}) ORDER BY _row LIMIT 1"
            ).fetchall()
        lines = [f"{cell!r} ({self._cells.label}:{row & LINE})" for row, cell in shown]
        return " and ".join(lines)

    def _one_cell(self, text: str, condition: str) -> str:
        """A cell with its name and place."""
        row, cell = self._one(
            f"SELECT _row, v FROM (SELECT _row, {text} AS v FROM {self._cells.table}) WHERE {condition} LIMIT 1"
        )
        return f"{self._shown} {cell!r} ({self._cells.label}:{row & LINE})"

    def flag(self) -> Reading:
        low = f"lower({self._text})"
        yes, no = "('true','t','yes','y','1')", "('false','f','no','n','0')"
        value = f"CASE WHEN {low} IN {yes} THEN true WHEN {low} IN {no} THEN false END"
        return self._read(value)

    def _read(
        self, value: str, scale: int = 0, found: str = "", mark: str = "", example: str = ""
    ) -> Reading:
        fault = f"({self._text}) IS NOT NULL AND ({value}) IS NULL"
        return Reading(value, fault, self._place, scale, found, mark, example)

    def number(self) -> Reading:
        text = self._text
        plain, twice, other, scale = self._one(
            "SELECT count(*) FILTER (is_plain AND NOT is_twice AND strpos(v, '.') > 0), "
            "count(*) FILTER (is_twice), count(*) FILTER (NOT is_plain), "
            "coalesce(max(length(v) - strpos(v, '.')) FILTER (is_plain AND strpos(v, '.') > 0), 0) "
            f"FROM (SELECT v, regexp_full_match(v, '{_PLAIN}') AS is_plain, "
            f"regexp_full_match(v, '{_TWO_WAYS}') AS is_twice FROM (SELECT {text} AS v FROM {self._cells.table}) "
            f"WHERE v IS NOT NULL)"
        )
        is_known = self._frame.decimal == "." or self._cells.is_machine
        if not other and self._frame.decimal != "," and (is_known or plain or not twice):
            value = f"CAST({text} AS DECIMAL(38, {scale}))"
            if not plain:
                return Reading(value, "false", self._place, scale)
            point = f"regexp_full_match(v, '{_PLAIN}') AND NOT regexp_full_match(v, '{_TWO_WAYS}') AND v LIKE '%.%'"
            return Reading(value, "false", self._place, scale, "", ".", self._one_cell(text, point))
        return self._written_number()

    @cached_property
    def _cleaned(self) -> str:
        """Spaces and apostrophes of one kind, no currency, the sign in front."""
        text = self._text
        text = f"translate({text}, chr(160) || chr(8239) || chr(8201) || chr(8217) || chr(8722), '   ''-')"
        text = f"regexp_replace(regexp_replace({text}, '^\\((.*)\\)$', '-\\1'), '^(.*\\d)-$', '-\\1')"
        text = f"regexp_replace({text}, '^([+-]?) ?({_SYMBOL}) ?([+-]?)', '\\1\\3')"
        return f"regexp_replace({text}, ' ?({_SYMBOL})$', '')"

    def _symbols(self) -> list[str]:
        """Currencies written in the cells: more than one is not one column of amounts."""
        text = self._text
        rows = self._database.execute(
            f"SELECT DISTINCT regexp_extract({text}, '({_SYMBOL})') FROM {self._cells.table} "
            f"WHERE regexp_matches({text}, '^[+-]?\\(? ?({_SYMBOL})|({_SYMBOL})\\)?$') LIMIT 3"
        ).fetchall()
        return sorted(row[0] for row in rows)

    def _written_number(self) -> Reading:
        """A column with separators, symbols or mistakes: by one decimal mark for all of it."""
        if len(symbols := self._symbols()) > 1:
            raise MappingError(
                f"{self._cells.label}: the column {self._shown} mixes {' and '.join(symbols)}; "
                "one column has one currency."
            )
        styles = {mark: _style(mark) for mark in ".,"}
        point, comma = (f"regexp_full_match(v, '{styles[mark]}')" for mark in ".,")
        only_point, only_comma = f"{point} AND NOT {comma}", f"{comma} AND NOT {point}"
        differs = f"{point} AND {comma} AND regexp_matches(v, '[.,]')"
        cleaned = self._cleaned
        by_point, by_comma, twice, halves = self._counted(
            cleaned, only_point, only_comma, differs, f"{differs} AND NOT regexp_matches(v, '[.,]000$')"
        )
        mark: str | None = self._frame.decimal or ("." if self._cells.is_machine else None)
        if mark is None and by_point and by_comma:
            raise MappingError(
                f"{self._cells.label}: the column {self._shown} writes numbers in two ways: "
                f"{self._two(cleaned, only_point, only_comma)}. Correct it, or say decimal = '.' or ',' (--frame decimal=.)."
            )
        if mark is None and twice and not by_point and not by_comma:
            mark = self._grouped_mark(cleaned, differs) if self._spec.type == "count" and halves else None
            if mark is None:
                raise Ambiguous(
                    f"{self._cells.label}: the column {self._shown} can be read in two ways: "
                    f"{self._two(cleaned, differs, differs)} may be thousands or decimals. "
                    "Say which mark is for decimals: decimal = '.' or ',' under [frame] (--frame decimal=.).",
                    is_number=True,
                )
        if mark is None and (by_point or by_comma):
            proven = only_point if by_point else only_comma
            proof = ("." if by_point else ",", self._one_cell(cleaned, proven))
            return self._by_mark(cleaned, styles[proof[0]], *proof)
        mark = mark or "."
        return self._by_mark(cleaned, styles[mark], mark)

    def _grouped_mark(self, cleaned: str, differs: str) -> str | None:
        """Counts are whole: a mark before three digits that are not 000 groups thousands."""
        commas, points = self._counted(cleaned, f"{differs} AND v LIKE '%,%'", f"{differs} AND v LIKE '%.%'")
        return None if commas and points else "." if commas else ","

    def _by_mark(self, cleaned: str, style: str, mark: str, proof: str = "") -> Reading:
        groups = literal(("," if mark == "." else ".") + " '")
        plain = f"replace(translate({cleaned}, {groups}, ''), ',', '.')"
        value = (
            f"CASE WHEN regexp_full_match({cleaned}, '{style}') THEN {plain} "
            f"WHEN regexp_full_match({cleaned}, '{_EXPONENT}') THEN {cleaned} END"
        )
        (scale,) = self._one(
            "SELECT coalesce(max(CASE WHEN contains(lower(v), 'e') THEN "
            "length(regexp_extract(v, '\\.(\\d*)', 1)) - CAST(regexp_extract(v, '[eE](.*)', 1) AS INTEGER) "
            "ELSE length(regexp_extract(v, '\\.(\\d*)', 1)) END), 0) "
            f"FROM (SELECT {value} AS v FROM {self._cells.table})"
        )
        scale = min(max(scale, 0), _MOST_DECIMALS)
        (example,) = self._one(
            f"SELECT max_by({self._text}, length({self._text})) FROM {self._cells.table} WHERE ({value}) IS NOT NULL"
        )
        found = ""
        if example and proof:
            found = catalogues.t("decimal mark {mark} (as in {example})", mark=repr(mark), example=example)
        return self._read(
            f"TRY_CAST({value} AS DECIMAL(38, {scale}))", scale, found, mark if proof else "", proof
        )

    @property
    def _shown(self) -> str:
        return next(name for name, place in self._cells.places.items() if place == self._place)

    def time(self, zone: str) -> Reading:
        text = self._text
        formats = [form for form in self._spec.formats if form not in _EPOCHS]
        epochs = [form for form in self._spec.formats if form in _EPOCHS]
        local = "v IS NOT NULL AND TRY_CAST(v AS TIMESTAMP) IS NULL"
        iso, other, offsets, wrong = self._counted(
            text,
            f"v IS NOT NULL AND regexp_full_match(v, '{_ISO}')",
            f"v IS NOT NULL AND NOT regexp_full_match(v, '{_ISO}')",
            f"regexp_full_match(v, '{_OFFSET}')",
            local,
        )
        if not (other or offsets or wrong or self._spec.formats) and self._spec.type != "date":
            plain = f"CAST({text} AS TIMESTAMP)"
            value = _instant(plain, zone) if self._spec.type == "time" else plain
            return Reading(value, "false", self._place, is_local=iso > 0)
        found = ""
        if other and not self._spec.formats:
            formats = self._formats(text, has_days=iso > 0)
            found = catalogues.t("dates as {format}", format=formats[0]) if formats else ""
        part = self._read(self._timed(text, zone, formats, epochs, has_iso=iso > 0), 0, found)
        return replace(part, is_local=iso + other > offsets and not epochs)

    def _timed(self, text: str, zone: str, formats: list[str], epochs: list[str], *, has_iso: bool) -> str:
        """A DATE, a TIMESTAMP (local) or a TIMESTAMPTZ, as the column's type says."""
        kind = self._spec.type
        ways = [self._from_format(text, form, zone) for form in formats]
        for form in epochs:
            moment = (
                f"make_timestamp_ms(CAST(TRY_CAST({text} AS DECIMAL(18, 3)) * {_EPOCHS[form]} AS BIGINT))"
            )
            utc = f"timezone('UTC', {moment})"
            ways.append(utc if kind == "time" else f"timezone({literal(zone)}, {utc})")
        if has_iso or not ways:
            ways.append(self._from_iso(text, zone))
        value = ways[0] if len(ways) == 1 else f"coalesce({', '.join(ways)})"
        if kind == "date":
            # A day with a time of day that is not midnight is no day.
            return f"CASE WHEN date_trunc('day', {value}) = {value} THEN CAST({value} AS DATE) END"
        return value

    def _from_iso(self, text: str, zone: str) -> str:
        cleaned = f"regexp_replace(replace({text}, ',', '.'), ' ?(GMT)$| ([+-]\\d\\d:?\\d\\d)$', '\\2')"
        checked = f"CASE WHEN regexp_full_match({text}, '{_ISO}') THEN {cleaned} END"
        local = f"TRY_CAST({checked} AS TIMESTAMP)"
        (offsets,) = self._counted(text, f"regexp_full_match(v, '{_OFFSET}')")
        if self._spec.type == "time":
            in_zone = _instant(local, zone)
            if not offsets:
                return in_zone
            return f"CASE WHEN regexp_full_match({text}, '{_OFFSET}') THEN TRY_CAST({checked} AS TIMESTAMPTZ) ELSE {in_zone} END"
        bare = f"regexp_replace({checked}, '(Z|UTC|[+-]\\d\\d:?\\d\\d)$', '')"
        return f"TRY_CAST({bare} AS TIMESTAMP)" if offsets else local

    def _from_format(self, text: str, form: str, zone: str) -> str:
        parsed = f"try_strptime({text}, {literal(form)})"
        if "%z" in form:
            moment = f"CAST({parsed} AS TIMESTAMPTZ)"
            return moment if self._spec.type == "time" else f"timezone({literal(zone)}, {moment})"
        dated = f"CASE WHEN year({parsed}) >= 1000 THEN {parsed} END"  # %Y takes 26 for the year 26
        return _instant(dated, zone) if self._spec.type == "time" else dated

    def _formats(self, text: str, *, has_days: bool) -> list[str]:
        """The format that reads the whole column.

        Raises:
            MappingError: where day and month can be told in two ways.
        """
        sample = [
            row[0]
            for row in self._database.execute(
                f"SELECT DISTINCT {text} AS v FROM {self._cells.table} WHERE v IS NOT NULL "
                f"AND NOT regexp_full_match(v, '{_ISO}') LIMIT {_SAMPLE}"
            ).fetchall()
        ]
        order = self._frame.dates
        days = [*(_DAYS[order] if order else (*_DAYS["day-first"], *_DAYS["month-first"])), *_DAYS[""]]
        tried = [day + clock for day in days for clock in _CLOCKS]
        tried += _MONTHS if self._spec.type == "date" and not has_days else []
        reads = self._readable(sample, tried)
        most = max(reads.values(), default=0)
        if not most:
            return []
        best = [form for form, count in reads.items() if count == most]
        return self._sole(text, best)

    def _readable(self, sample: list[str], forms: list[str]) -> dict[str, int]:
        """How many cells each format reads; one question for all of them, since a question takes 3 ms."""
        counts = [f"count(*) FILTER (WHERE year(try_strptime(v, {literal(form)})) >= 1000)" for form in forms]
        found = self._database.execute(
            f"SELECT {', '.join(counts)} FROM (SELECT unnest(?) AS v)", [sample]
        ).fetchone()
        return dict(zip(forms, found, strict=True))

    def _sole(self, text: str, best: list[str]) -> list[str]:
        if len(best) == 1:
            return _with_full_months(best[0])
        counts = self._counted(text, *(f"year(try_strptime(v, {literal(form)})) >= 1000" for form in best))
        left = [form for form, count in zip(best, counts, strict=True) if count == max(counts)]
        first, *others = left
        for other in others:
            differs = f"try_strptime(v, {literal(first)}) <> try_strptime(v, {literal(other)})"
            (apart,) = self._counted(text, differs)
            if apart:
                raise Ambiguous(
                    f"{self._cells.label}: the column {self._shown} can be read in two ways: "
                    f"{self._two(text, differs, differs)} as {first} or {other}. "
                    "Say dates = 'day-first' or 'month-first' under [frame] (--frame dates=day-first).",
                    is_number=False,
                )
        return _with_full_months(first)


def _with_full_months(form: str) -> list[str]:
    """A format, and the same with the months' other names: one column may write both May and June."""
    other = form.replace("%b", "%B") if "%b" in form else form.replace("%B", "%b")
    return list(dict.fromkeys([form, other]))


def _style(mark: str) -> str:
    """Numbers with a decimal mark; groups have three digits, the first of them no leading zero."""
    group = "," if mark == "." else "."
    grouped = "|".join(rf"[1-9]\d{{0,2}}({separator}\d{{3}})+" for separator in (f"\\{group}", " ", "''"))
    return rf"[+-]?((\d{{1,15}}|{grouped})(\{mark}\d{{0,18}})?|\{mark}\d{{1,18}})"


def _instant(local: str, zone: str) -> str:
    return f"timezone('UTC', {local})" if zone == "UTC" else f"in_zone({local}, {literal(zone)})"
