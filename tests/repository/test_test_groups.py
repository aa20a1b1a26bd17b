"""Tests that share a fixture of their module run in one process, so the fixture is made once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PLUGIN = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
"""
_MODULE = """
import time

import pytest

@pytest.mark.parametrize("number", range(12))
def test_process(number):
    time.sleep(0.02)
"""


@pytest.mark.slow
def test_a_group_of_tests_stays_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_PLUGIN)
    for name in ("first", "second"):
        (tmp_path / f"test_{name}.py").write_text(_MODULE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--numprocesses",
        "2",
        "--dist",
        "loadgroup",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(
        [*command, "-v", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    processes: dict[str, set[str]] = {"test_first.py": set(), "test_second.py": set()}
    for line in run.stdout.splitlines():
        if "PASSED" in line:
            worker, _, rest = line.partition("]")
            processes[rest.split("::")[0].split()[-1].rsplit("/", 1)[-1]].add(worker)
    assert [len(workers) for workers in processes.values()] == [1, 1], run.stdout
