"""Landscape of the tree committee of three units: errors between typical solutions, paths of solutions, flatness and curvature.

    y = sign(sum_j sign(h_j)),   K = 3 branches,   |W_j|^2 = N/K,   random binary patterns, alpha = P/N

Judged: replica-symmetric predictions for *typical* solutions, which follow from the overlap q of two of them. Given the Gaussian t_j
that replicas share in a pattern, the fields h_j = sqrt(q) t_j + sqrt(1-q) x_j of a solution have independent x_j conditioned on a
right output, of probability Z(t), and those of two solutions a, b are independent of each other. Hence the fractions of errors

    middle of the great circle between two:         E_t P(a right, b right, (h^a + h^b)/sqrt(2 (1 + q)) wrong | t)/Z(t)^2
    at distance |W' - W|/|W| = d, p = 1 - d^2/2:    E_t P(h right, p h + sqrt(1 - p^2) z wrong | t)/Z(t)

at loads where the saddle is stable. Typical solutions are sampled (`landscape.sample_committee`) from two solutions of SGD. Chains of
an instance that do not agree in every observable (above all in their overlap with the start of one of them) are counted; a size where
they are more than 10% is not used, and below that what they shift is in the error through the scatter of the instances only.
The midpoint between independent random configurations violates 1/2 of the patterns.

Not judged, as nothing predicts it: the share of pairs of solutions of SGD and elastic SGD that a path of solutions connects (one that is
found is a proof; one that is not found proves nothing), errors on the line between them, their flatness and the trace of the
curvature. These solutions are not typical: the prediction for typical ones is drawn beside them. Above capacity there are no ends.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

import replicas as rp
from replicas import simulation
from replicas.simulation import landscape
from replicas.simulation.samplers.autocorrelation import AGREEMENT

from .finite_size import extrapolate
from .result import ExperimentResult, Row, Series, confront, series
from .sampling import Progress, collect

NAME = "landscape"
QUESTION = "Are errors between and around typical solutions of the tree committee as predicted, and are those of SGD connected and flatter?"
K = 3
SIZE = 0.5
"""Relative size of the perturbation whose errors are judged."""
MOST_APART = 0.1
"""Share of the instances of a size whose two chains may disagree (largest split R-hat of what is recorded)."""
Array = NDArray[np.float64]
States = dict[tuple[int, ...], Array]
"""Probability of each tuple of signs of one unit (of the solutions, and of what is asked of them), (t,)."""


@dataclass(frozen=True)
class Typical:
    """A load, instances by size, sweeps between two records and records of each chain."""

    alpha: float
    plan: dict[int, int]
    interval: int
    records: int


@dataclass(frozen=True)
class Trained:
    """A load and size at which SGD and elastic SGD are compared: instances, runs of each on every instance, passes, gradients of a search."""

    alpha: float
    N: int
    instances: int
    runs: int
    passes: int
    budget: int


QUICK = (
    (Typical(0.5, {30: 45, 42: 30, 66: 20}, 40, 60),),
    (Trained(0.5, 150, 2, 2, 300, 3000), Trained(1.0, 150, 2, 2, 300, 3000), Trained(1.5, 150, 2, 2, 600, 3000)),
)
FULL = (
    (Typical(0.5, {42: 400, 66: 200, 102: 200, 150: 100}, 20, 300), Typical(1.0, {30: 150, 42: 100, 66: 60}, 200, 400)),
    tuple(Trained(alpha, 300, 10, 3, 1000, 20000) for alpha in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)),
)
TRAINING = ("committee-sgd", "committee-elastic-sgd")
SIZES = (0.1, 0.2, 0.3, 0.4, SIZE, 0.7)
COLUMNS = ("what", "algorithm", "alpha", "N", "instances", "value", "stderr")


@cache
def overlap(alpha: float) -> float:
    """Replica-symmetric overlap of two typical solutions; ValueError where that saddle is unstable."""
    point = rp.solve(rp.TreeCommittee(K, "spherical"), alpha)
    if not point.stable:
        raise ValueError(f"alpha: got {alpha}, takes a load where the replica-symmetric saddle is stable")
    return float(point.q)


def predicted_middle(alpha: float, step: float = 0.2) -> float:
    """Fraction of errors in the middle of the great circle between two typical solutions."""
    return middle_of(overlap(alpha), step)


def predicted_around(alpha: float, size: float, step: float = 0.2) -> float:
    """Fraction of errors at a distance |W' - W|/|W| = size from a typical solution, in a random direction."""
    return around_of(overlap(alpha), 1 - size * size / 2, step)


def middle_of(q: float, step: float = 0.2) -> float:
    """The first of the module's equations; the step is that of the trapezoid rule in t."""
    t = np.arange(-8, 8 + step / 2, step)
    m, s = math.sqrt(q) * t, math.sqrt(1 - q)
    plus = ndtr(m / s)
    # a > 0 > b and a + b > 0: density of a, times P(-a < b < 0)
    a, weights = _half_line(m, s)
    over = np.sum(weights * (ndtr(-m[:, None] / s) - ndtr((-a - m[:, None]) / s)), axis=1)
    under = plus * (1 - plus) - over
    states: States = {(1, 1, 1): plus**2, (0, 0, 0): (1 - plus) ** 2, (1, 0, 1): over, (0, 1, 1): over, (1, 0, 0): under, (0, 1, 0): under}
    return _committee(states, t, plus, 2)


def around_of(q: float, p: float, step: float = 0.2) -> float:
    """The second of the module's equations at overlap p."""
    t = np.arange(-8, 8 + step / 2, step)
    m, s = math.sqrt(q) * t, math.sqrt(1 - q)
    noise = math.sqrt(max(1 - p * p, 1e-300))
    a, weights = _half_line(m, s)
    plus, lost = ndtr(m / s), np.sum(weights * ndtr(-p * a / noise), axis=1)
    a, weights = _half_line(-m, s)
    gained = np.sum(weights * ndtr(-p * a / noise), axis=1)  # h < 0, by reflection
    states: States = {(1, 1): plus - lost, (1, 0): lost, (0, 1): gained, (0, 0): 1 - plus - gained}
    return _committee(states, t, plus, 1)


def _half_line(m: Array, s: float) -> tuple[Array, Array]:
    """Nodes h > 0 and weights of the Gaussians of mean m and deviation s, (t, nodes)."""
    x, w = np.polynomial.legendre.leggauss(80)
    low, high = np.maximum(m - 9 * s, 0.0)[:, None], np.maximum(m + 9 * s, 0.0)[:, None]
    h = low + (high - low) * (x + 1) / 2
    density = np.exp(-((h - m[:, None]) ** 2) / (2 * s * s)) / (s * math.sqrt(2 * math.pi))
    return h, w * density * (high - low) / 2


def _committee(states: States, t: Array, plus: Array, replicas: int) -> float:
    """E_t P(every solution right, the last sign of each unit together wrong | t)/Z(t)^replicas, from probabilities of signs of one unit."""
    gauss = np.exp(-t * t / 2)
    gauss /= gauss.sum()
    joint = np.zeros((t.size,) * K)
    for signs in product(states, repeat=K):
        *right, last = (2 * sum(column) > K for column in zip(*signs))
        if all(right) and not last:
            x, y, z = (states[s] for s in signs)
            joint += x[:, None, None] * y[:, None] * z
    x, y, z = plus[:, None, None], plus[:, None], plus
    Z = x * y * (1 - z) + x * (1 - y) * z + (1 - x) * y * z + x * y * z
    return float(np.einsum("ijk,i,j,k->", joint / Z**replicas, gauss, gauss, gauss))


@dataclass
class Part:
    """Verdicts, drawings, notes and lines of the raw table."""

    rows: list[Row] = field(default_factory=list)
    curves: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[tuple[Any, ...]] = field(default_factory=list)


def instance(alpha: float, N: int, seed: int, sample: int) -> simulation.Problem:
    """Random binary patterns for the committee."""
    return simulation.draw_problem(round(alpha * N), N, seed, sample, accepted=simulation.majority(K))


def sample_typical(case: Typical, N: int, seed: int, sample: int) -> tuple[float, float, float, float, float]:
    """Of one instance: overlap, errors in the middle and around, errors in the middle of random configurations, whether two chains agree."""
    problem = instance(case.alpha, N, seed, sample)
    starts = [simulation.run(problem, TRAINING[0], s, 300) for s in range(2)]
    rng = simulation.task_generator(seed, NAME, N, sample)
    random = landscape.errors_on_line(problem, rng.standard_normal(N), rng.standard_normal(N), 3).errors[1] / problem.P
    if not all(run.solved for run in starts):
        return math.nan, math.nan, math.nan, random, 0.0
    weights, chains = np.array([run.weights for run in starts]), int(rng.integers(2**31))
    found = landscape.sample_committee(problem, weights, case.records, chains, interval=case.interval, burn_in=case.records // 5)
    pairs = list(zip(*found.weights))
    middle = np.mean([landscape.errors_on_line(problem, W, V, 3).errors[1] for W, V in pairs]) / problem.P
    around = np.mean([landscape.flatness(problem, W, (SIZE,), 2, rng).errors[0] for pair in pairs for W in pair])
    return found["overlap"].mean, float(middle), float(around), random, float(max(o.r_hat for o in found.observables.values()) < AGREEMENT)


def confront_typical(case: Typical, seed: int, progress: Progress | None) -> Part:
    """All that is judged at one load."""
    part, alpha = Part(), case.alpha
    names = ("overlap of two typical solutions", "errors midway between two typical solutions", f"errors at distance {SIZE:g} from a typical solution")
    predictions = (overlap(alpha), predicted_middle(alpha), predicted_around(alpha, SIZE))
    tables, notes = {}, []
    for N, samples in case.plan.items():
        drawn = collect(lambda s, N=N: sample_typical(case, N, seed, s), samples, f"{NAME} alpha = {alpha:g} N = {N}", progress)  # type: ignore[misc]
        table = np.array(drawn, dtype=float)
        solved = np.isfinite(table[:, 0])
        apart = int(np.sum(table[solved, 4] == 0))
        used = apart <= MOST_APART * np.sum(solved)
        counted = f"{int(np.sum(~solved))} of {samples} without two solutions, {apart} whose chains disagree"
        notes.append(f"N = {N}: {counted}" + ("" if used else " (size not used)"))
        if used:
            tables[N] = table[solved], table[:, 3]
    part.notes.append(f"typical solutions, alpha = {alpha:g}: {'; '.join(notes)}")
    sizes = list(tables)
    if len(sizes) < 2:
        return part
    for column, (name, theory) in enumerate(zip(names, predictions)):
        label = f"{name}, alpha = {alpha:g}"
        mean, stderr = np.array([_mean(table[:, column]) for table, _ in tables.values()]).T
        fit = extrapolate(sizes, mean - theory, stderr, scale=max(theory, 0.1), unit=K)
        part.rows.append(confront(label, theory, theory + fit.limit, fit.stderr))
        part.notes.append(f"{label}: deviation {fit.statement}")
        x = 1 / np.array(sizes)
        part.curves.append(series(label, ("1/N", name), (x, mean, stderr), ([0, x.max()], [theory, theory])))
        part.lines += [
            (name, "typical", alpha, N, case.plan[N], float(mu), float(sigma)) for N, mu, sigma in zip(sizes, mean, stderr)
        ]
    random = _mean(np.concatenate([column for _, column in tables.values()]))
    part.rows.append(confront(f"errors midway between random configurations, alpha = {alpha:g}", 0.5, *random))
    return part


def _mean(values: Array) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size))


def clustered(groups: list[Array]) -> tuple[Array, Array]:
    """Mean over all rows of the instances, each (rows, quantities), and its standard error: rows of one instance are not independent."""
    filled = [group for group in groups if len(group)]
    mean = np.concatenate(filled).mean(axis=0)
    if len(filled) < 2:
        return mean, np.full(mean.shape, math.nan)
    sums = np.array([np.sum(group - mean, axis=0) for group in filled])
    n, G = sum(len(group) for group in filled), len(filled)
    return mean, np.sqrt(np.sum(sums**2, axis=0) * G / (G - 1)) / n


@dataclass(frozen=True)
class Explored:
    """Of the solutions of one algorithm on one instance: how many runs solved, and rows of pairs and of solutions."""

    solved: int
    pairs: list[tuple[float, float, float, float, float]]  # connected, most errors on the line/P, length of the path/line, overlap, loss barrier
    solutions: list[tuple[float, ...]]  # errors at every size, trace/N, largest eigenvalue, share of negative ones
    middle: list[tuple[float, float]]  # of a path found: trace/N at its middle, share of negative eigenvalues


def explore(case: Trained, algorithm: str, seed: int, sample: int) -> Explored:
    """Train, measure every solution, and look for a path between every two."""
    problem = instance(case.alpha, case.N, seed, sample)
    runs = [simulation.run(problem, algorithm, s, case.passes) for s in range(case.runs)]
    found = [run.weights for run in runs if run.solved and run.weights is not None]
    out = Explored(len(found), [], [], [])
    for i, W in enumerate(found):
        rng = simulation.task_generator(seed, NAME, "flatness", sample, i)
        spectrum = landscape.hessian_spectrum(problem, W)
        errors = landscape.flatness(problem, W, SIZES, 50, rng).errors
        out.solutions.append((*errors, spectrum.trace / case.N, spectrum.largest, spectrum.negative))
        for V in found[:i]:
            line = landscape.errors_on_line(problem, V, W, 41)
            path = landscape.find_path(problem, V, W, budget=case.budget)
            barrier = float(line.loss.max() - max(line.loss[0], line.loss[-1]))
            out.pairs.append((path.connected, line.most / problem.P, path.length / line.length, line.overlaps.mean(), barrier))
            if path.connected:
                at = landscape.hessian_spectrum(problem, path.chain[len(path.chain) // 2])
                out.middle.append((at.trace / case.N, at.negative))
    return out


def show_trained(cases: tuple[Trained, ...], seed: int, progress: Progress | None) -> Part:
    """What is measured and not judged."""
    part = Part()
    for algorithm in TRAINING:
        shares = []
        for case in cases:
            what = f"{NAME} {algorithm} alpha = {case.alpha:g} N = {case.N}"
            found = collect(lambda s, c=case, a=algorithm: explore(c, a, seed, s), case.instances, what, progress)  # type: ignore[misc]
            shares.append(_record(part, case, algorithm, found))
        alphas = np.array([case.alpha for case, share in zip(cases, shares) if share is not None])
        if alphas.size:
            share, stderr = np.array([share for share in shares if share is not None]).T
            part.curves.append(series(f"{algorithm}, N = {cases[0].N}", ("alpha", "share of pairs connected"), (alphas, share, stderr), ([], [])))
    return part


def _record(part: Part, case: Trained, algorithm: str, found: tuple[Explored, ...]) -> tuple[float, float] | None:
    """Lines, curve and note of one algorithm at one load; the share of pairs connected and its error."""
    at = f"{algorithm}, alpha = {case.alpha:g}, N = {case.N}"
    solved = sum(f.solved for f in found)
    solutions, pairs, middle = ([np.array(getattr(f, name), float) for f in found] for name in ("solutions", "pairs", "middle"))
    text = f"{at}: {solved} of {case.instances * case.runs} runs solved"
    if sum(len(group) for group in solutions) < 2:
        part.notes.append(text)
        return None
    mean, spread = clustered(solutions)
    errors, stderr = mean[: len(SIZES)], spread[: len(SIZES)]
    theory: tuple[Any, Any] = ([], [])
    with suppress(ValueError):  # no stable saddle, no prediction
        theory = (SIZES, [predicted_around(case.alpha, size) for size in SIZES])
    part.curves.append(series(f"flatness of {at}; line: typical", ("relative size", "fraction of errors"), (SIZES, errors, stderr), theory))
    trace, largest, negative = mean[len(SIZES) :]
    text += f"; errors at distance {SIZE:g} {errors[SIZES.index(SIZE)]:.4f} +- {stderr[SIZES.index(SIZE)]:.4f}"
    text += f"; curvature: trace/N {trace:.3f}, largest {largest:.2f}, {negative:.0%} negative"
    measured = {f"errors at {size:g}": (e, de) for size, e, de in zip(SIZES, errors, stderr)} | {"trace/N": (trace, spread[len(SIZES)])}
    share = None
    if n := sum(len(group) for group in pairs):
        (part_connected, most, _, q, barrier), spread = clustered(pairs)
        k = round(part_connected * n)
        # uniform prior: no error of 0 at 0 or 1
        share = (float(part_connected), float(np.fmax(math.sqrt((k + 1) * (n - k + 1) / (n + 2) ** 2 / (n + 3)), spread[0])))
        text += f"; {k} of {n} pairs connected by a path of solutions"
        text += f", {np.mean([row[2] for group in pairs for row in group if row[0]]):.2f} times as long as the line" if k else ""
        text += f"; on the line at most {most:.3f} of the patterns violated, loss barrier {barrier:.3f} (overlap {q:.3f})"
        measured |= {"share of pairs connected": share}
        measured |= {"most errors on the line": (most, spread[1]), "overlap": (q, spread[3]), "loss barrier": (barrier, spread[4])}
    if any(len(group) for group in middle):
        trace, negative = clustered(middle)[0]
        text += f"; in the middle of paths trace/N {trace:.3f}, {negative:.0%} negative"
    part.notes.append(text)
    part.lines += [(name, algorithm, case.alpha, case.N, case.instances, float(mu), float(sigma)) for name, (mu, sigma) in measured.items()]
    return share


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Sample, train, connect, compare."""
    start = time.perf_counter()
    typical, trained = QUICK if quick else FULL
    parts = [confront_typical(case, seed, progress) for case in typical] + [show_trained(trained, seed, progress)]
    rows, curves, notes, lines = (tuple(item for part in parts for item in getattr(part, name)) for name in ("rows", "curves", "notes", "lines"))
    data = dict(zip(COLUMNS, (list(column) for column in zip(*lines))))
    return ExperimentResult(NAME, QUESTION, rows, curves, notes, seed, quick, time.perf_counter() - start, data)
