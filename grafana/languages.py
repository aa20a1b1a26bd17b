"""The dashboards in other languages: the same panels and queries, with the texts of the catalogues of ``streams/locale``.

A dashboard of a language has an address of its own (``-fr`` behind the uid), and lies in a folder of its language.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

from grafana.spec import AxisMark, Dashboard, DashboardRow, Panel, Query, Variable

_CATALOGUES = Path(__file__).resolve().parents[1] / "streams" / "locale"

Say = Callable[[str], str]


@cache
def languages() -> tuple[str, ...]:
    """Those that there are catalogues for, besides English."""
    return tuple(sorted(path.stem for path in _CATALOGUES.glob("*.po")))


@cache
def _texts(language: str) -> dict[str, str]:
    with (_CATALOGUES / f"{language}.po").open("rb") as file:
        found = read_po(file, locale=language)
    return {
        each.id: each.string for each in found if isinstance(each.id, str) and isinstance(each.string, str)
    }


def in_language(board: Dashboard, language: str) -> Dashboard:
    """A dashboard in a language; a text that its catalogue lacks stays English, and a test says so."""
    known = _texts(language)
    spoken = _translated(board, lambda text: known.get(text, text))
    return replace(spoken, uid=f"{board.uid}-{language}", language=language)


def texts(board: Dashboard) -> Iterator[str]:
    """Every text of a dashboard that a person reads."""
    found: list[str] = []

    def collect(text: str) -> str:
        found.append(text)
        return text

    _translated(board, collect)
    yield from dict.fromkeys(found)


def _translated(board: Dashboard, say: Say) -> Dashboard:
    return replace(
        board,
        title=say(board.title),
        folder=say(board.folder),
        about=say(board.about),
        variables=tuple(_variable(each, say) for each in board.variables),
        rows=tuple(
            DashboardRow(say(row.title), tuple(_panel(each, say) for each in row.panels))
            for row in board.rows
        ),
        notes=tuple(_note(each, say) for each in board.notes),
        source_label=say(board.source_label),
        links_label=say(board.links_label),
    )


def _variable(variable: Variable, say: Say) -> Variable:
    return replace(variable, label=say(variable.label))


def _note(note: AxisMark, say: Say) -> AxisMark:
    return replace(note, name=say(note.name), title=_unless_empty(note.title, say))


def _panel(panel: Panel, say: Say) -> Panel:
    return replace(
        panel,
        title=say(panel.title),
        about=say(panel.about),
        queries=tuple(_query(each, say) for each in panel.queries),
        sort_by=_unless_empty(panel.sort_by, say),
        empty=_unless_empty(panel.empty, say),
        needs=_unless_empty(panel.needs, say),
        empty_heading=say(panel.empty_heading) if panel.empty else panel.empty_heading,
        key_heading=say(panel.key_heading or panel.key.removesuffix("_id")) if panel.kind == "table" else "",
    )


def _query(query: Query, say: Say) -> Query:
    return replace(query, name=_unless_empty(query.name, say))


def _unless_empty(text: str, say: Say) -> str:
    return say(text) if text else ""
