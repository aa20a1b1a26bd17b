"""Freed columns go back to the system, whatever small ones live longer than they."""

import os
import platform
import subprocess
import sys

import pytest

#: Columns of 80 MB come from the heap, whatever glibc has learned of their sizes, and nothing is trimmed unasked.
_ALL_FROM_THE_HEAP = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
_KEEPS = """
import resource
import numpy as np
from streams.runtime.process_tuning import give_back

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20

kept, columns = [], []
for _ in range(400):
    columns.append(np.ones(25_000))
    kept.append(np.ones(100))
taken = resident_mb()
columns.clear()
freed = resident_mb()
give_back()
print(taken, freed, resident_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no malloc_trim")
def test_what_is_freed_between_small_blocks_goes_back():
    run = subprocess.run(
        [sys.executable, "-c", _KEEPS],
        capture_output=True,
        check=True,
        timeout=60,
        env=os.environ | _ALL_FROM_THE_HEAP,
    )
    taken, freed, given_back = map(float, run.stdout.split())
    assert freed > taken - 10, "the columns did not come from the heap: nothing is tested"
    assert given_back < taken - 60


def test_what_was_made_before_is_not_looked_at_again():
    script = (
        "import gc; gc.disable(); kept = [[] for _ in range(10_000)]\n"
        "from streams.runtime.process_tuning import tune\n"
        "tune()\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 10_000, gc.get_threshold()[0])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout == "True True 100000\n"
