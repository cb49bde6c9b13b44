"""Training of the stochastic perceptron: errors E of its binarised weights against q*, beside the equilibrium curve.

Gradient descent on the magnetizations raises q* = |m|^2/N from 0 towards 1; at each q* the theory has an equilibrium at inverse
temperature beta with error fraction E(q*). The trajectory is not an equilibrium: the comparison shows how close training stays to the
typical states, and is stated, not judged. What is judged is the algorithm's threshold against the capacity of binary weights (no
solution beyond), plain and with the annealed scale of the variance.
"""

from __future__ import annotations

import time

import numpy as np

import replicas as rp
from replicas import simulation

from .result import ExperimentResult, bounded, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "training"
QUESTION = "Does the stochastic perceptron train along its equilibrium states, and up to which load?"
ALPHA, BETA = 0.55, 20.0
Q_STAR = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
SIZE = {True: (401, 6), False: (10001, 20)}  # N, instances of the trajectory
PLAN = {True: (201, (0.4, 0.5, 0.6, 0.7, 0.8), 20), False: (1001, (0.5, 0.55, 0.6, 0.65, 0.7, 0.75), 50)}  # of the thresholds
ALGORITHMS = ("stochastic-perceptron", "annealed-stochastic-perceptron")
AXES = ("q*", "errors per pattern of sign(m)")


def predicted_energy(q_star: np.ndarray) -> np.ndarray:
    """Error fraction of the binarised configuration in equilibrium."""
    values = [rp.solve(rp.StochasticPerceptron(q_star=float(q), beta=BETA), alpha=ALPHA).energy_binarised for q in q_star]
    return np.array(values, dtype=float)


def trajectory(N: int, sample: int, seed: int) -> np.ndarray:
    """E at the values of Q_STAR along one run, nan beyond its last one."""
    problem = simulation.draw_problem(round(ALPHA * N), N, seed, sample)
    rng = simulation.task_generator(seed, NAME, N, sample)
    history = simulation.run(problem, "stochastic-perceptron", rng).history
    q, energy = history["q_star"], history["energy"]
    rising = np.maximum.accumulate(q)
    return np.interp(Q_STAR, rising, energy, left=np.nan, right=np.nan)


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Train, look at the trajectory, fit the thresholds."""
    start = time.perf_counter()
    N, samples = SIZE[quick]
    table = np.array(collect(lambda sample: trajectory(N, sample, seed), samples, f"{NAME} N={N}", progress))
    whole = np.isfinite(table).all(axis=0)
    mean, stderr = mean_and_stderr(table[:, whole])
    equilibrium = predicted_energy(Q_STAR[whole])
    notes = [
        f"q* = {q:.2g}: E = {m:.4f} +- {s:.4f} in training, {e:.4f} in equilibrium (beta = {BETA:g})"
        for q, m, s, e in zip(Q_STAR[whole], mean, stderr, equilibrium)
    ]
    theory_x = np.linspace(0.2, 0.95, 16)
    theory = (theory_x, predicted_energy(theory_x))
    curves = [series(f"training, alpha = {ALPHA:g}, N = {N}", AXES, (Q_STAR[whole], mean, stderr), theory)]
    end = float(rp.capacity(rp.Perceptron()).value)
    size, loads, instances = PLAN[quick]
    rows = []
    for name in ALGORITHMS:
        report = None if progress is None else (lambda done, total, name=name: progress(f"{NAME} {name}", done, total))
        found = simulation.success_curve(name, size, loads, instances, seed, progress=report)
        if found.interrupted:
            raise KeyboardInterrupt(name)
        if found.threshold.value is None:
            notes.append(f"{name}: threshold {found.threshold}")
        else:
            rows.append(bounded(f"threshold of {name}, N = {size}", end, found))
        x = np.array([min(loads), end, end, max(max(loads), end * 1.02)])
        points = (found.alphas, found.probability, found.stderr)
        curves.append(series(f"{name}, N = {size}", ("load alpha", "share of instances solved"), points, (x, [1, 1, 0, 0])))
    data = {"q_star": Q_STAR[whole].tolist(), "E": mean.tolist(), "stderr": stderr.tolist(), "equilibrium": equilibrium.tolist()}
    seconds = time.perf_counter() - start
    return ExperimentResult(NAME, QUESTION, tuple(rows), tuple(curves), tuple(notes), seed, quick, seconds, data)
