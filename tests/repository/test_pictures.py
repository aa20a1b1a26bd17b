"""The pictures of the board's page: each is made by `make pictures`, and shown where the page is described."""

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from tests.system.page.pictures import PICTURES

ROOT = Path(__file__).parents[2]
MADE = {f"{name}.png" for name, *_ in PICTURES}


def test_every_picture_of_the_board_is_made_and_none_is_left_over():
    assert {each.name for each in (ROOT / "docs/images").glob("*.png")} == MADE


def test_every_picture_is_shown_on_the_page_about_the_board():
    shown = re.findall(r"images/([\w-]+\.png)", (ROOT / "docs/board.md").read_text())
    assert sorted(shown) == sorted(MADE)


def test_no_picture_is_larger_than_a_page_can_bear():
    assert {
        each.name for each in (ROOT / "docs/images").glob("*.png") if each.stat().st_size > 400_000
    } == set()
