"""Quenched entropy of the binary perceptron at kappa = 0: exact enumeration against the RS free entropy.

    s(alpha) = lim (1/N) E log Z,   Z = number of W in {-1, +1}^N with u_mu >= 0 for all mu <= P = alpha N

One enumeration counts the solutions of the first 0, 1, ..., P patterns, so each sample serves every load;
rows at different loads are therefore correlated. alpha N is rarely an integer at odd N: the *deviation* from
theory at the two nearest P, each at its own load P/N, is interpolated linearly to alpha, then extrapolated in
1/N. (It is a(alpha)/N and loads differ by 1/N, so what the interpolation leaves is O(1/N^3).)
log Z does not exist where Z = 0. Those samples are counted and reported, sizes with 1% of them or more are
not used, and the choice between setting them aside and counting log Z = 0 enters the standard error.
"""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

import replicas as rp
from replicas import simulation

from .finite_size import extrapolate
from .result import ExperimentResult, Row, confront, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "entropy"
QUESTION = "Does the number of solutions of the binary perceptron grow as the RS entropy says?"
LOADS = (0.2, 0.3, 0.4)
LARGEST_LOAD = 0.5  # of the raw table and of the figure
QUICK = {11: 5000, 15: 6000, 19: 6000, 23: 2000, 25: 1000}
FULL = {11: 60000, 13: 60000, 15: 60000, 17: 60000, 19: 60000, 21: 40000, 23: 20000, 25: 10000}
MAX_WITHOUT_SOLUTIONS = 0.01
AXES = ("load alpha", "entropy per weight")


def predicted_entropy(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """RS entropy per weight of the typical solution, for an array of loads."""
    return np.asarray(rp.solve(rp.Perceptron(weights="binary"), alpha=alpha).entropy, dtype=float)


def counts_by_load(N: int, samples: int, seed: int, progress: Progress | None) -> NDArray[np.int64]:
    """Numbers of solutions of the first 0, 1, ..., P patterns, shape (samples, P + 1)."""
    P = math.ceil(LARGEST_LOAD * N)

    def counts(sample: int) -> NDArray[np.int64]:
        return simulation.count_solutions_by_load(simulation.draw_patterns(P, N, seed, sample))

    return np.array(collect(counts, samples, f"{NAME} N={N}", progress))


def deviation_at_load(
    counts: NDArray[np.int64], N: int, alpha: float
) -> tuple[float, float, int]:
    """Measured minus RS entropy at alpha, its standard error, and the number of samples without solutions.

    The conventions for Z = 0 (set aside, or log Z = 0) differ by the fraction of such samples times s: that
    difference is added to the error in quadrature.
    """
    below = math.floor(alpha * N + 1e-9)
    weight = alpha * N - below
    loads = np.array([below, below + 1])
    solvable = counts[:, below + (weight > 1e-9)] > 0
    entropies = np.log(np.maximum(counts[solvable][:, loads], 1)) / N
    interpolate = np.array([1 - weight, weight])
    values = (entropies - predicted_entropy(loads / N)) @ interpolate
    mean, stderr = mean_and_stderr(values)
    without = int(np.sum(~solvable))
    convention = without / len(counts) * float(np.mean(entropies @ interpolate))
    return float(mean), math.hypot(float(stderr), convention), without


def row_at_load(alpha: float, counts: dict[int, NDArray[np.int64]]) -> tuple[Row, str]:
    """The extrapolated entropy at one load against theory, and the note on its fit."""
    sizes, deviations, stderrs, missing = [], [], [], []
    for N, table in counts.items():
        deviation, stderr, without = deviation_at_load(table, N, alpha)
        usable = without < MAX_WITHOUT_SOLUTIONS * len(table)
        missing.append(f"N={N}: {without} of {len(table)}" + ("" if usable else " (size not used)"))
        if usable:
            sizes.append(N)
            deviations.append(deviation)
            stderrs.append(stderr)
    predicted = float(predicted_entropy(np.array([alpha]))[0])
    fit = extrapolate(sizes, deviations, stderrs, scale=predicted)
    row = confront(f"entropy per weight, alpha = {alpha}", predicted, predicted + fit.limit, fit.stderr)
    return row, f"alpha = {alpha}: deviation {fit.statement}; samples without solutions: {', '.join(missing)}"


def raw_table(counts: dict[int, NDArray[np.int64]]) -> dict[str, NDArray[np.generic]]:
    """Mean entropy of the samples with solutions for every N and P, with the number of samples without."""
    lines = []
    for N, table in counts.items():
        for P in range(1, table.shape[1]):
            solvable = table[:, P] > 0
            mean, stderr = mean_and_stderr(np.log(table[solvable, P]) / N)
            lines.append((N, P, len(table), int(np.sum(~solvable)), float(mean), float(stderr)))
    names = ("N", "P", "samples", "without_solutions", "entropy", "stderr")
    return {name: np.array(column) for name, column in zip(names, zip(*lines))}


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Enumerate, extrapolate, compare."""
    start = time.perf_counter()
    plan = QUICK if quick else FULL
    counts = {N: counts_by_load(N, samples, seed, progress) for N, samples in plan.items()}
    rows, notes = zip(*(row_at_load(alpha, counts) for alpha in LOADS))
    data = raw_table(counts)
    theory_x = np.linspace(0.01, LARGEST_LOAD + 0.05, 55)
    theory = (theory_x, predicted_entropy(theory_x))
    largest = max(plan)
    shown = data["N"] == largest
    points = (data["P"][shown] / largest, data["entropy"][shown], data["stderr"][shown])
    limit = (LOADS, [row.measured for row in rows], [row.stderr for row in rows])
    curves = (
        series(f"enumeration, N = {largest}", AXES, points, theory),
        series("extrapolated to large N", AXES, limit, theory),
    )
    table = {name: column.tolist() for name, column in data.items()}
    seconds = time.perf_counter() - start
    return ExperimentResult(NAME, QUESTION, rows, curves, notes, seed, quick, seconds, table)
