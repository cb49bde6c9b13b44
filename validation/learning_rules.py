"""Overlap of simple learning rules with their spherical teacher: simulation against the learning curves of
the theory.

    Hebb: R = sqrt(2 alpha/(2 alpha + pi));   pseudo-inverse: a least-squares student, R -> 0 at alpha = 1

The mean overlap of Gaussian samples is measured at several sizes and extrapolated in 1/N.
"""

from __future__ import annotations

import time

import numpy as np

import replicas as rp
from replicas import simulation

from .finite_size import extrapolate
from .result import ExperimentResult, confront, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "learning-rules"
QUESTION = "Do Hebb and pseudo-inverse students reach the predicted overlap with their teacher?"
RULES = ("hebb", "pseudo-inverse")
LOADS = (0.5, 2.0)
QUICK = {50: 2000, 100: 800, 200: 200, 400: 60}
FULL = {50: 40000, 100: 16000, 200: 4000, 400: 1200}
AXES = ("load alpha", "overlap R with the teacher")


def predicted_overlap(rule: str, alpha: float) -> float:
    """Overlap of the rule's spherical student with its teacher at the load alpha."""
    model = rp.Perceptron(weights="spherical", task="teacher-student")
    return float(rp.generalization(model, alpha=alpha, rule=rule).R)


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Teach, extrapolate, compare."""
    start = time.perf_counter()
    plan = QUICK if quick else FULL
    theory_x = np.linspace(0.05, 3.0, 61)
    rows, notes, curves, lines = [], [], [], []
    for rule in RULES:
        points = []
        for alpha in LOADS:
            measured = [mean_overlap(rule, alpha, N, samples, seed, progress) for N, samples in plan.items()]
            predicted = predicted_overlap(rule, alpha)
            values, stderrs = zip(*measured)
            fit = extrapolate(list(plan), values, stderrs, scale=predicted)
            case = f"{rule}, alpha = {alpha:g}"
            rows.append(confront(f"overlap R, {case}", predicted, fit.limit, fit.stderr))
            notes.append(f"{case}: {fit.statement}")
            lines += [(rule, alpha, N, R, stderr) for N, (R, stderr) in zip(plan, measured)]
            points.append((alpha, *measured[-1]))
        x, y, yerr = zip(*points)
        theory = (theory_x, [predicted_overlap(rule, float(alpha)) for alpha in theory_x])
        curves.append(series(f"{rule}, N = {max(plan)}", AXES, (x, y, yerr), theory))
    data = dict(zip(("rule", "alpha", "N", "R", "stderr"), zip(*lines)))
    outcome = (tuple(rows), tuple(curves), tuple(notes))
    return ExperimentResult(NAME, QUESTION, *outcome, seed, quick, time.perf_counter() - start, data)


def mean_overlap(
    rule: str, alpha: float, N: int, samples: int, seed: int, progress: Progress | None
) -> tuple[float, float]:
    """Mean overlap over samples at one size, and its standard error."""

    def one(sample: int) -> float:
        return simulation.teacher_overlap(rule, round(alpha * N), N, seed, sample)

    mean, stderr = mean_and_stderr(np.array(collect(one, samples, f"{NAME} {rule} N={N}", progress)))
    return float(mean), float(stderr)
