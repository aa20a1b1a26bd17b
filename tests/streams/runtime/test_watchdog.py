"""A stuck process is ended; one that was merely stopped for a while is not."""

import threading

from streams.runtime.watchdog import StalledError, Watchdog


class Clock:
    """Moves by what it is told at each reading."""

    def __init__(self, steps: list[float]) -> None:
        self._steps = iter(steps)
        self.now = 0.0

    def __call__(self) -> float:
        self.now += next(self._steps, 0.0)
        return self.now


def run(steps: list[float], limit_s: float) -> list[BaseException]:
    failures: list[BaseException] = []
    failed = threading.Event()

    def fail(error: BaseException) -> None:
        failures.append(error)
        failed.set()

    clock = Clock(steps)
    watchdog = Watchdog(limit_s, clock, fail, look_every_s=0.01)
    watchdog.start()
    failed.wait(0.5)
    watchdog.stop()
    return failures


def test_no_progress_past_the_limit_ends_the_process():
    failures = run([0.0, 0.0, 0.0, *[0.009] * 20], limit_s=0.1)
    assert [type(failure) for failure in failures] == [StalledError]


def test_a_process_that_was_stopped_as_a_whole_starts_counting_anew():
    assert run([0.0, 0.0, 0.0, 3_600.0, *[0.001] * 20], limit_s=0.1) == []
