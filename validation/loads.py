"""Measurements at a load alpha where alpha N is seldom an integer, against a prediction for every load.

The *deviation* from theory at the two nearest numbers of patterns, each at its own load P/N, is interpolated
linearly to alpha, then extrapolated in 1/N. (It is a(alpha)/N and loads differ by 1/N, so what the
interpolation leaves is O(1/N^3).)
log Z does not exist where Z = 0. Those samples are counted and reported, sizes with 1% of them or more are
not used, and the choice between setting them aside and counting log Z = 0 enters the standard error.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .finite_size import extrapolate
from .result import Row, confront
from .sampling import mean_and_stderr

Theory = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""The predicted quantity at an array of loads."""
MAX_WITHOUT_SOLUTIONS = 0.01


def nearest(N: int, alpha: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The numbers of patterns P on either side of alpha N, and the weights that interpolate between them."""
    below = math.floor(alpha * N + 1e-9)
    weight = alpha * N - below
    return np.array([below, below + 1]), np.array([1 - weight, weight])


def deviations(values: NDArray[np.float64], N: int, alpha: float, predicted: Theory) -> NDArray[np.float64]:
    """Measured minus predicted at alpha, one number a sample; `values` (samples, 2) at the two nearest P."""
    patterns, weights = nearest(N, alpha)
    return np.asarray((values - predicted(patterns / N)) @ weights)


def entropy_deviation(
    counts: NDArray[np.int64], N: int, alpha: float, predicted: Theory
) -> tuple[float, float, int]:
    """Measured minus predicted entropy at alpha, its standard error, the number of samples without solutions.

    `counts` (samples, P + 1) are numbers of solutions by load. The conventions for Z = 0 (set aside, or log Z =
    0) differ by the fraction of such samples times s: that difference is added to the error in quadrature.
    """
    patterns, weights = nearest(N, alpha)
    solvable = counts[:, patterns[int(weights[1] > 1e-9)]] > 0
    entropies = np.log(np.maximum(counts[solvable][:, patterns], 1)) / N
    mean, stderr = mean_and_stderr(deviations(entropies, N, alpha, predicted))
    without = int(np.sum(~solvable))
    convention = without / len(counts) * float(np.mean(entropies @ weights))
    return float(mean), math.hypot(float(stderr), convention), without


def entropy_row(
    label: str, alpha: float, counts: dict[int, NDArray[np.int64]], predicted: Theory, branches: int = 1
) -> tuple[Row, str]:
    """The extrapolated entropy at one load against theory, and the note on its fit; `counts` by size N."""
    usable, missing = {}, []
    for N, table in counts.items():
        deviation, stderr, without = entropy_deviation(table, N, alpha, predicted)
        used = without < MAX_WITHOUT_SOLUTIONS * len(table)
        missing.append(f"N={N}: {without} of {len(table)}" + ("" if used else " (size not used)"))
        if used:
            usable[N] = deviation, stderr
    row, note = limit_row(label, alpha, usable, predicted, branches)
    return row, f"{note}; samples without solutions: {', '.join(missing)}"


def limit_row(
    label: str,
    alpha: float,
    measured: dict[int, tuple[float, float]],
    predicted: Theory,
    branches: int = 1,
    scale: float | None = None,
) -> tuple[Row, str]:
    """Deviations with standard errors by size N, extrapolated, against theory; and the note on the fit.

    On a tree of K branches the size that must be large is n = N/K, which starts small: the form has 1/N^3 too.
    The coefficients beforehand are of the order of `scale`, the predicted value if absent.
    """
    value = float(predicted(np.array([alpha]))[0])
    differences, stderrs = zip(*measured.values())
    order = 2 if branches == 1 else 3
    fit = extrapolate(list(measured), differences, stderrs, scale or value, order, branches)
    row = confront(label, value, value + fit.limit, fit.stderr)
    return row, f"{label}: deviation {fit.statement}"
