"""Alerts on the pipeline as notes on the board: what fires now, for whoever looks. Pure; time is an argument.

They come by the same webhook as alerts on campaigns and go nowhere else, since no budget hangs on them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from metrics.values.errors import UNREADABLE

#: A note that Alertmanager has not repeated for so long is no longer told; it repeats every hour.
KEPT_MS = 3 * 3_600_000
#: More than that is no list that anybody reads.
_MOST = 200


class AlertNote(msgspec.Struct, frozen=True):
    """An alert that fires.

    Attributes:
        note_id: its fingerprint.
        alert: its name.
        severity: as the rule says.
        summary: one sentence.
        starts_at: since when, as Alertmanager says.
        received_ms: when it came last, in epoch ms.
    """

    note_id: str
    alert: str
    severity: str
    summary: str
    starts_at: str
    received_ms: int


class NoteChanges(NamedTuple):
    """Notes that are new, and notes of alerts that no longer fire."""

    begun: list[AlertNote]
    ended: list[AlertNote]


class AlertNotes:
    """The alerts that fire, by fingerprint."""

    def __init__(self) -> None:
        self._notes: dict[str, AlertNote] = {}

    def take(self, firing: Iterable[AlertNote], resolved: Iterable[str]) -> NoteChanges:
        """Take in what fires, and fingerprints of what no longer does."""
        begun = [note for note in firing if note.note_id not in self._notes]
        self._notes |= {note.note_id: note for note in firing}
        ended = [self._notes.pop(note_id) for note_id in resolved if note_id in self._notes]
        return NoteChanges(begun, ended)

    def replace(self, stored: Mapping[str, bytes]) -> None:
        """What all boards together know, by fingerprint; what cannot be read is left out."""
        found: dict[str, AlertNote] = {}
        for note_id, value in stored.items():
            try:
                found[note_id] = msgspec.json.decode(value, type=AlertNote)
            except UNREADABLE:
                continue
        self._notes = found

    def now(self, now_ms: int) -> list[AlertNote]:
        """What fires now, the most severe first, then the oldest."""
        kept = [note for note in self._notes.values() if now_ms - note.received_ms <= KEPT_MS]
        return sorted(kept, key=lambda note: (note.severity != "critical", note.starts_at, note.note_id))[
            :_MOST
        ]
