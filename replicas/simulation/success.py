"""Success of a learning algorithm against the load: many fresh instances, a fitted threshold, in threads.

Every instance is drawn from its own stream, and so is the algorithm's randomness: a point does not depend on which others are
asked for, on their order, or on the number of workers. Two algorithms at the same (seed, N, alpha) see the same instances.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_finite, check_integer
from .display.load_curves import ShareCurve, fit_completed
from .display.results import Arrays, Columns, known
from .learning import Algorithm, Result, Solver, UserSolver, as_algorithm, run
from .machines import PERCEPTRON, Machine, as_architecture, machine_name, model_words
from .problems import draw_problem
from .sampling import SampleRun, run_samples
from .seeding import task_generator
from .threshold import Threshold

Array = NDArray[np.float64]
Timed = tuple[Result, float, float]  # result, CPU seconds, overlap with the teacher


@dataclass(frozen=True, eq=False, repr=False)
class SuccessCurve(ShareCurve):
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

    quantity = "simulate"
    inputs = ("algorithm", "N", "task", "budget", "seed", "model")
    computed = ("threshold",)
    axes = (r"load $\alpha$", "share of instances solved")

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
    def header(self) -> tuple[str, ...]:  # type: ignore[override]
        """Of the table; with a teacher, the mean overlap with it at the end."""
        usual = ("alpha", "solved", "of", "probability", "stderr", "median steps", "CPU s")
        return (*usual, "overlap") if self.task == "teacher-student" else usual

    @property
    def _counted(self) -> NDArray[np.int64]:
        return self.solved

    def cells(self, i: int) -> list[str]:
        """The row of one load."""
        counts = [f"{self.alphas[i]:.4g}", str(self.solved[i]), str(self.instances[i])]
        steps = _of_row(np.median, self.steps[i])
        shares = [f"{self.probability[i]:.3f}", f"{self.stderr[i]:.3f}"]
        overlap = [known(_of_row(np.mean, self.overlap[i]), ".4f")] if self.task == "teacher-student" else []
        return [*counts, *shares, known(steps, ".0f"), f"{self.seconds[i]:.2g}", *overlap]

    @property
    def label(self) -> str:
        """Algorithm and size."""
        return f"{self.algorithm}, N = {self.N}"

    @property
    def caption(self) -> str:
        """Algorithm, size and model."""
        return f"{self.label}, {model_words(self.model)}{self.ending}"

    @property
    def title(self) -> str:
        """What was run, in words."""
        return f"{self.label}, {model_words(self.model)}, budget {self.budget}, seed {self.seed}{self.ending}"

    def columns(self) -> Columns:
        """By load, alpha first."""
        counts = {"alpha": self.alphas, "instances": self.instances, "solved": self.solved}
        shares = {"probability": self.probability, "error": self.stderr}
        medians = np.array([_of_row(np.median, row) for row in self.steps])
        return counts | shares | {"median_steps": medians, "overlap": np.array([_of_row(np.mean, row) for row in self.overlap]), "seconds": self.seconds}

    def arrays(self) -> Arrays:
        """By load and instance."""
        each = ("alpha", "instance")
        return {"steps": (each, self.steps), "errors": (each, self.errors), "overlaps": (each, self.overlap)}


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

    Ctrl-C stops the runs under way (a call of your own function is left to end by itself); what was completed is in the result, which
    says ``interrupted``.

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
    own = isinstance(chosen, UserSolver)
    if own and workers is None:
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

    done = run_samples(one, loads.size * count, workers, progress, stop, wait=not own)
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
    fit = fit_completed(loads, N, solved, completed, task_generator(seed, "bootstrap", name, N))
    binary = algorithm.binary
    if isinstance(algorithm, UserSolver):
        binary = all(np.all(np.abs(found.weights) == 1) for found, *_ in done.values if found.solved and found.weights is not None)
    model = asked | {"weights": "binary" if binary else "spherical"}
    told = (budget, seed, asked["task"], binary, interrupted, model)
    return SuccessCurve(name, N, loads / N, completed, solved, steps, errors, overlap, mean, fit, *told)


MOST_PATTERNS = 2**31  # more would not fit into any memory


def check_loads(alphas: Any, N: int) -> NDArray[np.int64]:
    """Numbers of patterns of the loads, in the order given."""
    try:
        loads = np.atleast_1d(np.asarray(alphas, dtype=float))
    except (TypeError, ValueError):
        raise ValueError(f"alphas: got {alphas!r}, takes loads > 0") from None
    if loads.ndim != 1 or not loads.size or not np.all(np.isfinite(loads) & (loads > 0)):
        raise ValueError(f"alphas: got {alphas!r}, takes loads > 0")
    if loads.max() * N > MOST_PATTERNS:
        raise ValueError(f"alphas: got {loads.max():g} with N = {N}, takes loads of at most {MOST_PATTERNS} patterns")
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


def _of_row(mean: Callable[[Array], Any], row: Array) -> float:
    """A mean of what is there, nan if there is nothing."""
    there = row[np.isfinite(row)]
    return float(mean(there)) if there.size else float("nan")
