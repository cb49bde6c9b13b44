"""Message passing on single instances against the theory: AMP, its transition, Bethe entropies, neighbourhoods of solutions.

Perceptron, kappa = 0, binary patterns. Four confrontations:

- trajectories: overlaps R_t = w.T/N of AMP with its teacher, step by step, against state evolution (`rp.state_evolution`). Deviations
  are extrapolated as limit + a/N + b/N^2.
- recovery: the load where AMP finds half of the binary teachers (overlap > 0.99, finite values) against the spinodal
  (`rp.transitions`), in the form limit + a/N^(2/3) + b/N^(4/3). That a finite size shifts the threshold of belief propagation at a fold
  of its state evolution by N^(-2/3), in a window of width N^(-1/2), is known for codes (A. Amraoui, A. Montanari, T. Richardson and
  R. Urbanke, Finite-length scaling and finite-length shift for low-density parity-check codes, arXiv:cs/0410019); here it is a form
  that is tried, its chi2 is stated, and so are the limits with N^(-1/2) and N^(-1) in its place and how the widths go with N. Runs
  without fixed point count as failures if the teacher is not found; thresholds whose fit is poor are stated and not extrapolated.
- entropies: the Bethe entropy of single instances, storage and teacher-student, against the RS entropy, extrapolated in 1/N.
- neighbourhoods: entropy of the solutions at distance d from a reference, by belief propagation. Around a random configuration theory
  knows it: the local entropy at y -> 0. Around the solutions that algorithms find theory has a bound, the densest surroundings that
  exist (local entropy at S_E = 0); how far above typical solutions (Franz-Parisi) they are is stated, not judged. The largest size.

Instances where belief propagation has no fixed point are counted in the notes and set aside; where they are more than 5% there is no verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import replicas as rp
from replicas import simulation

from .finite_size import Extrapolation, extrapolate
from .result import ExperimentResult, Row, Series, at_most, confront, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "inference"
QUESTION = "Does message passing on single instances do what state evolution and replicas say?"
Array = NDArray[np.float64]
MAX_WITHOUT = 0.05
"""Largest share of instances without a fixed point."""
SMALL_Y = (0.03, 0.06, 0.12)
"""From which the local entropy is extrapolated to y = 0 by a parabola: to 3e-5 at the distances FAR."""
OTHER_POWERS = (0.5, 1.0)
"""Of the first correction to the threshold of recovery, in place of 2/3: the sizes within reach may not tell them apart, and the error of
the limit is that at a given power."""
SCALE = 10.0
"""Of b/N^(4/3) in the threshold of recovery, whose a is about 2: coefficients of the order of a or a few times it are allowed for."""


@dataclass(frozen=True)
class Plan:
    """Loads, sizes and numbers of instances of each part; sizes are odd multiples of 5, so that alpha N is an integer.

    trajectories : (weights, alpha, steps t that are judged);  trajectory_sizes : instances by N
    recovery : loads and instances by N;  steps : of AMP there, at most;  entropies : (task, alpha);  entropy_sizes : instances by N
    around : (alpha, algorithms, N, instances);  random : (alpha, N, instances)
    """

    trajectories: tuple[tuple[str, float, tuple[int, ...]], ...]
    trajectory_sizes: dict[int, int]
    recovery: dict[int, tuple[tuple[float, ...], int]]
    steps: int
    entropies: tuple[tuple[str, float], ...]
    entropy_sizes: dict[int, int]
    around: tuple[tuple[float, tuple[str, ...], int, int], ...]
    random: tuple[float, int, int]


TRAJECTORIES = (("binary", 1.0, (3, 20)), ("binary", 1.4, (3, 8)), ("binary", 2.0, (2, 4)), ("spherical", 1.6, (3, 15)))
WIDE, MIDDLE = (1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9), (1.35, 1.4, 1.45, 1.5, 1.55, 1.6, 1.65)
NARROW, NARROWER = (1.4, 1.44, 1.48, 1.52, 1.56, 1.6), (1.45, 1.47, 1.49, 1.51, 1.53, 1.55)
ALL = ("sbpi", "reinforced-tap", "entropic-monte-carlo")
QUICK = Plan(
    TRAJECTORIES[::3],
    {305: 30, 605: 20, 1205: 10},
    {251: (WIDE[::2], 40), 501: ((1.3, 1.5, 1.7), 40), 1001: ((1.4, 1.5, 1.6), 25)},
    200,
    (("storage", 0.4), ("teacher-student", 1.0)),
    {305: 60, 605: 40, 1205: 20},
    ((0.4, ("sbpi", "reinforced-tap"), 1005, 8),),
    (0.4, 1005, 12),
)
FULL = Plan(
    TRAJECTORIES,
    {505: 200, 1005: 150, 2005: 100, 4005: 60},
    {251: (WIDE, 400), 501: (WIDE, 300), 1001: (MIDDLE, 300), 2001: (NARROW, 200), 4001: (NARROW, 100), 8001: (NARROWER, 40)},
    500,
    (("storage", 0.2), ("storage", 0.4), ("storage", 0.6), ("teacher-student", 0.6), ("teacher-student", 1.0)),
    {505: 400, 1005: 300, 2005: 200, 4005: 100},
    ((0.4, ALL, 4005, 30), (0.6, ALL, 4005, 30)),
    (0.4, 4005, 60),
)
NEAR = np.array([0.02, 0.05, 0.1])  # distances around solutions, which the theory of dense regions reaches
FAR = np.array([0.3, 0.4])  # and around a random configuration, where there are solutions
CURVE = np.linspace(0.01, 0.15, 15)


@dataclass
class Found:
    """Verdicts, drawings, notes and lines of the raw table so far."""

    quick: bool
    seed: int
    progress: Progress | None
    rows: list[Row] = field(default_factory=list)
    curves: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[tuple[Any, ...]] = field(default_factory=list)

    def record(self, part: str, case: str, N: int, P: int, at: float, samples: int, value: float, stderr: float, predicted: float) -> None:
        """A line of the raw table; `at` is a step, a load or a distance."""
        self.lines.append((part, case, N, P, float(at), samples, float(value), float(stderr), float(predicted)))


def evolution(weights: str, alpha: float, steps: int) -> Array:
    """q_0 = 0, ..., q_steps of state evolution."""
    q = [float(m[0, 0]) for m in rp.state_evolution(rp.Perceptron(weights, task="teacher-student"), alpha, np.zeros((1, 1)), steps)]
    return np.array(q + [q[-1]] * (steps + 1 - len(q)))


def spinodal() -> float:
    """The load above which message passing finds a binary teacher from nothing."""
    return float(rp.transitions(rp.Perceptron("binary", task="teacher-student")).spinodal.value)


def predicted_entropy(task: str, alpha: float) -> float:
    """RS entropy per weight, of the branch that is not perfect."""
    return float(rp.solve(rp.Perceptron("binary", task=task), alpha=alpha).entropy)


def densest(alpha: float, distances: Array) -> Array:
    """Entropy of the densest surroundings that exist."""
    return np.asarray(rp.local_entropy(rp.Perceptron("binary"), alpha, distances, y="star").local_entropy, dtype=float)


def typical(alpha: float, distances: Array) -> Array:
    """Entropy around typical solutions."""
    return np.asarray(rp.franz_parisi(rp.Perceptron("binary"), alpha, distances).entropy, dtype=float)


def around_nothing(alpha: float, distances: Array) -> Array:
    """Entropy around a random configuration: the local entropy at y -> 0."""
    values = [np.asarray(rp.local_entropy(rp.Perceptron("binary"), alpha, distances, y=y).local_entropy, dtype=float) for y in SMALL_Y]
    return np.asarray(np.polynomial.polynomial.polyfit(SMALL_Y, values, 2)[0])


def to_infinity(measured: dict[int, tuple[float, float]], scale: float, power: float = 1.0) -> Extrapolation:
    """Values with errors by N, extrapolated."""
    values, errors = zip(*measured.values())
    return extrapolate(list(measured), values, errors, scale, power=power)


def trajectories(out: Found, plan: Plan) -> None:
    """Overlaps of AMP, step by step."""
    for weights, alpha, judged in plan.trajectories:
        predicted = evolution(weights, alpha, judged[-1])
        at: dict[int, list[tuple[float, float]]] = {}
        for N, samples in plan.trajectory_sizes.items():
            found = overlaps(weights, alpha, N, samples, judged[-1], out)
            mean, stderr = mean_and_stderr(found)
            at[N] = [(float(mean[t] - predicted[t]), float(stderr[t])) for t in judged]
            for t in range(1, judged[-1] + 1):
                out.record("trajectory", weights, N, round(alpha * N), t, samples, mean[t], stderr[t], predicted[t])
        what = f"AMP, {weights}, alpha = {alpha:g}"
        for i, t in enumerate(judged):
            fit = to_infinity({N: values[i] for N, values in at.items()}, 1.0)
            out.rows.append(confront(f"{what}: overlap at t = {t}", predicted[t], predicted[t] + fit.limit, fit.stderr))
            out.notes.append(f"{what}, t = {t}: deviation {fit.statement}")
        whole = np.arange(judged[-1] + 1)
        out.curves.append(series(f"{what}, N = {N}", ("step t", "overlap with the teacher"), (whole, mean, stderr), (whole, predicted)))


def overlaps(weights: str, alpha: float, N: int, samples: int, steps: int, out: Found) -> Array:
    """R_t, shape (samples, steps + 1)."""

    def one(sample: int) -> Array:
        problem = simulation.draw_problem(round(alpha * N), N, out.seed, sample, "teacher-student", "binary", weights)
        R = simulation.amp(problem, weights, iterations=steps, tolerance=1e-6).overlap
        return np.pad(R, (0, steps + 1 - R.size), mode="edge")

    return np.array(collect(one, samples, f"{NAME} AMP {weights} N={N}", out.progress))


def recovery(out: Found, plan: Plan) -> None:
    """The load where half of the teachers are found."""
    end, thresholds = spinodal(), {}
    for N, (loads, instances) in plan.recovery.items():
        report = None if out.progress is None else _report(out.progress, f"{NAME} recovery N={N}")
        curve = simulation.recovery_curve(N, loads, instances, out.seed, iterations=plan.steps, progress=report)
        if curve.interrupted:
            raise KeyboardInterrupt
        for i, alpha in enumerate(curve.alphas):
            p, error = curve.probability[i], curve.stderr[i]
            out.record("recovery", "binary", N, round(alpha * N), alpha, int(curve.instances[i]), p, error, float(alpha > end))
        x = np.array([loads[0], end, end, loads[-1]])
        axes = ("load alpha", "share of teachers found")
        out.curves.append(series(f"recovery by AMP, N = {N}", axes, (curve.alphas, curve.probability, curve.stderr), (x, [0, 0, 1, 1])))
        fit = curve.threshold
        lost = int(np.sum(curve.instances - curve.converged))
        if fit.value is None or fit.width is None:
            out.notes.append(f"recovery, N = {N}: threshold {fit} ({loads[0]:g} to {loads[-1]:g})")
            continue
        if fit.status == "fitted":  # the error of a poor fit is that of a curve which the data reject: it is shown, and not extrapolated
            thresholds[N] = fit.value, fit.error or 0.0
        out.notes.append(
            f"recovery, N = {N}: {fit}; width times sqrt(N) = {fit.width * N**0.5:.2f}; {lost} of {curve.instances.sum()} runs without fixed point"
        )
    if len(thresholds) < 2:
        out.notes.append(f"recovery: threshold of {len(thresholds)} sizes only, not extrapolated")
        return
    limit = to_infinity(thresholds, SCALE, 2 / 3)
    out.rows.append(confront("recovery by AMP, threshold at N -> inf", end, limit.limit, limit.stderr))
    out.notes.append(f"recovery: threshold {limit.statement}")
    for power in OTHER_POWERS:
        other = to_infinity(thresholds, SCALE, power)
        out.notes.append(f"recovery, another form, not judged: {other.limit:.4f} +- {other.stderr:.4f}, {other.statement}")


def _report(progress: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(what, done, total)


def entropies(out: Found, plan: Plan) -> None:
    """Bethe entropies of instances."""
    for task, alpha in plan.entropies:
        predicted = predicted_entropy(task, alpha)
        deviations: dict[int, tuple[float, float]] = {}
        lost = total = 0
        for N, samples in plan.entropy_sizes.items():
            values = bethe(task, alpha, N, samples, out)
            kept = values[np.isfinite(values)]
            lost, total = lost + values.size - kept.size, total + values.size
            mean, stderr = mean_and_stderr(kept)
            deviations[N] = float(mean) - predicted, float(stderr)
            out.record("entropy", task, N, round(alpha * N), alpha, kept.size, float(mean), float(stderr), predicted)
        what = f"Bethe entropy, {task}, alpha = {alpha:g}"
        fit = to_infinity(deviations, predicted)
        out.notes.append(f"{what}: deviation {fit.statement}; {lost} of {total} instances without fixed point")
        if lost <= MAX_WITHOUT * total:
            out.rows.append(confront(what, predicted, predicted + fit.limit, fit.stderr))


def bethe(task: str, alpha: float, N: int, samples: int, out: Found) -> Array:
    """Bethe entropies of instances, nan without a fixed point."""

    def one(sample: int) -> float:
        # a negative entropy is one of the mean: only those without a fixed point are left out
        return simulation.belief_propagation(simulation.draw_problem(round(alpha * N), N, out.seed, sample, task)).entropy

    return np.array(collect(one, samples, f"{NAME} entropy {task} N={N}", out.progress))


def neighbourhoods(out: Found, plan: Plan) -> None:
    """Solutions at a distance from a random configuration and from what algorithms find."""
    alpha, N, samples = plan.random
    predicted = around_nothing(alpha, FAR)

    def nothing(sample: int) -> Array:
        problem = simulation.draw_problem(round(alpha * N), N, out.seed, sample)
        return simulation.entropy_around(problem, np.ones(N, np.int8), FAR).entropy

    found = np.array(collect(nothing, samples, f"{NAME} around a random configuration", out.progress))
    judge(out, f"around a random configuration, alpha = {alpha:g}, N = {N}", FAR, found, alpha, N, predicted, confront)
    for alpha, algorithms, N, samples in plan.around:
        dense, usual = densest(alpha, NEAR), typical(alpha, NEAR)
        x = CURVE if len(algorithms) > 2 else NEAR
        for algorithm in algorithms:
            found = around_solutions(out, alpha, algorithm, N, samples)
            what = f"around solutions of {algorithm}, alpha = {alpha:g}, N = {N}"
            mean, stderr = judge(out, what, NEAR, found, alpha, N, dense, at_most)
            told = [
                f"d = {d:g}: {m:.4f} +- {e:.4f}, {u:.4f} typical, {(m - u) / (top - u):.0%} of the way to the densest"
                for d, m, e, u, top in zip(NEAR, mean, stderr, usual, dense)
            ]
            out.notes.append(f"{what}: {', '.join(told)}")
            axes = ("distance d", "entropy per weight")
            out.curves.append(series(what, axes, (NEAR, mean, stderr), (x, densest(alpha, x))))


def around_solutions(out: Found, alpha: float, algorithm: str, N: int, samples: int) -> Array:
    """Entropies at the distances NEAR, nan where no solution was found, shape (samples, distances)."""

    def one(sample: int) -> Array:
        problem = simulation.draw_problem(round(alpha * N), N, out.seed, sample)
        learned = simulation.run(problem, algorithm, simulation.task_generator(out.seed, NAME, algorithm, N, sample))
        if not learned.solved or learned.weights is None:
            return np.full(NEAR.size, np.nan)
        return simulation.entropy_around(problem, learned.weights, NEAR).entropy

    return np.array(collect(one, samples, f"{NAME} around {algorithm} N={N}", out.progress))


def judge(
    out: Found, what: str, distances: Array, found: Array, alpha: float, N: int, predicted: Array, verdict: Callable[[str, float, float, float], Row]
) -> tuple[Array, Array]:
    """Rows of the entropies found, (samples, distances), and their means with errors."""
    kept = found[np.isfinite(found).all(axis=1)]
    if len(kept) < len(found):
        out.notes.append(f"{what}: {len(found) - len(kept)} of {len(found)} instances without a solution or a fixed point")
    if len(kept) < 2:
        return np.full(distances.size, np.nan), np.full(distances.size, np.nan)
    mean, stderr = mean_and_stderr(kept)
    for d, m, s, p in zip(distances, mean, stderr, predicted):
        if len(kept) >= (1 - MAX_WITHOUT) * len(found):
            out.rows.append(verdict(f"{what}, d = {d:g}", float(p), float(m), float(s)))
        out.record("neighbourhood", what, N, round(alpha * N), d, len(kept), m, s, p)
    return mean, stderr


PARTS = (trajectories, recovery, entropies, neighbourhoods)


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """All four confrontations; interrupted, the parts completed are kept. Quick: 12 s of a core; full: about 45 minutes of one."""
    start = time.perf_counter()
    out, interrupted = Found(quick, seed, progress), False
    try:
        for part in PARTS:
            part(out, QUICK if quick else FULL)
    except KeyboardInterrupt:
        interrupted = True
    names = ("part", "case", "N", "P", "at", "samples", "value", "stderr", "predicted")
    data = dict(zip(names, zip(*out.lines)))
    told = (tuple(out.rows), tuple(out.curves), tuple(out.notes))
    return ExperimentResult(NAME, QUESTION, *told, seed, quick, time.perf_counter() - start, data, interrupted)
