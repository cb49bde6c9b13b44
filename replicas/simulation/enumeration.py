"""Exact enumeration of the solutions of a binary perceptron.

    W in {-1, +1}^N,   u_mu = y_mu xi_mu . W / sqrt(N)
    for all mu:  u_mu >= kappa (threshold)  or  |u_mu| <= kappa (window)

Fields live on the lattice u = (N - 2 mismatches)/sqrt(N). The inequality is taken literally, ties included:
at kappa = 0 and even N a vanishing field counts as satisfied (the theory's Theta(u - kappa) with >=). In the
limit of large N ties have measure zero, but at even N they shift the entropy by O(1/sqrt(N)): confront theory
with odd N.

Method: 64 weight vectors a machine word (`_bits`). The experiment is that of W. Krauth and M. Opper,
J. Phys. A 22 (1989) L519.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _bits
from ._checks import check_choice, check_finite, check_integer, check_signs

# words listed between two chances to cancel; 64 times as many codes fit the buffer
_BLOCK_WORDS = 1 << 14
MAX_SITES = 31
"""Largest N of the exhaustive engine: 2^31 weight vectors, a fraction of a minute."""


def count_solutions(
    patterns: ArrayLike, kappa: float = 0.0, likelihood: str = "threshold", labels: ArrayLike | None = None
) -> int:
    """Number of binary weight vectors that satisfy every pattern.

    Parameters
    ----------
    patterns : array (P, N) of +1 and -1, 1 <= N <= 31
    kappa : margin ("threshold") or half-width ("window"), any finite number
    likelihood : "threshold" (u >= kappa) or "window" (|u| <= kappa)
    labels : array (P,) of +1 and -1, all +1 if absent

    Raises
    ------
    ValueError : patterns or labels of a wrong shape or value, N > 31, kappa not finite, unknown likelihood
    """
    return int(count_solutions_by_load(patterns, kappa, likelihood, labels)[-1])


def count_solutions_by_load(
    patterns: ArrayLike, kappa: float = 0.0, likelihood: str = "threshold", labels: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Numbers of weight vectors that satisfy the first 0, 1, ..., P patterns: one enumeration, every load.

    Parameters and errors are those of `count_solutions`; the result has shape (P + 1,) and starts with 2^N.
    """
    engine = _Engine(patterns, kappa, likelihood, labels)
    return np.asarray(_bits.count_by_load(engine.high, engine.masks, engine.all_lanes, engine.n_words))


def enumerate_solutions(
    patterns: ArrayLike,
    kappa: float = 0.0,
    likelihood: str = "threshold",
    labels: ArrayLike | None = None,
    limit: int = 50_000_000,
) -> NDArray[np.uint32]:
    """Codes of all binary weight vectors that satisfy every pattern, in increasing order.

    Bit i of a code is set where W_i = +1; `decode_weights` turns codes into weights.

    Parameters
    ----------
    patterns, kappa, likelihood, labels : as for `count_solutions`
    limit : largest number of solutions to list (4 bytes each)

    Raises
    ------
    ValueError : as for `count_solutions`, or more solutions than `limit`
    """
    check_integer("limit", limit, at_least=0)
    engine = _Engine(patterns, kappa, likelihood, labels)
    block = min(engine.n_words, _BLOCK_WORDS)
    buffer = np.empty(block << engine.n_low, np.uint32)
    found: list[NDArray[np.uint32]] = []
    total = 0
    for first in range(0, engine.n_words, block):
        words = (first, first + block)
        count = _bits.list_codes(engine.high, engine.masks, engine.all_lanes, words, buffer)
        total += count
        if total > limit:
            raise ValueError(f"limit: got {limit}, takes at least the number of solutions, {total} so far")
        found.append(buffer[:count].copy())
    return np.concatenate(found)


def decode_weights(codes: ArrayLike, N: int) -> NDArray[np.int8]:
    """Weights of shape (number of codes, N), +1 where bit i of the code is set and -1 elsewhere."""
    check_integer("N", N, at_least=1, at_most=MAX_SITES)
    bits = np.asarray(codes, dtype=np.uint32)[..., None] >> np.arange(N, dtype=np.uint32) & np.uint32(1)
    return (2 * bits.astype(np.int8) - 1).astype(np.int8)


def encode_weights(weights: ArrayLike) -> NDArray[np.uint64]:
    """Codes of the rows of an array (n, N) of +1 and -1, the inverse of `decode_weights`."""
    signs = check_signs("weights", weights, (-1, -1))
    check_integer("N", signs.shape[1], at_least=1, at_most=MAX_SITES)
    place = np.uint64(1) << np.arange(signs.shape[1], dtype=np.uint64)
    return np.where(signs > 0, place, np.uint64(0)).sum(axis=1, dtype=np.uint64)


def mismatch_budget(N: int, kappa: float, likelihood: str = "threshold") -> tuple[int, int]:
    """Least and most mismatches between W and y xi that satisfy a pattern: the condition on u in integers.

    (N - 2 mismatches)/sqrt(N) is compared with kappa in exact rational arithmetic, by signs and squares, so a
    tie is a tie and not a rounding error. An impossible condition gives least > most.
    """
    check_integer("N", N, at_least=1)
    check_choice("likelihood", likelihood, ("threshold", "window"))
    margin = Fraction(check_finite("kappa", kappa))
    # largest |N - 2 mismatches| with (N - 2 mismatches)^2 <= kappa^2 N
    inside = math.isqrt(math.floor(margin * margin * N))
    if likelihood == "window":
        return (N + 1, -1) if margin < 0 else (max(0, -((inside - N) // 2)), min(N, (N + inside) // 2))
    if margin <= 0:
        return 0, min(N, (N + inside) // 2)
    # smallest integer s with s^2 >= kappa^2 N, s > 0
    outside = inside if inside * inside == margin * margin * N else inside + 1
    return 0, (N - outside) // 2


class _Engine:
    """A perceptron problem in the form that the bit-parallel kernels take."""

    def __init__(self, patterns: ArrayLike, kappa: float, likelihood: str, labels: ArrayLike | None) -> None:
        signs = check_signs("patterns", patterns, (-1, -1))
        P, N = signs.shape
        if not 1 <= N <= MAX_SITES:
            raise ValueError(f"patterns: got N = {N} sites, takes N from 1 to {MAX_SITES}")
        if labels is not None:
            signs = signs * check_signs("labels", labels, (P,))[:, None]
        least, most = mismatch_budget(N, kappa, likelihood)
        codes = encode_weights(signs)
        self.n_low = min(N, _bits.LANE_BITS)
        self.n_words = 1 << (N - self.n_low)
        self.high = codes >> np.uint64(self.n_low)
        low = codes & np.uint64((1 << self.n_low) - 1)
        self.masks = _bits.lane_masks(low, self.n_low, N - self.n_low, least, most)
        self.all_lanes = np.uint64((1 << (1 << self.n_low)) - 1)
