"""Largest margin of random patterns: the perceptron of maximum stability against alpha_c(kappa), and its generalization.

    storage           kappa_max(alpha), the inverse of alpha_c(kappa) of the sphere: mean over samples, extrapolated in 1/N
    teacher-student   overlap R of the most stable student with its spherical teacher

Each stability is certified by the bound of its dual problem; a sample whose gap stays open counts as a failure and is reported.
Problems are convex and replica symmetric there: nothing but finite N separates the two.
"""

from __future__ import annotations

import time

import numpy as np

import replicas as rp
from replicas import simulation
from replicas.simulation.algorithms.max_stability import maximum_stability

from .finite_size import extrapolate
from .result import ExperimentResult, confront, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "maximum-stability"
QUESTION = "Is the largest margin of random patterns that of alpha_c(kappa)?"
LOADS = {"storage": (0.5, 1.0, 1.3), "teacher-student": (1.0, 4.0)}
QUICK = {26: 1500, 50: 600, 100: 200, 200: 30}
FULL = {26: 40000, 50: 20000, 100: 8000, 200: 3000, 400: 600}
CERTIFIED = 1e-8  # gap between the bounds of a stability that counts as found
AXES = {"storage": ("load alpha", "largest margin kappa"), "teacher-student": ("load alpha", "overlap R with the teacher")}


def predicted(task: str, alpha: float) -> float:
    """Largest margin of the sphere at this load, or overlap of the most stable student with its teacher."""
    if task == "storage":
        return float(rp.max_margin(rp.Perceptron(weights="spherical"), alpha).value)
    model = rp.Perceptron(weights="spherical", task="teacher-student")
    return float(rp.generalization(model, alpha=alpha, rule="max-stability").R)


def measured(task: str, alpha: float, N: int, samples: int, seed: int, progress: Progress | None) -> tuple[float, float, int]:
    """Mean over samples with its standard error, and the number of samples whose stability was not certified."""

    def one(sample: int) -> float:
        problem = simulation.draw_problem(round(alpha * N), N, seed, sample, task, "gaussian", "spherical")
        W, kappa, gap = maximum_stability(problem.patterns, problem.labels)
        if not gap < CERTIFIED:
            return np.nan
        return kappa if problem.teacher is None else simulation.overlap(W, problem.teacher)

    values = np.array(collect(one, samples, f"{NAME} {task} alpha={alpha:g} N={N}", progress))
    found = values[np.isfinite(values)]
    mean, stderr = mean_and_stderr(found)
    return float(mean), float(stderr), int(values.size - found.size)


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Find the most stable weights, extrapolate, compare."""
    start = time.perf_counter()
    plan = QUICK if quick else FULL
    rows, notes, curves, lines = [], [], [], []
    for task, loads in LOADS.items():
        points = []
        for alpha in loads:
            found = {N: measured(task, alpha, N, samples, seed, progress) for N, samples in plan.items()}
            values, stderrs, failed = zip(*found.values())
            value = predicted(task, alpha)
            fit = extrapolate(list(plan), values, stderrs, scale=1.0)
            what = "largest margin" if task == "storage" else "overlap R of the most stable student"
            rows.append(confront(f"{what}, alpha = {alpha:g}", value, fit.limit, fit.stderr))
            notes.append(f"{what}, alpha = {alpha:g}: {fit.statement}; not certified: {sum(failed)} of {sum(plan.values())}")
            lines += [(task, alpha, N, plan[N], *numbers) for N, numbers in found.items()]
            points.append((alpha, values[-1], stderrs[-1]))
        x, y, yerr = zip(*points)
        theory_x = np.linspace(0.3, 1.9, 33) if task == "storage" else np.linspace(0.2, 6.0, 30)
        theory = (theory_x, [predicted(task, float(alpha)) for alpha in theory_x])
        curves.append(series(f"maximum stability, N = {max(plan)}, {task}", AXES[task], (x, y, yerr), theory))
    data = dict(zip(("task", "alpha", "N", "samples", "mean", "stderr", "not_certified"), zip(*lines)))
    outcome = (tuple(rows), tuple(curves), tuple(notes))
    return ExperimentResult(NAME, QUESTION, *outcome, seed, quick, time.perf_counter() - start, data)
