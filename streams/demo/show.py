"""How the demo is shown: a live table on a terminal, lines of text every few seconds elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live

from streams.demo.state import State
from streams.demo.table import plain_lines, render

PLAIN_EVERY_S = 5.0


@contextlib.contextmanager
def display(
    console: Console, state: State, clock: Callable[[], float] = time.monotonic
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


def _plain(console: Console, state: State, clock: Callable[[], float]) -> Callable[[], None]:
    last: float | None = None

    def show() -> None:
        nonlocal last
        if last is not None and clock() - last < PLAIN_EVERY_S:
            return
        last = clock()
        for line in plain_lines(state):
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    return show
