"""Distribution of the local fields of typical solutions: enumerated solutions against the RS prediction.

    P(u) = E < delta(u - u_mu) >,   < . > over all solutions of a sample, each sample with weight one

Binary weights, kappa = 0, alpha = 1/3. At odd N the fields live on the lattice u = 1, 3, 5, ... in units of
1/sqrt(N), each point standing for the cell of width 2/sqrt(N) around it; the first cell starts at kappa = 0.

The parity of the mismatches of a pattern is prod_i W_i xi_i, so the solutions with a given sign of prod_i W_i
put each pattern on every *second* lattice point only, and their numbers differ from sample to sample. This
leaves an alternating error of relative order 1/sqrt(N) in single cells, which cancels in pairs of cells.
Probabilities are therefore compared cumulatively at the edges of pairs, where the deviation is smooth and
O(1/N). A cubic spline carries it to bins common to all N (its error, estimated by a second interpolant, is
part of the standard error; sizes whose pairs are wider than a bin are not used), then extrapolated in 1/N.
Averages of smooth functions need none of this. Samples without solutions have no Gibbs measure: they are
counted and reported.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

import replicas as rp
from replicas import simulation

from .finite_size import extrapolate
from .result import ExperimentResult, Row, confront, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "fields"
QUESTION = "Do the local fields of the solutions follow the RS distribution?"
PATTERNS, SITES = 1, 3  # alpha = 1/3: an integer P at every odd multiple of 3
QUICK = {9: 4000, 15: 8000, 21: 6000}
FULL = {9: 60000, 15: 80000, 21: 60000, 27: 3000}
BINS = np.array([0.0, 1.0, 2.0, 3.0])
WIDEST_PAIR = 1.1  # about the width of a bin
MOMENTS = {"mean field <u>": 1, "mean square field <u^2>": 2}
LARGEST_FIELD = 9.0  # of the integrals of the predicted density
AXES = ("local field u", "density")


def predicted_density(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density of the local field of a typical solution at the load of the experiment."""
    point = rp.solve(rp.Perceptron(weights="binary"), alpha=PATTERNS / SITES)
    return np.asarray(rp.field_distribution(point, u).density, dtype=float)


def predicted_cumulative(edges: NDArray[np.float64], moment: int = 0) -> NDArray[np.float64]:
    """Integrals of u^moment times the density from 0 to increasing edges, Gauss-Legendre between them."""
    node, weight = np.polynomial.legendre.leggauss(16)
    ends = np.concatenate([[0.0], edges])
    half = np.diff(ends)[:, None] / 2
    u = ends[:-1, None] + half * (1 + node)
    density = predicted_density(u.ravel()).reshape(u.shape)
    return np.cumsum((half * u**moment * density) @ weight)


def cell_probabilities(N: int, samples: int, seed: int, progress: Progress | None) -> NDArray[np.float64]:
    """Probabilities of the cells u = 1, 3, ..., N in units of 1/sqrt(N); one row a sample with solutions."""
    P = PATTERNS * N // SITES

    def counts(sample: int) -> NDArray[np.int64]:
        patterns = simulation.draw_patterns(P, N, seed, sample)
        return simulation.field_counts(patterns, simulation.enumerate_solutions(patterns))[1]

    table = np.array(collect(counts, samples, f"{NAME} N={N}", progress))[:, (N + 1) // 2 :]
    total = table.sum(axis=1, keepdims=True)
    return table[total[:, 0] > 0] / total[total[:, 0] > 0]


def bin_deviations(cells: NDArray[np.float64], N: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measured minus predicted probability of each of the BINS, with standard errors."""
    n_pairs = cells.shape[1] // 2
    edges = 4 * np.arange(n_pairs + 1) / np.sqrt(N)
    cumulative = np.zeros((len(cells), n_pairs + 1))
    cumulative[:, 1:] = np.cumsum(cells, axis=1)[:, 1 : 2 * n_pairs : 2] - predicted_cumulative(edges[1:])
    # a spline is linear in its values: this one is the spline of every sample
    mean, stderr = mean_and_stderr(np.diff(CubicSpline(edges, cumulative, axis=1)(BINS), axis=1))
    other = np.diff(PchipInterpolator(edges, cumulative.mean(axis=0))(BINS))
    return mean, np.hypot(stderr, mean - other)


def moment_deviation(
    cells: NDArray[np.float64], N: int, moment: int, predicted: float
) -> tuple[float, float]:
    """Measured minus predicted average of u^moment, with its standard error over samples."""
    mean, stderr = mean_and_stderr(cells @ lattice(cells, N) ** moment - predicted)
    return float(mean), float(stderr)


def lattice(cells: NDArray[np.float64], N: int) -> NDArray[np.float64]:
    """The fields at the centres of the cells."""
    return (2 * np.arange(cells.shape[1]) + 1) / np.sqrt(N)


def extrapolated_rows(cells: dict[int, NDArray[np.float64]]) -> tuple[list[Row], list[str]]:
    """Bins and moments, extrapolated, against theory; and the notes on the fits."""
    quantities = []
    bins = {N: bin_deviations(table, N) for N, table in cells.items() if 4 / np.sqrt(N) < WIDEST_PAIR}
    for k, probability in enumerate(np.diff(predicted_cumulative(BINS[1:]), prepend=0.0)):
        label = f"probability of {BINS[k]:g} <= u < {BINS[k + 1]:g}"
        deviations = {N: (float(mean[k]), float(stderr[k])) for N, (mean, stderr) in bins.items()}
        quantities.append((label, float(probability), deviations))
    for label, moment in MOMENTS.items():
        predicted = float(predicted_cumulative(np.linspace(0.5, LARGEST_FIELD, 18), moment)[-1])
        deviations = {N: moment_deviation(table, N, moment, predicted) for N, table in cells.items()}
        quantities.append((label, predicted, deviations))
    rows, notes = [], []
    for label, predicted, deviations in quantities:
        values, stderrs = zip(*deviations.values())
        fit = extrapolate(list(deviations), values, stderrs, scale=predicted)
        rows.append(confront(label, predicted, predicted + fit.limit, fit.stderr))
        notes.append(f"{label}: deviation {fit.statement}")
    return rows, notes


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Enumerate solutions, average their fields, compare."""
    start = time.perf_counter()
    plan = QUICK if quick else FULL
    cells = {N: cell_probabilities(N, samples, seed, progress) for N, samples in plan.items()}
    rows, notes = extrapolated_rows(cells)
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
    return lattice(cells, N).tolist(), mean.tolist(), stderr.tolist()
