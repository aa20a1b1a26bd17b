"""What a stage is: a pure state machine with tables, whose work and checkpoints a task runs."""

from collections.abc import Callable, Iterator
from typing import Protocol

from streams.state.store import Stateful

#: A part of long work: None where it has been done, else a call that may run on another thread.
Work = Callable[[], object] | None


class Stage(Stateful, Protocol):
    """A box of the picture: takes records in, keeps tables, gives records out. ``now`` is always an argument, in epoch ms."""

    @property
    def due_at(self) -> int | None:
        """The instant from which the next checkpoint has work that waits for it; 0: now; None: no such instant."""
        ...

    def work(self, now: int) -> Iterator[Work]:
        """Work before the next checkpoint that takes so long that the event loop must breathe between its parts."""
        ...
