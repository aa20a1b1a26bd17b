"""CRC-32C (RFC 3720, appendix B.4) of bytes in memory, eight at a time, by the processor's own instruction where it has one."""

from typing import Any

import numpy as np

from metrics.kernels.compiling import inlined, kernel, operation
from metrics.kernels.memory import address_of, byte_at, word_at

_POLYNOMIAL = 0x82F63B78
_ALL = np.uint64(0xFFFFFFFF)
#: By the feature of the processor, as LLVM names it: LLVM's name of the instruction, and the bits of its remainders.
_INSTRUCTIONS = {"+crc32": ("llvm.x86.sse42.crc32.64.64", 64), "+crc": ("llvm.aarch64.crc32cx", 32)}


@operation
def with_word(typing_context: Any, remainder: Any, word: Any) -> Any:
    """The remainder after eight bytes more; uint64."""
    from llvmlite import ir  # noqa: PLC0415 - only who compiles needs it
    from numba import types  # noqa: PLC0415

    del typing_context, remainder, word
    whole = ir.IntType(64)

    def by_instruction(builder: Any, name: str, bits: int, remainder: Any, word: Any) -> Any:
        kind = ir.IntType(bits)
        function = builder.module.declare_intrinsic(name, (), ir.FunctionType(kind, (kind, whole)))
        if bits == 64:
            return builder.call(function, (remainder, word))
        return builder.zext(builder.call(function, (builder.trunc(remainder, kind), word)), whole)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        remainder, word = arguments
        features = context.codegen()._tm_features.split(",")  # noqa: SLF001 - numba tells nobody else
        for feature, (name, bits) in _INSTRUCTIONS.items():
            if feature in features:
                return by_instruction(builder, name, bits, remainder, word)
        rest, one = builder.xor(remainder, word), ir.Constant(whole, 1)
        for _ in range(64):
            term = builder.mul(builder.and_(rest, one), ir.Constant(whole, _POLYNOMIAL))
            rest = builder.xor(builder.lshr(rest, one), term)
        return rest

    return types.uint64(types.uint64, types.uint64), generate


@inlined
def with_byte(remainder: Any, byte: Any) -> Any:
    """The remainder after one byte more; uint64."""
    rest = remainder ^ np.uint64(byte)
    for _ in range(8):
        rest = (rest >> np.uint64(1)) ^ ((rest & np.uint64(1)) * np.uint64(_POLYNOMIAL))
    return rest


@kernel
def crc32c(data: Any, begin: int, end: int) -> int:
    """The checksum of the bytes of a uint8 array from ``begin`` to ``end``."""
    memory, remainder, at = address_of(data), _ALL, begin
    while at + 8 <= end:
        remainder = with_word(remainder, word_at(memory, at))
        at += 8
    while at < end:
        remainder = with_byte(remainder, byte_at(memory, at))
        at += 1
    return np.int64(remainder ^ _ALL)
