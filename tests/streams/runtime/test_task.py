"""What a stage does before its checkpoint: on the event loop between breaths, or on another thread."""

import asyncio
import threading
from types import SimpleNamespace

from streams.runtime.task import Task
from streams.settings import Settings
from streams.state.checkpoint import Checkpoint


def test_a_call_that_a_slice_gives_is_done_on_another_thread_before_the_next_one():
    done = []

    def slices(_now):
        done.append("begun")
        yield None
        yield lambda: done.append(threading.current_thread())
        done.append("ended")

    stage = SimpleNamespace(slices=slices, checkpoint=lambda now: Checkpoint(now, []))
    seat = Task(Settings(), stage, "changelog", 0, lambda: 7, SimpleNamespace(), lambda _checkpoint: None)
    assert asyncio.run(seat._taken()).sequence == 7
    assert (done[0], done[2:]) == ("begun", ["ended"])
    assert done[1] is not threading.main_thread()


def test_a_stage_with_nothing_to_write_holds_nobody_up_any_more():
    stage = SimpleNamespace(
        slices=lambda _now: (), checkpoint=lambda now: Checkpoint(now, []), is_dirty=False
    )
    seat = Task(Settings(), stage, "changelog", 0, lambda: 7, SimpleNamespace(), lambda _checkpoint: None)
    seat.is_open = True
    asyncio.run(seat._taken())
    assert seat.held > 0
    asyncio.run(seat.checkpoint())
    assert seat.held == 0
