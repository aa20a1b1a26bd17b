"""How kernels are compiled, and where the machine code is kept between starts."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """The function, compiled when it is first called; the result is kept on disk for the next start.

    Integers wrap around and indexes are not checked, as in C.
    """
    if not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = str(_folder())
    return cast("F", numba.njit(cache=True, nogil=True)(function))


def inlined(function: F) -> F:
    """A part of kernels, compiled into each of them."""
    return cast("F", numba.njit(nogil=True, inline="never")(function))


def _folder() -> Path:
    """A writable folder for these sources; numba would not notice a change in another file than the kernel's."""
    here = Path(__file__).parent
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))).hexdigest()
    for base in _bases(here):
        folder = base / f"kernels-{digest[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="roistream-"))


def _bases(here: Path) -> Iterator[Path]:
    yield here / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "roistream"
