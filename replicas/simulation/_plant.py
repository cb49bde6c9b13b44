"""What the search of `_search` starts from: the conditions that prune it, the order of the sites, budgets and what takes them.

In mismatches a pattern x (gauged by its label) allows the weights W

    #{i : W_i != x_i} <= b,   that is   x . W >= N - 2 b

and a window bounds them from below, too: a second condition of this form, on -x. Half the sum of two conditions (x, b) and
(z, c) is one on the sites A alone where x and z agree, about N/2 of them,

    #{i in A : W_i != x_i} <= floor((|A| - N + b + c) / 2)

A condition on few sites closes early: it refuses a prefix of the weights long before the patterns do. Sites are assigned in the
order that closes the conditions soonest.

A machine of K units has no linear conditions: a pattern may be satisfied though the field of a unit is negative, so that nothing
follows from the sum of two patterns, and *pairs are not used*. It keeps a budget for each unit and pattern. One overdrawn stays
so (no byte borrows from the next: a budget b >= 0 is overdrawn by at most 63, and 128 + b - 63 > 0); the unit is then negative
whatever follows, and the prefix is refused when more units of a pattern are than it bears.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ._lanes import WORDS, popcount
from .codes import MAX_SEARCH_SITES

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

CONDITIONS = 128
"""Conditions of a perceptron whose budgets are kept, two vectors: the strongest. Fewer refuse less (64 leave 1.6 times the nodes
of all 210 at N = 41, 128 hardly more than all), more cost more a node."""
PAIRED = 512
"""Conditions that are paired, the first ones: their pairs are many times more than are kept."""
GUARD = np.uint64(0x8080808080808080)
EVERY_BYTE = np.uint64(0x0101010101010101)
LANES = 8 * WORDS


class Tree(NamedTuple):
    """Steps of the search and what they take from the budgets; the first site assigned is the highest bit of a code."""

    start: Words  # (state,): budgets with guards at the root
    costs: Words  # flat [step, child, state]
    widths: Integers  # (steps,): sites that a step assigns, 1 or 2
    borne: Words  # (8 * blocks of patterns,): negative units that a pattern bears, with guards; empty: no budget may be overdrawn


@cache
def log_tails() -> NDArray[np.float64]:
    """log Prob(mismatches <= b) of k random sites, [k, b]."""
    size = MAX_SEARCH_SITES + 2
    rows = [[math.comb(k, j) if j <= k else 0 for j in range(size)] for k in range(size)]
    return np.log(np.cumsum(np.array(rows, float), axis=1) / 2.0 ** np.arange(size)[:, None])


@njit(cache=True, nogil=True)
def pair(patterns: Words, budgets: Integers, n_sites: int) -> tuple[Words, Words, Integers]:
    """Sites, signs and budgets of all conditions that can be violated: those given and those of their pairs."""
    n, paired = patterns.size, min(patterns.size, PAIRED)
    room = n + paired * (paired - 1) // 2
    sites, signs, allowed = np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.int64)
    full = (np.uint64(1) << np.uint64(n_sites)) - np.uint64(1)
    found = 0
    for i in range(n):
        for j in range(0 if i < paired else i, i + 1):
            agree = full & ~(patterns[i] ^ patterns[j])
            size = np.int64(popcount(agree))
            budget = (size - n_sites + budgets[i] + budgets[j]) >> 1
            if budget < size:
                sites[found], signs[found], allowed[found] = agree, patterns[i], budget
                found += 1
    return sites[:found], signs[:found], allowed[:found]


@njit(cache=True, nogil=True)
def order_sites(sites: Words, allowed: Integers, n_sites: int, last: int, tails: NDArray[np.float64]) -> Integers:
    """Sites in the order of assignment, each the one that most restricts the conditions; the `last` ones as they come."""
    order = np.empty(n_sites, np.int64)
    taken = np.zeros(n_sites, np.bool_)
    assigned = np.zeros(sites.size, np.int64)
    gains = np.empty(sites.size)
    for place in range(n_sites):
        best, chosen = -1.0, -1
        if place < n_sites - last:
            for c in range(sites.size):
                gains[c] = tails[assigned[c], allowed[c]] - tails[assigned[c] + 1, allowed[c]]
        for i in range(n_sites):
            if taken[i]:
                continue
            gain = 0.0
            if place < n_sites - last:
                for c in range(sites.size):
                    if (sites[c] >> np.uint64(i)) & np.uint64(1):
                        gain += gains[c]
            if gain > best:
                best, chosen = gain, i
        order[place] = chosen
        taken[chosen] = True
        for c in range(sites.size):
            assigned[c] += np.int64((sites[c] >> np.uint64(chosen)) & np.uint64(1))
    return order


@njit(cache=True, nogil=True)
def permute(codes: Words, order: Integers, forward: bool) -> Words:
    """Codes with site order[k] moved to bit N - 1 - k, or moved back."""
    moved = np.zeros(codes.size, np.uint64)
    for k in range(order.size):
        a, b = np.uint64(order[k]), np.uint64(order.size - 1 - k)
        if not forward:
            a, b = b, a
        for c in range(codes.size):
            moved[c] |= ((codes[c] >> a) & np.uint64(1)) << b
    return moved


@njit(cache=True, nogil=True)
def step_widths(levels: int) -> Integers:
    """Sites that each step assigns: two, the first step one of an odd number."""
    widths = np.full((levels + 1) // 2, 2, np.int64)
    if levels % 2:
        widths[0] = 1
    return widths


def strongest(sites: Words, allowed: Integers) -> Integers:
    """The conditions to keep: those least likely to be met once most of their sites are assigned at random."""
    met = log_tails()[4 * np.bitwise_count(sites).astype(np.int64) // 5, allowed]
    return np.sort(np.argsort(met, kind="stable")[:CONDITIONS])


@njit(cache=True, nogil=True)
def plant(
    sites: Words, signs: Words, allowed: Integers, shape: tuple[int, int], halved: bool, tails: NDArray[np.float64]
) -> tuple[Integers, Tree]:
    """Order of the sites and tree of a perceptron, for at most CONDITIONS conditions.

    `shape` is the number of sites, and of the last ones among them, left to the leaves; `halved` leaves the first site at -1.
    """
    n_sites, last = shape
    order = order_sites(sites, allowed, n_sites, last, tails)
    widths = step_widths(n_sites - last)
    state = CONDITIONS // 8
    start = np.full(state, GUARD, np.uint64)
    costs = np.zeros((widths.size, 4, state), np.uint64)
    for c in range(sites.size):
        start[c >> 3] += np.uint64(allowed[c]) << np.uint64(8 * (c & 7))
        add_costs(costs, widths, order, sites[c], signs[c], c)
    for step in range(widths.size):
        for child in range(4):
            if child >> widths[step] or (halved and step == 0 and child >> (widths[step] - 1)):
                refuse(costs[step, child])
    return order, Tree(start, costs.ravel(), widths, np.zeros(0, np.uint64))


@njit(cache=True, nogil=True)
def plant_machine(
    patterns: Words, branches: Words, most: int, borne: Integers, n_sites: int, last: int
) -> Tree:
    """Tree of a machine for patterns that bear so many negative units, those with more than `most` mismatches.

    Sites in the order of the bits, highest first: a unit after the other, so that they are decided one by one.
    """
    order = np.arange(n_sites)[::-1].copy()
    widths = step_widths(n_sites - last)
    blocks = (patterns.size + LANES - 1) // LANES
    size = blocks * branches.size * WORDS
    start = np.full(size, GUARD + np.uint64(most) * EVERY_BYTE, np.uint64)
    bears = np.full(blocks * WORDS, GUARD + np.uint64(branches.size) * EVERY_BYTE, np.uint64)
    costs = np.zeros((widths.size, 4, size), np.uint64)
    for mu in range(patterns.size):
        lane = mu % LANES
        block = mu // LANES
        bears[block * WORDS + lane // 8] -= np.uint64(branches.size - borne[mu]) << np.uint64(8 * (lane % 8))
        for j in range(branches.size):
            add_costs(costs, widths, order, branches[j], patterns[mu], (block * branches.size + j) * LANES + lane)
    return Tree(start, costs.ravel(), widths, bears)


@njit(cache=True, nogil=True)
def add_costs(costs: NDArray[np.uint64], widths: Integers, order: Integers, sites: np.uint64, signs: np.uint64, lane: int) -> None:
    """Add to the costs of every child what it takes from the budget of a condition: a mismatch on its sites."""
    one = np.uint64(1)
    unit = one << np.uint64(8 * (lane & 7))
    place = 0
    for step in range(widths.size):
        for j in range(widths[step] - 1, -1, -1):
            site = np.uint64(order[place])
            place += 1
            if (sites >> site) & one:
                for child in range(1 << widths[step]):
                    if (np.uint64(child) >> np.uint64(j)) & one != (signs >> site) & one:
                        costs[step, child, lane >> 3] += unit


@njit(cache=True, nogil=True)
def refuse(cost: Words) -> None:
    """Make a child overdraw whatever its budgets are: its first guard is taken."""
    cost[:] = 0
    cost[0] = np.uint64(128)
