"""``python -m tests.fuzz --minutes 10``: fuzz what reads records, from a corpus of the contract's examples.

Needs atheris, which is no dependency of ours: ``python -m pip install atheris``. The corpus is kept in ``.fuzz`` and
grows from run to run; an input that breaks the law is left beside it as ``crash-…`` and printed.
"""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.fuzz import seeds

FOLDER = Path(__file__).parents[2] / ".fuzz"


def main() -> int:
    """Run the target; its exit code, 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--interpreted", action="store_true", help="kernels as Python: slower, every read is checked"
    )
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        parser.exit(2, "atheris is not installed: python -m pip install atheris\n")
    seeds.write(FOLDER)
    (FOLDER / "corpus").mkdir(exist_ok=True)
    return subprocess.run(
        _command(options.minutes, is_interpreted=options.interpreted), check=False
    ).returncode


def _command(minutes: float, *, is_interpreted: bool) -> list[str]:
    return [
        *(sys.executable, "-m", "tests.fuzz.target", *(["--interpreted"] if is_interpreted else [])),
        *(str(FOLDER / "corpus"), str(FOLDER / "seeds"), f"-dict={FOLDER / 'words'}"),
        *(f"-artifact_prefix={FOLDER}/", f"-max_total_time={int(60 * minutes)}"),
        *("-max_len=1500", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1", "-verbosity=1"),
    ]


if __name__ == "__main__":
    sys.exit(main())
