"""Files through mappings, without a broker: what a replay would write, and what it says."""

import atexit
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from streams.mapping.cells import quoted
from streams.mapping.database import opened
from streams.mapping.engine import Engine, MappedRecord
from streams.mapping.lint import LintFinding, findings
from streams.mapping.loader import load
from streams.mapping.model import Frame
from streams.replay.pipeline import convert


@dataclass(frozen=True)
class Replayed:
    """What came of files."""

    records: list[MappedRecord]
    rows: int
    left: dict[str, int]
    examples: dict[str, list[str]]
    every_left: list[tuple[str, int, str, str]]
    notes: set[str]
    found: dict[str, list[str]]
    findings: list[LintFinding]

    def values(self, topic: str | None = None) -> list[dict[str, Any]]:
        """Decoded records of a topic, in their order."""
        return [json.loads(record.value) for record in self.records if topic in {None, record.topic}]

    def sums(self, *names: str, topic: str = "ad-reports") -> dict[str, dict[str, str]]:
        """Sums of fields by campaign, as texts; a field that no record has is absent."""
        from decimal import Decimal  # noqa: PLC0415

        totals: dict[str, dict[str, Decimal]] = {}
        for value in self.values(topic):
            sums = totals.setdefault(value["campaign_id"], {})
            for name in names:
                if name in value:
                    sums[name] = sums.get(name, Decimal(0)) + Decimal(str(value[name]))
        return {
            campaign: {name: format(total, "f") for name, total in sums.items()}
            for campaign, sums in totals.items()
        }

    def said(self, level: str | None = None) -> str:
        """Texts of the findings."""
        return "\n".join(finding.text for finding in self.findings if level in {None, finding.level})

    @property
    def exit_code(self) -> int:
        """As the command's."""
        return 1 if any(not reason.startswith("skipped: ") for reason in self.left) else 0


@cache
def _database() -> Any:
    """One DuckDB for all tests of a process, since one of its own would take a fifth of a test's time."""
    opening = opened()
    atexit.register(opening.__exit__, None, None, None)
    return opening.__enter__()


@contextmanager
def _empty() -> Iterator[Any]:
    """The process's DuckDB with nothing but its functions: what is made meanwhile goes with the context."""
    database = _database()
    try:
        yield database
    finally:
        made = database.execute(
            "SELECT 'VIEW', database_name, view_name FROM duckdb_views() WHERE NOT internal "
            "UNION ALL SELECT 'TABLE', database_name, table_name FROM duckdb_tables() WHERE table_name <> 'zones'"
        ).fetchall()
        for kind, catalog, name in made:
            database.execute(f"DROP {kind} {quoted(catalog)}.{quoted(name)}")
        database.execute("SET TimeZone = 'UTC'")


def replayed(
    paths: list[Path], mapping: Path | str | None = None, frame: Frame | None = None, currency: str = "EUR"
) -> Replayed:
    """Map files.

    Args:
        paths: files and folders.
        mapping: None: recognised.
        frame: what is said outright.
        currency: the reporting currency.
    """
    with _empty() as database:
        engine = Engine(database)
        conversion = convert(engine, None if mapping is None else load(mapping), paths, frame)
        left = engine.left()
        return Replayed(
            list(engine.records()),
            conversion.rows,
            {part.reason: part.rows for part in left},
            {part.reason: part.examples for part in left},
            list(engine.every_left()),
            engine.notes,
            conversion.found,
            list(findings(engine, currency)),
        )


def writer(folder: Path) -> Callable[..., Replayed]:
    """A function that writes files and a mapping and maps the first file: ``run({"a.csv": "…"}, mapping)``."""

    def run(
        files: dict[str, str | bytes],
        mapping: str | None = None,
        *,
        frame: Frame | None = None,
        currency: str = "EUR",
    ) -> Replayed:
        for name, content in files.items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        path: Path | None = None
        if mapping is not None and "\n" in mapping:
            path = folder / "mine.toml"
            path.write_text(mapping, encoding="utf-8")
        return replayed([folder / next(iter(files))], path or mapping, frame, currency)

    return run
