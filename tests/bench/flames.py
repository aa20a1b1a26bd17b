"""A flame graph of any measurement: `python -m tests.bench.flames scaling --only 16`, `… flames bench_merge`.

Runs the measurement under py-spy (`pip install py-spy`, or its path in PY_SPY) with every process it starts, and writes
`.bench/flame-<name>.svg`: one tower for each process and thread. The figures it prints are those of a sampled run.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent
_OUT = _FOLDER.parents[1] / ".bench"
_HERTZ = "100"


def find_py_spy() -> str:
    """Its path; ends the program with what to do where there is none."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = os.environ.get("PY_SPY") or shutil.which("py-spy", path=beside)
    if found is None:
        sys.exit("This needs py-spy: pip install py-spy, or name its path in PY_SPY.")
    return found


def command_of(name: str, rest: list[str]) -> list[str]:
    """How a measurement is started.

    Raises:
        SystemExit: when there is none of this name.
    """
    names = sorted(each.stem for each in _FOLDER.glob("[a-z]*.py") if "def main" in each.read_text())
    if name not in names:
        sys.exit(f"There is no measurement {name}; there are {', '.join(names)}.")
    return [sys.executable, "-m", f"tests.bench.{name}", *rest]


def main() -> None:
    """Run it, sample it, say where the picture is."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.flames", description=__doc__)
    parser.add_argument("name", help="a module of tests/bench")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its own")
    options = parser.parse_args()
    _OUT.mkdir(exist_ok=True)
    picture = _OUT / f"flame-{options.name}.svg"
    sampling = ["record", "--subprocesses", "--threads", "--nonblocking", "--function", "--rate", _HERTZ]
    command = [find_py_spy(), *sampling, "--output", str(picture), "--"]
    done = subprocess.run(
        [*command, *command_of(options.name, options.arguments)], cwd=_FOLDER.parents[1], check=False
    )
    if not picture.is_file():
        sys.exit("py-spy wrote nothing; on Linux it may need the right to trace (CAP_SYS_PTRACE).")
    print(
        f"{picture.relative_to(_FOLDER.parents[1])} ({picture.stat().st_size // 1024} kB), open it in a browser."
    )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
