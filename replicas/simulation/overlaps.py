"""Overlaps of the units of a student with those of its teacher, and averages over samples of their solutions.

    R_jl = W_j . T_l / N,   j, l = 1, ..., K

The K units of a fully connected committee can be relabelled without a change of the output: R is known up to a
permutation of its rows, and overlaps are compared after the relabelling p that maximises sum_l R_p(l),l.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from ._checks import check_integer, check_signs
from ._lanes import popcount
from .codes import MAX_SEARCH_SITES, check_codes, encode_weights
from .display.results import Rows, Shown, known


def best_relabelling(overlap: ArrayLike) -> tuple[int, ...]:
    """The permutation p of the student's units that maximises sum_l R_p(l),l: unit p(l) stands for the teacher's l.

    A committee of K units has K! equivalent labellings of its units, and an algorithm finds any one of them.
    `overlap[list(p)]` is the matrix in the labelling nearest to the teacher's; a self-overlap matrix is relabelled
    in its rows and columns. Where the units have not specialised all labellings are alike, and to choose the best
    of noise biases the diagonal upwards by O(1/sqrt(N)).

    Parameters
    ----------
    overlap : array (K, K), rows the units of the student, columns those of the teacher

    Raises
    ------
    ValueError : not a square matrix of finite numbers
    """
    R = np.asarray(overlap, dtype=float)
    if R.ndim != 2 or R.shape[0] != R.shape[1] or R.size == 0 or not np.all(np.isfinite(R)):
        raise ValueError(f"overlap: got an array of shape {R.shape}, takes shape (K, K) of finite numbers")
    columns, rows = linear_sum_assignment(R.T, maximize=True)
    return tuple(int(row) for row in rows)


def overlap_counts(
    codes: ArrayLike, teacher: ArrayLike, K: int, relabelled: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Lattice of overlaps, (N + 1,), and how many solutions have R_jl on each of its points, (K, K, N + 1).

    Each solution is relabelled by itself to maximise the sum of R_ll, the first best one where several are;
    `relabelled=False` counts them as they are listed, and then all rows of the result are the same.

    Parameters
    ----------
    codes : array (n,) of the solutions, as `enumerate_solutions` lists those of a `fully_connected` committee
    teacher : array (K N,) of +1 and -1, its units one after the other
    K : number of units, >= 1

    Raises
    ------
    ValueError : a wrong shape or value
    """
    units = check_integer("K", K, at_least=1)
    signs = check_signs("teacher", teacher, (-1,))
    total = check_integer("number of weights of the teacher", signs.size, at_least=units, at_most=MAX_SEARCH_SITES)
    if total % units:
        raise ValueError(f"teacher: got {total} weights, takes a multiple of K = {units}")
    words = check_codes(codes, total)
    N = total // units
    labellings = list(itertools.permutations(range(units))) if relabelled else [tuple(range(units))]
    counts = np.zeros((units, units, N + 1), np.int64)
    _count_overlaps(words, encode_weights(signs.reshape(units, N)), N, np.array(labellings), counts)
    return 2 * np.arange(N + 1) / N - 1, counts


@njit(cache=True, nogil=True)
def _count_overlaps(
    codes: NDArray[np.uint64],
    teacher: NDArray[np.uint64],
    N: int,
    labellings: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    K = teacher.size
    unit = np.uint64((1 << N) - 1)
    equal = np.empty((K, K), np.int64)
    for code in codes:
        for j in range(K):
            for l in range(K):
                differing = ((code >> np.uint64(j * N)) ^ teacher[l]) & unit
                equal[j, l] = N - np.int64(popcount(differing))
        best, chosen = -1, 0
        for p in range(len(labellings)):
            diagonal = 0
            for l in range(K):
                diagonal += equal[labellings[p, l], l]
            if diagonal > best:
                best, chosen = diagonal, p
        for j in range(K):
            for l in range(K):
                counts[j, l, equal[labellings[chosen, j], l]] += 1


@dataclass(frozen=True, repr=False)
class QuenchedEntropy(Shown):
    """Mean of (1/N) log(number of solutions) over the samples that have solutions, and how many have none.

    mean, stderr : arrays (loads,), nan where fewer than one or two samples have solutions
    samples : number of all samples;  without_solutions : array (loads,), how many are not in the mean

    The mean is that of the samples with solutions; with any other the quenched average is minus infinity.
    """

    quantity = "quenched mean"
    inputs = ("samples",)
    computed = ("mean", "stderr", "without_solutions")

    mean: NDArray[np.float64]
    stderr: NDArray[np.float64]
    samples: int
    without_solutions: NDArray[np.int64]

    @property
    def title(self) -> str:
        """Of how many samples."""
        return f"mean over {self.samples} samples, without those that have no value"

    def rows(self) -> Rows:
        """Header and cells of a readable table, a row a load (or whatever the columns were)."""
        columns = zip(self.mean, self.stderr, self.without_solutions)
        return ["column", "mean", "stderr", "without"], [[str(i), known(m, ".6g"), known(e, ".2g"), str(n)] for i, (m, e, n) in enumerate(columns)]


def quenched_entropy(counts: ArrayLike, weights: int) -> QuenchedEntropy:
    """Entropy per weight of the solutions of random samples, E log(count) / (number of weights).

    Parameters
    ----------
    counts : array (samples, loads) of numbers of solutions, one row of `count_solutions_by_load` a sample
    weights : number of weights, N, or K N of a fully connected committee

    Raises
    ------
    ValueError : a wrong shape, a negative count, or weights < 1
    """
    check_integer("weights", weights, at_least=1)
    numbers = np.asarray(counts)
    if numbers.ndim != 2 or len(numbers) == 0 or np.any(numbers < 0):
        raise ValueError(f"counts: got an array of shape {numbers.shape}, takes (samples, loads), numbers >= 0")
    solvable = numbers > 0
    n = solvable.sum(axis=0)
    entropy = np.log(np.where(solvable, numbers, 1)) / weights
    mean = np.divide(entropy.sum(axis=0), n, out=np.full(n.shape, np.nan), where=n > 0)
    squares = np.where(solvable, (entropy - np.where(n > 0, mean, 0)) ** 2, 0).sum(axis=0)
    variance = np.divide(squares, (n - 1) * n, out=np.full(n.shape, np.nan), where=n > 1)
    return QuenchedEntropy(mean, np.sqrt(variance), len(numbers), len(numbers) - n)
