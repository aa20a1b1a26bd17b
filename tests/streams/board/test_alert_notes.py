"""Alerts on the pipeline as the board shows them."""

import msgspec

from streams.board.alert_notes import KEPT_MS, AlertNote, AlertNotes

NOW_MS = 1_794_990_000_000


def note(
    note_id: str, severity: str = "warning", received_ms: int = NOW_MS, starts_at: str = "2026"
) -> AlertNote:
    return AlertNote(note_id, "Alert", severity, "it stands still", starts_at, received_ms)


def shown(notes: AlertNotes, now_ms: int = NOW_MS) -> list[str]:
    return [each.note_id for each in notes.now(now_ms)]


def test_what_is_repeated_began_once_and_ends_once():
    notes = AlertNotes()
    assert [len(each) for each in notes.take([note("a")], [])] == [1, 0]
    assert [len(each) for each in notes.take([note("a")], [])] == [0, 0]
    assert [len(each) for each in notes.take([], ["a", "never"])] == [0, 1]
    assert shown(notes) == []


def test_the_most_severe_come_first_then_the_oldest():
    notes = AlertNotes()
    notes.take([note("new", starts_at="2027"), note("old"), note("worst", "critical", starts_at="2028")], [])
    assert shown(notes) == ["worst", "old", "new"]


def test_what_nobody_repeats_is_no_longer_told():
    notes = AlertNotes()
    notes.take([note("a")], [])
    assert shown(notes, NOW_MS + KEPT_MS) == ["a"]
    assert shown(notes, NOW_MS + KEPT_MS + 1) == []


def test_what_another_board_heard_takes_the_place_of_what_this_one_knew():
    notes = AlertNotes()
    notes.take([note("a")], [])
    notes.replace({"b": msgspec.json.encode(note("b")), "broken": b"{"})
    assert shown(notes) == ["b"]
