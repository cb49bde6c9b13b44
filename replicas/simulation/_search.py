"""Depth-first search for binary weights, pruned by the patterns and by pairs of patterns: the kernels of `search`.

The budgets of mismatches that the conditions leave (`_plant`), 8 bits each, lie side by side in machine words, 64 to a vector of
`_lanes`. Their highest bits are guards: a site takes one subtraction from each word, and a budget overdrawn clears its guard. Two
sites are assigned at a time. The last 9 are the 512 lanes of a vector, as in `_bits`, where the patterns alone decide.

Nodes are worked off in blocks, one level at a time, depth first between blocks: children are stored one after the other and those
that are refused overwritten, so that no branch has to be predicted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ._bits import Machine, Patterns, find_rows, put_codes, solutions
from ._lanes import WORDS, aligned, both, count_bits, guarded, is_zero, load, minus, overdrawn, store
from ._plant import Integers, Tree, Words

BLOCK = 256
"""Nodes of a level that are held at once: with the levels below it they stay in the cache."""


@njit(cache=True, nogil=True)
def expand(
    tree: Tree, step: int, states: Words, codes: Words, span: tuple[int, int], children: Words, child_codes: Words
) -> int:
    """Put the children of the nodes from span[0] to span[1] that are not refused to `children`; how many."""
    size = tree.start.size
    costs, width = tree.costs[4 * size * step : 4 * size * (step + 1)], np.uint64(tree.widths[step])
    if tree.borne.size == 0:
        return expand_pairs(costs, width, states, codes, span, children, child_codes)
    return expand_units(costs, width, states, codes, span, children, child_codes, tree.borne)


@njit(cache=True, nogil=True)
def expand_pairs(
    costs: Words, width: np.uint64, states: Words, codes: Words, span: tuple[int, int], children: Words, child_codes: Words
) -> int:
    """`expand` for the two vectors of budgets of a perceptron."""
    a0, a1, b0, b1 = load(costs, 0), load(costs, 8), load(costs, 16), load(costs, 24)
    c0, c1, d0, d1 = load(costs, 32), load(costs, 40), load(costs, 48), load(costs, 56)
    n = 0
    for node in range(span[0], span[1]):
        s0, s1 = load(states, 16 * node), load(states, 16 * node + 8)
        code = codes[node] << width
        n += offer(minus(s0, a0), minus(s1, a1), code, n, children, child_codes)
        n += offer(minus(s0, b0), minus(s1, b1), code + np.uint64(1), n, children, child_codes)
        n += offer(minus(s0, c0), minus(s1, c1), code + np.uint64(2), n, children, child_codes)
        n += offer(minus(s0, d0), minus(s1, d1), code + np.uint64(3), n, children, child_codes)
    return n


@njit(cache=True, nogil=True, inline="always")
def offer(low: object, high: object, code: np.uint64, n: int, children: Words, child_codes: Words) -> bool:
    """Store a child as the n-th; whether it stays, or the next one is to overwrite it."""
    store(children, 16 * n, low)
    store(children, 16 * n + 8, high)
    child_codes[n] = code
    return guarded(both(low, high))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def expand_units(
    costs: Words,
    width: np.uint64,
    states: Words,
    codes: Words,
    span: tuple[int, int],
    children: Words,
    child_codes: Words,
    borne: Words,
) -> int:
    """`expand` for machines: in each block of 64 patterns as many vectors as there are units."""
    size, blocks = costs.size // 4, borne.size // WORDS
    units = size // borne.size
    n = 0
    for node in range(span[0], span[1]):
        for child in range(1 << np.int64(width)):
            stays = True
            for block in range(blocks):
                left = load(borne, WORDS * block)
                for j in range(units):
                    place = WORDS * (block * units + j)
                    state = minus(load(states, size * node + place), load(costs, size * child + place))
                    store(children, size * n + place, state)
                    left = minus(left, overdrawn(state))
                stays = stays and guarded(left)
            child_codes[n] = (codes[node] << width) + np.uint64(child)
            n += stays
    return n


@njit(cache=True, nogil=True)
def grow(tree: Tree, wanted: int) -> tuple[int, Words, Words]:
    """The first level with that many nodes, or the last: its step, the states and the codes of its nodes."""
    states, codes = tree.start.copy(), np.zeros(1, np.uint64)
    step = 0
    while step < tree.widths.size and 0 < codes.size < wanted:
        n = codes.size
        # one more than there can be: refused children are written, too
        children, child_codes = aligned((4 * n + 1) * tree.start.size), np.empty(4 * n + 1, np.uint64)
        n = expand(tree, step, states, codes, (0, n), children, child_codes)
        states, codes = children[: n * tree.start.size].copy(), child_codes[:n].copy()
        step += 1
    return step, states, codes


@njit(cache=True, nogil=True)
def harvest(codes: Words, n: int, patterns: Patterns, machine: Machine, rows: Integers, found: int, out: Words) -> int:
    """Number of solutions in n leaves and of those found before; their codes go to `out` while there is room."""
    above = np.uint64(0)
    while machine.n_words >> np.int64(above) > 1:
        above += np.uint64(1)
    lanes = np.empty(WORDS, np.uint64)
    others = np.uint64(0)
    find_rows(patterns, machine, 0, rows)
    for leaf in range(n):
        code = codes[leaf]
        if code >> above != others:
            others = code >> above
            find_rows(patterns, machine, np.int64(others), rows)
        word = code & np.uint64(machine.n_words - 1)
        alive = solutions(patterns.high, patterns.masks, rows, machine.lanes, word)
        if not is_zero(alive):
            if out.size:
                store(lanes, 0, alive)
                found = put_codes(lanes, code << np.uint64(machine.n_low), out, found)
            else:
                found += count_bits(alive)
    return found


class Work(NamedTuple):
    """How far the search below some nodes of a level has come: it can be left and taken up again."""

    below: NDArray[np.uint64]  # (levels below, words): states of the nodes held
    below_codes: NDArray[np.uint64]
    at: Integers  # (steps + 1,): the first node of each level that is not worked off
    size: Integers  # (steps + 1,): nodes of each level
    cursor: Integers  # the level, solutions found since their codes were taken


@njit(cache=True, nogil=True)
def begin(tree: Tree, step: int, span: tuple[int, int]) -> Work:
    """Before the nodes from span[0] to span[1] of a level."""
    steps, nodes = tree.widths.size, BLOCK + 1
    below = aligned((steps - step) * nodes * tree.start.size).reshape(steps - step, nodes * tree.start.size)
    below_codes = np.empty((steps - step, nodes), np.uint64)
    size, at = np.zeros(steps + 1, np.int64), np.zeros(steps + 1, np.int64)
    at[step], size[step] = span
    return Work(below, below_codes, at, size, np.array([step, 0]))


@njit(cache=True, nogil=True)
def search(
    tree: Tree, patterns: Patterns, machine: Machine, step: int, states: Words, codes: Words, work: Work, quota: int, out: Words
) -> bool:
    """Work off at most so many blocks; whether all is done. Codes go to `out`, unless it is empty, until it is nearly full."""
    steps, at, size = tree.widths.size, work.at, work.size
    rows = np.zeros(patterns.high.size, np.int64)
    level, found = work.cursor
    while quota > 0 and level >= step:
        here, first = level - step, at[level]
        if first == size[level]:
            level -= 1
        elif level == steps:
            last = min(size[level], first + BLOCK)
            if out.size and out.size - found < (last - first) << machine.n_low:
                break
            leaves = codes if here == 0 else work.below_codes[here - 1]
            found = harvest(leaves[first:last], last - first, patterns, machine, rows, found, out)
            at[level] = last
            quota -= 1
        else:
            at[level] = min(size[level], first + BLOCK // 4)
            part = (first, at[level])
            if here == 0:
                n = expand(tree, level, states, codes, part, work.below[0], work.below_codes[0])
            else:
                held = work.below[here - 1], work.below_codes[here - 1]
                n = expand(tree, level, held[0], held[1], part, work.below[here], work.below_codes[here])
            level += 1
            at[level], size[level] = 0, n
            quota -= 1
    work.cursor[0], work.cursor[1] = level, found
    return level < step
