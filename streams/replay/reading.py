"""Reading of files: CSV, JSON Lines and Parquet (``.gz`` too) become rows of text. Knows no mapping.

Every value is handed on as text, "" for nothing, so that the same data gives the same records and the same
ids from any of the formats. Files are read row by row (Parquet: batch by batch), never whole.
"""

import csv
import gzip
import io
import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, cast

from metrics.values.errors import RoistreamError

Row = dict[str, str]
KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
#: One line of an export may hold a long text; Python's own limit of 128 KiB is for hostile input.
_LARGEST_CELL = 16 * 1024 * 1024


class ReadError(RoistreamError):
    """A file cannot be read; the text names it and says what to do."""


def kind_of(path: Path) -> str | None:
    """``csv``, ``jsonl`` or ``parquet`` by the name's ending, ``.gz`` ignored; None for anything else."""
    name = path.with_suffix("") if path.suffix == ".gz" else path
    return KINDS.get(name.suffix.lower())


def expand(paths: Iterable[Path]) -> list[tuple[Path, bool]]:
    """Files to consider, each with whether it was named itself; a folder gives its own files, not deeper ones.

    Raises:
        ReadError: for a path that does not exist, or a named file of an unknown kind.
    """
    found: dict[Path, bool] = {}
    for path in paths:
        if path.is_dir():
            found.update({item: found.get(item, False) for item in sorted(path.iterdir()) if kind_of(item)})
        elif not path.exists():
            raise ReadError(f"{path} does not exist; give a file or a folder.")
        elif kind_of(path) is None:
            raise ReadError(
                f"{path} is not read; name it .csv, .tsv, .jsonl, .ndjson or .parquet (or these with .gz)."
            )
        else:
            found[path] = True
    return list(found.items())


def read(path: Path, *, encoding: str = "utf-8", delimiter: str = ",") -> Iterator[tuple[int, Row]]:
    """Numbered rows of a file; the number is what an editor shows as the line (Parquet: the row from 1).

    Raises:
        ReadError: where the file cannot be read as what its name says.
    """
    try:
        if kind_of(path) == "parquet":
            yield from _parquet(path)
            return
        with (
            _opened(path) as binary,
            io.TextIOWrapper(binary, encoding=_bom_aware(encoding), newline="") as text,
        ):
            separator = "\t" if ".tsv" in path.suffixes and delimiter == "," else delimiter
            yield from _csv(path, text, separator) if kind_of(path) == "csv" else _jsonl(text)
    except UnicodeDecodeError as error:
        raise ReadError(
            f"{path} is not {encoding}; set encoding in the mapping, for example latin-1."
        ) from error
    except (OSError, LookupError, csv.Error) as error:
        raise ReadError(f"{path} cannot be read: {error}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        yield cast("BinaryIO", file)


def _bom_aware(encoding: str) -> str:
    return "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding


def _csv(path: Path, text: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(_LARGEST_CELL)
    lines = csv.reader(text, delimiter=delimiter)
    header = next(lines, None)
    if header is None:
        return
    if len(set(header)) < len(header):
        raise ReadError(f"{path} names a column twice; rename one of them.")
    width, last = len(header), lines.line_num
    for cells in lines:
        number, last = last + 1, lines.line_num
        if not cells:
            continue
        if len(cells) != width:
            # A row of another width has its cells under wrong names; only the reader can know that.
            yield number, {"": f"{len(cells)} cells where the header has {width}"}
            continue
        yield number, dict(zip(header, cells, strict=True))


def _jsonl(text: io.TextIOWrapper) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_float=Decimal)
        except json.JSONDecodeError as error:
            yield number, {"": f"not JSON: {error}"}
            continue
        if not isinstance(value, dict):
            yield number, {"": "not a JSON object"}
            continue
        yield number, {str(name): as_text(cell) for name, cell in value.items()}


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    import pyarrow as pa  # noqa: PLC0415 - a third of a second that other formats need not pay
    from pyarrow import parquet  # noqa: PLC0415

    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=16_384):
            columns = [_texts(pa, column) for column in batch.columns]
            for cells in zip(*columns, strict=True):
                number += 1
                yield number, dict(zip(batch.schema.names, cells, strict=True))
    except pa.ArrowException as error:
        raise ReadError(f"{path} cannot be read as Parquet: {error}.") from error


def _texts(pa: Any, column: Any) -> list[str]:
    """The texts of a column; each distinct value is converted once, and most columns repeat theirs."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Microseconds are the finest that Python's times have.
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    if pa.types.is_nested(column.type):
        return [as_text(value) for value in column.to_pylist()]
    encoded = column.dictionary_encode()
    texts = [as_text(value) for value in encoded.dictionary.to_pylist()]
    return ["" if place is None else texts[place] for place in encoded.indices.to_pylist()]


def as_text(value: Any) -> str:
    """The text of a cell: "" for nothing, times in ISO 8601, decimals without an exponent.

    >>> as_text(None), as_text(2.55), as_text(True), as_text(Decimal("1E+2"))
    ('', '2.55', 'true', '100')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, sort_keys=True)
    return "" if value is None else str(value)  # times: str() is ISO 8601 with a space


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        return ""  # NaN is what tables use for nothing
    # Tables turn integer ids into floats where one is missing; 17850.0 is the customer 17850.
    return format(Decimal(int(value) if value.is_integer() else repr(value)), "f")
