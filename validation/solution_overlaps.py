"""Overlap of two independent solutions of one sample: enumeration against the RS overlap q.

    q = E |<W>|^2 / N,   < . > over all solutions of a sample, each sample with weight one

In the replica-symmetric phase the overlap does not fluctuate in the limit: its mean over pairs tends to q and its variance,
E <(W.W'/N)^2> - <W.W'/N>^2 = O(1/N), to zero. Both are extrapolated in 1/N; samples without solutions are counted and set aside.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

import replicas as rp
from replicas import simulation

from .finite_size import extrapolate
from .result import ExperimentResult, confront, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "solution-overlaps"
QUESTION = "Do two solutions of a sample have the RS overlap?"
LOADS = {"1/3": (1, 3)}  # an integer P at every odd multiple of 3; at 2/3 a tenth of the samples of N = 21 has no solution
QUICK = {9: 4000, 15: 2500, 21: 800}
FULL = {9: 60000, 15: 60000, 21: 40000, 27: 2000}
SPREAD = 1.0  # N times the variance of a mean of N products of spins, at most: the order of its coefficients
CHUNK = 1 << 14  # solutions decoded at a time


def predicted_overlap(alpha: float) -> float:
    """RS overlap of two solutions."""
    return float(rp.solve(rp.Perceptron(weights="binary"), alpha=alpha).q)


def overlap_moments(codes: NDArray[np.generic], N: int) -> tuple[float, float, NDArray[np.float64]]:
    """Mean and variance of the overlap of two of these solutions, drawn independently, and their magnetizations."""
    first, second = np.zeros(N), np.zeros((N, N))
    for start in range(0, codes.size, CHUNK):
        W = simulation.decode_weights(codes[start : start + CHUNK], N).astype(float)
        first += W.sum(axis=0)
        second += W.T @ W
    m, C = first / codes.size, second / codes.size
    mean = float(m @ m) / N
    return mean, float(np.sum(C * C)) / N**2 - mean**2, m


def samples_of(load: str, N: int, samples: int, seed: int, progress: Progress | None) -> NDArray[np.float64]:
    """(mean, variance) of the overlap, one row a sample with solutions."""
    part, whole = LOADS[load]

    def one(sample: int) -> tuple[float, float]:
        codes = simulation.enumerate_solutions(simulation.draw_patterns(part * N // whole, N, seed, sample))
        return overlap_moments(codes, N)[:2] if codes.size else (np.nan, np.nan)

    table = np.array(collect(one, samples, f"{NAME} alpha={load} N={N}", progress))
    return table[np.isfinite(table[:, 0])]


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Enumerate, average over pairs, extrapolate, compare."""
    start = time.perf_counter()
    plan = QUICK if quick else FULL
    rows, notes, lines = [], [], []
    for load, (part, whole) in LOADS.items():
        predicted = predicted_overlap(part / whole)
        measured = {}
        for N, samples in plan.items():
            table = samples_of(load, N, samples, seed, progress)
            mean, stderr = mean_and_stderr(table)
            measured[N] = (mean, stderr)
            lines.append((load, N, len(table), samples - len(table), *mean.tolist(), *stderr.tolist()))
        for k, (what, value, scale) in enumerate((("mean", predicted, predicted), ("variance", 0.0, SPREAD))):
            values, stderrs = ([pair[j][k] for pair in measured.values()] for j in (0, 1))
            fit = extrapolate(list(plan), values, stderrs, scale=scale, order=3)
            label = f"{what} of the overlap of two solutions, alpha = {load}"
            rows.append(confront(label, value, fit.limit, fit.stderr))
            notes.append(f"{label}: {fit.statement}")
    missing = ", ".join(f"alpha={line[0]} N={line[1]}: {line[3]}" for line in lines if line[3])
    notes.append(f"samples without solutions, set aside: {missing or 'none'}")
    names = ("load", "N", "samples", "without_solutions", "mean", "variance", "mean_stderr", "variance_stderr")
    data = dict(zip(names, zip(*lines)))
    theory_x = np.linspace(0.02, 0.8, 40)
    theory = (theory_x, [predicted_overlap(float(alpha)) for alpha in theory_x])
    largest = [line for line in lines if line[1] == max(plan)]
    points = ([LOADS[line[0]][0] / LOADS[line[0]][1] for line in largest], [line[4] for line in largest], [line[6] for line in largest])
    curve = series(f"enumeration, N = {max(plan)}", ("load alpha", "overlap q of two solutions"), points, theory)
    seconds = time.perf_counter() - start
    return ExperimentResult(NAME, QUESTION, tuple(rows), (curve,), tuple(notes), seed, quick, seconds, data)
