"""Two builds of the product side by side: this tree, and what it was at a commit."""

import shutil
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from metrics.kernels import machine_code

ROOT = Path(__file__).parents[2]
#: What a build needs to run, the first that it has; builds before the first of them have only the second.
_LOCKS = ("requirements.runtime.lock", "requirements.lock")


class BuildError(Exception):
    """A build cannot be made."""


class Build(NamedTuple):
    """Its name, the folder it stands in, and the Python that runs it from there."""

    name: str
    folder: Path
    python: str


@contextmanager
def build_at(commit: str) -> Iterator[Build]:
    """The build at a commit, in a folder that is removed at the end; with an environment of its own if its lock differs.

    Raises:
        BuildError: when git does not know the commit, or its packages cannot be installed.
    """
    with TemporaryDirectory(prefix="roistream-build-") as name:
        folder = Path(name) / "tree"
        short = check_out(commit, folder)
        _bring_machine_code(folder)
        yield Build(short, folder, _python_for(folder, Path(name) / "venv"))


def check_out(commit: str, folder: Path) -> str:
    """Write the files of a commit into a new folder.

    Returns:
        The commit's short name.

    Raises:
        BuildError: when git does not know the commit.
    """
    resolved = _git("rev-parse", "--verify", "--quiet", "--short", f"{commit}^{{commit}}")
    if resolved is None:
        raise BuildError(
            f"git knows no commit {commit!r} here; a shallow clone lacks older ones (git fetch --unshallow)."
        )
    packed = _git("archive", resolved.strip().decode())
    if packed is None:
        raise BuildError(f"git cannot give the files of {commit!r}.")
    with tarfile.open(fileobj=BytesIO(packed)) as files:
        files.extractall(folder, filter="data")
    return resolved.strip().decode()


def lock_of(folder: Path) -> Path:
    """The lock of what a build needs to run.

    Raises:
        BuildError: when it has none.
    """
    found = next((folder / name for name in _LOCKS if (folder / name).is_file()), None)
    if found is None:
        raise BuildError(f"The build has no {' and no '.join(_LOCKS)}: what it runs with is not known.")
    return found


def _bring_machine_code(folder: Path) -> None:
    """Give a build our compiled kernels: their folder is named after the sources, so builds with other kernels compile their own."""
    image = machine_code.kept()
    if image is not None:
        kept = (
            folder / Path(machine_code.__file__).parent.relative_to(ROOT) / "__pycache__" / image.parent.name
        )
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copy2(image, kept)


def _python_for(folder: Path, environment: Path) -> str:
    lock = lock_of(folder)
    ours = ROOT / lock.name
    if ours.is_file() and ours.read_bytes() == lock.read_bytes():
        return sys.executable
    print(f"Its {lock.name} differs from ours: installing what it asks for ...", flush=True)
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    for what in (
        ["--require-hashes", "-r", str(lock)],
        ["--no-deps", "--no-build-isolation", "-e", str(folder)],
    ):
        if subprocess.run([*pip, *what], check=False).returncode:
            raise BuildError(f"pip could not install {' '.join(what)}; what it said is above.")
    return python


def _git(*arguments: str) -> bytes | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return None if done.returncode else done.stdout
