"""Success of a learning algorithm against the load: many fresh instances, a fitted threshold, in threads.

Every instance is drawn from its own stream, and so is the algorithm's randomness: a point does not depend on which others are
asked for, on their order, or on the number of workers. Two algorithms at the same (seed, N, alpha) see the same instances.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_finite, check_integer
from ._tables import html_table, text_table
from .learning import Algorithm, Result, Solver, UserSolver, as_algorithm, run
from .machines import PERCEPTRON, Machine, as_architecture, machine_name
from .problems import draw_problem
from .sampling import SampleRun, run_samples
from .seeding import task_generator
from .threshold import Threshold, fit_threshold, share

Array = NDArray[np.float64]
Timed = tuple[Result, float, float]  # result, CPU seconds, overlap with the teacher


@dataclass(frozen=True, eq=False)
class SuccessCurve:
    """Share of the instances that an algorithm solves, by load.

    alphas : loads P/N as drawn, (A,);  instances, solved : counts of those completed and of those solved, (A,)
    probability, stderr : their share, nan where none was completed, and its standard error (Wilson's)
    steps : (A, instances) steps that a solved instance took, nan elsewhere;  errors : patterns violated in the end, likewise
    overlap : (A, instances), with the teacher, nan in storage;  seconds : CPU time of the threads per completed instance, (A,)
    binary : whether the algorithm's weights are +-1 (of a function of your own: whether those of all its solutions are)
    model : what was learnt, in the words of the theory: name, K, weights, kappa, task, and the kind of patterns
    threshold : the load where half of the instances are solved (`fit_threshold`)
    interrupted : whether it was stopped (then fewer instances are completed than were asked for)
    """

    algorithm: str
    N: int
    alphas: Array
    instances: NDArray[np.int64]
    solved: NDArray[np.int64]
    steps: Array
    errors: Array
    overlap: Array
    seconds: Array
    threshold: Threshold
    budget: int
    seed: int
    task: str
    binary: bool
    interrupted: bool
    model: dict[str, Any]

    @property
    def probability(self) -> Array:
        """Share of the completed instances that were solved."""
        return share(self.solved, self.instances)[0]

    @property
    def stderr(self) -> Array:
        """Half-width of Wilson's interval at one standard deviation: not zero where all or none are solved."""
        return share(self.solved, self.instances)[1]

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of a readable table."""
        header = ["alpha", "solved", "of", "probability", "stderr", "median steps", "CPU s"]
        body = []
        for i, alpha in enumerate(self.alphas):
            steps = self.steps[i][np.isfinite(self.steps[i])]
            cells = [f"{alpha:.4g}", str(self.solved[i]), str(self.instances[i]), f"{self.probability[i]:.3f}", f"{self.stderr[i]:.3f}"]
            body.append([*cells, f"{np.median(steps):.0f}" if steps.size else "", f"{self.seconds[i]:.2g}"])
        return header, body

    @property
    def status(self) -> str:
        """Whether everything asked for was run: "converged" or "interrupted"."""
        return "interrupted" if self.interrupted else "converged"

    @property
    def title(self) -> str:
        """What was run, in words."""
        stopped = ", interrupted" if self.interrupted else ""
        return f"{self.algorithm}, N = {self.N}, {self.task}, budget {self.budget}, seed {self.seed}{stopped}"

    def __str__(self) -> str:
        return text_table(self.title, *self.rows(), f"threshold {self.threshold}")

    def _repr_html_(self) -> str:
        return html_table(self.title, *self.rows(), f"threshold {self.threshold}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, computed numbers as decimal strings, null where there is none."""

        def decimal(value: float | None) -> str | None:
            return None if value is None or not np.isfinite(value) else repr(float(value))

        points = []
        for i, alpha in enumerate(self.alphas):
            steps = self.steps[i][np.isfinite(self.steps[i])]
            overlap = self.overlap[i][np.isfinite(self.overlap[i])]
            points.append(
                {
                    "alpha": float(alpha),
                    "instances": int(self.instances[i]),
                    "solved": int(self.solved[i]),
                    "probability": decimal(self.probability[i]),
                    "error": decimal(self.stderr[i]),
                    "median_steps": decimal(np.median(steps)) if steps.size else None,
                    "overlap": decimal(overlap.mean()) if overlap.size else None,
                    "seconds": decimal(self.seconds[i]),
                }
            )
        fit = {name: decimal(getattr(self.threshold, name)) for name in ("value", "error", "width", "width_error", "deviance", "probability")}
        head = {"quantity": "simulate", "algorithm": self.algorithm, "N": self.N, "task": self.task, "budget": self.budget, "seed": self.seed}
        return {**head, "model": self.model, "threshold": fit | {"status": self.threshold.status}, "points": points, "status": self.status}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw the share solved against the load, the fit through it; returns the axes."""
        import matplotlib.pyplot as plt
        from scipy.special import ndtr

        ax = plt.figure().add_subplot() if ax is None else ax
        label = style.pop("label", f"{self.algorithm}, N = {self.N}")
        drawn = ax.errorbar(self.alphas, self.probability, self.stderr, fmt="o", ms=3.5, label=label, **style)
        if self.threshold.value is not None and self.threshold.width is not None:
            x = np.linspace(self.alphas.min(), self.alphas.max(), 201)
            ax.plot(x, ndtr((self.threshold.value - x) / self.threshold.width), color=drawn[0].get_color(), lw=1.2)
        ax.set_xlabel(r"load $\alpha$")
        ax.set_ylabel("share of instances solved")
        ax.set_ylim(-0.04, 1.04)
        return ax


def success_curve(
    solver: str | Algorithm | Solver,
    N: int,
    alphas: ArrayLike | Sequence[float],
    instances: int = 50,
    seed: int = 0,
    *,
    budget: int | None = None,
    task: str = "storage",
    patterns: str = "binary",
    teacher: str = "binary",
    kappa: float = 0.0,
    machine: Machine = PERCEPTRON,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SuccessCurve:
    """Run an algorithm on fresh instances at every load.

    Parameters
    ----------
    solver : a name (`ALGORITHMS`), an `Algorithm`, or your own function (problem, rng, budget) -> weights
    N : sites, >= 1;  alphas : loads > 0, (A,); P = round(alpha N) patterns;  instances : fresh ones at every load, >= 1
    seed : of instances and algorithm, >= 0;  budget : steps a run (default: the algorithm's own)
    task, patterns, teacher, kappa, machine : the problem, as for `draw_problem`
    workers : threads (default: one a processor; one for a function of your own)
    progress : called as progress(runs completed, runs asked for)

    Ctrl-C stops the runs under way; what was completed is in the result, which says ``interrupted``.

    Raises
    ------
    ValueError : an argument outside these ranges, or a problem that the algorithm is not made for
    """
    chosen = as_algorithm(solver)
    N = check_integer("N", N, at_least=1)
    count = check_integer("instances", instances, at_least=1)
    steps = check_integer("budget", chosen.budget if budget is None else budget, at_least=1)
    loads = check_loads(alphas, N)
    architecture = as_architecture(machine, N)
    name = chosen.label
    given: dict[str, Any] = {"task": task, "patterns": patterns, "teacher": teacher, "accepted": machine, "kappa": check_finite("kappa", kappa)}
    if isinstance(chosen, UserSolver) and workers is None:
        workers = 1
    # every kind of mistake is met before any work
    chosen.check(draw_problem(int(loads[0]), N, seed, 0, **given))
    stop = threading.Event()

    def one(task_number: int) -> Timed:
        i, sample = task_number % loads.size, task_number // loads.size
        problem = draw_problem(int(loads[i]), N, seed, sample, **given)
        rng = task_generator(seed, "run", name, int(loads[i]), N, sample)
        start = time.thread_time()
        found = run(problem, chosen, rng, steps, stop=stop.is_set)
        return found, time.thread_time() - start, _overlap(found, problem.teacher)

    done = run_samples(one, loads.size * count, workers, progress, stop)
    asked = {"name": machine_name(architecture), "K": architecture.K, "kappa": given["kappa"], "task": task, "patterns": patterns}
    return _gathered(chosen, N, loads, count, steps, seed, asked, done)


def _gathered(
    algorithm: Algorithm, N: int, loads: NDArray[np.int64], count: int, budget: int, seed: int, asked: dict[str, Any], done: SampleRun[Timed]
) -> SuccessCurve:
    name, interrupted = algorithm.label, done.interrupted
    steps, errors, overlap, seconds = (np.full((loads.size, count), np.nan) for _ in range(4))
    solved = np.zeros(loads.size, np.int64)
    for number, (found, cpu, R) in zip(done.samples, done.values):
        if found.status == "interrupted":
            interrupted = True
            continue
        at = number % loads.size, number // loads.size
        steps[at] = found.steps if found.solved else np.nan
        errors[at], seconds[at], overlap[at] = found.errors, cpu, R
        solved[at[0]] += found.solved
    completed = np.sum(np.isfinite(errors), axis=1)
    mean = np.divide(np.nansum(seconds, axis=1), completed, out=np.full(loads.size, np.nan), where=completed > 0)
    some = completed > 0
    alphas = loads / N
    if np.unique(loads[some]).size > 1:
        fit = fit_threshold(alphas[some], solved[some], completed[some], task_generator(seed, "bootstrap", name, N))
    else:
        fit = Threshold("one-load")
    binary = algorithm.binary
    if isinstance(algorithm, UserSolver):
        binary = all(np.all(np.abs(found.weights) == 1) for found, *_ in done.values if found.solved and found.weights is not None)
    model = asked | {"weights": "binary" if binary else "spherical"}
    told = (budget, seed, asked["task"], binary, interrupted, model)
    return SuccessCurve(name, N, alphas, completed, solved, steps, errors, overlap, mean, fit, *told)


def check_loads(alphas: Any, N: int) -> NDArray[np.int64]:
    """Numbers of patterns of the loads, in the order given."""
    try:
        loads = np.atleast_1d(np.asarray(alphas, dtype=float))
    except (TypeError, ValueError):
        raise ValueError(f"alphas: got {alphas!r}, takes loads > 0") from None
    if loads.ndim != 1 or not loads.size or not np.all(np.isfinite(loads) & (loads > 0)):
        raise ValueError(f"alphas: got {alphas!r}, takes loads > 0")
    counts = np.rint(loads * N).astype(np.int64)
    if np.any(counts < 1):
        raise ValueError(f"alphas: got {loads.min():g} with N = {N}, takes loads of one pattern or more")
    return counts


def _overlap(found: Result, teacher: Any) -> float:
    """W.T/(|W||T|) with the teacher, nan without one."""
    if teacher is None or found.weights is None:
        return float("nan")
    W, T = np.asarray(found.weights, dtype=float), np.asarray(teacher, dtype=float)
    length = float(np.linalg.norm(W) * np.linalg.norm(T))
    return float(W @ T) / length if length > 0 else float("nan")
