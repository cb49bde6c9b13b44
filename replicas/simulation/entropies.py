"""Entropy of the solutions of random instances by exact enumeration, against the load.

The instances of a load are fresh, and those that `success_curve` draws for the same (seed, N, alpha): a point does not depend on
which others are asked for. The mean of (1/N) log(number of solutions) is over the instances that have solutions; how many have
none is always said beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_choice, check_finite, check_integer
from .display.load_curves import LoadCurve
from .display.results import Columns, known, plain
from .enumeration import conditions_of, count_solutions
from .machines import PERCEPTRON, Machine, as_architecture, machine_name, model_words
from .overlaps import quenched_entropy
from .problems import draw_problem
from .sampling import run_samples
from .success import check_loads

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class EntropyCurve(LoadCurve):
    """Quenched entropy per weight of the solutions, by load.

    alphas : loads P/N as drawn, (A,);  entropy, stderr : mean over the instances with solutions and its standard error
    instances : completed, (A,);  without_solutions : (A,), how many of them are not in the mean
    model : what was enumerated, in the words of the theory: name, K, weights, kappa, likelihood, task, and the kind of patterns
    """

    quantity = "simulate"
    algorithm: ClassVar[str] = "enumeration"
    inputs = ("algorithm", "N", "task", "seed", "model")
    header = ("alpha", "entropy", "stderr", "instances", "no solution")
    axes = (r"load $\alpha$", r"entropy per weight $s$")
    drawn = ("entropy", "error")
    binary: ClassVar[bool] = True

    N: int
    alphas: Array
    entropy: Array
    stderr: Array
    instances: NDArray[np.int64]
    without_solutions: NDArray[np.int64]
    seed: int
    task: str
    interrupted: bool
    model: dict[str, Any]

    @property
    def status(self) -> str:
        """"converged", "interrupted", or "no-solution" where no instance at any load has one."""
        return super().status if self.interrupted or np.any(np.isfinite(self.entropy)) else "no-solution"

    @property
    def title(self) -> str:
        """What was enumerated, in words."""
        return f"{self.caption.removesuffix(self.ending)}, seed {self.seed}{self.ending}"

    @property
    def caption(self) -> str:
        """Size and model."""
        return f"enumeration, N = {self.N}, {model_words(self.model)}{self.ending}"

    @property
    def label(self) -> str:
        """The size."""
        return f"N = {self.N}"

    def cells(self, i: int) -> list[str]:
        """The row of one load."""
        counts = [str(self.instances[i]), str(self.without_solutions[i])]
        return [f"{self.alphas[i]:.4g}", known(self.entropy[i], ".5f"), known(self.stderr[i], ".5f"), *counts]

    def columns(self) -> Columns:
        """By load, alpha first."""
        counts = {"instances": self.instances, "without_solutions": self.without_solutions}
        return {"alpha": self.alphas, "entropy": self.entropy, "error": self.stderr, **counts}

    def against(self, predicted: ArrayLike) -> dict[str, Any]:
        """Difference to the entropies of the limit, load by load, with its error: at finite N it need not vanish (of order 1/N)."""
        limit = np.broadcast_to(np.asarray(predicted, dtype=float), self.entropy.shape)
        gap = self.entropy - limit
        measured = [
            f"{g:+.4f}{f' ± {e:.4f}' if np.isfinite(e) else ''} at {a:.3g}" for a, g, e in zip(self.alphas, gap, self.stderr) if np.isfinite(g)
        ]
        words = "entropy less the replica-symmetric one of large N (a difference of order 1/N is expected)"
        numbers = {"predicted": limit, "measured": self.entropy, "difference": gap, "stderr": self.stderr}
        return {**plain(numbers), "text": f"{words}: {', '.join(measured)}"}


def entropy_curve(
    N: int,
    alphas: ArrayLike,
    instances: int = 50,
    seed: int = 0,
    *,
    task: str = "storage",
    patterns: str = "binary",
    kappa: float = 0.0,
    likelihood: str = "threshold",
    machine: Machine = PERCEPTRON,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EntropyCurve:
    """Enumerate the binary solutions of random instances.

    Parameters
    ----------
    N : sites, >= 1; at most 63 weights, N or those of a fully connected machine (31 for K > 1): `count_solutions` chooses the engine
    alphas : loads > 0, (A,);  instances, seed, workers, progress : as for `success_curve`
    task, kappa, machine : the problem, as for `draw_problem`;  likelihood : "threshold" or "window";  patterns : "binary"

    Ctrl-C stops the searches under way; what was completed is in the result, which says ``interrupted``.

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    check_choice("patterns", patterns, ("binary",))
    N = check_integer("N", N, at_least=1)
    count = check_integer("instances", instances, at_least=1)
    loads = check_loads(alphas, N)
    architecture = as_architecture(machine, N)
    check_choice("likelihood", likelihood, ("threshold", "window"))
    if likelihood == "window" and not check_finite("kappa", kappa) > 0:
        raise ValueError(f"kappa: got {kappa} with likelihood window, takes a half-width > 0")
    if task == "teacher-student" and likelihood == "window":
        raise ValueError("likelihood: got window with a teacher, takes threshold")
    given: dict[str, Any] = {"task": task, "accepted": machine, "kappa": check_finite("kappa", kappa)}

    stop = threading.Event()

    def unless_stopped(done: int, total: int) -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    def one(number: int) -> int:
        problem = draw_problem(int(loads[number % loads.size]), N, seed, number // loads.size, **given)
        return count_solutions(problem.patterns, kappa, likelihood, problem.labels, machine, workers=1, progress=unless_stopped)

    first = draw_problem(1, N, seed, 0, **given)
    conditions_of(first.patterns, kappa, likelihood, first.labels, machine, "auto")  # every kind of mistake is met before any work
    done = run_samples(one, loads.size * count, workers, progress, stop)
    numbers = np.full((count, loads.size), -1)
    for sample, solutions in zip(done.samples, done.values):
        numbers[sample // loads.size, sample % loads.size] = solutions
    weights = N * architecture.K if architecture.shared else N
    entropy, stderr = np.full((2, loads.size), np.nan)
    for i, column in enumerate(numbers.T):
        if np.any(column >= 0):
            found = quenched_entropy(column[column >= 0][:, None], weights)
            entropy[i], stderr[i] = found.mean[0], found.stderr[0]
    tally = (np.sum(numbers >= 0, axis=0), np.sum(numbers == 0, axis=0))
    asked = {"name": machine_name(architecture), "K": architecture.K, "weights": "binary", "kappa": given["kappa"]}
    model = asked | {"likelihood": likelihood, "task": task, "patterns": patterns}
    return EntropyCurve(N, loads / N, entropy, stderr, *tally, seed, task, done.interrupted, model)
