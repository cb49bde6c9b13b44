"""Patterns as compiled loops take them, and fields of binary weights: shared by the algorithms.

Where patterns are of signs, too, both are packed, a bit a site (set: +1), and a field is a count of bits: N - 2 popcount(x ^ W).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray

from .._packed import REORDER, WORD, mismatches, packed_signs
from ..enumeration import mismatch_budget
from ..problems import Problem


def points_of(problem: Problem) -> NDArray[np.generic]:
    """Patterns y_mu xi_mu as the kernels take them: int8 if binary, of which a pass reads an eighth of the memory, single precision if not."""
    return problem.gauged().astype(np.int8 if problem.binary else np.float32, copy=False)


def rows_of(problem: Problem, real: type[np.floating[Any]] = np.float32) -> NDArray[Any]:
    """Patterns y_mu xi_mu as `dot` and `add` take them, (P, K, ...): of each branch n sites, packed if binary, ``real`` if not."""
    if problem.binary:
        turned = packed_signs(np.ones((1, problem.architecture.inputs(problem.N)), np.int8)) * (problem.labels < 0)[:, None, None]
        return np.asarray(problem.rows ^ turned)
    return problem.gauged().astype(real, copy=False).reshape(problem.rows.shape)


def squares_of(points: NDArray[np.generic]) -> NDArray[np.float64]:
    """|xi_mu|^2, (P,)."""
    rows = (xi.astype(float) for xi in points)
    return np.array([float(xi @ xi) for xi in rows])


def least_sum(problem: Problem, kappa: float) -> float:
    """The least sum_i y xi_i W_i that satisfies a pattern: a whole number for binary patterns, so that a tie is a tie."""
    return float(problem.N - 2 * mismatch_budget(problem.N, kappa)[1]) if problem.binary else kappa * np.sqrt(problem.N)


@njit(cache=True, nogil=True, fastmath=REORDER)
def overlap(x: NDArray[np.generic], W: NDArray[np.int8]) -> np.float32:
    """x . W; exact where x is of signs: whole numbers below 2^24."""
    total = np.float32(0)
    for i in range(x.size):
        total += np.float32(x[i]) * np.float32(W[i])
    return total


@njit(cache=True, nogil=True)
def all_satisfied(points: NDArray[np.generic], W: NDArray[np.int8], least: float) -> bool:
    """Whether every pattern, packed or not, has a sum of at least so much."""
    return _all_satisfied(points, W, least)


def _all_satisfied(points: NDArray[np.generic], W: NDArray[np.int8], least: float) -> bool:
    raise NotImplementedError("for compiled code")


@overload(_all_satisfied)
def _choose(points, W, least):  # type: ignore[no-untyped-def]
    return _packed_satisfied if points.dtype == types.uint64 else _plain_satisfied


def _plain_satisfied(points, W, least):  # type: ignore[no-untyped-def]
    for mu in range(len(points)):
        if overlap(points[mu], W) < least:
            return False
    return True


def _packed_satisfied(points, W, least):  # type: ignore[no-untyped-def]
    words = np.zeros(points.shape[1], np.uint64)
    for i in range(W.size):
        if W[i] > 0:
            words[i // WORD] |= np.uint64(1) << np.uint64(i % WORD)
    for mu in range(len(points)):
        if W.size - 2 * mismatches(points[mu], words) < least:
            return False
    return True


SIGNS = np.uint64(0x0101010101010101)
GATHER = np.uint64(0x0102040810204080)
"""Times eight bytes that are 0 or 1, it brings them together as the highest byte."""


def padded_signs(W: NDArray[np.int8]) -> NDArray[np.int8]:
    """Signs with -1 beyond them, up to whole words."""
    out = np.full(-(-W.size // WORD) * WORD, -1, np.int8)
    out[: W.size] = W
    return out


@njit(cache=True, nogil=True)
def pack(eights: NDArray[np.uint64], out: NDArray[np.uint8]) -> None:
    """Signs as int8, seen eight at a time, into the bytes of their words."""
    for k in range(eights.size):
        positive = (~eights[k] >> np.uint64(7)) & SIGNS
        out[k] = np.uint8(positive * GATHER >> np.uint64(56))
