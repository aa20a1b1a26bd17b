"""How kernels become machine code: from an image where there is one, else by numba.

A start loads an image (``metrics.kernels.machine_code``) and never sees the compiler. Without one, numba compiles each kernel
at its first call and keeps the result, and ``keep_image`` makes the image of them. Arguments of types that no machine code is
for go to numba, which is imported then.
"""

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

from metrics.kernels import machine_code

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

_image = machine_code.find()
#: Parts and operations that numba has not seen yet, each with the name of what makes it one of numba's.
_unseen: dict[int, tuple[Callable[..., Any], str]] = {}
#: Where parts may be named.
_modules: set[str] = set()
_lock = threading.Lock()
#: Names of kernels that were compiled although there was an image.
late: list[str] = []
#: Names of kernels that the image lacks.
_lacking: list[str] = []


def kernel(function: F) -> F:
    """The function as machine code.

    Integers wrap around and indexes are not checked, as in C.
    """
    if _image is None:
        return _of_numba(function, "compiled")
    _modules.add(function.__module__)
    otherwise = LateKernel(function)
    found = _image.function(function, otherwise)
    if found is None:
        _lacking.append(machine_code.name_of(function))
    return cast("F", found or otherwise)


def inlined(function: F) -> F:
    """A part of kernels, compiled into each of them."""
    return _of_numba(function, "part")


def borrowing(function: F) -> F:
    """A part of kernels that uses arrays of its caller, and counts no references to them. One that makes an array, or lets one out, does not compile."""
    return _of_numba(function, "borrowing_part")


def operation(function: Callable[..., Any]) -> Any:
    """A part of kernels that is a single operation of the machine, written for ``numba.extending.intrinsic``."""
    return _of_numba(function, "operation")


def is_complete() -> bool:
    """Whether every kernel imported so far has its machine code from an image, and no process has had to compile one beside it."""
    return _image is not None and not _lacking and not machine_code.is_doubted()


def keep_image() -> None:
    """Keep what has been compiled so far for starts without the compiler; an image that has lacked some of it goes."""
    if _image is None:
        from metrics.kernels import numba_compiler  # noqa: PLC0415 - see above

        numba_compiler.keep_image()
    elif late:
        machine_code.remove()
    else:
        machine_code.settle()


class LateKernel:
    """A kernel that numba compiles when it is called, although there is an image."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._made: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """What the kernel returns."""
        if self._made is None:
            with _lock:
                self._made = self._made or self._compiled()
        return self._made(*arguments)

    def _compiled(self) -> Any:
        late.append(machine_code.name_of(self._function))
        log.info("%s is compiled for arguments that no start has compiled it for.", late[-1])
        machine_code.doubt()
        from metrics.kernels import numba_compiler  # noqa: PLC0415 - see above

        _show_numba(numba_compiler)
        return numba_compiler.compiled(self._function)


def _of_numba(function: F, maker: str) -> F:
    if _image is not None:
        _modules.add(function.__module__)
        _unseen[id(function)] = function, maker
        return function
    from metrics.kernels import numba_compiler  # noqa: PLC0415 - it takes half a second and 60 MB, which an image spares

    return cast("F", getattr(numba_compiler, maker)(function))


def _show_numba(numba_compiler: Any) -> None:
    """Put numba's functions in the place of the parts, in all modules that have them."""
    made = {
        key: (function, getattr(numba_compiler, maker)(function))
        for key, (function, maker) in _unseen.items()
    }
    for module in _modules:
        names = vars(sys.modules[module])
        for name, value in list(names.items()):
            if id(value) in made:
                names[name] = made[id(value)][1]
    _unseen.clear()
