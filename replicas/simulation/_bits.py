"""Bit-parallel kernels for binary weights: 64 weight vectors a machine word.

A weight vector of N bits (bit i set: W_i = +1) is cut into K branches of n = N/K bits, the first branch lowest.
The 6 low bits of the first branch label the 64 lanes of a word; all the lanes of a word share its n - 6 high
bits and the other branches. On branch j a pattern disagrees with the weights on

    mismatches_j = popcount((pattern ^ weights) & branch_j)

sites, which decides whether the unit of the branch is positive. The other branches give one number of positive
units for a whole run of words; in the first branch the high bits give one population count for 64 weight
vectors and the low bits take only 7 values. So the lanes that satisfy the pattern are *one table look-up*, by
(positive units of the other branches, high mismatches of the first). A word costs an exclusive or, a
population count, a look-up and an `and` a pattern (ripple counters would cost about 5 N operations), and is
left as soon as its 64 lanes are all dead. One branch is the perceptron.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Words = NDArray[np.uint64]
LANE_BITS = 6
"""log2 of the lanes in a word."""


class Machine(NamedTuple):
    """Shape of the machine: the lanes of a word, words of the first branch, settings of the other branches."""

    all_lanes: np.uint64
    n_words: int
    n_others: int
    branches: Words  # masks of the other branches, in the bits that follow the first
    positive: NDArray[np.int64]  # 1 where a unit with 0, 1, ..., n mismatches is positive, else 0


class Patterns(NamedTuple):
    """Patterns cut like the weights: high bits of the first branch, other branches, and the satisfying lanes."""

    high: Words
    others: Words
    masks: Words  # flat [pattern, positive units of the other branches, high mismatches of the first]


def _popcount(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


popcount: Any = intrinsic(_popcount)
"""Number of set bits of a 64-bit word, as the machine instruction."""


def lane_masks(low_bits: Words, n_low: int, positive: NDArray[np.int64], accepted: NDArray[np.bool_]) -> Words:
    """Flat table [pattern, positive units of the other branches, high mismatches] of the lanes that satisfy it.

    Takes the low bits of the patterns, shape (P,), their number, `Machine.positive`, and for each pattern the
    numbers 0, ..., K of positive units that satisfy it, shape (P, K + 1).
    """
    lanes = np.arange(1 << n_low, dtype=np.uint64)
    low = np.bitwise_count(low_bits[:, None] ^ lanes).astype(np.int64)
    n_high, K = positive.size - 1 - n_low, accepted.shape[1] - 1
    first = positive[low[:, None, None, :] + np.arange(n_high + 1)[:, None]]
    units = first + np.arange(K)[:, None, None]
    alive = accepted[np.arange(low_bits.size)[:, None, None, None], units]
    return np.bitwise_or.reduce(np.where(alive, np.uint64(1) << lanes, np.uint64(0)), axis=-1).ravel()


@njit(cache=True, nogil=True)
def find_rows(patterns: Patterns, machine: Machine, others: int, rows: Words) -> None:
    """Put to `rows` where in the flat table of masks each pattern's row for these other branches begins."""
    n_patterns = patterns.high.size
    length = patterns.masks.size // max(n_patterns, 1) // (machine.branches.size + 1)
    for mu in range(n_patterns):
        differing = patterns.others[mu] ^ np.uint64(others)
        row = mu * (machine.branches.size + 1)
        for branch in machine.branches:
            row += machine.positive[popcount(differing & branch)]
        rows[mu] = row * length


# the loops over the words of the first branch are functions of plain arrays: within the loop over the other
# branches, with the tuples in sight, the compiler leaves them twice as slow


@njit(cache=True, nogil=True)
def count_by_load(patterns: Patterns, machine: Machine) -> NDArray[np.int64]:
    """Number of weight vectors that satisfy the first 0, 1, ..., P patterns."""
    counts = np.zeros(patterns.high.size + 1, np.int64)
    rows = np.zeros(patterns.high.size, np.uint64)
    for others in range(machine.n_others):
        find_rows(patterns, machine, others, rows)
        _add_counts(patterns.high, patterns.masks, rows, machine.all_lanes, machine.n_words, counts)
    counts[0] = machine.n_others * machine.n_words * np.int64(popcount(machine.all_lanes))
    return counts


@njit(cache=True, nogil=True)
def _add_counts(
    high: Words, masks: Words, rows: Words, all_lanes: np.uint64, n_words: int, counts: NDArray[np.int64]
) -> None:
    for word in range(n_words):
        alive = all_lanes
        for mu in range(high.size):
            alive &= masks[rows[mu] + popcount(high[mu] ^ np.uint64(word))]
            if alive == 0:
                break
            counts[mu + 1] += np.int64(popcount(alive))


@njit(cache=True, nogil=True)
def add_votes(
    patterns: Patterns, fresh: Patterns, machine: Machine, asked: NDArray[np.bool_], votes: NDArray[np.int64]
) -> None:
    """Add to votes[p, nu], where asked[p], the number of weight vectors that satisfy the first p patterns and the
    fresh pattern nu."""
    rows, fresh_rows = np.zeros(patterns.high.size, np.uint64), np.zeros(fresh.high.size, np.uint64)
    for others in range(machine.n_others):
        find_rows(patterns, machine, others, rows)
        find_rows(fresh, machine, others, fresh_rows)
        trained, unseen = (patterns.high, patterns.masks, rows), (fresh.high, fresh.masks, fresh_rows)
        _add_word_votes(trained, unseen, machine.all_lanes, machine.n_words, asked, votes)


@njit(cache=True, nogil=True)
def _add_word_votes(
    trained: tuple[Words, Words, Words],
    unseen: tuple[Words, Words, Words],
    all_lanes: np.uint64,
    n_words: int,
    asked: NDArray[np.bool_],
    votes: NDArray[np.int64],
) -> None:
    high, masks, rows = trained
    fresh_high, fresh_masks, fresh_rows = unseen
    for word in range(n_words):
        alive = all_lanes
        for p in range(high.size + 1):
            if p > 0:
                alive &= masks[rows[p - 1] + popcount(high[p - 1] ^ np.uint64(word))]
            if alive == 0:
                break
            if asked[p]:
                for nu in range(fresh_high.size):
                    lanes = fresh_masks[fresh_rows[nu] + popcount(fresh_high[nu] ^ np.uint64(word))]
                    votes[p, nu] += np.int64(popcount(alive & lanes))


@njit(cache=True, nogil=True)
def list_codes(
    patterns: Patterns, machine: Machine, words: tuple[int, int], codes: NDArray[np.uint32]
) -> int:
    """Put the codes of the solutions with words[0] <= word < words[1] to `codes`, increasing; how many."""
    found = 0
    rows = np.zeros(patterns.high.size, np.uint64)
    start = words[0]
    while start < words[1]:
        others = start // machine.n_words
        stop = min(words[1], (others + 1) * machine.n_words)
        find_rows(patterns, machine, others, rows)
        shared = others * machine.n_words
        block = (start - shared, stop - shared)
        found = _list_words(patterns.high, patterns.masks, rows, machine.all_lanes, block, shared, codes, found)
        start = stop
    return found


@njit(cache=True, nogil=True)
def _list_words(
    high: Words,
    masks: Words,
    rows: Words,
    all_lanes: np.uint64,
    words: tuple[int, int],
    shared: int,
    codes: NDArray[np.uint32],
    found: int,
) -> int:
    one = np.uint64(1)
    n_low = popcount(popcount(all_lanes) - one)  # log2 of the number of lanes
    for word in range(words[0], words[1]):
        alive = all_lanes
        for mu in range(high.size):
            alive &= masks[rows[mu] + popcount(high[mu] ^ np.uint64(word))]
            if alive == 0:
                break
        while alive != 0:
            lane = popcount((alive & (~alive + one)) - one)
            codes[found] = (np.uint64(shared + word) << n_low) | lane
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
