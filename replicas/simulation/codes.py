"""Binary weights as the bits of an integer, and conditions on fields as numbers of mismatches.

Bit i of a code is set where W_i = +1. A pattern x, gauged by its label, is coded likewise; the weights disagree with it on
popcount(W ^ x) sites, and

    u = (N - 2 mismatches)/sqrt(N)

so that u >= kappa, or |u| <= kappa, bounds the mismatches from above, or from both sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_choice, check_finite, check_integer, check_signs
from .machines import PERCEPTRON, Architecture, Machine, as_architecture

MAX_SITES = 31
"""Largest number of weights of the exhaustive engine: 2^31 weight vectors, a fraction of a second."""
MAX_SEARCH_SITES = 63
"""Largest number of weights of the search: codes are words of 64 bits, numbers of solutions signed ones."""
TIE = Fraction(1, 2**50)
"""Relative difference of squares within which a margin stands for a field of the lattice: s/sqrt(N) in doubles is off by 2^-52."""

Codes = NDArray[np.uint32] | NDArray[np.uint64]


def code_type(N: int) -> type[np.uint32] | type[np.uint64]:
    """Type of the codes of N weights: 32 bits up to 31 weights, 64 bits beyond."""
    return np.uint32 if N <= MAX_SITES else np.uint64


def check_codes(codes: ArrayLike, N: int) -> NDArray[np.uint64]:
    """`codes` as an array (n,) of codes of N weights, in words of 64 bits."""
    given = np.asarray(codes)
    whole = given.dtype.kind in "ui" or given.size == 0
    if given.ndim != 1 or not whole or (given.size and (int(given.min()) < 0 or int(given.max()) >> N)):
        got = f"values up to {given.max(initial=0)}" if whole else f"type {given.dtype}"
        raise ValueError(f"codes: got shape {given.shape} and {got}, takes shape (n,) and codes below 2^{N}")
    return np.ascontiguousarray(given, dtype=np.uint64)


def decode_weights(codes: ArrayLike, N: int) -> NDArray[np.int8]:
    """Weights of shape (number of codes, N), +1 where bit i of the code is set and -1 elsewhere; N from 1 to 63."""
    check_integer("N", N, at_least=1, at_most=MAX_SEARCH_SITES)
    bits = np.asarray(codes, dtype=np.uint64)[..., None] >> np.arange(N, dtype=np.uint64) & np.uint64(1)
    return (2 * bits.astype(np.int8) - 1).astype(np.int8)


def encode_weights(weights: ArrayLike) -> NDArray[np.uint64]:
    """Codes of the rows of an array (n, N) of +1 and -1, N from 1 to 63, the inverse of `decode_weights`."""
    signs = check_signs("weights", weights, (-1, -1))
    check_integer("N", signs.shape[1], at_least=1, at_most=MAX_SEARCH_SITES)
    place = np.uint64(1) << np.arange(signs.shape[1], dtype=np.uint64)
    return np.where(signs > 0, place, np.uint64(0)).sum(axis=1, dtype=np.uint64)


def mismatch_budget(N: int, kappa: float, likelihood: str = "threshold") -> tuple[int, int]:
    """Least and most mismatches between W and y xi that satisfy a pattern: the condition on u in integers.

    (N - 2 mismatches)/sqrt(N) is compared with kappa in exact rational arithmetic, by signs and squares, so a
    tie is a tie and not a rounding error; a kappa within rounding of the lattice of fields, such as 3/sqrt(N),
    is on it. An impossible condition gives least > most.
    """
    check_integer("N", N, at_least=1)
    check_choice("likelihood", likelihood, ("threshold", "window"))
    margin = Fraction(check_finite("kappa", kappa))
    squared = margin * margin * N
    nearest = math.isqrt(math.floor(squared) + 1)
    if abs(squared - nearest**2) <= TIE * nearest**2:
        squared = Fraction(nearest**2)
    # largest |N - 2 mismatches| with (N - 2 mismatches)^2 <= kappa^2 N
    inside = math.isqrt(math.floor(squared))
    if likelihood == "window":
        return (N + 1, -1) if margin < 0 else (max(0, -((inside - N) // 2)), min(N, (N + inside) // 2))
    if margin <= 0:
        return 0, min(N, (N + inside) // 2)
    # smallest integer s with s^2 >= kappa^2 N, s > 0
    outside = inside if inside * inside == squared else inside + 1
    return 0, (N - outside) // 2


@dataclass(frozen=True, eq=False)
class Conditions:
    """What is asked of the weights.

    architecture : of the machine, K units of n inputs, K n weights
    codes : array (P,), the patterns gauged by their labels, repeated for every unit that sees them
    accepted : array (P, K + 1), whether 0, ..., K positive units satisfy the pattern
    least, most : mismatches, of the n inputs, of a positive unit
    """

    architecture: Architecture
    n: int
    codes: NDArray[np.uint64]
    accepted: NDArray[np.bool_]
    least: int
    most: int

    @property
    def K(self) -> int:
        """Number of units."""
        return self.architecture.K

    @property
    def sites(self) -> int:
        """Number of weights."""
        return self.K * self.n


def conditions(
    signs: NDArray[np.int8],
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    accepted: Machine = PERCEPTRON,
) -> Conditions:
    """The conditions that patterns (P, N) of +1 and -1 put; errors as `count_solutions`."""
    P, N = signs.shape
    architecture = as_architecture(accepted, N)
    K, n = architecture.K, architecture.inputs(N)
    if not 1 <= K * n <= MAX_SEARCH_SITES:
        raise ValueError(f"{_size(N, K)} from 1 to {MAX_SEARCH_SITES}")
    least, most = mismatch_budget(n, kappa, likelihood)
    if K > 1 and n % 2 == 0:
        odd, why = ("N odd", f"{K} units") if architecture.shared else ("N/K odd", f"K = {K} branches")
        raise ValueError(f"N: got {N}, takes {odd} ({why}; at even {odd[:-4]} a field can vanish)")
    if K > 1 and (likelihood != "threshold" or kappa != 0):
        got, units = f"{kappa} and {likelihood!r}", "units" if architecture.shared else "branches"
        raise ValueError(f"kappa, likelihood: got {got}, takes 0 and 'threshold' with K = {K} {units}")
    y = np.ones(P, np.int8) if labels is None else _check_labels(labels, P, architecture)
    seen = np.tile(signs, (1, K)) if architecture.shared else signs
    codes = encode_weights(seen * np.where(y < 0, -1, 1).astype(np.int8)[:, None])
    satisfied = np.array([architecture.satisfied(label) for label in (-1, 0, 1)])[y + 1]
    return Conditions(architecture, n, codes, satisfied, least, most)


def check_exhaustive(asked: Conditions) -> None:
    """Refuse more weights than the exhaustive engine takes."""
    if asked.sites > MAX_SITES:
        N = asked.n if asked.architecture.shared else asked.sites
        raise ValueError(f"{_size(N, asked.K)} from 1 to {MAX_SITES}")


def _size(N: int, K: int) -> str:
    return f"patterns: got N = {N} sites, takes N" if K == 1 else f"patterns: got N = {N} sites for K = {K} units, takes K N"


def _check_labels(labels: ArrayLike, P: int, architecture: Architecture) -> NDArray[np.int8]:
    """Labels that the machine can give: +1 and -1, and 0 where it can tie."""
    if 0 not in architecture.outputs:
        return check_signs("labels", labels, (P,))
    y = np.asarray(labels)
    if y.shape != (P,) or not np.all(np.isin(y, (-1, 0, 1))):
        raise ValueError(f"labels: got an array of shape {y.shape}, takes shape ({P}) of -1, 0 and +1 only")
    return y.astype(np.int8)
