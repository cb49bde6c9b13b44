"""A vector of 8 machine words in compiled code: 512 weight vectors, or 64 counters of 8 bits, in one operation.

The compiler of Numba does not find vectors in loops that leave early. Here they are a type of its own, `<8 x i64>`;
a processor with registers of 512 bits takes them whole, any other in parts, with the same results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

WORDS = 8
"""Machine words in a vector."""
carrier = ir.VectorType(ir.IntType(64), WORDS)
"""What a vector is to the compiler, whatever its bits stand for."""
_ALIGNMENT = 8  # what NumPy guarantees


class Lanes(types.Type):
    """The type of a vector in compiled code."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = Lanes()


class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, carrier)


register_model(Lanes)(_LanesModel)


def address(context: Any, builder: Any, kind: Any, array: Any, index: Any, vector: Any = carrier) -> Any:
    """Of the vector that begins at this number of a contiguous array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _popcount(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def _load(typing_context: Any, words: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = address(context, builder, signature.args[0], *arguments)
        return builder.load(place, align=_ALIGNMENT, typ=carrier)

    return lanes(words, types.intp), generate


def _store(typing_context: Any, words: Any, index: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], address(context, builder, signature.args[0], *arguments[:2]), align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.void(words, types.intp, lanes), generate


def _splat(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.Constant(carrier, ir.Undefined)
        for place in range(WORDS):
            vector = builder.insert_element(vector, arguments[0], ir.Constant(ir.IntType(32), place))
        return vector

    return lanes(types.uint64), generate


def _binary(operation: str) -> Any:
    def typer(typing_context: Any, first: Any, second: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, operation)(*arguments)

        return lanes(lanes, lanes), generate

    return typer


def _is_zero(typing_context: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zero = ir.Constant(carrier, None)
        filled = builder.icmp_unsigned("!=", arguments[0], zero)
        together = builder.bitcast(filled, ir.IntType(WORDS))
        return builder.icmp_unsigned("==", together, ir.Constant(ir.IntType(WORDS), 0))

    return types.boolean(lanes), generate


def _guarded(typing_context: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bytes_ = builder.bitcast(arguments[0], ir.VectorType(ir.IntType(8), 8 * WORDS))
        guards = builder.icmp_signed("<", bytes_, ir.Constant(bytes_.type, None))
        together = builder.bitcast(guards, ir.IntType(8 * WORDS))
        return builder.icmp_unsigned("==", together, ir.Constant(ir.IntType(8 * WORDS), -1))

    return types.boolean(vector), generate


def _bit_counts(typing_context: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(carrier, [carrier])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.ctpop.v8i64"), arguments)

    return lanes(lanes), generate


def _total(typing_context: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [carrier])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.vector.reduce.add.v8i64"), arguments)

    return types.int64(lanes), generate


def _overdrawn(typing_context: Any, vector: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        guards = ir.Constant(carrier, [0x8080808080808080] * WORDS)
        cleared = builder.and_(builder.not_(arguments[0]), guards)
        return builder.lshr(cleared, ir.Constant(carrier, [7] * WORDS))

    return lanes(lanes), generate


popcount: Any = intrinsic(_popcount)
"""Number of set bits of a 64-bit word, as the machine instruction."""
load: Any = intrinsic(_load)
"""load(words, i): the vector words[i : i + 8] of a contiguous array of 64-bit words."""
store: Any = intrinsic(_store)
"""store(words, i, vector): words[i : i + 8] = vector."""
splat: Any = intrinsic(_splat)
"""splat(word): the word 8 times."""
both: Any = intrinsic(_binary("and_"))
"""both(a, b): bitwise and."""
either: Any = intrinsic(_binary("or_"))
"""either(a, b): bitwise or."""
differ: Any = intrinsic(_binary("xor"))
"""differ(a, b): bitwise exclusive or."""
minus: Any = intrinsic(_binary("sub"))
"""minus(a, b): the difference, word by word."""
plus: Any = intrinsic(_binary("add"))
"""plus(a, b): the sum, word by word."""
is_zero: Any = intrinsic(_is_zero)
"""is_zero(a): whether no bit is set."""
guarded: Any = intrinsic(_guarded)
"""guarded(a): whether the highest bit, the guard, of every byte is set."""
overdrawn: Any = intrinsic(_overdrawn)
"""overdrawn(a): 1 in every byte whose guard is not set, else 0."""
bit_counts: Any = intrinsic(_bit_counts)
"""bit_counts(a): number of set bits of each word."""
total: Any = intrinsic(_total)
"""total(a): sum of the words."""


@njit(cache=True, nogil=True)
def count_bits(vector: Any) -> int:
    """Number of set bits of the whole vector."""
    return total(bit_counts(vector))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def aligned(size: int) -> Any:
    """An array of that many words, not set, that begins where a vector fills a line of the cache: twice as fast as across two."""
    words = np.empty(size + WORDS - 1, np.uint64)
    first = (-(np.int64(words.ctypes.data) >> 3)) & (WORDS - 1)
    return words[first : first + size]
