"""A stuck process is ended; one that was merely stopped for a while is not."""

import threading
from dataclasses import dataclass, field

from streams.runtime.watchdog import StalledError, Watchdog

LIMIT_S = 90.0


@dataclass
class Watched:
    """A watchdog that looks every second, and what it does."""

    now: float = 0.0
    failures: list[BaseException] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(LIMIT_S, lambda: self.now, self.failures.append, self.said.append)

    def wait(self, seconds: int, stuck: list[str] | None = None) -> None:
        """Look each second; the event loop turns where it has anything to say (no sentence: all gets on)."""
        for _ in range(seconds):
            self.now += 1.0
            if stuck is not None:
                self.watchdog.turned(stuck)
            self.watchdog.look()


def test_a_thread_looks_by_itself_and_ends_the_process_that_no_longer_turns():
    failed = threading.Event()
    clock = iter(range(10_000))
    watchdog = Watchdog(5.0, lambda: float(next(clock)), lambda _: failed.set(), print, look_every_s=0.6)
    watchdog.start()
    assert failed.wait(30)
    watchdog.stop()


def test_a_loop_that_does_not_turn_is_said_once_and_then_ends_the_process():
    watched = Watched()
    watched.wait(89)
    assert (len(watched.said), watched.failures) == (1, [])
    assert "has not turned for 11 s: all stages stand still" in watched.said[0]
    watched.wait(2)
    assert isinstance(watched.failures[0], StalledError)
    assert "the event loop does not turn" in str(watched.failures[0])


def test_work_that_stands_still_while_the_loop_turns_ends_the_process_which_names_it():
    watched = Watched()
    watched.wait(1_000, [])
    watched.wait(90, ["stage merge of partition 0 stands still"])
    assert (watched.said, watched.failures) == ([], [])
    watched.wait(1, ["stage merge of partition 0 stands still"])
    assert "stage merge of partition 0 stands still" in str(watched.failures[0])


def test_work_that_gets_on_again_starts_counting_anew():
    watched = Watched()
    for _ in range(5):
        watched.wait(80, ["stage merge of partition 0 stands still"])
        watched.wait(1, [])
    assert watched.failures == []


def test_a_process_that_was_stopped_as_a_whole_starts_counting_anew():
    watched = Watched()
    watched.now += 3_600.0
    watched.watchdog.look()
    watched.wait(80)
    assert watched.failures == []
