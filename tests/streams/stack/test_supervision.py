"""Processes that end by themselves are started again, later each time in a row, and it is said."""

import sys
from pathlib import Path

import pytest

from streams.embedded.child_process import Command, Server
from streams.stack.supervision import LONGEST_PAUSE_S, STEADY_S, Supervised
from tests.support.servers.worker import wait_for


@pytest.fixture
def part(tmp_path: Path) -> Supervised:
    """A program that ends at once with code 3, supervised from second 0 on."""
    program = Command([sys.executable, "-S", "-c", "import sys; print('no'); sys.exit(3)"])
    return Supervised(Server("worker-1", program, tmp_path), since_s=0)


def ended(part: Supervised, now_s: float) -> str | None:
    wait_for("it has ended", lambda: not part.server.is_running, 10)
    return part.look(now_s)


def test_a_process_that_runs_is_nothing_to_tell(tmp_path: Path) -> None:
    server = Server("sleeper", Command(["/bin/sleep", "60"]), tmp_path)
    part = Supervised(server, since_s=0)
    assert [part.look(now_s) for now_s in (0, 1, 1_000)] == [None, None, None]
    server.stop()


def test_who_ended_is_told_with_code_and_log_and_started_again_after_a_pause(part: Supervised) -> None:
    first = part.server.pid
    said = ended(part, 100)
    assert said is not None
    assert "worker-1 ended by itself (exit code 3); it starts again in 1 s" in said
    assert str(part.server.log) in said
    assert part.look(100.9) is None
    assert part.look(101) == "worker-1 is started again."
    assert part.server.pid != first
    assert part.server.log.read_text().count("no") >= 1


def test_who_ends_again_and_again_waits_longer_and_it_is_told_how_often(part: Supervised) -> None:
    # ends   1     2     3       …
    # pause  1s    2s    4s      … 60s
    now, pauses = 0.0, []
    for number in range(1, 10):
        said = ended(part, now)
        assert said is not None
        assert (f"{number} times in a row" in said) == (number > 1)
        assert part.due_s is not None
        pauses.append(part.due_s - now)
        now = part.due_s
        part.look(now)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert max(pauses) == LONGEST_PAUSE_S


def test_who_ran_for_long_is_started_again_soon(part: Supervised) -> None:
    for now in (0.0, 10.0):
        ended(part, now)
        assert part.due_s is not None
        part.look(part.due_s)
    said = ended(part, part.since_s + STEADY_S)
    assert said is not None
    assert "in a row" not in said
    assert "in 1 s" in said
