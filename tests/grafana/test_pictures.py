"""Pictures of the boards: every panel is drawn, with figures and without, as well-formed XML."""

from html import escape
from xml.dom import minidom

import pytest

from grafana.boards import BOARDS
from grafana.pictures import Series, draw
from grafana.spec import Dashboard


class Answers:
    """The same answer to every question; None answers nothing."""

    def __init__(self, value: float | None) -> None:
        self._value = value

    def now(self, _: str) -> list[Series]:
        return [] if self._value is None else [Series({"campaign_id": "<a> & b"}, [(100.0, self._value)])]

    def over_time(self, _: str) -> list[Series]:
        if self._value is None:
            return []
        return [Series({"campaign_id": "<a> & b"}, [(100.0, self._value), (105.0, 2.0), (200.0, 3.0)])]


@pytest.mark.parametrize("value", [None, 0.0, -12.5, 1_234_567.0])
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_panel_is_drawn_whatever_the_answer(board: Dashboard, value: float | None):
    drawn = draw(board, Answers(value), [row.title for row in board.rows])
    minidom.parseString(drawn)  # noqa: S318 - of our own making
    for panel in board.panels:
        assert escape(panel.title.split("(")[0].split("$")[0].strip()) in drawn
