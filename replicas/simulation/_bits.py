"""Bit-parallel kernels for binary weights: 64 weight vectors a machine word, 8 words an operation.

A weight vector of N bits (bit i set: W_i = +1) is cut into K branches of n = N/K bits, the first branch lowest.
The 9 low bits of the first branch label the 512 lanes of a vector (`_lanes`); all the lanes of a vector share its
n - 9 high bits, which number it, and the other branches. On branch j a pattern disagrees with the weights on

    mismatches_j = popcount((pattern ^ weights) & branch_j)

sites, which decides whether the unit of the branch is positive. The other branches give one number of positive
units for a whole run of vectors; in the first branch the high bits give one population count for 512 weight
vectors and the low bits take only 10 values. So the lanes that satisfy the pattern are *one table look-up*, by
(positive units of the other branches, high mismatches of the first). A vector costs an exclusive or, a
population count, a look-up and an `and` a pattern (ripple counters would cost about 5 N operations), and is
left as soon as its lanes are all dead. One branch is the perceptron.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ._lanes import WORDS, aligned, bit_counts, both, count_bits, is_zero, load, plus, popcount, store, total

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

LANE_BITS = 9
"""log2 of the lanes of a vector."""


class Machine(NamedTuple):
    """Shape of the machine: the lanes of a vector, vectors of the first branch, settings of the other branches."""

    lanes: Words  # (8,): the lanes that stand for weight vectors, all of them unless the first branch has fewer bits
    n_low: int
    n_words: int
    n_others: int
    branches: Words  # masks of the other branches, in the bits that follow the first
    positive: Integers  # 1 where a unit with 0, 1, ..., n mismatches is positive, else 0


class Patterns(NamedTuple):
    """Patterns cut like the weights: high bits of the first branch, other branches, and the satisfying lanes."""

    high: Words
    others: Words
    masks: Words  # flat [pattern, positive units of the other branches, high mismatches of the first, 8]


@njit(cache=True, nogil=True)
def lane_masks(low_bits: Words, n_low: int, positive: Integers, accepted: NDArray[np.bool_]) -> Words:
    """Flat table [pattern, positive units of the other branches, high mismatches, 8] of the lanes that satisfy it.

    Takes the low bits of the patterns, shape (P,), their number, `Machine.positive`, and for each pattern the
    numbers 0, ..., K of positive units that satisfy it, shape (P, K + 1).
    """
    K, rows = accepted.shape[1] - 1, positive.size - n_low
    masks = aligned(low_bits.size * K * rows * WORDS)
    masks[:] = 0
    place = 0
    differing = np.empty((n_low + 1, WORDS), np.uint64)  # lanes by their mismatches
    for mu in range(low_bits.size):
        differing[:] = 0
        for lane in range(1 << n_low):
            differing[popcount(low_bits[mu] ^ np.uint64(lane)), lane >> 6] |= np.uint64(1) << np.uint64(lane & 63)
        for others in range(K):
            for h in range(rows):
                for k in range(n_low + 1):
                    if accepted[mu, others + positive[h + k]]:
                        for w in range(WORDS):
                            masks[place + w] |= differing[k, w]
                place += WORDS
    return masks


@njit(cache=True, nogil=True)
def find_rows(patterns: Patterns, machine: Machine, others: int | np.int64, rows: Integers) -> None:
    """Put to `rows` where in the flat table of masks each pattern's row for these other branches begins."""
    n_patterns = patterns.high.size
    length = patterns.masks.size // max(n_patterns, 1) // (machine.branches.size + 1)
    for mu in range(n_patterns):
        differing = patterns.others[mu] ^ np.uint64(others)
        row = mu * (machine.branches.size + 1)
        for branch in machine.branches:
            row += machine.positive[popcount(differing & branch)]
        rows[mu] = row * length


# the loops over the vectors of the first branch are functions of plain arrays: within the loop over the other
# branches, with the tuples in sight, the compiler leaves them twice as slow


@njit(cache=True, nogil=True, inline="always")
def satisfying(high: Words, masks: Words, rows: Integers, word: np.uint64, mu: int) -> object:
    """Lanes of a vector that satisfy the pattern mu."""
    return load(masks, rows[mu] + WORDS * np.int64(popcount(high[mu] ^ word)))


@njit(cache=True, nogil=True, inline="always")
def solutions(high: Words, masks: Words, rows: Integers, lanes: Words, word: np.uint64) -> object:
    """Lanes of a vector that satisfy every pattern."""
    alive = load(lanes, 0)
    mu = 0
    # four at a time: fewer branches, and the four look-ups wait for each other less
    while mu + 4 <= high.size:
        first = both(satisfying(high, masks, rows, word, mu), satisfying(high, masks, rows, word, mu + 1))
        second = both(satisfying(high, masks, rows, word, mu + 2), satisfying(high, masks, rows, word, mu + 3))
        alive = both(alive, both(first, second))
        if is_zero(alive):
            return alive
        mu += 4
    while mu < high.size:
        alive = both(alive, satisfying(high, masks, rows, word, mu))
        mu += 1
    return alive


@njit(cache=True, nogil=True)
def settings(machine: Machine, words: tuple[int, int]) -> tuple[int, int]:
    """Settings of the other branches that the vectors from words[0] up to words[1] have: from the first up to the second."""
    return words[0] // machine.n_words, -(-words[1] // machine.n_words)


@njit(cache=True, nogil=True)
def vectors(machine: Machine, others: int, words: tuple[int, int]) -> tuple[int, int]:
    """Which vectors of the first branch have these other branches and are among `words`."""
    shared = others * machine.n_words
    return max(words[0] - shared, 0), min(words[1] - shared, machine.n_words)


@njit(cache=True, nogil=True)
def count(patterns: Patterns, machine: Machine, words: tuple[int, int]) -> int:
    """Number of weight vectors with words[0] <= vector < words[1] that satisfy every pattern."""
    found = 0
    rows = np.zeros(patterns.high.size, np.int64)
    first, last = settings(machine, words)
    for others in range(first, last):
        find_rows(patterns, machine, others, rows)
        own = vectors(machine, others, words)
        found += _count_words(patterns.high, patterns.masks, rows, machine.lanes, own)
    return found


@njit(cache=True, nogil=True)
def _count_words(high: Words, masks: Words, rows: Integers, lanes: Words, words: tuple[int, int]) -> int:
    found = 0
    for word in range(words[0], words[1]):
        alive = solutions(high, masks, rows, lanes, np.uint64(word))
        if not is_zero(alive):
            found += count_bits(alive)
    return found


@njit(cache=True, nogil=True)
def count_by_load(patterns: Patterns, machine: Machine) -> Integers:
    """Number of weight vectors that satisfy the first 0, 1, ..., P patterns."""
    counts = aligned((patterns.high.size + 1) * WORDS)
    counts[:] = 0
    rows = np.zeros(patterns.high.size, np.int64)
    for others in range(machine.n_others):
        find_rows(patterns, machine, others, rows)
        _add_counts(patterns.high, patterns.masks, rows, machine.lanes, machine.n_words, counts)
    totals = np.empty(patterns.high.size + 1, np.int64)
    totals[0] = machine.n_others * machine.n_words << machine.n_low
    for p in range(1, totals.size):
        totals[p] = np.int64(total(load(counts, WORDS * p)))
    return totals


@njit(cache=True, nogil=True)
def _add_counts(high: Words, masks: Words, rows: Integers, lanes: Words, n_words: int, counts: Words) -> None:
    for word in range(n_words):
        alive = load(lanes, 0)
        for mu in range(high.size):
            alive = both(alive, satisfying(high, masks, rows, np.uint64(word), mu))
            if is_zero(alive):
                break
            place = WORDS * (mu + 1)
            store(counts, place, plus(load(counts, place), bit_counts(alive)))


@njit(cache=True, nogil=True)
def add_votes(
    patterns: Patterns, fresh: Patterns, machine: Machine, asked: NDArray[np.bool_], votes: Integers
) -> None:
    """Add to votes[p, nu], where asked[p], the number of weight vectors that satisfy the first p patterns and the
    fresh pattern nu."""
    rows, fresh_rows = np.zeros(patterns.high.size, np.int64), np.zeros(fresh.high.size, np.int64)
    for others in range(machine.n_others):
        find_rows(patterns, machine, others, rows)
        find_rows(fresh, machine, others, fresh_rows)
        trained, unseen = (patterns.high, patterns.masks, rows), (fresh.high, fresh.masks, fresh_rows)
        _add_word_votes(trained, unseen, machine.lanes, machine.n_words, asked, votes)


@njit(cache=True, nogil=True)
def _add_word_votes(
    trained: tuple[Words, Words, Integers],
    unseen: tuple[Words, Words, Integers],
    lanes: Words,
    n_words: int,
    asked: NDArray[np.bool_],
    votes: Integers,
) -> None:
    high, masks, rows = trained
    fresh_high, fresh_masks, fresh_rows = unseen
    for number in range(n_words):
        word = np.uint64(number)
        alive = load(lanes, 0)
        for p in range(high.size + 1):
            if p > 0:
                alive = both(alive, satisfying(high, masks, rows, word, p - 1))
            if is_zero(alive):
                break
            if asked[p]:
                for nu in range(fresh_high.size):
                    votes[p, nu] += count_bits(both(alive, satisfying(fresh_high, fresh_masks, fresh_rows, word, nu)))


@njit(cache=True, nogil=True)
def list_codes(patterns: Patterns, machine: Machine, words: tuple[int, int], codes: Words) -> int:
    """Put the codes of the solutions with words[0] <= vector < words[1] to `codes`, increasing; how many."""
    found = 0
    rows = np.zeros(patterns.high.size, np.int64)
    first, last = settings(machine, words)
    for others in range(first, last):
        find_rows(patterns, machine, others, rows)
        own, place = vectors(machine, others, words), (others * machine.n_words, machine.n_low)
        found = _list_words(patterns.high, patterns.masks, rows, machine.lanes, own, place, codes, found)
    return found


@njit(cache=True, nogil=True)
def _list_words(
    high: Words,
    masks: Words,
    rows: Integers,
    lanes: Words,
    words: tuple[int, int],
    place: tuple[int, int],
    codes: Words,
    found: int,
) -> int:
    shared, n_low = place
    scratch = np.empty(WORDS, np.uint64)
    for word in range(words[0], words[1]):
        alive = solutions(high, masks, rows, lanes, np.uint64(word))
        if not is_zero(alive):
            store(scratch, 0, alive)
            found = put_codes(scratch, np.uint64(shared + word) << np.uint64(n_low), codes, found)
    return found


@njit(cache=True, nogil=True)
def put_codes(lanes: Words, shared: np.uint64, codes: Words, found: int) -> int:
    """Put the codes of a vector's lanes after the `found` first of `codes`, while there is room; found and these."""
    one = np.uint64(1)
    for w in range(WORDS):
        alive = lanes[w]
        while alive != 0:
            if found < codes.size:
                codes[found] = shared | np.uint64(64 * w) | popcount((alive & (~alive + one)) - one)
            found += 1
            alive &= alive - one
    return found


@njit(cache=True, nogil=True)
def mismatch_counts(patterns: Words, codes: Words, n_sites: int) -> Integers:
    """Number of (weight vector, pattern) pairs with 0, 1, ..., N mismatches."""
    counts = np.zeros(n_sites + 1, np.int64)
    for code in codes:
        for pattern in patterns:
            counts[popcount(np.uint64(code) ^ pattern)] += 1
    return counts
