"""Run as a script: become the given server, which then ends when the process that asked for it ends.

Usage: ``launcher.py PARENT_PID PROGRAM [ARGUMENT...]``. A script of its own, because code between fork
and exec is unsafe in a process with threads, and every client library here has some.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL at the parent's death; only Linux has it, elsewhere nothing happens."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _die_with_parent()
    if os.getppid() != int(sys.argv[1]):  # the parent died before the request was made
        sys.exit("The process that started this server is gone.")
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the arguments come from our own code, without a shell
