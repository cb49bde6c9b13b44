r"""Sampled solutions against the RS predictions: volumes and fields of spheres, the stochastic perceptron, typical binary solutions.

    spherical     entropy (1/N) log V by thermodynamic integration, overlap q of two solutions and its distribution, distribution of the fields,
                  and the pressure -(1/N) d log V/d kappa = alpha P(u = kappa)
    stochastic    energy of sign(m), overlap and log-likelihood at fixed q*, beta, by Metropolis
    binary        entropy (1/N) log(number of solutions) and overlap q by parallel tempering, at sizes beyond enumeration

Instances scatter by O(1/sqrt(N)), far more than one of them is uncertain. Much of that is linear in

    x_1 = (1/N) sum_{mu<nu} arcsin c_mu,nu,    x_2 = (1/N) sum_{mu,nu,rho distinct} c_mu,nu c_nu,rho,    c = overlap of two patterns

whose means are exactly zero, xi and -xi being as likely: the mean over instances is the intercept of a linear fit in both (control
variates), and its standard error that of the fit, widened where the samples are few (fitted coefficients leave a bias of O(1/samples): by the
jackknife less than a tenth of the standard error at 100 samples, a quarter at 10). It is extrapolated in 1/N (`finite_size`); the size
that must be large is N (1 - alpha/alpha_c), the weights that patterns leave free.
Runs that did not equilibrate are counted and kept: to leave them out would select instances. Samples without solutions, or in which
none was found, have no Gibbs measure; they are counted and set aside (for spheres there are none at P <= N). Rows of the same instances are correlated.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import replicas as rp
from replicas import simulation
from replicas.simulation import samplers

from .finite_size import extrapolate
from .result import ExperimentResult, Row, Series, confront, series
from .sampling import Progress, collect

NAME = "sampling"
QUESTION = "Do sampled solutions have the volume, overlaps, fields and energies of the RS theory?"
Array = NDArray[np.float64]
Plan = dict[int, int]

SPHERES = {True: ((0.75, 0.0),), False: ((0.5, 0.0), (1.0, 0.0), (1.0, -0.5))}  # alpha, kappa
SPHERE_PLAN: dict[bool, Plan] = {True: {20: 120, 40: 60, 60: 30}, False: {20: 2000, 40: 1000, 80: 400, 120: 100}}
STOCHASTIC = (1 / 3, 0.6, 2.0)  # alpha, q*, beta
STOCHASTIC_PLAN: dict[bool, Plan] = {True: {21: 100, 51: 30, 99: 12}, False: {21: 3000, 51: 1000, 99: 300, 201: 30}}
BINARY = 1 / 3
BINARY_PLAN: dict[bool, Plan] = {True: {21: 60, 33: 30, 63: 10}, False: {21: 1500, 33: 1000, 63: 300, 99: 80}}
EDGES = (0.0, 0.5, 1.0, 2.0)
"""Of the bins of fields, from kappa on."""
PANEL, REACH, NODES = 0.5, 9.0, 16
"""Gauss-Legendre panels of the density of fields; the edges of the bins are edges of panels."""
SPREAD = 1.0
"""N times the variance of the overlap, at most: the order of its coefficients."""
MOST_SAMPLES = 10**6
DRAWS = {"sphere": 240, "volume": 160, "stochastic": 600, "binary": 200}
"""Records of a chain: four to a hundred times what equilibrium takes at the largest size."""


def sphere_theory(alpha: float, kappa: float) -> dict[str, float]:
    """RS entropy, overlap, pressure and moments and bins of the field."""
    point = rp.solve(rp.Perceptron("spherical", kappa=kappa), alpha)

    node, weight = np.polynomial.legendre.leggauss(NODES)
    panels = kappa + PANEL * np.arange(round(REACH / PANEL))
    u = panels[:, None] + PANEL * (1 + node) / 2
    mass = PANEL / 2 * weight * np.asarray(rp.field_distribution(point, u.ravel()).density, dtype=float).reshape(u.shape)
    found = {
        "entropy": float(point.entropy),
        "overlap q": float(point.q),
        "variance of the overlap": 0.0,
        "pressure": alpha * float(rp.field_distribution(point, kappa + 1e-12).density),
        "mean field": float(np.sum(mass * u)),
    }
    ends = [kappa + edge for edge in EDGES]
    return found | {f"P({low:g} <= u < {high:g})": float(np.sum(mass[(u > low) & (u < high)])) for low, high in pairwise(ends)}


def stochastic_theory(alpha: float, q_star: float, beta: float) -> dict[str, float]:
    """RS energy of sign(m), overlap and log-likelihood per pattern."""
    point = rp.solve(rp.StochasticPerceptron(q_star, beta), alpha)
    return {"energy of sign(m)": float(point.energy_binarised), "overlap q": float(point.q), "log-likelihood": float(point.log_likelihood)}


def binary_theory(alpha: float) -> dict[str, float]:
    """RS entropy and overlap."""
    point = rp.solve(rp.Perceptron("binary"), alpha)
    return {"entropy": float(point.entropy), "overlap q": float(point.q)}


def stream(seed: int, sample: int) -> int:
    """The seed of the sampler of one instance."""
    return seed * MOST_SAMPLES + sample


def room(model: rp.Perceptron, alpha: float) -> float:
    """1/(1 - alpha/alpha_c): N over the weights that the patterns leave free."""
    return 1 / (1 - alpha / float(rp.capacity(model).value))


def controls(patterns: NDArray[np.generic]) -> list[float]:
    """x_1 and x_2 of an instance, of mean exactly zero."""
    x = np.asarray(patterns, dtype=float)
    N = x.shape[1]
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    c = x @ x.T
    np.fill_diagonal(c, 0.0)
    pairs = np.arcsin(np.clip(c[np.triu_indices(len(c), 1)], -1, 1)).sum()
    return [float(pairs) / N, float(np.sum(c.sum(axis=0) ** 2) - np.sum(c * c)) / N]


def sphere_values(alpha: float, kappa: float, N: int, seed: int, sample: int) -> list[float]:
    """What one instance measures, in the order of `sphere_theory`; then 0 or 1 for equilibrium, and the controls."""
    problem = simulation.draw_problem(round(alpha * N), N, seed, sample, patterns="gaussian", kappa=kappa)
    volume = samplers.spherical_volume(problem, DRAWS["volume"], stream(seed, sample), chains=1)
    found = samplers.sample_sphere(problem, DRAWS["sphere"], stream(seed, sample))
    fields = found.weights.reshape(-1, N) @ problem.patterns.T / math.sqrt(N)
    ends = [kappa + edge for edge in EDGES]
    bins = [float(np.mean((fields >= low) & (fields < high))) for low, high in pairwise(ends)]
    overlap = found["overlap"].values
    values = [volume.entropy, found["overlap"].mean, float(overlap.var()), found["pressure"].mean, found["mean field"].mean, *bins]
    return [*values, float(volume.status == "equilibrated" and found.equilibrated), *controls(problem.patterns)]


def stochastic_values(alpha: float, q_star: float, beta: float, N: int, seed: int, sample: int) -> list[float]:
    """Likewise, in the order of `stochastic_theory`."""
    problem = simulation.draw_problem(round(alpha * N), N, seed, sample)
    found = samplers.sample_stochastic(problem, q_star, beta, DRAWS["stochastic"], stream(seed, sample))
    values = [found[name].mean for name in ("energy", "overlap", "log-likelihood")]
    return [*values, float(found.equilibrated), *controls(problem.patterns)]


def binary_values(alpha: float, N: int, seed: int, sample: int) -> list[float]:
    """Likewise, in the order of `binary_theory`; nan without a solution."""
    problem = simulation.draw_problem(round(alpha * N), N, seed, sample)
    try:
        found = samplers.sample_binary(problem, DRAWS["binary"], stream(seed, sample))
    except ValueError:  # not even spherical weights
        return [math.nan] * 5
    if not found.observables:
        return [math.nan] * 5
    return [found.entropy, found["overlap"].mean, float(found.equilibrated), *controls(problem.patterns)]


def intercept(values: Array, zero_mean: Array) -> tuple[float, float]:
    """Mean of the values, (n,), at vanishing controls, (n, k), by least squares, and its standard error."""
    design = np.column_stack([np.ones(len(values)), zero_mean])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ values
    left = values - design @ coefficients
    # few degrees of freedom: Student's t is wider than its scale, by the ratio of n to n - 2 in the variance
    degrees = len(values) - design.shape[1]
    return float(coefficients[0]), math.sqrt(float(inverse[0, 0]) * float(left @ left) / max(degrees - 2, 1))


class Report:
    """Rows, notes and the raw table as they come."""

    def __init__(self, seed: int, progress: Progress | None):
        self.seed, self.progress = seed, progress
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.lines: list[tuple[str, str, int, int, float, float]] = []

    def add(
        self, what: str, theory: dict[str, float], unit: float, plan: Plan, one: Callable[[int, int, int], list[float]]
    ) -> dict[str, tuple[Row, Array, Array]]:
        """Measure at every size, extrapolate and compare each quantity; rows, means and standard errors by quantity."""
        means, stderrs, said = [], [], []
        for N, samples in plan.items():
            measured = partial(one, N, self.seed)
            table = np.array(collect(measured, samples, f"{NAME} {what} N={N}", self.progress))
            good = table[np.all(np.isfinite(table), axis=1)]
            n = len(theory)
            fits = [intercept(good[:, k], good[:, n + 1 :]) for k in range(n)]
            means.append([m for m, _ in fits])
            stderrs.append([s for _, s in fits])
            apart = f", {samples - len(good)} in which no solution was found set aside" if len(good) < samples else ""
            said.append(f"N={N}: {samples} samples, {len(good) - int(good[:, n].sum())} runs short of equilibrium{apart}")
            self.lines += [(what, name, N, len(good), m, s) for name, (m, s) in zip(theory, fits)]
        out = {}
        for k, (name, predicted) in enumerate(theory.items()):
            values, errors = np.array(means)[:, k], np.array(stderrs)[:, k]
            fit = extrapolate(list(plan), values, errors, scale=abs(predicted) or SPREAD, unit=unit)
            row = confront(f"{what}: {name}", predicted, fit.limit, fit.stderr)
            self.rows.append(row)
            self.notes.append(f"{what}: {name}: {fit.statement}")
            out[name] = (row, values, errors)
        self.notes.append(f"{what}: {'; '.join(said)}")
        return out


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Sample, extrapolate, compare."""
    start = time.perf_counter()
    report, curves, points = Report(seed, progress), list[Series](), []
    for alpha, kappa in SPHERES[quick]:
        what = f"sphere, alpha = {alpha:g}" + (f", kappa = {kappa:g}" if kappa else "")
        theory = sphere_theory(alpha, kappa)
        unit = room(rp.Perceptron("spherical", kappa=kappa), alpha)
        found = report.add(what, theory, unit, SPHERE_PLAN[quick], partial(sphere_values, alpha, kappa))
        if kappa == 0:
            points.append((alpha, found["entropy"][0].measured, found["entropy"][0].stderr))
            if alpha == SPHERES[quick][0][0]:
                curves.append(_fields(alpha, kappa, found, max(SPHERE_PLAN[quick])))
    curves.insert(0, _entropies("spherical", points))
    alpha, q_star, beta = STOCHASTIC
    what = "stochastic perceptron"
    report.notes.append(f"{what}: alpha = {alpha:.3g}, q* = {q_star:g}, beta = {beta:g}")
    report.add(what, stochastic_theory(*STOCHASTIC), 1.0, STOCHASTIC_PLAN[quick], partial(stochastic_values, *STOCHASTIC))
    what = f"binary, alpha = {BINARY:.3g}"
    unit = room(rp.Perceptron("binary"), BINARY)
    found = report.add(what, binary_theory(BINARY), unit, BINARY_PLAN[quick], partial(binary_values, BINARY))
    curves.append(_entropies("binary", [(BINARY, found["entropy"][0].measured, found["entropy"][0].stderr)]))
    data = dict(zip(("what", "quantity", "N", "samples", "mean", "stderr"), zip(*report.lines)))
    outcome = (tuple(report.rows), tuple(curves), tuple(report.notes))
    return ExperimentResult(NAME, QUESTION, *outcome, seed, quick, time.perf_counter() - start, data)


def _entropies(weights: str, points: list[tuple[float, float, float]]) -> Series:
    x = np.linspace(0.05, 1.4 if weights == "spherical" else 0.8, 40)
    theory = (x, np.asarray(rp.solve(rp.Perceptron(weights), x).entropy, dtype=float))
    columns = tuple(list(column) for column in zip(*points))
    return series(f"sampled and extrapolated, {weights}", ("load alpha", "entropy per weight"), columns, theory)  # type: ignore[arg-type]


def _fields(alpha: float, kappa: float, found: dict[str, tuple[Row, Array, Array]], N: int) -> Series:
    point = rp.solve(rp.Perceptron("spherical", kappa=kappa), alpha)
    widths, middles = np.diff(EDGES), kappa + (np.array(EDGES[1:]) + np.array(EDGES[:-1])) / 2
    bins = [parts for name, parts in found.items() if name.startswith("P(")]
    measured = ([parts[1][-1] for parts in bins] / widths, [parts[2][-1] for parts in bins] / widths)
    u = kappa + np.linspace(0.01, 3.0, 60)
    theory = (u, np.asarray(rp.field_distribution(point, u).density, dtype=float))
    return series(f"fields on the sphere, N = {N}, alpha = {alpha:g}", ("local field u", "density"), (middles, *measured), theory)
