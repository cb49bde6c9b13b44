"""Separability of random points: linear programs against Cover's count and against the capacity alpha_c = 2.

    P random dichotomies in N dimensions are separable with probability C(P, N)/2^P, which is 1/2 at P = 2N

The law is exact at every N, so nothing is extrapolated: each fraction is compared at its own P and N, with
the binomial error of the exact probability. Cover's sum counts coin tosses, P - 1 with N - 1 heads at most:
it is close to Phi((2N - P)/sqrt(P)). The load where the fraction crosses 1/2 is found by a fit of that form,

    fraction = Phi(c_1 (alpha_half - alpha)/sqrt(alpha))

and compared with the capacity of the theory. (A probit in alpha itself would put it at 2.015.)
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
QUICK, FULL = 500, 10000
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
    """The load where the fraction is 1/2 and its standard error: maximum likelihood of the probit form.

    z = c_0/sqrt(alpha) - c_1 sqrt(alpha), linear in its parameters, and alpha_half = c_0/c_1.
    """
    loads, p = np.asarray(alpha, dtype=float), np.asarray(fractions, dtype=float)
    gradient = np.array([loads**-0.5, -(loads**0.5)])

    def minus_log_likelihood(c: NDArray[np.float64]) -> float:
        z = c @ gradient
        return -float(np.sum(p * log_ndtr(z) + (1 - p) * log_ndtr(-z)))

    tight = {"xatol": 1e-9, "fatol": 1e-12}
    c = minimize(minus_log_likelihood, np.array([2.0, 1.0]), method="Nelder-Mead", options=tight).x
    z = c @ gradient
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    information = samples * (gradient * (density**2 / (ndtr(z) * ndtr(-z)))) @ gradient.T
    ratio = np.array([1 / c[1], -c[0] / c[1] ** 2])  # of alpha_half, by the parameters
    return float(c[0] / c[1]), float(np.sqrt(ratio @ np.linalg.solve(information, ratio)))


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
