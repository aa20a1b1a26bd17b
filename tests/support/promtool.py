"""promtool, Prometheus's checker of rules, as tests run it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REQUIRE_PROGRAMS

#: Go collects garbage when the heap has grown by so many percent: with Go's own 100 a run takes a third more processor time.
_GROWTH = "400"


def run_promtool(file: Path) -> tuple[bool, str]:
    """Whether all rule tests of a file hold, and what promtool says; skips where it is not installed, unless it is required."""
    promtool = shutil.which("promtool")
    if promtool is None:
        (pytest.fail if REQUIRE_PROGRAMS else pytest.skip)("no promtool here: apt-get install prometheus")
    done = subprocess.run(
        [str(promtool), "test", "rules", str(file)],
        env=os.environ | {"GOGC": _GROWTH},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr
