"""Freed columns go back to the system, whatever small ones live longer than they."""

import platform
import subprocess
import sys

import pytest

_KEEPS = """
import resource, sys
import numpy as np
from streams.runtime.allocation import give_back
kept = []
for _ in range(3):
    columns = []
    for _ in range(400):
        columns.append(np.ones(25_000))
        kept.append(np.ones(100))
    del columns
if sys.argv[1] == "given back":
    give_back()
print(int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20)
"""


def resident_mb(how: str) -> int:
    run = subprocess.run([sys.executable, "-c", _KEEPS, how], capture_output=True, check=True, timeout=60)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no malloc_trim")
def test_what_is_freed_between_small_blocks_goes_back():
    assert resident_mb("given back") < resident_mb("as it comes") - 40
