"""How kernels are compiled, and where the machine code is kept between starts.

Loading it again is on the way of every start, so it is spared what only compiling needs (D114a).
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

F = TypeVar("F", bound=Callable[..., Any])


@contextlib.contextmanager
def _unavailable(module: str) -> Iterator[None]:
    """Let a module be missing for whoever imports it meanwhile, unless it has been imported before."""
    is_free = sys.modules.setdefault(module, cast("Any", None)) is None
    try:
        yield
    finally:
        if is_free:
            del sys.modules[module]


# numba looks for SciPy's linear algebra, which no kernel uses and which takes 0.17 s and 10 MB.
with _unavailable("scipy.linalg"):
    import numba.np.arraymath


class _KernelCache(FunctionCache):  # type: ignore[misc] # numba has no types
    """Machine code of one kernel on disk. numba prepares itself for compiling before it looks whether it has to; here the compiler does."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel for a signature as it was compiled earlier, or None."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def kernel(function: F) -> F:
    """The function, compiled when it is first called; the result is kept on disk for the next start.

    Integers wrap around and indexes are not checked, as in C.
    """
    if not numba.config.CACHE_DIR:
        numba.config.CACHE_DIR = str(_folder())
    made = numba.njit(nogil=True)(function)
    made._cache = _KernelCache(function)  # noqa: SLF001 - what `cache=True` does with numba's own class
    return cast("F", made)


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
