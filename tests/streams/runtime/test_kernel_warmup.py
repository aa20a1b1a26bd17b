"""What is compiled while records wait keeps the event loop from everything else, heartbeats included."""

import subprocess
import sys

import pytest


@pytest.mark.server
def test_no_kernel_is_compiled_after_the_first_record() -> None:
    # In a process of its own: other tests have compiled what they needed.
    found = subprocess.run(
        [sys.executable, "-m", "tests.streams.runtime.late_kernels"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert found.stdout == ""
