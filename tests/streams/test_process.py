"""What every process does alike: a signal stops it once, and a port that it cannot have is told with what to do."""

import asyncio
import contextlib
import errno
import os
import re
import signal
import subprocess
import sys

import pytest

from streams.process import end_tasks, port_refusal, stop_signals


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_loop_and_is_what_it_was_afterwards(number, handler):
    async def run():
        stop = asyncio.Event()
        with stop_signals(stop.set):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(stop.wait(), 5)

    before = signal.signal(number, handler)
    try:
        with asyncio.Runner() as runner:  # its own handler of SIGINT would be seen inside Runner.run
            runner.get_loop().run_until_complete(run())
        assert signal.getsignal(number) == handler
    finally:
        signal.signal(number, before)


def test_a_task_that_forgets_a_cancellation_ends_too():
    async def forgetful():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)
        await asyncio.sleep(3_600)

    async def failing():
        raise ValueError

    async def run():
        tasks = [asyncio.create_task(forgetful()), asyncio.create_task(failing())]
        await asyncio.sleep(0)
        await asyncio.wait_for(end_tasks(tasks), 30)
        assert all(task.done() for task in tasks)
        await end_tasks([])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EADDRINUSE, "taken; .* set ROISTREAM_HTTP_PORT"), (errno.EACCES, "correct ROISTREAM_HTTP_HOST")],
)
def test_a_port_that_cannot_be_had_is_told_with_the_setting_to_change(number, said):
    assert re.search(
        said, port_refusal(OSError(number, os.strerror(number)), "127.0.0.1", 6066, "ROISTREAM_HTTP")
    )


@pytest.mark.server
def test_commands_leave_it_to_their_own_sentence_what_a_client_warns_of():
    code = (
        "import logging, sys; sys.argv = ['roistream', '--version']\n"
        "from streams.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "logging.getLogger('aiokafka.producer').warning('retrying')\n"
        "logging.getLogger('kafka.conn').error('no')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert re.fullmatch(r"roistream \d+\.\d+\.\d+\n", run.stdout)
    assert run.stderr == ""


@pytest.mark.server
def test_the_list_of_commands_waits_for_no_kernels_and_no_settings():
    code = (
        "import sys, streams.__main__\n"
        "print([each for each in ('numba', 'numpy', 'pydantic', 'aiokafka') if each in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "[]\n"
