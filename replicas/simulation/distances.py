"""Distances between the listed solutions of one sample, and the solutions around each of them.

    D(a, b) = number of weights in which the solutions a and b differ,   d = D/N,   overlap q = 1 - 2 d
    N_D(w~) = number of solutions at distance D from w~,   local entropy of a solution at d: (1/N) log N_D

from the codes that `enumerate_solutions` gives, at any N that it takes: n solutions cost n^2 population counts. (All 2^N
configurations as references, with other margins and the moments in y, are in `neighbourhoods`, at N <= 24.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from ._checks import check_integer
from ._lanes import popcount
from .codes import MAX_SEARCH_SITES, check_codes
from .neighbourhoods import Neighbourhoods, Shell, ShellEntropy

Counts = NDArray[np.int64]
Words = NDArray[np.uint64]
_CALL_PAIRS = 1 << 24
"""Pairs between two chances to cancel."""


def pair_distances(codes: ArrayLike, N: int) -> Counts:
    """Number of pairs of solutions at Hamming distance 0, 1, ..., N, shape (N + 1,); they add up to n (n - 1)/2.

    The distribution of the overlap between two solutions drawn at random is that of q = 1 - 2 D/N with these weights (and
    1/n for twice the same one).

    Parameters
    ----------
    codes : array (n,) of the solutions, as `enumerate_solutions` lists them;  N : number of weights, 1 to 63

    Raises
    ------
    ValueError : N outside this range, or codes that are not of N weights
    """
    sites = check_integer("N", N, at_least=1, at_most=MAX_SEARCH_SITES)
    words = check_codes(codes, sites)
    counts = np.zeros(sites + 1, np.int64)
    for rows in _blocks(words.size, words.size):
        _add_pairs(words, rows, counts)
    return counts


def solution_shells(codes: ArrayLike, N: int, references: ArrayLike | None = None) -> Counts:
    """N_D(w~) for each reference w~: numbers of solutions at distance 0, 1, ..., N, shape (references, N + 1).

    Parameters
    ----------
    codes, N : as for `pair_distances`
    references : array (r,) of codes, solutions or not; the solutions themselves if absent

    Raises
    ------
    ValueError : as for `pair_distances`
    """
    sites = check_integer("N", N, at_least=1, at_most=MAX_SEARCH_SITES)
    words = check_codes(codes, sites)
    centres = words if references is None else check_codes(references, sites)
    counts = np.zeros((centres.size, sites + 1), np.int64)
    for first, last in _blocks(centres.size, words.size):
        _add_shells(words, centres[first:last], counts[first:last])
    return counts


def shell_entropy(
    codes: ArrayLike, N: int, references: ArrayLike | None = None, distances: Sequence[int] | None = None
) -> ShellEntropy:
    """Entropy per weight of the solutions at each distance from the references: mean, median, log of the mean, empty shells.

    Parameters
    ----------
    codes, N, references : as for `solution_shells`
    distances : integers from 0 to N, all of them if absent

    Raises
    ------
    ValueError : as for `solution_shells`, or a distance outside its range
    """
    counts = solution_shells(codes, N, references)
    wanted = range(N + 1) if distances is None else distances
    shells = []
    for D in (check_integer("distances", D, at_least=0, at_most=N) for D in wanted):
        numbers, references_with = np.unique(counts[:, D], return_counts=True)
        # who else has how many is not counted here
        shells.append(Shell(D, numbers, np.zeros_like(numbers), references_with))
    return Neighbourhoods(N, np.size(codes), len(counts), tuple(shells)).around_references()


def _blocks(rows: int, columns: int) -> list[tuple[int, int]]:
    size = max(1, _CALL_PAIRS // max(1, columns))
    return [(first, min(rows, first + size)) for first in range(0, rows, size)]


@njit(cache=True, nogil=True)
def _add_pairs(codes: Words, rows: tuple[int, int], counts: Counts) -> None:
    # two histograms in turn: the next increment does not wait for the last one
    other = np.zeros(counts.size, np.int64)
    for i in range(rows[0], rows[1]):
        code = codes[i]
        j = i + 1
        while j + 1 < codes.size:
            counts[popcount(code ^ codes[j])] += 1
            other[popcount(code ^ codes[j + 1])] += 1
            j += 2
        if j < codes.size:
            counts[popcount(code ^ codes[j])] += 1
    for D in range(counts.size):
        counts[D] += other[D]


@njit(cache=True, nogil=True)
def _add_shells(codes: Words, centres: Words, counts: Counts) -> None:
    for r in range(centres.size):
        centre = centres[r]
        for code in codes:
            counts[r, popcount(centre ^ code)] += 1
