"""Documents through a mapping as they come: some rows in, records and refusals out. For connectors and webhooks.

The same SQL as for files, in a small database that is emptied after each call; a call takes milliseconds, so callers
hand over what has come together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.mapping.cells import LINE
from streams.mapping.engine import Engine, MappedRecord
from streams.mapping.model import Frame, Mapping
from streams.mapping.shortened_ids import SHORTENED, SHORTENED_ID

#: Columns that a webhook's document has beside its own: when it arrived, and what the rules of the collector say of it.
RECEIVED, CAMPAIGN, CHANNEL = "_received_at", "_campaign_id", "_channel"


@dataclass(frozen=True)
class Refusal:
    """A document without a record: its place among those handed over, from 0, and why."""

    place: int
    reason: str
    found: str


def map_documents(
    database: Any,
    mapping: Mapping,
    documents: Sequence[dict[str, str | None]],
    label: str = "documents",
    frame: Frame | None = None,
    notes: set[str] | None = None,
) -> tuple[list[MappedRecord], list[Refusal]]:
    """Records of some documents, by event time, and the documents that gave none.

    Args:
        database: from ``database.opened``; used for nothing else meanwhile.
        mapping: its lookups are empty here.
        documents: values as texts under dotted names, as ``replay.file_readers.flat`` gives them.
        label: what errors call them.
        frame: what is said outright of how they are written, such as the zone of their days.
        notes: takes what people should know.

    Returns:
        Records, and refusals; a record with an id that was shortened is none.

    Raises:
        MappingError: where the mapping does not fit the documents.
    """
    database.execute("BEGIN")
    try:
        engine = Engine(database)
        names = dict.fromkeys(name for document in documents for name in document)
        columns = {name: [document.get(name) for document in documents] for name in names}
        batch = (list(range(1, len(documents) + 1)), columns)
        *_, cells = engine.read(label, [batch], is_machine=True)
        engine.run(mapping, [(label, cells)], {}, frame or Frame())
        engine.finish()
        refusals = [
            Refusal((row & LINE) - 1, reason, found)
            for row, reason, found in database.execute(
                "SELECT _row, reason, coalesce(found, '') FROM unmapped ORDER BY _row, reason"
            ).fetchall()
        ]
        refusals += _shortened(database)
        if notes is not None:
            notes |= engine.notes
        return engine.all_records(), refusals
    finally:
        database.execute("ROLLBACK")


def _shortened(database: Any) -> list[Refusal]:
    """Take out the records with an id that was shortened."""
    found = database.execute(
        f"SELECT seq, topic, id FROM (SELECT seq, topic, {SHORTENED_ID} AS id FROM records) WHERE id <> '' ORDER BY ALL"
    ).fetchall()
    if found:
        database.execute(f"DELETE FROM records WHERE {SHORTENED_ID} <> ''")
    return [Refusal((row & LINE) - 1, f"{topic}: {SHORTENED}", shown) for row, topic, shown in found]
