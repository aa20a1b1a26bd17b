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


@pytest.mark.server
def test_a_start_imports_nothing_that_only_compiling_or_others_need() -> None:
    # numba's registries are what it compiles with; the warm-up before has compiled all kernels.
    script = (
        "import sys, streams.worker as worker; worker.warm_up();"
        "print([each for each in ('numba.core.typing.cmathdecl', 'numba.cpython.cmathimpl', 'numba.misc.cffiimpl',"
        " 'scipy.linalg', 'redis', 'rich', 'duckdb') if each in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300
    )
    assert found.stdout == "[]\n"
