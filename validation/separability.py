"""Separability of random points: linear programs against Cover's count and against the capacity alpha_c = 2.

    P random dichotomies in N dimensions are separable with probability C(P, N)/2^P, which is 1/2 at P = 2N

The law is exact at every N, so nothing is extrapolated: each fraction is compared at its own P and N, with
the binomial error of the exact probability. The load where the fraction crosses 1/2 is found by a probit fit,
fraction = Phi(slope (alpha_half - alpha)), and compared with the capacity of the theory.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr

import replicas as rp
from replicas import simulation

from .result import ExperimentResult, confront, series
from .sampling import Progress, collect

NAME = "separability"
QUESTION = "Do linear programs lose their solution where Cover and the Gardner capacity say?"
N_SITES = 25
LOADS = (1.6, 1.8, 2.0, 2.2, 2.4)
QUICK, FULL = 600, 10000
AXES = ("load P/N", "fraction separable")


def predicted_capacity() -> float:
    """Capacity of the spherical perceptron at kappa = 0."""
    return float(rp.capacity(rp.Perceptron(weights="spherical")).value)


def separable_fraction(P: int, samples: int, seed: int, progress: Progress | None) -> float:
    """Fraction of Gaussian samples whose linear program is feasible."""

    def separable(sample: int) -> bool:
        return simulation.is_separable(simulation.draw_patterns(P, N_SITES, seed, sample, "gaussian"))

    return float(np.mean(collect(separable, samples, f"{NAME} P={P}", progress)))


def half_crossing(alpha: ArrayLike, fractions: ArrayLike, samples: int) -> tuple[float, float]:
    """The load where the fraction is 1/2 and its standard error: maximum likelihood of the probit form."""
    loads, p = np.asarray(alpha, dtype=float), np.asarray(fractions, dtype=float)
    centred = loads - loads.mean()

    def minus_log_likelihood(parameters: NDArray[np.float64]) -> float:
        z = parameters[0] - parameters[1] * centred
        return -float(np.sum(p * log_ndtr(z) + (1 - p) * log_ndtr(-z)))

    tight = {"xatol": 1e-9, "fatol": 1e-12}
    best = minimize(minus_log_likelihood, np.array([0.0, 1.0]), method="Nelder-Mead", options=tight)
    intercept, slope = best.x
    # Fisher information of (intercept, slope), then the error of their ratio to first order
    z = intercept - slope * centred
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    gradient = np.array([np.ones_like(loads), -centred])
    information = samples * (gradient * (density**2 / (ndtr(z) * ndtr(-z)))) @ gradient.T
    ratio = np.array([1 / slope, -intercept / slope**2])
    stderr = np.sqrt(ratio @ np.linalg.solve(information, ratio))
    return float(loads.mean() + intercept / slope), float(stderr)


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Draw points, solve the linear programs, compare."""
    start = time.perf_counter()
    samples = QUICK if quick else FULL
    counts = [round(alpha * N_SITES) for alpha in LOADS]
    loads = np.array(counts) / N_SITES
    fractions = [separable_fraction(P, samples, seed, progress) for P in counts]
    exact = cover_probabilities(counts)
    stderrs = np.sqrt(exact * (1 - exact) / samples)
    rows = [
        confront(f"fraction separable, N = {N_SITES}, P = {P}", p, fraction, stderr)
        for P, p, fraction, stderr in zip(counts, exact, fractions, stderrs)
    ]
    crossing = half_crossing(loads, fractions, samples)
    rows.append(confront("load of half separability (capacity)", predicted_capacity(), *crossing))
    theory_P = range(N_SITES, 3 * N_SITES + 1)
    theory = (np.array(theory_P) / N_SITES, cover_probabilities(theory_P))
    curves = (series(f"linear programs, N = {N_SITES}", AXES, (loads, fractions, stderrs), theory),)
    notes = (
        f"{samples} samples a load; errors of the fractions from the exact probability (binomial)",
        "half separability from a probit fit to the fractions above: not independent of these rows",
    )
    data = {"P": counts, "samples": [samples] * len(counts), "fraction": fractions, "exact": exact.tolist()}
    seconds = time.perf_counter() - start
    return ExperimentResult(NAME, QUESTION, tuple(rows), curves, notes, seed, quick, seconds, data)


def cover_probabilities(counts: Iterable[int]) -> NDArray[np.float64]:
    """Exact probabilities of separability for numbers of points in N_SITES dimensions."""
    return np.array([float(simulation.separable_probability(P, N_SITES)) for P in counts])
