"""Quenched entropy of the binary perceptron at kappa = 0: exact enumeration against the RS free entropy.

    s(alpha) = lim (1/N) E log Z,   Z = number of W in {-1, +1}^N with u_mu >= 0 for all mu <= P = alpha N

One enumeration counts the solutions of the first 0, 1, ..., P patterns, so each sample serves every load;
rows at different loads are therefore correlated. Loads between two P, samples without solutions and the
extrapolation in 1/N: see `loads`.
"""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

import replicas as rp
from replicas import simulation

from .loads import entropy_row
from .result import ExperimentResult, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "entropy"
QUESTION = "Does the number of solutions of the binary perceptron grow as the RS entropy says?"
LOADS = (0.2, 0.3, 0.4)
LARGEST_LOAD = 0.5  # of the raw table and of the figure
QUICK = {11: 5000, 15: 6000, 19: 6000, 23: 2000, 25: 1000}
FULL = {11: 60000, 13: 60000, 15: 60000, 17: 60000, 19: 60000, 21: 40000, 23: 20000, 25: 10000}
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
    labels = {alpha: f"entropy per weight, alpha = {alpha}" for alpha in LOADS}
    rows, notes = zip(*(entropy_row(labels[alpha], alpha, counts, predicted_entropy) for alpha in LOADS))
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
