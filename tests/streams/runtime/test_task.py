"""What a stage does before its checkpoint: on the event loop between breaths, or on another thread."""

import asyncio
import threading
from types import SimpleNamespace

from streams.runtime.checkpoint_pacing import CheckpointPacing
from streams.runtime.task import Task
from streams.settings import Settings
from streams.state.checkpoint import Checkpoint


def test_a_call_that_a_slice_gives_is_done_on_another_thread_before_the_next_one():
    done = []

    def work(_now):
        done.append("begun")
        yield None
        yield lambda: done.append(threading.current_thread())
        done.append("ended")

    stage = SimpleNamespace(work=work)
    store = SimpleNamespace(stage=stage, checkpoint=lambda now: Checkpoint(now, []))
    task = Task(Settings(), store, "changelog", 0, lambda: 7, SimpleNamespace(), lambda _checkpoint: None)
    assert asyncio.run(task._taken()).sequence == 7
    assert (done[0], done[2:]) == ("begun", ["ended"])
    assert done[1] is not threading.main_thread()


def test_a_stage_with_nothing_to_write_holds_nobody_up_any_more():
    stage = SimpleNamespace(work=lambda _now: ())
    store = SimpleNamespace(stage=stage, checkpoint=lambda now: Checkpoint(now, []), is_dirty=False)
    task = Task(Settings(), store, "changelog", 0, lambda: 7, SimpleNamespace(), lambda _checkpoint: None)
    task.is_open = True
    asyncio.run(task._taken())
    assert task.blocked > 0
    asyncio.run(task.checkpoint())
    assert task.blocked == 0


def test_a_task_that_rests_at_a_slow_pace_owes_no_checkpoint_and_one_whose_checkpoint_hangs_does():
    async def scenario() -> None:
        hangs = asyncio.Event()
        stage = SimpleNamespace(work=lambda _now: (), due_at=None)
        store = SimpleNamespace(stage=stage, is_dirty=True, checkpoint=lambda now: Checkpoint(now, []))
        task = Task(Settings(), store, "changelog", 0, lambda: 7, SimpleNamespace(), lambda _checkpoint: None)
        task._writer = SimpleNamespace(write=lambda _checkpoint: hangs.wait())
        assert not task.owes_checkpoint, "it is not open yet"
        task.is_open = True
        running = asyncio.create_task(task.run(CheckpointPacing(0.05, 3_600.0, 3_600.0), lambda: 0.0))
        await asyncio.sleep(0.2)
        assert not task.owes_checkpoint, "it rests for an hour"
        running.cancel()
        running = asyncio.create_task(task.run(CheckpointPacing(0.01, 0.01, 0.01), lambda: 0.0))
        async with asyncio.timeout(30):
            while not task.owes_checkpoint:  # noqa: ASYNC110 - the broker of the test never answers
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert task.owes_checkpoint
        running.cancel()

    asyncio.run(scenario())
