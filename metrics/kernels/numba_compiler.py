"""What needs numba: compiling kernels, keeping what was compiled, and making an image of it."""

import contextlib
import logging
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.typed_passes import NopythonTypeInference
from numba.core.types.common import Buffer
from numba.core.types.containers import BaseTuple
from numba.extending import intrinsic

from metrics.kernels import machine_code
from metrics.kernels.argument_checks import UncheckableTypeError, add_entry
from metrics.kernels.linking import UnknownObjectError, link

log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A kernel for some types of arguments: its object file, and by name the environments in it with their constants."""

    name: str
    types: tuple[Any, ...]
    content: bytes
    wrapper: str
    environments: dict[str, list[Any]]


_compiled: list[_Compiled] = []


class _NotedResults(CompileResultCacheImpl):  # type: ignore[misc] # numba has no types
    """What goes to the disk, and comes from there, is noted for an image."""

    def reduce(self, cres: Any) -> Any:
        """A result as it is kept."""
        found = super().reduce(cres)
        _note(found)
        return found

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """A result from what was kept."""
        _note(payload)
        return super().rebuild(target_context, payload)


class _KernelCache(FunctionCache):  # type: ignore[misc] # numba has no types
    """Machine code of one kernel on disk. numba prepares itself for compiling before it looks whether it has to; here the compiler does."""

    _impl_class = _NotedResults

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel for a signature as it was compiled earlier, or None."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def compiled(function: Callable[..., Any]) -> Any:
    """A kernel that is compiled when it is first called, or loaded where that was done before."""
    if not numba.config.CACHE_DIR:
        folder = machine_code.writable_folder()
        numba.config.CACHE_DIR = str(folder or tempfile.mkdtemp(prefix="roistream-"))
    made = numba.njit(nogil=True)(function)
    made._cache = _KernelCache(function)  # noqa: SLF001 - what `cache=True` does with numba's own class
    return made


@register_pass(mutates_CFG=False, analysis_only=True)
class _NothingKept(AnalysisPass):  # type: ignore[misc] # numba has no types
    """Refuses code that counts no references and still lets an array out, which would be freed while it is in use.

    What a borrowing part calls counts none either, whatever it is marked with, so this looks at parts of both kinds. numba
    itself refuses such code where it makes an array or keeps one in a list.
    """

    _name = "nothing_kept"

    def __init__(self) -> None:
        AnalysisPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Nothing is changed.

        Raises:
            TypingError: when the part returns an array or has one from a call.
        """
        if state.flags.nrt:
            return False
        name = state.func_id.func_qualname
        if _holds_array(state.return_type):
            raise TypingError(f"{name} counts no references, so it may not return {state.return_type}.")
        for expression, signature in state.calltypes.items():
            if getattr(expression, "op", None) == "call" and _holds_array(signature.return_type):
                raise TypingError(f"{name} counts no references, so no call may give it an array.")
        return False


def _holds_array(kind: Any) -> bool:
    return (
        any(_holds_array(each) for each in kind.types)
        if isinstance(kind, BaseTuple)
        else isinstance(kind, Buffer)
    )


class _PartCompiler(CompilerBase):  # type: ignore[misc] # numba has no types
    """numba's compiler, which looks at what parts do with arrays as soon as types are known."""

    def define_pipelines(self) -> list[Any]:
        """Numba's own passes, and ``_NothingKept`` behind the one that infers types."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_NothingKept, NopythonTypeInference)
        passes.finalize()
        return [passes]


def part(function: Callable[..., Any]) -> Any:
    """A part of kernels, compiled into each of them."""
    return numba.njit(nogil=True, inline="never", pipeline_class=_PartCompiler)(function)


def borrowing_part(function: Callable[..., Any]) -> Any:
    """The same without counting references to arrays, which is atomic and took a third of the time of reading JSON."""
    return numba.njit(nogil=True, inline="never", _nrt=False, pipeline_class=_PartCompiler)(function)


def operation(function: Callable[..., Any]) -> Any:
    """A single operation of the machine."""
    return intrinsic(function)


def keep_image() -> None:
    """Make an image of all that was compiled or loaded so far, for the next starts; where that cannot be, say so and go on."""
    folder = machine_code.writable_folder()
    if not machine_code.is_possible() or machine_code.kept() or folder is None:
        return
    try:
        machine_code.write(_image(), folder)
    except (OSError, UnknownObjectError, UncheckableTypeError) as error:
        log.warning(
            "The compiled kernels cannot be kept as an image (%s), so each start loads the compiler.", error
        )


def _note(payload: Any) -> None:
    libdata, description, environment, signature, *_, referenced = payload
    _compiled.append(
        _Compiled(
            f"{description.modname}.{description.qualname}",
            tuple(signature.args),
            libdata[2][0],
            description.llvm_cpython_wrapper_name,
            {each.env_name: list(each.consts) for each in (environment, *referenced)},
        )
    )


def _image() -> machine_code.Image:
    overloads: dict[str, list[tuple[str, tuple[Any, ...]]]] = defaultdict(list)
    for each in _compiled:
        overloads[each.name].append((each.wrapper, each.types))
    entries = ir.Module("entries")
    entries.triple = llvmlite.binding.get_process_triple()
    for name, known in overloads.items():
        add_entry(entries, _entry(name), known)
    parsed = llvmlite.binding.parse_assembly(str(entries))
    parsed.verify()
    machine = cpu_target.target_context.codegen()._tm  # noqa: SLF001 - numba's own, so that all code is for one processor
    linked = link([*(each.content for each in _compiled), machine.emit_object(parsed)])
    environments = {name: constants for each in _compiled for name, constants in each.environments.items()}
    return machine_code.Image(
        bytes(linked.content),
        linked.code_size,
        linked.relative,
        dict(linked.symbols),
        [
            (place, [_dtype(each) for each in environments[name]])
            for name, places in linked.slots.items()
            if name in environments
            for place in places
        ],
        {name: linked.defined[_entry(name)] for name in overloads},
        _outer_sources(overloads),
    )


def _entry(name: str) -> str:
    return f"entry of {name}"


def _dtype(constant: Any) -> str:
    if not isinstance(constant, np.dtype):
        raise UncheckableTypeError(f"a constant {constant!r}")
    return constant.str


def _outer_sources(names: Any) -> dict[str, str]:
    """Digests of the sources of kernels that stand in other packages."""
    modules = {name.rpartition(".")[0] for name in names}
    return {
        name: machine_code.source_digest(name)
        for name in sorted(modules)
        if not name.startswith(f"{__package__}.")
    }
