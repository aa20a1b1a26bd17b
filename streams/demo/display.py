"""How the demo is shown: a live table on a terminal, lines of text elsewhere: with the first figures, and every few seconds."""

import contextlib
import copy
import io
import math
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from metrics.values.errors import RoistreamError
from streams.demo.live_table import plain_lines, render, story_text
from streams.demo.table_state import TableState

PLAIN_EVERY_S = 5.0
PICTURE_WIDTH = 160
#: A picture fetches nothing from elsewhere: the reader's own monospaced font does.
_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)


@contextlib.contextmanager
def display(
    console: Console, state: TableState, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[], None]]:
    """A function that shows the state as it is now; call it as often as you like.

    Args:
        console: where to.
        state: what; it is read at each call.
        clock: seconds; spaces out the lines of text.
    """
    if not console.is_terminal:
        yield _plain(console, state, clock)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda: live.update(render(state, console.width), refresh=True)


def save_picture(state: TableState, path: Path) -> None:
    """Draw the table of a wide terminal as SVG, without the links: one holds the token of the board.

    Raises:
        RoistreamError: when the file cannot be written.
    """
    console = Console(record=True, width=PICTURE_WIDTH, file=io.StringIO())
    shown = copy.copy(state)
    shown.links = {}
    console.print(render(shown, PICTURE_WIDTH))
    drawn = _FONTS.sub("", console.export_svg(title="roistream demo"))
    try:
        path.write_text(drawn)
    except OSError as error:
        raise RoistreamError(
            f"{path} cannot be written ({error.strerror}); name another --picture."
        ) from error


def _plain(console: Console, state: TableState, clock: Callable[[], float]) -> Callable[[], None]:
    last, had_figures, printed = -math.inf, False, 0

    def show() -> None:
        nonlocal last, had_figures, printed
        for line in state.story[printed:]:
            console.print(story_text(line), markup=False, highlight=False, soft_wrap=True)
        printed = len(state.story)
        now, has_figures = clock(), bool(state.campaigns_with_figures)
        if now - last < PLAIN_EVERY_S and has_figures == had_figures:
            return
        last, had_figures = now, has_figures
        for each in plain_lines(state):
            console.print(each, markup=False, highlight=False, soft_wrap=True)

    return show
