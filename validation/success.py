"""Success probability of learning algorithms against the load, with the capacity that no algorithm can pass.

Storage of random binary patterns at kappa = 0. Every algorithm runs on the same fresh instances, with its own budget; the load where
half of them are solved comes from a probit fit with a bootstrap error. Nothing predicts these thresholds: the theory's statement is
that solutions end at alpha_c (binary weights: zero entropy; spherical weights: q -> 1; tree committees: both replica symmetric), and a
threshold above it would be a disagreement. Where three sizes or more were measured, thresholds are extrapolated in the form
limit + a/N^0.5 + b/N: nothing predicts that form (budgets count sweeps, and runs grow longer with N), and its chi2 is stated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import replicas as rp
from replicas import simulation
from replicas.simulation import ALGORITHMS, Threshold
from replicas.simulation.threshold import share

from .finite_size import extrapolate
from .result import ExperimentResult, Row, Series, at_most, bounded, confront, series
from .sampling import Progress

NAME = "success"
QUESTION = "Do learning algorithms stop before solutions do, and where?"
EXACT = "max-stability"  # finds a solution whenever there is one: its curve is the probability of one, known at every N
REFUSED = 0.01  # probability of a larger chi2 below which thresholds do not follow the form, and have no limit
VANISHING = ("hebb", "clipped-hebb")  # one pass: alpha_1/2 ~ 1/(2 log N), 1/(pi log N) with signs, has no limit but 0
AXES = ("load alpha", "share of instances solved")


@dataclass(frozen=True)
class Trial:
    """An algorithm, the loads it is tried at, and the sizes it is tried on (K branches for a committee); its own budget if None."""

    algorithm: str
    loads: tuple[float, ...]
    sizes: tuple[int, ...]
    K: int = 1
    budget: int | None = None

    @property
    def steps(self) -> int:
        """The budget."""
        return int(ALGORITHMS[self.algorithm].budget if self.budget is None else self.budget)


@dataclass
class Found:
    """What the trials gave so far."""

    rows: list[Row] = field(default_factory=list)
    curves: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[tuple[Any, ...]] = field(default_factory=list)
    thresholds: dict[tuple[str, int, int], list[tuple[int, Threshold]]] = field(default_factory=dict)
    """By algorithm, K and budget: with another budget it is another algorithm."""
    interrupted: bool = False


QUICK = (
    Trial("perceptron-rule", (1.4, 1.6, 1.8, 2.0, 2.2), (201,), budget=500),
    Trial("sbpi", (0.4, 0.5, 0.6, 0.7, 0.8), (201,)),
    Trial("reinforced-bp", (0.5, 0.6, 0.7, 0.8), (201,)),
)
BELOW = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)  # binary weights
EARLY = (0.02, 0.03, 0.04, 0.06, 0.08, 0.11, 0.15)  # one pass of a Hebb rule
TREE = (1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6)
FULL = (
    Trial("hebb", EARLY, (251, 1001, 3001, 10001)),
    Trial("clipped-hebb", EARLY, (251, 1001, 3001, 10001)),
    Trial("pseudo-inverse", (0.9, 0.95, 1.0, 1.05, 1.1, 1.2), (251, 1001)),
    Trial("adaline", (0.6, 0.7, 0.8, 0.9, 1.0, 1.1), (251, 1001)),
    Trial("max-stability", (1.8, 1.9, 2.0, 2.1, 2.2), (251, 1001)),
    Trial("perceptron-rule", (1.5, 1.6, 1.7, 1.8, 1.9, 2.0), (251, 1001), budget=2000),
    Trial("annealing", (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6), (251, 1001)),
    Trial("entropic-monte-carlo", BELOW, (251, 1001)),
    Trial("sbpi", BELOW, (251, 1001, 3001)),
    Trial("reinforced-bp", BELOW, (251, 1001)),
    Trial("reinforced-tap", BELOW, (251, 1001, 3001)),
    Trial("reinforced-max-sum", BELOW, (251, 1001)),
    Trial("focusing-bp", BELOW, (251, 1001)),
    Trial("stochastic-perceptron", BELOW, (251, 1001, 3001)),
    Trial("annealed-stochastic-perceptron", BELOW, (251, 1001, 3001)),
    Trial("replicated-sgd", BELOW, (251, 1001)),
    Trial("elastic-sgd", BELOW, (251, 1001)),
    Trial("least-action", TREE, (249, 999), K=3),
    Trial("committee-sgd", TREE, (249, 999), K=3),
    Trial("committee-elastic-sgd", TREE, (249, 999), K=3),
    Trial("sbpi", (0.64, 0.68, 0.72, 0.76), (10001,)),
    Trial("reinforced-tap", (0.7, 0.72, 0.74, 0.76), (10001,)),
    Trial("stochastic-perceptron", (0.6, 0.62, 0.64, 0.66, 0.68), (10001,)),
    Trial("annealed-stochastic-perceptron", (0.66, 0.68, 0.7, 0.72), (10001,)),
    Trial("reinforced-bp", (0.7, 0.72), (10001,), budget=150),  # one cycle: a run that fails takes 15 s, and five minutes with all of them
    Trial("focusing-bp", (0.68, 0.7, 0.72), (10001,), budget=300),  # one cycle, too
    Trial("reinforced-max-sum", (0.6, 0.62, 0.64, 0.66, 0.68), (10001,), budget=300),
    Trial("pseudo-inverse", (1.06, 1.08), (10001,)),
    Trial("adaline", (1.02, 1.04), (10001,)),
    Trial("max-stability", (1.9, 2.1), (10001,)),  # a minute a run
    Trial("perceptron-rule", (1.57, 1.6, 1.63), (10001,), budget=500),
    Trial("annealing", (0.08, 0.12, 0.16, 0.2), (10001,)),
    Trial("replicated-sgd", (0.63, 0.65), (10001,)),
    Trial("elastic-sgd", (0.62, 0.64, 0.66), (10001,)),
    Trial("least-action", (2.27, 2.4), (9999,), K=3),
    Trial("entropic-monte-carlo", (0.7, 0.72), (10001,)),  # 10 s a run that succeeds, a minute one that fails
    Trial("committee-sgd", (1.26, 1.3, 1.34), (9999,), K=3, budget=300),
    Trial("committee-elastic-sgd", (0.84, 1.0, 1.16, 1.2), (9999,), K=3, budget=300),
)
INSTANCES = {True: 20, False: 50}  # quick, full


def end_of_solutions(binary: bool, K: int) -> float:
    """Replica-symmetric capacity at kappa = 0."""
    weights = "binary" if binary else "spherical"
    model = rp.Perceptron(weights) if K == 1 else rp.TreeCommittee(K, weights)
    return float(rp.capacity(model).value)


def share_of(cell: str) -> dict[str, Any]:
    """Solved instances of one algorithm at one load; the words of a cell decide them, whatever else was measured before."""
    algorithm, K, N, alpha, budget, instances, seed = json.loads(cell)
    machine = simulation.majority(K) if K > 1 else simulation.PERCEPTRON
    found = simulation.success_curve(algorithm, N, [alpha], instances, seed, budget=budget, machine=machine)
    if found.interrupted:
        raise KeyboardInterrupt
    return {"alpha": found.alphas[0], "solved": found.solved[0], "instances": found.instances[0], "seconds": found.seconds[0]}


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None, store: Path | None = None) -> ExperimentResult:
    """Run every trial, fit its threshold, set it beside the capacity; interrupted, the trials completed are kept.

    store : a file that keeps every load as it is measured; the same run, begun again, goes on there
    """
    start = time.perf_counter()
    asked = [(trial, N) for trial in (QUICK if quick else FULL) for N in trial.sizes]
    cells = {t: [json.dumps([t[0].algorithm, t[0].K, t[1], load, t[0].budget, INSTANCES[quick], seed]) for load in t[0].loads] for t in asked}
    grid = {"cell": [cell for own in cells.values() for cell in own]}
    out = Found()
    try:
        swept = rp.sweep(share_of, grid, store=store, progress=progress is not None)
    except rp.SweepInterrupted as stopped:
        swept, out.interrupted = stopped.partial, True
    measured = {str(line["cell"]): line for line in swept.points()}
    for (trial, N), own in cells.items():
        lines = [measured[cell] for cell in own]
        failed = [line for line in lines if line["status"] != "converged"]
        if not failed:
            judge(out, trial, N, lines, seed)
        elif not out.interrupted:
            raise RuntimeError(f"{name_of(trial.algorithm, trial.K)}, N = {N}: {failed[0]['message']}")
    for (algorithm, K, _), fits in out.thresholds.items():
        if len(fits) > 2 and algorithm not in VANISHING:
            towards_infinity(out, algorithm, K, fits)
    names = ("algorithm", "K", "N", "budget", "alpha", "solved", "instances", "probability", "stderr", "seconds")
    data = dict(zip(names, zip(*out.lines)))
    outcome = (tuple(out.rows), tuple(out.curves), tuple(out.notes))
    return ExperimentResult(NAME, QUESTION, *outcome, seed, quick, time.perf_counter() - start, data, out.interrupted)


def judge(out: Found, trial: Trial, N: int, lines: Sequence[Mapping[str, Any]], seed: int) -> None:
    """One algorithm at one size: its threshold, beside the end of solutions."""
    what = name_of(trial.algorithm, trial.K) + f", N = {N}"
    alphas, seconds = (np.array([float(line[name]) for line in lines]) for name in ("alpha", "seconds"))
    solved, instances = (np.array([int(line[name]) for line in lines]) for name in ("solved", "instances"))
    probability, stderr = share(solved, instances)
    end = end_of_solutions(ALGORITHMS[trial.algorithm].binary, trial.K)
    fit = simulation.fit_threshold(alphas, solved, instances, seed)
    if fit.value is None:
        out.notes.append(f"{what}: threshold {fit} ({trial.loads[0]:g} to {trial.loads[-1]:g}); capacity {end:.4f}")
    else:
        out.rows.append(bounded(f"threshold of {what}", end, SimpleNamespace(threshold=fit)))
        quality = f"deviance {fit.deviance:.1f}, probability of a larger one {fit.probability:.2f}"
        out.notes.append(f"{what}: width {fit.width:.3f} +- {fit.width_error:.3f}, {quality}")
        if fit.status == "fitted":  # a poor fit is shown, and not extrapolated
            out.thresholds.setdefault((trial.algorithm, trial.K, trial.steps), []).append((N, fit))
    table = zip(alphas, solved, instances, probability, stderr, seconds)
    out.lines += [(trial.algorithm, trial.K, N, trial.steps, *(x.item() for x in line)) for line in table]
    if trial.algorithm == EXACT:
        theory = alphas, np.array([float(simulation.separable_probability(round(a * N), N)) for a in alphas])
        for alpha, part, n, p in zip(alphas, probability, instances, theory[1]):
            sigma = float(np.sqrt(p * (1 - p) / n + 1 / (4 * n * n)))  # of the prediction, and the half count that shares are known to
            out.rows.append(confront(f"share of {what}, alpha = {alpha:.3g}, against Cover's", p, float(part), sigma))
    else:  # solutions exist below the capacity: what no algorithm can exceed
        theory = np.array([min(trial.loads), end, end, max(max(trial.loads), end * 1.02)]), np.array([1.0, 1.0, 0.0, 0.0])
    out.curves.append(series(what, AXES, (alphas, probability, stderr), theory))


def towards_infinity(out: Found, algorithm: str, K: int, fits: list[tuple[int, Threshold]]) -> None:
    """Extrapolate the thresholds of three or more sizes."""
    sizes = [N for N, _ in fits]
    values, errors = ([float(v) for v in column] for column in zip(*((fit.value or 0, fit.error or 0) for _, fit in fits)))
    limit = extrapolate(sizes, values, errors, scale=1.0, power=0.5)
    what = f"threshold of {name_of(algorithm, K)}, N -> inf"
    if limit.probability < REFUSED:
        out.notes.append(f"{what}: none, the sizes do not follow {limit.statement}")
        return
    out.rows.append(at_most(what, end_of_solutions(ALGORITHMS[algorithm].binary, K), limit.limit, limit.stderr))
    out.notes.append(f"{what}: {limit.limit:.4f} +- {limit.stderr:.4f}, {limit.statement}")


def name_of(algorithm: str, K: int) -> str:
    """The algorithm, and of how many branches."""
    return algorithm + (f", K = {K}" if K > 1 else "")
