"""Reading of files: delimited text, JSON, Parquet and spreadsheets, also in gzip and zip, become batches of texts.

What a file is follows from its bytes, not from its name. Every value is handed on as text, None for nothing, so that
the same data gives the same records and the same ids from any of the formats. Delimited text and JSON Lines are
read row by row; JSON documents and spreadsheets are read whole.
"""

import csv
import gzip
import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from metrics.values.errors import RoistreamError
from streams import catalogues
from streams.mapping.cells import Batch
from streams.mapping.model import Frame
from streams.replay.frame import (
    SAMPLE_BYTES,
    SAMPLE_ROWS,
    FrameError,
    Layout,
    closing_reason,
    encoding_of,
    header_place,
    layout_of,
)

#: What is taken from a folder; a file that is named itself may be called anything.
ENDINGS = ("csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "xlsx", "xlsm", "xls", "ods")
_ARCHIVES = ("gz", "zip")
#: One line of an export may hold a long text; Python's own limit of 128 KiB is for hostile input.
_LARGEST_CELL = 16 * 1024 * 1024
_BATCH = 20_000
#: Why a row is none, besides totals and footers.
UNREADABLE = "unreadable row"
#: As many last rows of a file may be totals and remarks.
_HELD_BACK = 40
_ZIP, _GZIP, _PARQUET, _OLD_OFFICE = b"PK", b"\x1f\x8b", b"PAR1", b"\xd0\xcf\x11\xe0"
Wanted = Sequence[Iterable[str]]
#: Whether numbers are written as programs write them: with a point, and without groups.
_BY_PEOPLE, _BY_MACHINE = False, True


class ReadError(RoistreamError):
    """A file cannot be read; the text names it and says what to do."""


@dataclass
class Source:
    """One table of rows: a file, or one of a zip.

    ``left`` and ``found`` are whole once the batches have been read.
    """

    label: str
    #: Name that mappings match their ``files`` with.
    name: str
    is_machine: bool
    header: list[str]
    batches: Iterable[Batch]
    #: The lines before the column names.
    before: str = ""
    #: Lines that are no rows: line, reason, what was found.
    left: list[tuple[int, str, str]] = field(default_factory=list)
    #: How the file is written, for people.
    found: list[str] = field(default_factory=list)


def is_data(path: Path) -> bool:
    """Whether a file of a folder is looked at, by the ending of its name."""
    name = path.name.lower()
    for archive in _ARCHIVES:
        if name.endswith(f".{archive}"):
            return archive == "zip" or is_data(Path(name.removesuffix(f".{archive}")))
    return name.rsplit(".", maxsplit=1)[-1] in ENDINGS and not name.startswith((".", "~"))


def expand(paths: Iterable[Path]) -> list[tuple[Path, bool]]:
    """Files to consider, each with whether it was named itself; a folder gives its own files, not deeper ones.

    Raises:
        ReadError: for a path that does not exist.
    """
    found: dict[Path, bool] = {}
    for path in paths:
        if path.is_dir():
            found.update({item: found.get(item, False) for item in sorted(path.iterdir()) if is_data(item)})
        elif not path.exists():
            raise ReadError(f"{path} does not exist; give a file or a folder.")
        else:
            found[path] = True
    return list(found.items())


def sources(path: Path, frame: Frame, wanted: Wanted, label: str | None = None) -> Iterator[Source]:
    """The tables of a file.

    Args:
        path: the file.
        frame: what is said outright of how it is written.
        wanted: names of columns that mappings ask for, one set a mapping; they tell the header from other lines.
        label: what the file is called where people read it; None: its name.

    Raises:
        ReadError: where the file cannot be read as what its bytes say.
    """
    label = label or path.name
    try:
        if _head(partial(open, path, "rb"), 4)[:2] == _ZIP and not _is_sheet(path):
            yield from _members(path, label, frame, wanted)
        else:
            yield _source(label, path.name, partial(_opened, path), frame, wanted, path)
    except FrameError as error:
        raise ReadError(f"{path} {error}.") from error
    except (OSError, EOFError, LookupError, csv.Error, zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise ReadError(f"{path} cannot be read: {error}.") from error


def _opened(path: Path) -> BinaryIO:
    is_packed = _head(partial(open, path, "rb"), 2) == _GZIP
    return cast("BinaryIO", gzip.open(path, "rb") if is_packed else path.open("rb"))


def _head(opener: Callable[[], Any], size: int) -> bytes:
    with opener() as file:
        found: bytes = file.read(size)
        return found


def _is_sheet(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        raise ReadError(f"{path} is a damaged spreadsheet or zip; save it again, or save it as CSV.")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return "xl/workbook.xml" in names or "content.xml" in names


def _members(path: Path, label: str, frame: Frame, wanted: Wanted) -> Iterator[Source]:
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if not name.startswith("__MACOSX") and is_data(Path(name)) and not name.endswith(".zip")
        ]
        if not names:
            raise ReadError(f"{path} holds no data file ({', '.join(archive.namelist()[:5])}).")
        for name in names:
            opener = cast("Callable[[], BinaryIO]", partial(archive.open, name))
            yield _source(f"{label}/{name}", Path(name).name, opener, frame, wanted, None)


def _source(
    label: str, name: str, opener: Callable[[], BinaryIO], frame: Frame, wanted: Wanted, path: Path | None
) -> Source:
    sample = _head(opener, SAMPLE_BYTES)
    if sample.startswith(_PARQUET) and path is not None:
        return _parquet(label, path)
    if sample.startswith((_ZIP, _OLD_OFFICE)):
        return _sheet(label, opener, frame, wanted)
    encoding = frame.encoding or encoding_of(sample)
    text = sample.decode(encoding, errors="ignore" if len(sample) == SAMPLE_BYTES else "strict")
    if "\x00" in text:
        raise FrameError(
            "is no text (it holds NULs); save it as CSV, or say encoding (--frame encoding=utf-16)"
        )
    opened = partial(_text, opener, encoding)
    found = [] if encoding.startswith("utf-8") else [catalogues.t("encoding {encoding}", encoding=encoding)]
    if encoding == "windows-1252" and frame.encoding is None:
        found = [catalogues.t("encoding windows-1252, a guess: it is not UTF-8 (--frame encoding=…)")]
    if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        source = _json(label, name, opened, frame)
    else:
        source = _delimited(label, name, opened, text, frame, wanted)
    source.found[:0] = found
    return source


def _text(opener: Callable[[], BinaryIO], encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(opener(), encoding=encoding, newline="")


# Delimited text


def _delimited(
    label: str, name: str, opened: Callable[[], io.TextIOWrapper], sample: str, frame: Frame, wanted: Wanted
) -> Source:
    layout = layout_of(sample, wanted, frame.delimiter, frame.header)
    with opened() as text:
        before = "".join(islice(text, layout.header - 1))
        header: list[str] = next(_reader(text, layout), [])
    names = unique_names(header)
    mark = repr(layout.delimiter)
    found = [] if layout.delimiter == "," else [catalogues.t("delimiter {mark}", mark=mark)]
    if layout.before:
        found.append(catalogues.t("column names on line {number}", number=layout.header))
    source = Source(label, name, _BY_PEOPLE, [part for part in names if part], [], before, found=found)
    source.batches = _delimited_batches(source, opened, layout, names)
    return source


def _reader(text: io.TextIOWrapper, layout: Layout) -> Any:
    """Rows of cells; some write their column names as ``"one", "two"``, with a blank before the mark."""
    csv.field_size_limit(_LARGEST_CELL)
    return csv.reader(text, delimiter=layout.delimiter, skipinitialspace=True)


def unique_names(header: Sequence[str]) -> list[str]:
    """A name for each column; empty where neither name nor cells are expected, numbered where two are equal.

    >>> unique_names(["id", "Total", "total", "", "", "x", ""])
    ['id', 'Total (column 2)', 'total (column 3)', 'column 4', 'column 5', 'x', '']
    """
    names = [" ".join(name.replace("\ufeff", "").split()) for name in header]
    end = max((place for place, name in enumerate(names, 1) if name), default=0)
    counts = Counter(name.lower() for name in names)
    return [
        (f"column {place}" if place <= end else "")
        if not name
        else f"{name} (column {place})"
        if counts[name.lower()] > 1
        else name
        for place, name in enumerate(names, 1)
    ]


@dataclass
class _Lines:
    """Rows of a file as they come, the last of them held back until it is known what they are."""

    source: Source
    names: list[str]
    held: list[tuple[int, list[str], bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.width = len(self.names)
        self.filled = sum(1 for name in self.names if name)

    def batches(self, rows: Iterable[tuple[int, list[str], bool]]) -> Iterator[Batch]:
        coming = iter(rows)
        while chunk := list(islice(coming, _BATCH)):
            self.held += chunk
            known = self.held[:-_HELD_BACK]
            self.held = self.held[-_HELD_BACK:]
            yield self._batch(known)
        self._close()
        yield self._batch(self.held)

    def _close(self) -> None:
        """Leave out the totals and remarks at the end."""
        closing: list[tuple[int, str]] = []
        for line, cells, after_blank in self.held:
            reason = closing_reason(cells, self.filled, after_blank=after_blank or bool(closing))
            closing = [*closing, (line, reason)] if reason else []
        self.held = self.held[: len(self.held) - len(closing)]
        self.source.left += [(line, f"skipped: {reason}", "") for line, reason in closing]

    def _batch(self, rows: list[tuple[int, list[str], bool]]) -> Batch:
        if any(len(cells) != self.width for _, cells, _ in rows):
            rows = [(line, self._fitted(cells), True) for line, cells, _ in rows if self._fits(line, cells)]
        lines = [line for line, _, _ in rows]
        columns = list(zip(*(cells for _, cells, _ in rows), strict=True)) if rows else [()] * self.width
        named = {}
        for place, (name, cells) in enumerate(zip(self.names, columns, strict=True), 1):
            if name:
                named[name] = list(cells)
            elif any(cell.strip() for cell in cells):
                named[f"column {place}"] = list(cells)
        return lines, cast("dict[str, list[str | None]]", named)

    def _fits(self, line: int, cells: list[str]) -> bool:
        """Whether a row's cells stand under their names; one that does not is left, with its reason."""
        count = len(cells)
        if count >= self.filled and not any(cell.strip() for cell in cells[self.width :]):
            return True
        self.source.left.append((line, UNREADABLE, f"{count} cells where the header has {self.filled}"))
        return False

    def _fitted(self, cells: list[str]) -> list[str]:
        return [*cells[: self.width], *[""] * (self.width - len(cells))]


def _delimited_batches(
    source: Source, opened: Callable[[], io.TextIOWrapper], layout: Layout, names: list[str]
) -> Iterator[Batch]:
    try:
        with opened() as text:
            for _ in islice(text, layout.header - 1):
                pass
            reader = _reader(text, layout)
            next(reader, None)
            yield from _Lines(source, names).batches(_numbered(reader, layout.header - 1))
    except UnicodeDecodeError as error:
        raise ReadError(
            f"{source.label} is not {error.encoding} throughout ({error.reason} at byte {error.start} of a block); "
            "say its encoding (--frame encoding=latin-1)."
        ) from error
    except (OSError, EOFError, csv.Error) as error:
        raise ReadError(f"{source.label} cannot be read: {error}.") from error


def _numbered(reader: Any, before: int) -> Iterator[tuple[int, list[str], bool]]:
    """Rows with the line that an editor shows, and whether a blank line stands before them."""
    last, is_blank = reader.line_num, False
    for cells in reader:
        number, last = last + 1 + before, reader.line_num
        if not cells or (len(cells) == 1 and not cells[0].strip()):
            is_blank = True
            continue
        yield number, cells, is_blank
        is_blank = False


# JSON


def _json(label: str, name: str, opened: Callable[[], io.TextIOWrapper], frame: Frame) -> Source:
    source = Source(label, name, _BY_MACHINE, [], [])
    with opened() as text:
        first = next((line for line in text if line.strip()), "")
        second = next((line for line in text if line.strip()), "")
    loaded = _loaded(first)
    is_lines = isinstance(loaded, dict) and bool(second)
    document = None if is_lines else _document(opened)
    if document is None:
        rows: Iterable[tuple[int, Any]] = _json_lines(source, opened, frame)
    else:
        rows = enumerate(_records_of(label, document, frame, source), 1)
    batches = _json_batches(source, rows)
    head = next(batches, ([], {}))
    source.header = list(head[1])
    source.batches = _chained(head, batches)
    return source


def _chained(head: Batch, rest: Iterator[Batch]) -> Iterator[Batch]:
    yield head
    yield from rest


def _loaded(text: str) -> Any:
    """JSON with its numbers as they are written; None where it is none."""
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=lambda _: None)
    except (json.JSONDecodeError, RecursionError):
        return None


def _document(opened: Callable[[], io.TextIOWrapper]) -> Any:
    with opened() as text:
        return _loaded(text.read().lstrip("\ufeff"))


def _records_of(label: str, document: Any, frame: Frame, source: Source) -> list[Any]:
    """The list of rows in a document: itself, the one at ``frame.records``, or the only list of objects in it."""
    if frame.records is not None:
        for part in frame.records.split("."):
            document = document.get(part) if isinstance(document, dict) else None
        if not isinstance(document, list):
            raise ReadError(
                f"{label} has no list at {frame.records}; say where its rows are (--frame records=data)."
            )
        return document
    if isinstance(document, list):
        return document
    lists = list(_lists(document, ()))
    if len(lists) > 1:
        paths = ", ".join(".".join(path) for path, _ in lists)
        raise ReadError(
            f"{label} has several lists ({paths}); say which holds the rows (--frame records={paths.split(',')[0]})."
        )
    if lists:
        source.found.append(catalogues.t("rows under {path}", path=".".join(lists[0][0])))
        return lists[0][1]
    return [document]


def _lists(document: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for name, value in document.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield (*path, name), value
        elif isinstance(value, dict):
            yield from _lists(value, (*path, name))


def _json_lines(
    source: Source, opened: Callable[[], io.TextIOWrapper], frame: Frame
) -> Iterator[tuple[int, Any]]:
    count = 0
    with opened() as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            value = _loaded(line.lstrip("\ufeff"))
            if frame.records is None:
                yield number, value
                continue
            for row in _records_of(source.label, value, frame, source):
                count += 1
                yield count, row


def _json_batches(source: Source, rows: Iterable[tuple[int, Any]]) -> Iterator[Batch]:
    lines: list[int] = []
    documents: list[dict[str, str | None]] = []
    for number, value in rows:
        if not isinstance(value, dict):
            said = "not JSON" if value is None else "not a JSON object"
            source.left.append((number, UNREADABLE, said))
            continue
        lines.append(number)
        documents.append(flat(value))
        if len(lines) == _BATCH:
            yield _columns_of(lines, documents)
            lines, documents = [], []
    yield _columns_of(lines, documents)


def _columns_of(lines: list[int], documents: list[dict[str, str | None]]) -> Batch:
    names = dict.fromkeys(name for document in documents for name in document)
    lowered = Counter(name.lower() for name in names)
    return lines, {
        name if lowered[name.lower()] == 1 else f"{name} ({name.encode().hex()[:6]})": [
            document.get(name) for document in documents
        ]
        for name in names
    }


def flat(document: dict[str, Any], before: str = "") -> dict[str, str | None]:
    """A document's values as texts; of objects in it by dotted names, lists as JSON with their numbers as texts.

    >>> flat({"a": {"b": "1.50"}, "c": [{"d": "2"}], "e": None, "f": True})
    {'a.b': '1.50', 'c': '[{"d": "2"}]', 'e': None, 'f': 'true'}
    """
    found: dict[str, str | None] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = as_text(value)
    return found


# Spreadsheets and Parquet


def _sheet(label: str, opener: Callable[[], BinaryIO], frame: Frame, wanted: Wanted) -> Source:
    import python_calamine  # noqa: PLC0415 - only spreadsheets need it

    try:
        with opener() as file:
            workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(file.read()))
        tables = {
            name: workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
            for name in workbook.sheet_names
        }
    except (python_calamine.CalamineError, OSError) as error:
        raise ReadError(f"{label} is a spreadsheet that cannot be read ({error}); save it as CSV.") from error
    filled = [name for name, rows in tables.items() if sum(any(map(as_text, row)) for row in rows) > 1]
    chosen = frame.sheet or next(iter(filled), None)
    if chosen not in tables:
        raise ReadError(f"{label} has no sheet {chosen!r}; it has {', '.join(tables)}.")
    rows = [[_sheet_text(cell) for cell in row] for row in tables[chosen]]
    place = header_place([[cell.strip() for cell in row] for row in rows[:SAMPLE_ROWS]], wanted, frame.header)
    names = unique_names(rows[place] if rows else [])
    others = [name for name in filled if name != chosen]
    found = [catalogues.t("sheet {name}", name=repr(chosen))]
    if others:
        text = catalogues.t("sheet {name} (not read: {others})", name=repr(chosen), others=", ".join(others))
        found = [text]
    if place:
        found.append(catalogues.t("column names on line {number}", number=place + 1))
    before = "\n".join(" ".join(filter(None, row)) for row in rows[:place])
    source = Source(label, label, _BY_PEOPLE, [name for name in names if name], [], before, found=found)
    source.batches = _Lines(source, names).batches(_sheet_rows(rows, place + 1))
    return source


def _sheet_rows(rows: list[list[str]], first: int) -> Iterator[tuple[int, list[str], bool]]:
    is_blank = False
    for number, cells in enumerate(rows[first:], first + 1):
        if any(cell.strip() for cell in cells):
            yield number, cells, is_blank
            is_blank = False
        else:
            is_blank = True


def _sheet_text(value: Any) -> str:
    text = as_text(value) or ""
    # A number with three decimals is no thousands: the sheet knows that it is a number.
    is_doubtful = isinstance(value, float) and len(text.partition(".")[2]) == 3
    return text + "0" if is_doubtful else text


def _parquet(label: str, path: Path) -> Source:
    import duckdb  # noqa: PLC0415

    connection = duckdb.connect(config={"threads": 1, "memory_limit": "384MB"})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("FROM read_parquet(?)", [str(path)])
        names = [column[0] for column in connection.description]
    except duckdb.Error as error:
        raise ReadError(f"{path} cannot be read as Parquet: {error}.") from error
    return Source(label, path.name, _BY_MACHINE, names, _fetched(connection, names))


def _fetched(connection: Any, names: list[str]) -> Iterator[Batch]:
    number = 0
    while rows := connection.fetchmany(_BATCH):
        columns = zip(*rows, strict=True)
        yield (
            list(range(number + 1, number + len(rows) + 1)),
            {name: [as_text(cell) for cell in cells] for name, cells in zip(names, columns, strict=True)},
        )
        number += len(rows)
    connection.close()


def as_text(value: Any) -> str | None:
    """The text of a value: None for nothing, times in ISO 8601, decimals without an exponent.

    >>> as_text(None), as_text(2.55), as_text(True), as_text(Decimal("1E+2")), as_text(17850.0)
    (None, '2.55', 'true', '100', '17850')
    """
    match value:
        case None:
            text = None
        case bool():
            text = "true" if value else "false"
        case float():
            text = _float_text(value)
        case Decimal():
            text = format(value, "f")
        case dict() | list():
            text = json.dumps(value, default=str, ensure_ascii=False)
        case _:  # times: str() is ISO 8601 with a space
            text = str(value)
    return text


def _float_text(value: float) -> str | None:
    if not math.isfinite(value):
        return None  # NaN is what tables use for nothing
    # Tables turn integer ids into floats where one is missing; 17850.0 is the customer 17850.
    return format(Decimal(int(value) if value.is_integer() else repr(value)), "f")
