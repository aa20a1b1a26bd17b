"""A mapping at work: rows in, checked records and the reason of every row without one out.

Rows are read into DuckDB once, whatever their number; records leave it in the order of event time. Memory is bounded
by ``database``; what does not fit is on disk.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import md5
from itertools import chain
from typing import Any

import msgspec

from metrics.values.time import to_millis
from streams import catalogues, topics
from streams.mapping import contract
from streams.mapping.cells import LINE_BITS, Batch, Cells, literal, quoted
from streams.mapping.columns import Ambiguous, Reading, reading
from streams.mapping.fields import FieldSql, field_sql, instant_text
from streams.mapping.headers import captured, found_name, matches
from streams.mapping.loader import check_zone
from streams.mapping.model import Column, Frame, Lookup, Mapping, MappingError, Select, long_form, merged
from streams.mapping.provenance import Traced, read_condition, traced
from streams.mapping.zones import zone_called, zone_said

_BATCH = 10_000
_EXAMPLES = 3
#: Columns of a SELECT that are no field: what is left out, and what is said.
SKIPPED, NOTE = "skipped", "note"
#: Fields that are amounts of money in the record's currency.
_AMOUNTS = ("revenue", "spend", "cost", "budget", "amount", "cost_of_goods")
NO_SELECT = "no select takes this row"
_OVERWRITTEN = (
    "one of several rows of a report whose local hour comes twice or does not exist; add them up (sum, GROUP BY) or write "
    "times with their offset from UTC. The clock changes then in {zone}"
)
_SILENT = "a report without any figure, which says nothing and no zero (a zero is 0)"
_NO_NUMBER, _NO_TIME = "{name} is not a number", "{name} is not a time in a known format"
_FAULTS = {"number": _NO_NUMBER, "count": _NO_NUMBER, "flag": "{name} is not true or false"}
_REFUSED = "refused"
#: Why a row gave no record, besides what mappings and forms of files say, with names in braces for values.
REASONS = frozenset((_OVERWRITTEN, _SILENT, _NO_TIME, _REFUSED, NO_SELECT, *_FAULTS.values()))


@dataclass(frozen=True)
class MappedRecord:
    """One record to produce: where, under which key, its JSON, and the time that orders it (None: first)."""

    topic: str
    key: str | None
    value: bytes
    at_ms: int | None


@dataclass(frozen=True)
class Left:
    """Rows that gave no record, for one reason."""

    reason: str
    rows: int
    examples: list[str]


@dataclass
class MappingOutcome:
    """One SELECT that has run: its table, and the types of its columns."""

    where: str
    mapping: Mapping
    select: Select
    trace: Traced
    table: str
    columns: dict[str, str]
    files: list[Cells]
    zone: str


@dataclass
class Engine:
    """All files and all mappings of a run."""

    database: Any
    files: list[Cells] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    #: How columns are written, by file.
    found: dict[str, list[str]] = field(default_factory=dict)
    outcomes: list[MappingOutcome] = field(default_factory=list)
    #: Columns that SQL compares by order as the texts that they are: where, the name, the file.
    compared: list[tuple[str, str, Cells]] = field(default_factory=list)
    #: Files that only lookups read; their rows need no record.
    lookups: set[int] = field(default_factory=set)
    _readings: dict[tuple[int, str, str, str, str], Reading] = field(default_factory=dict)
    _checked: set[tuple[int, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for table in (
            "records (rank TINYINT, at_ms BIGINT, seq BIGINT, topic VARCHAR, key VARCHAR, id VARCHAR, value VARCHAR)",
            "unmapped (_row BIGINT, reason VARCHAR, found VARCHAR)",
            "faults (mapping VARCHAR, col VARCHAR, _row BIGINT, reason VARCHAR, found VARCHAR)",
            "taken (_row BIGINT)",
            "left_out (_row BIGINT)",
        ):
            self.database.execute(f"CREATE TABLE {table}")

    def read(
        self, label: str, batches: Iterable[Batch], *, is_machine: bool, before: str = ""
    ) -> Iterator[Cells]:
        """Take in a file; gives its cells after each batch, the last time complete."""
        cells = Cells(len(self.files), label, is_machine, before)
        self.files.append(cells)
        for _ in cells.fill(self.database, batches):
            yield cells
        yield cells

    def leave(self, cells: Cells, lines: Iterable[tuple[int, str, str]]) -> None:
        """Count lines of a file that are no rows: line, reason, what was found."""
        rows = [((cells.number << LINE_BITS) | line, reason, found) for line, reason, found in lines]
        if rows:
            self.database.executemany("INSERT INTO unmapped VALUES (?, ?, ?)", rows)

    def run(
        self,
        mapping: Mapping,
        files: list[tuple[str, Cells]],
        lookups: dict[str, list[Cells]],
        frame: Frame,
    ) -> None:
        """Run all SELECTs of a mapping.

        Args:
            mapping: checked by the loader.
            files: names of files, by which SELECTs take them, each with its cells.
            lookups: the cells of each lookup.
            frame: what is known of the files beyond the mapping.

        Raises:
            MappingError: where the mapping does not fit the files.
        """
        _MappingRun(self, mapping, files, frame).run(lookups)

    def finish(self) -> None:
        """Count the rows that no SELECT took, and drop registry records that a later one replaces."""
        for cells in self.files:
            if cells.rows and cells.number not in self.lookups:
                self.database.execute(
                    f"INSERT INTO unmapped SELECT _row, '{NO_SELECT}', NULL FROM {cells.table} "
                    "ANTI JOIN taken USING (_row) ANTI JOIN unmapped USING (_row)"
                )
        self.database.execute(
            "DELETE FROM records WHERE at_ms IS NULL AND rowid NOT IN ("
            "SELECT max_by(rowid, (seq, rowid)) FROM records WHERE at_ms IS NULL GROUP BY topic, key)"
        )

    def records(self, limit: int | None = None) -> Iterator[MappedRecord]:
        """Registries, then at most ``limit`` records by event time."""
        for sql in _in_order(limit):
            cursor = self.database.cursor()  # others may ask the database in between
            cursor.execute(sql)
            while rows := cursor.fetchmany(_BATCH):
                yield from map(_record, rows)

    def all_records(self) -> list[MappedRecord]:
        """As ``records``, at once; also within a transaction."""
        return [_record(row) for sql in _in_order(None) for row in self.database.execute(sql).fetchall()]

    def counts(self) -> dict[str, int]:
        """Records by topic."""
        rows = self.database.execute("SELECT topic, count(*) FROM records GROUP BY ALL ORDER BY 1").fetchall()
        return dict(rows)

    def left(self) -> list[Left]:
        """Rows without a record by reason, the most frequent first, with examples."""
        rows = self.database.execute(
            "SELECT reason, count(*) FROM unmapped GROUP BY ALL ORDER BY 2 DESC, 1"
        ).fetchall()
        return [Left(reason, count, list(self._examples(reason))) for reason, count in rows]

    def _examples(self, reason: str) -> Iterator[str]:
        rows = self.database.execute(
            "SELECT _row, found FROM unmapped WHERE reason = ? "
            f"ORDER BY starts_with(coalesce(found, ''), 'in one record with'), _row LIMIT {_EXAMPLES}",
            [reason],
        ).fetchall()
        for row, found in rows:
            yield f"{self.place(row)} ({found})" if found else self.place(row)

    def every_left(self) -> Iterator[tuple[str, int, str, str]]:
        """Every row without a record: file, line, reason, what was found."""
        cursor = self.database.cursor()
        cursor.execute("SELECT _row, reason, coalesce(found, '') FROM unmapped ORDER BY _row, reason")
        while rows := cursor.fetchmany(_BATCH):
            for row, reason, found in rows:
                yield self.files[row >> LINE_BITS].label, row & ((1 << LINE_BITS) - 1), reason, found

    def place(self, row: int) -> str:
        """``file:line`` of a row."""
        return f"{self.files[row >> LINE_BITS].label}:{row & ((1 << LINE_BITS) - 1)}"


def _in_order(limit: int | None) -> Iterator[str]:
    for condition, most in (("IS NULL", ""), ("IS NOT NULL", "" if limit is None else f"LIMIT {limit}")):
        yield (
            f"SELECT topic, key, value, at_ms FROM records WHERE at_ms {condition} "
            f"ORDER BY at_ms, rank, seq, topic, id {most}"
        )


def _record(row: tuple[str, str | None, str, int | None]) -> MappedRecord:
    topic, key, value, at_ms = row
    return MappedRecord(topic, key, value.encode(), at_ms)


def _days(said: str | None) -> tuple[str, str]:
    """First and last day of files that name none, in SQL.

    Raises:
        MappingError: where the text says no days, or the last comes before the first.

    >>> _days("2026-07-01..2026-07-31")
    ("DATE '2026-07-01'", "DATE '2026-07-31'")
    """
    if said is None:
        return "CAST(NULL AS DATE)", "CAST(NULL AS DATE)"
    first, is_range, last = said.partition("..")
    try:
        days = [date.fromisoformat(text) for text in ((first, last) if is_range else (first, first))]
    except ValueError:
        days = []
    if not days or days[0] > days[1]:
        raise MappingError(
            f"the days {said!r} are none: write the first and the last, as in --frame days=2026-07-01..2026-07-31, or one."
        )
    return f"DATE '{days[0].isoformat()}'", f"DATE '{days[1].isoformat()}'"


class _MappingRun:
    """One mapping over its files."""

    def __init__(
        self, engine: Engine, mapping: Mapping, files: list[tuple[str, Cells]], frame: Frame
    ) -> None:
        self._engine = engine
        self._database = engine.database
        self._mapping = mapping
        self._files = files
        self._specs = mapping.column_specs
        self._frame = merged(mapping.frame, frame)
        self._said_zone = self._frame.timezone or mapping.timezone or self._zone_of_files()
        self._zone = self._said_zone or "UTC"
        self._said_currency = (
            literal(self._frame.currency) if self._frame.currency else "CAST(NULL AS VARCHAR)"
        )
        self._first_day, self._last_day = _days(self._frame.days)
        check_zone(f"mapping {mapping.name}", self._zone)

    def run(self, lookups: dict[str, list[Cells]]) -> None:
        self._database.execute(f"SET TimeZone = {literal(self._zone)}")
        try:
            for name, lookup in self._mapping.lookups.items():
                self._look_up(name, lookup, lookups.get(name, []))
            for constant in self._mapping.records:
                self._constant(constant.topic, constant.value)
            self._leave_skipped()
            only_registries = all(part.topic not in contract.IDENTITY for part in self._mapping.select)
            for select in self._mapping.select:
                self._select(select, counts=only_registries or select.topic in contract.IDENTITY)
        finally:
            with suppress(self._error):  # an aborted transaction takes no setting; the next run makes its own
                self._database.execute("SET TimeZone = 'UTC'")

    def _where(self, topic: str) -> str:
        return f"{self._mapping.name}: {topic}"

    def _files_of(self, patterns: list[str]) -> list[Cells]:
        matching = [cells for name, cells in self._files if not patterns or matches(name, patterns)]
        kinds = {tuple(part.files) for part in self._mapping.select}
        # A mapping for one kind of file takes a file whatever it is called.
        return [cells for _, cells in self._files] if len(kinds) == 1 else matching

    def _look_up(self, name: str, lookup: Lookup, files: list[Cells]) -> None:
        specs = long_form(lookup.columns)
        self._view("lookup_rows", files, specs, None)
        self._refuse_unreadable(name, lookup, files, specs)
        key = quoted(lookup.key)
        version = quoted(lookup.latest) if lookup.latest else "NULL"
        # Of each column the latest value that is not empty.
        values = [
            f"arg_max({quoted(column)}, row({version} IS NOT NULL, {version}, _row)) AS {quoted(column)}"
            for column in specs
            if column != lookup.key
        ]
        self._database.execute(
            f"CREATE OR REPLACE TEMP TABLE {quoted(name)} AS SELECT {', '.join([key, *values])} FROM lookup_rows "
            f"WHERE {key} IS NOT NULL AND ({lookup.where}) GROUP BY {key}"
        )

    def _refuse_unreadable(
        self, name: str, lookup: Lookup, files: list[Cells], specs: dict[str, Column]
    ) -> None:
        """A cell that cannot be read would give records an older value or none, and no record knows its lookup rows."""
        rows = f"FROM lookup_rows WHERE {quoted(lookup.key)} IS NOT NULL AND ({lookup.where}) IS NOT FALSE"
        for cells in files:
            for column, part in self._read(cells, specs).items():
                found = self._database.execute(
                    f"SELECT _row, {part.text} FROM {cells.table} WHERE ({part.fault}) "
                    f"AND _row IN (SELECT _row {rows}) ORDER BY _row LIMIT 1"
                ).fetchone()
                if found:
                    raise MappingError(
                        f"mapping {self._mapping.name}: lookup {name}: {_fault(column, specs[column])}: {found[1]!r} "
                        f"({self._engine.place(found[0])}). Correct the cell, or leave its row out with the lookup's where."
                    )

    def _view(self, name: str, files: list[Cells], specs: dict[str, Column], used: set[str] | None) -> None:
        """A view over files: the declared columns as their types, and the others that are ``used`` as texts."""
        raw = used is not None
        readings = {cells.number: self._read(cells, specs) for cells in files}
        scales = {
            column: max((part[column].scale for part in readings.values() if column in part), default=0)
            for column in specs
        }
        kept = [
            column
            for column in specs
            if specs[column].optional or not raw or any(column in part for part in readings.values())
        ]
        others = self._others(files, specs, used or set())
        parts = []
        for cells in files:
            found = readings[cells.number]
            shown = ["_row", f"{_hash(cells)} AS _hash", f"{literal(cells.before)} AS _before"]
            shown.append(f"{self._said_currency} AS _currency")
            shown.append(f"{self._first_day} AS _first_day, {self._last_day} AS _last_day")
            shown += [
                f"{_sql_of(found.get(column), specs[column], scales[column])} AS {quoted(column)}"
                for column in kept
                if column in found or specs[column].optional or not raw
            ]
            shown += [f"{self._text(cells, other)} AS {quoted(other)}" for other in others]
            parts.append(f"SELECT {', '.join(shown)} FROM {cells.table}")
        if not parts:
            nothing = [f"{_sql_of(None, specs[column], 0)} AS {quoted(column)}" for column in kept]
            parts = [f"SELECT {', '.join(['0::BIGINT AS _row', *nothing])} WHERE false"]
        rows = " UNION ALL BY NAME ".join(parts)
        skipped = " ANTI JOIN left_out USING (_row)" if raw else ""
        self._database.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM ({rows}){skipped}")

    @staticmethod
    def _others(files: list[Cells], specs: dict[str, Column], used: set[str]) -> list[str]:
        """Names in the files that are used and not declared."""
        names: dict[str, str] = {}
        for name in chain.from_iterable(cells.places for cells in files):
            names.setdefault(name.lower(), name)
        wanted = {name.lower() for name in used} - {spec.lower() for spec in specs}
        return [name for lower, name in names.items() if lower in wanted or "*" in used]

    def _text(self, cells: Cells, name: str) -> str:
        place = next((place for known, place in cells.places.items() if known.lower() == name.lower()), None)
        if place is None:
            return "CAST(NULL AS VARCHAR)"
        return reading(self._database, cells, place, Column(), self._frame, self._zone).value

    def _read(self, cells: Cells, specs: dict[str, Column]) -> dict[str, Reading]:
        """The readings of the declared columns that a file has; columns that can be read in two ways by the others."""
        found: dict[str, Reading] = {}
        doubtful: dict[str, Ambiguous] = {}
        for name, spec in specs.items():
            text = captured(cells.places, spec)
            if text is not None:
                found[name] = Reading(literal(text), "false", literal(text))
            place = found_name(cells.places, spec)
            if place is None:
                continue
            try:
                found[name] = self._reading(cells, cells.places[place], name, spec, self._frame)
            except Ambiguous as error:
                doubtful[name] = error
        marks = {part.mark: part.example for part in found.values() if part.mark}
        if len(marks) > 1:
            shown = " and ".join(marks.values())
            raise MappingError(
                f"{cells.label} writes numbers in two ways: {shown}. Correct it, or say decimal = '.' or ',' "
                "under [frame] (--frame decimal=.)."
            )
        for name, doubt in doubtful.items():
            if not marks or not doubt.is_number:
                raise doubt
            frame = msgspec.structs.replace(self._frame, decimal=next(iter(marks)))
            place = found_name(cells.places, specs[name])
            found[name] = self._reading(cells, cells.places[str(place)], name, specs[name], frame)
        return found

    def _reading(self, cells: Cells, place: str, name: str, spec: Column, frame: Frame) -> Reading:
        # A lookup may read the same file, with another column of the same name.
        key = (cells.number, self._mapping.name, place, name, repr(spec))
        if key not in self._engine._readings:  # noqa: SLF001 - one object in two parts
            part = reading(self._database, cells, place, spec, frame, self._zone)
            self._engine._readings[key] = part  # noqa: SLF001
            if spec.type == "time" and part.is_local:
                self._note_zone(cells)
            if part.found:
                self._engine.found.setdefault(cells.label, []).append(f"{name}: {part.found}")
        return self._engine._readings[key]  # noqa: SLF001

    def _zone_of_files(self) -> str | None:
        """The time zone that lines before the names say; None where none does, or it is not known.

        Raises:
            MappingError: where two files are of different zones.
        """
        said = {cells.label: zone for _, cells in self._files if (zone := zone_said(cells.before))}
        zones = {zone_called(text) for text in said.values()}
        if len(zones) > 1:
            shown = ", ".join(f"{label}: {text}" for label, text in said.items())
            raise MappingError(
                f"the files are of several time zones ({shown}). Replay those of each zone alone, or say one for all "
                "(--frame timezone=Europe/Paris)."
            )
        return next(iter(zones), None)

    def _note_zone(self, cells: Cells) -> None:
        if self._frame.timezone or self._mapping.timezone:
            return
        if self._said_zone is not None:
            found = catalogues.t("days of {zone}", zone=self._said_zone)
            self._engine.found.setdefault(cells.label, []).append(found)
            return
        said = zone_said(cells.before)
        text = (
            catalogues.t(
                "nothing says in which zone the days of {file} are: UTC is taken (--frame timezone=Europe/Paris)",
                file=cells.label,
            )
            if said is None
            else catalogues.t(
                "the time zone of {file} has a name that is not known ({name}): UTC is taken (--frame timezone=Europe/Paris)",
                file=cells.label,
                name=said,
            )
        )
        self._engine.notes.add(text)

    def _note_faults(self, files: list[Cells], used: set[str]) -> None:
        for cells in files:
            for name, part in self._read(cells, self._specs).items():
                key = (cells.number, self._mapping.name, name)
                if name not in used or part.fault == "false" or key in self._engine._checked:  # noqa: SLF001
                    continue
                self._engine._checked.add(key)  # noqa: SLF001
                self._database.execute(
                    f"INSERT INTO faults SELECT ?, ?, _row, ?, {part.text} FROM {cells.table} WHERE {part.fault}",
                    [self._mapping.name, name, _fault(name, self._specs[name])],
                )

    def _compared(self, where: str, ordered: set[str], files: list[Cells]) -> None:
        """Remember what is compared by order and stays a text, since nothing declares it."""
        self._engine.compared += [
            (where, name, cells)
            for name in sorted(ordered - self._specs.keys())
            for cells in files
            if name in cells.places
        ]

    def _leave_skipped(self) -> None:
        """Rows that a ``[[skip]]`` leaves out, under the first reason that holds."""
        if not self._mapping.skip:
            return
        cases, used = [], set()
        for skip in self._mapping.skip:
            read = read_condition(self._database, self._where("skip"), skip.when)
            used |= read.columns
            self._compared(self._where("skip"), read.ordered, [cells for _, cells in self._files])
            cases.append(f"WHEN ({skip.when}) THEN {literal('skipped: ' + skip.reason)}")
        for _, cells in self._files:
            self._view("rows", [cells], self._specs, used)
            self._note_faults([cells], used)
            try:
                self._database.execute(
                    "INSERT INTO unmapped SELECT _row, reason, NULL FROM "
                    f"(SELECT _row, CASE {' '.join(cases)} END AS reason FROM rows) WHERE reason IS NOT NULL"
                )
            except self._error as error:
                raise self._explained("skip", error, [cells]) from error
        self._database.execute(
            "INSERT INTO left_out SELECT _row FROM unmapped WHERE starts_with(reason, 'skipped: ')"
        )

    @property
    def _error(self) -> type[Exception]:
        import duckdb  # noqa: PLC0415 - already imported by whoever made the database

        found: type[Exception] = duckdb.Error
        return found

    def _select(self, select: Select, *, counts: bool) -> None:
        files = self._files_of(select.files)
        if not files:
            return
        where = self._where(select.topic)
        id_field = contract.IDENTITY.get(select.topic)
        needs_hash = select.topic != topics.REPORTS and id_field is not None and not select.id
        trace = traced(self._database, where, select.sql, with_hash=needs_hash)
        self._compared(where, trace.ordered, files)
        self._check_columns(where, files, trace.columns)
        self._view("rows", files, self._specs, trace.columns)
        self._note_faults(files, trace.columns)
        table = f"out_{len(self._engine.outcomes)}"
        try:
            self._database.execute(f"CREATE TABLE {table} AS {trace.sql}")
        except self._error as error:
            raise self._explained(select.topic, error, files) from error
        self._name_source(select.topic, table)
        self._name_currency(select.topic, table)
        described = self._database.execute(f"DESCRIBE {table}").fetchall()
        columns = {row[0]: row[1] for row in described}
        outcome = MappingOutcome(where, self._mapping, select, trace, table, columns, files, self._zone)
        self._engine.outcomes.append(outcome)
        if any(columns[name] in {"DATE", "TIMESTAMP"} for name in columns if not name.startswith("_")):
            for cells in files:
                self._note_zone(cells)
        _Finish(self._engine, outcome).run()
        if counts:
            rows = "_row" if trace.kind == "row" else "unnest(_rows)"
            self._database.execute(f"INSERT INTO taken SELECT DISTINCT {rows} FROM {table}")

    def _name_source(self, topic: str, table: str) -> None:
        """Let every record say of which source it is, where that is said outright and the topic has sources."""
        if self._frame.source is None or "source" not in contract.kinds(topic):
            return
        self._database.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS source VARCHAR")
        self._database.execute(f"UPDATE {table} SET source = {literal(self._frame.source)}")

    def _name_currency(self, topic: str, table: str) -> None:
        """Let every amount that names no currency be in the one that is said outright, if any."""
        if (
            self._frame.currency is None
            or topic == topics.FX_RATES
            or "currency" not in contract.kinds(topic)
        ):
            return
        columns = {row[0] for row in self._database.execute(f"DESCRIBE {table}").fetchall()}
        amounts = [f"{name} IS NOT NULL" for name in _AMOUNTS if name in columns]
        if amounts:
            self._database.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS currency VARCHAR")
            self._database.execute(f"ALTER TABLE {table} ALTER currency TYPE VARCHAR")
            self._database.execute(
                f"UPDATE {table} SET currency = {self._said_currency} WHERE currency IS NULL AND ({' OR '.join(amounts)})"
            )

    def _check_columns(self, where: str, files: list[Cells], used: set[str]) -> None:
        """Refuse files of which none has a declared column that is used."""
        for name in sorted(used & self._specs.keys()):
            spec = self._specs[name]
            has = any(
                found_name(cells.places, spec) is not None or captured(cells.places, spec) is not None
                for cells in files
            )
            if not spec.optional and not has:
                raise MappingError(f"mapping {where}: {self._absent(name, files)}")

    def _explained(self, topic: str, error: Exception, files: list[Cells]) -> MappingError:
        """What DuckDB found, with the names that the files have and what to do."""
        text = str(error).split("\n", maxsplit=1)[0].strip()
        where = self._where(topic)
        if "Referenced column" in text or "Values list" in text:
            wanted = text.split('"')[1]
            return MappingError(f"mapping {where}: {self._absent(wanted, files)}")
        if "Conversion Error" in text:
            return MappingError(
                f"mapping {where}: {text}. Declare the column under [columns] with its type; what cannot be read is then "
                "said by row."
            )
        return MappingError(f"mapping {where}: {text}.")

    def _absent(self, wanted: str, files: list[Cells]) -> str:
        has = list(dict.fromkeys(chain.from_iterable(cells.places for cells in files)))
        spec = self._specs.get(wanted)
        names = spec.name if spec and isinstance(spec.name, list) else [spec.name if spec else wanted]
        near = difflib.get_close_matches(str(names[0]), has, n=3, cutoff=0.5) or has[:20]
        labels = ", ".join(cells.label for cells in files[:3])
        called = wanted if names == [wanted] else f"{wanted} ({' or '.join(map(str, names))})"
        return (
            f"no row of {labels} has the column {called!r}; it has {', '.join(near) or 'none'}. Correct the name, or declare the "
            "column under [columns] with optional = true."
        )

    def _constant(self, topic: str, value: dict[str, Any]) -> None:
        """A record that the mapping itself writes, held to the same rules as one from a row."""
        id_field = contract.IDENTITY.get(topic)
        body = {id_field: _digest(self._mapping.name, topic, repr(value)), **value} if id_field else value
        encoded = msgspec.json.encode(body)
        reason = contract.judge(topic, encoded)
        if reason is not None:
            raise MappingError(f"mapping {self._mapping.name}: a record of {topic} is wrong: {reason}.")
        at = body.get(contract.ORDERED_BY.get(topic, ""))
        at_ms = to_millis(at) if isinstance(at, datetime) else at
        plain = msgspec.json.decode(encoded)
        names = contract.KEYS.get(topic, ["visitor_id", "customer_id"])
        found = [str(plain[name]) for name in names if name in plain]
        key = "|".join(found) if topic == topics.FX_RATES else next(iter(found), None)
        self._database.execute(
            "INSERT INTO records VALUES (?, ?, -1, ?, ?, ?, ?)",
            [contract.RANK[topic], at_ms, topic, key, body.get(id_field or ""), encoded.decode()],
        )


def _hash(cells: Cells) -> str:
    """SQL of a hash over a row's texts, in the order of their names: the same whatever the file's format."""
    parts = ", ".join(f"coalesce({cells.places[name]}, '')" for name in sorted(cells.places))
    return f"md5(concat_ws(chr(31), {parts}))" if parts else "''"


def _fault(name: str, spec: Column) -> str:
    """What a cell of a column has to be and is not, for people."""
    return _FAULTS.get(spec.type, _NO_TIME).replace("{name}", name)


def _sql_of(part: Reading | None, spec: Column, scale: int) -> str:
    types = {
        "text": "VARCHAR",
        "flag": "BOOLEAN",
        "date": "DATE",
        "time": "TIMESTAMPTZ",
        "local": "TIMESTAMP",
        **dict.fromkeys(("number", "count"), f"DECIMAL(38, {scale})"),
    }
    return f"CAST({'NULL' if part is None else part.value} AS {types[spec.type]})"


def _digest(*parts: str) -> str:
    return md5("\x1f".join(parts).encode(), usedforsecurity=False).hexdigest()


class _Finish:
    """Records from the table of one SELECT: fields, id, key, checks; and why the others are none."""

    def __init__(self, engine: Engine, outcome: MappingOutcome) -> None:
        self._engine = engine
        self._database = engine.database
        self._outcome = outcome
        self._topic = outcome.select.topic
        self._row = "_row" if outcome.trace.kind == "row" else "_rows[1]"
        self._refused = f"refused_{outcome.table}"

    def run(self) -> None:
        fields = self._fields()
        body = "'{' || concat_ws(',', " + ", ".join(part.json for part in fields) + ") || '}'"
        certain = " AND ".join([*(part.is_certain for part in fields), *self._rules(fields)])
        self._find_refused()
        self._leave_silent(fields)
        self._refuse_overwritten(fields)
        kept = f"rowid NOT IN (SELECT rid FROM {self._refused})"
        drafts = (
            f"SELECT rowid AS rid, {self._row} AS seq, {self._order(fields)} AS at_ms, {self._key(fields)} AS key, "
            f"{self._identity(fields)} AS id, {body} AS body, coalesce({certain}, false) AS is_certain "
            f"FROM {self._outcome.table} WHERE {kept}"
        )
        inserted = (
            f"INSERT INTO records SELECT {contract.RANK[self._topic]}, at_ms, seq, {literal(self._topic)}, key, id, "
            f"{self._with_id('body')} FROM ({drafts}) WHERE "
        )
        self._judge(drafts)
        self._database.execute(
            inserted + f"is_certain OR rid IN (SELECT rid FROM judged_{self._outcome.table})"
        )
        self._leave_refused()
        self._say_notes()

    def _fields(self) -> list[FieldSql]:
        known = contract.kinds(self._topic)
        columns = self._outcome.columns
        helpers = {SKIPPED, NOTE}
        wrong = [name for name in columns if name not in known and name not in helpers and name[0] != "_"]
        if wrong:
            raise MappingError(
                f"mapping {self._outcome.where}: no such field: {', '.join(wrong)}; {self._topic} has {', '.join(known)} "
                f"(and {SKIPPED}, {NOTE}, and names that begin with _ for key and id)."
            )
        for name in [*self._outcome.select.key, *self._outcome.select.id]:
            if name not in columns:
                raise MappingError(
                    f"mapping {self._outcome.where}: key and id name {name!r}, which the SELECT lacks."
                )
        id_field = contract.IDENTITY.get(self._topic)
        zone = self._outcome.zone
        fields = [
            field_sql(self._outcome.where, self._topic, name, declared, zone)
            for name, declared in columns.items()
            if name in known and name != id_field
        ]
        absent = contract.required(self._topic) - {part.name for part in fields}
        if absent:
            raise MappingError(
                f"mapping {self._outcome.where}: the SELECT lacks {', '.join(sorted(absent))}."
            )
        return fields

    def _rules(self, fields: list[FieldSql]) -> list[str]:
        """What a worker asks of several fields together."""
        by_name = {part.name: part.value for part in fields}
        if self._topic == topics.REPORTS:
            span = f"{by_name['period_end']} - {by_name['period_start']}"
            return [f"({span}) > 0 AND ({span}) <= {3_660 * 86_400_000}"]
        if self._topic == topics.ORDERS:
            return [
                f"(({by_name.get('kind', 'NULL')}) = 'cancelled' OR ({by_name.get('revenue', 'NULL')}) IS NOT NULL)"
            ]
        return []

    def _order(self, fields: list[FieldSql]) -> str:
        name = contract.ORDERED_BY.get(self._topic)
        return next((part.value for part in fields if part.name == name), "CAST(NULL AS BIGINT)")

    def _texts(self, names: list[str], fields: list[FieldSql]) -> list[str]:
        by_name = {part.name: part for part in fields}
        kinds = contract.kinds(self._topic)
        return [
            instant_text(by_name[name].value)
            if kinds.get(name) == "time"
            else f"nullif(CAST({quoted(name)} AS VARCHAR), '')"
            for name in names
        ]

    def _key(self, fields: list[FieldSql]) -> str:
        names = self._outcome.select.key or contract.KEYS.get(self._topic, ["visitor_id"])
        texts = self._texts([name for name in names if name in self._outcome.columns], fields)
        if not texts:
            return "CAST(NULL AS VARCHAR)"
        return (
            f"concat_ws('|', {', '.join(texts)})"
            if self._topic == topics.FX_RATES
            else f"coalesce({', '.join(texts)})"
        )

    def _identity(self, fields: list[FieldSql]) -> str:
        id_field = contract.IDENTITY.get(self._topic)
        select = self._outcome.select
        if id_field is None:
            return "CAST(NULL AS VARCHAR)"
        if id_field in self._outcome.columns:
            return f"nullif(CAST({quoted(id_field)} AS VARCHAR), '')"
        kind = next((part.value for part in fields if part.name in {"kind", "stage"}), "''")
        if self._topic == topics.REPORTS:
            # A restated report has other figures under the same period: its id must differ.
            parts = ["concat_ws(',', " + ", ".join(part.json for part in fields) + ")"]
        elif select.id:
            parts = self._texts(select.id, fields)
        elif self._outcome.trace.kind == "row":
            parts = ["_hash"]
        else:
            raise MappingError(
                f'mapping {self._outcome.where}: rows are grouped; say which columns make the id: id = ["order_id"].'
            )
        known = ", ".join(f"coalesce({part}, chr(30))" for part in [kind, *parts])
        return (
            f"md5(concat_ws(chr(31), {literal(self._outcome.mapping.name)}, {literal(self._topic)}, {known}))"
        )

    def _with_id(self, body: str) -> str:
        id_field = contract.IDENTITY.get(self._topic)
        if id_field is None:
            return body
        tag = literal('{"' + id_field + '":')
        return f"CASE WHEN id IS NULL THEN {body} ELSE {tag} || CAST(to_json(id) AS VARCHAR) || ',' || {body}[2:] END"

    def _find_refused(self) -> None:
        """Records that are left out on purpose, and those that use a cell that cannot be read."""
        table = self._outcome.table
        self._database.execute(
            f"CREATE TABLE {self._refused} (rid BIGINT, reason VARCHAR, found VARCHAR, _row BIGINT)"
        )
        if SKIPPED in self._outcome.columns:
            self._database.execute(
                f"INSERT INTO {self._refused} SELECT rowid, 'skipped: ' || {SKIPPED}, NULL, NULL FROM {table} "
                f"WHERE {SKIPPED} IS NOT NULL"
            )
        used = [name for name in self._outcome.trace.columns if name in self._outcome.mapping.column_specs]
        rows = "_row" if self._outcome.trace.kind == "row" else "unnest(_rows)"
        (faulty,) = self._database.execute(
            "SELECT count(*) FROM faults WHERE mapping = ? AND list_contains(?, col)",
            [self._outcome.mapping.name, used],
        ).fetchone()
        if faulty:
            self._database.execute(
                f"INSERT INTO {self._refused} SELECT rid, min_by({literal(self._topic + ': ')} || reason, row(_row, col)), "
                f"min_by(found, row(_row, col)), min(_row) FROM (SELECT rowid AS rid, {rows} AS _row FROM {table}) "
                "JOIN (FROM faults WHERE mapping = ? AND list_contains(?, col)) USING (_row) GROUP BY rid",
                [self._outcome.mapping.name, used],
            )

    def _leave_silent(self, fields: list[FieldSql]) -> None:
        """Reports without any figure are left out: connectors and joins with a calendar write such rows where nothing is known."""
        if self._topic != topics.REPORTS:
            return
        figures = [f"({part.value}) IS NULL" for part in fields if part.name in contract.FIGURES]
        if not figures:
            *some, last = contract.FIGURES
            raise MappingError(
                f"mapping {self._outcome.where}: the SELECT gives none of {', '.join(some)} and {last}, and a report "
                "without any figure says nothing."
            )
        self._database.execute(
            f"INSERT INTO {self._refused} SELECT rowid, {literal('skipped: ' + _SILENT)}, NULL, NULL FROM {self._outcome.table} "
            f"WHERE {' AND '.join(figures)} AND rowid NOT IN (SELECT rid FROM {self._refused})"
        )

    def _refuse_overwritten(self, fields: list[FieldSql]) -> None:
        """Reports whose local hour comes twice or does not exist fall on the report of another hour, which would replace them."""
        zone = self._outcome.zone
        if self._topic != topics.REPORTS or zone == "UTC":
            return
        by_name = {part.name: part.value for part in fields}
        names = ("source", "campaign_id", "ad_id", "period_start", "period_end", "reported_at")
        same = ", ".join(by_name[name] for name in names if name in by_name)
        self._database.execute(
            f"INSERT INTO {self._refused} SELECT rid, {literal(self._topic + ': ' + _OVERWRITTEN.replace('{zone}', zone))}, "
            f"{instant_text('start')}, NULL FROM (SELECT rowid AS rid, {by_name['period_start']} AS start, "
            f"count(*) OVER (PARTITION BY {same}) AS alike FROM {self._outcome.table} "
            f"WHERE rowid NOT IN (SELECT rid FROM {self._refused})) "
            f"WHERE alike > 1 AND is_beside_change(start, {literal(zone)})"
        )

    def _judge(self, drafts: str) -> None:
        """Judge the records that are not certain as a worker would."""
        judged, doubtful = f"judged_{self._outcome.table}", f"doubtful_{self._outcome.table}"
        self._database.execute(f"CREATE TABLE {judged} (rid BIGINT)")
        self._database.execute(
            f"CREATE TABLE {doubtful} AS SELECT rid, id, {self._with_id('body')} AS value FROM ({drafts}) WHERE NOT is_certain"
        )
        last = -1
        while rows := self._database.execute(
            f"SELECT rid, id, value FROM {doubtful} WHERE rid > {last} ORDER BY rid LIMIT {_BATCH}"
        ).fetchall():
            last = rows[-1][0]
            self._judge_each(judged, rows)
        self._database.execute(f"DROP TABLE {doubtful}")

    def _judge_each(self, judged: str, rows: list[tuple[int, str | None, str]]) -> None:
        id_field = contract.IDENTITY.get(self._topic)
        good, bad = [], []
        for rid, identity, value in rows:
            reason = contract.judge(self._topic, value.encode())
            if reason is None and id_field and not identity:
                reason = f"{id_field} is empty"
            if reason is None:
                good.append((rid,))
            else:
                bad.append((rid, f"{self._topic}: {_REFUSED}", reason, None))
        if good:
            self._database.executemany(f"INSERT INTO {judged} VALUES (?)", good)
        if bad:
            self._database.executemany(f"INSERT INTO {self._refused} VALUES (?, ?, ?, ?)", bad)

    def _leave_refused(self) -> None:
        rows = "_row" if self._outcome.trace.kind == "row" else "unnest(_rows)"
        self._database.execute(
            f"INSERT INTO unmapped SELECT o._row, r.reason, CASE WHEN r._row IS NULL OR r._row = o._row THEN r.found "
            f"ELSE 'in one record with ' || (r._row & {(1 << LINE_BITS) - 1}) END "
            f"FROM (SELECT rowid AS rid, {rows} AS _row FROM {self._outcome.table}) o JOIN {self._refused} r USING (rid)"
        )

    def _say_notes(self) -> None:
        if NOTE in self._outcome.columns:
            notes = self._database.execute(
                f"SELECT DISTINCT {NOTE} FROM {self._outcome.table} WHERE {NOTE} IS NOT NULL ORDER BY 1 LIMIT 20"
            ).fetchall()
            self._engine.notes |= {row[0] for row in notes}
