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
    # numba's registries are what it compiles with; with an image of the kernels none of numba is needed.
    script = (
        "import sys; from streams.runtime.kernel_image import prepare; prepare();"
        "import streams.worker as worker; worker.is_complete() or worker.warm_up();"
        "from metrics.kernels.machine_code import is_possible;"
        "others = ('numba', 'llvmlite') if is_possible() else ('numba.core.typing.cmathdecl',"
        " 'numba.cpython.cmathimpl', 'numba.misc.cffiimpl');"
        "print([each for each in (*others, 'kafka', 'scipy.linalg', 'redis', 'rich', 'duckdb') if each in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600
    )
    assert found.stdout == "[]\n"


@pytest.mark.server
def test_with_an_image_of_the_kernels_nothing_is_left_to_be_made_at_a_start() -> None:
    script = (
        "from streams.runtime.kernel_image import prepare; prepare();"
        "from metrics.kernels import machine_code; machine_code.is_doubted = lambda: False;"  # other tests let it lack some
        "import streams.worker as worker; from metrics.kernels.machine_code import is_possible;"
        "print(worker.is_complete() == is_possible())"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600
    )
    assert found.stdout == "True\n"
