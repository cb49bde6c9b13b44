"""x . W and W + c x for a pattern x of real numbers, or of packed signs: one kernel, `dot` and `add`, takes both.

Packed (a bit a site, set: +1) a pattern is an eighth of its bytes, and at large N a pass over patterns takes as long as reading them.
A vector of `_lanes` holds 16 single or 8 double precision numbers here; each of its numbers takes its sign from a bit. The order of
the additions is written down, and in callers without fastmath not the compiler's to change: the same sum on every processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from ._lanes import address, carrier, lanes, popcount, splat

REORDER = {"reassoc", "contract", "nsz"}
"""Of fastmath: sums in vector lanes; infinities and nan keep their meaning."""
WORD = 64
"""Sites of a packed word."""
BLOCK, SHEAF = 2048, 64
"""Sites that so many patterns go through before the next come: the weights stay in the nearest cache, the patterns in the one behind it."""
PARTS = 4
"""Sums that go on side by side: an addition waits for the one before in the same sum only."""


def _vector_of(real: Any) -> tuple[ir.VectorType, int]:
    """The vector of 512 bits of this floating type, and the bytes of a number."""
    return (ir.VectorType(ir.FloatType(), 16), 4) if real == types.float32 else (ir.VectorType(ir.DoubleType(), 8), 8)


def _signed(builder: Any, vector: Any, bits: Any, live: Any) -> Any:
    """The numbers where a bit is set, their opposites elsewhere, of lanes that are live; 0 in the others."""
    count = vector.type.count

    def lanes_of(word: Any) -> Any:
        return builder.bitcast(builder.trunc(word, ir.IntType(count)), ir.VectorType(ir.IntType(1), count))

    # in this order it is one masked operation
    signed = builder.select(lanes_of(builder.not_(bits)), builder.fneg(vector), vector)
    return builder.select(lanes_of(live), signed, ir.Constant(vector.type, [0.0] * count))


def _gather(typing_context: Any, total: Any, W: Any, index: Any, bits: Any, live: Any) -> Any:
    kind, align = _vector_of(W.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, array, index, bits, live = arguments
        numbers = builder.load(address(context, builder, signature.args[1], array, index, kind), align=align, typ=kind)
        return builder.bitcast(builder.fadd(builder.bitcast(total, kind), _signed(builder, numbers, bits, live)), carrier)

    return lanes(lanes, W, types.intp, types.uint64, types.uint64), generate


def _scatter(typing_context: Any, W: Any, index: Any, factors: Any, bits: Any, live: Any) -> Any:
    kind, align = _vector_of(W.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, factors, bits, live = arguments
        place = address(context, builder, signature.args[0], array, index, kind)
        summand = _signed(builder, builder.bitcast(factors, kind), bits, live)
        builder.store(builder.fadd(builder.load(place, align=align, typ=kind), summand), place, align=align)
        return context.get_dummy_value()

    return types.void(W, types.intp, lanes, types.uint64, types.uint64), generate


def _repeat(typing_context: Any, number: Any) -> Any:
    kind, _ = _vector_of(number)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.Constant(kind, ir.Undefined)
        for place in range(kind.count):
            vector = builder.insert_element(vector, arguments[0], ir.Constant(ir.IntType(32), place))
        return builder.bitcast(vector, carrier)

    return lanes(number), generate


def _sum_of(typing_context: Any, a: Any, b: Any, c: Any, d: Any, W: Any) -> Any:
    kind, _ = _vector_of(W.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, c, d = (builder.bitcast(part, kind) for part in arguments[:PARTS])
        vector = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
        while vector.type.count > 1:
            half = vector.type.count // 2
            low, high = ([ir.Constant(ir.IntType(32), first + k) for k in range(half)] for first in (0, half))
            sides = [builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(ir.IntType(32), half), side)) for side in (low, high)]
            vector = builder.fadd(*sides)
        return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    return W.dtype(lanes, lanes, lanes, lanes, W), generate


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = address(context, builder, signature.args[0], arguments[0], arguments[1], ir.IntType(8))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        read, near, data = (ir.Constant(number, n) for n in (0, 3, 1))
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch"), [place, read, near, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


prefetch: Any = intrinsic(_prefetch)
"""prefetch(array, i): have the line of the cache with entry i of a contiguous array brought, if there is such an entry."""
gather: Any = intrinsic(_gather)
"""gather(total, W, i, bits, live): total + W[i : i + 16] (8 of double precision), with the sign of the lowest bits, in lanes that are live."""
scatter: Any = intrinsic(_scatter)
"""scatter(W, i, factors, bits, live): W[i : i + 16] (8) += factors, likewise."""
repeat: Any = intrinsic(_repeat)
"""repeat(number): the number 16 (8) times."""
sum_of: Any = intrinsic(_sum_of)
"""sum_of(a, b, c, d, W): of all numbers of four vectors of W's precision."""


def packed_signs(signs: NDArray[Any]) -> NDArray[np.uint64]:
    """Rows of signs, (P, N), as words, (P, ceil(N/64)); the bits beyond N are 0, in patterns and weights alike."""
    P, N = signs.shape
    bytes_ = np.zeros((P, -(-N // WORD) * (WORD // 8)), np.uint8)
    bits = np.packbits(signs > 0, axis=1, bitorder="little")
    bytes_[:, : bits.shape[1]] = bits
    return bytes_.view("<u8").astype(np.uint64, copy=False)


@njit(cache=True, nogil=True)
def mismatches(x: NDArray[np.uint64], W: NDArray[np.uint64]) -> np.int64:
    """Sites at which two packed rows of signs differ."""
    count = np.uint64(0)
    for k in range(x.size):
        count += popcount(x[k] ^ W[k])
    return np.int64(count)


ALL = ~np.uint64(0)
"""Every lane of a vector is live."""


@njit(cache=True, nogil=True)
def _across(low: np.uint64, high: np.uint64, shift: int) -> Any:
    """The word that begins so many bits, 1 to 63, up in the lower one."""
    return low >> np.uint64(shift) | high << np.uint64(WORD - shift)


def _packed_dot(width: int) -> Any:
    """`dot` of a packed pattern, for vectors of so many numbers: a constant to the compiler, like all that follows from it."""
    parts = WORD // width // PARTS

    def packed(x, W):  # type: ignore[no-untyped-def]
        whole = W.size // WORD
        a = b = c = d = splat(np.uint64(0))
        for k in range(whole):
            for part in range(parts):
                j = part * PARTS * width
                i = k * WORD + j
                a = gather(a, W, i, x[k] >> np.uint64(j), ALL)
                b = gather(b, W, i + width, x[k] >> np.uint64(j + width), ALL)
                c = gather(c, W, i + 2 * width, x[k] >> np.uint64(j + 2 * width), ALL)
                d = gather(d, W, i + 3 * width, x[k] >> np.uint64(j + 3 * width), ALL)
        rest = W.size - whole * WORD
        vectors = rest // width
        for part in range(vectors):
            a = gather(a, W, whole * WORD + part * width, x[whole] >> np.uint64(part * width), ALL)
        done = vectors * width
        if rest > done and W.size >= width:  # the last sites, in a vector with some that had their turn
            bits = x[whole] >> np.uint64(rest - width) if vectors else _across(x[whole - 1], x[whole], WORD + rest - width)
            b = gather(b, W, W.size - width, bits, ALL << np.uint64(width - (rest - done)))
            done = rest
        total = sum_of(a, b, c, d, W)
        for j in range(done, rest):
            total += W[j] if x[0] >> np.uint64(j) & np.uint64(1) else -W[j]
        return total

    return packed


def _packed_add(width: int) -> Any:
    """`add` of a packed pattern, likewise."""
    parts = WORD // width

    def packed(total, factor, x):  # type: ignore[no-untyped-def]
        whole = total.size // WORD
        step = total.dtype.type(factor)
        steps = repeat(step)
        for k in range(whole):
            for part in range(parts):
                scatter(total, k * WORD + part * width, steps, x[k] >> np.uint64(part * width), ALL)
        rest = total.size - whole * WORD
        vectors = rest // width
        for part in range(vectors):
            scatter(total, whole * WORD + part * width, steps, x[whole] >> np.uint64(part * width), ALL)
        done = vectors * width
        if rest > done and total.size >= width:
            bits = x[whole] >> np.uint64(rest - width) if vectors else _across(x[whole - 1], x[whole], WORD + rest - width)
            scatter(total, total.size - width, steps, bits, ALL << np.uint64(width - (rest - done)))
            done = rest
        for j in range(done, rest):
            total[j] += step if x[0] >> np.uint64(j) & np.uint64(1) else -step

    return packed


@njit(cache=True, nogil=True, fastmath=REORDER)
def _plain_dot(x: Any, W: Any) -> Any:
    real = W.dtype.type
    total = real(0)
    for i in range(W.size):
        total += real(x[i]) * W[i]
    return total


@njit(cache=True, nogil=True, fastmath=REORDER)
def _plain_add(total: Any, factor: Any, x: Any) -> None:
    real = total.dtype.type
    for i in range(total.size):
        total[i] += factor * real(x[i])


def dot(x: NDArray[np.generic], W: NDArray[np.floating[Any]]) -> Any:
    """x . W in the precision of W, in compiled code; x may be packed, a bit a site of W."""
    raise NotImplementedError("dot: for compiled code")


def add(total: NDArray[np.floating[Any]], factor: Any, x: NDArray[np.generic]) -> None:
    """total <- total + factor x in compiled code; x may be packed, a bit a site."""
    raise NotImplementedError("add: for compiled code")


@overload(dot, inline="always")
def _dot(x, W):  # type: ignore[no-untyped-def]
    if x.dtype == types.uint64:
        return _packed_dot(16 if W.dtype == types.float32 else 8) if W.layout == "C" else None  # vectors have no strides
    return lambda x, W: _plain_dot(x, W)


@overload(add, inline="always")
def _add(total, factor, x):  # type: ignore[no-untyped-def]
    if x.dtype == types.uint64:
        return _packed_add(16 if total.dtype == types.float32 else 8) if total.layout == "C" and total.mutable else None
    return lambda total, factor, x: _plain_add(total, factor, x)


def _sites(x: NDArray[np.generic]) -> int:
    """Sites of an entry of a pattern: a word has 64."""
    raise NotImplementedError("for compiled code")


@overload(_sites, inline="always")
def _sites_of(x):  # type: ignore[no-untyped-def]
    return (lambda x: WORD) if x.dtype == types.uint64 else (lambda x: 1)


@njit(cache=True, nogil=True)
def _coming(points: NDArray[np.generic], j: int, mu: int, start: int) -> None:
    """Have the words of a packed pattern from `start` on brought while others are worked on: rows in random order are not foreseen."""
    if _sites(points) < WORD:
        return
    first = (mu * points.shape[1] + j) * points.shape[2] + start
    for line in range(BLOCK // WORD // 8):
        prefetch(points, first + 8 * line)


@njit(cache=True, nogil=True)
def dots(points: NDArray[np.generic], j: int, rows: NDArray[np.int64], W: Any, out: Any) -> None:
    """out_k = x . W for branch j of pattern rows_k; points (P, K, ...), packed or not."""
    out[:] = 0
    for sheaf in range(0, len(rows), SHEAF):
        last = min(sheaf + SHEAF, len(rows)) - 1
        for first in range(0, W.size, BLOCK):
            part, start, stop = W[first : first + BLOCK], first // _sites(points), (first + BLOCK) // _sites(points)
            for k in range(sheaf, last + 1):
                _coming(points, j, rows[min(k + 1, last)], start)
                out[k] += dot(points[rows[k], j, start:stop], part)


@njit(cache=True, nogil=True)
def adds(total: Any, factors: Any, points: NDArray[np.generic], j: int, rows: NDArray[np.int64]) -> None:
    """total <- total + sum_k factor_k x for branch j of the patterns rows_k, one after the other."""
    for sheaf in range(0, len(rows), SHEAF):
        last = min(sheaf + SHEAF, len(rows)) - 1
        for first in range(0, total.size, BLOCK):
            part, start, stop = total[first : first + BLOCK], first // _sites(points), (first + BLOCK) // _sites(points)
            for k in range(sheaf, last + 1):
                _coming(points, j, rows[min(k + 1, last)], start)
                add(part, factors[k], points[rows[k], j, start:stop])


@njit(cache=True, nogil=True)
def sums(rows: NDArray[np.generic], W: Any) -> Any:
    """x_j . W_j of every pattern and unit, (P, K), rows (P, K, ...) packed or not; (P, 1, ...) where all units see the same sites."""
    out = np.empty((len(W), len(rows)), W.dtype)
    for j in range(len(W)):
        dots(rows, min(j, rows.shape[1] - 1), np.arange(len(rows)), W[j], out[j])
    return out.T


@njit(cache=True, nogil=True)
def distances(rows: NDArray[np.uint64], W: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Sites at which each of the packed rows differs from W, (P,)."""
    out = np.empty(len(rows), np.int64)
    for mu in range(len(rows)):
        out[mu] = mismatches(rows[mu], W)
    return out


@njit(cache=True, nogil=True)
def products(rows: NDArray[np.uint64], S: NDArray[np.int64], first: int, last: int, sites: int, unit: int, C: NDArray[np.float64]) -> None:
    """C_ab = xi_a . xi_b / unit of the packed rows S, a from first to last, b >= a: (sites - 2 mismatches)/unit."""
    for begin in range(first, S.size, SHEAF):
        for a in range(first, last):
            for b in range(max(a, begin), min(begin + SHEAF, S.size)):
                apart = np.uint64(0)
                for k in range(rows.shape[1]):
                    apart += popcount(rows[S[a], k] ^ rows[S[b], k])
                C[a, b] = (sites - 2 * np.int64(apart)) / unit
