"""Generalization of learning algorithms with binary weights: a binary teacher, random binary patterns, kappa = 0.

    eps = arccos(R)/pi,   R = W.T/N,   of the weights that an algorithm returns when it satisfies every pattern

No student generalizes better than the Bayes-optimal vote: eps_Bayes bounds every algorithm from below, and that is what is judged.
Typical solutions have the Gibbs error; algorithms find solutions in dense clusters, which generalize better. Where their mean stands
between the two curves, and beside that of the densest cluster, is measured and stated. Runs that end without a solution are set
aside and counted; the bound is that of large N, and at N = 1001 its correction of order 1/N is far below the errors here.
"""

from __future__ import annotations

import time

import numpy as np

import replicas as rp
from replicas import simulation

from .result import ExperimentResult, at_least, series
from .sampling import Progress, mean_and_stderr

NAME = "generalization"
QUESTION = "Do algorithms generalize better than typical solutions, and never better than Bayes?"
ALGORITHMS = {True: ("sbpi", "reinforced-bp"), False: ("sbpi", "reinforced-bp", "reinforced-tap", "focusing-bp", "stochastic-perceptron")}
LOADS = {True: (0.6,), False: (0.2, 0.4, 0.6, 0.8, 1.0)}
SIZE = {True: (401, 20), False: (1001, 50)}  # N, instances
DISTANCE = 0.01  # of the densest cluster from its reference
AXES = ("load alpha", "generalization error")


def predicted(alpha: float) -> tuple[float, float]:
    """Gibbs and Bayes errors on the thermodynamic branch."""
    found = rp.generalization(rp.Perceptron(weights="binary", task="teacher-student"), alpha=alpha)
    at = int(np.argmax(np.asarray(found.dominant, dtype=bool)))
    return float(np.ravel(found.eps_gibbs)[at]), float(np.ravel(found.eps_bayes)[at])


def densest(alpha: float) -> float:
    """Error of the centre of the densest cluster, nan where its branch has ended."""
    found = rp.local_entropy(rp.Perceptron(task="teacher-student"), alpha, DISTANCE, y="star")
    return float(found.eps_reference) if found.status in ("converged", "unphysical") and found.eps_reference is not None else float("nan")


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Learn from a teacher, measure the overlap with it, compare."""
    start = time.perf_counter()
    N, instances = SIZE[quick]
    loads = LOADS[quick]
    rows, notes, curves, lines = [], [], [], []
    theory_x = np.linspace(0.05, 1.2, 24)
    bayes = [predicted(float(alpha))[1] for alpha in theory_x]
    for name in ALGORITHMS[quick]:
        report = None if progress is None else (lambda done, total, name=name: progress(f"{NAME} {name}", done, total))
        found = simulation.success_curve(name, N, loads, instances, seed, task="teacher-student", progress=report)
        if found.interrupted:
            raise KeyboardInterrupt(name)
        points = []
        for i, alpha in enumerate(found.alphas):
            solved = np.isfinite(found.steps[i])
            if solved.sum() < 2:
                notes.append(f"{name}, alpha = {alpha:.3g}: {solved.sum()} of {instances} instances solved, no error measured")
                continue
            error = np.arccos(np.clip(found.overlap[i][solved], -1, 1)) / np.pi
            mean, stderr = (float(v) for v in mean_and_stderr(error))
            stderr = max(stderr, 1 / (N * np.sqrt(solved.sum())))  # all perfect: no spread to learn an error from
            gibbs, bound = predicted(float(alpha))
            rows.append(at_least(f"error of {name}, alpha = {alpha:.3g} (Bayes bound)", bound, mean, stderr))
            cluster = densest(float(alpha))
            beside = "" if np.isnan(cluster) else f", densest cluster (d = {DISTANCE:g}) {cluster:.4f}"
            curves_there = f"Gibbs {gibbs:.4f}, Bayes {bound:.4f}{beside}"
            notes.append(f"{name}, alpha = {alpha:.3g}: error {mean:.4f} +- {stderr:.4f}; {curves_there}; {np.sum(~solved)} of {instances} not solved")
            points.append((float(alpha), mean, stderr))
            lines.append((name, N, float(alpha), int(solved.sum()), instances, mean, stderr, gibbs, bound, cluster))
        if points:
            x, y, yerr = zip(*points)
            curves.append(series(f"{name}, N = {N}", AXES, (x, y, yerr), (theory_x, bayes)))
    names = ("algorithm", "N", "alpha", "solved", "instances", "error", "stderr", "gibbs", "bayes", "densest")
    data = dict(zip(names, zip(*lines)))
    seconds = time.perf_counter() - start
    return ExperimentResult(NAME, QUESTION, tuple(rows), tuple(curves), tuple(notes), seed, quick, seconds, data)
