"""The function that Python calls, before the machine code of a kernel: it looks whether the arguments are what that is for.

numba's own dispatcher does so with the compiler's help. Here a few comparisons in machine code do: of the type of each
object, of an array also its dtype, its dimensions, and whether it is contiguous, aligned and may be written. What fits no
machine code goes to the compiler. Sources: CPython's ``PyObject``, ``PyVarObject`` and ``PyTupleObject``; numpy's
``PyArrayObject_fields``, whose layout its binary interface fixes.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types

_WORD, _INT, _POINTER = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
#: Offsets of fields, in bytes. From Python 3.14 on the items of a tuple stand behind its hash.
_TYPE, _SIZE, _DIMENSIONS, _DESCRIPTION, _FLAGS = 8, 16, 24, 56, 64
_ITEMS = tuple.__basicsize__
#: Flags of arrays, those of contiguous ones by what numba calls the layout.
_LAYOUTS, _ALIGNED, _WRITEABLE = {"C": 0x1, "F": 0x2, "A": 0}, 0x100, 0x400
#: What numpy calls a type of numba: some have two letters.
_LETTERS = {
    types.boolean: "?",
    types.int8: "b",
    types.uint8: "B",
    types.int16: "h",
    types.uint16: "H",
    types.int32: "i",
    types.uint32: "I",
    types.int64: "lq",
    types.uint64: "LQ",
    types.float32: "f",
    types.float64: "d",
}
_OF_PYTHON = {types.boolean: "object bool", types.int64: "object int", types.float64: "object float"}


class UncheckableTypeError(Exception):
    """A type of an argument that nothing here tells from others."""


def add_entry(module: ir.Module, name: str, overloads: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Define a function (self, arguments) for Python, of a kernel.

    Args:
        module: of LLVM, to which the function is added.
        name: of the function.
        overloads: name and numba's types of the arguments, of each function that numba has compiled for the kernel. The first
            that the arguments fit is called; where none does, ``self`` is.

    Raises:
        UncheckableTypeError: when a kernel takes an argument of a type that is not checked here.
    """
    entry = ir.Function(module, ir.FunctionType(_POINTER, [_POINTER, _POINTER]), name)
    builder = ir.IRBuilder(entry.append_basic_block())
    itself, arguments = entry.args
    given = builder.ptrtoint(arguments, _WORD)
    for wrapper, wanted in overloads:
        other = entry.append_basic_block()
        _Checks(builder, other).are(given, wanted)
        function = _declared(module, wrapper, ir.FunctionType(_POINTER, [_POINTER, _POINTER, _POINTER]))
        builder.ret(builder.call(function, [itself, arguments, ir.Constant(_POINTER, None)]))
        builder.position_at_end(other)
    call = _declared(module, "PyObject_Call", ir.FunctionType(_POINTER, [_POINTER, _POINTER, _POINTER]))
    builder.ret(builder.call(call, [itself, arguments, ir.Constant(_POINTER, None)]))


class _Checks:
    """Comparisons that go on where they hold, else leave for a block."""

    def __init__(self, builder: ir.IRBuilder, other: ir.Block) -> None:
        self._builder, self._other = builder, other

    def are(self, packed: Any, wanted: Sequence[Any]) -> None:
        """Whether a tuple has values of some types."""
        self._must(self._is(self._field(packed, _SIZE), len(wanted)))
        for index, each in enumerate(wanted):
            self._is_of(self._field(packed, _ITEMS + 8 * index), each)

    def _is_of(self, value: Any, wanted: Any) -> None:
        found = self._field(value, _TYPE)
        if isinstance(wanted, types.BaseTuple):
            self._must_be_one_of(found, ["object tuple"])
            self.are(value, list(wanted))
        elif isinstance(wanted, types.Array) and wanted.dtype in _LETTERS:
            self._must_be_one_of(found, ["object ndarray"])
            self._is_array(value, wanted)
        elif wanted in _LETTERS:
            names = [f"scalar {letter}" for letter in _LETTERS[wanted]]
            self._must_be_one_of(found, [_OF_PYTHON[wanted], *names] if wanted in _OF_PYTHON else names)
        else:
            raise UncheckableTypeError(str(wanted))

    def _is_array(self, value: Any, wanted: Any) -> None:
        self._must(self._is(self._field(value, _DIMENSIONS, _INT), wanted.ndim))
        letters = _LETTERS[wanted.dtype]
        self._must_be_one_of(self._field(value, _DESCRIPTION), [f"dtype {letter}" for letter in letters])
        # What is only read may be writeable.
        flags = _LAYOUTS[wanted.layout] | _ALIGNED * wanted.aligned | _WRITEABLE * wanted.mutable
        held = self._builder.and_(self._field(value, _FLAGS, _INT), ir.Constant(_INT, flags))
        self._must(self._is(held, flags))

    def _field(self, value: Any, offset: int, kind: Any = _WORD) -> Any:
        place = self._builder.add(value, ir.Constant(_WORD, offset))
        return self._builder.load(self._builder.inttoptr(place, kind.as_pointer()))

    def _is(self, found: Any, wanted: int) -> Any:
        return self._builder.icmp_unsigned("==", found, ir.Constant(found.type, wanted))

    def _must_be_one_of(self, found: Any, names: Sequence[str]) -> None:
        is_one = ir.Constant(ir.IntType(1), 0)
        for name in names:
            known = _declared(self._builder.module, name, None)
            address = self._builder.ptrtoint(known, _WORD)
            is_one = self._builder.or_(is_one, self._builder.icmp_unsigned("==", found, address))
        self._must(is_one)

    def _must(self, holds: Any) -> None:
        after = self._builder.append_basic_block()
        self._builder.cbranch(holds, after, self._other)
        self._builder.position_at_end(after)


def _declared(module: ir.Module, name: str, kind: Any) -> Any:
    """A function, or an object where ``kind`` is None, that stands elsewhere."""
    if name in module.globals:
        return module.globals[name]
    if kind is None:
        return ir.GlobalVariable(module, ir.IntType(8), name)
    return ir.Function(module, kind, name)
