"""Machine code of kernels from a file, placed in memory without the compiler that made it.

An image is the code of all kernels with its constants, one after the other, and the places in it that depend on where it
lies and on where functions of Python, numba's runtime and the mathematical library lie. It is good for one set of sources,
versions and processor: all of that is in its name and in its head, and an image of others is never placed.
"""

import builtins
import contextlib
import ctypes
import functools
import hashlib
import importlib.machinery
import importlib.util
import itertools
import json
import logging
import mmap
import os
import pickle
import platform
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

log = logging.getLogger(__name__)

#: Raised when the layout of images, or what stands before a kernel, changes.
_FORMAT = 1
_WORD, _PAGE = 8, mmap.PAGESIZE
_HERE = Path(__file__).parent
_METH_VARARGS = 1
#: What a processor is, of all that Linux says of it.
_CPU_LINES = ("vendor_id", "cpu family", "model", "stepping", "flags")
#: Python objects whose addresses are compared with those of types and dtypes of arguments, by the names of their symbols.
OBJECTS: dict[str, Any] = {
    "object ndarray": np.ndarray,
    "object tuple": tuple,
    "object int": int,
    "object float": float,
    "object bool": bool,
    **{f"dtype {letter}": np.dtype(letter) for letter in "?bBhHiIlLqQfd"},
    **{f"scalar {letter}": np.dtype(letter).type for letter in "?bBhHiIlLqQfd"},
}


@dataclass(frozen=True)
class Image:
    """Code of kernels as it is kept; positions count bytes from its start.

    Attributes:
        content: code, then constants, which begin at a page.
        code_size: bytes of code, whole pages.
        relative: words that hold a position, to which the address of the image is added.
        symbols: by name of a symbol, words to which its address is added.
        environments: words that hold the address of an environment of numba, each with the dtypes of arrays made there.
        kernels: by name, where the function begins that Python calls.
        sources: of kernels in other packages, the digest of their module's source.
    """

    content: bytes
    code_size: int
    relative: list[int]
    symbols: dict[str, list[int]]
    environments: list[tuple[int, list[str]]]
    kernels: dict[str, int]
    sources: dict[str, str] = field(default_factory=dict)


class UnusableImageError(Exception):
    """An image that is damaged, or that this machine does not let be placed."""


#: Functions may outlive whoever asked for them, and with them their code must.
_placed: list["PlacedImage"] = []


class _MethodDef(ctypes.Structure):
    """``PyMethodDef`` of CPython."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class PlacedImage:
    """An image in executable memory, for as long as the process lives.

    Args:
        image: of this machine.

    Raises:
        UnusableImageError: when a symbol is not to be had, or the memory may not be executed.
    """

    def __init__(self, image: Image) -> None:
        self._image = image
        self._memory = mmap.mmap(
            -1, _to_page(len(image.content)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        )
        self._memory.write(image.content)
        self._bytes = np.frombuffer(self._memory, np.uint8)
        self._address = self._bytes.ctypes.data
        self._kept: list[Any] = []
        self._relocate()
        _protect(self._address, image.code_size)
        prototype = ctypes.PYFUNCTYPE(
            ctypes.py_object, ctypes.POINTER(_MethodDef), ctypes.py_object, ctypes.py_object
        )
        self._new_function = prototype(("PyCFunction_NewEx", ctypes.pythonapi))
        _placed.append(self)

    def function(
        self, kernel: Callable[..., Any], otherwise: Callable[..., Any]
    ) -> Callable[..., Any] | None:
        """The machine code of a kernel as a builtin function, or None where the image has none of this source.

        Args:
            kernel: in Python.
            otherwise: called with arguments whose types the machine code is not for.
        """
        name, module = name_of(kernel), kernel.__module__
        known = self._image.sources.get(module)
        if name not in self._image.kernels or (known is not None and known != source_digest(module)):
            return None
        begin = self._address + self._image.kernels[name]
        doc = (kernel.__doc__ or "").encode()
        made = _MethodDef(kernel.__name__.encode(), begin, _METH_VARARGS, doc)
        self._kept.append(made)
        function: Callable[..., Any] = self._new_function(ctypes.pointer(made), otherwise, module)
        return function

    def _relocate(self) -> None:
        self._add(self._image.relative, self._address)
        runtime = _Runtime()
        self._kept.append(runtime)
        for name, places in self._image.symbols.items():
            self._add(places, runtime.address(name))
        for place, dtypes in self._image.environments:
            environment = runtime.environment(dtypes)
            self._kept.append(environment)
            self._add([place], id(environment))

    def _add(self, places: list[int], value: int) -> None:
        words = np.array(places, np.int64)[:, None] + np.arange(_WORD)
        found = self._bytes[words].view(np.uint64) + np.uint64(value)
        self._bytes[words] = found.view(np.uint8)


class _Runtime:
    """Where the functions lie that kernels call: numba's extension modules are loaded without numba."""

    def __init__(self) -> None:
        self._helpers = _extension("_helperlib").c_helpers
        self._memory = _extension("core.runtime._nrt_python").c_helpers
        self._environment = _extension("_dynfunc").Environment
        # numba's own would import numba.
        prototype = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._unpickle = prototype(functools.cache(_unpickled))
        self._process = ctypes.CDLL(None)
        self._libm = ctypes.CDLL("libm.so.6")

    def address(self, name: str) -> int:
        """The address of a symbol, as numba would choose it.

        Raises:
            UnusableImageError: when there is none.
        """
        if name in OBJECTS:
            return id(OBJECTS[name])
        if name == "_Py_NoneStruct":
            return id(None)
        if name == "numba_unpickle":
            return ctypes.cast(self._unpickle, ctypes.c_void_p).value or 0
        if name.startswith("PyExc_") and hasattr(builtins, name.removeprefix("PyExc_")):
            return id(getattr(builtins, name.removeprefix("PyExc_")))
        for prefix, helpers in (("numba_", self._helpers), ("NRT_", self._memory), ("", self._helpers)):
            if name.startswith(prefix) and name.removeprefix(prefix) in helpers:
                return int(helpers[name.removeprefix(prefix)])
        for library in (self._process, self._libm):
            try:
                found = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
            except AttributeError:
                continue
            if found:
                return found
        raise UnusableImageError(f"there is no {name}")

    def environment(self, dtypes: list[str]) -> Any:
        """An environment of numba with the dtypes of arrays that a kernel returns."""
        made = self._environment({})
        made.consts.extend(np.dtype(each) for each in dtypes)
        return made


def _unpickled(address: int, size: int, _digest: int) -> Any:
    """An object that machine code holds as a pickle, such as the type of the arrays that it makes."""
    return pickle.loads(ctypes.string_at(address, size))  # noqa: S301 - numba has put it into the code


def name_of(kernel: Callable[..., Any]) -> str:
    """A kernel's name in an image."""
    return f"{kernel.__module__}.{kernel.__qualname__}"


def source_digest(module: str) -> str:
    """Of the file of a module that is imported."""
    return hashlib.sha256(Path(str(sys.modules[module].__file__)).read_bytes()).hexdigest()


def folders() -> Iterator[Path]:
    """Where what is compiled from these sources may be kept: beside them, else where the user keeps such things.

    numba by itself would not notice a change in another file than the kernel's.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_HERE.glob("*.py")))).hexdigest()
    for base in (_HERE / "__pycache__", _cache_home() / "roistream"):
        yield base / f"kernels-{digest[:16]}"


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def writable_folder() -> Path | None:
    """The first of the folders that can be written; it is made where it is missing."""
    for folder in folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


def is_possible() -> bool:
    """Whether images can be made and placed here: Linux on x86-64, CPython with its lock and no debugging."""
    return (
        sys.platform == "linux"
        and platform.machine() == "x86_64"
        and object.__basicsize__ == 2 * _WORD
        and sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and not os.environ.get("NUMBA_DISABLE_JIT")
    )


@functools.cache
def _machine() -> dict[str, str]:
    """All that an image depends on besides its sources."""
    with Path("/proc/cpuinfo").open() as lines:
        first = [line.partition(":") for line in itertools.takewhile(str.strip, lines)]
    settings = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))
    return {
        "format": str(_FORMAT),
        "python": f"{sys.version} {sysconfig.get_config_var('SOABI')}",
        "numpy": np.__version__,
        "numba": version("numba"),
        "llvmlite": version("llvmlite"),
        "settings": repr(settings),
        **{name.strip(): value.strip() for name, _, value in first if name.strip() in _CPU_LINES},
    }


def _file_name() -> str:
    return f"image-{hashlib.sha256(json.dumps(_machine()).encode()).hexdigest()[:16]}"


def kept() -> Path | None:
    """The image of these sources, versions and processor."""
    if not is_possible():
        return None
    return next((path for path in (folder / _file_name() for folder in folders()) if path.exists()), None)


def remove() -> None:
    """Take the image away where that can be done, so that the next start has it made anew."""
    path = kept()
    if path is not None:
        for each in (path, _doubt_of(path)):
            with contextlib.suppress(OSError):
                each.unlink()


def doubt() -> None:
    """Note that the image has lacked something, so that the next start looks at all of it."""
    path = kept()
    if path is not None:
        with contextlib.suppress(OSError):
            _doubt_of(path).touch()


def settle() -> None:
    """Take the note away: all that a start needs is in the image."""
    path = kept()
    if path is not None:
        with contextlib.suppress(OSError):
            _doubt_of(path).unlink()


def is_doubted() -> bool:
    """Whether the image has lacked something since it was made."""
    path = kept()
    return path is not None and _doubt_of(path).exists()


def _doubt_of(image: Path) -> Path:
    return image.with_name(f"{image.name}.lacked")


def find() -> PlacedImage | None:
    """The image of these sources, versions and processor, in memory; None where there is none, or it cannot be used."""
    path = kept()
    if path is None:
        return None
    try:
        return PlacedImage(read(path))
    except (OSError, UnusableImageError, ImportError) as error:
        log.warning(
            "The compiled kernels in %s cannot be used (%s), so this start takes the compiler instead; remove that "
            "file to have it made again.",
            path,
            error,
        )
        return None


def read(path: Path) -> Image:
    """An image from a file.

    Raises:
        OSError: when there is none.
        UnusableImageError: when it is damaged, or of another machine.
    """
    head, _, content = path.read_bytes().partition(b"\n")
    try:
        said = json.loads(head)
        machine, digest = said.pop("machine"), said.pop("digest")
        is_whole = hashlib.sha256(json.dumps(said).encode() + content).hexdigest() == digest
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableImageError("it is damaged") from error
    if machine != _machine():
        raise UnusableImageError("it is of another machine")
    if not is_whole:
        raise UnusableImageError("it is damaged")
    return Image(content, **said)


def write(image: Image, folder: Path) -> Path:
    """Keep an image for this machine; its file.

    Raises:
        OSError: when the folder cannot be written.
    """
    said = asdict(image)
    content = said.pop("content")
    digest = hashlib.sha256(json.dumps(said).encode() + content).hexdigest()
    head = json.dumps({**said, "machine": _machine(), "digest": digest}).encode()
    path = folder / _file_name()
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(head + b"\n" + content)
    unfinished.replace(path)
    return path


def _extension(name: str) -> ModuleType:
    """One of numba's extension modules, by itself."""
    package = importlib.util.find_spec("numba")
    if package is None or not package.submodule_search_locations:
        raise UnusableImageError("numba is not installed")
    path = Path(package.submodule_search_locations[0], *name.split("."))
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    spec = importlib.util.spec_from_file_location(f"numba.{name}", path.with_name(path.name + suffix))
    if spec is None or spec.loader is None:
        raise UnusableImageError(f"numba has no {name}")
    before = sys.modules.get(spec.name)
    made = before or importlib.util.module_from_spec(spec)
    if before is None:
        spec.loader.exec_module(made)
    return made


def _protect(address: int, size: int) -> None:
    """Let code be executed, and no longer be written."""
    process = ctypes.CDLL(None, use_errno=True)
    process.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if process.mprotect(address, size, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        raise UnusableImageError(os.strerror(ctypes.get_errno()))


def _to_page(size: int) -> int:
    return -(-size // _PAGE) * _PAGE
