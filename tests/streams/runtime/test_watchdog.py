"""A stuck process is ended; one that was merely stopped for a while is not."""

import threading
from dataclasses import dataclass, field

from streams.runtime.progress import Progress, Stuck, Work
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

    def wait(self, seconds: int, stuck: str | None = None) -> None:
        """Look each second; the event loop turns where it has anything to say (no sentence: all gets on)."""
        for past in range(seconds):
            self.now += 1.0
            if stuck is not None:
                self.watchdog.turned([Stuck(past, stuck)] if stuck else [])
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
    watched.wait(1_000, "")
    watched.wait(91, "stage merge of partition 0 stands still")
    assert (watched.said, watched.failures) == ([], [])
    watched.wait(92, "stage merge of partition 0 stands still")
    assert "stage merge of partition 0 stands still" in str(watched.failures[0])


def test_work_that_gets_on_again_starts_counting_anew():
    watched = Watched()
    for _ in range(5):
        watched.wait(80, "stage merge of partition 0 stands still")
        watched.wait(1, "")
    assert watched.failures == []


def test_work_that_waits_in_turn_and_gets_on_is_slow_and_does_not_end_the_process():
    """On a busy machine something has waited for a while at every look, and each piece of it moves in its turn."""
    watched, progress = Watched(), Progress()
    logs = [Work("intake", partition, f"ad-clicks-{partition}") for partition in range(8)]
    looks_with_none = 0
    for second in range(2_000):
        watched.now += 1.0
        progress.look({log: ((second + 5 * log.partition) // 40, 9) for log in logs}, watched.now)
        stuck = progress.standstills()
        looks_with_none += not stuck
        watched.watchdog.turned([Stuck(each.seconds, each.sentence) for each in stuck])
        watched.watchdog.look()
    assert looks_with_none < 20  # of the first seconds
    assert watched.failures == []


def test_one_log_that_nobody_reads_ends_the_process_while_the_others_get_on():
    watched, progress = Watched(), Progress()
    dead, slow = Work("merge", 0, "roistream-partials-0"), Work("intake", 1, "ad-clicks-1")
    for second in range(93):
        watched.now += 1.0
        progress.look({dead: (7, 3), slow: (second // 20, 9)}, watched.now)
        watched.watchdog.turned([Stuck(each.seconds, each.sentence) for each in progress.standstills()])
        watched.watchdog.look()
    assert "3 records of roistream-partials-0 have waited for 9" in str(watched.failures[0])


def test_a_process_that_was_stopped_as_a_whole_starts_counting_anew():
    watched = Watched()
    watched.now += 3_600.0
    watched.watchdog.look()
    watched.watchdog.turned([Stuck(3_600.0, "reading the state back stands still")])
    watched.wait(80)
    assert watched.failures == []
