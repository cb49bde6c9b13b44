"""Success probability of learning algorithms against the load, with the capacity that no algorithm can pass.

Storage of random binary patterns at kappa = 0. Every algorithm runs on the same fresh instances, with its own budget; the load where
half of them are solved comes from a probit fit with a bootstrap error. Nothing predicts these thresholds: the theory's statement is
that solutions end at alpha_c (binary weights: zero entropy; spherical weights: q -> 1; tree committees: both replica symmetric), and a
threshold above it would be a disagreement. How thresholds move with N is shown, not extrapolated.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

import replicas as rp
from replicas import simulation

from .result import ExperimentResult, bounded, series
from .sampling import Progress

NAME = "success"
QUESTION = "Do learning algorithms stop before solutions do, and where?"
AXES = ("load alpha", "share of instances solved")


@dataclass(frozen=True)
class Trial:
    """An algorithm, the loads it is tried at, and the sizes it is tried on (K branches for a committee)."""

    algorithm: str
    loads: tuple[float, ...]
    sizes: tuple[int, ...]
    K: int = 1
    budget: int | None = None


BELOW = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)  # binary weights
QUICK = (
    Trial("perceptron-rule", (1.4, 1.6, 1.8, 2.0, 2.2), (201,), budget=500),
    Trial("sbpi", (0.4, 0.5, 0.6, 0.7, 0.8), (201,)),
    Trial("reinforced-bp", (0.5, 0.6, 0.7, 0.8), (201,)),
)
FULL = (
    Trial("perceptron-rule", (1.5, 1.6, 1.7, 1.8, 1.9, 2.0), (1001,), budget=2000),
    Trial("clipped-hebb", (0.01, 0.02, 0.04, 0.06, 0.1, 0.15), (1001, 10001)),
    Trial("annealing", (0.3, 0.4, 0.5, 0.6, 0.7), (1001,)),
    Trial("sbpi", BELOW, (1001, 10001)),
    Trial("reinforced-bp", BELOW, (1001,)),
    Trial("reinforced-tap", BELOW, (1001, 10001)),
    Trial("reinforced-max-sum", BELOW, (1001,)),
    Trial("focusing-bp", BELOW, (1001,)),
    Trial("stochastic-perceptron", BELOW, (1001, 10001)),
    Trial("annealed-stochastic-perceptron", BELOW, (1001, 10001)),
    Trial("replicated-sgd", BELOW, (1001,)),
    Trial("entropic-monte-carlo", (0.4, 0.5, 0.6, 0.7), (1001,)),
    Trial("least-action", (1.5, 2.0, 2.5, 3.0), (999,), K=3),
    Trial("committee-sgd", (1.5, 2.0, 2.5, 3.0), (999,), K=3),
    Trial("committee-elastic-sgd", (1.5, 2.0, 2.5, 3.0), (999,), K=3),
)
INSTANCES = {True: 20, False: 50}  # quick, full


def end_of_solutions(binary: bool, K: int) -> float:
    """Replica-symmetric capacity at kappa = 0."""
    weights = "binary" if binary else "spherical"
    model = rp.Perceptron(weights) if K == 1 else rp.TreeCommittee(K, weights)
    return float(rp.capacity(model).value)


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Run every trial, fit its threshold, set it beside the capacity."""
    start = time.perf_counter()
    rows, notes, curves, lines = [], [], [], []
    for trial in QUICK if quick else FULL:
        for N in trial.sizes:
            what = f"{trial.algorithm}, N = {N}" + (f", K = {trial.K}" if trial.K > 1 else "")
            machine = simulation.majority(trial.K) if trial.K > 1 else simulation.PERCEPTRON
            report = None if progress is None else (lambda done, total, what=what: progress(f"{NAME} {what}", done, total))
            found = simulation.success_curve(
                trial.algorithm, N, trial.loads, INSTANCES[quick], seed, budget=trial.budget, machine=machine, progress=report
            )
            if found.interrupted:
                raise KeyboardInterrupt(what)
            end = end_of_solutions(found.binary, trial.K)
            if found.threshold.value is None:
                notes.append(f"{what}: threshold {found.threshold} ({trial.loads[0]:g} to {trial.loads[-1]:g}); capacity {end:.4f}")
            else:
                rows.append(bounded(f"threshold of {what}", end, found))
                fit = found.threshold
                quality = f"deviance {fit.deviance:.1f}, probability of a larger one {fit.probability:.2f}"
                notes.append(f"{what}: width {fit.width:.3f} +- {fit.width_error:.3f}, {quality}")
            table = zip(found.alphas, found.solved, found.instances, found.probability, found.stderr, found.seconds)
            lines += [(trial.algorithm, trial.K, N, *(x.item() for x in line)) for line in table]
            # solutions exist below the capacity: what no algorithm can exceed
            x = np.array([min(trial.loads), end, end, max(max(trial.loads), end * 1.02)])
            curves.append(series(what, AXES, (found.alphas, found.probability, found.stderr), (x, [1, 1, 0, 0])))
    names = ("algorithm", "K", "N", "alpha", "solved", "instances", "probability", "stderr", "seconds")
    data = dict(zip(names, zip(*lines)))
    seconds = time.perf_counter() - start
    return ExperimentResult(NAME, QUESTION, tuple(rows), tuple(curves), tuple(notes), seed, quick, seconds, data)
