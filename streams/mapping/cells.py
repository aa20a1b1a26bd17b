"""Cells: the texts of a file in a table of DuckDB, one row a line, each with its place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: ``_row`` = number of the file << LINE_BITS | line in it.
LINE_BITS = 40
LINE = (1 << LINE_BITS) - 1
#: Texts of a batch by column, and the line of each row.
Batch = tuple[list[int], dict[str, list[str | None]]]


@dataclass
class Cells:
    """One file in the database.

    ``places`` are columns of the table by the name in the file; ``rows`` counts its rows.
    """

    number: int
    label: str
    #: Whether numbers and times are written by a machine (JSON, Parquet, spreadsheets' own cells).
    is_machine: bool
    #: The lines before the column names, as they stand: SQL has them as ``_before``.
    before: str = ""
    places: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    _nulls: dict[tuple[str, tuple[str, ...]], list[str]] = field(default_factory=dict)

    def nulls(self, database: Any, place: str, words: tuple[str, ...]) -> list[str]:
        """Which of the words that stand for nothing a column holds."""
        key = (place, words)
        if key not in self._nulls:
            shown = ", ".join(map(literal, words))
            rows = database.execute(
                f"SELECT DISTINCT {place} FROM {self.table} WHERE {place} IN ({shown}) ORDER BY 1"
            ).fetchall()
            self._nulls[key] = [row[0] for row in rows]
        return self._nulls[key]

    @property
    def table(self) -> str:
        """Name of its table."""
        return f"cells_{self.number}"

    def fill(self, database: Any, batches: Iterable[Batch]) -> Iterator[int]:
        """Take in batches; gives the number of rows so far after each."""
        database.execute(f"CREATE TABLE {self.table} (_row BIGINT)")
        for lines, columns in batches:
            for name in columns:
                if name not in self.places:
                    self.places[name] = f"c{len(self.places)}"
                    database.execute(f"ALTER TABLE {self.table} ADD COLUMN {self.places[name]} VARCHAR")
            batch = {self.places[name]: _texts(cells) for name, cells in columns.items()}
            batch["_row"] = np.array(lines, dtype=np.int64) | (self.number << LINE_BITS)
            database.register("batch", batch)
            database.execute(f"INSERT INTO {self.table} BY NAME FROM batch")
            database.unregister("batch")
            self.rows += len(lines)
            yield self.rows


def _texts(cells: list[str | None]) -> Any:
    """Texts without what surrounds them (blanks of every width, ends of lines); nothing where nothing is left."""
    texts = np.empty(len(cells), dtype=object)
    texts[:] = [
        (cell and cell.strip()) or None for cell in cells
    ]  # a tenth of the time that DuckDB's trim takes
    return texts


def quoted(name: str) -> str:
    """A name as SQL writes it, in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it, in single quotes."""
    return "'" + text.replace("'", "''") + "'"
