"""Distribution of the local fields of typical solutions: enumerated solutions against the RS prediction.

    P(u) = E < delta(u - u_mu) >,   < . > over all solutions of a sample, each sample with weight one

Binary weights, kappa = 0, alpha = 1/3.
At odd N the fields live on the lattice u = 1, 3, 5, ... in units of 1/sqrt(N); each point stands for the cell
of width 2/sqrt(N) around it, and the first cell starts at kappa = 0. The cells of two sizes do not match. So
the cumulative distribution is compared at the edges of the cells, where lattice and continuum agree up to
O(1/N); that small, smooth *deviation* is carried to common bins by a cubic spline, and extrapolated in 1/N.
Samples without solutions have no Gibbs measure: they are counted and reported.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

import replicas as rp
from replicas import simulation

from .finite_size import extrapolate
from .result import ExperimentResult, Row, confront, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "fields"
QUESTION = "Do the local fields of the solutions follow the RS distribution?"
PATTERNS_PER_SITES = (1, 3)  # alpha = 1/3: every odd multiple of 3 has an integer P
QUICK = {9: 6000, 15: 6000, 21: 4000}
FULL = {9: 60000, 15: 60000, 21: 40000, 27: 3000}
BINS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
AXES = ("local field u", "density")


def predicted_density(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density of the local field of a typical solution at the load of the experiment."""
    P, N = PATTERNS_PER_SITES
    point = rp.solve(rp.Perceptron(weights="binary"), alpha=P / N)
    return np.asarray(rp.field_distribution(point, u).density, dtype=float)


def predicted_cumulative(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of 0 <= u < edge, for increasing edges: Gauss-Legendre of the density between them."""
    node, weight = np.polynomial.legendre.leggauss(12)
    ends = np.concatenate([[0.0], edges])
    half = np.diff(ends)[:, None] / 2
    u = ends[:-1, None] + half * (1 + node)
    return np.cumsum((half * predicted_density(u.ravel()).reshape(u.shape)) @ weight)


def cell_probabilities(N: int, samples: int, seed: int, progress: Progress | None) -> NDArray[np.float64]:
    """Probabilities of the cells u = 1, 3, ..., N in units of 1/sqrt(N); one row a sample with solutions."""
    P = PATTERNS_PER_SITES[0] * N // PATTERNS_PER_SITES[1]

    def counts(sample: int) -> NDArray[np.int64]:
        patterns = simulation.draw_patterns(P, N, seed, sample)
        return simulation.field_counts(patterns, simulation.enumerate_solutions(patterns))[1]

    table = np.array(collect(counts, samples, f"{NAME} N={N}", progress))[:, (N + 1) // 2 :]
    total = table.sum(axis=1, keepdims=True)
    return table[total[:, 0] > 0] / total[total[:, 0] > 0]


def bin_deviations(cells: NDArray[np.float64], N: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measured minus predicted probability of each of the BINS, with standard errors over samples."""
    edges = 2 * np.arange(1, cells.shape[1] + 1) / np.sqrt(N)
    cumulative = np.cumsum(cells, axis=1) - predicted_cumulative(edges)
    padded = np.concatenate([np.zeros((len(cells), 1)), cumulative], axis=1)
    # the spline is linear in its values: one for all samples
    at_bins = CubicSpline(np.concatenate([[0.0], edges]), padded, axis=1)(BINS)
    return mean_and_stderr(np.diff(at_bins, axis=1))


def bin_rows(cells: dict[int, NDArray[np.float64]]) -> tuple[list[Row], list[str]]:
    """The extrapolated probability of each bin against theory, and the notes on the fits."""
    predicted = np.diff(predicted_cumulative(BINS[1:]), prepend=0.0)
    deviations = np.array([bin_deviations(table, N) for N, table in cells.items()])
    rows, notes = [], []
    for k, probability in enumerate(predicted):
        fit = extrapolate(list(cells), deviations[:, 0, k], deviations[:, 1, k])
        where = f"{BINS[k]:g} <= u < {BINS[k + 1]:g}"
        rows.append(confront(f"probability of {where}", probability, probability + fit.limit, fit.stderr))
        notes.append(f"{where}: deviation {fit.statement}")
    return rows, notes


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Enumerate solutions, average their fields, compare."""
    start = time.perf_counter()
    plan = QUICK if quick else FULL
    cells = {N: cell_probabilities(N, samples, seed, progress) for N, samples in plan.items()}
    rows, notes = bin_rows(cells)
    missing = ", ".join(f"N={N}: {plan[N] - len(table)} of {plan[N]}" for N, table in cells.items())
    notes.append(f"samples without solutions, set aside: {missing}")
    lattices = {N: lattice_density(table, N) for N, table in cells.items()}
    columns = zip(*(line for N, lattice in lattices.items() for line in zip([N] * len(lattice[0]), *lattice)))
    data = dict(zip(("N", "u", "density", "stderr"), columns))
    largest = max(plan)
    theory_x = np.linspace(0.0, 4.0, 81)
    theory = (theory_x, predicted_density(theory_x))
    curve = series(f"enumeration, N = {largest}, alpha = 1/3", AXES, lattices[largest], theory)
    seconds = time.perf_counter() - start
    return ExperimentResult(NAME, QUESTION, tuple(rows), (curve,), tuple(notes), seed, quick, seconds, data)


def lattice_density(cells: NDArray[np.float64], N: int) -> tuple[list[float], list[float], list[float]]:
    """Lattice points u, mean density of the cell around each, its standard error."""
    mean, stderr = mean_and_stderr(cells * np.sqrt(N) / 2)
    u = (2 * np.arange(cells.shape[1]) + 1) / np.sqrt(N)
    return u.tolist(), mean.tolist(), stderr.tolist()
