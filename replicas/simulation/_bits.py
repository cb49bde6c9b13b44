"""Bit-parallel kernels for binary weights: 64 weight vectors a machine word.

A weight vector of N bits (bit i set: W_i = +1) is split into its 6 low bits, which label the 64 lanes of a
word, and its N - 6 high bits, which all the lanes of a word share. A pattern disagrees with the lane l of the
word h on

    mismatches = popcount(pattern_high ^ h) + popcount(pattern_low ^ l)

sites: the first term is one instruction for 64 weight vectors, the second takes only 7 values, so the lanes
that satisfy the pattern are *one table look-up*. A word costs an exclusive or, a population count, a look-up
and an `and` a pattern (ripple counters would cost about 5 N operations), and is left as soon as its 64 lanes
are all dead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Words = NDArray[np.uint64]
LANE_BITS = 6
"""log2 of the lanes in a word."""


def _popcount(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


popcount: Any = intrinsic(_popcount)
"""Number of set bits of a 64-bit word, as the machine instruction."""


def lane_masks(low_bits: Words, n_low: int, n_high: int, least: int, most: int) -> Words:
    """Table [pattern, high mismatches] of the lanes with least <= mismatches <= most in total.

    Takes the low bits of the patterns, shape (P,), the numbers of low and high bits, the mismatch budget.
    """
    lanes = np.arange(1 << n_low, dtype=np.uint64)
    low = np.bitwise_count(low_bits[:, None] ^ lanes).astype(np.int64)
    total = low[:, None, :] + np.arange(n_high + 1)[None, :, None]
    alive = (total >= least) & (total <= most)
    return np.bitwise_or.reduce(np.where(alive, np.uint64(1) << lanes, np.uint64(0)), axis=-1)


@njit(cache=True, nogil=True)
def count_by_load(high_bits: Words, masks: Words, all_lanes: np.uint64, n_words: int) -> NDArray[np.int64]:
    """Number of weight vectors that satisfy the first 0, 1, ..., P patterns."""
    n_patterns = high_bits.size
    counts = np.zeros(n_patterns + 1, np.int64)
    for word in range(n_words):
        alive = all_lanes
        for mu in range(n_patterns):
            alive &= masks[mu, popcount(high_bits[mu] ^ np.uint64(word))]
            if alive == 0:
                break
            counts[mu + 1] += np.int64(popcount(alive))
    counts[0] = n_words * np.int64(popcount(all_lanes))
    return counts


@njit(cache=True, nogil=True)
def list_codes(
    high_bits: Words, masks: Words, all_lanes: np.uint64, words: tuple[int, int], codes: NDArray[np.uint32]
) -> int:
    """Put the codes of the solutions with words[0] <= word < words[1] to `codes`, increasing; how many."""
    found = 0
    one = np.uint64(1)
    n_low = popcount(popcount(all_lanes) - one)  # log2 of the number of lanes
    for word in range(words[0], words[1]):
        alive = all_lanes
        for mu in range(high_bits.size):
            alive &= masks[mu, popcount(high_bits[mu] ^ np.uint64(word))]
            if alive == 0:
                break
        while alive != 0:
            lane = popcount((alive & (~alive + one)) - one)
            codes[found] = (np.uint64(word) << n_low) | lane
            found += 1
            alive &= alive - one
    return found


@njit(cache=True, nogil=True)
def mismatch_counts(patterns: Words, codes: NDArray[np.uint32], n_sites: int) -> NDArray[np.int64]:
    """Number of (weight vector, pattern) pairs with 0, 1, ..., N mismatches."""
    counts = np.zeros(n_sites + 1, np.int64)
    for code in codes:
        for pattern in patterns:
            counts[popcount(np.uint64(code) ^ pattern)] += 1
    return counts
