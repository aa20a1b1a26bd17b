"""Reads from an array of bytes as the machine does them: unchecked, unaligned, little-endian.

numba lets an index below 0 count from the end, which costs a comparison at each byte. Positions here are never below
0, and an array that words are read from has ``PADDING`` bytes behind its last value.
"""

from typing import Any

from metrics.kernels.compiling import operation

#: Bytes that must follow the last value of an array that words are read from.
PADDING = 8


@operation
def address_of(typing_context: Any, data: Any) -> Any:
    """Where an array's first byte lies; int64. The caller keeps the array alive."""
    from llvmlite import ir  # noqa: PLC0415 - only who compiles needs it
    from numba import types  # noqa: PLC0415
    from numba.core import cgutils  # noqa: PLC0415

    del typing_context

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(array.data, ir.IntType(64))

    return types.int64(data), generate


def _load(bits: int) -> Any:
    from llvmlite import ir  # noqa: PLC0415 - only who compiles needs it

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        pointer = builder.inttoptr(builder.add(*arguments), ir.IntType(bits).as_pointer())
        found = builder.load(pointer)
        found.align = 1
        return found

    return generate


@operation
def byte_at(typing_context: Any, data: Any, at: Any) -> Any:
    """One byte, ``at`` bytes behind an address; uint8."""
    from numba import types  # noqa: PLC0415

    del typing_context, data, at
    return types.uint8(types.int64, types.int64), _load(8)


@operation
def half_at(typing_context: Any, data: Any, at: Any) -> Any:
    """Four bytes; uint32."""
    from numba import types  # noqa: PLC0415

    del typing_context, data, at
    return types.uint32(types.int64, types.int64), _load(32)


@operation
def word_at(typing_context: Any, data: Any, at: Any) -> Any:
    """Eight bytes; uint64."""
    from numba import types  # noqa: PLC0415

    del typing_context, data, at
    return types.uint64(types.int64, types.int64), _load(64)


@operation
def trailing_zeros(typing_context: Any, word: Any) -> Any:
    """How many of the lowest bits are 0; 64 of a word that is 0."""
    from llvmlite import ir  # noqa: PLC0415 - only who compiles needs it
    from numba import types  # noqa: PLC0415

    del typing_context, word

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate
