"""How a file of delimited text is written, found from its first rows: encoding, delimiter, the line of the names.

Pure: bytes and rows in, what was found out.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metrics.values.errors import RoistreamError
from streams.mapping.headers import plain

#: What is looked at to find a frame.
SAMPLE_BYTES, SAMPLE_ROWS = 256 * 1024, 200
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = (",", "\t", ";", "|")
_VALUE = re.compile(
    r"[-+(]?[^\w\s]{0,2}\s?\d[\d.,:/\s%-]*[)%]?|\d{4}-\d{2}-\d{2}.*|--|true|false", re.IGNORECASE
)
_CHARACTERS = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_TOTAL = re.compile(
    r"(grand |sub ?)?totals?:?( \(.*\))?|total of \d.*|(grand )?total: .*|grand totals? .*|gesamt(summe|ergebnis)?:?|summe:?|"
    r"total g[ée]n[ée]ral:?|totaux:?|totales:?|totale:?|totaal:?|合計|總計|итого:?",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(©|@\d{4} |\(c\)|copyright|confidential|all rights reserved|generated (by|on|at)|exported (by|on|at)|report (generated|"
    r"run|created)|rows?: \d|records?: \d|\d+ (rows|records)|end of (report|file)|source:|as of |filters?:|filtered by|"
    r"note:|\* )",
    re.IGNORECASE,
)
#: Why a closing row is no record.
FOOTER, TOTALS = "footer", "totals row"


class FrameError(RoistreamError):
    """A file is not written in a way that can be read; the text says what to do."""


@dataclass(frozen=True)
class Layout:
    """Where the rows of a delimited file begin; ``header`` is the line of the names, from 1."""

    delimiter: str
    header: int
    #: Rows before it that are not blank.
    before: int = 0


def encoding_of(sample: bytes) -> str:
    r"""The encoding of a text by its byte-order mark, its NULs, or its characters.

    ``windows-1252`` is a guess for what is not UTF-8; whoever reads says so.

    Raises:
        FrameError: where the bytes are UTF-8 with damage in them.

    >>> encoding_of("Tag".encode("utf-16-le")), encoding_of(b"day,caf\xe9")
    ('utf-16-le', 'windows-1252')
    """
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    if wide := _wide(sample):
        return wide
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < SAMPLE_BYTES)
    except UnicodeDecodeError as error:
        if _CHARACTERS.search(sample):
            raise FrameError(
                f"is UTF-8 but for byte {error.start}; save it again as UTF-8, or say encoding (--frame encoding=latin-1)"
            ) from error
        return "windows-1252"
    return "utf-8"


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: most second bytes of Latin text are NUL."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(len(sample) // 2, 1)
    if max(even, odd) * 10 < half * 3:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def layout_of(
    text: str, wanted: Sequence[Iterable[str]], delimiter: str | None, header: int | None
) -> Layout:
    """Delimiter and line of the names of a delimited text.

    Args:
        text: its beginning.
        wanted: names of columns that mappings ask for, one set a mapping.
        delimiter: where it is said outright.
        header: the line of the names, where it is said outright.
    """
    first = text.split("\n", maxsplit=1)[0].strip()
    if delimiter is None and re.fullmatch("sep=.", first, re.IGNORECASE):
        delimiter = first[-1]
    found = []
    for candidate in [delimiter] if delimiter else _DELIMITERS:
        rows = list(_rows(text, candidate))
        place = _place(rows, wanted, header)
        if place is not None:
            found.append(
                (
                    _score(rows, place, wanted),
                    -_DELIMITERS.index(candidate) if candidate in _DELIMITERS else 0,
                    candidate,
                    rows,
                    place,
                )
            )
    if not found:
        return Layout(delimiter or ",", header or 1)
    _, _, candidate, rows, place = max(found, key=lambda entry: entry[:2])
    before = sum(any(cells) for _, cells in rows[:place])
    return Layout(candidate, rows[place][0], before)


def _rows(text: str, delimiter: str) -> Iterable[tuple[int, list[str]]]:
    """Rows with the line each begins on; the last may be cut off by the sample."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    last = 0
    try:
        for count, cells in enumerate(lines):
            yield last + 1, [cell.strip() for cell in cells]
            last = lines.line_num
            if count == SAMPLE_ROWS:
                return
    except csv.Error:
        return


def header_place(rows: list[list[str]], wanted: Sequence[Iterable[str]], header: int | None = None) -> int:
    """Which of a sheet's first rows holds the names; 0 where none stands out."""
    return _place([(place + 1, cells) for place, cells in enumerate(rows)], wanted, header) or 0


def _place(
    rows: list[tuple[int, list[str]]], wanted: Sequence[Iterable[str]], header: int | None
) -> int | None:
    if header is not None:
        return next((place for place, (line, _) in enumerate(rows) if line >= header), None)
    matches = [_matches(cells, wanted) for _, cells in rows]
    if max(matches, default=0) >= 2:
        return matches.index(max(matches))
    width = _width(rows)
    whole = [place for place, (_, cells) in enumerate(rows) if len(_filled(cells)) >= width]
    texts = [place for place in whole if not any(_VALUE.fullmatch(cell) for cell in rows[place][1])]
    for place in texts:
        if any(_VALUE.fullmatch(cell) for cell in _next(rows, place)):
            return place
    return next(iter(texts or whole), None)


def _matches(cells: list[str], wanted: Sequence[Iterable[str]]) -> int:
    has = {plain(cell) for cell in cells}
    return max((len(has & {plain(name) for name in names}) for names in wanted), default=0)


def _width(rows: list[tuple[int, list[str]]]) -> int:
    """The width of most rows, not counting empty cells at their ends."""
    widths = Counter(len(_filled(cells)) for _, cells in rows if any(cells))
    full = Counter({width: count for width, count in widths.items() if width > 1}) or widths
    return max(full, key=lambda width: (full[width], width), default=1)


def _filled(cells: list[str]) -> list[str]:
    """Cells without the empty ones at the end."""
    end = len(cells)
    while end and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _next(rows: list[tuple[int, list[str]]], place: int) -> list[str]:
    return next((cells for _, cells in rows[place + 1 :] if any(cells)), [])


def _score(
    rows: list[tuple[int, list[str]]], place: int, wanted: Sequence[Iterable[str]]
) -> tuple[int, int, int]:
    """Names that match, rows as wide as the header, and its width."""
    cells = rows[place][1]
    width = len(cells)
    same = sum(len(other) == width for _, other in rows[place + 1 :]) if width > 1 else 0
    return _matches(cells, wanted), same, width


def closing_reason(cells: list[str], width: int, *, after_blank: bool) -> str | None:
    """Why one of the last rows of a file is no record: a totals row or a footer; None for any other.

    Args:
        cells: of the row.
        width: of the header.
        after_blank: whether a blank line stands right before it, or before other closing rows.

    >>> closing_reason(["Grand Totals (2 records)"], 4, after_blank=True)
    'footer'
    >>> closing_reason(["O3", "99"], 4, after_blank=False)
    """
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return FOOTER
    if len(filled) > 1:
        return TOTALS if _TOTAL.fullmatch(filled[0]) else None
    is_narrow = len(cells) < width
    if _CLOSING.match(filled[0]) or _TOTAL.fullmatch(filled[0]):
        return FOOTER
    # One cell after a blank line is a remark; without it, a line that was cut off.
    return FOOTER if is_narrow and after_blank and width > 1 else None
